//! Descriptions of file trees: what accounts have, before it is opened.

use crate::path::VirtualPath;
use crate::secret::Secret;

/// A file system, with others mounted at places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeDescription {
    /// The file system at `/`.
    pub root: FileSystem,
    /// The others. A mount may be inside another, whose files it covers; no two are at one place.
    pub mounts: Vec<MountDescription>,
}

/// A file system at a place in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountDescription {
    /// The place in the tree; not the root.
    pub at: VirtualPath,
    /// The file system that is mounted there.
    pub file_system: FileSystem,
}

/// Where a file system is, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Where the files are kept.
    pub location: Location,
    /// The account that uses it; empty: none does. What accounts share is divided by it.
    pub account: String,
    /// Numbers of the user and group of new files; 0 leaves the server's own (A5-16).
    pub owner: (u32, u32),
    /// Whether the file system's root directory is made if it is missing (A4-11).
    pub make_missing: bool,
}

/// Where a file system keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of the server's host: an absolute path.
    Directory(String),
    /// A bucket in a store that speaks S3, or a part of one.
    S3(Box<S3Location>),
    /// A directory of another SFTP server.
    Sftp(Box<SftpLocation>),
}

/// A directory of another SFTP server, as a file tree (C4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SftpLocation {
    /// The server: `HOST:PORT`, or `HOST` for port 22.
    pub endpoint: String,
    /// The user on that server.
    pub username: String,
    /// The user's password; empty: none.
    pub password: Secret,
    /// The user's private key, as text; empty: none.
    pub private_key: Secret,
    /// What the key is encrypted with; empty: it is not.
    pub key_passphrase: Secret,
    /// The host keys that the server may have, as `SHA256:…`. Without one it is not used.
    pub fingerprints: Vec<String>,
    /// The directory there: empty for the root, or an absolute path without `/` at its end.
    pub prefix: String,
    /// Whether a file is read by one request at a time.
    pub one_read_at_a_time: bool,
    /// What a file reads or writes ahead, in MiB; 0: the storage's own.
    pub buffer_size: u32,
}

impl SftpLocation {
    /// The place as a URL, for people.
    pub fn url(&self) -> String {
        format!("sftp://{}@{}{}", self.username, self.endpoint, if self.prefix.is_empty() { "/" } else { &self.prefix })
    }
}

/// Objects in a bucket, as a file tree (A16).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct S3Location {
    /// The bucket's name.
    pub bucket: String,
    /// The bucket's region; empty: `us-east-1`.
    pub region: String,
    /// The store's URL; empty: Amazon's.
    pub endpoint: String,
    /// The name of the key; empty: the credentials of the server's environment.
    pub access_key: String,
    /// The key's secret.
    pub access_secret: Secret,
    /// What temporary keys have besides; empty: nothing.
    pub session_token: Secret,
    /// What the keys of all files begin with: empty, or without `/` at its beginning and with one at its end.
    pub key_prefix: String,
    /// The class of new objects; empty: the store's own.
    pub storage_class: String,
    /// The canned access list of new objects; empty: the store's own.
    pub acl: String,
    /// Whether the bucket's name stands in the path of URLs, and not in their host.
    pub path_style: bool,
    /// The size of the first parts of an upload, in MiB; 0: the storage's own.
    pub upload_part_size: u32,
    /// How many parts of a file are uploaded at once; 0: the storage's own.
    pub upload_concurrency: u32,
}
