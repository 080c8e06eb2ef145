//! Opening files for transfers.

use std::sync::Arc;

use super::open_file::{OpenFile, Opened, OpenedAs, Provisional};
use super::place::{LastName, Place};
use super::read_coverage::ReadCoverage;
use super::usage::Counted;
use super::{FileError, FileService};
use crate::account::EffectiveAccount;
use crate::hook::events::{ActionKind, Overwritten, Protocol};
use crate::path::VirtualPath;
use crate::permission::Permission;
use crate::ports::storage::{
    Capabilities, FileKind, Metadata, OpenOptions, StorageError, StorageErrorKind, Uploads, Writing,
};
use crate::quota::{NamespaceGuard, QuotaError, QuotaLimits, Unanswered, UploadQuota};
use crate::trace;

/// Bytes read at once for a checksum.
const INSPECTED_AT_ONCE: usize = 256 << 10;

impl FileService {
    /// Opens a file for reading. Needs `download` on the parent (A5-05).
    ///
    /// # Errors
    /// A permission is missing, a hook denies, the volume is used up, or the storage cannot open the file.
    pub async fn open_read(self: &Arc<Self>, path: &VirtualPath, protocol: Protocol) -> Result<OpenFile, FileError> {
        let span = self.span("open", path, protocol);
        trace::operation(span, async {
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
        })
        .await
    }

    pub(super) fn require_download(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.require(&path.parent(), Permission::Download)?;
        self.require_name(path)
    }

    /// Reads a part of a file for its checksum, in portions that `update` gets. `list` on the parent is enough
    /// (A7-01), and the transfer does not count as a download.
    ///
    /// # Errors
    /// A permission is missing, or the storage cannot read the file.
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

    /// Opens a file for writing. Needs `upload` on the parent, `overwrite` if the file exists (A5-05, A5-06), and
    /// `download` if it is to be read as well.
    ///
    /// # Errors
    /// A permission is missing, a hook denies, the quota or the volume is used up, or the storage cannot open
    /// the file.
    pub async fn open_write(
        self: &Arc<Self>,
        path: &VirtualPath,
        options: OpenOptions,
        protocol: Protocol,
    ) -> Result<OpenFile, FileError> {
        let span = self.span("open", path, protocol);
        trace::operation(span, async {
            let check = |path: &VirtualPath| {
                self.require(&path.parent(), Permission::Upload)?;
                if options.read {
                    self.require(&path.parent(), Permission::Download)?;
                }
                self.require_name(path)
            };
            let place = self.place(path, LastName::Followed, check).await?;
            // A file at the resolved path exists under the written path as well: `overwrite` is needed there, too.
            if let Some(written) = place.written()
                && self.is_there(&place).await?
            {
                self.require(&written.parent(), Permission::Overwrite)?;
            }
            let options = OpenOptions { provisional: self.upload_is_provisional(&place), ..options };
            match self.open_counted(&place, options, protocol).await {
                // Observers are told of an upload that is refused before it begins (A10-02).
                Err(error @ FileError::QuotaExceeded(_)) => {
                    self.context.metrics.transfer(true, 0, false);
                    let refused = Err(error.clone());
                    let told =
                        self.done(ActionKind::Upload, &place, protocol, refused, |action| action.size = Some(0)).await;
                    Err(told.err().unwrap_or(error))
                }
                outcome => outcome,
            }
        })
        .await
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
        let is_held = options.provisional || self.context.hooks.decide_uploads_by_paths();
        let provisional = if is_held { Some(self.provisional(path).await?) } else { None };
        let Some(counted) = counted else {
            let (file, before, _) = self.open_upload(path, options, |_| Ok(()), None).await?;
            let provisional = self.loosened(provisional, &file, path).await;
            let file = OpenedAs::Writing(file);
            return Ok(self.opened(file, place.clone(), protocol, options, (None, account), (provisional, before)));
        };
        let names = counted.ledger.names(|| self.scan_tree(path)).await?;
        let check = |before: Option<&Metadata>| check_room(&names, before, options, counted.limits);
        let (file, before, unanswered) = self.open_upload(path, options, check, Some(&counted)).await?;
        let quota = counted.upload(&names, &file, before.as_ref(), options.truncate).await?;
        if let Some(unanswered) = unanswered {
            unanswered.counted();
        }
        drop(names);
        let provisional = self.loosened(provisional, &file, path).await;
        let file = OpenedAs::Writing(file);
        Ok(self.opened(file, place.clone(), protocol, options, (Some(quota), account), (provisional, before)))
    }

    /// What an upload that hooks decide about, or would decide about elsewhere, keeps from now on.
    async fn provisional(&self, path: &VirtualPath) -> Result<Provisional, FileError> {
        let held = self.hold(path).await;
        let directory = match self.tree().metadata(&path.parent()).await {
            Ok(directory) => Some(directory.id),
            // Where files need a directory, opening the file fails.
            Err(error) if error.kind == StorageErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Provisional { directory, _held: held })
    }

    /// An upload that has no name yet needs its directory alone: what has the name is another file.
    async fn loosened(&self, kept: Option<Provisional>, file: &Writing, path: &VirtualPath) -> Option<Provisional> {
        match (kept, file) {
            (Some(kept), Writing::Upload(_)) => Some(Provisional { _held: self.hold(&path.parent()).await, ..kept }),
            (kept, _) => kept,
        }
    }

    /// Asks the hooks about an upload, but only once permissions and quota allow it (B10-05).
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
        let existing = self.writable_file(path, options).await?;
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

    /// Whether permissions and quota allow an upload of this name, no matter whether it exists, so that the
    /// storage need not be asked.
    async fn may_write(&self, path: &VirtualPath, counted: Option<&Counted>) -> Result<bool, FileError> {
        if !self.permissions_at(&path.parent()).allows(Permission::Overwrite) {
            return Ok(false);
        }
        let Some(counted) = counted else { return Ok(true) };
        let names = counted.ledger.names(|| self.scan_tree(path)).await?;
        Ok(names.check_new_file(counted.limits).is_ok() && names.check_overwrite(0, counted.limits).is_ok())
    }

    /// Opens a file for writing. The answer also has the metadata of the file that had the name before. Most
    /// files are new: where files are written in place, the storage is first asked to make a new one.
    async fn open_upload<'a>(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
        check: impl Fn(Option<&Metadata>) -> Result<(), QuotaError>,
        counted: Option<&'a Counted>,
    ) -> Result<(Writing, Option<Metadata>, Option<Unanswered<'a>>), FileError> {
        let tree = self.tree();
        let capabilities = tree.capabilities(path);
        if options.create && capabilities.uploads == Uploads::None && check(None).is_ok() {
            match self.open_in_place(path, OpenOptions { exclusive: true, ..options }, counted).await {
                Ok((file, unanswered)) => return Ok((file, None, unanswered)),
                Err(error) if is_taken(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let before = self.writable_file(path, options).await?;
        // Where files can be opened under their names, that says so itself.
        if before.is_none() && !options.create && !capabilities.in_place {
            return Err(FileError::NotFound);
        }
        check(before.as_ref())?;
        let may_overwrite = self.permissions_at(&path.parent()).allows(Permission::Overwrite);
        // Opening must fail if the file has appeared since, because `overwrite` was not checked.
        let exclusive = options.exclusive | (before.is_none() && options.create && !may_overwrite);
        let options = OpenOptions { exclusive, is_new: before.is_none(), ..options };
        let (file, unanswered) = match is_upload(capabilities, before.as_ref(), options) {
            true => (Writing::Upload(tree.begin_upload(path, options).await?), None),
            false => self.open_in_place(path, options, counted).await?,
        };
        Ok((file, before, unanswered))
    }

    /// Opens a file under its name, which may make or empty it. The answer also has what is to be told that this is
    /// counted.
    async fn open_in_place<'a>(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
        counted: Option<&'a Counted>,
    ) -> Result<(Writing, Option<Unanswered<'a>>), StorageError> {
        let mut unanswered = counted.and_then(|counted| self.unanswered(counted, path));
        let opened = self.tree().open_in_place(path, options).await;
        if opened.is_err()
            && let Some(unanswered) = unanswered.take()
        {
            unanswered.answered(&opened);
        }
        Ok((Writing::InPlace(opened?), unanswered))
    }

    /// The file that an upload would overwrite; None: the name is new.
    ///
    /// # Errors
    /// The file is a directory, or `overwrite` is missing.
    async fn writable_file(&self, path: &VirtualPath, options: OpenOptions) -> Result<Option<Metadata>, FileError> {
        let replaces_any = options.create && options.truncate && !options.exclusive;
        let found = match replaces_any && self.permissions_at(&path.parent()).allows(Permission::Overwrite) {
            true => self.tree().metadata_for_upload(path).await,
            false => self.tree().metadata(path).await,
        };
        match found {
            // A5-09
            Ok(existing) if existing.kind == FileKind::Directory => {
                Err(FileError::Unsupported("a directory cannot be opened for writing".into()))
            }
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
        (provisional, existed): (Option<Provisional>, Option<Metadata>),
    ) -> OpenFile {
        let mut transfer = self.transfer(&place, protocol, options.write);
        if let Some(existed) = existed.as_ref().filter(|_| !options.write) {
            transfer.expects(existed.size);
        }
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
            provisional,
            existed,
            read,
            is_refused: false,
        })
    }
}

/// Whether a file could not be made because its name exists.
fn is_taken(error: &StorageError) -> bool {
    matches!(error.kind, StorageErrorKind::AlreadyExists | StorageErrorKind::IsADirectory)
}

/// Whether a file gets its name only when it is complete (A3-16): new files do, and those that are emptied. So do,
/// with the old content to begin with, those that hooks decide about, and those that a client writes anew without
/// emptying them (`scp` of OpenSSH), where what breaks off leaves the old file (A5-10). Others are changed in place,
/// if the storage can do that.
fn is_upload(capabilities: Capabilities, before: Option<&Metadata>, options: OpenOptions) -> bool {
    // Data that is appended leaves what the file has, and a client that does not ask for a new file changes this one.
    let keeps_old = capabilities.keeps_old && options.create && !options.append;
    let is_upload = match before {
        Some(before) => {
            let replaces = options.truncate || options.provisional || keeps_old || !capabilities.in_place;
            replaces && before.kind == FileKind::File
        }
        None => options.create,
    };
    capabilities.uploads != Uploads::None && is_upload
}

/// Checks that the quota has room for an upload to begin (A10-02). `before`: the file that it overwrites.
fn check_room(
    names: &NamespaceGuard<'_>,
    before: Option<&Metadata>,
    options: OpenOptions,
    limits: QuotaLimits,
) -> Result<(), QuotaError> {
    match before {
        // What is appended is more than the file has. Other writes may be over what it has, so that growing is looked at
        // when it comes.
        Some(_) if options.append && !options.truncate => names.check_overwrite(0, limits),
        Some(before) => names.check_overwrite(before.size, limits),
        None => names.check_new_file(limits),
    }
}
