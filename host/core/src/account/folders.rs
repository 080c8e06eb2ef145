//! Virtual folders: other directories of the host, or buckets, in an account's tree (C5).

use serde_json::{Map, Value};

use super::draft::{AccountDraft, InvalidAccount, invalid};
use super::filter_validation::{directory, objects};
use super::filter_words::flag;
use super::object_storage::s3_location;
use super::sftp_storage::sftp_location;
use crate::path::VirtualPath;

pub(super) const MAX_NAME: usize = 255;

/// One folder as one account sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualFolder {
    /// The folder's name: accounts with the same name share the folder and its usage. At most 255 characters.
    pub name: String,
    /// Where it is in the account's tree.
    pub virtual_path: VirtualPath,
    /// The directory: an absolute path of the host; empty until it was read from the stored folder.
    pub mapped_path: String,
    /// The stored folder's `filesystem`; empty: the folder is a directory of the host.
    pub filesystem: Map<String, Value>,
    /// Where the folder's files count.
    pub quota: FolderQuota,
}

/// Where the files in a folder count (C5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderQuota {
    /// The files count for the account (−1 in the document).
    OfAccount,
    /// The files count for the folder, which has limits of its own.
    Own {
        /// Bytes; 0: unlimited.
        size: i64,
        /// Number of files; 0: unlimited.
        files: i64,
    },
}

/// All of an account's folders. One may be inside another, whose files it covers; no two are at one place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VirtualFolders(Vec<VirtualFolder>);

impl VirtualFolders {
    /// Whether the account has no folders.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The folders, in the order of the document.
    pub fn iter(&self) -> std::slice::Iter<'_, VirtualFolder> {
        self.0.iter()
    }

    /// The folder that holds `path`, the innermost of those around it; None: it is in the home.
    pub fn at(&self, path: &VirtualPath) -> Option<&VirtualFolder> {
        let around = self.0.iter().filter(|folder| path.is_same_or_below(&folder.virtual_path));
        around.max_by_key(|folder| folder.virtual_path.as_bytes().len())
    }

    /// Whether a folder is at `path` or below it: such a path cannot be renamed or removed.
    pub fn any_below(&self, path: &VirtualPath) -> bool {
        self.0.iter().any(|folder| folder.virtual_path.is_same_or_below(path))
    }

    /// Whether a folder is below `path`, so that not all that is there is of one file system.
    pub fn any_inside(&self, path: &VirtualPath) -> bool {
        self.0.iter().any(|folder| folder.virtual_path != *path && folder.virtual_path.is_same_or_below(path))
    }
}

impl AccountDraft {
    pub(super) fn validated_folders(&self) -> Result<VirtualFolders, InvalidAccount> {
        let mut folders: Vec<VirtualFolder> = Vec::new();
        for (prefix, object) in objects(&self.document, "", "virtual_folders")? {
            let folder = folder(object, &prefix)?;
            // C5-02
            if let Some(other) = folders.iter().find(|other| other.virtual_path == folder.virtual_path) {
                let problem = format!("\"{}\" is the place of another folder", other.virtual_path.display());
                return Err(invalid(format!("{prefix}virtual_path"), problem));
            }
            folders.push(folder);
        }
        Ok(VirtualFolders(folders))
    }
}

fn folder(object: &Map<String, Value>, prefix: &str) -> Result<VirtualFolder, InvalidAccount> {
    let virtual_path = directory(object, prefix, "virtual_path")?;
    if virtual_path.is_root() {
        return Err(invalid(format!("{prefix}virtual_path"), "must not be \"/\": that is the home directory"));
    }
    let mapped_path = check_folder(object, prefix)?;
    // In documents of the first era the path of a folder is its name.
    let name = match text(object, prefix, "name")? {
        "" => mapped_path.clone(),
        name => name.to_owned(),
    };
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(invalid(
            format!("{prefix}name"),
            "a folder needs a name of at most 255 characters, or a mapped_path",
        ));
    }
    let quota = folder_quota(object, prefix)?;
    let filesystem = match object.get("filesystem") {
        Some(Value::Object(filesystem)) if !is_local(filesystem) => filesystem.clone(),
        Some(Value::Object(_) | Value::Null) | None => Map::new(),
        Some(_) => return Err(invalid(format!("{prefix}filesystem"), "must be an object")),
    };
    Ok(VirtualFolder { name, virtual_path, mapped_path, filesystem, quota })
}

/// The path of a folder's document, or of an entry of an account; empty where it names none. Checks where the
/// files are.
pub(super) fn check_folder(object: &Map<String, Value>, prefix: &str) -> Result<String, InvalidAccount> {
    let mapped_path = text(object, prefix, "mapped_path")?.trim_end_matches('/').to_owned();
    let climbs = mapped_path.contains('\0') || mapped_path.split('/').any(|component| component == "..");
    if !mapped_path.is_empty() && (!mapped_path.starts_with('/') || climbs) {
        return Err(invalid(format!("{prefix}mapped_path"), "must be an absolute path without \"..\""));
    }
    if let Some(Value::Object(filesystem)) = object.get("filesystem") {
        // Another type would mean the host's disk.
        if filesystem.get("provider").is_some_and(|provider| !provider.is_null() && provider.as_i64().is_none()) {
            return Err(invalid(format!("{prefix}filesystem.provider"), "must be an integer"));
        }
        match provider(filesystem) {
            0 => {}
            1 => drop(s3_location(filesystem, prefix)?),
            5 => drop(sftp_location(filesystem, prefix)?),
            _ => {
                let problem = "is not supported; use 0 (local), 1 (S3) or 5 (SFTP)";
                return Err(invalid(format!("{prefix}filesystem.provider"), problem));
            }
        }
    }
    Ok(mapped_path)
}

/// The text of a field; empty where there is none.
fn text<'a>(object: &'a Map<String, Value>, prefix: &str, field: &str) -> Result<&'a str, InvalidAccount> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(invalid(format!("{prefix}{field}"), "must be a text")),
    }
}

fn provider(filesystem: &Map<String, Value>) -> i64 {
    filesystem.get("provider").and_then(Value::as_i64).unwrap_or(0)
}

/// Whether the files of a `filesystem` are on the host.
pub(super) fn is_local(filesystem: &Map<String, Value>) -> bool {
    provider(filesystem) == 0
}

fn folder_quota(object: &Map<String, Value>, prefix: &str) -> Result<FolderQuota, InvalidAccount> {
    let number = |field: &str| match object.get(field) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value
            .as_i64()
            .filter(|value| *value >= -1)
            .ok_or_else(|| invalid(format!("{prefix}{field}"), "must be an integer of at least -1")),
    };
    let is_said = object.get("exclude_from_quota").is_some_and(|value| !value.is_null());
    let counts_for_account = is_said && !flag(object, prefix, "exclude_from_quota")?;
    match (number("quota_size")?, number("quota_files")?) {
        (-1, -1) => Ok(FolderQuota::OfAccount),
        (-1, _) | (_, -1) => {
            Err(invalid(format!("{prefix}quota_size"), "-1 must be the value of quota_size and quota_files both"))
        }
        // The way of the first era to count the files for the account.
        (0, 0) if counts_for_account => Ok(FolderQuota::OfAccount),
        (size, files) => Ok(FolderQuota::Own { size, files }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::CredentialRule;
    use super::*;

    fn check(folders: &str, problem: Option<&str>) {
        let json = format!(
            r#"{{"status":1,"username":"u","home_dir":"/srv/u","permissions":{{"/":["*"]}},"virtual_folders":{folders}}}"#
        );
        let outcome = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional);
        assert_eq!(outcome.err().map(|error| error.field).as_deref(), problem, "{folders}");
    }

    #[test]
    fn a_path_is_in_the_innermost_folder() {
        // C5-02
        let folder = |name: &str, path: &str| VirtualFolder {
            name: name.to_owned(),
            virtual_path: VirtualPath::parse_normalised(path).unwrap(),
            mapped_path: String::new(),
            filesystem: Map::new(),
            quota: FolderQuota::OfAccount,
        };
        let folders = VirtualFolders(vec![folder("outer", "/a"), folder("inner", "/a/b/c"), folder("other", "/ab")]);
        let check = |path: &str, expected: Option<&str>, any_below: bool| {
            let path = VirtualPath::parse_normalised(path).unwrap();
            assert_eq!(folders.at(&path).map(|folder| folder.name.as_str()), expected, "{path:?}");
            assert_eq!(folders.any_below(&path), any_below, "{path:?}");
        };
        check("/", None, true);
        check("/x", None, false);
        check("/a", Some("outer"), true);
        check("/a/b", Some("outer"), true);
        check("/a/x", Some("outer"), false);
        check("/a/b/c", Some("inner"), true);
        check("/a/b/c/d", Some("inner"), false);
        check("/ab/x", Some("other"), false);
    }

    #[test]
    fn folders_are_checked() {
        // C5-01
        check(r#"[{"name":"a","virtual_path":"/a","mapped_path":"/srv/a"}]"#, None);
        check(r#"[{"virtual_path":"/a","mapped_path":"/srv/a","exclude_from_quota":true}]"#, None);
        check(r#"[{"name":"a","virtual_path":"/a","quota_size":-1,"quota_files":-1}]"#, None);
        check(r#"[{"name":"a","virtual_path":"/a","quota_size":-1}]"#, Some("virtual_folders.0.quota_size"));
        check(r#"[{"name":"a","virtual_path":"/"}]"#, Some("virtual_folders.0.virtual_path"));
        check(r#"[{"name":"a","virtual_path":"/a/../b"}]"#, Some("virtual_folders.0.virtual_path"));
        check(r#"[{"name":"a","virtual_path":"/a","mapped_path":"b"}]"#, Some("virtual_folders.0.mapped_path"));
        check(r#"[{"virtual_path":"/a"}]"#, Some("virtual_folders.0.name"));
        // C5-02
        let two =
            |path: &str| format!(r#"[{{"name":"a","virtual_path":"/a/b"}},{{"name":"b","virtual_path":"{path}"}}]"#);
        check(&two("/a"), None);
        check(&two("/a/b/c"), None);
        check(&two("/a/b"), Some("virtual_folders.1.virtual_path"));
        check(r#"{"name":"a"}"#, Some("virtual_folders"));
        let with = |filesystem: &str| format!(r#"[{{"name":"a","virtual_path":"/a","filesystem":{filesystem}}}]"#);
        check(&with(r#"{"provider":0}"#), None);
        check(&with(r#"{"provider":1,"s3config":{"bucket":"b"}}"#), None);
        check(&with(r#"{"provider":1}"#), Some("virtual_folders.0.filesystem.s3config.bucket"));
        check(&with(r#"{"provider":4}"#), Some("virtual_folders.0.filesystem.provider"));
        check(&with(r#"{"provider":5}"#), Some("virtual_folders.0.filesystem.sftpconfig.endpoint"));
        // Another type is no value that is left out.
        check(&with(r#"{"provider":"1"}"#), Some("virtual_folders.0.filesystem.provider"));
        check(&with("7"), Some("virtual_folders.0.filesystem"));
        check(&with("null"), None);
        let also = |field: &str| format!(r#"[{{"virtual_path":"/a","mapped_path":"/srv/a",{field}}}]"#);
        check(&also(r#""name":7"#), Some("virtual_folders.0.name"));
        check(&also(r#""exclude_from_quota":"false""#), Some("virtual_folders.0.exclude_from_quota"));
        check(r#"[{"name":"a","virtual_path":"/a","mapped_path":7}]"#, Some("virtual_folders.0.mapped_path"));
    }

    #[test]
    fn the_files_of_a_folder_count_for_it_or_for_the_account() {
        // C5-01: in all eras
        let check = |fields: &str, name: &str, expected: FolderQuota| {
            let json = format!(
                r#"{{"status":1,"username":"u","home_dir":"/srv/u","permissions":{{"/":["*"]}},
                "virtual_folders":[{{"virtual_path":"/f","mapped_path":"/srv/f/"{fields}}}]}}"#
            );
            let account = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account;
            let found: Vec<_> = account.folders.iter().map(|folder| (folder.name.as_str(), folder.quota)).collect();
            assert_eq!(found, [(name, expected)], "{fields}");
        };
        let own = |size: i64, files: i64| FolderQuota::Own { size, files };
        check(r#","name":"f""#, "f", own(0, 0));
        check(r#","name":"f","quota_size":7,"quota_files":3"#, "f", own(7, 3));
        check(r#","name":"f","quota_size":-1,"quota_files":-1"#, "f", FolderQuota::OfAccount);
        // The first era had neither names nor quotas.
        check("", "/srv/f", own(0, 0));
        check(r#","exclude_from_quota":true"#, "/srv/f", own(0, 0));
        check(r#","exclude_from_quota":false"#, "/srv/f", FolderQuota::OfAccount);
    }
}
