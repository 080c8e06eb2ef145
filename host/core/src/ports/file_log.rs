//! The record of what sessions did to files.

use core::time::Duration;

use crate::connection::ConnectionId;
use crate::hook::events::Protocol;

/// Keeps the record. How it is written is the adapter's to choose.
pub trait FileLog: Send + Sync {
    /// Never waits.
    fn record(&self, event: &FileEvent<'_>);
}

/// For servers and tests that keep no record.
pub struct NoFileLog;

impl FileLog for NoFileLog {
    fn record(&self, _event: &FileEvent<'_>) {}
}

/// Something that was done to a file, or a transfer that ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FileEvent<'a> {
    pub channel: &'a ConnectionId,
    /// Of the account.
    pub username: &'a str,
    pub protocol: Protocol,
    /// What the operating system calls the file.
    pub path: &'a str,
    pub what: FileEventKind<'a>,
}

/// What was done. Targets are paths as the operating system calls them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FileEventKind<'a> {
    Download(TransferEnd<'a>),
    Upload(TransferEnd<'a>),
    CreateDirectory,
    RemoveDirectory,
    Remove,
    Rename {
        target: &'a str,
    },
    HardLink {
        target: &'a str,
    },
    /// A link was made that leads to `target`.
    Symlink {
        target: &'a str,
    },
    Copy {
        target: &'a str,
        /// Of the source, in bytes.
        size: u64,
    },
    /// Permission bits.
    SetMode(u32),
    SetOwner {
        uid: u32,
        gid: u32,
    },
    /// Seconds since 1970.
    SetTimes {
        accessed: i64,
        modified: i64,
    },
    /// In bytes.
    SetSize(u64),
    /// A command of the client's, such as `md5sum`.
    Command(&'a str),
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransferEnd<'a> {
    /// That were transferred.
    pub bytes: u64,
    pub elapsed: Duration,
    /// None: it is complete.
    pub failure: Option<&'a str>,
}
