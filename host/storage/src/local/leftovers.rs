//! Notes of what a server that is killed would leave behind, in a directory of the server's
//! own: the next start reads them and cleans up.
//!
//! A note is a symbolic link: made in one step, and its target is the path that it is about.
//! Its name says what it is and which process made it. Notes follow a rename of the
//! directories above them.

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
/// Directories whose notes stay for the next upload to them.
const KEPT_NOTES: usize = 256;
/// Names that one upload, or its directory, may have had while it ran.
const MAX_PLACES: usize = 64;

/// The notes of this process.
#[derive(Debug)]
pub struct Leftovers {
    /// None: nothing is noted.
    directory: Option<PathBuf>,
    /// Of this process, in the names of notes and of hidden files.
    token: String,
    serial: AtomicU64,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    noted: HashMap<u64, Noted>,
    /// By the path of a directory.
    directories: HashMap<PathBuf, u64>,
}

#[derive(Debug)]
struct Noted {
    kind: Kind,
    users: usize,
    /// What it is about, and the note itself; several after a rename.
    places: Vec<(PathBuf, PathBuf)>,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Hidden names of this process may be in the directory; they are to be removed.
    Directory,
    /// `DIRECTORY/HIDDEN/NAME`: what has the hidden name is to get the other one (A5-11).
    Partial,
    /// A file that no hook has approved of yet is to be removed, or cut to its first `keep`
    /// bytes (B10-08).
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
        // Two servers in containers can have one process number.
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

    /// Does what an earlier process left to be done.
    pub fn clean(&self) -> io::Result<Cleaned> {
        match &self.directory {
            Some(directory) => cleaning::clean(directory, &self.token),
            None => Ok(Cleaned::default()),
        }
    }

    /// A name that clients cannot use, for a file that gets the name `name` later.
    pub(super) fn hidden_name(&self, name: &[u8]) -> Vec<u8> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let mut hidden = TEMPORARY_PREFIX.to_vec();
        hidden.extend_from_slice(format!("{}.{serial}.", self.token).as_bytes());
        let room = NAME_MAX.saturating_sub(hidden.len());
        hidden.extend_from_slice(name.get(..name.len().min(room)).unwrap_or_default());
        hidden
    }

    /// Before a hidden name is made in the directory.
    pub(super) fn note_directory(self: &Arc<Self>, directory: impl AsFd) -> Result<Note, StorageError> {
        self.note(Kind::Directory, path_of(directory).map_err(from_errno)?)
    }

    /// Before `hidden` is made; the next start gives it the name `name`.
    pub(super) fn note_partial(
        self: &Arc<Self>,
        directory: impl AsFd,
        hidden: &[u8],
        name: &[u8],
    ) -> Result<Note, StorageError> {
        let directory = path_of(directory).map_err(from_errno)?;
        self.note(Kind::Partial, directory.join(OsStr::from_bytes(hidden)).join(OsStr::from_bytes(name)))
    }

    /// Before a file that has its name is written to.
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

    /// Before what is called `from` in one directory is called `to` in another: what is noted
    /// of it, or of what is below it, is noted under the other name as well.
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
                    // A name that is not noted would be left by a kill.
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
            // One that stays names a file that is gone.
            let _ = std::fs::remove_file(link);
        }
    }
}

/// Where `place` is when what is called `from` is called `to`; none: where it was.
fn moved(place: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = place.strip_prefix(from).ok()?;
    Some(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
}

/// Let go when the file has its own name, or is gone.
#[derive(Debug)]
pub(super) struct Note {
    leftovers: Arc<Leftovers>,
    id: u64,
}

impl Note {
    /// Whether the file was there, or the server has moved it there.
    pub(super) fn is_about(&self, path: &Path) -> bool {
        self.leftovers.directory.is_none() || self.leftovers.has_place(self.id, path)
    }

    /// For the next start.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.leftovers.release(self.id);
    }
}

/// Without links, as the kernel knows it.
pub(super) fn path_of(file: impl AsFd) -> Result<PathBuf, Errno> {
    let name = rustix::fs::readlink(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()), Vec::new())?;
    Ok(PathBuf::from(OsStr::from_bytes(name.as_bytes())))
}
