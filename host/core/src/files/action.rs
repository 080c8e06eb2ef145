//! What hooks are asked about and told of files (A15, B10).

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::record::Protocol;
use super::storage::{FileKind, OpenOptions, Storage, StorageError, StorageErrorKind, StorageFile};
use super::{FileError, FirstTransfers};
use crate::hook::observation::PostAction;
use crate::hook::review::{PreAction, Review};
use crate::hook::{Chain, Delivery, HookEvent, Observers, Subject};
use crate::path::VirtualPath;
use crate::session::Session;
use crate::terminal::neutralised;

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
    fn changes_files(self) -> bool {
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
    /// Where the file is; none in tests.
    pub contents: Contents,
}

/// What an upload may write over, for hooks that want to know: for most, looking takes longer
/// than their answer.
#[derive(Debug, Clone)]
pub struct Overwritten {
    truncates: bool,
    found: OnceCell<Found>,
}

#[derive(Debug, Clone, Copy)]
enum Found {
    Nothing,
    /// So many bytes.
    File(u64),
    /// It cannot be seen, or is no file: the upload will fail.
    Unknown,
}

impl Overwritten {
    pub(super) fn new(truncates: bool) -> Self {
        Self { truncates, found: OnceCell::new() }
    }

    /// B10-06: of a new file both are 0.
    pub(super) fn details(existing: Option<u64>, truncates: bool) -> (Option<u64>, Option<u32>) {
        (Some(existing.unwrap_or(0)), Some(if existing.is_some() && truncates { TRUNCATES } else { 0 }))
    }
}

/// Where hooks that look into the file find it.
#[derive(Clone, Default)]
pub struct Contents {
    /// The files of the session.
    pub storage: Option<Arc<dyn Storage>>,
    /// An upload that has no name yet.
    pub unnamed: Option<Arc<dyn StorageFile>>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Contents")
    }
}

impl FileAction {
    pub fn subject(&self) -> Subject<'_> {
        let (action, path, target) = (Some(self.kind.as_str()), Some(&self.path), self.target.as_ref());
        Subject { action, path, target, ..self.session.subject() }
    }

    /// A refusal by a hook; `hook`: its name.
    fn log_denial(&self, hook: &str, reason: &str) {
        let kind = self.kind.as_str();
        tracing::info!(
            sender = "file_hook",
            hook,
            action = kind,
            username = self.session.account.username,
            path = %self.path.display(),
            target = self.target.as_ref().map(|path| path.display().into_owned()),
            reason,
            connection_id = self.channel,
            message = format!("the hook \"{hook}\" refused: {kind} of {}: {reason}", self.path.display()),
        );
    }

    /// The size and the flags, of a file that is looked at for it if need be.
    pub async fn size_and_open_flags(&self) -> (Option<u64>, Option<u32>) {
        let Some(overwritten) = &self.overwritten else { return (self.size, self.open_flags) };
        match *overwritten.found.get_or_init(|| self.look()).await {
            Found::Nothing => Overwritten::details(None, overwritten.truncates),
            Found::File(size) => Overwritten::details(Some(size), overwritten.truncates),
            Found::Unknown => (None, None),
        }
    }

    async fn look(&self) -> Found {
        let Some(storage) = &self.contents.storage else { return Found::Unknown };
        match storage.metadata(&self.path).await {
            Ok(found) if found.kind != FileKind::Directory => Found::File(found.size),
            Err(error) if error.kind == StorageErrorKind::NotFound => Found::Nothing,
            _ => Found::Unknown,
        }
    }

    /// At most `max` bytes from the beginning of the file.
    pub async fn first_bytes(&self, max: usize) -> Result<Vec<u8>, StorageError> {
        let opened;
        let file = match &self.contents {
            Contents { unnamed: Some(file), .. } => &**file,
            Contents { storage: Some(storage), .. } => {
                opened = storage.open(&self.path, OpenOptions { read: true, ..OpenOptions::default() }).await?;
                &*opened
            }
            _ => return Err(StorageError::new(StorageErrorKind::NotFound, "there is no file")),
        };
        let mut bytes = Vec::with_capacity(max);
        while bytes.len() < max {
            let (offset, missing) = (bytes.len() as u64, max - bytes.len());
            if file.read_at(offset, missing, &mut bytes).await? == 0 {
                break;
            }
        }
        Ok(bytes)
    }
}

/// The hooks of file operations.
pub struct FileHooks {
    pub before: Arc<Chain<PreAction>>,
    pub after: Arc<Observers<PostAction>>,
    /// Operations that wait for the hooks after them, and fail with them (B10-08).
    pub synchronous: Vec<ActionKind>,
    /// None where accounts are not kept.
    pub first: Option<Arc<FirstTransfers>>,
}

impl FileHooks {
    /// Whether anybody wants to be asked.
    pub(super) fn asks(&self) -> bool {
        !self.before.is_empty()
    }

    /// Whether somebody has to be told of everything that could be known.
    pub(super) fn asks_with_everything(&self) -> bool {
        self.before.needs_everything()
    }

    /// Whether the operation is done only when the hooks after it say so (B10-08).
    pub(super) fn decide(&self, kind: ActionKind, subject: &Subject<'_>) -> bool {
        self.synchronous.contains(&kind) && self.tells() && self.after.concerns(subject)
    }

    /// The hook, if any, that has to agree to changes of files in `directory`, and does not leave
    /// programs alone that cannot ask it.
    pub(super) fn asked_about_writes(&self, subject: &Subject<'_>, directory: &VirtualPath) -> Option<String> {
        fn first<E: HookEvent>(
            chain: &Chain<E>,
            subject: &Subject<'_>,
            kinds: &[ActionKind],
            directory: &VirtualPath,
        ) -> Option<String> {
            let links = chain.links();
            let mut asked = links.iter().filter(|link| !link.programs_may_write());
            let asked = asked.find(|link| link.selector().can_match(subject, kinds, directory));
            asked.map(|link| link.name().to_owned())
        }
        let changes: Vec<_> = ActionKind::ALL.into_iter().filter(|kind| kind.changes_files()).collect();
        let waits: Vec<_> = changes.iter().copied().filter(|kind| self.synchronous.contains(kind)).collect();
        first(&self.before, subject, &changes, directory)
            .or_else(|| first(self.after.chain(), subject, &waits, directory))
    }

    pub(super) fn tells(&self) -> bool {
        !self.after.chain().is_empty()
    }

    /// `Done`: the operation is not to be done any more.
    pub(super) async fn ask(&self, action: FileAction) -> Result<Review, FileError> {
        let action = Arc::new(action);
        match self.before.decide(&mut PreAction(action.clone())).await {
            Ok(decision) => match decision.verdict {
                Review::Deny(denial) => {
                    action.log_denial(decision.decided_by.as_deref().unwrap_or_default(), &denial.reason);
                    Err(match denial.client_message {
                        Some(message) => FileError::Refused(neutralised(&message)),
                        None => FileError::Denied,
                    })
                }
                verdict => Ok(verdict),
            },
            // The link has logged why.
            Err(_) => Err(FileError::Denied),
        }
    }

    pub(super) async fn tell(&self, action: FileAction) -> Result<(), FileError> {
        let waits = self.synchronous.contains(&action.kind);
        let event = PostAction(Arc::new(action));
        if !waits {
            self.after.notify(event);
            return Ok(());
        }
        self.after.tell(&event, Delivery::Awaited).await.map_err(|refused| {
            event.0.log_denial(&refused.hook, &refused.error.to_string());
            FileError::Failed("a hook refused the operation".into())
        })
    }
}
