//! Open files and directories of one channel. A number is used once, so that a closed
//! handle never means another file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegate_core::files::OpenFile;
use tidegate_core::ports::storage::DirectoryReader;
use tidegate_core::session::Session;

use crate::fields::Handle;
use crate::packet::Status;
use crate::protocol::{MAX_HANDLES, MAX_HANDLES_OF_SESSION, StatusCode};

/// What a handle is open on.
pub enum Target {
    File(Box<OpenFile>),
    Directory(Box<dyn DirectoryReader>),
}

pub struct Handles {
    open: HashMap<u32, Target>,
    next: u32,
    /// Counts those of its other channels, too.
    session: Arc<Session>,
}

impl Handles {
    pub fn new(session: Arc<Session>) -> Self {
        Self { open: HashMap::new(), next: 0, session }
    }

    /// The handle as it goes over the wire.
    pub fn insert(&mut self, target: Target) -> [u8; 4] {
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.put(number, target);
        number.to_be_bytes()
    }

    /// Asked before a file is opened.
    pub fn require_room(&self) -> Result<(), Status> {
        let too_many = |max| Err(Status::new(StatusCode::Failure, format!("more than {max} handles are open")));
        if self.open.len() >= MAX_HANDLES {
            return too_many(MAX_HANDLES);
        }
        if self.session.live.handles.load(Ordering::Relaxed) >= MAX_HANDLES_OF_SESSION {
            return too_many(MAX_HANDLES_OF_SESSION);
        }
        Ok(())
    }

    pub fn remove(&mut self, handle: Handle) -> Result<Target, Status> {
        let target = handle.number().and_then(|number| self.open.remove(&number)).ok_or_else(Status::bad_handle)?;
        self.session.live.handles.fetch_sub(1, Ordering::Relaxed);
        Ok(target)
    }

    fn put(&mut self, number: u32, target: Target) {
        if self.open.insert(number, target).is_none() {
            self.session.live.handles.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As [`remove`](Self::remove), but a directory stays where it is.
    pub fn take_file(&mut self, handle: Handle) -> Result<Box<OpenFile>, Status> {
        match self.remove(handle)? {
            Target::File(file) => Ok(file),
            directory @ Target::Directory(_) => {
                self.restore(handle, directory);
                Err(Status::bad_handle())
            }
        }
    }

    /// Puts back what [`remove`](Self::remove) took, under the same number.
    pub fn restore(&mut self, handle: Handle, target: Target) {
        if let Some(number) = handle.number() {
            self.put(number, target);
        }
    }

    pub fn file(&mut self, handle: Handle) -> Result<&mut OpenFile, Status> {
        match handle.number().and_then(|number| self.open.get_mut(&number)) {
            Some(Target::File(file)) => Ok(file),
            Some(Target::Directory(_)) | None => Err(Status::bad_handle()),
        }
    }

    /// As [`file`](Self::file), to look at what is open.
    pub fn opened_file(&self, handle: Handle) -> Option<&OpenFile> {
        match self.open.get(&handle.number()?)? {
            Target::File(file) => Some(file),
            Target::Directory(_) => None,
        }
    }

    pub fn directory(&mut self, handle: Handle) -> Result<&mut dyn DirectoryReader, Status> {
        match handle.number().and_then(|number| self.open.get_mut(&number)) {
            Some(Target::Directory(directory)) => Ok(directory.as_mut()),
            Some(Target::File(_)) | None => Err(Status::bad_handle()),
        }
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.session.live.handles.fetch_sub(self.open.len(), Ordering::Relaxed);
    }
}
