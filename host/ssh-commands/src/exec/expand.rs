//! Expands `*`, `?` and `[…]` in paths as a shell would, since there is no shell here.

use glob::{MatchOptions, Pattern};
use tidegate_core::files::FileService;
use tidegate_core::path::{PathError, VirtualPath};

use super::words::Word;

const ENTRIES_AT_ONCE: usize = 256;
/// Most results of one pattern, which bounds the memory that a client can use.
const MAX_RESULTS: usize = 100_000;
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The path that a word means: relative paths and `~` begin at the start directory.
pub fn resolve(files: &FileService, raw: &[u8]) -> Result<VirtualPath, PathError> {
    let raw = match raw.strip_prefix(b"~") {
        Some(rest) if rest.is_empty() || rest.first() == Some(&b'/') => rest.strip_prefix(b"/").unwrap_or(rest),
        _ => raw,
    };
    VirtualPath::resolve(&files.start_directory(), raw)
}

/// The paths that a word means; if its pattern matches none, the word itself, as shells do it.
pub async fn expand(files: &FileService, word: &Word) -> Result<Vec<VirtualPath>, PathError> {
    let literal = resolve(files, &word.text)?;
    let Some(pattern) = &word.pattern else {
        return Ok(vec![literal]);
    };
    let pattern = resolve(files, pattern)?;
    let mut found = vec![VirtualPath::root()];
    for component in pattern.relative().split(|byte| *byte == b'/') {
        let mut next = Vec::new();
        for directory in &found {
            next.extend(matching(files, directory, component).await);
            if next.len() > MAX_RESULTS {
                return Ok(vec![literal]);
            }
        }
        found = next;
    }
    let mut there = Vec::new();
    for path in found {
        if files.symlink_metadata(&path).await.is_ok() {
            there.push(path);
        }
    }
    let found = there;
    Ok(if found.is_empty() { vec![literal] } else { found })
}

/// The names in a directory that match, sorted as a shell shows them.
async fn matching(files: &FileService, directory: &VirtualPath, component: &[u8]) -> Vec<VirtualPath> {
    let is_pattern = component.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
    let pattern = std::str::from_utf8(component).ok().and_then(|text| Pattern::new(text).ok());
    let (true, Some(pattern)) = (is_pattern, pattern) else {
        return VirtualPath::resolve(directory, component).into_iter().collect();
    };
    let Ok(mut reader) = files.read_directory(directory).await else {
        return Vec::new();
    };
    let mut found = Vec::new();
    while let Ok(entries) = reader.next_entries(ENTRIES_AT_ONCE).await {
        if entries.is_empty() {
            break;
        }
        let names = entries.into_iter().map(|entry| entry.name).filter(|name| name != b"." && name != b"..");
        let matches =
            names.filter(|name| std::str::from_utf8(name).is_ok_and(|name| pattern.matches_with(name, OPTIONS)));
        found.extend(matches.filter_map(|name| VirtualPath::resolve(directory, &name).ok()));
    }
    found.sort();
    found
}
