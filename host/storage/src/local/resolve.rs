//! Paths resolved below a root by the kernel.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tidegate_core::path::{PathError, VirtualPath};

/// Tries when a rename elsewhere keeps the kernel from being sure.
const RACE_RETRIES: usize = 16;

/// The directory that nothing leaves.
pub struct Root(OwnedFd);

/// A name in a directory; the name itself is not followed.
pub struct Place<'a> {
    directory: Directory<'a>,
    name: &'a [u8],
}

enum Directory<'a> {
    Held(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl<'a> Place<'a> {
    /// In a directory that is open already.
    pub fn within(directory: BorrowedFd<'a>, name: &'a [u8]) -> Self {
        Self { directory: Directory::Held(directory), name }
    }

    pub fn directory(&self) -> BorrowedFd<'_> {
        match &self.directory {
            Directory::Held(directory) => *directory,
            Directory::Opened(directory) => directory.as_fd(),
        }
    }

    /// To be held for longer.
    pub fn into_directory(self) -> Result<OwnedFd, Errno> {
        match self.directory {
            Directory::Held(directory) => directory.try_clone_to_owned().map_err(|_| Errno::MFILE),
            Directory::Opened(directory) => Ok(directory),
        }
    }

    pub fn name(&self) -> &[u8] {
        self.name
    }
}

impl Root {
    pub fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }

    /// Follows links, but never out of the tree.
    pub fn open(&self, path: &VirtualPath, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        self.open_relative(if path.is_root() { b"." } else { path.relative() }, flags, mode)
    }

    /// A descriptor that only names the file.
    pub fn open_path_only(&self, path: &VirtualPath) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
    }

    /// The parent, opened, and the last component. The root is `.` in itself.
    pub fn place<'a>(&'a self, path: &'a VirtualPath) -> Result<Place<'a>, Errno> {
        let Some(name) = path.file_name() else {
            return Ok(Place::within(self.0.as_fd(), b"."));
        };
        let relative = path.relative();
        let parent = relative.get(..relative.len().saturating_sub(name.len() + 1)).unwrap_or_default();
        if parent.is_empty() {
            return Ok(Place::within(self.0.as_fd(), name));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Place { directory: Directory::Opened(self.open_relative(parent, flags, Mode::empty())?), name })
    }

    fn open_relative(&self, relative: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..RACE_RETRIES {
            match fs::openat2(&self.0, relative, flags, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                outcome => return outcome,
            }
        }
        Err(Errno::AGAIN)
    }
}

/// How a link is written to disk: an absolute target means the tree's root, so it becomes a
/// relative one that the kernel can follow beneath it.
pub fn stored_link_target(target: &[u8], link: &VirtualPath) -> Result<Vec<u8>, PathError> {
    if target.first() != Some(&b'/') {
        return if target.contains(&0) { Err(PathError::Nul) } else { Ok(target.to_vec()) };
    }
    let target = VirtualPath::resolve(&VirtualPath::root(), target)?;
    let depth = link.parent().relative().split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
    let mut relative = b"../".repeat(depth);
    relative.extend_from_slice(if target.is_root() { b"." } else { target.relative() });
    Ok(relative)
}

/// How a link on disk looks to the client. A host path inside the tree becomes a virtual
/// one; anything that leads out of the tree is not shown.
pub fn shown_link_target(target: &[u8], link: &VirtualPath, root: &Path) -> Option<Vec<u8>> {
    if target.first() == Some(&b'/') {
        let inside = target.strip_prefix(root.as_os_str().as_bytes())?;
        return match inside.first() {
            None => Some(b"/".to_vec()),
            Some(b'/') => Some(inside.to_vec()),
            Some(_) => None,
        };
    }
    let mut depth = link.parent().relative().split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
    for component in target.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => depth = depth.checked_sub(1)?,
            _ => depth += 1,
        }
    }
    Some(target.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse_normalised(text).unwrap()
    }

    #[test]
    fn absolute_targets_are_stored_relative_to_the_tree() {
        let check = |target: &str, link: &str, expected: &str| {
            let stored = stored_link_target(target.as_bytes(), &path(link)).unwrap();
            assert_eq!(String::from_utf8(stored).unwrap(), expected, "{link} -> {target}");
        };
        check("file", "/link", "file");
        check("../x", "/a/link", "../x");
        check("/x/y", "/link", "x/y");
        check("/x/y", "/a/b/link", "../../x/y");
        check("/../../etc/passwd", "/a/link", "../etc/passwd");
        check("/", "/a/link", "../.");
    }

    #[test]
    fn targets_outside_are_not_shown() {
        let check = |target: &str, link: &str, expected: Option<&str>| {
            let shown = shown_link_target(target.as_bytes(), &path(link), Path::new("/srv/u"));
            assert_eq!(shown.as_deref(), expected.map(str::as_bytes), "{link} -> {target}");
        };
        check("file", "/link", Some("file"));
        check("../file", "/a/link", Some("../file"));
        check("../file", "/link", None);
        check("/srv/u/file", "/link", Some("/file"));
        check("/srv/user2", "/link", None);
        check("/etc/passwd", "/link", None);
    }
}
