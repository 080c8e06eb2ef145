//! Copies made by the server itself: the bytes never leave it.

use super::action::ActionKind;
use super::record::{Command, Protocol};
use super::{FileError, FileService, OpenFile};
use crate::path::VirtualPath;
use crate::permission::Permission;

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
        let (from, to) = (source.copied_path()?, target.required_path()?);
        for path in [&from, &to] {
            self.require(&path.parent(), Permission::Copy)?;
        }
        let size = source.metadata().await?.size;
        let target_path = self.storage.host_path(&to);
        let details = |action: &mut super::FileAction| {
            action.target = Some(to.clone());
            action.storage_target = Some(target_path.clone());
            action.size = Some(size);
        };
        self.review(ActionKind::Copy, &from, protocol, details).await?;
        let outcome = self.copy_data(source, target, range, size).await;
        let command = Command { target_path: target_path.clone(), size: Some(size), ..Command::default() };
        self.record_if(&outcome, "Copy", protocol, &from, command);
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
    /// Of a source: even if it may not be copied, nobody wanted to download it.
    fn copied_path(&mut self) -> Result<VirtualPath, FileError> {
        if let Some(opened) = &mut self.opened {
            opened.seen.is_used_inside = true;
        }
        self.required_path()
    }

    fn required_path(&self) -> Result<VirtualPath, FileError> {
        self.path().cloned().ok_or_else(|| FileError::Failed("the file is closed".into()))
    }
}
