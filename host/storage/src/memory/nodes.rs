//! The nodes of a tree in memory: files, directories and symbolic links, each with a number, as inodes have.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_core::ports::storage::{FileId, FileKind, Metadata, SetAttributes, StorageError, StorageErrorKind};

use crate::each_attribute::last_error;

/// The number of a node, unique in its tree and never used again.
pub type NodeId = u64;

pub const ROOT: NodeId = 1;

const TYPE_FILE: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_LINK: u32 = 0o120_000;
/// The bits set-user-id and set-group-id.
const SET_ID: u32 = 0o6000;

pub enum Content {
    File(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, NodeId>),
    /// A symbolic link, with its text as the client wrote it.
    Link(Vec<u8>),
}

impl Content {
    fn kind(&self) -> FileKind {
        match self {
            Self::File(_) => FileKind::File,
            Self::Directory(_) => FileKind::Directory,
            Self::Link(_) => FileKind::Symlink,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::File(bytes) | Self::Link(bytes) => bytes.len() as u64,
            Self::Directory(entries) => entries.len() as u64,
        }
    }

    fn type_bits(&self) -> u32 {
        match self {
            Self::File(_) => TYPE_FILE,
            Self::Directory(_) => TYPE_DIRECTORY,
            Self::Link(_) => TYPE_LINK,
        }
    }
}

struct Node {
    content: Content,
    /// Permission bits.
    mode: u32,
    uid: u32,
    gid: u32,
    /// Seconds since 1970.
    accessed: i64,
    modified: i64,
    /// How many names the node has.
    links: u64,
    /// How many open files the node has; without a name it lives until the last one is closed.
    handles: u64,
    /// The directory that this directory is in.
    parent: NodeId,
}

/// All nodes of a tree.
pub struct Nodes {
    nodes: HashMap<NodeId, Node>,
    next: NodeId,
    /// A number that tells the nodes of this tree from those of others.
    tree: u64,
    /// Bytes of all files together.
    used: u64,
    capacity: u64,
}

impl Nodes {
    /// `tree`: a number that is unique in the process. `capacity`: most bytes of all files together.
    pub fn new(tree: u64, capacity: u64, root_mode: u32) -> Self {
        let mut this = Self { nodes: HashMap::new(), next: ROOT, tree, used: 0, capacity };
        let root = this.insert(Content::Directory(BTreeMap::new()), root_mode, ROOT);
        if let Some(node) = this.nodes.get_mut(&root) {
            node.links = 2;
        }
        this
    }

    pub fn used(&self) -> u64 {
        self.used
    }

    pub fn count(&self) -> u64 {
        self.nodes.len() as u64
    }

    /// Adds a node that has no name yet.
    pub fn insert(&mut self, content: Content, mode: u32, parent: NodeId) -> NodeId {
        let id = self.next;
        self.next += 1;
        let now = now();
        let node = Node { content, mode, uid: 0, gid: 0, accessed: now, modified: now, links: 0, handles: 0, parent };
        self.nodes.insert(id, node);
        id
    }

    fn node(&self, id: NodeId) -> Result<&Node, StorageError> {
        self.nodes.get(&id).ok_or_else(|| error(StorageErrorKind::NotFound))
    }

    fn node_mut(&mut self, id: NodeId) -> Result<&mut Node, StorageError> {
        self.nodes.get_mut(&id).ok_or_else(|| error(StorageErrorKind::NotFound))
    }

    pub fn kind(&self, id: NodeId) -> Result<FileKind, StorageError> {
        Ok(self.node(id)?.content.kind())
    }

    pub fn metadata(&self, id: NodeId) -> Result<Metadata, StorageError> {
        let node = self.node(id)?;
        Ok(Metadata {
            kind: node.content.kind(),
            size: node.content.size(),
            mode: node.content.type_bits() | node.mode,
            uid: node.uid,
            gid: node.gid,
            accessed: node.accessed,
            modified: node.modified,
            links: node.links,
            id: FileId::new(u128::from(self.tree) << 64 | u128::from(id)),
            version: 0,
        })
    }

    /// The entries of a directory.
    ///
    /// # Errors
    /// `NotADirectory`, also for symbolic links.
    pub fn entries(&self, id: NodeId) -> Result<&BTreeMap<Vec<u8>, NodeId>, StorageError> {
        match &self.node(id)?.content {
            Content::Directory(entries) => Ok(entries),
            Content::File(_) | Content::Link(_) => Err(error(StorageErrorKind::NotADirectory)),
        }
    }

    /// The text of a symbolic link; `None` if the node is not one.
    pub fn link_text(&self, id: NodeId) -> Option<&[u8]> {
        match &self.nodes.get(&id)?.content {
            Content::Link(text) => Some(text),
            Content::File(_) | Content::Directory(_) => None,
        }
    }

    /// The directory that a directory is in; for the root, the root itself.
    pub fn parent(&self, id: NodeId) -> Result<NodeId, StorageError> {
        Ok(self.node(id)?.parent)
    }

    /// Gives a node a name, which has to be free.
    pub fn link(&mut self, directory: NodeId, name: &[u8], id: NodeId) -> Result<(), StorageError> {
        let node = self.node_mut(directory)?;
        let Content::Directory(entries) = &mut node.content else {
            return Err(error(StorageErrorKind::NotADirectory));
        };
        entries.insert(name.to_vec(), id);
        node.modified = now();
        let named = self.node_mut(id)?;
        named.links += 1;
        if named.content.kind() == FileKind::Directory {
            // A directory has two links, its name and `.`, and its `..` is a link to the parent.
            named.links = 2;
            named.parent = directory;
            self.node_mut(directory)?.links += 1;
        }
        Ok(())
    }

    /// Removes a name, and returns the node that it named.
    pub fn unlink(&mut self, directory: NodeId, name: &[u8]) -> Result<NodeId, StorageError> {
        let node = self.node_mut(directory)?;
        let Content::Directory(entries) = &mut node.content else {
            return Err(error(StorageErrorKind::NotADirectory));
        };
        let id = entries.remove(name).ok_or_else(|| error(StorageErrorKind::NotFound))?;
        node.modified = now();
        if self.kind(id)? == FileKind::Directory {
            let directory = self.node_mut(directory)?;
            directory.links = directory.links.saturating_sub(1);
            self.node_mut(id)?.links = 0;
        } else {
            let named = self.node_mut(id)?;
            named.links = named.links.saturating_sub(1);
        }
        Ok(id)
    }

    /// Frees a node that has neither a name nor an open file.
    pub fn free_unused(&mut self, id: NodeId) {
        if self.nodes.get(&id).is_some_and(|node| node.links == 0 && node.handles == 0)
            && let Some(node) = self.nodes.remove(&id)
        {
            self.used = self.used.saturating_sub(bytes_of(&node));
        }
    }

    pub fn open(&mut self, id: NodeId) -> Result<(), StorageError> {
        self.node_mut(id)?.handles += 1;
        Ok(())
    }

    pub fn close(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.handles = node.handles.saturating_sub(1);
        }
        self.free_unused(id);
    }

    fn file(&self, id: NodeId) -> Result<&[u8], StorageError> {
        match &self.node(id)?.content {
            Content::File(bytes) => Ok(bytes),
            Content::Directory(_) => Err(error(StorageErrorKind::IsADirectory)),
            Content::Link(_) => Err(error(StorageErrorKind::Invalid)),
        }
    }

    /// Appends bytes of the file to `buffer`; returns 0 at the end of the file.
    pub fn read(&self, id: NodeId, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        let bytes = self.file(id)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let part = bytes.get(from..from.saturating_add(length).min(bytes.len())).unwrap_or_default();
        buffer.extend_from_slice(part);
        Ok(part.len())
    }

    /// `offset`: `None` appends.
    pub fn write(&mut self, id: NodeId, offset: Option<u64>, data: &[u8]) -> Result<(), StorageError> {
        let size = self.file(id)?.len() as u64;
        let offset = offset.unwrap_or(size);
        let end = offset.saturating_add(data.len() as u64);
        if end > size && !data.is_empty() {
            self.resize(id, end)?;
        }
        let node = self.node_mut(id)?;
        if let Content::File(bytes) = &mut node.content
            && let Ok(from) = usize::try_from(offset)
            && let Some(into) = bytes.get_mut(from..from.saturating_add(data.len()))
        {
            into.copy_from_slice(data);
            node.modified = now();
        }
        Ok(())
    }

    /// Sets the size of a file.
    ///
    /// # Errors
    /// `NoSpace` beyond the capacity of the tree.
    pub fn resize(&mut self, id: NodeId, size: u64) -> Result<(), StorageError> {
        let before = self.file(id)?.len() as u64;
        let used = self.used.saturating_sub(before).saturating_add(size);
        if size > before && used > self.capacity {
            return Err(error(StorageErrorKind::NoSpace));
        }
        let length = usize::try_from(size).map_err(|_| error(StorageErrorKind::NoSpace))?;
        let node = self.node_mut(id)?;
        if let Content::File(bytes) = &mut node.content {
            bytes.resize(length, 0);
            node.modified = now();
            self.used = used;
        }
        Ok(())
    }

    /// Sets all attributes but the size.
    pub fn set_attributes(&mut self, id: NodeId, wanted: &SetAttributes) -> Result<(), StorageError> {
        let node = self.node_mut(id)?;
        let kind = node.content.kind();
        let permitted = match wanted.mode {
            None => Ok(()),
            Some(_) if kind == FileKind::Symlink => Err(error(StorageErrorKind::Unsupported)),
            Some(mode) => {
                // No program runs from this storage, so no file has the bits set-user-id and set-group-id.
                let kept = if kind == FileKind::Directory { 0o7777 } else { 0o7777 & !SET_ID };
                node.mode = mode & kept;
                Ok(())
            }
        };
        if let Some((accessed, modified)) = wanted.times {
            (node.accessed, node.modified) = (accessed, modified);
        }
        let owned = match [wanted.uid, wanted.gid].contains(&Some(u32::MAX)) {
            true => Err(error(StorageErrorKind::Invalid)),
            false => {
                (node.uid, node.gid) = (wanted.uid.unwrap_or(node.uid), wanted.gid.unwrap_or(node.gid));
                Ok(())
            }
        };
        last_error([permitted, owned])
    }

    /// Passes owner and mode of a replaced file on to the new one.
    pub fn inherit(&mut self, old: NodeId, new: NodeId) -> Result<(), StorageError> {
        let old = self.metadata(old)?;
        let node = self.node_mut(new)?;
        (node.uid, node.gid, node.mode) = (old.uid, old.gid, old.mode & 0o1777);
        Ok(())
    }
}

fn bytes_of(node: &Node) -> u64 {
    match &node.content {
        Content::File(bytes) => bytes.len() as u64,
        Content::Directory(_) | Content::Link(_) => 0,
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The text of an error, without the path.
pub fn error(kind: StorageErrorKind) -> StorageError {
    let message = match kind {
        StorageErrorKind::NotFound => "no such file or directory",
        StorageErrorKind::PermissionDenied => "permission denied",
        StorageErrorKind::AlreadyExists => "the file exists already",
        StorageErrorKind::NotADirectory => "a part of the path is not a directory",
        StorageErrorKind::IsADirectory => "is a directory",
        StorageErrorKind::NotEmpty => "the directory is not empty",
        StorageErrorKind::NameTooLong => "the name is too long",
        StorageErrorKind::NoSpace => "no space left in memory for files",
        StorageErrorKind::ReadOnly => "the file system is read-only",
        StorageErrorKind::Loop => "too many levels of symbolic links",
        StorageErrorKind::CrossDevice => "the path leads outside the directory",
        StorageErrorKind::Unsupported => "operation not supported",
        StorageErrorKind::Invalid => "invalid argument",
        StorageErrorKind::Other => "the root cannot be changed",
    };
    StorageError::new(kind, message)
}
