//! Notes of what a killed server leaves behind, in a directory of the server's own. The next start
//! reads them and cleans up.
//!
//! A note is a symbolic link: it is made in one step, and its target is the path that it is about. Its name tells
//! the kind of note and the process that made it. When a directory above that path is renamed, the note follows.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use tidegate_core::ports::storage::{StorageError, StorageErrorKind, TEMPORARY_PREFIX};

use super::cleaning::{self, Cleaned};
use super::errors::from_errno;

const NAME_MAX: usize = 255;
/// How many directories keep their note for the next upload to them.
const KEPT_NOTES: usize = 256;
/// Most names that one upload, or its directory, may have had while it ran.
const MAX_PLACES: usize = 64;

/// The notes of this process.
#[derive(Debug)]
pub struct Leftovers {
    /// `None`: no notes are made.
    directory: Option<PathBuf>,
    /// Random text in the names of this process's notes and hidden files.
    token: String,
    serial: AtomicU64,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    noted: HashMap<u64, Noted>,
    /// The number of the note about a directory, by its path.
    directories: HashMap<PathBuf, u64>,
}

#[derive(Debug)]
struct Noted {
    kind: Kind,
    users: usize,
    /// The path that the note is about, and the path of the note itself; several after a rename.
    places: Vec<(PathBuf, PathBuf)>,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Hidden names of this process may be in the directory; they are to be removed.
    Directory,
    /// `DIRECTORY/HIDDEN/NAME`: the file with the hidden name is to get the other name (A5-11).
    Partial,
    /// A file that no hook has allowed yet is to be removed, or cut to its first `keep` bytes (B10-08).
    Trial { inode: u64, keep: Option<u64> },
}

impl Kind {
    fn note_name(self, token: &str, serial: u64) -> String {
        match self {
            Self::Directory => format!("directory.{token}.{serial}"),
            Self::Partial => format!("partial.{token}.{serial}"),
            Self::Trial { inode, keep: None } => format!("trial.{token}.{serial}.{inode}.all"),
            Self::Trial { inode, keep: Some(keep) } => format!("trial.{token}.{serial}.{inode}.{keep}"),
        }
    }
}

impl Default for Leftovers {
    fn default() -> Self {
        // Two servers in containers can have the same process number.
        let token = format!("{:016x}", RandomState::new().build_hasher().finish());
        Self { directory: None, token, serial: AtomicU64::new(0), notes: Mutex::default() }
    }
}

impl Leftovers {
    /// Makes the directory if it is missing.
    pub fn in_directory(directory: PathBuf) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory: Some(directory), ..Self::default() })
    }

    /// Cleans up what earlier processes left behind.
    pub fn clean(&self) -> io::Result<Cleaned> {
        match &self.directory {
            Some(directory) => cleaning::clean(directory, &self.token),
            None => Ok(Cleaned::default()),
        }
    }

    /// A hidden name, which clients cannot use, for a file that gets the name `name` later.
    pub(super) fn hidden_name(&self, name: &[u8]) -> Vec<u8> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let mut hidden = TEMPORARY_PREFIX.to_vec();
        hidden.extend_from_slice(format!("{}.{serial}.", self.token).as_bytes());
        let room = NAME_MAX.saturating_sub(hidden.len());
        hidden.extend_from_slice(name.get(..name.len().min(room)).unwrap_or_default());
        hidden
    }

    /// Call before a hidden name is made in the directory.
    pub(super) fn note_directory(self: &Arc<Self>, directory: impl AsFd) -> Result<Note, StorageError> {
        self.note(Kind::Directory, path_of(directory).map_err(from_errno)?)
    }

    /// Call before `hidden` is made; the next start gives that file the name `name`.
    pub(super) fn note_partial(
        self: &Arc<Self>,
        directory: impl AsFd,
        hidden: &[u8],
        name: &[u8],
    ) -> Result<Note, StorageError> {
        let directory = path_of(directory).map_err(from_errno)?;
        self.note(Kind::Partial, directory.join(OsStr::from_bytes(hidden)).join(OsStr::from_bytes(name)))
    }

    /// Call before a file on trial is written to.
    pub(super) fn note_trial(
        self: &Arc<Self>,
        file: impl AsFd,
        inode: u64,
        keep: Option<u64>,
    ) -> Result<Note, StorageError> {
        self.note(Kind::Trial { inode, keep }, path_of(file).map_err(from_errno)?)
    }

    fn note(self: &Arc<Self>, kind: Kind, place: PathBuf) -> Result<Note, StorageError> {
        let id = self.serial.fetch_add(1, Ordering::Relaxed);
        let Some(directory) = &self.directory else { return Ok(Note { leftovers: self.clone(), id }) };
        let mut notes = self.notes();
        let known = if kind == Kind::Directory { notes.directories.get(&place).copied() } else { None };
        let id = match known {
            Some(id) => id,
            None => {
                let link = self.write(directory, kind, &place)?;
                if kind == Kind::Directory {
                    notes.directories.insert(place.clone(), id);
                }
                notes.noted.insert(id, Noted { kind, users: 0, places: vec![(place, link)] });
                id
            }
        };
        if let Some(noted) = notes.noted.get_mut(&id) {
            noted.users += 1;
        }
        Ok(Note { leftovers: self.clone(), id })
    }

    fn write(&self, directory: &Path, kind: Kind, place: &Path) -> Result<PathBuf, StorageError> {
        let link = directory.join(kind.note_name(&self.token, self.serial.fetch_add(1, Ordering::Relaxed)));
        symlink(place, &link).map_err(|error| {
            let message = format!("uploads cannot be noted in {}: {error}", directory.display());
            StorageError::new(StorageErrorKind::Other, message)
        })?;
        Ok(link)
    }

    /// Call before a rename: every note about the old path, or a path below it, is also made for the new path.
    pub(super) fn renaming(
        &self,
        (from_directory, from): (impl AsFd, &[u8]),
        (to_directory, to): (impl AsFd, &[u8]),
    ) -> Result<(), StorageError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let mut notes = self.notes();
        if notes.noted.values().all(|noted| noted.users == 0) {
            return Ok(());
        }
        let from = path_of(from_directory).map_err(from_errno)?.join(OsStr::from_bytes(from));
        let to = path_of(to_directory).map_err(from_errno)?.join(OsStr::from_bytes(to));
        for noted in notes.noted.values_mut().filter(|noted| noted.users > 0) {
            let below: Vec<_> = noted.places.iter().filter_map(|(place, _)| moved(place, &from, &to)).collect();
            for place in below {
                if noted.places.iter().any(|(known, _)| *known == place) {
                    continue;
                }
                if noted.places.len() >= MAX_PLACES {
                    // After a kill, a file under a name that is not noted would not be cleaned up.
                    return Err(from_errno(Errno::BUSY));
                }
                let link = self.write(directory, noted.kind, &place)?;
                noted.places.push((place, link));
            }
        }
        Ok(())
    }

    fn release(&self, id: u64) {
        let mut notes = self.notes();
        let Some(noted) = notes.noted.get_mut(&id) else { return };
        noted.users = noted.users.saturating_sub(1);
        if noted.users > 0 {
            return;
        }
        let stays = noted.kind == Kind::Directory && noted.places.len() == 1;
        if !stays || notes.directories.len() > KEPT_NOTES {
            notes.forget(id);
        }
    }

    fn has_place(&self, id: u64, path: &Path) -> bool {
        self.notes().noted.get(&id).is_some_and(|noted| noted.places.iter().any(|(place, _)| place == path))
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    fn forget(&mut self, id: u64) {
        let Some(noted) = self.noted.remove(&id) else { return };
        for (place, link) in noted.places {
            if self.directories.get(&place) == Some(&id) {
                self.directories.remove(&place);
            }
            // A note that cannot be removed is about a file that is gone.
            let _ = std::fs::remove_file(link);
        }
    }
}

/// Where `place` is after `from` is renamed to `to`; `None` if it stays where it is.
fn moved(place: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = place.strip_prefix(from).ok()?;
    Some(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
}

/// A note, to be dropped when the file has its own name or is gone.
#[derive(Debug)]
pub(super) struct Note {
    leftovers: Arc<Leftovers>,
    id: u64,
}

impl Note {
    /// Whether the path is where the file was when it was noted, or where the server has moved it.
    pub(super) fn is_about(&self, path: &Path) -> bool {
        self.leftovers.directory.is_none() || self.leftovers.has_place(self.id, path)
    }

    /// Leaves the note for the next start.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.leftovers.release(self.id);
    }
}

/// The path of an open file, without symbolic links, as the kernel knows it.
pub(super) fn path_of(file: impl AsFd) -> Result<PathBuf, Errno> {
    let name = rustix::fs::readlink(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()), Vec::new())?;
    Ok(PathBuf::from(OsStr::from_bytes(name.as_bytes())))
}
