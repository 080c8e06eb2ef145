//! Uploads into a tree in memory that get their name at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tidegate_core::ports::storage::{
    FileKind, Finished, Metadata, OpenOptions, SetAttributes, Shown, Space, StorageError, StorageErrorKind,
    StorageFile, Upload,
};

use super::Tree;
use super::file::OpenNode;
use super::lookup::Found;
use super::nodes::{NodeId, Nodes, error};
use crate::overwrite::OverwriteMode;

pub struct MemoryUpload {
    open: OpenNode,
    append: bool,
    /// Where the next write has to begin; `None`: anywhere.
    in_sequence: Option<AtomicU64>,
    /// The directory in which the file gets its name.
    directory: NodeId,
    name: Vec<u8>,
    /// `None` once the upload has ended.
    pending: Mutex<Option<Pending>>,
}

/// How an upload ends.
#[derive(Clone, Copy)]
struct Pending {
    /// Fail if something has the name by then.
    must_be_new: bool,
    /// Fail if something other than this has the name by then.
    continues: Option<NodeId>,
    /// Give an abandoned file its name nevertheless (A5-11).
    keep_partial: bool,
}

impl MemoryUpload {
    pub fn new(
        tree: &Arc<Tree>,
        nodes: &mut Nodes,
        node: NodeId,
        found: &Found,
        options: OpenOptions,
    ) -> Result<Self, StorageError> {
        let keep_partial = tree.settings.overwrite == OverwriteMode::AtomicWithResume && !options.provisional;
        // Of two uploads that empty a file that did not exist, the last one wins.
        let must_be_new = options.exclusive || (found.node.is_none() && !options.truncate);
        let begun = nodes.metadata(node)?.size;
        let continues = found.node.filter(|_| !options.truncate);
        Ok(Self {
            open: OpenNode::new(tree, nodes, node)?,
            append: options.append,
            in_sequence: (!tree.settings.random_writes).then(|| AtomicU64::new(begun)),
            directory: found.directory,
            name: found.name.clone(),
            pending: Mutex::new(Some(Pending { must_be_new, continues, keep_partial })),
        })
    }

    fn take(&self) -> Option<Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the file that had the name before.
    fn put_in_place(&self, pending: Pending) -> Result<Option<Metadata>, StorageError> {
        let mut nodes = self.open.tree.nodes();
        let named = nodes.entries(self.directory)?.get(&self.name).copied();
        let mut replaced = None;
        if let Some(node) = named {
            if pending.must_be_new || pending.continues.is_some_and(|begun| begun != node) {
                return Err(error(StorageErrorKind::AlreadyExists));
            }
            let metadata = nodes.metadata(node)?;
            if metadata.kind == FileKind::Directory {
                return Err(error(StorageErrorKind::IsADirectory));
            }
            nodes.unlink(self.directory, &self.name)?;
            nodes.free_unused(node);
            replaced = Some(metadata);
        }
        nodes.link(self.directory, &self.name, self.open.node)?;
        Ok(replaced)
    }

    /// Returns `true` if the partial file got its name.
    fn end(&self) -> bool {
        self.take().is_some_and(|pending| pending.keep_partial && self.put_in_place(pending).is_ok())
    }
}

#[async_trait]
impl StorageFile for MemoryUpload {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        self.open.read_at(offset, length, buffer)
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.open.metadata()
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        if attributes.size.is_some() && self.in_sequence.is_some() {
            return Err(error(StorageErrorKind::Unsupported));
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
impl Upload for MemoryUpload {
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        if let Some(next) = &self.in_sequence {
            if !self.append && next.load(Ordering::Relaxed) != offset {
                return Err(error(StorageErrorKind::Unsupported));
            }
            self.open.write_at(self.append, offset, data)?;
            next.fetch_add(data.len() as u64, Ordering::Relaxed);
            return Ok(());
        }
        self.open.write_at(self.append, offset, data)
    }

    async fn replaces(&self) -> Option<Metadata> {
        let nodes = self.open.tree.nodes();
        let replaced = nodes.entries(self.directory).ok()?.get(&self.name).copied()?;
        nodes.metadata(replaced).ok()
    }

    async fn show(&self) -> Result<Shown, StorageError> {
        let OpenNode { tree, node } = &self.open;
        let shown = MemoryShown(OpenNode::new(tree, &mut tree.nodes(), *node)?);
        // A name for messages; programs of the host find no file there.
        Ok(Shown { host_path: format!("memory:#{node}").into(), file: Some(Box::new(shown)) })
    }

    async fn finish(&self) -> Result<Finished, StorageError> {
        let pending = self.take().ok_or_else(|| error(StorageErrorKind::NotFound))?;
        Ok(Finished::Named { replaced: self.put_in_place(pending)? })
    }

    async fn abandon(&self) -> Option<Metadata> {
        if self.end() { self.open.metadata().ok() } else { None }
    }

    fn discard(&self) {
        self.take();
    }
}

impl Drop for MemoryUpload {
    fn drop(&mut self) {
        self.end();
    }
}

/// An upload that can only be read.
struct MemoryShown(OpenNode);

#[async_trait]
impl StorageFile for MemoryShown {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        self.0.read_at(offset, length, buffer)
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.0.metadata()
    }

    async fn set_attributes(&self, _attributes: &SetAttributes) -> Result<(), StorageError> {
        Err(error(StorageErrorKind::ReadOnly))
    }

    async fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn space(&self) -> Result<Space, StorageError> {
        Ok(self.0.space())
    }
}
