//! An open file: what reading, writing in place and uploading have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{
    FileId, FileKind, Metadata, SetAttributes, Space, Storage, StorageError, StorageErrorKind, StorageFile,
};

use crate::attributes::{changes, last_error, metadata, space, unknown_space};
use crate::errors::{Fault, failed, fx, is_directory, is_over, unsupported};
use crate::handle::RemoteHandle;
use crate::packet::{Attributes, fxp};
use crate::reading::Reader;
use crate::reply::Reply;
use crate::storage::SftpStorage;
use crate::tree::Tree;
use crate::writing::Writer;

/// The longest file, as the kernel has it.
const LONGEST: u64 = i64::MAX as u64;

/// An open file.
pub struct OpenFile {
    pub tree: Arc<Tree>,
    pub handle: RemoteHandle,
    /// The path there by which it was opened.
    pub there: Vec<u8>,
    pub id: FileId,
    /// Whether it is written.
    is_written: bool,
    /// Where the next write goes of a file that is opened to append.
    end: Option<AtomicU64>,
    reader: Mutex<Option<Reader>>,
    writer: Mutex<Option<Writer>>,
    /// The attributes of the file when it was closed.
    last: Mutex<Option<Metadata>>,
    /// Whether this server has removed the file's name.
    pub is_removed: AtomicBool,
}

impl OpenFile {
    /// A file that is only read.
    pub fn to_read(tree: Arc<Tree>, handle: RemoteHandle, path: &VirtualPath) -> Self {
        let there = tree.there(path);
        let id = tree.id(path);
        Self::new(tree, handle, there, id, false, None)
    }

    /// A file that is written; `end`: where it ends, if it is opened to append.
    pub fn to_write(tree: Arc<Tree>, handle: RemoteHandle, there: Vec<u8>, end: Option<u64>) -> Self {
        let generation = tree.remote.opened(&there);
        let id = tree.id_of(&there, generation);
        Self::new(tree, handle, there, id, true, end)
    }

    fn new(
        tree: Arc<Tree>,
        handle: RemoteHandle,
        there: Vec<u8>,
        id: FileId,
        is_written: bool,
        end: Option<u64>,
    ) -> Self {
        let (reader, writer) = (Mutex::default(), Mutex::new(Some(Writer::default())));
        let (end, last, is_removed) = (end.map(AtomicU64::new), Mutex::default(), AtomicBool::new(false));
        Self { tree, handle, there, id, is_written, end, reader, writer, last, is_removed }
    }

    /// Writes all of `data`.
    ///
    /// # Errors
    /// `Invalid`: it would end behind the longest file. This or an earlier write failed.
    pub async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        let length = data.len() as u64;
        let offset = self.end.as_ref().map_or(offset, |end| end.load(Ordering::Relaxed));
        let end = offset.checked_add(length).filter(|end| *end <= LONGEST);
        let end = end.ok_or_else(|| failed(StorageErrorKind::Invalid, "the file would be too large"))?;
        let mut held = self.hold(true)?;
        let outcome = held.writer.write(&self.handle, offset, data, self.tree.window).await;
        held.put_back();
        if let Some(kept) = &self.end {
            kept.store(end, Ordering::Relaxed);
        }
        outcome
    }

    /// Where the next write goes, if the file is opened to append.
    pub fn end(&self) -> Option<u64> {
        self.end.as_ref().map(|end| end.load(Ordering::Relaxed))
    }

    /// Says where the next write goes of a file that is opened to append.
    pub fn set_end(&self, to: u64) {
        if let Some(end) = &self.end {
            end.store(to, Ordering::Relaxed);
        }
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// A write failed.
    pub async fn flush(&self) -> Result<(), StorageError> {
        if !self.is_written {
            return Ok(());
        }
        let mut held = self.hold(false)?;
        let outcome = if held.writer.is_idle() { Ok(()) } else { held.writer.flush().await };
        held.put_back();
        outcome
    }

    /// Waits until all is answered. Gives the place of the first bytes that were not written.
    ///
    /// # Errors
    /// Another call writes.
    pub async fn settle(&self) -> Result<Option<u64>, StorageError> {
        let mut held = self.hold(false)?;
        let gap = held.writer.settle().await;
        held.put_back();
        Ok(gap)
    }

    /// The place of the first bytes that are known not to be written.
    pub fn gap(&self) -> Option<u64> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(Writer::gap)
    }

    /// Asks for the size, without waiting.
    pub fn cut(&self, size: u64) {
        let size = Attributes { size: Some(size), ..Attributes::default() };
        drop(self.handle.request(fxp::FSETSTAT, |packet| packet.attributes(&size)));
    }

    /// Closes the file, for which the other server may have to write what it has in memory. Gives what the file was then.
    ///
    /// # Errors
    /// The other server failed; it is not known which bytes of the file it has stored.
    pub async fn close(&self) -> Result<Metadata, StorageError> {
        let looked = self.handle.request(fxp::FSTAT, |packet| packet);
        let closed = self.handle.close().ok_or_else(is_over)?;
        let found = metadata(&looked.attributes().await?, self.id);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        closed.done().await?;
        Ok(found)
    }

    /// The attributes as they are now.
    ///
    /// # Errors
    /// A write failed, or the other server did.
    pub async fn attributes(&self) -> Result<Attributes, StorageError> {
        self.flush().await?;
        Ok(self.handle.request(fxp::FSTAT, |packet| packet).attributes().await?)
    }

    /// Takes the writer, which comes back when it is put back or the call is cancelled. `writes`: a call that is cancelled
    /// may lack bytes.
    fn hold(&self, writes: bool) -> Result<Held<'_>, StorageError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(is_over)?;
        Ok(Held { file: self, writer, cuts_off: writes })
    }
}

/// The writer of a file, in a call.
struct Held<'a> {
    file: &'a OpenFile,
    writer: Writer,
    cuts_off: bool,
}

impl Held<'_> {
    fn put_back(mut self) {
        self.cuts_off = false;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut writer = std::mem::take(&mut self.writer);
        writer.is_cut_off |= self.cuts_off;
        *self.file.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if self.is_written {
            self.tree.remote.closed(&self.there);
        }
    }
}

#[async_trait]
impl StorageFile for OpenFile {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        if offset > LONGEST {
            return Err(failed(StorageErrorKind::Invalid, "the offset is too large"));
        }
        self.flush().await?;
        let before = buffer.len();
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut reader = reader.unwrap_or_default();
        // What is read ahead of a file that is written would be old.
        let most = if self.is_written || !self.tree.reads_ahead { length } else { self.tree.window };
        let outcome = reader.read(&self.handle, (offset, length), most, buffer).await;
        // Some servers refuse places that no file of theirs can have: there is the end of the file.
        let is_refused = matches!(&outcome, Err(Fault::Status { code: fx::BAD_MESSAGE, .. })) && buffer.len() == before;
        if is_refused && self.attributes().await?.size.is_some_and(|size| size <= offset) {
            return Ok(0);
        }
        let read = outcome?;
        if !self.is_written {
            *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
        }
        Ok(read)
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match last {
            Some(last) => last,
            None => metadata(&self.attributes().await?, self.id),
        };
        let links = if self.is_removed.load(Ordering::Relaxed) { 0 } else { found.links };
        Ok(Metadata { links, ..found })
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        self.flush().await?;
        let mut outcomes = Vec::new();
        let had = match attributes.uid.is_some() != attributes.gid.is_some() {
            true => self.attributes().await?.owner,
            false => None,
        };
        for change in changes(attributes, FileKind::File, had).into_iter().flatten() {
            outcomes.push(match change {
                Ok(change) => {
                    let done = self.handle.request(fxp::FSETSTAT, |packet| packet.attributes(&change)).done().await;
                    done.map_err(StorageError::from)
                }
                Err(error) => Err(error),
            });
        }
        if let (Some(end), Some(size)) = (&self.end, attributes.size) {
            end.store(size, Ordering::Relaxed);
        }
        last_error(outcomes)
    }

    async fn sync(&self) -> Result<(), StorageError> {
        self.flush().await?;
        if !self.handle.session().offers.fsync {
            return Err(unsupported("the SFTP server that has the files cannot be asked to write to its disk"));
        }
        Ok(self.handle.extended(b"fsync@openssh.com").done().await?)
    }

    async fn space(&self) -> Result<Space, StorageError> {
        let session = self.handle.session();
        if !session.offers.statvfs {
            return Ok(unknown_space());
        }
        match self.handle.extended(b"fstatvfs@openssh.com").answer().await? {
            Reply::Extended(answer) => Ok(space(&answer)?),
            _ => Ok(unknown_space()),
        }
    }
}

/// A directory that is open as a file: it has metadata, and no content.
pub struct OpenDirectory {
    pub storage: SftpStorage,
    pub path: VirtualPath,
}

#[async_trait]
impl StorageFile for OpenDirectory {
    async fn read_at(&self, _offset: u64, _length: usize, _buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        Err(is_directory())
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.storage.metadata(&self.path).await
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        self.storage.set_attributes(&self.path, attributes, true).await
    }

    async fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn space(&self) -> Result<Space, StorageError> {
        self.storage.space(&self.path).await
    }
}
