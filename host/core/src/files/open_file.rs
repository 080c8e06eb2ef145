//! A transfer under way.

use std::sync::Arc;
use std::time::Instant;

use super::record::Transfer;
use super::storage::{Metadata, OpenOptions, SetAttributes, Space, Storage, StorageFile};
use super::{FileError, SetAttributesPolicy, check_attribute_permissions, effective_attributes, record_attributes};
use crate::path::VirtualPath;
use crate::permission::PermissionSet;
use crate::session::Session;

/// An open file of a session. [`close`](OpenFile::close) commits an upload and records the
/// transfer; dropping it records a transfer that was cut off.
pub struct OpenFile {
    pub(super) file: Box<dyn StorageFile>,
    pub(super) options: OpenOptions,
    pub(super) permissions: PermissionSet,
    pub(super) policy: SetAttributesPolicy,
    pub(super) transfer: Transfer,
    pub(super) session: Arc<Session>,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) path: VirtualPath,
}

impl OpenFile {
    /// Appends up to `length` bytes from `offset` to `buffer`; 0 at the end.
    pub async fn read_at(&mut self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, FileError> {
        if !self.options.read {
            return Err(FileError::Denied);
        }
        let read = self.file.read_at(offset, length, buffer).await.inspect_err(|_| self.transfer.fail());
        let read = read?;
        self.transfer.moved_out(read);
        self.session.traffic.add(0, read as u64);
        Ok(read)
    }

    pub async fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        if !self.options.write {
            return Err(FileError::Denied);
        }
        let written = self.file.write_at(offset, data).await.inspect_err(|_| self.transfer.fail());
        written?;
        self.transfer.moved_in(data.len());
        self.session.traffic.add(data.len() as u64, 0);
        Ok(())
    }

    pub async fn metadata(&self) -> Result<Metadata, FileError> {
        Ok(self.file.metadata().await?)
    }

    pub async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), FileError> {
        check_attribute_permissions(self.permissions, attributes)?;
        if attributes.size.is_some() && !self.options.write {
            return Err(FileError::Denied);
        }
        let Some(effective) = effective_attributes(self.policy, attributes) else {
            return Ok(());
        };
        self.file.set_attributes(&effective).await?;
        let (log, protocol, host_path) = self.transfer.context();
        record_attributes(log, &effective, protocol, host_path);
        Ok(())
    }

    pub async fn sync(&self) -> Result<(), FileError> {
        Ok(self.file.sync().await?)
    }

    pub async fn space(&self) -> Result<Space, FileError> {
        Ok(self.file.space().await?)
    }

    /// Ends the transfer. An upload that met an error is abandoned: the old file stays.
    pub async fn close(mut self) -> Result<(), FileError> {
        if self.options.write && self.transfer.failed() {
            return Err(FileError::Failed("the upload had failed; the file is as it was".into()));
        }
        if self.transfer.waits_for_hooks() {
            return self.close_synchronously().await;
        }
        let finished = self.file.finish().await;
        match &finished {
            Ok(()) => self.transfer.complete(Instant::now()),
            Err(error) => self.transfer.fail_with(&error.message),
        }
        Ok(finished?)
    }
}
