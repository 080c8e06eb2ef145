//! Paths resolved below a root by the kernel.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::Canonical;

use super::links::{self, HostNames};
use super::waiting::RootFileSystem;

/// How often a path is resolved again when a concurrent rename keeps the kernel from deciding.
const RACE_RETRIES: usize = 16;

/// Most names in an absolute link that are compared with the root.
const MAX_HOST_NAMES: usize = 64;

/// The root of a tree, which nothing leads out of.
pub struct Root {
    directory: Arc<OwnedFd>,
    host_names: Arc<HostNames>,
    follows_links: bool,
    file_system: RootFileSystem,
}

/// A name in a directory. A symbolic link of this name is not followed.
pub struct Place<'a> {
    directory: Directory<'a>,
    name: &'a [u8],
}

enum Directory<'a> {
    Held(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl<'a> Place<'a> {
    /// A name in a directory that is open already.
    pub fn within(directory: BorrowedFd<'a>, name: &'a [u8]) -> Self {
        Self { directory: Directory::Held(directory), name }
    }

    pub fn directory(&self) -> BorrowedFd<'_> {
        match &self.directory {
            Directory::Held(directory) => *directory,
            Directory::Opened(directory) => directory.as_fd(),
        }
    }

    /// The directory's descriptor, to be held for longer.
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
    /// `path`: the path on the host by which the directory was opened.
    pub fn new(directory: OwnedFd, path: &Path) -> Result<Self, Errno> {
        // The path may lead through symbolic links; other links name the directory without them.
        let name = fs::readlink(format!("/proc/self/fd/{}", directory.as_raw_fd()), Vec::new())?;
        let host_names = HostNames::new([path.as_os_str().as_bytes().to_vec(), name.into_bytes()]);
        let file_system = RootFileSystem::of(&directory)?;
        let (directory, host_names) = (Arc::new(directory), Arc::new(host_names));
        Ok(Self { directory, host_names, follows_links: true, file_system })
    }

    /// The same directory, where a symbolic link in a path is an error.
    pub fn without_links(&self) -> Self {
        let (directory, host_names) = (self.directory.clone(), self.host_names.clone());
        Self { directory, host_names, follows_links: false, file_system: self.file_system }
    }

    /// The file system that has the directory.
    pub fn file_system(&self) -> RootFileSystem {
        self.file_system
    }

    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    pub fn host_names(&self) -> &HostNames {
        &self.host_names
    }

    /// The path in the tree that an absolute path of the host means: empty, or with a slash first;
    /// `None` if it leads elsewhere. Links and mounts may give the root more names than are known
    /// here, so a path also belongs to the tree if it passes through the very same directory.
    pub fn inside<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        self.host_names.inside(text).or_else(|| {
            let root = fs::fstat(&*self.directory).ok()?;
            let ends = (1..=text.len()).filter(|end| matches!(text.get(*end), None | Some(b'/')));
            let names = ends.filter_map(|end| text.split_at_checked(end)).take(MAX_HOST_NAMES);
            let mut found = names.map_while(|(above, rest)| Some((fs::stat(above).ok()?, rest)));
            found.find(|(above, _)| (above.st_dev, above.st_ino) == (root.st_dev, root.st_ino)).map(|(_, rest)| rest)
        })
    }

    /// The text of a link on disk as the client sees it: as it was written. An absolute text into the tree was
    /// written without the path of the tree on the host.
    pub fn shown(&self, text: &[u8]) -> Vec<u8> {
        let is_absolute = text.first() == Some(&b'/');
        match self.inside(text).filter(|_| is_absolute) {
            Some(b"") => b"/".to_vec(),
            Some(inside) => inside.to_vec(),
            None => text.to_vec(),
        }
    }

    /// Where a path leads, without symbolic links. `follow`: whether the last name is followed as well.
    pub fn canonical(&self, path: &VirtualPath, follow: bool) -> Result<Canonical, Errno> {
        let has_none = || Canonical { path: path.clone(), lacks_parent: false };
        if path.is_root() {
            return Ok(has_none());
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC | if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        match self.open_without_links(path.relative(), flags) {
            Ok(_) => Ok(has_none()),
            Err(Errno::NOENT | Errno::LOOP | Errno::XDEV) => links::find(self, path.relative(), follow),
            Err(errno) => Err(errno),
        }
    }

    /// Opens a file. Symbolic links are followed, but never out of the tree.
    pub fn open(&self, path: &VirtualPath, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        self.open_relative(if path.is_root() { b"." } else { path.relative() }, flags, mode)
    }

    /// Opens an `O_PATH` descriptor of the file.
    pub fn open_path_only(&self, path: &VirtualPath) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
    }

    /// The opened parent directory and the last name. For the root, that is `.` in itself.
    pub fn place<'a>(&'a self, path: &'a VirtualPath) -> Result<Place<'a>, Errno> {
        let Some(name) = path.file_name() else {
            return Ok(Place::within(self.directory(), b"."));
        };
        let relative = path.relative();
        let parent = relative.get(..relative.len().saturating_sub(name.len() + 1)).unwrap_or_default();
        if parent.is_empty() {
            return Ok(Place::within(self.directory(), name));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Place { directory: Directory::Opened(self.open_relative(parent, flags, Mode::empty())?), name })
    }

    fn open_relative(&self, relative: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        if !self.follows_links {
            return self.open_beneath(relative, flags, mode, ResolveFlags::NO_SYMLINKS);
        }
        match self.open_beneath(relative, flags, mode, ResolveFlags::NO_MAGICLINKS) {
            // A link leads out of the tree, or it is absolute and leads into it again.
            Err(Errno::XDEV) => {
                let keeps_last = flags.contains(OFlags::NOFOLLOW) || flags.contains(OFlags::CREATE | OFlags::EXCL);
                let Canonical { path: place, lacks_parent } = links::find(self, relative, !keeps_last)?;
                if lacks_parent {
                    return Err(Errno::NOENT);
                }
                let relative = if place.is_root() { b"." } else { place.relative() };
                self.open_beneath(relative, flags, mode, ResolveFlags::NO_SYMLINKS)
            }
            outcome => outcome,
        }
    }

    pub fn open_without_links(&self, relative: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        self.open_beneath(relative, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
    }

    fn open_beneath(&self, relative: &[u8], flags: OFlags, mode: Mode, links: ResolveFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | links;
        for _ in 0..RACE_RETRIES {
            match fs::openat2(&*self.directory, relative, flags, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                outcome => return outcome,
            }
        }
        Err(Errno::AGAIN)
    }
}
