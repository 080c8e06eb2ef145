//! `*`, `?` and `[…]` in paths, as a shell would expand them: there is no shell here.

use glob::{MatchOptions, Pattern};
use tidegate_core::files::FileService;
use tidegate_core::path::VirtualPath;

const ENTRIES_AT_ONCE: usize = 256;
/// Results of one pattern; more would be a way to use up memory.
const MAX_RESULTS: usize = 100_000;
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The paths that `path` matches, or itself if that is none, as shells do it.
pub async fn expand(files: &FileService, path: VirtualPath) -> Vec<VirtualPath> {
    let has_pattern = path.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
    // A file of that very name is meant.
    if !has_pattern || files.symlink_metadata(&path).await.is_ok() {
        return vec![path];
    }
    let mut found = vec![VirtualPath::root()];
    for component in path.relative().split(|byte| *byte == b'/') {
        let pattern = std::str::from_utf8(component).ok().and_then(|text| Pattern::new(text).ok());
        let mut next = Vec::new();
        for directory in &found {
            match &pattern {
                Some(pattern) => next.extend(matching(files, directory, pattern).await),
                None => next.extend(VirtualPath::resolve(directory, component)),
            }
            if next.len() > MAX_RESULTS {
                return vec![path];
            }
        }
        found = next;
    }
    if found.is_empty() { vec![path] } else { found }
}

/// Sorted, as shells show them.
async fn matching(files: &FileService, directory: &VirtualPath, pattern: &Pattern) -> Vec<VirtualPath> {
    let literal = !pattern.as_str().contains(['*', '?', '[']);
    if literal {
        return VirtualPath::resolve(directory, pattern.as_str().as_bytes()).into_iter().collect();
    }
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
