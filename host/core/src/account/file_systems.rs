//! File trees of accounts and folders, as descriptions for the storage port.

use super::AccountValues;
use crate::ports::storage::{FileSystem, Location, MountDescription, StorageError, StorageErrorKind, TreeDescription};

impl AccountValues {
    /// The account's tree: its home, and its folders at their paths.
    ///
    /// # Errors
    /// `NotFound`: a folder has no `mapped_path`.
    pub fn file_tree(&self) -> Result<TreeDescription, StorageError> {
        let owner = (self.uid, self.gid);
        let at = |path: &str, make_missing| FileSystem {
            location: Location::Directory(path.to_owned()),
            owner,
            make_missing,
        };
        let mounts = self.folders.iter().map(|folder| {
            if folder.mapped_path.is_empty() {
                let text = format!("the folder \"{}\" has no path; make it with a mapped_path", folder.name);
                return Err(StorageError::new(StorageErrorKind::NotFound, text));
            }
            Ok(MountDescription { at: folder.virtual_path.clone(), file_system: at(&folder.mapped_path, true) })
        });
        let root = at(&self.home_dir, !self.filters.no_home_check);
        Ok(TreeDescription { root, mounts: mounts.collect::<Result<_, _>>()? })
    }
}

impl TreeDescription {
    /// The tree of one folder. `mapped_path`: an absolute path of the host.
    pub fn of_folder(mapped_path: String) -> Self {
        let location = Location::Directory(mapped_path);
        Self { root: FileSystem { location, owner: (0, 0), make_missing: true }, mounts: Vec::new() }
    }
}
