//! Uploads that get their name when they are complete: until then they have a temporary one beside it. What had the
//! name before is replaced in one step.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{
    FileKind, Finished, Metadata, OpenOptions, SetAttributes, Shown, Space, StorageError, StorageErrorKind,
    StorageFile, Upload,
};
use tokio::sync::watch;

use crate::attributes::{SETTABLE, new_mode};
use crate::errors::{Fault, exists, failed, is_directory, is_over, is_special, not_found, unsupported};
use crate::file::OpenFile;
use crate::handle::RemoteHandle;
use crate::packet::{Attributes, fxf, fxp};
use crate::renaming::{rename_to_new, replace_by};
use crate::storage::SftpStorage;

/// The mode of an upload that will have that of the file that it replaces.
const PRIVATE: u32 = 0o600;
const PERMISSIONS: u32 = 0o777;
/// The bytes of the old content that are copied at once.
const COPIED: usize = 256 << 10;

/// How an upload ended; None: it is ending.
type Ending = watch::Receiver<Option<Result<Finished, StorageError>>>;

/// An upload. A call that ends it and is cancelled goes on, since the other server may have been asked already; `abandon`
/// gives its outcome.
pub struct SftpUpload {
    hidden: Arc<HiddenFile>,
    /// The end that is under way; None: the upload goes on, or nothing of it is kept.
    ending: Mutex<Option<Ending>>,
}

/// A file with a temporary name.
struct HiddenFile {
    storage: SftpStorage,
    file: Arc<OpenFile>,
    /// The temporary name, as a path in the tree.
    name: VirtualPath,
    /// The name that the upload will have.
    target: VirtualPath,
    /// The permissions that it will have: those of the file that it replaces, unless others were set meanwhile. None: it
    /// replaces none.
    later_mode: Mutex<Option<u32>>,
    must_be_new: bool,
    keep_partial: bool,
    was_shown: AtomicBool,
    is_over: AtomicBool,
    /// The attributes of the file when it got its name.
    finished: Mutex<Option<Metadata>>,
}

impl SftpUpload {
    /// Begins an upload.
    ///
    /// # Errors
    /// As those of the port.
    pub async fn begin(storage: &SftpStorage, path: &VirtualPath, options: OpenOptions) -> Result<Self, StorageError> {
        if !storage.tree.manner.atomic {
            return Err(unsupported("files of this storage are written in place"));
        }
        Self::begin_hidden(storage, path, options, storage.tree.manner.keep_partial && !options.provisional).await
    }

    /// Begins a copy that the server makes, in every upload mode.
    ///
    /// # Errors
    /// As those of the port.
    pub async fn begin_copy(
        storage: &SftpStorage,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<Self, StorageError> {
        Self::begin_hidden(storage, path, options, false).await
    }

    async fn begin_hidden(
        storage: &SftpStorage,
        path: &VirtualPath,
        options: OpenOptions,
        keep_partial: bool,
    ) -> Result<Self, StorageError> {
        let tree = &storage.tree;
        if path.is_root() {
            return Err(is_directory());
        }
        let is_exclusive = options.create && options.exclusive;
        let (session, found) = storage.find(path, !is_exclusive).await?;
        if !session.offers.posix_rename {
            return Err(unsupported("the other server has no posix-rename, so that files are written in place there"));
        }
        let mut old = None;
        match found.kind() {
            Some(_) if is_exclusive => return Err(exists()),
            Some(FileKind::File) if options.truncate => {}
            Some(FileKind::File) if options.begins_with_old() => {
                old = Some(storage.open_to_read(session.clone(), &found.path).await?);
            }
            // Another program made the file after it was looked for; its content stays.
            Some(FileKind::File) => return Err(exists()),
            Some(FileKind::Directory) => return Err(is_directory()),
            Some(FileKind::Symlink | FileKind::Other) => return Err(is_special()),
            None if options.create && !found.lacks_parent => {}
            None => return Err(not_found()),
        }
        let old_mode = found.attributes.map(|found| found.mode.unwrap_or(PRIVATE) & PERMISSIONS);
        let name = hidden_beside(&tree.temporary, &found.path)?;
        let there = tree.there(&name);
        let mode = match old_mode {
            Some(_) => new_mode(Some(PRIVATE), 0),
            None => new_mode(options.mode, tree.manner.umask),
        };
        let flags = fxf::READ | fxf::WRITE | fxf::CREATE | fxf::EXCLUSIVE;
        let pending = session.request(fxp::OPEN, |packet| packet.text(&there).u32(flags).attributes(&mode));
        let handle = RemoteHandle::opened(session, pending).await?;
        let size = found.attributes.and_then(|found| found.size).filter(|_| old.is_some()).unwrap_or_default();
        let file = Arc::new(OpenFile::to_write(tree.clone(), handle, there, options.append.then_some(size)));
        let hidden = HiddenFile {
            storage: storage.clone(),
            file,
            name,
            target: found.path,
            later_mode: Mutex::new(old_mode),
            must_be_new: options.exclusive || (old_mode.is_none() && !options.truncate),
            keep_partial,
            was_shown: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            finished: Mutex::default(),
        };
        let upload = Self { hidden: Arc::new(hidden), ending: Mutex::default() };
        if let Some(old) = old {
            upload.hidden.take_content(&old, options.append).await?;
        }
        Ok(upload)
    }

    /// Gives the file its name on a task of its own.
    async fn put_in_place(&self, partial: bool) -> Result<Finished, StorageError> {
        let (sender, ending) = watch::channel(None);
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending.clone());
        let hidden = self.hidden.clone();
        tokio::spawn(async move {
            let outcome = hidden.put_in_place(partial).await;
            if outcome.is_err() {
                hidden.remove();
            }
            sender.send_replace(Some(outcome));
        });
        outcome(ending).await
    }

    /// How the upload ended, if it was to get its name.
    async fn ended(&self) -> Option<Result<Finished, StorageError>> {
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(outcome(ending).await)
    }

    /// The metadata of what has its name now.
    fn kept(&self, ended: &Result<Finished, StorageError>) -> Option<Metadata> {
        match ended {
            Ok(Finished::Named { .. }) => self.hidden.finished(),
            Ok(Finished::TakenAway) | Err(_) => None,
        }
    }
}

async fn outcome(mut ending: Ending) -> Result<Finished, StorageError> {
    let ended = ending.wait_for(Option::is_some).await.map_err(|_| is_over())?;
    ended.clone().unwrap_or_else(|| Err(is_over()))
}

impl HiddenFile {
    /// Begins with the content of the file that the upload replaces.
    async fn take_content(&self, old: &OpenFile, appends: bool) -> Result<(), StorageError> {
        let mut at = 0;
        let mut bytes = Vec::with_capacity(COPIED);
        if appends {
            self.file.set_end(0);
        }
        loop {
            bytes.clear();
            if old.read_at(at, COPIED, &mut bytes).await? == 0 {
                return self.file.flush().await;
            }
            self.file.write_at(at, &bytes).await?;
            at += bytes.len() as u64;
        }
    }

    /// Ends the upload; false: it has ended already.
    fn ends(&self) -> bool {
        !self.is_over.swap(true, Ordering::Relaxed)
    }

    /// The file with the name, which the upload replaces.
    async fn look(&self) -> Option<Metadata> {
        let (_, found) = self.storage.find(&self.target, false).await.ok()?;
        found.attributes.map(|attributes| self.storage.tree.metadata(&found.path, &attributes))
    }

    /// Waits for the last bytes, and closes the file. `partial`: without those that are missing, and what is behind them.
    async fn complete(&self, partial: bool) -> Result<Metadata, StorageError> {
        match partial {
            false => self.file.flush().await?,
            true => {
                if let Some(gap) = self.file.settle().await? {
                    self.file.cut(gap);
                }
            }
        }
        if let Some(mode) = self.later_mode() {
            let mode = Attributes { mode: Some(mode), ..Attributes::default() };
            self.file.handle.request(fxp::FSETSTAT, |packet| packet.attributes(&mode)).done().await?;
        }
        self.file.close().await
    }

    async fn put_in_place(&self, partial: bool) -> Result<Finished, StorageError> {
        let metadata = self.complete(partial).await?;
        let session = self.file.handle.session();
        let tree = &self.storage.tree;
        let target = tree.there(&self.target);
        let replaced = if self.must_be_new { None } else { self.look().await };
        let outcome = match self.must_be_new {
            true => rename_to_new(session, &self.file.there, &target).await,
            false => replace_by(session, &self.file.there, &target).await,
        };
        match outcome {
            Ok(()) => {}
            Err(fault) if fault.is_missing() && self.was_shown.load(Ordering::Relaxed) => {
                return Ok(Finished::TakenAway);
            }
            Err(Fault::Gone(reason)) => {
                let text =
                    "the SFTP server that has the files broke off while the file got its name; look whether it has";
                return Err(failed(StorageErrorKind::Other, text).with_detail(reason));
            }
            Err(fault) => return Err(fault.into()),
        }
        if replaced.is_some() {
            tree.remote.moved(&target);
        }
        *self.finished.lock().unwrap_or_else(PoisonError::into_inner) = Some(metadata);
        Ok(Finished::Named { replaced })
    }

    /// At the end the file gets this mode.
    fn set_later_mode(&self, mode: u32) {
        if let Some(later) = self.later_mode.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            *later = mode;
        }
    }

    fn later_mode(&self) -> Option<u32> {
        *self.later_mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attributes of the file when it got its name.
    fn finished(&self) -> Option<Metadata> {
        *self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the file, without waiting.
    fn remove(&self) {
        drop(self.file.handle.close());
        drop(self.file.handle.session().about(fxp::REMOVE, &self.file.there));
    }

    /// Cuts what has got its name already if bytes turn out to be missing: clients go on by the size.
    fn cut_later(&self, target: Vec<u8>) {
        let (file, Ok(runtime)) = (self.file.clone(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            if let Ok(Some(gap)) = file.settle().await {
                let size = Attributes { size: Some(gap), ..Attributes::default() };
                let session = file.handle.session();
                let cut = session.request(fxp::SETSTAT, |packet| packet.text(&target).attributes(&size));
                if let Err(fault) = cut.done().await {
                    let error = StorageError::from(fault);
                    let message = format!("part of an upload that broke off lacks bytes and could not be cut: {error}");
                    tracing::warn!(sender = "sftp-storage", message);
                }
            }
        });
    }

    /// Ends the upload without waiting; `keep`: what is there gets the name.
    fn end_at_once(&self, keep: bool) {
        if !self.ends() {
            return;
        }
        let session = self.file.handle.session();
        if keep {
            if let Some(gap) = self.file.gap() {
                self.file.cut(gap);
            }
            if let Some(mode) = self.later_mode() {
                let mode = Attributes { mode: Some(mode), ..Attributes::default() };
                drop(self.file.handle.request(fxp::FSETSTAT, |packet| packet.attributes(&mode)));
            }
            drop(self.file.handle.close());
            let target = self.storage.tree.there(&self.target);
            let (old, new) = (&self.file.there, &target);
            drop(session.extended(b"posix-rename@openssh.com", |packet| packet.text(old).text(new)));
            self.storage.tree.remote.moved(&target);
            self.cut_later(target);
            return;
        }
        self.remove();
    }
}

/// A temporary name in the directory of a path. `prefix`: what it begins with.
fn hidden_beside(prefix: &[u8], path: &VirtualPath) -> Result<VirtualPath, StorageError> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|error| {
        failed(StorageErrorKind::Other, &format!("there is no random number for a temporary name: {error}"))
    })?;
    let mut name = prefix.to_vec();
    for byte in random {
        name.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    VirtualPath::resolve(&path.parent(), &name)
        .map_err(|error| failed(StorageErrorKind::NameTooLong, &error.to_string()))
}

impl Drop for SftpUpload {
    fn drop(&mut self) {
        self.hidden.end_at_once(self.hidden.keep_partial);
    }
}

#[async_trait]
impl StorageFile for SftpUpload {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        self.hidden.file.read_at(offset, length, buffer).await
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        match self.hidden.finished() {
            Some(finished) => Ok(finished),
            None => {
                let found = self.hidden.file.metadata().await?;
                let mode = self.hidden.later_mode().map_or(found.mode, |later| found.mode & !SETTABLE | later);
                Ok(Metadata { mode, ..found })
            }
        }
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        self.hidden.file.set_attributes(attributes).await?;
        if let Some(mode) = attributes.mode {
            self.hidden.set_later_mode(mode & SETTABLE);
        }
        Ok(())
    }

    async fn sync(&self) -> Result<(), StorageError> {
        self.hidden.file.sync().await
    }

    async fn space(&self) -> Result<Space, StorageError> {
        self.hidden.file.space().await
    }
}

#[async_trait]
impl Upload for SftpUpload {
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        self.hidden.file.write_at(offset, data).await
    }

    async fn replaces(&self) -> Option<Metadata> {
        match self.ended().await {
            Some(Ok(Finished::Named { replaced })) => replaced,
            Some(Ok(Finished::TakenAway) | Err(_)) => None,
            None => self.hidden.look().await,
        }
    }

    async fn show(&self) -> Result<Shown, StorageError> {
        let HiddenFile { storage, file, name, was_shown, .. } = &*self.hidden;
        file.flush().await?;
        let shown = storage.open_to_read(file.handle.session().clone(), name).await?;
        was_shown.store(true, Ordering::Relaxed);
        Ok(Shown { host_path: storage.tree.url(name), file: Some(Box::new(shown)) })
    }

    async fn finish(&self) -> Result<Finished, StorageError> {
        if !self.hidden.ends() {
            return Err(is_over());
        }
        self.put_in_place(false).await
    }

    async fn abandon(&self) -> Option<Metadata> {
        if let Some(ended) = self.ended().await {
            return self.kept(&ended);
        }
        if !self.hidden.keep_partial {
            self.hidden.end_at_once(false);
            return None;
        }
        if !self.hidden.ends() {
            return None;
        }
        let ended = self.put_in_place(true).await;
        self.kept(&ended)
    }

    fn discard(&self) {
        self.hidden.end_at_once(false);
    }
}
