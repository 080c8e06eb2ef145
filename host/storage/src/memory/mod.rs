//! A file tree in memory, with nothing on disk: for tests, and for accounts whose files need not
//! outlive the server. It behaves as a directory of the host does, including links and upload
//! modes; one conformance suite checks both.

mod file;
mod lookup;
mod nodes;
mod upload;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::StorageFactory;
use tidegate_core::ports::storage::{
    Canonical, Capabilities, DirectoryEntry, DirectoryReader, FileInPlace, FileKind, FileSystem, Location, Metadata,
    OpenOptions, SetAttributes, Space, Storage, StorageError, StorageErrorKind, StorageFile, TreeDescription, Upload,
    Uploads,
};

use self::file::MemoryFile;
use self::lookup::{Found, Last, Links, MAX_NAME, find};
use self::nodes::{Content, NodeId, Nodes, error};
use self::upload::MemoryUpload;
use crate::each_attribute::last_error;
use crate::mounted::{FileSystems, not_here, open_tree};
use crate::overwrite::OverwriteMode;

const BLOCK: u64 = 4096;

/// The number of the next tree.
static TREES: AtomicU64 = AtomicU64::new(1);

#[derive(Debug, Clone)]
pub struct MemoryStorageSettings {
    pub overwrite: OverwriteMode,
    /// Bits that are cleared in the mode of new files and directories.
    pub umask: u32,
    /// Most bytes of all files of a tree together.
    pub capacity: u64,
    /// Whether files can be written in place and at any offset. If not, as in object stores, they
    /// are uploaded from the first byte to the last, in one of the atomic modes, and are on another host.
    pub random_writes: bool,
}

impl Default for MemoryStorageSettings {
    fn default() -> Self {
        Self { overwrite: OverwriteMode::default(), umask: 0o022, capacity: 64 << 20, random_writes: true }
    }
}

/// Keeps one tree for each directory that accounts name as home or folder.
#[derive(Default)]
pub struct MemoryStorageFactory {
    pub settings: MemoryStorageSettings,
    trees: Mutex<HashMap<String, Arc<dyn Storage>>>,
}

impl MemoryStorageFactory {
    pub fn new(settings: MemoryStorageSettings) -> Self {
        Self { settings, trees: Mutex::default() }
    }

    fn at(&self, path: &str) -> Arc<dyn Storage> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(MemoryStorage::new(self.settings.clone())) as Arc<dyn Storage>;
        trees.entry(path.to_owned()).or_insert_with(make).clone()
    }
}

#[async_trait]
impl StorageFactory for MemoryStorageFactory {
    async fn open(&self, tree: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
        open_tree(self, tree).await
    }
}

#[async_trait]
impl FileSystems for MemoryStorageFactory {
    async fn open_one(&self, file_system: &FileSystem) -> Result<Arc<dyn Storage>, StorageError> {
        match &file_system.location {
            Location::Directory(path) => Ok(self.at(path)),
            Location::S3(_) | Location::Sftp(_) => Err(not_here()),
        }
    }
}

/// What the handles of one tree share.
struct Tree {
    nodes: Mutex<Nodes>,
    settings: MemoryStorageSettings,
    /// How often a path was resolved by a call of `canonical`.
    #[cfg(test)]
    resolved: AtomicU64,
}

impl Tree {
    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A storage on one tree.
pub struct MemoryStorage {
    tree: Arc<Tree>,
    links: Links,
}

impl MemoryStorage {
    pub fn new(settings: MemoryStorageSettings) -> Self {
        let number = TREES.fetch_add(1, Ordering::Relaxed);
        let nodes = Mutex::new(Nodes::new(number, settings.capacity, 0o777 & !settings.umask));
        let tree = Tree {
            nodes,
            settings,
            #[cfg(test)]
            resolved: AtomicU64::new(0),
        };
        Self { tree: Arc::new(tree), links: Links::Followed }
    }

    #[cfg(test)]
    pub fn resolved_paths(&self) -> u64 {
        self.tree.resolved.load(Ordering::Relaxed)
    }

    fn find(&self, nodes: &Nodes, path: &VirtualPath, last: Last) -> Result<Found, StorageError> {
        find(nodes, path.relative(), last, self.links)
    }

    /// The place of something new, whose name has to be free.
    fn free_place(&self, nodes: &Nodes, path: &VirtualPath) -> Result<Found, StorageError> {
        let found = self.find(nodes, path, Last::Kept)?.with_parent()?;
        if found.node.is_some() { Err(error(StorageErrorKind::AlreadyExists)) } else { Ok(found) }
    }

    fn new_mode(&self, asked: Option<u32>, default: u32) -> u32 {
        asked.unwrap_or(default) & 0o1777 & !self.tree.settings.umask
    }

    fn is_atomic(&self) -> bool {
        self.tree.settings.overwrite != OverwriteMode::Standard
    }

    /// The node to open; `None`: the file is to be made, and may be.
    fn openable(&self, nodes: &Nodes, found: &Found, options: OpenOptions) -> Result<Option<NodeId>, StorageError> {
        let Some(node) = found.node else {
            return if options.create { Ok(None) } else { Err(error(StorageErrorKind::NotFound)) };
        };
        if options.create && options.exclusive {
            return Err(error(StorageErrorKind::AlreadyExists));
        }
        match nodes.kind(node)? {
            FileKind::Directory if options.write => Err(error(StorageErrorKind::IsADirectory)),
            FileKind::File | FileKind::Directory => Ok(Some(node)),
            FileKind::Symlink | FileKind::Other => Err(error(StorageErrorKind::Unsupported)),
        }
    }

    fn find_openable(
        &self,
        nodes: &Nodes,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<(Found, Option<NodeId>), StorageError> {
        let is_exclusive = options.create && options.exclusive;
        let found = self.find(nodes, path, if is_exclusive { Last::Kept } else { Last::Followed })?;
        let found = if options.create { found.with_parent()? } else { found };
        let node = self.openable(nodes, &found, options)?;
        Ok((found, node))
    }

    fn open_under_name(&self, path: &VirtualPath, options: OpenOptions) -> Result<MemoryFile, StorageError> {
        let mut nodes = self.tree.nodes();
        let (found, node) = self.find_openable(&nodes, path, options)?;
        let is_new = node.is_none();
        let node = match node {
            Some(node) => node,
            None => {
                let mode = self.new_mode(options.mode, 0o666);
                let made = nodes.insert(Content::File(Vec::new()), mode, nodes::ROOT);
                nodes.link(found.directory, &found.name, made)?;
                made
            }
        };
        MemoryFile::new(&self.tree, &mut nodes, node, &found, options, is_new)
    }

    fn begin(&self, path: &VirtualPath, options: OpenOptions) -> Result<MemoryUpload, StorageError> {
        let mut nodes = self.tree.nodes();
        let (found, node) = self.find_openable(&nodes, path, options)?;
        let keeps = node.filter(|_| !options.truncate);
        if keeps.is_some() && !options.begins_with_old() && self.tree.settings.random_writes {
            // Another session made the file after it was looked for; its content stays.
            return Err(error(StorageErrorKind::AlreadyExists));
        }
        let made = nodes.insert(Content::File(Vec::new()), self.new_mode(options.mode, 0o666), nodes::ROOT);
        if let Some(old) = keeps {
            let mut content = Vec::new();
            nodes.read(old, 0, usize::MAX, &mut content)?;
            nodes.write(made, Some(0), &content)?;
        }
        if let Some(node) = node {
            nodes.inherit(node, made)?;
        }
        MemoryUpload::new(&self.tree, &mut nodes, made, &found, options)
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn kind(&self, _path: &VirtualPath) -> &'static str {
        "memory"
    }

    fn capabilities(&self, _path: &VirtualPath) -> Capabilities {
        let in_place = self.tree.settings.random_writes;
        let uploads = match (self.is_atomic(), in_place) {
            (_, false) => Uploads::Sequential,
            (true, true) => Uploads::AnyOrder,
            (false, true) => Uploads::None,
        };
        let keeps_old = self.tree.settings.overwrite == OverwriteMode::Atomic;
        Capabilities { in_place, uploads, keeps_old }
    }

    fn is_remote(&self) -> bool {
        !self.tree.settings.random_writes
    }

    fn host_path(&self, path: &VirtualPath) -> OsString {
        let mut name = OsString::from("memory:");
        name.push(path.as_os_str());
        name
    }

    async fn open(&self, path: &VirtualPath) -> Result<Box<dyn StorageFile>, StorageError> {
        let options = OpenOptions { read: true, ..OpenOptions::default() };
        Ok(Box::new(self.open_under_name(path, options)?))
    }

    async fn open_in_place(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<Box<dyn FileInPlace>, StorageError> {
        if !self.capabilities(path).in_place {
            return Err(error(StorageErrorKind::Unsupported));
        }
        Ok(Box::new(self.open_under_name(path, options)?))
    }

    async fn begin_upload(&self, path: &VirtualPath, options: OpenOptions) -> Result<Box<dyn Upload>, StorageError> {
        if self.capabilities(path).uploads == Uploads::None {
            return Err(error(StorageErrorKind::Unsupported));
        }
        Ok(Box::new(self.begin(path, options)?))
    }

    async fn begin_copy(
        &self,
        path: &VirtualPath,
        mode: Option<u32>,
        replaces: bool,
    ) -> Result<Box<dyn Upload>, StorageError> {
        Ok(Box::new(self.begin(path, OpenOptions::of_copy(mode, replaces))?))
    }

    async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let nodes = self.tree.nodes();
        nodes.metadata(self.find(&nodes, path, Last::Followed)?.existing()?)
    }

    async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let nodes = self.tree.nodes();
        nodes.metadata(self.find(&nodes, path, Last::Kept)?.existing()?)
    }

    async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, StorageError> {
        let nodes = self.tree.nodes();
        let directory = self.find(&nodes, path, Last::Followed)?.existing()?;
        let mut entries = vec![(b".".to_vec(), directory), (b"..".to_vec(), nodes.parent(directory)?)];
        entries.extend(nodes.entries(directory)?.iter().map(|(name, node)| (name.clone(), *node)));
        entries.reverse();
        Ok(Box::new(MemoryDirectory { tree: self.tree.clone(), ahead: entries }))
    }

    async fn create_directory(&self, path: &VirtualPath, mode: Option<u32>) -> Result<(), StorageError> {
        let mut nodes = self.tree.nodes();
        let place = self.free_place(&nodes, path)?;
        let mode = self.new_mode(mode, 0o777);
        let made = nodes.insert(Content::Directory(BTreeMap::new()), mode, place.directory);
        nodes.link(place.directory, &place.name, made)
    }

    async fn remove_directory(&self, path: &VirtualPath) -> Result<(), StorageError> {
        let mut nodes = self.tree.nodes();
        let found = self.find(&nodes, path, Last::Kept)?;
        let node = found.existing()?;
        if !nodes.entries(node)?.is_empty() {
            return Err(error(StorageErrorKind::NotEmpty));
        }
        if found.is_root() {
            return Err(error(StorageErrorKind::Invalid));
        }
        nodes.unlink(found.directory, &found.name)?;
        nodes.free_unused(node);
        Ok(())
    }

    async fn remove_file(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let mut nodes = self.tree.nodes();
        let found = self.find(&nodes, path, Last::Kept)?;
        let metadata = nodes.metadata(found.existing()?)?;
        if metadata.kind == FileKind::Directory {
            return Err(error(StorageErrorKind::IsADirectory));
        }
        let node = nodes.unlink(found.directory, &found.name)?;
        nodes.free_unused(node);
        Ok(metadata)
    }

    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        let mut nodes = self.tree.nodes();
        let from = self.find(&nodes, from, Last::Kept)?;
        let moved = from.existing()?;
        let to = self.find(&nodes, to, Last::Kept)?.with_parent()?;
        if from.is_root() || to.is_root() {
            return Err(error(StorageErrorKind::Other));
        }
        let is_directory = nodes.kind(moved)? == FileKind::Directory;
        if is_directory && is_within(&nodes, to.directory, moved)? {
            return Err(error(StorageErrorKind::Invalid));
        }
        if let Some(replaced) = to.node {
            if !replace {
                return Err(error(StorageErrorKind::AlreadyExists));
            }
            if replaced == moved {
                return Ok(());
            }
            match (is_directory, nodes.kind(replaced)? == FileKind::Directory) {
                (true, false) => return Err(error(StorageErrorKind::NotADirectory)),
                (false, true) => return Err(error(StorageErrorKind::IsADirectory)),
                (true, true) if !nodes.entries(replaced)?.is_empty() => {
                    return Err(error(StorageErrorKind::NotEmpty));
                }
                (true, true) | (false, false) => {}
            }
            nodes.unlink(to.directory, &to.name)?;
            nodes.free_unused(replaced);
        }
        nodes.unlink(from.directory, &from.name)?;
        nodes.link(to.directory, &to.name, moved)
    }

    async fn hard_link(&self, existing: &VirtualPath, new: &VirtualPath) -> Result<(), StorageError> {
        let mut nodes = self.tree.nodes();
        let node = self.find(&nodes, existing, Last::Kept)?.existing()?;
        let place = self.free_place(&nodes, new)?;
        if nodes.kind(node)? == FileKind::Directory {
            return Err(error(StorageErrorKind::PermissionDenied));
        }
        nodes.link(place.directory, &place.name, node)
    }

    async fn create_symlink(&self, target: &[u8], link: &VirtualPath) -> Result<(), StorageError> {
        if target.contains(&0) {
            return Err(error(StorageErrorKind::Invalid));
        }
        let mut nodes = self.tree.nodes();
        let place = self.free_place(&nodes, link)?;
        if target.is_empty() {
            return Err(error(StorageErrorKind::NotFound));
        }
        let made = nodes.insert(Content::Link(target.to_vec()), 0o777, 0);
        nodes.link(place.directory, &place.name, made)
    }

    async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, StorageError> {
        let nodes = self.tree.nodes();
        let node = self.find(&nodes, path, Last::Kept)?.existing()?;
        nodes.link_text(node).map(<[u8]>::to_vec).ok_or_else(|| error(StorageErrorKind::Invalid))
    }

    async fn canonical(&self, path: &VirtualPath, follow: bool) -> Result<Canonical, StorageError> {
        #[cfg(test)]
        self.tree.resolved.fetch_add(1, Ordering::Relaxed);
        let nodes = self.tree.nodes();
        let last = if follow { Last::Followed } else { Last::Kept };
        find(&nodes, path.relative(), last, Links::Followed)?.canonical()
    }

    fn without_links(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Self { tree: self.tree.clone(), links: Links::Refused }))
    }

    async fn set_attributes(
        &self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
    ) -> Result<(), StorageError> {
        let mut nodes = self.tree.nodes();
        let last = if follow { Last::Followed } else { Last::Kept };
        let node = self.find(&nodes, path, last)?.existing()?;
        let sized = match attributes.size {
            None => Ok(()),
            Some(_) if !self.tree.settings.random_writes => Err(error(StorageErrorKind::Unsupported)),
            Some(size) => {
                let followed = self.find(&nodes, path, Last::Followed).and_then(|found| found.existing());
                followed.and_then(|followed| nodes.resize(followed, size))
            }
        };
        last_error([sized, nodes.set_attributes(node, attributes)])
    }

    async fn space(&self, path: &VirtualPath) -> Result<Space, StorageError> {
        let nodes = self.tree.nodes();
        self.find(&nodes, path, Last::Followed)?.existing()?;
        Ok(space_of(&nodes, &self.tree.settings))
    }
}

fn space_of(nodes: &Nodes, settings: &MemoryStorageSettings) -> Space {
    let free = settings.capacity.saturating_sub(nodes.used()) / BLOCK;
    // As many nodes as there are numbers: memory ends before that.
    let files_free = u64::from(u32::MAX).saturating_sub(nodes.count());
    Space {
        block_size: BLOCK,
        fragment_size: BLOCK,
        blocks: settings.capacity / BLOCK,
        blocks_free: free,
        blocks_available: free,
        files: u64::from(u32::MAX),
        files_free,
        files_available: files_free,
        id: 0,
        flags: 0,
        name_max: MAX_NAME as u64,
    }
}

/// Whether `directory` is `above`, or is somewhere below it.
fn is_within(nodes: &Nodes, mut directory: NodeId, above: NodeId) -> Result<bool, StorageError> {
    loop {
        if directory == above {
            return Ok(true);
        }
        let parent = nodes.parent(directory)?;
        if parent == directory {
            return Ok(false);
        }
        directory = parent;
    }
}

/// A directory with the names that were there when it was opened.
struct MemoryDirectory {
    tree: Arc<Tree>,
    /// The names ahead, the next one at the end.
    ahead: Vec<(Vec<u8>, NodeId)>,
}

#[async_trait]
impl DirectoryReader for MemoryDirectory {
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError> {
        let nodes = self.tree.nodes();
        let mut entries = Vec::with_capacity(max.min(self.ahead.len()));
        while entries.len() < max
            && let Some((name, node)) = self.ahead.pop()
        {
            // Nodes that were removed since are skipped.
            if let Ok(metadata) = nodes.metadata(node) {
                entries.push(DirectoryEntry { name, metadata });
            }
        }
        Ok(entries)
    }

    fn passed_over(&self) -> Option<StorageError> {
        None
    }

    fn nameless(&self) -> u64 {
        0
    }
}
