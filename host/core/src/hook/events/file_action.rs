//! What hooks are asked about and told of files (A15, B10).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::hook::Subject;
use crate::path::VirtualPath;
use crate::session::Session;

/// The bit of `open_flags` that says that an upload empties the file first (B10-06).
const TRUNCATES: u32 = 512;

/// Kinds of actions, under their names in hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionKind {
    Download,
    FirstDownload,
    Upload,
    FirstUpload,
    Delete,
    Rename,
    Copy,
    Mkdir,
    Rmdir,
    SshCommand,
}

impl ActionKind {
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

    /// Programs such as rsync do these without asking for each.
    pub(crate) fn changes_files(self) -> bool {
        !matches!(self, Self::Download | Self::FirstDownload | Self::FirstUpload | Self::SshCommand)
    }

    /// In configuration, programs and web servers.
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

/// The protocol that an action came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Sftp,
    Scp,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionStatus {
    Ok,
    Failed(String),
    QuotaExceeded,
}

/// Something a session does, or did, to its files.
#[derive(Debug, Clone)]
pub struct FileAction {
    pub session: Arc<Session>,
    /// The channel, as in log lines.
    pub channel: String,
    pub protocol: Protocol,
    pub kind: ActionKind,
    /// What the client sees.
    pub path: VirtualPath,
    /// Of a rename, a copy or a link.
    pub target: Option<VirtualPath>,
    /// The other spelling of each, if a link is on the way: as the client wrote it.
    pub written_path: Option<VirtualPath>,
    pub written_target: Option<VirtualPath>,
    /// What the operating system calls them.
    pub storage_path: String,
    pub storage_target: Option<String>,
    /// `local`, `s3`, …
    pub storage_kind: &'static str,
    /// The existing size before the action, the resulting one after it; not that of a file that
    /// is yet to be looked at.
    pub size: Option<u64>,
    /// Of an upload, as in SFTP version 3, with the bit 512 for truncation (B10-06); likewise.
    pub open_flags: Option<u32>,
    pub overwritten: Option<Overwritten>,
    pub ssh_command: Option<String>,
    /// None before the action.
    pub status: Option<ActionStatus>,
    pub elapsed_ms: Option<u64>,
    /// Nanoseconds since 1970.
    pub at: i64,
    /// What can be read of the file; none: nothing, as of an event that was made up.
    pub contents: Option<Arc<dyn FileContents>>,
}

/// What a hook may read of a file: its beginning, and whether it is there.
#[async_trait]
pub trait FileContents: fmt::Debug + Send + Sync {
    /// At most `max` bytes from the beginning.
    ///
    /// # Errors
    /// There is no file that can be read.
    async fn first_bytes(&self, max: usize) -> Result<Vec<u8>, Unreadable>;

    /// What has the file's name now.
    async fn found(&self) -> FoundFile;
}

/// Why nothing can be read of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file cannot be read: {0}")]
pub struct Unreadable(pub String);

/// What was found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundFile {
    Nothing,
    /// So many bytes.
    File(u64),
    /// It cannot be seen, or is no file: an upload will fail.
    Unknown,
}

/// What an upload may write over, for hooks that want to know: for most, looking takes longer
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

    /// B10-06: of a new file both are 0.
    pub(crate) fn details(existing: Option<u64>, truncates: bool) -> (Option<u64>, Option<u32>) {
        (Some(existing.unwrap_or(0)), Some(if existing.is_some() && truncates { TRUNCATES } else { 0 }))
    }
}

impl FileAction {
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

    /// The size and the flags, of a file that is looked at for it if need be.
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

    /// At most `max` bytes from the beginning of the file.
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
