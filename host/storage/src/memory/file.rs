//! Open files of a tree in memory, and uploads that get their name at the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tidegate_core::ports::storage::{
    Discard, FileKind, Metadata, OpenOptions, SetAttributes, Shown, Space, StorageError, StorageErrorKind, StorageFile,
};

use super::lookup::Found;
use super::nodes::{NodeId, Nodes, error};
use super::{Tree, space_of};
use crate::overwrite::OverwriteMode;

pub struct MemoryFile {
    tree: Arc<Tree>,
    node: NodeId,
    append: bool,
    /// Taken when the upload is finished.
    upload: Mutex<Option<Upload>>,
    /// Of an upload in place that a hook decides about; taken when it is approved of.
    trial: Mutex<Option<Trial>>,
    /// Where it was opened.
    directory: NodeId,
    name: Vec<u8>,
}

/// An upload without a name.
struct Upload {
    /// Refuse if something has the name by then.
    must_be_new: bool,
    /// Give an abandoned file its name all the same (A5-11).
    keep_partial: bool,
}

/// What stays of a file when an upload in place is taken back.
struct Trial {
    /// The bytes at its beginning; none: nothing of the file.
    keep: Option<u64>,
    /// Something was written, or opening it has made or emptied it.
    touched: bool,
}

impl MemoryFile {
    fn new(
        tree: &Arc<Tree>,
        nodes: &mut Nodes,
        node: NodeId,
        found: &Found,
        options: OpenOptions,
    ) -> Result<Self, StorageError> {
        nodes.open(node)?;
        let (upload, trial) = (Mutex::default(), Mutex::default());
        let (directory, name) = (found.directory, found.name.clone());
        Ok(Self { tree: tree.clone(), node, append: options.append, upload, trial, directory, name })
    }

    /// `is_new`: opening it made it.
    pub fn in_place(
        tree: &Arc<Tree>,
        mut nodes: MutexGuard<'_, Nodes>,
        node: NodeId,
        found: &Found,
        options: OpenOptions,
        is_new: bool,
    ) -> Result<Self, StorageError> {
        let size = nodes.metadata(node)?.size;
        if options.write && options.truncate {
            nodes.resize(node, 0)?;
        }
        let mut this = Self::new(tree, &mut nodes, node, found, options)?;
        if options.provisional && options.write {
            let touched = is_new || options.truncate;
            this.trial = Mutex::new(Some(Trial { keep: (!touched).then_some(size), touched }));
        }
        Ok(this)
    }

    pub fn upload(
        tree: &Arc<Tree>,
        mut nodes: MutexGuard<'_, Nodes>,
        node: NodeId,
        found: &Found,
        options: OpenOptions,
    ) -> Result<Self, StorageError> {
        let keep_partial = tree.settings.overwrite == OverwriteMode::AtomicWithResume && !options.provisional;
        // Of two that empty a file that was not there, the last one wins.
        let must_be_new = options.exclusive || (found.node.is_none() && !options.truncate);
        let mut this = Self::new(tree, &mut nodes, node, found, options)?;
        this.upload = Mutex::new(Some(Upload { must_be_new, keep_partial }));
        Ok(this)
    }

    fn pending(&self) -> MutexGuard<'_, Option<Upload>> {
        self.upload.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trial(&self) -> MutexGuard<'_, Option<Trial>> {
        self.trial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before bytes from `offset` on are changed.
    fn touches(&self, offset: u64) {
        if let Some(trial) = &mut *self.trial() {
            trial.touched = true;
            trial.keep = trial.keep.filter(|keep| offset >= *keep);
        }
    }

    fn put_in_place(&self, upload: &Upload) -> Result<(), StorageError> {
        let mut nodes = self.tree.nodes();
        let replaced = nodes.entries(self.directory)?.get(&self.name).copied();
        if let Some(replaced) = replaced {
            if upload.must_be_new {
                return Err(error(StorageErrorKind::AlreadyExists));
            }
            if nodes.kind(replaced)? == FileKind::Directory {
                return Err(error(StorageErrorKind::IsADirectory));
            }
            nodes.unlink(self.directory, &self.name)?;
            nodes.free_unused(replaced);
        }
        nodes.link(self.directory, &self.name, self.node)
    }

    /// True: what there was has got its name.
    fn end(&self, upload: Option<Upload>, discard: bool) -> bool {
        upload.is_some_and(|upload| upload.keep_partial && !discard && self.put_in_place(&upload).is_ok())
    }

    /// Removes the file, or what is behind its first `keep` bytes.
    fn take_back(&self, keep: Option<u64>) {
        let mut nodes = self.tree.nodes();
        let Ok(metadata) = nodes.metadata(self.node) else { return };
        // One without a name is gone already.
        if metadata.links == 0 {
            return;
        }
        if let Some(keep) = keep {
            if metadata.size > keep {
                let _ = nodes.resize(self.node, keep);
            }
            return;
        }
        // Other names of the file keep no content either.
        let _ = nodes.resize(self.node, 0);
        let is_ours = nodes.entries(self.directory).is_ok_and(|entries| entries.get(&self.name) == Some(&self.node));
        if is_ours {
            let _ = nodes.unlink(self.directory, &self.name);
        }
    }

    fn take_back_unless_approved(&self) {
        if let Some(trial) = self.trial().take()
            && trial.touched
        {
            self.take_back(trial.keep);
        }
    }
}

#[async_trait]
impl StorageFile for MemoryFile {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        if offset > i64::MAX as u64 {
            return Err(error(StorageErrorKind::Invalid));
        }
        self.tree.nodes().read(self.node, offset, length, buffer)
    }

    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        if offset > i64::MAX as u64 {
            return Err(error(StorageErrorKind::Invalid));
        }
        self.touches(if self.append { u64::MAX } else { offset });
        self.tree.nodes().write(self.node, (!self.append).then_some(offset), data)
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.tree.nodes().metadata(self.node)
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        if let Some(size) = attributes.size {
            self.touches(size);
            self.tree.nodes().resize(self.node, size)?;
        }
        self.tree.nodes().set_attributes(self.node, attributes)
    }

    async fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn space(&self) -> Result<Space, StorageError> {
        Ok(space_of(&self.tree.nodes(), &self.tree.settings))
    }

    fn is_unnamed(&self) -> bool {
        self.pending().is_some()
    }

    async fn replaces(&self) -> Option<Metadata> {
        self.pending().as_ref()?;
        let nodes = self.tree.nodes();
        let replaced = nodes.entries(self.directory).ok()?.get(&self.name).copied()?;
        nodes.metadata(replaced).ok()
    }

    async fn abandon(&self, discard: bool) -> Option<Metadata> {
        let upload = self.pending().take();
        if self.end(upload, discard) { self.tree.nodes().metadata(self.node).ok() } else { None }
    }

    async fn show(&self) -> Result<Option<Shown>, StorageError> {
        if !self.is_unnamed() {
            return Ok(None);
        }
        self.tree.nodes().open(self.node)?;
        let (upload, trial) = (Mutex::default(), Mutex::default());
        let (tree, directory, name) = (self.tree.clone(), self.directory, self.name.clone());
        let file = Box::new(Self { tree, node: self.node, append: false, upload, trial, directory, name });
        // No program of the host finds it anywhere.
        Ok(Some(Shown { host_path: format!("memory:#{}", self.node), file }))
    }

    fn discard(&self, what: Discard) {
        if self.pending().take().is_some() {
            return;
        }
        match (self.trial().take(), what) {
            (Some(trial), Discard::Written) if trial.touched => self.take_back(trial.keep),
            (Some(_) | None, Discard::Everything) => self.take_back(None),
            (Some(_) | None, Discard::Written) => {}
        }
    }

    async fn finish(&self) -> Result<bool, StorageError> {
        if let Some(upload) = self.pending().take() {
            self.put_in_place(&upload)?;
        }
        self.trial().take();
        Ok(true)
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.take_back_unless_approved();
        let upload = self.pending().take();
        self.end(upload, false);
        self.tree.nodes().close(self.node);
    }
}
