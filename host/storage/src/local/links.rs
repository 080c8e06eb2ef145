//! Symbolic links: what their text means, and where a path with symbolic links leads.
//!
//! The kernel itself follows relative links beneath the root. It takes an absolute link for a way
//! out, although the link may begin with the root's path on the host. Such a path is followed here,
//! name by name, and the result is opened as a path without symbolic links.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use tidegate_core::path::{PathError, VirtualPath};
use tidegate_core::ports::storage::Canonical;

use super::resolve::Root;

/// As many symbolic links as the kernel follows.
const MAX_LINKS: usize = 40;
/// Most names on the way, including those in links.
const MAX_STEPS: usize = 8192;

/// The paths of a tree's root on the host, with which absolute links into the tree begin.
pub struct HostNames(Vec<Vec<u8>>);

impl HostNames {
    /// `paths`: a directory may have several, for instance because of links above it. The first one
    /// is written into new links.
    pub fn new(paths: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut names: Vec<Vec<u8>> = Vec::new();
        for mut path in paths {
            while path.last() == Some(&b'/') {
                path.pop();
            }
            if !names.contains(&path) {
                names.push(path);
            }
        }
        Self(names)
    }

    /// The path in the tree that an absolute path of the host means: empty, or with a slash first.
    pub fn inside<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let below = |name: &Vec<u8>| text.strip_prefix(name.as_slice());
        self.0.iter().filter_map(below).find(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
    }

    /// The text of a link as it is written to disk. An absolute text means the tree's root and gets the root's path
    /// on the host in front: programs of the host find the same file, and the client can get its own text back.
    pub fn stored(&self, text: &[u8]) -> Result<Vec<u8>, PathError> {
        if text.contains(&0) {
            return Err(PathError::Nul);
        }
        match self.0.first() {
            Some(name) if text.first() == Some(&b'/') => Ok([name.as_slice(), text].concat()),
            _ => Ok(text.to_vec()),
        }
    }
}

/// Where a path leads, without symbolic links; `follow`: whether a last name that is a link is followed.
pub fn find(root: &Root, relative: &[u8], follow: bool) -> Result<Canonical, Errno> {
    let mut ahead = Vec::new();
    push_names(&mut ahead, relative);
    let mut way = Way { root, names: Vec::new(), at: None, is_directory: true };
    let (mut links, mut steps) = (0, 0);
    while let Some(name) = ahead.pop() {
        steps += 1;
        if steps > MAX_STEPS {
            return Err(Errno::LOOP);
        }
        if name == b".." {
            way.up()?;
            continue;
        }
        let is_last = ahead.is_empty();
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match fs::openat(way.directory(), name.as_slice(), flags, Mode::empty()) {
            Ok(found) => found,
            Err(Errno::NOENT) => {
                ahead.push(name);
                return way.path_of(ahead, !is_last);
            }
            Err(errno) => return Err(errno),
        };
        let kind = FileType::from_raw_mode(fs::fstat(&found)?.st_mode);
        if kind != FileType::Symlink {
            way.enter(name, found, kind == FileType::Directory);
            continue;
        }
        if is_last && !follow {
            return way.path_of(vec![name], false);
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let text = fs::readlinkat(&found, "", Vec::new())?.into_bytes();
        match text.first() {
            Some(b'/') => {
                push_names(&mut ahead, root.inside(&text).ok_or(Errno::XDEV)?);
                way.restart();
            }
            _ => push_names(&mut ahead, &text),
        }
    }
    way.path_of(Vec::new(), false)
}

/// Pushes the names of a path, with the first one on top.
fn push_names(ahead: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.rsplit(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    ahead.extend(names.map(<[u8]>::to_vec));
}

/// The part of a path that was followed so far.
struct Way<'a> {
    root: &'a Root,
    names: Vec<Vec<u8>>,
    /// The directory reached; `None`: the root.
    at: Option<OwnedFd>,
    is_directory: bool,
}

impl Way<'_> {
    fn directory(&self) -> BorrowedFd<'_> {
        self.at.as_ref().map_or_else(|| self.root.directory(), AsFd::as_fd)
    }

    fn enter(&mut self, name: Vec<u8>, found: OwnedFd, is_directory: bool) {
        self.names.push(name);
        self.at = Some(found);
        self.is_directory = is_directory;
    }

    fn restart(&mut self) {
        self.names.clear();
        (self.at, self.is_directory) = (None, true);
    }

    /// Goes up one directory. The directory is opened anew, because it may have been moved: so one
    /// descriptor is held, not one for each directory on the way.
    fn up(&mut self) -> Result<(), Errno> {
        if !self.is_directory {
            return Err(Errno::NOTDIR);
        }
        if self.names.pop().is_none() {
            return Err(Errno::XDEV);
        }
        let above = self.names.join(&b'/');
        self.at = match above.is_empty() {
            true => None,
            false => Some(self.root.open_without_links(&above, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC)?),
        };
        Ok(())
    }

    fn path_of(mut self, ahead: Vec<Vec<u8>>, lacks_parent: bool) -> Result<Canonical, Errno> {
        self.names.extend(ahead.into_iter().rev());
        let path = VirtualPath::resolve(&VirtualPath::root(), &self.names.join(&b'/'));
        Ok(Canonical { path: path.map_err(|_| Errno::NAMETOOLONG)?, lacks_parent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> HostNames {
        HostNames::new([b"/srv/u/".to_vec(), b"/data/srv/u".to_vec()])
    }

    #[test]
    fn texts_come_back_as_they_were_written() {
        // A5-20
        let check = |names: &HostNames, text: &str, stored: &str| {
            let on_disk = names.stored(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8_lossy(&on_disk), stored, "{text}");
            let shown = if text.starts_with('/') { names.inside(&on_disk) } else { Some(&*on_disk) };
            assert_eq!(shown, Some(text.as_bytes()), "{text}");
        };
        for relative in ["f", "d/f", "../f", "./f", "d//f", "d/", "..", ".", "../../../outside", "missing/../f"] {
            check(&names(), relative, relative);
        }
        check(&names(), "/", "/srv/u/");
        check(&names(), "/d/f", "/srv/u/d/f");
        check(&names(), "/d/../x//", "/srv/u/d/../x//");
        check(&names(), "/srv/u/x", "/srv/u/srv/u/x");
        let whole_host = HostNames::new([b"/".to_vec()]);
        check(&whole_host, "/d/f", "/d/f");
        check(&whole_host, "/", "/");
        assert!(names().stored(b"a\0b").is_err());
    }

    #[test]
    fn texts_of_the_host_mean_the_tree_or_nothing() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(names().inside(text.as_bytes()), expected.map(str::as_bytes), "{text}");
        };
        check("/srv/u", Some(""));
        check("/srv/u/file", Some("/file"));
        check("/data/srv/u/file", Some("/file"));
        check("/srv/user2", None);
        check("/srv", None);
        check("/etc/passwd", None);
    }
}
