//! What an upload keeps of the object whose name it gets, where it does not empty that first. Clients go on at the end of a
//! file, or write it again from its beginning and set its size at the end, as OpenSSH's `scp` does.

use tidegate_core::ports::storage::StorageError;

use crate::errors::unsupported;
use crate::object::Found;

/// The part of the old object that an upload keeps.
pub enum Kept {
    /// Nothing, but for what the upload has copied already.
    Nothing,
    /// All of it, as long as nothing is written.
    All(Found),
    /// The bytes behind the last one that was written.
    Behind(Found),
}

/// Where the first write of an upload begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// At the first byte of the old object.
    First,
    /// Behind the last byte of the old object.
    End,
}

impl Kept {
    /// The size of the complete file. `written`: the end of what was written in order.
    pub fn size(&self, written: u64) -> u64 {
        match self {
            Self::Nothing => written,
            Self::All(old) | Self::Behind(old) => written.max(old.metadata.size),
        }
    }

    /// Where a first write at an offset begins; none: at the end. An object cannot be changed in its middle.
    ///
    /// # Errors
    /// `Unsupported`
    pub fn beginning(old: &Found, offset: Option<u64>) -> Result<Beginning, StorageError> {
        match offset {
            None => Ok(Beginning::End),
            Some(offset) if offset >= old.metadata.size => Ok(Beginning::End),
            Some(0) => Ok(Beginning::First),
            Some(_) => Err(unsupported(
                "object storage writes a file from its first byte, or goes on at its end; this write is in its middle",
            )),
        }
    }

    /// Sets the size of the file. `written`: the end of what was written; none: some of it has not arrived.
    ///
    /// # Errors
    /// `Unsupported`, if it is neither the size that the file has anyway nor what was written.
    pub fn cut(&mut self, size: u64, written: Option<u64>) -> Result<(), StorageError> {
        let is_written = written == Some(size);
        match self {
            Self::All(_) | Self::Behind(_) if is_written => *self = Self::Nothing,
            Self::All(old) | Self::Behind(old)
                if old.metadata.size == size && written.is_some_and(|end| end < size) => {}
            Self::Nothing if is_written => {}
            Self::All(_) | Self::Behind(_) | Self::Nothing => {
                return Err(unsupported(
                    "object storage cannot shorten or extend a file, except to the size that was written",
                ));
            }
        }
        Ok(())
    }
}
