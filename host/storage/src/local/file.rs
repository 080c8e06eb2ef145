//! Open files. Reads and writes happen on the connection's own task: they meet the page
//! cache, and a hop to another thread costs more than the copy.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rustix::buffer::spare_capacity;
use rustix::fs::{self, FileType, OFlags};
use rustix::io::{self, Errno, ReadWriteFlags};
use tidegate_core::files::storage::{
    Discard, Metadata, OpenOptions, SetAttributes, Shown, Space, StorageError, StorageFile,
};

use super::Owner;
use super::attributes;
use super::errors::from_errno;
use super::leftovers::Leftovers;
use super::replacement::Replacement;
use super::trial::{Trial, take_back_all};

pub struct LocalFile {
    file: Arc<OwnedFd>,
    append: bool,
    /// Of the account, if files are given to it.
    owner: Owner,
    /// Taken when the upload is finished.
    replacement: Mutex<Option<Replacement>>,
    /// Of an upload in place that a hook decides about.
    trial: Option<Trial>,
}

impl LocalFile {
    pub fn new(file: OwnedFd, options: OpenOptions, owner: Owner) -> Result<Self, StorageError> {
        // Opened without blocking because it may be a pipe; those are not served.
        let stat = fs::fstat(&file).map_err(from_errno)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Err(from_errno(Errno::OPNOTSUPP));
        }
        if options.write && stat.st_mode & attributes::SET_ID != 0 {
            // The kernel takes the bits away when others write to a program, but not when root does.
            attributes::drop_set_id(&file, stat.st_mode, owner)?;
        }
        Ok(Self::of(Arc::new(file), options, owner))
    }

    fn of(file: Arc<OwnedFd>, options: OpenOptions, owner: Owner) -> Self {
        Self { file, append: options.append, owner, replacement: Mutex::new(None), trial: None }
    }

    pub fn replacing(options: OpenOptions, owner: Owner, replacement: Replacement) -> Result<Self, StorageError> {
        let file = replacement.file().clone();
        if options.append {
            // It was opened before anybody asked for more than a file without a name.
            fs::fcntl_setfl(&*file, OFlags::APPEND).map_err(from_errno)?;
        }
        let mut this = Self::of(file, options, owner);
        this.replacement = Mutex::new(Some(replacement));
        Ok(this)
    }

    /// A file that was opened without emptying it; `is_new`: opening it made it.
    pub fn on_trial(
        mut self,
        options: OpenOptions,
        is_new: bool,
        leftovers: &Arc<Leftovers>,
    ) -> Result<Self, StorageError> {
        let metadata = attributes::metadata_of(&self.file)?;
        let emptied = is_new || options.truncate;
        let trial = Trial::new(metadata.id, (!emptied).then_some(metadata.size), leftovers);
        if emptied {
            trial.touches(&self.file, 0)?;
        }
        if emptied && !is_new {
            fs::ftruncate(&*self.file, 0).map_err(from_errno)?;
        }
        self.trial = Some(trial);
        Ok(self)
    }

    fn replacement(&self) -> MutexGuard<'_, Option<Replacement>> {
        self.replacement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_on_another_thread(&self, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut data = Vec::with_capacity(length);
            io::retry_on_intr(|| io::pread(&*file, spare_capacity(&mut data), offset)).map(|_| data)
        });
        match read.await {
            Ok(outcome) => outcome.map_err(from_errno),
            Err(_) => Err(from_errno(Errno::IO)),
        }
    }
}

#[async_trait]
impl StorageFile for LocalFile {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        if offset > i64::MAX as u64 {
            return Err(from_errno(Errno::INVAL));
        }
        let start = buffer.len();
        buffer.resize(start + length, 0);
        let into = buffer.get_mut(start..).unwrap_or_default();
        let mut filled = 0;
        // What is in the page cache is copied here and now; the rest is fetched elsewhere,
        // so that a slow disk does not hold up other sessions.
        let outcome = loop {
            let rest = into.get_mut(filled..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            let position = offset.saturating_add(filled as u64);
            match io::preadv2(&*self.file, &mut [IoSliceMut::new(rest)], position, ReadWriteFlags::NOWAIT) {
                Ok(0) => break Ok(()),
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => match io::pread(&*self.file, rest, position) {
                    Ok(0) => break Ok(()),
                    Ok(count) => filled += count,
                    Err(Errno::INTR) => {}
                    Err(errno) => break Err(from_errno(errno)),
                },
                Err(Errno::AGAIN) => match self.read_on_another_thread(position, rest.len()).await {
                    Ok(data) if data.is_empty() => break Ok(()),
                    Ok(data) => {
                        let count = data.len().min(rest.len());
                        if let (Some(to), Some(from)) = (rest.get_mut(..count), data.get(..count)) {
                            to.copy_from_slice(from);
                        }
                        filled += count;
                    }
                    Err(error) => break Err(error),
                },
                Err(errno) => break Err(from_errno(errno)),
            }
        };
        buffer.truncate(start + filled);
        match outcome {
            Err(error) if filled == 0 => Err(error),
            _ => Ok(filled),
        }
    }

    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        if offset > i64::MAX as u64 {
            return Err(from_errno(Errno::INVAL));
        }
        if let Some(trial) = &self.trial {
            trial.touches(&self.file, if self.append { u64::MAX } else { offset })?;
        }
        let mut written = 0;
        while let Some(rest) = data.get(written..).filter(|rest| !rest.is_empty()) {
            let outcome = if self.append {
                io::write(&*self.file, rest)
            } else {
                io::pwrite(&*self.file, rest, offset.saturating_add(written as u64))
            };
            match outcome {
                Ok(0) => return Err(from_errno(Errno::NOSPC)),
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(from_errno(errno)),
            }
        }
        Ok(())
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        attributes::metadata_of(&self.file)
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        if let (Some(trial), Some(size)) = (&self.trial, attributes.size) {
            trial.touches(&self.file, size)?;
        }
        attributes::set_by_descriptor(&self.file, attributes, self.owner)
    }

    async fn sync(&self) -> Result<(), StorageError> {
        let file = self.file.clone();
        let synced = tokio::task::spawn_blocking(move || io::retry_on_intr(|| fs::fsync(&*file)));
        synced.await.unwrap_or(Err(Errno::IO)).map_err(from_errno)
    }

    async fn space(&self) -> Result<Space, StorageError> {
        attributes::space_of(&*self.file)
    }

    fn is_unnamed(&self) -> bool {
        self.replacement().is_some()
    }

    async fn replaces(&self) -> Option<Metadata> {
        self.replacement().as_ref()?.replaces()
    }

    async fn abandon(&self, discard: bool) -> Option<Metadata> {
        let replacement = self.replacement().take()?;
        let kept = replacement.abandon(discard);
        if kept { attributes::metadata_of(&self.file).ok() } else { None }
    }

    async fn show(&self) -> Result<Option<Shown>, StorageError> {
        let path = match self.replacement().as_mut() {
            Some(replacement) => replacement.show()?,
            None => return Ok(None),
        };
        let file = Box::new(Self::of(self.file.clone(), OpenOptions::default(), self.owner));
        Ok(Some(Shown { host_path: path.display().to_string(), file }))
    }

    fn discard(&self, what: Discard) {
        if let Some(replacement) = self.replacement().take() {
            replacement.abandon(true);
            return;
        }
        match &self.trial {
            Some(trial) => trial.take_back(&self.file, what == Discard::Everything),
            None if what == Discard::Everything => take_back_all(&self.file),
            None => {}
        }
    }

    async fn finish(&self) -> Result<bool, StorageError> {
        let replacement = self.replacement().take();
        let has_name = match replacement {
            Some(replacement) => replacement.commit()?,
            None => true,
        };
        if let Some(trial) = &self.trial {
            trial.approve();
        }
        Ok(has_name)
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if let Some(trial) = &self.trial {
            trial.take_back(&self.file, false);
        }
    }
}
