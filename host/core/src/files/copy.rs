//! Copies that the server makes itself, without sending the bytes.

use super::place::Place;
use super::{FileError, FileService, OpenFile};
use crate::hook::events::{ActionKind, FileAction, Protocol};
use crate::permission::Permission;
use crate::ports::FileEventKind;
use crate::ports::storage::Metadata;

/// Bytes copied at once.
const PORTION: usize = 256 << 10;

/// A part of one file that is copied into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRange {
    /// Offset in the source, in bytes.
    pub from: u64,
    /// Bytes to copy; 0: to the end of the source.
    pub length: u64,
    /// Offset in the target, in bytes.
    pub to: u64,
}

impl FileService {
    /// Copies between two open files. Needs `copy` on the parents of both (A8-05), beside the permissions to open
    /// them. Gives the number of bytes that were copied: the source may end before.
    ///
    /// # Errors
    /// The permission is missing, both are one file, a hook denies, the quota is used up, or the storage cannot read or
    /// write.
    pub async fn copy(
        &self,
        source: &mut OpenFile,
        target: &mut OpenFile,
        range: CopyRange,
        protocol: Protocol,
    ) -> Result<u64, FileError> {
        let (from, to) = (source.copied_place()?, target.required_place()?);
        for path in from.spellings().chain(to.spellings()) {
            self.require(&path.parent(), Permission::Copy)?;
        }
        let Metadata { size, id, .. } = source.metadata().await?;
        // The copy would read what it has written.
        if id == target.metadata().await?.id {
            return Err(FileError::Failed("a file cannot be copied into itself".into()));
        }
        let target_path = self.storage.host_path(&to);
        let details = |action: &mut FileAction| {
            action.set_target(&to, &target_path);
            action.size = Some(size);
        };
        self.review(ActionKind::Copy, &from, protocol, details).await?;
        let (copied, outcome) = match self.copy_data(source, target, range, size).await {
            Ok(copied) => (copied, Ok(())),
            Err(error) => (0, Err(error)),
        };
        let target_text = target_path.to_string_lossy();
        self.record_if(&outcome, protocol, &from, FileEventKind::Copy { target: &target_text, size });
        self.done(ActionKind::Copy, &from, protocol, outcome, details).await?;
        Ok(copied)
    }

    /// `size`: the size of the source before the copy. Gives the number of bytes that were copied.
    async fn copy_data(
        &self,
        source: &mut OpenFile,
        target: &mut OpenFile,
        range: CopyRange,
        size: u64,
    ) -> Result<u64, FileError> {
        let available = size.saturating_sub(range.from);
        let wanted = if range.length == 0 { available } else { range.length.min(available) };
        let mut copied = 0;
        let mut portion = Vec::with_capacity(PORTION);
        while copied < wanted {
            portion.clear();
            let at_once = usize::try_from(wanted - copied).unwrap_or(PORTION).min(PORTION);
            let count = source.inspect_at(range.from.saturating_add(copied), at_once, &mut portion).await?;
            if count == 0 {
                break;
            }
            // The offset means nothing where the target is opened to append, and may be any.
            target.store_at(range.to.saturating_add(copied), &portion).await?;
            copied += count as u64;
            tokio::task::yield_now().await;
        }
        Ok(copied)
    }
}

impl OpenFile {
    /// The place of a source. It does not count as a download, even if the copy is refused.
    fn copied_place(&mut self) -> Result<Place<'static>, FileError> {
        if let Some(opened) = &mut self.opened {
            opened.read.is_used_inside = true;
        }
        self.required_place()
    }

    fn required_place(&self) -> Result<Place<'static>, FileError> {
        let opened = self.opened.as_ref().ok_or_else(|| FileError::Failed("the file is closed".into()))?;
        Ok(opened.place.clone())
    }
}
