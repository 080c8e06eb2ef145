//! File trees of accounts and folders, as descriptions for the storage port.

use serde_json::{Map, Value};

use super::object_storage::s3_location;
use super::sftp_storage::sftp_location;
use super::{AccountValues, InvalidAccount};
use crate::ports::storage::{FileSystem, Location, MountDescription, StorageError, StorageErrorKind, TreeDescription};

impl AccountValues {
    /// The account's tree: its home, and its folders at their paths.
    ///
    /// # Errors
    /// `NotFound`: a folder has no `mapped_path`. `Invalid`: its file system is not one that the server has.
    pub fn file_tree(&self) -> Result<TreeDescription, StorageError> {
        let owner = (self.uid, self.gid);
        let account = &self.username;
        let at = |location, make_missing| FileSystem { location, account: account.clone(), owner, make_missing };
        let mounts = self.folders.iter().map(|folder| {
            let place = location(&folder.filesystem, &folder.mapped_path).map_err(|error| wrong(&error))?;
            if place == Location::Directory(String::new()) {
                let text = format!("the folder \"{}\" has no path; make it with a mapped_path", folder.name);
                return Err(StorageError::new(StorageErrorKind::NotFound, text));
            }
            Ok(MountDescription { at: folder.virtual_path.clone(), file_system: at(place, true) })
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
        5 => Ok(Location::Sftp(Box::new(sftp_location(filesystem, "")?))),
        provider => Err(InvalidAccount {
            field: "filesystem.provider".into(),
            problem: format!("{provider} is not supported by this version"),
        }),
    }
}

/// Whether a `filesystem` is of a kind that the server has, and is described as it has to be.
pub(super) fn is_served(filesystem: &Map<String, Value>) -> bool {
    location(filesystem, "").is_ok()
}

fn wrong(error: &InvalidAccount) -> StorageError {
    StorageError::new(StorageErrorKind::Invalid, error.to_string())
}

impl TreeDescription {
    /// The tree of one folder, from its document.
    ///
    /// # Errors
    /// `Invalid`: its file system is not one that the server has.
    pub fn of_folder(document: &Map<String, Value>) -> Result<Self, StorageError> {
        let none = Map::new();
        let filesystem = document.get("filesystem").and_then(Value::as_object).unwrap_or(&none);
        let path = document.get("mapped_path").and_then(Value::as_str).unwrap_or_default();
        let location = location(filesystem, path).map_err(|error| wrong(&error))?;
        let root = FileSystem { location, account: String::new(), owner: (0, 0), make_missing: true };
        Ok(Self { root, mounts: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountDraft, CredentialRule};

    #[test]
    fn homes_and_folders_are_of_any_kind() {
        // C4-01, C5-01, A16-05
        let bucket = |name: &str| {
            format!(
                r#""filesystem":{{"provider":1,"s3config":{{"bucket":"{name}","endpoint":"http://h","key_prefix":"p/"}}}}"#
            )
        };
        let tree = |home: &str, folder: &str| {
            let json = format!(
                r#"{{"status":1,"username":"u","home_dir":"/srv/u","permissions":{{"/":["*"]}},{home}
                "virtual_folders":[{{"name":"f","virtual_path":"/f"{folder}}}]}}"#
            );
            let user = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account;
            let tree = user.file_tree().map_err(|error| error.kind)?;
            let place = |location: &Location| match location {
                Location::Directory(path) => path.clone(),
                Location::S3(place) => format!("{}:{}:{}", place.bucket, place.key_prefix, place.path_style),
                Location::Sftp(place) => format!("{}@{}:{}", place.username, place.endpoint, place.prefix),
            };
            Ok((place(&tree.root.location), place(&tree.mounts[0].file_system.location)))
        };
        let both = |home: &str, folder: &str| Ok((home.to_owned(), folder.to_owned()));
        let (one, other) = (format!("{},", bucket("one")), format!(",{}", bucket("other")));
        assert_eq!(tree("", r#","mapped_path":"/srv/f""#), both("/srv/u", "/srv/f"));
        assert_eq!(tree(&one, r#","mapped_path":"/srv/f""#), both("one:p/:true", "/srv/f"));
        assert_eq!(tree("", &other), both("/srv/u", "other:p/:true"));
        assert_eq!(tree(&one, &other), both("one:p/:true", "other:p/:true"));
        assert_eq!(tree("", ""), Err(StorageErrorKind::NotFound));
        let sftp = r#""filesystem":{"provider":5,"sftpconfig":{"endpoint":"h:22","username":"u","password":"p","prefix":"/d"}}"#;
        let (home, folder) = (format!("{sftp},"), format!(",{sftp}"));
        assert_eq!(tree(&home, &other), both("u@h:22:/d", "other:p/:true"));
        assert_eq!(tree("", &folder), both("/srv/u", "u@h:22:/d"));
    }
    #[test]
    fn other_kinds_are_refused_by_their_number() {
        // C4-01
        let folder = |provider: &str| {
            let json = format!(r#"{{"mapped_path":"/srv/f","filesystem":{{{provider}}}}}"#);
            TreeDescription::of_folder(&serde_json::from_str(&json).unwrap()).map(|tree| tree.root.location)
        };
        for local in ["", r#""provider":0"#, r#""provider":null"#] {
            assert_eq!(folder(local), Ok(Location::Directory("/srv/f".into())), "{local}");
        }
        let account = |provider: i64| {
            let json = format!(
                r#"{{"status":1,"username":"u","home_dir":"/srv/u","permissions":{{"/":["*"]}},
                "filesystem":{{"provider":{provider}}}}}"#
            );
            let validated = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional);
            validated.map(drop).map_err(|error| error.field)
        };
        assert_eq!(account(0), Ok(()));
        for provider in [2, 3, 4, 6] {
            let error = folder(&format!(r#""provider":{provider}"#)).unwrap_err();
            assert_eq!(error.kind, StorageErrorKind::Invalid, "{provider}");
            assert!(error.message.contains(&format!("{provider} is not supported")), "{error}");
            assert_eq!(account(provider), Err("filesystem.provider".into()), "{provider}");
        }
    }
}
