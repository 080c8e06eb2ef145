//! Uploads in place that wait for a hook's verdict (B10-08). What was written is taken back unless
//! a hook allows it, however the upload ends. A note of it survives `kill -9`.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use tidegate_core::ports::storage::StorageError;

use super::leftovers::{Leftovers, Note, path_of};

/// The value of `keep` with which nothing of the file stays.
const NOTHING: u64 = u64::MAX;

#[derive(Debug)]
pub struct Trial {
    leftovers: Arc<Leftovers>,
    inode: u64,
    /// How many bytes at the beginning stay when the rest is taken back.
    keep: AtomicU64,
    /// Whether something was written.
    touched: AtomicBool,
    /// `None`: nothing has to be taken back, or not any more.
    note: Mutex<Option<Note>>,
}

impl Trial {
    /// `keep`: the size of a file that existed and was not emptied when it was opened.
    pub fn new(inode: u64, keep: Option<u64>, leftovers: &Arc<Leftovers>) -> Self {
        let (keep, touched) = (AtomicU64::new(keep.unwrap_or(NOTHING)), AtomicBool::new(false));
        Self { leftovers: leftovers.clone(), inode, keep, touched, note: Mutex::default() }
    }

    /// Call before bytes from `offset` on are changed.
    pub fn touches(&self, file: &OwnedFd, offset: u64) -> Result<(), StorageError> {
        let keep = self.keep.load(Ordering::Relaxed);
        let spoils = keep != NOTHING && offset < keep;
        if self.touched.load(Ordering::Relaxed) && !spoils {
            return Ok(());
        }
        let keep = if spoils { NOTHING } else { keep };
        // The new note is made before the earlier one is dropped.
        let note = self.leftovers.note_trial(file, self.inode, kept(keep))?;
        *self.note() = Some(note);
        self.keep.store(keep, Ordering::Relaxed);
        self.touched.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps what was written.
    pub fn approve(&self) {
        self.note().take();
    }

    /// Takes back what was written, or the whole file if `everything` says so.
    pub fn take_back(&self, file: &OwnedFd, everything: bool) {
        let mut held = self.note();
        let Some(note) = held.take() else { return };
        let keep = if everything { None } else { kept(self.keep.load(Ordering::Relaxed)) };
        // A file that a program of the host has moved away is left alone.
        let is_ours = |path: &Path| note.is_about(path);
        if let Err(errno) = take_back(file, keep, is_ours) {
            let message = format!("what a refused upload wrote could not be taken back; the next start tries: {errno}");
            tracing::error!(sender = "storage", message);
            note.leave();
        }
    }

    fn note(&self) -> MutexGuard<'_, Option<Note>> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kept(keep: u64) -> Option<u64> {
    Some(keep).filter(|keep| *keep != NOTHING)
}

/// Removes a file, or what follows its first `keep` bytes, if the file is where it was written.
/// Other names of the file lose the content as well. Returns `true` if there was something.
pub fn take_back(file: &OwnedFd, keep: Option<u64>, is_ours: impl Fn(&Path) -> bool) -> Result<bool, Errno> {
    let stat = fs::fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink == 0 {
        return Ok(false);
    }
    let path = path_of(file)?;
    if !is_ours(&path) {
        return Ok(false);
    }
    if let Some(keep) = keep {
        let longer = u64::try_from(stat.st_size).is_ok_and(|size| size > keep);
        return if longer { fs::ftruncate(file, keep).map(|()| true) } else { Ok(false) };
    }
    if stat.st_nlink > 1 || remove(&path, &stat).is_err() {
        fs::ftruncate(file, 0)?;
        // In a directory that is not writable, an empty file is left.
        let _ = remove(&path, &stat);
    }
    Ok(true)
}

fn remove(path: &Path, stat: &Stat) -> Result<(), Errno> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = fs::openat2(CWD, directory, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    let named = fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if (named.st_dev, named.st_ino) != (stat.st_dev, stat.st_ino) {
        return Err(Errno::NOENT);
    }
    fs::unlinkat(&directory, name.as_bytes(), AtFlags::empty())
}

/// As [`take_back`], for an upload that no hook decides about.
pub fn take_back_all(file: &OwnedFd) {
    if let Err(errno) = take_back(file, None, |_| true) {
        let message = format!("what a refused upload wrote could not be taken back: {errno}");
        tracing::error!(sender = "storage", message);
    }
}
