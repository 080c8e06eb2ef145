//! A file that gets its name when it is complete. Until then it has no name (`O_TMPFILE`), or a
//! hidden one: at the end for a moment; from the beginning on file systems without unnamed files, and
//! where an upload that is cut off is to replace an old file. A note is made before each hidden name.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileId, Finished, Metadata, StorageError, StorageErrorKind};

use super::attributes;
use super::errors::from_errno;
use super::freeing::{Freed, hold};
use super::leftovers::{Leftovers, Note, path_of};
use super::rename::rename_to_new;
use super::resolve::{Place, Root};

pub struct Replacement {
    file: Arc<OwnedFd>,
    /// The directory that the file will be in, even if it is renamed meanwhile: where a file
    /// written under its name would be.
    directory: OwnedFd,
    /// The name, which is no symbolic link's.
    name: Vec<u8>,
    /// The hidden name, if the file has one now.
    hidden: Option<Hidden>,
    wanted: Wanted,
    was_shown: bool,
    done: bool,
    leftovers: Arc<Leftovers>,
}

struct Hidden {
    name: Vec<u8>,
    /// Released after the hidden name is gone.
    _note: Note,
}

/// How an upload ends.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub mode: Mode,
    /// Fail if something has the name by then, because overwriting was not asked for.
    pub must_be_new: bool,
    /// The file with whose content the upload begins; fail if another one has the name by then, whose content would be
    /// lost.
    pub continues: Option<FileId>,
    /// Give an abandoned file its name nevertheless (A5-11).
    pub keep_partial: bool,
    /// Do so after `kill -9` as well, at the next start: there is an old file, which a client that
    /// resumes must not mistake for its own.
    pub keep_after_kill: bool,
    /// Keep the file without any name until it is complete, if the file system can.
    pub unnamed: bool,
}

impl Replacement {
    pub fn begin(
        root: &Root,
        path: &VirtualPath,
        wanted: Wanted,
        leftovers: &Arc<Leftovers>,
    ) -> Result<Self, StorageError> {
        // The file that a link leads to is replaced, not the link.
        let target = root.canonical(path, true).map_err(from_errno)?.path;
        let place = root.place(&target).map_err(from_errno)?;
        let (file, hidden) = create(&place, wanted, leftovers)?;
        let name = place.name().to_vec();
        let directory = place.into_directory().map_err(from_errno)?;
        let (file, leftovers) = (Arc::new(file), leftovers.clone());
        Ok(Self { file, directory, name, hidden, wanted, was_shown: false, done: false, leftovers })
    }

    pub fn file(&self) -> &Arc<OwnedFd> {
        &self.file
    }

    fn place(&self) -> Place<'_> {
        Place::within(self.directory.as_fd(), &self.name)
    }

    /// The file that has the name now. Symbolic links are not followed, because the rename does not
    /// follow them either.
    pub fn replaces(&self) -> Option<Metadata> {
        let place = self.place();
        let stat = fs::statat(place.directory(), place.name(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(attributes::from_stat(&stat))
    }

    /// Gives the file a hidden name, by which programs of the host can read it.
    pub fn show(&mut self) -> Result<PathBuf, StorageError> {
        let hidden = self.hide()?.to_vec();
        self.was_shown = true;
        let directory = path_of(&self.directory).map_err(from_errno)?;
        Ok(directory.join(OsStr::from_bytes(&hidden)))
    }

    fn hide(&mut self) -> Result<&[u8], StorageError> {
        if self.hidden.is_none() {
            let name = self.leftovers.hidden_name(&self.name);
            let note = self.leftovers.note_directory(&self.directory)?;
            link_unnamed(&self.file, &self.directory, &name).map_err(from_errno)?;
            self.hidden = Some(Hidden { name, _note: note });
        }
        Ok(self.hidden.as_ref().map(|hidden| hidden.name.as_slice()).unwrap_or_default())
    }

    /// Gives the file its name, always by a rename: watchers of the directory learn the file's
    /// name from it, which they do not in a useful way from a link.
    pub fn commit(mut self) -> Result<Finished, StorageError> {
        let outcome = match self.put_in_place() {
            Err(error) if self.was_shown && error.kind == StorageErrorKind::NotFound => Ok(Finished::TakenAway),
            outcome => outcome.map(|replaced| Finished::Named { replaced }),
        };
        self.done = outcome.is_ok();
        outcome
    }

    /// Returns the file that had the name before.
    fn put_in_place(&mut self) -> Result<Option<Metadata>, StorageError> {
        let must_be_new = self.wanted.must_be_new;
        let hidden = self.hide()?.to_vec();
        let place = self.place();
        if must_be_new {
            return rename_to_new(&place, &hidden, &place).map(|()| None).map_err(from_errno);
        }
        let replaced = named_now(&place);
        let is_other = |begun| replaced.as_ref().is_some_and(|(_, now)| now.id != begun);
        if self.wanted.continues.is_some_and(is_other) {
            return Err(StorageError::new(
                StorageErrorKind::AlreadyExists,
                "another upload has replaced the file since this one began with its content",
            ));
        }
        fs::renameat(place.directory(), &hidden, place.directory(), place.name()).map_err(from_errno)?;
        Ok(replaced.map(|(file, metadata)| {
            drop(Freed::held(file, metadata.size));
            metadata
        }))
    }

    /// Ends the upload without success. Returns `true` if the partial file got its name, and
    /// replaced the old file (A5-11).
    pub fn abandon(mut self, discard: bool) -> bool {
        self.wanted.keep_partial &= !discard;
        self.end()
    }

    fn end(&mut self) -> bool {
        if std::mem::replace(&mut self.done, true) {
            return false;
        }
        if self.wanted.keep_partial && self.put_in_place().is_ok() {
            return true;
        }
        if let Some(hidden) = &self.hidden {
            // This failure cannot be reported to a caller any more.
            let _ = fs::unlinkat(&self.directory, hidden.name.as_slice(), AtFlags::empty());
        }
        false
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        self.end();
    }
}

/// The file at `place`, held open so that the rename does not free it.
fn named_now(place: &Place) -> Option<(OwnedFd, Metadata)> {
    let file = hold(place).ok()?;
    let metadata = attributes::metadata_of(&file).ok()?;
    Some((file, metadata))
}

fn create(
    place: &Place<'_>,
    wanted: Wanted,
    leftovers: &Arc<Leftovers>,
) -> Result<(OwnedFd, Option<Hidden>), StorageError> {
    if wanted.unnamed && !wanted.keep_after_kill {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        match fs::openat(place.directory(), ".", flags, wanted.mode) {
            Ok(file) => return Ok((file, None)),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {}
            Err(errno) => return Err(from_errno(errno)),
        }
    }
    let name = leftovers.hidden_name(place.name());
    let note = match wanted.keep_after_kill {
        true => leftovers.note_partial(place.directory(), &name, place.name())?,
        false => leftovers.note_directory(place.directory())?,
    };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(place.directory(), name.as_slice(), flags, wanted.mode).map_err(from_errno)?;
    Ok((file, Some(Hidden { name, _note: note })))
}

/// Linking a descriptor by its number needs a privilege; by its name in /proc it does not.
fn link_unnamed(file: &OwnedFd, directory: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::linkat(CWD, source, directory, name, AtFlags::SYMLINK_FOLLOW)
}
