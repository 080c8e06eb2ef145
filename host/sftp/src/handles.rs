//! Open files and directories of one channel. A number is used once, so that a closed
//! handle never means another file.

use std::collections::HashMap;

use tidegate_core::files::OpenFile;
use tidegate_core::files::storage::DirectoryReader;

use crate::packet::Status;
use crate::protocol::{MAX_HANDLES, StatusCode};

pub enum Handle {
    File(Box<OpenFile>),
    Directory(Box<dyn DirectoryReader>),
}

#[derive(Default)]
pub struct Handles {
    open: HashMap<u32, Handle>,
    next: u32,
}

impl Handles {
    /// The handle's number, as it goes over the wire.
    pub fn insert(&mut self, handle: Handle) -> [u8; 4] {
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(number, handle);
        number.to_be_bytes()
    }

    /// Asked before a file is opened.
    pub fn require_room(&self) -> Result<(), Status> {
        if self.open.len() < MAX_HANDLES {
            return Ok(());
        }
        Err(Status::new(StatusCode::Failure, format!("more than {MAX_HANDLES} handles are open")))
    }

    pub fn remove(&mut self, wire: &[u8]) -> Result<Handle, Status> {
        number(wire).and_then(|number| self.open.remove(&number)).ok_or_else(Status::bad_handle)
    }

    /// Puts back what [`remove`](Self::remove) took, under the same number.
    pub fn restore(&mut self, wire: &[u8], handle: Handle) {
        if let Some(number) = number(wire) {
            self.open.insert(number, handle);
        }
    }

    pub fn file(&mut self, wire: &[u8]) -> Result<&mut OpenFile, Status> {
        match number(wire).and_then(|number| self.open.get_mut(&number)) {
            Some(Handle::File(file)) => Ok(file),
            _ => Err(Status::bad_handle()),
        }
    }

    pub fn directory(&mut self, wire: &[u8]) -> Result<&mut dyn DirectoryReader, Status> {
        match number(wire).and_then(|number| self.open.get_mut(&number)) {
            Some(Handle::Directory(directory)) => Ok(directory.as_mut()),
            _ => Err(Status::bad_handle()),
        }
    }
}

fn number(wire: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(wire.try_into().ok()?))
}
