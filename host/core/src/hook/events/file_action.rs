//! Events about files (A15, B10).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::hook::Subject;
use crate::path::VirtualPath;
use crate::session::Session;

/// The bit of `open_flags` that says that an upload empties the file first (B10-06).
const TRUNCATES: u32 = 512;

/// The kinds of file actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionKind {
    /// A file is read by the client.
    Download,
    /// The account's first complete download; comes after `Download` (B10-10).
    FirstDownload,
    /// A file is written by the client, or gets another size.
    Upload,
    /// The account's first complete upload; comes after `Upload` (B10-10).
    FirstUpload,
    /// A file or a link is removed.
    Delete,
    /// A file or a directory is renamed.
    Rename,
    /// The server copies a file, or a link to it is made (B10-01).
    Copy,
    /// A directory is made.
    Mkdir,
    /// A directory is removed.
    Rmdir,
    /// An SSH command is executed.
    SshCommand,
}

impl ActionKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Download,
        Self::FirstDownload,
        Self::Upload,
        Self::FirstUpload,
        Self::Delete,
        Self::Rename,
        Self::Copy,
        Self::Mkdir,
        Self::Rmdir,
        Self::SshCommand,
    ];

    /// Whether the action changes files: programs such as rsync do such actions without asking about each.
    pub(crate) fn changes_files(self) -> bool {
        !matches!(self, Self::Download | Self::FirstDownload | Self::FirstUpload | Self::SshCommand)
    }

    /// The name in configuration, and for programs and web servers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::FirstDownload => "first-download",
            Self::Upload => "upload",
            Self::FirstUpload => "first-upload",
            Self::Delete => "delete",
            Self::Rename => "rename",
            Self::Copy => "copy",
            Self::Mkdir => "mkdir",
            Self::Rmdir => "rmdir",
            Self::SshCommand => "ssh_cmd",
        }
    }
}

/// The protocol by which an action was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The SFTP subsystem.
    Sftp,
    /// The command `scp`.
    Scp,
    /// Any other SSH command.
    Ssh,
}

impl Protocol {
    /// The name in log lines and hooks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sftp => "SFTP",
            Self::Scp => "SCP",
            Self::Ssh => "SSH",
        }
    }
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionStatus {
    /// It succeeded.
    Ok,
    /// It failed, for this reason.
    Failed(String),
    /// It failed because a quota, or another limit of size, was exceeded.
    QuotaExceeded,
}

/// An action of a session on its files, before or after it.
#[derive(Debug, Clone)]
pub struct FileAction {
    /// The session.
    pub session: Arc<Session>,
    /// The id of the channel, as in log lines.
    pub channel: String,
    /// The protocol of the channel.
    pub protocol: Protocol,
    /// What is done.
    pub kind: ActionKind,
    /// The path in the account's tree, links resolved where rules depend on them.
    pub path: VirtualPath,
    /// The other path of a rename, a copy or a link.
    pub target: Option<VirtualPath>,
    /// Another spelling of `path`, where it has a link and rules depend on links: as the client wrote it; of a path
    /// that is only named (by an SSH command, or as the target of a new link), where it leads.
    pub written_path: Option<VirtualPath>,
    /// `target` as the client wrote it, where it has a link and rules depend on links.
    pub written_target: Option<VirtualPath>,
    /// The name of `path` in its storage, byte by byte: on the local disk, the path on the host.
    pub storage_path: OsString,
    /// The name of `target` in its storage.
    pub storage_target: Option<OsString>,
    /// What keeps the file: `local`, `s3`, …
    pub storage_kind: &'static str,
    /// Size in bytes: before the action that of the existing file, after it the result, and of a download the
    /// bytes that were sent. None: it is unknown, or [`size_and_open_flags`](Self::size_and_open_flags) has to
    /// look at the file.
    pub size: Option<u64>,
    /// The open flags of an upload: 512 if an existing file is emptied, else 0 (B10-06). None: as for `size`.
    pub open_flags: Option<u32>,
    /// What an upload may overwrite, if no look was taken at it yet.
    pub overwritten: Option<Overwritten>,
    /// The SSH command, such as `rsync`; None for other actions.
    pub ssh_command: Option<String>,
    /// How the action ended; None before it.
    pub status: Option<ActionStatus>,
    /// How long a transfer took, in milliseconds; None for other actions, and before the action.
    pub elapsed_ms: Option<u64>,
    /// When the event was made, in nanoseconds since 1970: of a transfer, when it began.
    pub at: i64,
    /// Access to the beginning of the file; None: there is no file, as in events that `hook test` makes up.
    pub contents: Option<Arc<dyn FileContents>>,
}

/// Access of a hook to a file: it may read its beginning, and see whether it exists.
#[async_trait]
pub trait FileContents: fmt::Debug + Send + Sync {
    /// Reads at most `max` bytes from the beginning of the file.
    ///
    /// # Errors
    /// No file can be read there.
    async fn first_bytes(&self, max: usize) -> Result<Vec<u8>, Unreadable>;

    /// What is found under the file's name now.
    async fn found(&self) -> FoundFile;
}

/// A file cannot be read, for this reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file cannot be read: {0}")]
pub struct Unreadable(pub String);

/// What was found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundFile {
    /// There is nothing of that name.
    Nothing,
    /// A file of so many bytes.
    File(u64),
    /// It cannot be looked up, or is a directory: an upload will fail.
    Unknown,
}

/// What an upload may overwrite, looked up only for hooks that ask: most do not, and looking would take longer
/// than their answer.
#[derive(Debug, Clone)]
pub struct Overwritten {
    truncates: bool,
    found: OnceCell<FoundFile>,
}

impl Overwritten {
    pub(crate) fn new(truncates: bool) -> Self {
        Self { truncates, found: OnceCell::new() }
    }

    /// Size and open flags of an upload; of a new file both are 0 (B10-06).
    pub(crate) fn details(existing: Option<u64>, truncates: bool) -> (Option<u64>, Option<u32>) {
        (Some(existing.unwrap_or(0)), Some(if existing.is_some() && truncates { TRUNCATES } else { 0 }))
    }
}

impl FileAction {
    /// What selectors know of the action.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            action: Some(self.kind.as_str()),
            path: Some(&self.path),
            target: self.target.as_ref(),
            written_path: self.written_path.as_ref(),
            written_target: self.written_target.as_ref(),
            ..self.session.subject()
        }
    }

    /// The path, as the client knows it, that cannot be sent as text, because it or its name in the storage is not
    /// UTF-8; None: all can.
    pub fn not_text(&self) -> Option<&VirtualPath> {
        fn is_text(path: &VirtualPath, stored: Option<&OsStr>) -> bool {
            path.as_os_str().to_str().is_some() && stored.is_none_or(|stored| stored.to_str().is_some())
        }
        if !is_text(&self.path, Some(self.storage_path.as_os_str())) {
            return Some(&self.path);
        }
        self.target.as_ref().filter(|target| !is_text(target, self.storage_target.as_deref()))
    }

    /// The size and the open flags, after a look at the file where that is still needed; None: unknown.
    pub async fn size_and_open_flags(&self) -> (Option<u64>, Option<u32>) {
        let Some(overwritten) = &self.overwritten else { return (self.size, self.open_flags) };
        match *overwritten.found.get_or_init(|| self.look()).await {
            FoundFile::Nothing => Overwritten::details(None, overwritten.truncates),
            FoundFile::File(size) => Overwritten::details(Some(size), overwritten.truncates),
            FoundFile::Unknown => (None, None),
        }
    }

    async fn look(&self) -> FoundFile {
        match &self.contents {
            Some(contents) => contents.found().await,
            None => FoundFile::Unknown,
        }
    }

    /// Reads at most `max` bytes from the beginning of the file.
    ///
    /// # Errors
    /// There is no file that can be read.
    pub async fn first_bytes(&self, max: usize) -> Result<Vec<u8>, Unreadable> {
        match &self.contents {
            Some(contents) => contents.first_bytes(max).await,
            None => Err(Unreadable("there is none".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_says_what_it_writes_over() {
        // B10-06
        for (existing, truncates, size, flags) in [
            (None, false, 0, 0),
            (None, true, 0, 0),
            (Some(0), false, 0, 0),
            (Some(0), true, 0, 512),
            (Some(600), false, 600, 0),
            (Some(600), true, 600, 512),
        ] {
            let found = Overwritten::details(existing, truncates);
            assert_eq!(found, (Some(size), Some(flags)), "{existing:?} {truncates}");
        }
    }
}
