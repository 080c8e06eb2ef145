//! Files of a tree in memory that are read, or written in place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tidegate_core::ports::storage::{
    Discard, FileInPlace, Metadata, OpenOptions, SetAttributes, Space, StorageError, StorageErrorKind, StorageFile,
};

use super::lookup::Found;
use super::nodes::{NodeId, Nodes, error};
use super::{Tree, space_of};
use crate::each_attribute::last_error;

/// An open file, whose node stays until it is closed.
pub struct OpenNode {
    pub tree: Arc<Tree>,
    pub node: NodeId,
}

impl OpenNode {
    pub fn new(tree: &Arc<Tree>, nodes: &mut Nodes, node: NodeId) -> Result<Self, StorageError> {
        nodes.open(node)?;
        Ok(Self { tree: tree.clone(), node })
    }

    pub fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        if offset > i64::MAX as u64 {
            return Err(error(StorageErrorKind::Invalid));
        }
        self.tree.nodes().read(self.node, offset, length, buffer)
    }

    /// `append`: write at the end, whatever `offset` is.
    pub fn write_at(&self, append: bool, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        if !append && offset > i64::MAX as u64 {
            return Err(error(StorageErrorKind::Invalid));
        }
        self.tree.nodes().write(self.node, (!append).then_some(offset), data)
    }

    pub fn metadata(&self) -> Result<Metadata, StorageError> {
        self.tree.nodes().metadata(self.node)
    }

    pub fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        let mut nodes = self.tree.nodes();
        let sized = attributes.size.map_or(Ok(()), |size| nodes.resize(self.node, size));
        last_error([sized, nodes.set_attributes(self.node, attributes)])
    }

    pub fn space(&self) -> Space {
        space_of(&self.tree.nodes(), &self.tree.settings)
    }
}

impl Drop for OpenNode {
    fn drop(&mut self) {
        self.tree.nodes().close(self.node);
    }
}

pub struct MemoryFile {
    open: OpenNode,
    append: bool,
    /// Set for an upload that a hook decides about, until it is approved.
    trial: Mutex<Option<Trial>>,
    /// The directory in which the file was opened.
    directory: NodeId,
    name: Vec<u8>,
}

/// What stays of a file when an upload in place is taken back.
struct Trial {
    /// How many bytes at the beginning stay; `None`: nothing of the file.
    keep: Option<u64>,
    /// Whether something was written, or opening the file has made or emptied it.
    touched: bool,
}

impl MemoryFile {
    /// `is_new`: whether opening the file made it.
    pub fn new(
        tree: &Arc<Tree>,
        nodes: &mut Nodes,
        node: NodeId,
        found: &Found,
        options: OpenOptions,
        is_new: bool,
    ) -> Result<Self, StorageError> {
        let size = nodes.metadata(node)?.size;
        if options.write && options.truncate {
            nodes.resize(node, 0)?;
        }
        let touched = is_new || options.truncate;
        let trial = Trial { keep: (!touched).then_some(size), touched };
        Ok(Self {
            open: OpenNode::new(tree, nodes, node)?,
            append: options.append,
            trial: Mutex::new((options.provisional && options.write).then_some(trial)),
            directory: found.directory,
            name: found.name.clone(),
        })
    }

    fn trial(&self) -> MutexGuard<'_, Option<Trial>> {
        self.trial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Call before bytes from `offset` on are changed.
    fn touches(&self, offset: u64) {
        if let Some(trial) = &mut *self.trial() {
            trial.touched = true;
            trial.keep = trial.keep.filter(|keep| offset >= *keep);
        }
    }

    /// Removes the file, or what follows its first `keep` bytes.
    fn take_back(&self, keep: Option<u64>) {
        let (mut nodes, node) = (self.open.tree.nodes(), self.open.node);
        let Ok(metadata) = nodes.metadata(node) else { return };
        // A file without a name is gone already.
        if metadata.links == 0 {
            return;
        }
        if let Some(keep) = keep {
            if metadata.size > keep {
                let _ = nodes.resize(node, keep);
            }
            return;
        }
        // Other names of the file lose the content as well.
        let _ = nodes.resize(node, 0);
        let is_ours = nodes.entries(self.directory).is_ok_and(|entries| entries.get(&self.name) == Some(&node));
        if is_ours {
            let _ = nodes.unlink(self.directory, &self.name);
        }
    }

    fn take_back_written(&self) {
        let trial = self.trial().take();
        if let Some(trial) = trial.filter(|trial| trial.touched) {
            self.take_back(trial.keep);
        }
    }
}

#[async_trait]
impl StorageFile for MemoryFile {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        self.open.read_at(offset, length, buffer)
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.open.metadata()
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        if let Some(size) = attributes.size {
            self.touches(size);
        }
        self.open.set_attributes(attributes)
    }

    async fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn space(&self) -> Result<Space, StorageError> {
        Ok(self.open.space())
    }
}

#[async_trait]
impl FileInPlace for MemoryFile {
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        self.touches(if self.append { u64::MAX } else { offset });
        self.open.write_at(self.append, offset, data)
    }

    fn approve(&self) {
        self.trial().take();
    }

    fn discard(&self, what: Discard) {
        match what {
            Discard::Written => self.take_back_written(),
            Discard::Everything => {
                self.trial().take();
                self.take_back(None);
            }
        }
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.take_back_written();
    }
}
