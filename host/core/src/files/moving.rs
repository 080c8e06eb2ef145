//! Renames between file systems, by copies: the new file gets its name when it is complete, and only then is the old one
//! removed. What breaks off leaves the old file, or both.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::place::Place;
use super::renames::Sides;
use super::transfer::Transfer;
use super::{FileError, FileService};
use crate::hook::events::Protocol;
use crate::path::VirtualPath;
use crate::ports::storage::{
    FileKind, Finished, Metadata, SetAttributes, StorageErrorKind, StorageFile, Upload, Writing,
};
use crate::quota::{QuotaLimits, UploadQuota, UsedQuota};

/// Bytes copied at once.
const PORTION: usize = 256 << 10;
/// Entries of a directory read at once.
const ENTRIES_AT_ONCE: usize = 256;
/// After how many files the log says how far a directory is.
const FILES_LOGGED: usize = 1000;
const PERMISSION_BITS: u32 = 0o777;

/// A file on its way into another file system, where it has no name yet. Dropping it gives it up.
struct Arriving {
    sides: Sides,
    file: Arrival,
}

struct Arrival {
    from: VirtualPath,
    to: VirtualPath,
    /// The old file, as it was when the copy began.
    source: Metadata,
    /// The copy that is being written; None: it is complete and has its name.
    upload: Option<Box<dyn Upload>>,
    /// Counts the copy; None: files at the target are not counted.
    quota: Option<UploadQuota>,
    limits: QuotaLimits,
    /// Shows administrators how far the copy is; it is not recorded.
    transfer: Transfer,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        upload.discard();
        if let Some(quota) = &mut self.quota {
            quota.abandon(Writing::Upload(upload), QuotaLimits::default(), None);
        }
    }
}

/// What a directory has that is moved: parents before what is in them.
struct Contents {
    entries: Vec<(VirtualPath, Metadata)>,
    files: usize,
    used: UsedQuota,
}

impl FileService {
    /// Renames by copies.
    ///
    /// # Errors
    /// A name is taken, the quota has no room, the file changes meanwhile, or a storage fails; `Unsupported` for links,
    /// and for directories with more files than may be copied.
    pub(super) async fn rename_by_copy(
        self: &Arc<Self>,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: bool,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        if to.is_same_or_below(from) {
            return Err(FileError::Invalid("a directory cannot be moved into itself".into()));
        }
        let moved = self.tree().symlink_metadata(from).await?;
        match moved.kind {
            FileKind::File => {
                let arriving = Box::pin(self.copy_over((from, &moved), to, replace, protocol)).await?;
                let files = self.clone();
                to_the_end(async move { files.arrive(arriving, true).await }).await
            }
            FileKind::Directory => Box::pin(self.move_directory(from, to, replace, protocol)).await,
            FileKind::Symlink | FileKind::Other => Err(only_files_and_directories()),
        }
    }

    /// Copies a file to a place where it has no name yet.
    async fn copy_over(
        self: &Arc<Self>,
        (from, source): (&VirtualPath, &Metadata),
        to: &VirtualPath,
        replace: bool,
        protocol: Protocol,
    ) -> Result<Arriving, FileError> {
        let sides = Sides::of(self, from, to);
        sides.require_unwritten(source)?;
        let existing = self.at_target(to, replace).await?;
        match existing.map(|existing| existing.kind) {
            Some(FileKind::Directory) => return Err(FileError::Failed("is a directory".into())),
            Some(FileKind::Symlink | FileKind::Other) => return Err(only_files_and_directories()),
            Some(FileKind::File) | None => {}
        }
        let content = self.tree().open(from).await?;
        let limits = sides.limits();
        let names = sides.lock_target(self, to).await?;
        let mode = Some(source.mode & PERMISSION_BITS);
        let upload = self.tree().begin_copy(to, mode, existing.is_some()).await?;
        let quota = match sides.target() {
            Some(target) => {
                let (id, replaced) = (upload.metadata().await?.id, existing.map(|existing| existing.size));
                Some(UploadQuota::unnamed(target.ledger.clone(), id, source.size, replaced, limits)?)
            }
            None => None,
        };
        drop(names);
        let mut transfer = self.transfer(&Place::of(to), protocol, true);
        transfer.set_internal();
        let (from, to, source) = (from.clone(), to.clone(), *source);
        let mut file = Arrival { from, to, source, upload: Some(upload), quota, limits, transfer };
        self.fill(&mut file, &*content).await?;
        Ok(Arriving { sides, file })
    }

    /// The file or directory that has the name already.
    async fn at_target(&self, to: &VirtualPath, replace: bool) -> Result<Option<Metadata>, FileError> {
        match self.tree().symlink_metadata(to).await {
            Ok(_) if !replace => Err(FileError::Failed("the file exists already".into())),
            Ok(existing) => Ok(Some(existing)),
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Copies the content.
    async fn fill(&self, arrival: &mut Arrival, content: &dyn StorageFile) -> Result<(), FileError> {
        let Some(upload) = &arrival.upload else { return Ok(()) };
        let Metadata { size, accessed, modified, .. } = arrival.source;
        let times = SetAttributes { times: Some((accessed, modified)), ..SetAttributes::default() };
        // Some storages keep times that they have before the content, others those that they get last, and some none.
        let _ = upload.set_attributes(&times).await;
        let (mut offset, mut portion) = (0, Vec::with_capacity(PORTION));
        while offset <= size {
            portion.clear();
            let count = content.read_at(offset, PORTION, &mut portion).await?;
            if count == 0 {
                break;
            }
            upload.write_at(offset, &portion).await?;
            offset += count as u64;
            arrival.transfer.stored(0, count);
            // A4-13: a client that waits for its rename is not idle.
            self.session.live.moves();
            tokio::task::yield_now().await;
        }
        if offset != size {
            return Err(changed());
        }
        let _ = upload.set_attributes(&times).await;
        match upload.sync().await {
            // Storages that store nothing before the end of an upload answer at its end.
            Err(error) if error.kind == StorageErrorKind::Unsupported => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// Gives a copy its name, and `removes` the old file. To be run [to the end](to_the_end).
    async fn arrive(&self, arriving: Arriving, removes: bool) -> Result<(), FileError> {
        let Arriving { sides, mut file } = arriving;
        let names = sides.lock(self, &file.from, &file.to).await?;
        self.require_unchanged(&sides, &file.from, &file.source).await?;
        let Some(upload) = &file.upload else { return Ok(()) };
        let replaced = upload.replaces().await;
        if let (Some(quota), Some(names)) = (&file.quota, &names.target) {
            quota.check_completion(names, replaced.as_ref(), file.limits)?;
        }
        let Finished::Named { replaced } = upload.finish().await? else {
            return Err(FileError::Failed("another program has moved the copy away".into()));
        };
        file.upload = None;
        if let (Some(quota), Some(names)) = (&mut file.quota, &names.target) {
            quota.complete(names, &file.source, replaced.as_ref());
        }
        let removed = match removes {
            // To finish may take long, and what was written meanwhile would be lost.
            true => match self.require_unchanged(&sides, &file.from, &file.source).await {
                Ok(()) => self.remove_copied(&sides, &file.from, &file.to).await,
                Err(error) => {
                    let text = format!("the file was copied, and has both names, since the old one stays: {error}");
                    Err(FileError::Failed(text))
                }
            },
            false => Ok(None),
        };
        if let Ok(Some(removed)) = &removed {
            names.removed(removed, &sides);
        }
        sides.settle_doubt(self, &file.from, &file.to);
        removed.map(drop)
    }

    /// Removes a file whose copy is complete; none: it is gone already.
    async fn remove_copied(
        &self,
        sides: &Sides,
        from: &VirtualPath,
        to: &VirtualPath,
    ) -> Result<Option<Metadata>, FileError> {
        let unanswered = sides.unanswered(self, from, to);
        let removed = self.tree().remove_file(from).await;
        unanswered.into_iter().for_each(|unanswered| unanswered.answered(&removed));
        match removed {
            Ok(removed) => Ok(Some(removed)),
            Err(error) => {
                let text = format!("the file was copied, but the old one cannot be removed: {}", error.message);
                Err(FileError::Failed(text))
            }
        }
    }

    async fn require_unchanged(&self, sides: &Sides, from: &VirtualPath, before: &Metadata) -> Result<(), FileError> {
        sides.require_unwritten(before)?;
        let now = self.tree().symlink_metadata(from).await?;
        let seen = |file: &Metadata| (file.id, file.size, file.modified, file.version);
        if seen(&now) == seen(before) { Ok(()) } else { Err(changed()) }
    }

    async fn move_directory(
        self: &Arc<Self>,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: bool,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        let existing = self.at_target(to, replace).await?;
        if let Some(existing) = existing {
            if existing.kind != FileKind::Directory {
                return Err(FileError::Unreachable("is not a directory".into()));
            }
            if !self.contents(to, 0).await.is_ok_and(|contents| contents.entries.is_empty()) {
                return Err(FileError::Failed("the directory is not empty".into()));
            }
        }
        let mut contents = self.contents(from, self.context.rename_limit).await?;
        let sides = Sides::of(self, from, to);
        if !sides.is_one {
            sides.check_room(self, to, contents.used).await?;
        }
        if existing.is_none() {
            let mode = self.tree().symlink_metadata(from).await?.mode & PERMISSION_BITS;
            self.tree().create_directory(to, Some(mode)).await?;
        }
        let mut copied = 0_usize;
        for (path, metadata) in &mut contents.entries {
            let target = VirtualPath::resolve(to, path.below(from).relative())?;
            if metadata.kind == FileKind::Directory {
                self.tree().create_directory(&target, Some(metadata.mode & PERMISSION_BITS)).await?;
                continue;
            }
            // Listings do not say all by which a change is seen.
            *metadata = self.tree().symlink_metadata(path).await?;
            if metadata.kind != FileKind::File {
                return Err(changed());
            }
            let arriving = self.copy_over((&*path, &*metadata), &target, false, protocol).await?;
            let files = self.clone();
            to_the_end(async move { files.arrive(arriving, false).await }).await?;
            copied += 1;
            if copied.is_multiple_of(FILES_LOGGED) {
                let message =
                    format!("renaming a directory by copies: {copied} of {} files are copied", contents.files);
                tracing::info!(sender = "sftpd", message, connection_id = self.channel.as_str());
            }
        }
        let (files, from) = (self.clone(), from.clone());
        to_the_end(async move { files.remove_moved(&from, contents).await }).await
    }

    /// Removes a directory of which all files were copied.
    async fn remove_moved(&self, from: &VirtualPath, contents: Contents) -> Result<(), FileError> {
        for (path, before) in contents.entries.iter().filter(|(_, metadata)| metadata.kind == FileKind::File) {
            self.require_unchanged(&Sides::of(self, path, path), path, before).await?;
            self.remove_counting(path).await?;
        }
        let directories = contents.entries.iter().filter(|(_, metadata)| metadata.kind == FileKind::Directory);
        for path in directories.map(|(path, _)| path).rev().chain(std::iter::once(from)) {
            self.tree().remove_directory(path).await?;
        }
        Ok(())
    }

    /// What is in and below a directory.
    ///
    /// # Errors
    /// `Unsupported` if there are more than `limit` files and directories, or a link.
    async fn contents(&self, directory: &VirtualPath, limit: usize) -> Result<Contents, FileError> {
        let mut contents = Contents { entries: Vec::new(), files: 0, used: UsedQuota::default() };
        let mut waiting = vec![directory.clone()];
        while let Some(directory) = waiting.pop() {
            let mut reader = self.tree().read_directory(&directory).await?;
            loop {
                let entries = reader.next_entries(ENTRIES_AT_ONCE).await?;
                if entries.is_empty() {
                    break;
                }
                for entry in entries.into_iter().filter(|entry| entry.name != b"." && entry.name != b"..") {
                    if self.storage.is_unfinished(&directory, &entry.name) {
                        return Err(FileError::Failed("a file is being uploaded into the directory; try again".into()));
                    }
                    let path = VirtualPath::resolve(&directory, &entry.name)?;
                    match entry.metadata.kind {
                        FileKind::Directory => waiting.push(path.clone()),
                        FileKind::File => {
                            contents.files += 1;
                            let size = i64::try_from(entry.metadata.size).unwrap_or(i64::MAX);
                            contents.used = contents.used + UsedQuota { size, files: 1 };
                        }
                        FileKind::Symlink | FileKind::Other => return Err(only_files_and_directories()),
                    }
                    contents.entries.push((path, entry.metadata));
                    if contents.entries.len() > limit {
                        return Err(too_many(limit));
                    }
                }
                self.session.live.moves();
            }
            // What cannot be named would be left behind, and with it the old directory.
            if let Some(error) = reader.passed_over() {
                return Err(error.into());
            }
            if reader.nameless() > 0 {
                let (number, place) = (reader.nameless(), directory.display());
                let text = format!("{number} entries of \"{place}\" cannot be names of files and would be left behind");
                return Err(FileError::Invalid(text));
            }
        }
        Ok(contents)
    }
}

fn only_files_and_directories() -> FileError {
    let text = "links and special files are neither moved to another file system nor replaced by what is moved";
    FileError::Unsupported(text.into())
}

/// The error of a directory with more entries than are copied.
fn too_many(limit: usize) -> FileError {
    FileError::Unsupported(match limit {
        0 => "a directory with files would have to be copied to another file system, which rename_mode does not let"
            .into(),
        limit => {
            format!("the directory would have to be copied to another file system, and has more than {limit} entries")
        }
    })
}

fn changed() -> FileError {
    FileError::Failed("the file was changed while it was renamed, and keeps its old name".into())
}

/// Runs something to its end, even if the client is lost meanwhile: what is complete has to be counted.
async fn to_the_end<T: Send + 'static>(
    act: impl Future<Output = Result<T, FileError>> + Send + 'static,
) -> Result<T, FileError> {
    let mut task = Unstopped(JoinSet::new());
    task.0.spawn(act);
    match task.0.join_next().await {
        Some(Ok(outcome)) => outcome,
        Some(Err(_)) | None => Err(FileError::Failed("the server is ending".into())),
    }
}

/// A task that goes on when this is dropped.
struct Unstopped<T: 'static>(JoinSet<T>);

impl<T: 'static> Drop for Unstopped<T> {
    fn drop(&mut self) {
        self.0.detach_all();
    }
}
