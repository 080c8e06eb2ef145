//! The log of what sessions do to files.

use core::net::IpAddr;
use core::time::Duration;

use crate::connection::ConnectionId;
use crate::hook::events::Protocol;

/// Takes events of files; the adapter decides what it writes.
pub trait FileLog: Send + Sync {
    /// Takes one event, without waiting.
    fn record(&self, event: &FileEvent<'_>);
}

/// Drops all events.
pub struct NoFileLog;

impl FileLog for NoFileLog {
    fn record(&self, _event: &FileEvent<'_>) {}
}

/// An operation on a file that was done, or a transfer that ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FileEvent<'a> {
    /// The channel of the session.
    pub channel: &'a ConnectionId,
    /// The account's name.
    pub username: &'a str,
    /// The client's address.
    pub address: IpAddr,
    /// The protocol of the channel.
    pub protocol: Protocol,
    /// The path of the file on the host.
    pub path: &'a str,
    /// The operation.
    pub what: FileEventKind<'a>,
}

/// The operation. Targets are paths on the host, as [`FileEvent::path`] is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FileEventKind<'a> {
    /// A transfer to the client ended.
    Download(TransferEnd<'a>),
    /// A transfer from the client ended.
    Upload(TransferEnd<'a>),
    /// A directory was made.
    CreateDirectory,
    /// A directory was removed.
    RemoveDirectory,
    /// A file or symbolic link was removed.
    Remove,
    /// The file or directory got another name.
    Rename {
        /// The new path.
        target: &'a str,
    },
    /// The file got a second name.
    HardLink {
        /// The path of the new name.
        target: &'a str,
    },
    /// A symbolic link was made at the path.
    Symlink {
        /// Where the link leads.
        target: &'a str,
    },
    /// The file was copied on the server.
    Copy {
        /// The path of the copy.
        target: &'a str,
        /// The size of the source, in bytes.
        size: u64,
    },
    /// The permission bits were set.
    SetMode(u32),
    /// The owner, the group or both were set.
    SetOwner {
        /// The owner's number on the host; none: the owner stayed.
        uid: Option<u32>,
        /// The group's number on the host; none: the group stayed.
        gid: Option<u32>,
    },
    /// The times were set; both are in seconds since 1970.
    SetTimes {
        /// The time of the last access.
        accessed: i64,
        /// The time of the last change.
        modified: i64,
    },
    /// The size was set, in bytes.
    SetSize(u64),
    /// An SSH command was executed, such as `md5sum`.
    Command(&'a str),
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransferEnd<'a> {
    /// The number of bytes that were transferred.
    pub bytes: u64,
    /// The time from open to close.
    pub elapsed: Duration,
    /// Why the transfer failed; none: it is complete.
    pub failure: Option<&'a str>,
}
