//! The only way to a file: permission first, then storage. A [`FileService`] belongs to one
//! session and one account; protocols have nothing else to reach files with.

mod accounting;
mod attributes;
mod contents;
mod copy;
mod ending;
mod error;
mod file_hooks;
mod first;
mod held_names;
mod hooks;
mod names;
mod open_file;
mod open_flags;
mod opening;
mod place;
mod program_room;
mod read_coverage;
mod transfer;
mod usage;
mod visible;

use std::sync::{Arc, OnceLock};

use arc_swap::Guard;
use place::{LastName, Place};

pub use attributes::SetAttributesPolicy;
pub use copy::CopyRange;
pub use error::FileError;
pub use file_hooks::FileHooks;
pub use first::FirstTransfers;
pub use held_names::HeldNames;
pub use open_file::OpenFile;
pub use program_room::ProgramRoom;

use crate::account::{EffectiveAccount, NameVerdict};
use crate::connection::ConnectionId;
use crate::hook::events::ActionKind;
use crate::hook::events::FileAction;
pub use crate::hook::events::Protocol;
use crate::metrics::Metrics;
use crate::path::VirtualPath;
use crate::permission::{Permission, PermissionSet};
use crate::ports::storage::{DirectoryReader, Metadata, Space, Storage, TEMPORARY_PREFIX};
use crate::ports::{FileEvent, FileEventKind, FileLog};
use crate::quota::{QuotaKeeper, Volume};
use crate::session::Session;
use visible::Visible;

/// What the files of all sessions share.
pub struct FileContext {
    pub policy: SetAttributesPolicy,
    pub hooks: Arc<FileHooks>,
    pub quotas: Arc<QuotaKeeper>,
    pub held_names: Arc<HeldNames>,
    pub metrics: Arc<Metrics>,
    pub log: Arc<dyn FileLog>,
}

/// The files of one session.
pub struct FileService {
    storage: Arc<dyn Storage>,
    /// Made where it is needed.
    storage_without_links: OnceLock<Arc<dyn Storage>>,
    context: Arc<FileContext>,
    session: Arc<Session>,
    /// What the account has transferred; none: that is not counted.
    volume: Option<Arc<Volume>>,
    channel: ConnectionId,
}

impl FileService {
    pub(crate) fn new(
        session: Arc<Session>,
        storage: Arc<dyn Storage>,
        context: Arc<FileContext>,
        channel: ConnectionId,
    ) -> Self {
        let volume = context.quotas.volumes.of(&session.account);
        Self { storage, storage_without_links: OnceLock::new(), context, session, volume, channel }
    }

    /// Files of a session that did not log in: for tests of protocols and storages only. Elsewhere
    /// a login opens them ([`open_files`](crate::login::AuthenticatedAccount::open_files)).
    pub fn for_tests(session: Arc<Session>, storage: Arc<dyn Storage>, context: Arc<FileContext>) -> Arc<Self> {
        let channel = session.id.clone();
        Arc::new(Self::new(session, storage, context, channel))
    }

    pub fn username(&self) -> &str {
        &self.session.account.username
    }

    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// As it is now: an administrator may have changed it since the login.
    pub fn account(&self) -> Guard<Arc<EffectiveAccount>> {
        self.session.live.account()
    }

    /// Where relative paths begin.
    pub fn start_directory(&self) -> VirtualPath {
        self.account().filters.start_directory.clone()
    }

    /// The start directory is made if it is missing.
    pub async fn prepare_start_directory(&self) {
        let start = self.start_directory();
        let mut missing = Vec::new();
        let mut above = start;
        while !above.is_root() && self.storage.metadata(&above).await.is_err() {
            missing.push(above.clone());
            above = above.parent();
        }
        for directory in missing.into_iter().rev() {
            if let Err(error) = self.storage.create_directory(&directory, None).await {
                let message = format!("the start directory \"{}\" could not be made: {error}", directory.display());
                tracing::warn!(sender = "sftpd", message, connection_id = self.channel.as_str());
                return;
            }
        }
    }

    pub(crate) fn permissions_at(&self, directory: &VirtualPath) -> PermissionSet {
        self.account().permissions.at(directory)
    }

    pub(crate) fn require(&self, directory: &VirtualPath, permission: Permission) -> Result<(), FileError> {
        self.require_any(directory, &[permission])
    }

    fn require_any(&self, directory: &VirtualPath, permissions: &[Permission]) -> Result<(), FileError> {
        if self.permissions_at(directory).allows_any(permissions) { Ok(()) } else { Err(FileError::Denied) }
    }

    /// The patterns of the account let this name be used.
    fn require_name(&self, path: &VirtualPath) -> Result<(), FileError> {
        // Names of uploads that are not complete: the server's own, and not counted.
        if path.file_name().is_some_and(|name| name.starts_with(TEMPORARY_PREFIX)) {
            return Err(FileError::Denied);
        }
        match self.account().filters.file_patterns.of(path) {
            NameVerdict::Allowed => Ok(()),
            NameVerdict::Denied => Err(FileError::Denied),
            NameVerdict::Hidden => Err(FileError::NotFound),
        }
    }

    /// For programs that do not ask.
    pub fn allows_at(&self, directory: &VirtualPath, permission: Permission) -> bool {
        self.permissions_at(directory).allows(permission)
    }

    /// What the operating system calls a directory, links on the way followed; it is inside
    /// the account's files.
    pub async fn confined_host_path(&self, path: &VirtualPath) -> Result<std::path::PathBuf, FileError> {
        Ok(self.tree().real_path(path).await?)
    }

    /// Names that may be seen though they must not be used are no obstacle.
    fn require_visible(&self, path: &VirtualPath) -> Result<(), FileError> {
        match self.account().filters.file_patterns.of(path) {
            NameVerdict::Allowed | NameVerdict::Denied => Ok(()),
            NameVerdict::Hidden => Err(FileError::NotFound),
        }
    }

    /// `list` on the parent (A5-05).
    pub async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, FileError> {
        let place = self.place(path, LastName::Followed, |path| self.require_look(path)).await?;
        Ok(self.tree().metadata(&place).await?)
    }

    /// `list` on the parent (A5-05).
    pub async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, FileError> {
        let place = self.place(path, LastName::Itself, |path| self.require_look(path)).await?;
        Ok(self.tree().symlink_metadata(&place).await?)
    }

    fn require_look(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.require(&path.parent(), Permission::List)?;
        self.require_visible(path)
    }

    /// Of a file or directory that is about to be sent or written, for clients that say what
    /// they expect it to be: who may do that may know as much without `list` (A6-04).
    pub async fn metadata_for_transfer(&self, path: &VirtualPath) -> Result<Metadata, FileError> {
        let transfers = [Permission::List, Permission::Download, Permission::Upload, Permission::CreateDirs];
        let check = |path: &VirtualPath| {
            if !self.permissions_at(path).allows_any(&transfers) {
                self.require_any(&path.parent(), &transfers)?;
            }
            self.require_visible(path)
        };
        let place = self.place(path, LastName::Followed, check).await?;
        Ok(self.tree().metadata(&place).await?)
    }

    /// For a directory that is sent as a whole: `download` on it is enough (A6-04).
    pub async fn read_directory_for_download(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, FileError> {
        self.readable_directory(path, &[Permission::List, Permission::Download]).await
    }

    /// `list` on the directory itself (A5-05).
    pub async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, FileError> {
        self.readable_directory(path, &[Permission::List]).await
    }

    async fn readable_directory(
        &self,
        path: &VirtualPath,
        permissions: &[Permission],
    ) -> Result<Box<dyn DirectoryReader>, FileError> {
        let check = |path: &VirtualPath| {
            self.require_any(path, permissions)?;
            self.require_visible(path)
        };
        let place = self.place(path, LastName::Followed, check).await?;
        let reader = self.tree().read_directory(&place).await?;
        let patterns = self.account().filters.file_patterns.clone();
        // Of both ends of a link.
        let other = place.written().filter(|written| patterns.concern(written));
        let of = |path: &VirtualPath| patterns.concern(path).then(|| patterns.clone());
        let visible = Visible::new(reader, place.path(), of(&place));
        Ok(match other {
            Some(written) => Box::new(Visible::new(Box::new(visible), written, of(written))),
            None => Box::new(visible),
        })
    }

    /// `list` on the parent (A5-05).
    pub async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, FileError> {
        let place = self.place(path, LastName::Itself, |path| self.require_look(path)).await?;
        Ok(self.tree().read_link(&place).await?)
    }

    /// `list` on the parent; of a limited account the quota is part of it.
    pub async fn space(&self, path: &VirtualPath) -> Result<Space, FileError> {
        let place = self.place(path, LastName::Followed, |path| self.require_look(path)).await?;
        let space = self.tree().space(&place).await?;
        self.within_quota(&place, space).await
    }

    pub fn user_name(&self, uid: u32) -> Option<String> {
        self.storage.user_name(uid)
    }

    pub fn group_name(&self, gid: u32) -> Option<String> {
        self.storage.group_name(gid)
    }

    /// An SSH command failed, or was refused.
    pub fn ssh_command_failed(&self) {
        self.context.metrics.ssh_command_errors.inc();
    }

    /// An SSH command is about to be executed (B10-01). `written`: the path as the client wrote it.
    pub async fn review_ssh_command(
        &self,
        command: &str,
        path: &VirtualPath,
        written: Option<&VirtualPath>,
    ) -> Result<(), FileError> {
        let details = |action: &mut FileAction| action.ssh_command = Some(command.to_owned());
        let place = self.command_place(path, written).await;
        // There is nothing that a hook could have done in its place.
        self.review(ActionKind::SshCommand, &place, Protocol::Ssh, details).await.map(drop)
    }

    async fn command_place<'a>(&self, path: &'a VirtualPath, written: Option<&'a VirtualPath>) -> Place<'a> {
        match written {
            Some(written) => Place::found(path, Some(written)),
            None => self.named_place(path).await,
        }
    }

    /// A program is about to change files in `directory`, without asking for each of them.
    pub fn require_unasked_writes(&self, program: &str, directory: &VirtualPath) -> Result<(), FileError> {
        let Some(hook) = self.context.hooks.asked_about_writes(&self.session.subject(), directory) else {
            return Ok(());
        };
        let message = format!(
            "{program} may not write to \"{}\": the hook \"{hook}\" is asked about each file, and {program} does not ask; \
             programs = \"allow\" on the hook lets it",
            directory.display()
        );
        tracing::info!(sender = "ssh_command", message, connection_id = self.channel.as_str());
        Err(FileError::Refused(format!(
            "is refused: a hook of this server has to see each file that is written, which {program} does not allow; \
             use sftp or scp instead"
        )))
    }

    /// An SSH command was executed (A7-09).
    pub async fn record_ssh_command(&self, command: &str, path: &VirtualPath, written: Option<&VirtualPath>) {
        self.context.metrics.ssh_commands.inc();
        self.record(Protocol::Ssh, path, FileEventKind::Command(command));
        let details = |action: &mut FileAction| action.ssh_command = Some(command.to_owned());
        let place = self.command_place(path, written).await;
        // The command has run; there is nothing to take back.
        let _ = self.done(ActionKind::SshCommand, &place, Protocol::Ssh, Ok(()), details).await;
    }

    /// What was done is in the log even when a hook then fails the operation.
    fn record_if(
        &self,
        outcome: &Result<(), FileError>,
        protocol: Protocol,
        path: &VirtualPath,
        what: FileEventKind<'_>,
    ) {
        if outcome.is_ok() {
            self.record(protocol, path, what);
        }
    }

    fn record(&self, protocol: Protocol, path: &VirtualPath, what: FileEventKind<'_>) {
        self.context.log.record(&FileEvent {
            channel: &self.channel,
            username: &self.session.account.username,
            protocol,
            path: &self.storage.host_path(path),
            what,
        });
    }
}
