//! Several file systems as one file tree: an account's home and its virtual folders
//! (C5). Each of them is confined on its own; nothing is linked from one to another, and renamed only where the file
//! systems can do that themselves.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{
    Canonical, Capabilities, DirectoryEntry, DirectoryReader, FileInPlace, FileKind, FileSystem, Metadata, OpenOptions,
    SetAttributes, Space, Storage, StorageError, StorageErrorKind, StorageFile, Swept, TreeDescription, Upload,
};

pub struct MountedStorage {
    home: Arc<dyn Storage>,
    mounts: Vec<Mount>,
}

pub struct Mount {
    pub at: VirtualPath,
    pub storage: Arc<dyn Storage>,
}

/// Opens single file systems.
#[async_trait]
pub trait FileSystems: Send + Sync {
    async fn open_one(&self, file_system: &FileSystem) -> Result<Arc<dyn Storage>, StorageError>;
}

/// The error for a file system of another adapter.
pub fn not_here() -> StorageError {
    StorageError::new(StorageErrorKind::Unsupported, "this storage has no files of that kind")
}

/// Opens each file system of a description, and mounts them in one tree.
pub async fn open_tree(
    file_systems: &dyn FileSystems,
    tree: &TreeDescription,
) -> Result<Arc<dyn Storage>, StorageError> {
    let root = file_systems.open_one(&tree.root).await?;
    if tree.mounts.is_empty() {
        return Ok(root);
    }
    let mut mounts = Vec::with_capacity(tree.mounts.len());
    for mount in &tree.mounts {
        mounts.push(Mount { at: mount.at.clone(), storage: file_systems.open_one(&mount.file_system).await? });
    }
    Ok(Arc::new(MountedStorage::new(root, mounts)))
}

impl MountedStorage {
    /// A mount inside another covers what that has there; no two may be at one place.
    pub fn new(home: Arc<dyn Storage>, mounts: Vec<Mount>) -> Self {
        Self { home, mounts }
    }

    /// The innermost mount that holds `path`; none: the home does.
    fn mount_of(&self, path: &VirtualPath) -> Option<&Mount> {
        let around = self.mounts.iter().filter(|mount| path.is_same_or_below(&mount.at));
        around.max_by_key(|mount| mount.at.as_bytes().len())
    }

    /// Where the mount that holds `path` is; none: the home does.
    fn place_of(&self, path: &VirtualPath) -> Option<&VirtualPath> {
        self.mount_of(path).map(|mount| &mount.at)
    }

    /// The storage that has `path`, and the path in that storage.
    fn find(&self, path: &VirtualPath) -> (&Arc<dyn Storage>, VirtualPath) {
        match self.mount_of(path) {
            Some(mount) => (&mount.storage, path.below(&mount.at)),
            None => (&self.home, path.clone()),
        }
    }

    /// As [`Self::find`], for a file that is to be written. At and above a mount is a directory, which is refused.
    fn find_file(&self, path: &VirtualPath) -> Result<(&Arc<dyn Storage>, VirtualPath), StorageError> {
        if self.mounts.iter().any(|mount| mount.at.is_same_or_below(path)) {
            return Err(StorageError::new(StorageErrorKind::IsADirectory, "is a directory"));
        }
        Ok(self.find(path))
    }

    /// As [`Self::find`], for links.
    fn find_both(
        &self,
        a: &VirtualPath,
        b: &VirtualPath,
    ) -> Result<(&Arc<dyn Storage>, VirtualPath, VirtualPath), StorageError> {
        if self.place_of(a) != self.place_of(b) {
            let text = "the paths are in different folders";
            return Err(StorageError::new(StorageErrorKind::CrossDevice, text));
        }
        let ((storage, a), (_, b)) = (self.find(a), self.find(b));
        Ok((storage, a, b))
    }

    /// Names in `directory` that lead to mounts.
    fn names_in(&self, directory: &VirtualPath) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = self
            .mounts
            .iter()
            .filter(|mount| mount.at != *directory && mount.at.is_same_or_below(directory))
            .filter_map(|mount| mount.at.below(directory).first_component().map(<[u8]>::to_vec))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether a mount covers something of the file system that is mounted at a place; none: of the home.
    fn is_covered_in_part(&self, place: Option<&VirtualPath>) -> bool {
        let is_inside = |at: &VirtualPath| place.is_none_or(|place| at != place && at.is_same_or_below(place));
        self.mounts.iter().any(|mount| is_inside(&mount.at))
    }

    /// The same tree, in which the file systems at the places that `is_strict` says follow no links.
    fn strict_where(&self, is_strict: impl Fn(Option<&VirtualPath>) -> bool) -> Self {
        let storage_of = |place: Option<&VirtualPath>, storage: &Arc<dyn Storage>| {
            let strict = if is_strict(place) { storage.without_links() } else { None };
            strict.unwrap_or_else(|| storage.clone())
        };
        let mounts = self.mounts.iter().map(|Mount { at, storage }| {
            let storage = storage_of(Some(at), storage);
            Mount { at: at.clone(), storage }
        });
        Self { home: storage_of(None, &self.home), mounts: mounts.collect() }
    }

    /// Whether the path is above a mount: such a directory exists, whether the home has it or not.
    fn is_above_mount(&self, path: &VirtualPath) -> bool {
        self.mounts.iter().any(|mount| mount.at != *path && mount.at.is_same_or_below(path))
    }

    async fn look(&self, path: &VirtualPath, follow: bool) -> Result<Metadata, StorageError> {
        let (storage, inner) = self.find(path);
        let outcome = if follow { storage.metadata(&inner).await } else { storage.symlink_metadata(&inner).await };
        match outcome {
            Err(error) if error.kind == StorageErrorKind::NotFound && self.is_above_mount(path) => {
                let root = self.home.metadata(&VirtualPath::root()).await?;
                Ok(Metadata { kind: FileKind::Directory, ..root })
            }
            outcome => outcome,
        }
    }
}

#[async_trait]
impl Storage for MountedStorage {
    fn kind(&self, path: &VirtualPath) -> &'static str {
        let (storage, path) = self.find(path);
        storage.kind(&path)
    }

    fn capabilities(&self, path: &VirtualPath) -> Capabilities {
        let (storage, path) = self.find(path);
        storage.capabilities(&path)
    }

    fn is_remote(&self) -> bool {
        self.home.is_remote() || self.mounts.iter().any(|mount| mount.storage.is_remote())
    }

    fn is_unfinished(&self, directory: &VirtualPath, name: &[u8]) -> bool {
        let (storage, directory) = self.find(directory);
        storage.is_unfinished(&directory, name)
    }

    fn host_path(&self, path: &VirtualPath) -> OsString {
        let (storage, path) = self.find(path);
        storage.host_path(&path)
    }

    async fn real_path(&self, path: &VirtualPath) -> Result<PathBuf, StorageError> {
        let (storage, path) = self.find(path);
        storage.real_path(&path).await
    }

    async fn open(&self, path: &VirtualPath) -> Result<Box<dyn StorageFile>, StorageError> {
        let (storage, path) = self.find(path);
        storage.open(&path).await
    }

    async fn open_in_place(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<Box<dyn FileInPlace>, StorageError> {
        let (storage, path) = self.find_file(path)?;
        storage.open_in_place(&path, options).await
    }

    async fn begin_upload(&self, path: &VirtualPath, options: OpenOptions) -> Result<Box<dyn Upload>, StorageError> {
        let (storage, path) = self.find_file(path)?;
        storage.begin_upload(&path, options).await
    }

    async fn begin_copy(
        &self,
        path: &VirtualPath,
        mode: Option<u32>,
        replaces: bool,
    ) -> Result<Box<dyn Upload>, StorageError> {
        let (storage, path) = self.find_file(path)?;
        storage.begin_copy(&path, mode, replaces).await
    }

    async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.look(path, true).await
    }

    async fn metadata_for_upload(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        if self.is_above_mount(path) {
            return self.look(path, true).await;
        }
        let (storage, inner) = self.find(path);
        storage.metadata_for_upload(&inner).await
    }

    async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.look(path, false).await
    }

    async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, StorageError> {
        let mounted = self.names_in(path);
        let (storage, inner) = self.find(path);
        let reader = match storage.read_directory(&inner).await {
            Ok(reader) => Some(reader),
            Err(error) if error.kind == StorageErrorKind::NotFound && !mounted.is_empty() => None,
            Err(error) => return Err(error),
        };
        if mounted.is_empty()
            && let Some(reader) = reader
        {
            return Ok(reader);
        }
        let mut shown = Vec::with_capacity(mounted.len() + 2);
        if reader.is_none() {
            // Added here, because the storages' readers show them in every other directory.
            for (name, at) in [(&b"."[..], path), (b"..", &path.parent())] {
                shown.push(DirectoryEntry { name: name.to_vec(), metadata: self.look(at, true).await? });
            }
        }
        for name in mounted {
            let at = VirtualPath::resolve(path, &name)
                .map_err(|error| StorageError::new(StorageErrorKind::NameTooLong, error.to_string()))?;
            let metadata = match self.look(&at, true).await {
                Ok(metadata) => metadata,
                // A mount that cannot be reached covers what is there all the same.
                Err(_) => Metadata { kind: FileKind::Directory, ..self.look(path, true).await? },
            };
            shown.push(DirectoryEntry { name, metadata });
        }
        Ok(Box::new(WithMounts { reader, mounted: shown, shown: false }))
    }

    async fn create_directory(&self, path: &VirtualPath, mode: Option<u32>) -> Result<(), StorageError> {
        if self.is_above_mount(path) {
            return Err(StorageError::new(StorageErrorKind::AlreadyExists, "the directory exists already"));
        }
        let (storage, path) = self.find(path);
        storage.create_directory(&path, mode).await
    }

    async fn remove_directory(&self, path: &VirtualPath) -> Result<(), StorageError> {
        let (storage, path) = self.find(path);
        storage.remove_directory(&path).await
    }

    async fn remove_file(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let (storage, path) = self.find(path);
        storage.remove_file(&path).await
    }

    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        let is_one = self.place_of(from) == self.place_of(to);
        let ((storage, from), (other, to)) = (self.find(from), self.find(to));
        match is_one {
            true => storage.rename(&from, &to, replace).await,
            false => storage.rename_into(&from, other, &to, replace).await,
        }
    }

    async fn hard_link(&self, existing: &VirtualPath, new: &VirtualPath) -> Result<(), StorageError> {
        let (storage, existing, new) = self.find_both(existing, new)?;
        storage.hard_link(&existing, &new).await
    }

    /// Refuses a link that would lead to another folder, since it could not be followed. An
    /// absolute text begins at the folder's own root.
    async fn create_symlink(&self, target: &[u8], link: &VirtualPath) -> Result<(), StorageError> {
        let meant = VirtualPath::resolve(&link.parent(), target)
            .map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))?;
        let at = self.mount_of(link).map(|mount| mount.at.as_bytes());
        let (storage, meant, link) = self.find_both(&meant, link)?;
        let Some(at) = at.filter(|_| target.first() == Some(&b'/')) else {
            return storage.create_symlink(target, &link).await;
        };
        match target.strip_prefix(at) {
            Some(below @ [b'/', ..]) => storage.create_symlink(below, &link).await,
            _ => storage.create_symlink(meant.as_bytes(), &link).await,
        }
    }

    async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, StorageError> {
        let (storage, inner) = self.find(path);
        let text = storage.read_link(&inner).await?;
        Ok(match self.mount_of(path) {
            Some(mount) if text == b"/" => mount.at.as_bytes().to_vec(),
            Some(mount) if text.first() == Some(&b'/') => [mount.at.as_bytes(), &text].concat(),
            _ => text,
        })
    }

    async fn canonical(&self, path: &VirtualPath, follow: bool) -> Result<Canonical, StorageError> {
        if self.is_above_mount(path) {
            return Ok(Canonical { path: path.clone(), lacks_parent: false });
        }
        let found = match self.mount_of(path) {
            None => self.home.canonical(path, follow).await?,
            Some(mount) => {
                let found = mount.storage.canonical(&path.below(&mount.at), follow).await?;
                let path = VirtualPath::resolve(&mount.at, found.path.relative())
                    .map_err(|error| StorageError::new(StorageErrorKind::NameTooLong, error.to_string()))?;
                Canonical { path, ..found }
            }
        };
        // A symbolic link must not reach what a mounted folder covers.
        if self.place_of(&found.path) != self.place_of(path) {
            return Err(StorageError::new(StorageErrorKind::CrossDevice, "the link leads to another folder"));
        }
        Ok(found)
    }

    fn without_links(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(self.strict_where(|_| true)))
    }

    fn may_lead_to_covered(&self, path: &VirtualPath) -> bool {
        self.is_covered_in_part(self.place_of(path))
    }

    fn without_links_to_covered(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(self.strict_where(|place| self.is_covered_in_part(place))))
    }

    fn mounted_at(&self, path: &VirtualPath) -> Option<Arc<dyn Storage>> {
        self.mounts.iter().find(|mount| mount.at == *path).map(|mount| mount.storage.clone())
    }

    async fn set_attributes(
        &self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
    ) -> Result<(), StorageError> {
        let (storage, path) = self.find(path);
        storage.set_attributes(&path, attributes, follow).await
    }

    async fn space(&self, path: &VirtualPath) -> Result<Space, StorageError> {
        let (storage, path) = self.find(path);
        storage.space(&path).await
    }

    async fn sweep(&self, before: i64) -> Result<Swept, StorageError> {
        let mut all = self.home.sweep(before).await;
        for mount in &self.mounts {
            all = match (all, mount.storage.sweep(before).await) {
                (Ok(all), Ok(Swept { aborted, left })) => {
                    Ok(Swept { aborted: all.aborted + aborted, left: all.left + left })
                }
                // The others are swept all the same.
                (Err(error), _) | (Ok(_), Err(error)) => Err(error),
            };
        }
        all
    }

    async fn user_names(&self, uids: Vec<u32>) -> Vec<String> {
        self.home.user_names(uids).await
    }

    async fn group_names(&self, gids: Vec<u32>) -> Vec<String> {
        self.home.group_names(gids).await
    }
}

/// Reads a directory of the home, with the mounts instead of what they cover.
struct WithMounts {
    /// `None`: the directory exists only because of the mounts.
    reader: Option<Box<dyn DirectoryReader>>,
    mounted: Vec<DirectoryEntry>,
    shown: bool,
}

#[async_trait]
impl DirectoryReader for WithMounts {
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError> {
        if !self.shown {
            self.shown = true;
            return Ok(self.mounted.clone());
        }
        let Some(reader) = &mut self.reader else {
            return Ok(Vec::new());
        };
        loop {
            let mut entries = reader.next_entries(max).await?;
            if entries.is_empty() {
                return Ok(entries);
            }
            entries.retain(|entry| !self.mounted.iter().any(|mounted| mounted.name == entry.name));
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
    }

    fn passed_over(&self) -> Option<StorageError> {
        self.reader.as_ref()?.passed_over()
    }

    fn nameless(&self) -> u64 {
        self.reader.as_ref().map_or(0, |reader| reader.nameless())
    }
}

#[cfg(test)]
mod tests;
