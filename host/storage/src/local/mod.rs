//! A file tree in a directory of the host.
//!
//! Nothing here joins path strings: a path is opened relative to the root's descriptor with
//! `RESOLVE_BENEATH`, so that `..`, symbolic links and directories renamed meanwhile cannot
//! lead out. Operations on names open the parent that way and work on the last component
//! without following it.

mod attributes;
mod cleaning;
mod content;
mod descriptor;
mod directory;
mod errors;
mod file;
mod freeing;
mod inherit;
mod leftovers;
mod links;
mod opening;
mod rename;
mod replacement;
mod resolve;
mod trial;
mod upload;
mod waiting;
mod way;

use std::any::Any;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rustix::fs::{self, AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{
    Canonical, Capabilities, DirectoryReader, FileInPlace, FileKind, FileSystem, Location, Metadata, OpenOptions,
    RootCheck, SetAttributes, Space, Storage, StorageError, StorageErrorKind, StorageFile, TreeDescription, Upload,
    Uploads, Way,
};
use tidegate_core::ports::{DescriptorUse, Descriptors, StorageFactory, UnlimitedDescriptors};

pub use self::cleaning::Cleaned;
use self::directory::LocalDirectory;
use self::errors::{from_errno, with_errno};
use self::freeing::Freed;
pub use self::leftovers::Leftovers;
use self::resolve::Root;
use crate::mounted::{FileSystems, not_here, open_tree};
use crate::overwrite::OverwriteMode;

#[derive(Debug, Clone)]
pub struct LocalStorageSettings {
    pub overwrite: OverwriteMode,
    /// Bits that are cleared in the mode of new files and directories.
    pub umask: u32,
    /// Whether new files are given to the account's uid and gid; only root can do that.
    pub set_owner: bool,
    /// The notes of what a killed server leaves behind.
    pub leftovers: Arc<Leftovers>,
    /// Whether uploads that replace a file have no name until they are complete, where the file system can do that.
    pub unnamed_uploads: bool,
    /// Asked before files and directories are opened for clients.
    pub descriptors: Arc<dyn Descriptors>,
}

impl Default for LocalStorageSettings {
    fn default() -> Self {
        Self {
            overwrite: OverwriteMode::default(),
            umask: 0o022,
            set_owner: rustix::process::geteuid().is_root(),
            leftovers: Arc::default(),
            unnamed_uploads: true,
            descriptors: Arc::new(UnlimitedDescriptors),
        }
    }
}

/// Opens directories of the host.
pub struct LocalStorageFactory {
    pub settings: LocalStorageSettings,
    /// Asked about roots whose paths lead through symbolic links; `None`: the links are the operator's.
    pub check: Option<Arc<dyn RootCheck>>,
}

#[async_trait]
impl StorageFactory for LocalStorageFactory {
    async fn open(&self, tree: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
        open_tree(self, tree).await
    }
}

#[async_trait]
impl FileSystems for LocalStorageFactory {
    /// On another thread, because making and opening a directory may wait for a disk or another machine.
    async fn open_one(&self, file_system: &FileSystem) -> Result<Arc<dyn Storage>, StorageError> {
        let FileSystem { location, owner: (uid, gid), make_missing, account: _ } = file_system.clone();
        let (settings, owner) = (self.settings.clone(), Owner { uid, gid });
        let path = match location {
            Location::Directory(path) => PathBuf::from(path),
            Location::S3(_) | Location::Sftp(_) => return Err(not_here()),
        };
        let open = move |way: &Way| LocalStorage::open(way, settings, owner, make_missing);
        let Some(check) = &self.check else {
            return Ok(Arc::new(on_another_thread(move || open(&find(&path)?)).await?));
        };
        let looked = on_another_thread(move || {
            let way = find(&path)?;
            match way.links.is_empty() {
                true => open(&way).map(Looked::Opened),
                false => Ok(Looked::ThroughLinks(way, open)),
            }
        });
        match looked.await? {
            Looked::Opened(storage) => Ok(Arc::new(storage)),
            Looked::ThroughLinks(way, open) => {
                check.check(&way).await?;
                Ok(Arc::new(on_another_thread(move || open(&way)).await?))
            }
        }
    }
}

/// A root that was looked for.
enum Looked<Open> {
    Opened(LocalStorage),
    /// How it is opened, once the way was checked.
    ThroughLinks(Way, Open),
}

async fn on_another_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(from_errno(Errno::IO)))
}

fn find(path: &Path) -> Result<Way, StorageError> {
    way::find(path).map_err(|errno| of_root(errno, path))
}

fn of_root(errno: Errno, path: &Path) -> StorageError {
    with_errno(errno, &format!("the home directory {}", path.display()))
}

/// The owner of new files; 0 leaves the server's own user or group (A5-16).
#[derive(Debug, Clone, Copy, Default)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn apply(self, settings: &LocalStorageSettings, file: &OwnedFd) -> Result<(), StorageError> {
        if !settings.set_owner || (self.uid == 0 && self.gid == 0) {
            return Ok(());
        }
        let uid = (self.uid != 0).then(|| Uid::from_raw(self.uid));
        let gid = (self.gid != 0).then(|| Gid::from_raw(self.gid));
        fs::chownat(file, "", uid, gid, AtFlags::EMPTY_PATH).map_err(from_errno)
    }
}

/// One account's directory.
pub struct LocalStorage {
    root: Arc<Root>,
    root_path: PathBuf,
    settings: LocalStorageSettings,
    owner: Owner,
}

impl LocalStorage {
    /// `make`: whether to make the directory, and those above it, if it is missing (A4-11).
    fn open(way: &Way, settings: LocalStorageSettings, owner: Owner, make: bool) -> Result<Self, StorageError> {
        let path = way.written.as_path();
        let in_context = |errno: Errno| of_root(errno, path);
        let mode = make.then(|| Mode::from_raw_mode(0o777 & !settings.umask));
        let way::Opened { directory: root, made } = way::open(&way.found, mode).map_err(in_context)?;
        if made {
            owner.apply(&settings, &root)?;
        }
        let root = Arc::new(Root::new(root, path).map_err(in_context)?);
        Ok(Self { root, root_path: path.to_owned(), settings, owner })
    }

    /// The mode of a new file, without bits by which it would run as another user.
    fn new_mode(&self, asked: Option<u32>, default: u32) -> Mode {
        Mode::from_raw_mode(asked.unwrap_or(default) & 0o1777 & !self.settings.umask)
    }

    /// Refuses a file while descriptors are scarce; asked before anything is made or emptied.
    fn require_descriptor(&self) -> Result<(), StorageError> {
        match self.settings.descriptors.has_room(DescriptorUse::Client) {
            true => Ok(()),
            false => Err(from_errno(Errno::MFILE)),
        }
    }

    /// As [`require_descriptor`](Self::require_descriptor), for what was opened to be read: to open it changes nothing.
    fn require_kept(&self, opened: &impl AsFd) -> Result<(), StorageError> {
        let number = u64::try_from(opened.as_fd().as_raw_fd()).unwrap_or(u64::MAX);
        match self.settings.descriptors.may_keep(number, DescriptorUse::Client) {
            true => Ok(()),
            false => Err(from_errno(Errno::MFILE)),
        }
    }

    /// The account's own user and group on the host, where files can be given to them.
    fn mapped_owner(&self) -> Owner {
        if self.settings.set_owner { self.owner } else { Owner::default() }
    }
}

#[async_trait]
impl Storage for LocalStorage {
    fn kind(&self, _path: &VirtualPath) -> &'static str {
        "local"
    }

    fn capabilities(&self, _path: &VirtualPath) -> Capabilities {
        let uploads = if self.is_atomic() { Uploads::AnyOrder } else { Uploads::None };
        let keeps_old = self.settings.overwrite == OverwriteMode::Atomic;
        Capabilities { in_place: true, uploads, keeps_old }
    }

    fn host_path(&self, path: &VirtualPath) -> OsString {
        if path.is_root() {
            return self.root_path.clone().into_os_string();
        }
        let root = self.root_path.as_os_str().as_bytes();
        let end = root.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let root = root.get(..end).unwrap_or_default();
        OsString::from_vec([root, path.as_bytes()].concat())
    }

    async fn real_path(&self, path: &VirtualPath) -> Result<PathBuf, StorageError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = self.root.open(path, flags, Mode::empty()).map_err(from_errno)?;
        let name = fs::readlink(format!("/proc/self/fd/{}", directory.as_raw_fd()), Vec::new()).map_err(from_errno)?;
        Ok(PathBuf::from(OsString::from_vec(name.into_bytes())))
    }

    async fn open(&self, path: &VirtualPath) -> Result<Box<dyn StorageFile>, StorageError> {
        let file = self.open_to_read(path)?;
        self.require_kept(&file)?;
        Ok(Box::new(file))
    }

    async fn open_in_place(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<Box<dyn FileInPlace>, StorageError> {
        self.require_descriptor()?;
        Ok(Box::new(self.open_under_name(path, options)?))
    }

    async fn begin_upload(&self, path: &VirtualPath, options: OpenOptions) -> Result<Box<dyn Upload>, StorageError> {
        self.require_descriptor()?;
        let (upload, old) = self.begin(path, options)?;
        if let Some(old) = old {
            upload.take_content(old).await?;
        }
        Ok(Box::new(upload))
    }

    async fn begin_copy(
        &self,
        path: &VirtualPath,
        mode: Option<u32>,
        replaces: bool,
    ) -> Result<Box<dyn Upload>, StorageError> {
        self.require_descriptor()?;
        // A copy has no need of the old content.
        let (upload, _) = self.begin_replacement(path, OpenOptions::of_copy(mode, replaces))?;
        Ok(Box::new(upload))
    }

    async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        attributes::metadata_of(&self.root.open_path_only(path).map_err(from_errno)?)
    }

    async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let place = self.root.place(path).map_err(from_errno)?;
        let stat = fs::statat(place.directory(), place.name(), AtFlags::SYMLINK_NOFOLLOW).map_err(from_errno)?;
        Ok(attributes::from_stat(&stat))
    }

    async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, StorageError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = self.root.open(path, flags, Mode::empty()).map_err(from_errno)?;
        self.require_kept(&directory)?;
        Ok(Box::new(LocalDirectory::new(directory, path.is_root())?))
    }

    async fn create_directory(&self, path: &VirtualPath, mode: Option<u32>) -> Result<(), StorageError> {
        let place = self.root.place(path).map_err(from_errno)?;
        fs::mkdirat(place.directory(), place.name(), self.new_mode(mode, 0o777)).map_err(from_errno)?;
        let made = self.root.open_path_only(path).map_err(from_errno)?;
        self.owner.apply(&self.settings, &made)
    }

    async fn remove_directory(&self, path: &VirtualPath) -> Result<(), StorageError> {
        let place = self.root.place(path).map_err(from_errno)?;
        fs::unlinkat(place.directory(), place.name(), AtFlags::REMOVEDIR).map_err(from_errno)
    }

    async fn remove_file(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let place = self.root.place(path).map_err(from_errno)?;
        let stat = fs::statat(place.directory(), place.name(), AtFlags::SYMLINK_NOFOLLOW).map_err(from_errno)?;
        let removed = attributes::from_stat(&stat);
        let _freed = Freed::of_size(&place, removed.size);
        fs::unlinkat(place.directory(), place.name(), AtFlags::empty()).map_err(from_errno)?;
        Ok(removed)
    }

    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        self.rename_to(from, self, to, replace)
    }

    /// A symbolic link is not renamed: it would lead elsewhere.
    async fn rename_into(
        &self,
        from: &VirtualPath,
        other: &Arc<dyn Storage>,
        to: &VirtualPath,
        replace: bool,
    ) -> Result<(), StorageError> {
        let other: &dyn Any = &**other;
        match other.downcast_ref::<Self>() {
            Some(other) if self.symlink_metadata(from).await?.kind != FileKind::Symlink => {
                self.rename_to(from, other, to, replace)
            }
            Some(_) | None => Err(from_errno(Errno::XDEV)),
        }
    }

    async fn hard_link(&self, existing: &VirtualPath, new: &VirtualPath) -> Result<(), StorageError> {
        let existing = self.root.place(existing).map_err(from_errno)?;
        let new = self.root.place(new).map_err(from_errno)?;
        let flags = AtFlags::empty();
        self.settings.leftovers.renaming((existing.directory(), existing.name()), (new.directory(), new.name()))?;
        fs::linkat(existing.directory(), existing.name(), new.directory(), new.name(), flags).map_err(from_errno)
    }

    async fn create_symlink(&self, target: &[u8], link: &VirtualPath) -> Result<(), StorageError> {
        let names = self.root.host_names();
        let stored =
            names.stored(target).map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))?;
        let place = self.root.place(link).map_err(from_errno)?;
        fs::symlinkat(stored.as_slice(), place.directory(), place.name()).map_err(from_errno)
    }

    async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, StorageError> {
        let place = self.root.place(path).map_err(from_errno)?;
        let target = fs::readlinkat(place.directory(), place.name(), Vec::new()).map_err(from_errno)?;
        Ok(self.root.shown(target.as_bytes()))
    }

    async fn canonical(&self, path: &VirtualPath, follow: bool) -> Result<Canonical, StorageError> {
        self.root.canonical(path, follow).map_err(from_errno)
    }

    fn without_links(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Self {
            root: Arc::new(self.root.without_links()),
            root_path: self.root_path.clone(),
            settings: self.settings.clone(),
            owner: self.owner,
        }))
    }

    async fn set_attributes(
        &self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
    ) -> Result<(), StorageError> {
        attributes::set_by_path(&self.root, path, attributes, follow, self.mapped_owner())
    }

    async fn space(&self, path: &VirtualPath) -> Result<Space, StorageError> {
        attributes::space_of(&self.root.open_path_only(path).map_err(from_errno)?)
    }

    async fn user_names(&self, uids: Vec<u32>) -> Vec<String> {
        let name = |uid| Some(uzers::get_user_by_uid(uid)?.name().to_string_lossy().into_owned());
        names_on_another_thread(uids, name).await
    }

    async fn group_names(&self, gids: Vec<u32>) -> Vec<String> {
        let name = |gid| Some(uzers::get_group_by_gid(gid)?.name().to_string_lossy().into_owned());
        names_on_another_thread(gids, name).await
    }
}

/// Looks names up, for which the host may ask a directory service that is away.
async fn names_on_another_thread(ids: Vec<u32>, name: impl Fn(u32) -> Option<String> + Send + 'static) -> Vec<String> {
    let count = ids.len();
    let look = move || ids.into_iter().map(|id| name(id).unwrap_or_default()).collect::<Vec<_>>();
    tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| vec![String::new(); count])
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod upload_tests;
