//! Copies made by the server itself: the bytes never leave it.

use super::place::Place;
use super::{FileError, FileService, OpenFile};
use crate::hook::events::{ActionKind, FileAction, Protocol};
use crate::permission::Permission;
use crate::ports::FileEventKind;

const PORTION: usize = 256 << 10;

/// A part of one file that becomes a part of another. A length of 0 means up to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRange {
    pub from: u64,
    pub length: u64,
    pub to: u64,
}

impl FileService {
    /// Copies between two open files: `copy` on the parents of both, beside what opening them
    /// took (A8-05).
    pub async fn copy(
        &self,
        source: &mut OpenFile,
        target: &mut OpenFile,
        range: CopyRange,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        let (from, to) = (source.copied_place()?, target.required_place()?);
        for path in from.spellings().chain(to.spellings()) {
            self.require(&path.parent(), Permission::Copy)?;
        }
        let size = source.metadata().await?.size;
        let target_path = self.storage.host_path(&to);
        let details = |action: &mut FileAction| {
            action.set_target(&to, &target_path);
            action.size = Some(size);
        };
        self.review(ActionKind::Copy, &from, protocol, details).await?;
        let outcome = self.copy_data(source, target, range, size).await;
        self.record_if(&outcome, protocol, &from, FileEventKind::Copy { target: &target_path, size });
        self.done(ActionKind::Copy, &from, protocol, outcome, details).await
    }

    /// `size`: where the end of the source is now, because a copy within one file must not
    /// chase itself.
    async fn copy_data(
        &self,
        source: &mut OpenFile,
        target: &mut OpenFile,
        range: CopyRange,
        size: u64,
    ) -> Result<(), FileError> {
        let available = size.saturating_sub(range.from);
        let mut left = if range.length == 0 { available } else { range.length.min(available) };
        let (mut from, mut to) = (range.from, range.to);
        let mut portion = Vec::with_capacity(PORTION);
        while left > 0 {
            portion.clear();
            let wanted = usize::try_from(left).unwrap_or(PORTION).min(PORTION);
            let count = source.inspect_at(from, wanted, &mut portion).await?;
            if count == 0 {
                break;
            }
            target.store_at(to, &portion).await?;
            let count = count as u64;
            (from, to, left) = (from + count, to + count, left - count);
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

impl OpenFile {
    /// Of a source: even if it may not be copied, it was not opened to be downloaded.
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
