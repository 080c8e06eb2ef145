//! A file that takes another's place when it is complete. Until then it has no name
//! (`O_TMPFILE`): whatever ends the upload, `kill -9` included, leaves the old file and no
//! debris. File systems without unnamed files get a hidden name instead.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use tidegate_core::files::storage::{Metadata, StorageError, StorageErrorKind, TEMPORARY_PREFIX};
use tidegate_core::path::VirtualPath;

use super::attributes;
use super::errors::from_errno;
use super::leftovers::{Leftovers, Note};
use super::rename::rename_to_new;
use super::resolve::{Place, Root};

/// Links followed to find the file that a name means.
const MAX_LINKS: usize = 8;
const NAME_MAX: usize = 255;
/// Replaced files from this size on, in bytes, are freed by a thread of their own.
const FREED_ASIDE: i64 = 64 << 20;

static SERIAL: AtomicU64 = AtomicU64::new(0);

pub struct Replacement {
    /// Where the file will be, whatever the directory is called by then: as it would be if it
    /// had been written under its name.
    directory: OwnedFd,
    /// No link.
    name: Vec<u8>,
    /// The name it has meanwhile, if it needs one.
    temporary: Option<Vec<u8>>,
    must_be_new: bool,
    keep_partial: bool,
    done: bool,
    unnamed: Option<Arc<OwnedFd>>,
    /// Of the temporary name.
    _note: Option<Note>,
}

/// How files without their final name are kept.
pub struct Temporaries<'a> {
    pub unnamed: bool,
    pub leftovers: Option<&'a Leftovers>,
    /// For notes.
    pub root_path: &'a Path,
}

impl Replacement {
    /// `must_be_new`: refuse if something has the name by then, because overwriting was not
    /// asked for. `keep_partial`: give an abandoned file its name all the same (A5-11).
    pub fn begin(
        root: &Root,
        path: &VirtualPath,
        mode: Mode,
        must_be_new: bool,
        keep_partial: bool,
        temporaries: &Temporaries<'_>,
    ) -> Result<(Self, OwnedFd), StorageError> {
        let target = final_target(root, path)?;
        let place = root.place(&target).map_err(from_errno)?;
        let (file, temporary, note) = create(&place, &target, mode, temporaries)?;
        let name = place.name().to_vec();
        let directory = place.into_directory().map_err(from_errno)?;
        let unnamed = match (&temporary, keep_partial) {
            (None, true) => Some(Arc::new(file.try_clone().map_err(|_| from_errno(Errno::MFILE))?)),
            _ => None,
        };
        let done = false;
        Ok((Self { directory, name, temporary, must_be_new, keep_partial, done, unnamed, _note: note }, file))
    }

    fn place(&self) -> Place<'_> {
        Place::within(self.directory.as_fd(), &self.name)
    }

    /// What has the name now; links are not followed, because the rename does not either.
    pub fn replaces(&self) -> Option<Metadata> {
        let place = self.place();
        let stat = fs::statat(place.directory(), place.name(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(attributes::from_stat(&stat))
    }

    /// Puts the file in its place.
    pub fn commit(mut self, file: &OwnedFd) -> Result<(), StorageError> {
        let outcome = self.put_in_place(file).map_err(from_errno);
        self.done = outcome.is_ok();
        outcome
    }

    fn put_in_place(&mut self, file: &OwnedFd) -> Result<(), Errno> {
        if self.temporary.is_none() {
            match link_unnamed(file, &self.place(), &self.name) {
                Err(Errno::EXIST) if !self.must_be_new => {}
                outcome => return outcome,
            }
            let name = temporary_name(&self.name);
            link_unnamed(file, &self.place(), &name)?;
            self.temporary = Some(name);
        }
        self.move_over()
    }

    fn move_over(&self) -> Result<(), Errno> {
        let (place, temporary) = (self.place(), self.temporary.as_deref().unwrap_or_default());
        if self.must_be_new {
            return rename_to_new(&place, temporary, &place);
        }
        let replaced = large_file(&place);
        fs::renameat(place.directory(), temporary, place.directory(), place.name())?;
        free_aside(replaced);
        Ok(())
    }
}

/// The file at `place`, if giving back its blocks would take noticeable time.
fn large_file(place: &Place) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(place.directory(), place.name(), flags, Mode::empty()).ok()?;
    let size = fs::fstat(&file).ok()?.st_size;
    (size >= FREED_ASIDE).then_some(file)
}

/// Closes the last reference to a replaced file where nobody waits for it: the kernel frees
/// the blocks of a large file in that call, for a tenth of a second or more a gigabyte.
fn free_aside(replaced: Option<OwnedFd>) {
    if let Some(file) = replaced {
        std::thread::spawn(move || drop(file));
    }
}

impl Replacement {
    /// Ends it without success. True: what there was has got its name, and replaces the old
    /// file (A5-11).
    pub fn abandon(mut self, discard: bool) -> bool {
        self.keep_partial &= !discard;
        self.end()
    }

    fn end(&mut self) -> bool {
        if std::mem::replace(&mut self.done, true) {
            return false;
        }
        if self.keep_partial && self.keep().is_ok() {
            return true;
        }
        if let Some(temporary) = &self.temporary {
            // Nobody is left to tell of a failure here.
            let _ = fs::unlinkat(&self.directory, temporary.as_slice(), AtFlags::empty());
        }
        false
    }

    fn keep(&mut self) -> Result<(), Errno> {
        match self.unnamed.clone() {
            Some(file) => self.put_in_place(&file),
            None => self.move_over(),
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        self.end();
    }
}

/// The path that `path` means when its last component is a chain of links: the rename must
/// replace the file, not the link to it.
fn final_target(root: &Root, path: &VirtualPath) -> Result<VirtualPath, StorageError> {
    let mut path = path.clone();
    for _ in 0..MAX_LINKS {
        let place = root.place(&path).map_err(from_errno)?;
        let is_link = match fs::statat(place.directory(), place.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode) == FileType::Symlink,
            Err(Errno::NOENT) => false,
            Err(errno) => return Err(from_errno(errno)),
        };
        if !is_link {
            return Ok(path.clone());
        }
        let target = fs::readlinkat(place.directory(), place.name(), Vec::new()).map_err(from_errno)?;
        if target.as_bytes().first() == Some(&b'/') {
            return Err(from_errno(Errno::XDEV));
        }
        let meant = root.open_path_only(&path).map_err(from_errno)?;
        path = VirtualPath::resolve(&path.parent(), target.as_bytes())
            .map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))?;
        // `..` behind a linked directory means another place to the kernel than it says.
        let found = root.open_path_only(&path).map_err(from_errno)?;
        let (meant, found) = (fs::fstat(&meant).map_err(from_errno)?, fs::fstat(&found).map_err(from_errno)?);
        if (meant.st_dev, meant.st_ino) != (found.st_dev, found.st_ino) {
            return Err(from_errno(Errno::XDEV));
        }
    }
    Err(from_errno(Errno::LOOP))
}

type Created = (OwnedFd, Option<Vec<u8>>, Option<Note>);

fn create(
    place: &Place<'_>,
    target: &VirtualPath,
    mode: Mode,
    temporaries: &Temporaries<'_>,
) -> Result<Created, StorageError> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let unnamed = match temporaries.unnamed {
        true => fs::openat(place.directory(), ".", flags, mode),
        false => Err(Errno::OPNOTSUPP),
    };
    match unnamed {
        Ok(file) => Ok((file, None, None)),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
            let name = temporary_name(place.name());
            let directory = temporaries.root_path.join(OsStr::from_bytes(target.parent().relative()));
            let note = temporaries.leftovers.map(|leftovers| leftovers.note(&name, &directory)).transpose();
            let note = note.map_err(|error| StorageError::new(StorageErrorKind::Other, error.to_string()))?;
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = fs::openat(place.directory(), name.as_slice(), flags, mode).map_err(from_errno)?;
            Ok((file, Some(name), note))
        }
        Err(errno) => Err(from_errno(errno)),
    }
}

/// Linking a descriptor by its number needs a privilege; by its name in /proc it does not.
fn link_unnamed(file: &OwnedFd, place: &Place<'_>, name: &[u8]) -> Result<(), Errno> {
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::linkat(CWD, source, place.directory(), name, AtFlags::SYMLINK_FOLLOW)
}

fn temporary_name(name: &[u8]) -> Vec<u8> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let mut temporary = TEMPORARY_PREFIX.to_vec();
    temporary.extend_from_slice(format!("{}.{serial}.", std::process::id()).as_bytes());
    let room = NAME_MAX.saturating_sub(temporary.len());
    temporary.extend_from_slice(name.get(..name.len().min(room)).unwrap_or_default());
    temporary
}
