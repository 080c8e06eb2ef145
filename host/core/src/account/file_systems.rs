//! File trees of accounts and folders, as descriptions for the storage port.

use serde_json::{Map, Value};

use super::object_storage::s3_location;
use super::{AccountValues, InvalidAccount};
use crate::ports::storage::{FileSystem, Location, MountDescription, StorageError, StorageErrorKind, TreeDescription};

impl AccountValues {
    /// The account's tree: its home, and its folders at their paths.
    ///
    /// # Errors
    /// `NotFound`: a folder has no `mapped_path`. `Invalid`: its file system is not one that the server has.
    pub fn file_tree(&self) -> Result<TreeDescription, StorageError> {
        let owner = (self.uid, self.gid);
        let at = |location, make_missing| FileSystem { location, owner, make_missing };
        let mounts = self.folders.iter().map(|folder| {
            if folder.mapped_path.is_empty() {
                let text = format!("the folder \"{}\" has no path; make it with a mapped_path", folder.name);
                return Err(StorageError::new(StorageErrorKind::NotFound, text));
            }
            Ok(MountDescription {
                at: folder.virtual_path.clone(),
                file_system: at(Location::Directory(folder.mapped_path.clone()), true),
            })
        });
        let home = location(&self.filesystem, &self.home_dir).map_err(|error| wrong(&error))?;
        let root = at(home, !self.filters.no_home_check);
        Ok(TreeDescription { root, mounts: mounts.collect::<Result<_, _>>()? })
    }
}

/// Where the files of a `filesystem` are. `directory`: where they are if they are on the host.
fn location(filesystem: &Map<String, Value>, directory: &str) -> Result<Location, InvalidAccount> {
    match filesystem.get("provider").and_then(Value::as_i64).unwrap_or(0) {
        0 => Ok(Location::Directory(directory.to_owned())),
        1 => Ok(Location::S3(Box::new(s3_location(filesystem, "")?))),
        provider => Err(InvalidAccount {
            field: "filesystem.provider".into(),
            problem: format!("{provider} is not supported by this version"),
        }),
    }
}

fn wrong(error: &InvalidAccount) -> StorageError {
    StorageError::new(StorageErrorKind::Invalid, error.to_string())
}

impl TreeDescription {
    /// The tree of one folder. `mapped_path`: an absolute path of the host.
    pub fn of_folder(mapped_path: String) -> Self {
        let location = Location::Directory(mapped_path);
        Self { root: FileSystem { location, owner: (0, 0), make_missing: true }, mounts: Vec::new() }
    }
}
