//! The guard between names and keys: different paths are different keys, and a path that cannot be a key is
//! refused. A key that no path leads to has no name.
//!
//! opendal takes white space off both ends of a path and joins empty names; listings are XML, which has no
//! control characters. So keys are handed over with a `/` at their beginning, and names may not end with white
//! space or hold control characters.

use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{StorageError, StorageErrorKind};

/// The longest key in bytes, by the rules of Amazon S3.
const MAX_KEY: usize = 1024;

/// What the keys of a file tree begin with: empty, or with a `/` at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// The prefix of a configuration; a `/` at its beginning is dropped, and one at its end is added (A16-01).
    ///
    /// # Errors
    /// `Invalid`: a name in it is empty, `.` or `..`, or cannot be a part of a key.
    pub fn new(text: &str) -> Result<Self, StorageError> {
        if matches!(text, "" | "/") {
            return Ok(Self(String::new()));
        }
        let names = text.strip_prefix('/').unwrap_or(text);
        let names = names.strip_suffix('/').unwrap_or(names);
        if let Some(wrong) = names.split('/').find(|name| !can_be_in_key(name)) {
            let text = format!("\"{wrong}\" in the key prefix \"{text}\" cannot be a part of an object's key");
            return Err(StorageError::new(StorageErrorKind::Invalid, text));
        }
        Ok(Self(format!("{names}/")))
    }

    /// The prefix of all keys.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a file at `path`; none: the path is the root.
    ///
    /// # Errors
    /// `Invalid`, `NameTooLong`: no object can have that key.
    pub fn key(&self, path: &VirtualPath) -> Result<Key, StorageError> {
        let Ok(names) = std::str::from_utf8(path.relative()) else {
            let text = "names in object storage have to be UTF-8";
            return Err(StorageError::new(StorageErrorKind::Invalid, text));
        };
        if let Some(wrong) = names.split('/').find(|name| !names.is_empty() && !can_be_in_key(name)) {
            let text = format!(
                "\"{}\" cannot be a name in object storage: it ends with white space or has control characters",
                wrong.escape_debug()
            );
            return Err(StorageError::new(StorageErrorKind::Invalid, text));
        }
        let key = format!("/{}{names}", self.0);
        // With the `/` of a directory, and without the one at the beginning.
        if key.len() > MAX_KEY {
            return Err(too_long());
        }
        Ok(Key { text: key, root: self.0.len() + 1 })
    }
}

/// The key of a file, with a `/` before it, for opendal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    text: String,
    /// The length of the root's key.
    root: usize,
}

impl Key {
    /// The key of the object that is the file.
    pub fn file(&self) -> &str {
        &self.text
    }

    /// The key of the marker of the directory, which is also what keys below it begin with.
    pub fn directory(&self) -> String {
        if self.text.ends_with('/') { self.text.clone() } else { format!("{}/", self.text) }
    }

    /// Whether this is the root of the tree, which is always there (A16-01).
    pub fn is_root(&self) -> bool {
        self.text.len() == self.root
    }

    /// The keys of the names above this one, without the root's.
    pub fn above(&self) -> Vec<Self> {
        let mut above = Vec::new();
        let mut text = self.text.as_str();
        while let Some((directory, _)) = text.rsplit_once('/')
            && directory.len() > self.root
        {
            above.push(Self { text: directory.to_owned(), root: self.root });
            text = directory;
        }
        above
    }

    /// The name of an entry in this directory, and whether the entry is a directory. `listed`: a key of the
    /// listing, without a `/` before it; none: no name leads there.
    pub fn name_of<'a>(&self, listed: &'a str) -> Option<(&'a str, bool)> {
        let directory = self.directory();
        let below = listed.strip_prefix(directory.strip_prefix('/')?)?;
        let (name, is_directory) = below.strip_suffix('/').map_or((below, false), |name| (name, true));
        (can_be_in_key(name) && !name.contains('/')).then_some((name, is_directory))
    }

    /// What a key has behind this directory's own, which is empty for its marker. `listed`: a key of a listing of all below
    /// the directory, without a `/` before it; none: no path leads there.
    pub fn names_below<'a>(&self, listed: &'a str) -> Option<&'a str> {
        let directory = self.directory();
        let below = listed.strip_prefix(directory.strip_prefix('/')?)?;
        let mut names = below.strip_suffix('/').unwrap_or(below).split('/');
        (below.is_empty() || names.all(can_be_in_key)).then_some(below)
    }

    /// The key of what has these names below this directory.
    ///
    /// # Errors
    /// `NameTooLong`: no object can have that key.
    pub fn below(&self, names: &str) -> Result<Self, StorageError> {
        let text = format!("{}{}", self.directory(), names.strip_suffix('/').unwrap_or(names));
        let text = text.strip_suffix('/').unwrap_or(&text);
        if text.len() > MAX_KEY {
            return Err(too_long());
        }
        Ok(Self { text: text.to_owned(), root: self.root })
    }

    /// Whether a listed key is this directory's own marker.
    pub fn is_marker(&self, listed: &str) -> bool {
        self.directory().strip_prefix('/') == Some(listed)
    }
}

fn too_long() -> StorageError {
    let text = format!("the name is too long for object storage: keys have at most {MAX_KEY} bytes");
    StorageError::new(StorageErrorKind::NameTooLong, text)
}

/// Whether a name between two `/` arrives at the store as it is, and comes back in listings.
fn can_be_in_key(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.chars().next_back().is_some_and(char::is_whitespace)
        && !name.chars().any(|c| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(bytes: &[u8]) -> VirtualPath {
        VirtualPath::resolve(&VirtualPath::root(), bytes).unwrap()
    }

    #[test]
    fn prefixes_end_with_a_slash() {
        // A16-01
        let check = |text: &str, expected: Option<&str>| {
            let made = KeyPrefix::new(text).ok().map(|prefix| prefix.0);
            assert_eq!(made.as_deref(), expected, "{text:?}");
        };
        check("", Some(""));
        check("/", Some(""));
        check("a", Some("a/"));
        check("/a/b/", Some("a/b/"));
        check(" a/b", Some(" a/b/"));
        for wrong in ["//", "a//b", "../a", "a/..", "a/./b", "a ", "a /b", "a\nb", "a//"] {
            check(wrong, None);
        }
    }

    #[test]
    fn names_that_cannot_be_keys_are_refused() {
        let prefix = KeyPrefix::new("p").unwrap();
        let check = |bytes: &[u8], expected: Result<&str, StorageErrorKind>| {
            let key = prefix.key(&path(bytes)).map(|key| key.text).map_err(|error| error.kind);
            assert_eq!(key, expected.map(str::to_owned), "{bytes:?}");
        };
        check(b"/", Ok("/p/"));
        check(b"/a/b", Ok("/p/a/b"));
        check(b"/ a/+%?#&\"<>\\", Ok("/p/ a/+%?#&\"<>\\"));
        check("/ä/\u{200B}".as_bytes(), Ok("/p/ä/\u{200B}"));
        for wrong in [&b"/a "[..], b"/a /b", b"/a\t", b"/a\nb", b"/\x01", b"/a\xff", "/a\u{a0}".as_bytes()] {
            check(wrong, Err(StorageErrorKind::Invalid));
        }
        check("/\u{FFFE}".as_bytes(), Err(StorageErrorKind::Invalid));
        let longest = |length: usize| format!("/{}", "x".repeat(length));
        check(longest(1021).as_bytes(), Ok(&format!("/p/{}", "x".repeat(1021))));
        check(longest(1022).as_bytes(), Err(StorageErrorKind::NameTooLong));
    }

    #[test]
    fn the_names_above_a_key_end_below_the_root() {
        let check = |prefix: &str, below: &[u8], expected: &[&str]| {
            let key = KeyPrefix::new(prefix).unwrap().key(&path(below)).unwrap();
            let above: Vec<_> = key.above().into_iter().map(|key| key.text).collect();
            assert_eq!(above, expected, "{prefix} {below:?}");
        };
        for root in ["", "p", "p/q"] {
            check(root, b"/", &[]);
            check(root, b"/f", &[]);
        }
        check("", b"/a/b/c", &["/a/b", "/a"]);
        check("p", b"/a/b/c", &["/p/a/b", "/p/a"]);
        check("p/q", b"/a/f", &["/p/q/a"]);
    }

    #[test]
    fn keys_without_a_name_are_passed_over() {
        let directory = KeyPrefix::new("p").unwrap().key(&path(b"/d")).unwrap();
        let check = |listed: &str, expected: Option<(&str, bool)>| {
            assert_eq!(directory.name_of(listed), expected, "{listed:?}");
        };
        check("p/d/f", Some(("f", false)));
        check("p/d/e/", Some(("e", true)));
        check("p/d/", None);
        check("p/other", None);
        for odd in ["p/d//", "p/d//x", "p/d/..", "p/d/./", "p/d/a ", "p/d/a\n"] {
            check(odd, None);
        }
        assert!(directory.is_marker("p/d/") && !directory.is_marker("p/d"));
    }

    proptest! {
        #[test]
        fn different_names_are_different_keys(a in "[^\u{0}]{0,12}", b in "[^\u{0}]{0,12}") {
            let prefix = KeyPrefix::new("").unwrap();
            let (a, b) = (path(a.as_bytes()), path(b.as_bytes()));
            if let (Ok(one), Ok(other)) = (prefix.key(&a), prefix.key(&b)) {
                prop_assert_eq!(a == b, one == other);
                // As opendal makes a path of it.
                let sent = |key: &Key| key.text.trim().trim_start_matches('/').to_owned();
                prop_assert_eq!(a == b, sent(&one) == sent(&other));
            }
        }
    }
}
