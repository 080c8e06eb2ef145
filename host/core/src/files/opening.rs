//! Opening files for transfers.

use std::sync::Arc;

use super::open_file::{OpenFile, Opened, OpenedAs};
use super::place::{LastName, Place};
use super::read_coverage::ReadCoverage;
use super::usage::Counted;
use super::{FileError, FileService};
use crate::account::EffectiveAccount;
use crate::hook::events::{ActionKind, Overwritten, Protocol};
use crate::path::VirtualPath;
use crate::permission::Permission;
use crate::ports::storage::{
    Capabilities, FileId, FileKind, Metadata, OpenOptions, StorageError, StorageErrorKind, Uploads, Writing,
};
use crate::quota::{NamespaceGuard, QuotaError, QuotaLimits, UploadQuota};

const INSPECTED_AT_ONCE: usize = 256 << 10;

impl FileService {
    /// Opens for reading: `download` on the parent (A5-05).
    pub async fn open_read(self: &Arc<Self>, path: &VirtualPath, protocol: Protocol) -> Result<OpenFile, FileError> {
        let place = self.place(path, LastName::Followed, |path| self.require_download(path)).await?;
        self.check_volume(false)?;
        self.review(ActionKind::Download, &place, protocol, |action| action.size = Some(0)).await?;
        let file = self.tree().open(&place).await?;
        let metadata = file.metadata().await?;
        if metadata.kind == FileKind::Directory {
            return Err(FileError::Failed("is a directory".into()));
        }
        let options = OpenOptions { read: true, ..OpenOptions::default() };
        let file = OpenedAs::Reading(file);
        let counted = (None, self.account().clone());
        Ok(self.opened(file, place, protocol, options, counted, (None, Some(metadata))))
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
        let file = self.tree().open(&place).await?;
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
        // Something is there to lead to it, though perhaps nothing in the other place.
        if let Some(written) = place.written()
            && self.is_there(&place).await?
        {
            self.require(&written.parent(), Permission::Overwrite)?;
        }
        let options = OpenOptions { provisional: self.upload_is_provisional(&place), ..options };
        match self.open_counted(&place, options, protocol).await {
            // It ends before it began, and observers hear of that (A10-02).
            Err(error @ FileError::QuotaExceeded(_)) => {
                self.context.metrics.transfer(true, 0, false);
                let refused = Err(error.clone());
                let told =
                    self.done(ActionKind::Upload, &place, protocol, refused, |action| action.size = Some(0)).await;
                Err(told.err().unwrap_or(error))
            }
            outcome => outcome,
        }
    }

    async fn open_counted(
        self: &Arc<Self>,
        place: &Place<'_>,
        options: OpenOptions,
        protocol: Protocol,
    ) -> Result<OpenFile, FileError> {
        let (account, path) = (self.account().clone(), place.path());
        self.check_volume(true)?;
        let counted = self.counted(path);
        self.review_upload(place, options, protocol, counted.as_ref()).await?;
        let held = if options.provisional { Some(self.hold(path).await) } else { None };
        let directory = match held {
            Some(_) => Some(self.tree().metadata(&path.parent()).await?.id),
            None => None,
        };
        let Some(counted) = counted else {
            let (file, before) = self.open_upload(path, options, |_| Ok(())).await?;
            let file = OpenedAs::Writing(file);
            return Ok(self.opened(file, place.clone(), protocol, options, (None, account), (directory, before)));
        };
        let names = counted.ledger.names(|| self.scan_tree(path)).await?;
        let check = |before: Option<&Metadata>| check_room(&names, before, options, counted.limits);
        let (file, before) = self.open_upload(path, options, check).await?;
        let quota = counted.upload(&names, &file, before.as_ref(), options.truncate).await?;
        drop(names);
        let file = OpenedAs::Writing(file);
        Ok(self.opened(file, place.clone(), protocol, options, (Some(quota), account), (directory, before)))
    }

    /// Asks the hooks, but not about a file that may not be written over, or for which there
    /// is no room (B10-05).
    pub(super) async fn review_upload(
        &self,
        place: &Place<'_>,
        options: OpenOptions,
        protocol: Protocol,
        counted: Option<&Counted>,
    ) -> Result<(), FileError> {
        if !self.context.hooks.asks() {
            return Ok(());
        }
        let path = place.path();
        if !self.context.hooks.asks_with_everything() && self.may_write(path, counted).await? {
            let overwritten = Some(Overwritten::new(options.truncate));
            self.review(ActionKind::Upload, place, protocol, |action| action.overwritten = overwritten).await?;
            return Ok(());
        }
        let existing = self.writable_file(path).await?;
        if let Some(counted) = counted {
            let names = counted.ledger.names(|| self.scan_tree(path)).await?;
            check_room(&names, existing.as_ref(), options, counted.limits)?;
        }
        self.review(ActionKind::Upload, place, protocol, |action| {
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

    /// Opens for writing; gives what had the name before, too. Most files are new: where they are
    /// written in place, only others are looked at first.
    async fn open_upload(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
        check: impl Fn(Option<&Metadata>) -> Result<(), QuotaError>,
    ) -> Result<(Writing, Option<Metadata>), FileError> {
        let tree = self.tree();
        let capabilities = tree.capabilities(path);
        if options.create && capabilities.uploads == Uploads::None && check(None).is_ok() {
            match tree.open_in_place(path, OpenOptions { exclusive: true, ..options }).await {
                Ok(file) => return Ok((Writing::InPlace(file), None)),
                Err(error) if is_taken(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let before = self.writable_file(path).await?;
        check(before.as_ref())?;
        let may_overwrite = self.permissions_at(&path.parent()).allows(Permission::Overwrite);
        // The file must not appear between that look and the open, or `overwrite` would have
        // been skipped.
        let exclusive = options.exclusive | (before.is_none() && options.create && !may_overwrite);
        let options = OpenOptions { exclusive, ..options };
        let file = match is_upload(capabilities, before.as_ref(), options) {
            true => Writing::Upload(tree.begin_upload(path, options).await?),
            false => Writing::InPlace(tree.open_in_place(path, options).await?),
        };
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
        file: OpenedAs,
        place: Place<'_>,
        protocol: Protocol,
        options: OpenOptions,
        (quota, counted_for): (Option<UploadQuota>, Arc<EffectiveAccount>),
        (directory, existed): (Option<FileId>, Option<Metadata>),
    ) -> OpenFile {
        let transfer = self.transfer(&place, protocol, options.write);
        let (files, place) = (self.clone(), place.into_owned());
        let read = ReadCoverage::default();
        OpenFile::new(Opened {
            file,
            options,
            transfer,
            files,
            place,
            quota,
            counted_for,
            directory,
            existed,
            read,
            is_refused: false,
        })
    }
}

/// Something has the name of a file that was to be made.
fn is_taken(error: &StorageError) -> bool {
    matches!(error.kind, StorageErrorKind::AlreadyExists | StorageErrorKind::IsADirectory)
}

/// Whether a file gets its name only when it is complete (A3-16): all of a new file, and of one
/// that is emptied, is the upload's own. Others are changed in place.
fn is_upload(capabilities: Capabilities, before: Option<&Metadata>, options: OpenOptions) -> bool {
    let replaces_all = match before {
        Some(before) => options.truncate && before.kind == FileKind::File,
        None => options.create,
    };
    capabilities.uploads != Uploads::None && replaces_all
}

/// Whether an upload may begin (A10-02); `before`: the file that it would write over.
fn check_room(
    names: &NamespaceGuard<'_>,
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
