//! Opening files for transfers.

use std::sync::Arc;

use super::action::Overwritten;
use super::open_file::{OpenFile, Opened};
use super::place::LastName;
use super::seen::Seen;
use super::storage::{FileKind, Metadata, OpenOptions, StorageErrorKind, StorageFile};
use super::usage::Counted;
use super::{ActionKind, FileError, FileService, Protocol};
use crate::account::EffectiveAccount;
use crate::path::VirtualPath;
use crate::permission::Permission;
use crate::quota::{Names, QuotaError, QuotaLimits, UploadQuota};

const INSPECTED_AT_ONCE: usize = 256 << 10;

impl FileService {
    /// Opens for reading: `download` on the parent (A5-05).
    pub async fn open_read(self: &Arc<Self>, path: &VirtualPath, protocol: Protocol) -> Result<OpenFile, FileError> {
        let place = self.place(path, LastName::Followed, |path| self.require_download(path)).await?;
        let path = &*place;
        self.check_volume(false)?;
        let options = OpenOptions { read: true, ..OpenOptions::default() };
        self.review(ActionKind::Download, path, protocol, |action| action.size = Some(0)).await?;
        let file = self.tree().open(path, options).await?;
        let metadata = file.metadata().await?;
        if metadata.kind == FileKind::Directory {
            return Err(FileError::Failed("is a directory".into()));
        }
        Ok(self.opened(file, path, protocol, options, (None, self.account().clone()), Some(metadata)))
    }

    pub(super) fn require_download(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.require(&path.parent(), Permission::Download)?;
        self.require_name(path)
    }

    /// Reads a part of a file for a checksum of it: `list` is enough (A7-01), and it is no
    /// download.
    pub async fn inspect(
        &self,
        path: &VirtualPath,
        offset: u64,
        length: u64,
        mut update: impl FnMut(&[u8]) + Send,
    ) -> Result<(), FileError> {
        let check = |path: &VirtualPath| {
            self.require(&path.parent(), Permission::List)?;
            self.require_name(path)
        };
        let place = self.place(path, LastName::Followed, check).await?;
        let file = self.tree().open(&place, OpenOptions { read: true, ..OpenOptions::default() }).await?;
        if file.metadata().await?.kind == FileKind::Directory {
            return Err(FileError::Failed("is a directory".into()));
        }
        let mut portion = Vec::with_capacity(INSPECTED_AT_ONCE);
        let (mut position, end) = (offset, offset.saturating_add(length));
        while position < end {
            portion.clear();
            let wanted = usize::try_from(end - position).unwrap_or(INSPECTED_AT_ONCE).min(INSPECTED_AT_ONCE);
            let count = file.read_at(position, wanted, &mut portion).await?;
            if count == 0 {
                break;
            }
            update(&portion);
            position += count as u64;
            self.session.live.moves();
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Opens for writing: `upload` on the parent, and `overwrite` if the file exists
    /// (A5-05, A5-06). Reading as well needs `download`.
    pub async fn open_write(
        self: &Arc<Self>,
        path: &VirtualPath,
        options: OpenOptions,
        protocol: Protocol,
    ) -> Result<OpenFile, FileError> {
        let check = |path: &VirtualPath| {
            self.require(&path.parent(), Permission::Upload)?;
            if options.read {
                self.require(&path.parent(), Permission::Download)?;
            }
            self.require_name(path)
        };
        let place = self.place(path, LastName::Followed, check).await?;
        let (asked, path) = (path, &*place);
        // Something is there to lead to it, though perhaps nothing in the other place.
        if asked != path && self.is_there(path).await? {
            self.require(&asked.parent(), Permission::Overwrite)?;
        }
        let options = OpenOptions { provisional: self.upload_is_provisional(path), ..options };
        match self.open_counted(path, options, protocol).await {
            // It ends before it began, and observers hear of that (A10-02).
            Err(error @ FileError::QuotaExceeded(_)) => {
                self.context.metrics.transfer(true, 0, false);
                let refused = Err(error.clone());
                let told = self.done(ActionKind::Upload, path, protocol, refused, |action| action.size = Some(0)).await;
                Err(told.err().unwrap_or(error))
            }
            outcome => outcome,
        }
    }

    async fn open_counted(
        self: &Arc<Self>,
        path: &VirtualPath,
        options: OpenOptions,
        protocol: Protocol,
    ) -> Result<OpenFile, FileError> {
        let account = self.account().clone();
        self.check_volume(true)?;
        let counted = self.counted(path);
        self.review_upload(path, options, protocol, counted.as_ref()).await?;
        let Some(counted) = counted else {
            let (file, before) = self.open_upload(path, options, |_| Ok(())).await?;
            return Ok(self.opened(file, path, protocol, options, (None, account), before));
        };
        let names = counted.ledger.names(|| self.scan_tree(path)).await?;
        let check = |before: Option<&Metadata>| check_room(&names, before, options, counted.limits);
        let (file, before) = self.open_upload(path, options, check).await?;
        let quota = counted.upload(&names, &*file, before.as_ref(), options.truncate).await?;
        drop(names);
        Ok(self.opened(file, path, protocol, options, (Some(quota), account), before))
    }

    /// Asks the hooks, but not about a file that may not be written over, or for which there
    /// is no room (B10-05).
    async fn review_upload(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
        protocol: Protocol,
        counted: Option<&Counted>,
    ) -> Result<(), FileError> {
        if !self.context.hooks.asks() {
            return Ok(());
        }
        if !self.context.hooks.asks_with_everything() && self.may_write(path, counted).await? {
            let overwritten = Some(Overwritten::new(options.truncate));
            self.review(ActionKind::Upload, path, protocol, |action| action.overwritten = overwritten).await?;
            return Ok(());
        }
        let existing = self.writable_file(path).await?;
        if let Some(counted) = counted {
            let names = counted.ledger.names(|| self.scan_tree(path)).await?;
            check_room(&names, existing.as_ref(), options, counted.limits)?;
        }
        self.review(ActionKind::Upload, path, protocol, |action| {
            let existing = existing.map(|existing| existing.size);
            (action.size, action.open_flags) = Overwritten::details(existing, options.truncate);
        })
        .await?;
        Ok(())
    }

    /// Whether there may be an upload of this name, be there a file or not.
    async fn may_write(&self, path: &VirtualPath, counted: Option<&Counted>) -> Result<bool, FileError> {
        if !self.permissions_at(&path.parent()).allows(Permission::Overwrite) {
            return Ok(false);
        }
        let Some(counted) = counted else { return Ok(true) };
        let names = counted.ledger.names(|| self.scan_tree(path)).await?;
        Ok(names.check_new_file(counted.limits).is_ok() && names.check_overwrite(0, counted.limits).is_ok())
    }

    /// Opens for writing; gives what had the name before, too. Most files are new, and only
    /// others are looked at.
    async fn open_upload(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
        check: impl Fn(Option<&Metadata>) -> Result<(), QuotaError>,
    ) -> Result<(Box<dyn StorageFile>, Option<Metadata>), FileError> {
        if check(None).is_ok()
            && let Some(file) = self.tree().create_new(path, options).await?
        {
            return Ok((file, None));
        }
        let before = self.writable_file(path).await?;
        check(before.as_ref())?;
        let may_overwrite = self.permissions_at(&path.parent()).allows(Permission::Overwrite);
        // The file must not appear between that look and the open, or `overwrite` would have
        // been skipped.
        let exclusive = options.exclusive | (before.is_none() && options.create && !may_overwrite);
        let file = self.tree().open(path, OpenOptions { exclusive, ..options }).await?;
        Ok((file, before))
    }

    /// The file that an upload would write over, if it may.
    async fn writable_file(&self, path: &VirtualPath) -> Result<Option<Metadata>, FileError> {
        match self.tree().metadata(path).await {
            // A5-09
            Ok(existing) if existing.kind == FileKind::Directory => Err(FileError::Unsupported),
            Ok(existing) => {
                self.require(&path.parent(), Permission::Overwrite)?;
                Ok(Some(existing))
            }
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn opened(
        self: &Arc<Self>,
        file: Box<dyn StorageFile>,
        path: &VirtualPath,
        protocol: Protocol,
        options: OpenOptions,
        (quota, counted_for): (Option<UploadQuota>, Arc<EffectiveAccount>),
        existed: Option<Metadata>,
    ) -> OpenFile {
        let transfer = self.transfer(path, protocol, options.write);
        let (files, path) = (self.clone(), path.clone());
        let seen = Seen::default();
        OpenFile::new(Opened {
            file,
            options,
            transfer,
            files,
            path,
            quota,
            counted_for,
            existed,
            seen,
            is_refused: false,
        })
    }
}

/// Whether an upload may begin (A10-02); `before`: the file that it would write over.
fn check_room(
    names: &Names<'_>,
    before: Option<&Metadata>,
    options: OpenOptions,
    limits: QuotaLimits,
) -> Result<(), QuotaError> {
    match before {
        Some(before) if options.truncate => names.check_overwrite(before.size, limits),
        Some(_) => names.check_overwrite(0, limits),
        None => names.check_new_file(limits),
    }
}
