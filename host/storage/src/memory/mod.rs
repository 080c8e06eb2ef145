//! A file tree in memory, with nothing on disk: for tests, and for accounts whose files are not to
//! outlive the server. It behaves as a directory of the host does, links and upload modes included;
//! one conformance suite holds both to that.

mod file;
mod lookup;
mod nodes;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tidegate_core::account::EffectiveAccount;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::StorageFactory;
use tidegate_core::ports::storage::{
    Canonical, DirectoryEntry, DirectoryReader, FileKind, Metadata, OpenOptions, SetAttributes, Space, Storage,
    StorageError, StorageErrorKind, StorageFile,
};

use self::file::MemoryFile;
use self::lookup::{Found, Last, Links, MAX_NAME, find};
use self::nodes::{Content, Nodes, error};
use crate::mounted::{Mount, MountedStorage};
use crate::overwrite::OverwriteMode;

const BLOCK: u64 = 4096;

/// Numbers for trees.
static TREES: AtomicU64 = AtomicU64::new(1);

#[derive(Debug, Clone)]
pub struct MemoryStorageSettings {
    pub overwrite: OverwriteMode,
    /// Bits cleared in the mode of new files and directories.
    pub umask: u32,
    /// Bytes of all files of a tree together; more do not fit.
    pub capacity: u64,
}

impl Default for MemoryStorageSettings {
    fn default() -> Self {
        Self { overwrite: OverwriteMode::default(), umask: 0o022, capacity: 64 << 20 }
    }
}

/// Keeps one tree for each directory of the host that accounts name as home or folder.
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

impl StorageFactory for MemoryStorageFactory {
    fn open(&self, account: &EffectiveAccount) -> Result<Arc<dyn Storage>, StorageError> {
        let home = self.at(&account.home_dir);
        if account.folders.is_empty() {
            return Ok(home);
        }
        let mounts = account
            .folders
            .iter()
            .map(|folder| Mount { at: folder.virtual_path.clone(), storage: self.at(&folder.mapped_path) });
        Ok(Arc::new(MountedStorage::new(home, mounts.collect())))
    }

    fn open_directory(&self, path: &str) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(self.at(path))
    }
}

/// What handles of one tree share.
struct Tree {
    nodes: Mutex<Nodes>,
    settings: MemoryStorageSettings,
}

impl Tree {
    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One tree.
pub struct MemoryStorage {
    tree: Arc<Tree>,
    links: Links,
}

impl MemoryStorage {
    pub fn new(settings: MemoryStorageSettings) -> Self {
        let number = TREES.fetch_add(1, Ordering::Relaxed);
        let nodes = Mutex::new(Nodes::new(number, settings.capacity, 0o777 & !settings.umask));
        Self { tree: Arc::new(Tree { nodes, settings }), links: Links::Followed }
    }

    fn find(&self, nodes: &Nodes, path: &VirtualPath, last: Last) -> Result<Found, StorageError> {
        find(nodes, path.relative(), last, self.links)
    }

    /// Where something new can have the name.
    fn free_place(&self, nodes: &Nodes, path: &VirtualPath) -> Result<Found, StorageError> {
        let found = self.find(nodes, path, Last::Kept)?.with_parent()?;
        if found.node.is_some() { Err(error(StorageErrorKind::AlreadyExists)) } else { Ok(found) }
    }

    fn new_mode(&self, asked: Option<u32>, default: u32) -> u32 {
        asked.unwrap_or(default) & 0o777 & !self.tree.settings.umask
    }

    fn is_atomic(&self) -> bool {
        self.tree.settings.overwrite != OverwriteMode::Standard
    }

    fn open_file(&self, path: &VirtualPath, options: OpenOptions) -> Result<MemoryFile, StorageError> {
        let mut nodes = self.tree.nodes();
        let is_exclusive = options.create && options.exclusive;
        let found = self.find(&nodes, path, if is_exclusive { Last::Kept } else { Last::Followed })?;
        let found = if options.create { found.with_parent()? } else { found };
        let Some(node) = found.node else {
            if !options.create {
                return Err(error(StorageErrorKind::NotFound));
            }
            let mode = self.new_mode(options.mode, 0o666);
            let node = nodes.insert(Content::File(Vec::new()), mode, 0);
            if self.is_atomic() && options.write {
                return MemoryFile::upload(&self.tree, nodes, node, &found, options);
            }
            nodes.link(found.directory, &found.name, node)?;
            return MemoryFile::in_place(&self.tree, nodes, node, &found, options, true);
        };
        if is_exclusive {
            return Err(error(StorageErrorKind::AlreadyExists));
        }
        match nodes.kind(node)? {
            FileKind::Directory if options.write => return Err(error(StorageErrorKind::IsADirectory)),
            FileKind::File | FileKind::Directory => {}
            FileKind::Symlink | FileKind::Other => return Err(error(StorageErrorKind::Unsupported)),
        }
        if self.is_atomic() && options.write && options.truncate {
            let new = nodes.insert(Content::File(Vec::new()), 0o600, 0);
            nodes.inherit(node, new)?;
            return MemoryFile::upload(&self.tree, nodes, new, &found, options);
        }
        MemoryFile::in_place(&self.tree, nodes, node, &found, options, false)
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn host_path(&self, path: &VirtualPath) -> String {
        format!("memory:{}", path.display())
    }

    async fn open(&self, path: &VirtualPath, options: OpenOptions) -> Result<Box<dyn StorageFile>, StorageError> {
        Ok(Box::new(self.open_file(path, options)?))
    }

    async fn create_new(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<Option<Box<dyn StorageFile>>, StorageError> {
        if !options.create || path.is_root() || self.is_atomic() {
            return Ok(None);
        }
        match self.open_file(path, OpenOptions { exclusive: true, ..options }) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind == StorageErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
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
        if let Some(size) = attributes.size {
            let sized = self.find(&nodes, path, Last::Followed)?.existing()?;
            nodes.resize(sized, size)?;
        }
        nodes.set_attributes(node, attributes)
    }

    async fn space(&self, path: &VirtualPath) -> Result<Space, StorageError> {
        let nodes = self.tree.nodes();
        self.find(&nodes, path, Last::Followed)?.existing()?;
        Ok(space_of(&nodes, &self.tree.settings))
    }

    fn user_name(&self, _uid: u32) -> Option<String> {
        None
    }

    fn group_name(&self, _gid: u32) -> Option<String> {
        None
    }
}

fn space_of(nodes: &Nodes, settings: &MemoryStorageSettings) -> Space {
    let free = settings.capacity.saturating_sub(nodes.used()) / BLOCK;
    // As many nodes as numbers for them: the memory is what ends.
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

/// Whether `directory` is `above`, or somewhere in it.
fn is_within(nodes: &Nodes, mut directory: nodes::NodeId, above: nodes::NodeId) -> Result<bool, StorageError> {
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

/// The names are those that were there when it was opened.
struct MemoryDirectory {
    tree: Arc<Tree>,
    /// The first one last.
    ahead: Vec<(Vec<u8>, nodes::NodeId)>,
}

#[async_trait]
impl DirectoryReader for MemoryDirectory {
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError> {
        let nodes = self.tree.nodes();
        let mut entries = Vec::with_capacity(max.min(self.ahead.len()));
        while entries.len() < max
            && let Some((name, node)) = self.ahead.pop()
        {
            // Removed since it was listed, it is passed over.
            if let Ok(metadata) = nodes.metadata(node) {
                entries.push(DirectoryEntry { name, metadata });
            }
        }
        Ok(entries)
    }

    fn passed_over(&self) -> Option<StorageError> {
        None
    }
}
