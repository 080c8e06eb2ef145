//! Expands `*`, `?` and `[…]` in paths as a shell would, since there is no shell here.

use tidegate_core::files::{FileError, FileService};
use tidegate_core::path::{PathError, VirtualPath};
use tidegate_core::pattern::Pattern;

use super::words::Word;

const ENTRIES_AT_ONCE: usize = 256;
/// Most results of one pattern, and most paths of a command, which bounds the memory that a client can use.
const MAX_RESULTS: usize = 100_000;
/// After how many paths other tasks have their turn.
const PATHS_AT_ONCE: usize = 256;

/// The path that a word means: relative paths and `~` begin at the start directory.
pub fn resolve(files: &FileService, raw: &[u8]) -> Result<VirtualPath, PathError> {
    let raw = match raw.strip_prefix(b"~") {
        Some(rest) if rest.is_empty() || rest.first() == Some(&b'/') => rest.strip_prefix(b"/").unwrap_or(rest),
        _ => raw,
    };
    VirtualPath::resolve(&files.start_directory(), raw)
}

/// Requires that all words of a command together mean no more than so many paths.
///
/// # Errors
/// `Failed`
pub fn require_few(paths: usize) -> Result<(), FileError> {
    if paths <= MAX_RESULTS {
        return Ok(());
    }
    Err(FileError::Failed(format!("means more than {MAX_RESULTS} files; name the directories that have them instead")))
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
    for (looked_at, path) in found.into_iter().enumerate() {
        if files.symlink_metadata(&path).await.is_ok() {
            there.push(path);
        }
        if looked_at.is_multiple_of(PATHS_AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
    let found = there;
    Ok(if found.is_empty() { vec![literal] } else { found })
}

/// The names in a directory that match, sorted as a shell shows them.
async fn matching(files: &FileService, directory: &VirtualPath, component: &[u8]) -> Vec<VirtualPath> {
    let Some(pattern) = NamePattern::of(component) else {
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
        let matches = names.filter(|name| pattern.matches(name));
        found.extend(matches.filter_map(|name| VirtualPath::resolve(directory, &name).ok()));
        if found.len() > MAX_RESULTS {
            break;
        }
        tokio::task::yield_now().await;
    }
    found.sort();
    found
}

/// A component of a path that stands for names of a directory.
struct NamePattern {
    pattern: Pattern,
    /// Only a pattern that begins with a dot stands for names that do.
    has_dot: bool,
}

impl NamePattern {
    /// `None` if the component stands for itself alone.
    fn of(component: &[u8]) -> Option<Self> {
        if !component.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
            return None;
        }
        // Backslashes that quote were taken away with the quotes; those that are left are characters of the name.
        let text = std::str::from_utf8(component).ok()?.replace('\\', r"\\");
        Some(Self { pattern: Pattern::shell(&text).ok()?, has_dot: text.starts_with('.') })
    }

    fn matches(&self, name: &[u8]) -> bool {
        (self.has_dot || !name.starts_with(b".")) && self.pattern.matches(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(component: &str, name: &[u8], expected: bool) {
        let pattern = NamePattern::of(component.as_bytes()).unwrap();
        assert_eq!(pattern.matches(name), expected, "{component} {name:?}");
    }

    #[test]
    fn names_match_as_in_a_shell() {
        check("*", b"a", true);
        check("*", b"caf\xe9", true);
        check("*.txt", b"a.txt", true);
        check("[12].t?t", b"1.txt", true);
        check("[^12]", b"1", false);
        check("[!12]", b"3", true);
        check("**", b"a", true);
        check("{a,b}*", b"a", false);
        check("a[[]1]*", b"a[1]", true);
        // Names that begin with a dot are only meant where the dot is written.
        check("*", b".a", false);
        check("?a", b".a", false);
        check("[.]a", b".a", false);
        check("*.txt", b".txt", false);
        check(".*", b".a", true);
        check(".*", b"a", false);
        check("*.*", b"a.b", true);
        // As after `'a\b'*`.
        check(r"a\b*", br"a\bc", true);
        check(r"a\*", br"a\c", true);
        check(r"a\*", b"a*", false);
        check(r"[\]*", br"\a", true);
        check(r"*\", br"a\", true);
    }

    #[test]
    fn what_is_no_pattern_stands_for_itself() {
        for component in [&b""[..], b"a", b"a]", b"{a,b}", br"a\b", b"[", b"a[b*", b"[!]", b"caf\xe9*"] {
            assert!(NamePattern::of(component).is_none(), "{component:?}");
        }
    }
}
