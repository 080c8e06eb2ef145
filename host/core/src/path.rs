//! Virtual paths: what a client sees, and the only kind of path above storage.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// Longest path accepted, in bytes (Linux `PATH_MAX`).
pub const MAX_PATH_BYTES: usize = 4096;

/// Why a client's path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// NUL ends a name for the operating system.
    #[error("the path contains a NUL byte")]
    Nul,
    /// The path, as sent or once resolved, has more than [`MAX_PATH_BYTES`].
    #[error("the path is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
}

/// An absolute, normalised path of bytes: it begins with `/`, has no `.`, `..`, empty
/// component, trailing slash or NUL. Names need not be UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VirtualPath(Vec<u8>);

impl Default for VirtualPath {
    fn default() -> Self {
        Self::root()
    }
}

impl VirtualPath {
    /// The root directory, `/`.
    pub fn root() -> Self {
        Self(b"/".to_vec())
    }

    /// The path a client means by `raw`: absolute, or relative to `base`. `..` above the root stays at the
    /// root, as in a chroot.
    ///
    /// # Errors
    /// [`PathError`], for a NUL byte or too many bytes; `..` and empty components are no errors.
    pub fn resolve(base: &VirtualPath, raw: &[u8]) -> Result<Self, PathError> {
        if raw.contains(&0) {
            return Err(PathError::Nul);
        }
        if raw.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let mut path = if raw.first() == Some(&b'/') { Vec::new() } else { base.components_only().to_vec() };
        for component in raw.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    let parent = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    path.truncate(parent);
                }
                name => {
                    path.push(b'/');
                    path.extend_from_slice(name);
                }
            }
        }
        if path.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(Self(path))
    }

    /// An absolute path that is already written in normal form, as accounts store it
    /// (A8-04). `None` if it is relative or not normalised.
    pub fn parse_normalised(text: &str) -> Option<Self> {
        let path = Self::resolve(&Self::root(), text.as_bytes()).ok()?;
        (path.as_bytes() == text.as_bytes()).then_some(path)
    }

    /// As [`parse_normalised`](Self::parse_normalised), but slashes at the end do not count.
    pub fn parse_directory(text: &str) -> Option<Self> {
        let trimmed = text.trim_end_matches('/');
        Self::parse_normalised(if trimmed.is_empty() && !text.is_empty() { "/" } else { trimmed })
    }

    /// The path with its leading slash; not necessarily UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same bytes, for programs of the host.
    pub fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0 == b"/"
    }

    /// The directory that holds the last component; the root's parent is the root.
    pub fn parent(&self) -> VirtualPath {
        let components = self.components_only();
        match components.iter().rposition(|byte| *byte == b'/') {
            Some(end) if end > 0 => Self(components.get(..end).unwrap_or_default().to_vec()),
            _ => Self::root(),
        }
    }

    /// The last component; none for the root.
    pub fn file_name(&self) -> Option<&[u8]> {
        if self.is_root() {
            return None;
        }
        self.0.rsplit(|byte| *byte == b'/').next()
    }

    /// The path without its leading slash: empty for the root.
    pub fn relative(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }

    /// Component-wise containment: `/ab` is not below `/a` (A5-03).
    pub fn is_same_or_below(&self, ancestor: &VirtualPath) -> bool {
        match self.0.strip_prefix(ancestor.components_only()) {
            Some(rest) => rest.is_empty() || rest.first() == Some(&b'/'),
            None => false,
        }
    }

    /// The path as seen with `ancestor` as the root: `/a/b` below `/a` is `/b`. Unchanged if it is not below
    /// `ancestor`.
    pub fn below(&self, ancestor: &VirtualPath) -> VirtualPath {
        match self.0.strip_prefix(ancestor.components_only()) {
            Some([]) => Self::root(),
            Some(rest @ [b'/', ..]) => Self(rest.to_vec()),
            _ => self.clone(),
        }
    }

    /// The components, from the first directory to the last name; none for the root.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.relative().split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// The first component; none for the root.
    pub fn first_component(&self) -> Option<&[u8]> {
        self.names().next()
    }

    /// The path as text, for logs and messages; bytes that are not UTF-8 become U+FFFD.
    pub fn display(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// `/a/b`, but empty for the root, so that components can be appended.
    fn components_only(&self) -> &[u8] {
        if self.is_root() { b"" } else { &self.0 }
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.display())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(base: &str, raw: &[u8], expected: Result<&str, PathError>) {
        let base = VirtualPath::parse_normalised(base).unwrap();
        let resolved = VirtualPath::resolve(&base, raw);
        assert_eq!(
            resolved.as_ref().map(|path| path.as_bytes()),
            expected.as_ref().map(|text| text.as_bytes()),
            "{raw:?}"
        );
    }

    #[test]
    fn client_paths_are_normalised() {
        check("/", b"", Ok("/"));
        check("/", b".", Ok("/"));
        check("/home", b"", Ok("/home"));
        check("/home", b"a/b", Ok("/home/a/b"));
        check("/home", b"/a//b/./c/", Ok("/a/b/c"));
        check("/", b"a\nb", Ok("/a\nb"));
        check("/", b"a\0b", Err(PathError::Nul));
        check("/", &[b'x'; MAX_PATH_BYTES + 1], Err(PathError::TooLong));
    }

    #[test]
    fn dot_dot_never_leaves_the_root() {
        // A5-03
        check("/", b"..", Ok("/"));
        check("/", b"../../../etc/passwd", Ok("/etc/passwd"));
        check("/a/b", b"../..", Ok("/"));
        check("/a/b", b"../../../c", Ok("/c"));
        check("/a", b"/b/../../c/..", Ok("/"));
    }

    #[test]
    fn containment_is_by_component() {
        // A5-03
        let path = |text| VirtualPath::parse_normalised(text).unwrap();
        assert!(path("/a/b").is_same_or_below(&path("/a")));
        assert!(path("/a").is_same_or_below(&path("/a")));
        assert!(path("/a").is_same_or_below(&path("/")));
        assert!(!path("/ab").is_same_or_below(&path("/a")));
        assert!(!path("/").is_same_or_below(&path("/a")));
    }

    #[test]
    fn a_slash_at_the_end_changes_nothing() {
        // A8-04
        let check = |text: &str, expected: Option<&str>| {
            let path = VirtualPath::parse_directory(text);
            assert_eq!(path, expected.and_then(VirtualPath::parse_normalised), "{text}");
        };
        check("/", Some("/"));
        check("//", Some("/"));
        check("/a/", Some("/a"));
        check("/a//", Some("/a"));
        check("/a/b", Some("/a/b"));
        check("", None);
        check("a/", None);
        check("/a//b/", None);
        check("/a/../b/", None);
    }

    #[test]
    fn names_and_parents() {
        let path = VirtualPath::resolve(&VirtualPath::root(), b"/d/\xff\xfe").unwrap();
        assert_eq!(path.file_name(), Some(&b"\xff\xfe"[..]));
        assert_eq!(path.parent().as_bytes(), b"/d");
        assert_eq!(path.parent().parent().parent().as_bytes(), b"/");
        assert_eq!(VirtualPath::root().file_name(), None);
    }

    /// Paths made of the few bytes that matter, so that short ones cover many cases.
    fn raw() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(&b"//..ab\0\xff"[..]), 0..24)
    }

    proptest! {
        #[test]
        fn whatever_is_resolved_is_normalised_and_below_the_root(base in raw(), raw in raw()) {
            let base = VirtualPath::resolve(&VirtualPath::root(), &base).unwrap_or_default();
            let Ok(path) = VirtualPath::resolve(&base, &raw) else {
                prop_assert!(raw.contains(&0));
                return Ok(());
            };
            let bytes = path.as_bytes();
            prop_assert!(bytes.starts_with(b"/") && !bytes.contains(&0));
            prop_assert!(path.names().all(|name| !name.is_empty() && name != b"." && name != b".."));
            prop_assert!(path.is_root() || !bytes.ends_with(b"/"));
            // Resolving again changes nothing, whatever the base.
            prop_assert_eq!(VirtualPath::resolve(&base, bytes), Ok(path.clone()));
            prop_assert!(path.is_same_or_below(&VirtualPath::root()));
        }

        #[test]
        fn a_path_is_its_parent_and_its_name(raw in raw()) {
            let Ok(path) = VirtualPath::resolve(&VirtualPath::root(), &raw) else { return Ok(()) };
            let Some(name) = path.file_name() else {
                prop_assert!(path.is_root());
                return Ok(());
            };
            let parent = path.parent();
            prop_assert_eq!(VirtualPath::resolve(&parent, name), Ok(path.clone()));
            prop_assert!(path.is_same_or_below(&parent) && !parent.is_same_or_below(&path));
            let below = path.below(&parent);
            prop_assert_eq!(below.names().collect::<Vec<_>>(), [name]);
        }

        #[test]
        fn being_below_is_a_matter_of_names(one in raw(), other in raw()) {
            let resolve = |raw: &[u8]| VirtualPath::resolve(&VirtualPath::root(), raw).unwrap_or_default();
            let (one, other) = (resolve(&one), resolve(&other));
            let (names, others): (Vec<_>, Vec<_>) = (one.names().collect(), other.names().collect());
            prop_assert_eq!(one.is_same_or_below(&other), names.starts_with(&others));
        }
    }
}
