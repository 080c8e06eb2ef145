//! What requests to stores and to other servers are for (A20-06).

use std::sync::atomic::AtomicU64;

use super::number;

/// What a request to object storage is for (A20-06).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectRequest {
    /// Whether there is an object, and its size.
    Head,
    /// A part of an object, or all of it.
    Get,
    /// A whole object.
    Put,
    /// The beginning, a part or the end of an upload in parts.
    Multipart,
    /// A copy inside the store.
    Copy,
    /// The end of an object.
    Delete,
    /// A page of a list.
    List,
    /// Any other.
    Other,
    /// Whether there is a bucket.
    HeadBucket,
    /// A new bucket.
    CreateBucket,
}

impl ObjectRequest {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Head,
        Self::Get,
        Self::Put,
        Self::Multipart,
        Self::Copy,
        Self::Delete,
        Self::List,
        Self::Other,
        Self::HeadBucket,
        Self::CreateBucket,
    ];

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Get => "get",
            Self::Put => "put",
            Self::Multipart => "multipart",
            Self::Copy => "copy",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Other => "other",
            Self::HeadBucket => "head_bucket",
            Self::CreateBucket => "create_bucket",
        }
    }
}

/// Requests to a store, or to another server. One that is repeated counts each time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests<N = u64> {
    /// All requests.
    pub all: N,
    /// Those that were not answered, or refused. That there is no such object or file is an answer.
    pub failed: N,
}

/// What a request to another SFTP server that has files is for (A20-06).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SftpRequest {
    /// The beginning of the use of a file.
    Open,
    /// The end of the use of a file or directory.
    Close,
    /// A part of a file.
    Read,
    /// A part of a file that is stored.
    Write,
    /// The attributes of a name, or the target of a link.
    Stat,
    /// A part of a list.
    List,
    /// A change of attributes or names.
    Change,
    /// Any other.
    Other,
}

impl SftpRequest {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Open, Self::Close, Self::Read, Self::Write, Self::Stat, Self::List, Self::Change, Self::Other];

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::Read => "read",
            Self::Write => "write",
            Self::Stat => "stat",
            Self::List => "list",
            Self::Change => "change",
            Self::Other => "other",
        }
    }
}

impl Requests<AtomicU64> {
    pub(super) fn read(&self) -> Requests {
        Requests { all: number(&self.all), failed: number(&self.failed) }
    }
}
