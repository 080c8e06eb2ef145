//! Open files and directories of one channel. A number is used once, so that a closed
//! handle never means another file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegate_core::files::OpenFile;
use tidegate_core::files::storage::DirectoryReader;
use tidegate_core::session::Session;

use crate::packet::Status;
use crate::protocol::{MAX_HANDLES, MAX_HANDLES_OF_SESSION, StatusCode};

pub enum Handle {
    File(Box<OpenFile>),
    Directory(Box<dyn DirectoryReader>),
}

pub struct Handles {
    open: HashMap<u32, Handle>,
    next: u32,
    /// Counts those of its other channels, too.
    session: Arc<Session>,
}

impl Handles {
    pub fn new(session: Arc<Session>) -> Self {
        Self { open: HashMap::new(), next: 0, session }
    }

    /// The handle's number, as it goes over the wire.
    pub fn insert(&mut self, handle: Handle) -> [u8; 4] {
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.put(number, handle);
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

    pub fn remove(&mut self, wire: &[u8]) -> Result<Handle, Status> {
        let handle = number(wire).and_then(|number| self.open.remove(&number)).ok_or_else(Status::bad_handle)?;
        self.session.live.handles.fetch_sub(1, Ordering::Relaxed);
        Ok(handle)
    }

    fn put(&mut self, number: u32, handle: Handle) {
        if self.open.insert(number, handle).is_none() {
            self.session.live.handles.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As [`remove`](Self::remove), but a directory stays where it is.
    pub fn take_file(&mut self, wire: &[u8]) -> Result<Box<OpenFile>, Status> {
        match self.remove(wire)? {
            Handle::File(file) => Ok(file),
            directory => {
                self.restore(wire, directory);
                Err(Status::bad_handle())
            }
        }
    }

    /// Puts back what [`remove`](Self::remove) took, under the same number.
    pub fn restore(&mut self, wire: &[u8], handle: Handle) {
        if let Some(number) = number(wire) {
            self.put(number, handle);
        }
    }

    pub fn file(&mut self, wire: &[u8]) -> Result<&mut OpenFile, Status> {
        match number(wire).and_then(|number| self.open.get_mut(&number)) {
            Some(Handle::File(file)) => Ok(file),
            _ => Err(Status::bad_handle()),
        }
    }

    /// As [`file`](Self::file), for who only wants to know what is open.
    pub fn opened_file(&self, wire: &[u8]) -> Option<&OpenFile> {
        match self.open.get(&number(wire)?)? {
            Handle::File(file) => Some(file),
            Handle::Directory(_) => None,
        }
    }

    pub fn directory(&mut self, wire: &[u8]) -> Result<&mut dyn DirectoryReader, Status> {
        match number(wire).and_then(|number| self.open.get_mut(&number)) {
            Some(Handle::Directory(directory)) => Ok(directory.as_mut()),
            _ => Err(Status::bad_handle()),
        }
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.session.live.handles.fetch_sub(self.open.len(), Ordering::Relaxed);
    }
}

fn number(wire: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(wire.try_into().ok()?))
}
