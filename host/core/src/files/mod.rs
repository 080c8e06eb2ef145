//! The only way to a file: each operation checks permissions, then uses the storage. A [`FileService`]
//! belongs to one session and one account; protocols have no other type to reach files with.

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
mod moving;
mod names;
mod open_file;
mod open_flags;
mod opening;
mod place;
mod program_room;
mod read_coverage;
mod renames;
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
use crate::ports::storage::{DirectoryReader, Metadata, Space, Storage};
use crate::ports::{FileEvent, FileEventKind, FileLog};
use crate::quota::{QuotaKeeper, Volume};
use crate::session::Session;
use visible::Visible;

/// Services that the files of all sessions share.
pub struct FileContext {
    /// What requests to change attributes do (A3-24).
    pub policy: SetAttributesPolicy,
    /// The most files of a directory that a rename copies where it cannot be renamed at once; 0: only empty directories
    /// are (`rename_mode`).
    pub rename_limit: usize,
    /// The hooks of file operations.
    pub hooks: Arc<FileHooks>,
    /// The usages of accounts and folders.
    pub quotas: Arc<QuotaKeeper>,
    /// Names that must not change while hooks look at uploads.
    pub held_names: Arc<HeldNames>,
    /// Counts transfers and commands.
    pub metrics: Arc<Metrics>,
    /// Logs what happens to files.
    pub log: Arc<dyn FileLog>,
}

/// The files of one session.
pub struct FileService {
    storage: Arc<dyn Storage>,
    /// The storage that follows no links, opened when it is first needed.
    storage_without_links: OnceLock<Arc<dyn Storage>>,
    /// The storage that follows no links where they might lead to what a folder covers, as above.
    storage_without_links_to_covered: OnceLock<Arc<dyn Storage>>,
    context: Arc<FileContext>,
    session: Arc<Session>,
    /// The volume that the account has transferred; None: it is not counted.
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
        let (storage_without_links, storage_without_links_to_covered) = (OnceLock::new(), OnceLock::new());
        Self { storage, storage_without_links, storage_without_links_to_covered, context, session, volume, channel }
    }

    /// The files of a session that did not log in: only for tests of protocols and storages. Elsewhere a login
    /// opens them ([`open_files`](crate::login::AuthenticatedAccount::open_files)).
    pub fn for_tests(session: Arc<Session>, storage: Arc<dyn Storage>, context: Arc<FileContext>) -> Arc<Self> {
        let channel = session.id.clone();
        Arc::new(Self::new(session, storage, context, channel))
    }

    /// The name of the account, as it was at the login.
    pub fn username(&self) -> &str {
        &self.session.account.username
    }

    /// The session whose files these are.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The account as it is now: an administrator may have changed it since the login.
    pub fn account(&self) -> Guard<Arc<EffectiveAccount>> {
        self.session.live.account()
    }

    /// The directory where relative paths begin.
    pub fn start_directory(&self) -> VirtualPath {
        self.account().filters.start_directory.clone()
    }

    /// Makes the start directory if it is missing; a failure is logged.
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

    /// Checks that the patterns of the account let this name be used.
    fn require_name(&self, path: &VirtualPath) -> Result<(), FileError> {
        // Names of incomplete uploads belong to the server, and are not counted.
        if path.file_name().is_some_and(|name| self.storage.is_unfinished(&path.parent(), name)) {
            return Err(FileError::Denied);
        }
        match self.account().filters.file_patterns.of(path) {
            NameVerdict::Allowed => Ok(()),
            NameVerdict::Denied => Err(FileError::Denied),
            NameVerdict::Hidden => Err(FileError::NotFound),
        }
    }

    /// Whether the account has a permission in `directory`, for programs whose single operations are not checked.
    pub fn allows_at(&self, directory: &VirtualPath, permission: Permission) -> bool {
        self.permissions_at(directory).allows(permission)
    }

    /// The path of a directory on the host, with links resolved; always inside the account's files.
    ///
    /// # Errors
    /// The files are not on the host, or the path cannot be resolved.
    pub async fn confined_host_path(&self, path: &VirtualPath) -> Result<std::path::PathBuf, FileError> {
        Ok(self.tree().real_path(path).await?)
    }

    /// Checks that no pattern hides the name; denied names may be seen.
    fn require_visible(&self, path: &VirtualPath) -> Result<(), FileError> {
        match self.account().filters.file_patterns.of(path) {
            NameVerdict::Allowed | NameVerdict::Denied => Ok(()),
            NameVerdict::Hidden => Err(FileError::NotFound),
        }
    }

    /// The metadata of a file, links followed. Needs `list` on the parent (A5-05).
    ///
    /// # Errors
    /// The permission is missing, or the storage cannot tell.
    pub async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, FileError> {
        let place = self.place(path, LastName::Followed, |path| self.require_look(path)).await?;
        Ok(self.tree().metadata(&place).await?)
    }

    /// The metadata of a file, or of the link itself. Needs `list` on the parent (A5-05).
    ///
    /// # Errors
    /// The permission is missing, or the storage cannot tell.
    pub async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, FileError> {
        let place = self.place(path, LastName::Itself, |path| self.require_look(path)).await?;
        Ok(self.tree().symlink_metadata(&place).await?)
    }

    fn require_look(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.require(&path.parent(), Permission::List)?;
        self.require_visible(path)
    }

    /// The metadata of a file or directory that is about to be sent or written by a protocol that has to know what
    /// it is. Any permission to transfer is enough, without `list` (A6-04).
    ///
    /// # Errors
    /// All such permissions are missing, or the storage cannot tell.
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

    /// As [`read_directory`](Self::read_directory), for a directory that is sent as a whole: `download` on it is
    /// enough (A6-04).
    ///
    /// # Errors
    /// As of [`read_directory`](Self::read_directory).
    pub async fn read_directory_for_download(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, FileError> {
        self.readable_directory(path, &[Permission::List, Permission::Download]).await
    }

    /// A reader of the directory's visible entries. Needs `list` on the directory itself (A5-05).
    ///
    /// # Errors
    /// The permission is missing, or the storage cannot open the directory.
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
        // Names have to be visible by the rules of the resolved path and of the written one.
        let other = place.written().filter(|written| patterns.concern(written));
        let of = |path: &VirtualPath| patterns.concern(path).then(|| patterns.clone());
        let visible = Visible::new(reader, self.storage.clone(), place.path(), of(&place));
        Ok(match other {
            Some(written) => Box::new(Visible::new(Box::new(visible), self.storage.clone(), written, of(written))),
            None => Box::new(visible),
        })
    }

    /// The target of a symbolic link, as it is written there. Needs `list` on the parent (A5-05).
    ///
    /// # Errors
    /// The permission is missing, or the path is no link.
    pub async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, FileError> {
        let place = self.place(path, LastName::Itself, |path| self.require_look(path)).await?;
        Ok(self.tree().read_link(&place).await?)
    }

    /// The space of the file system, within the account's quota. Needs `list` on the parent.
    ///
    /// # Errors
    /// The permission is missing, or the storage cannot tell.
    pub async fn space(&self, path: &VirtualPath) -> Result<Space, FileError> {
        let place = self.place(path, LastName::Followed, |path| self.require_look(path)).await?;
        let space = self.tree().space(&place).await?;
        self.within_quota(&place, space).await
    }

    /// Whether an operation may wait for another host that has files of this tree.
    pub fn is_remote(&self) -> bool {
        self.storage.is_remote()
    }

    /// Whether an operation that hooks are asked about may wait for a process or a network.
    pub fn may_wait_for_hooks(&self) -> bool {
        self.context.hooks.may_wait()
    }

    /// The names of users of the host, in the order of their numbers; an empty one: unknown.
    pub async fn user_names(&self, uids: Vec<u32>) -> Vec<String> {
        self.storage.user_names(uids).await
    }

    /// The names of groups of the host, in the order of their numbers; an empty one: unknown.
    pub async fn group_names(&self, gids: Vec<u32>) -> Vec<String> {
        self.storage.group_names(gids).await
    }

    /// Counts an SSH command that failed or was refused.
    pub fn ssh_command_failed(&self) {
        self.context.metrics.ssh_command(false);
    }

    /// Asks the hooks about an SSH command that is about to be executed (B10-01). `written`: the path as the client
    /// wrote it, if `path` is resolved already.
    ///
    /// # Errors
    /// A hook denies, or a gate cannot decide.
    pub async fn review_ssh_command(
        &self,
        command: &str,
        path: &VirtualPath,
        written: Option<&VirtualPath>,
    ) -> Result<(), FileError> {
        let details = |action: &mut FileAction| action.ssh_command = Some(command.to_owned());
        let place = self.command_place(path, written).await;
        // `Done` has no meaning here: no hook runs a command in the server's place.
        self.review(ActionKind::SshCommand, &place, Protocol::Ssh, details).await.map(drop)
    }

    async fn command_place<'a>(&self, path: &'a VirtualPath, written: Option<&'a VirtualPath>) -> Place<'a> {
        match written {
            Some(written) => Place::found(path, Some(written)),
            None => self.named_place(path).await,
        }
    }

    /// Checks that a program may change files in `directory` without asking hooks about each of them.
    ///
    /// # Errors
    /// `Refused`: a hook decides about such changes.
    pub fn require_unasked_writes(&self, program: &str, directory: &VirtualPath) -> Result<(), FileError> {
        let hook = self.context.hooks.asked_about_writes(&self.session.subject(), directory);
        self.require_unasked(program, directory, hook, ("write to", "written"))
    }

    /// Checks that a program may read files in `directory` without asking hooks about each of them.
    ///
    /// # Errors
    /// `Refused`: a hook decides about downloads.
    pub fn require_unasked_reads(&self, program: &str, directory: &VirtualPath) -> Result<(), FileError> {
        let hook = self.context.hooks.asked_about_reads(&self.session.subject(), directory);
        self.require_unasked(program, directory, hook, ("read", "read"))
    }

    /// `hook`: the name of one that would have to be asked. The use of the files, as what the program does and as what
    /// is done to them.
    fn require_unasked(
        &self,
        program: &str,
        directory: &VirtualPath,
        hook: Option<String>,
        (does, done): (&str, &str),
    ) -> Result<(), FileError> {
        let Some(hook) = hook else { return Ok(()) };
        let message = format!(
            "{program} may not {does} \"{}\": the hook \"{hook}\" is asked about each file, and {program} does not ask; \
             programs = \"allow\" on the hook lets it",
            directory.display()
        );
        tracing::info!(sender = "ssh_command", message, connection_id = self.channel.as_str());
        Err(FileError::Refused(format!(
            "is refused: a hook of this server has to see each file that is {done}, which {program} does not allow; \
             use sftp or scp instead"
        )))
    }

    /// Counts and logs an SSH command that was executed, and tells the hooks (A7-09).
    pub async fn record_ssh_command(&self, command: &str, path: &VirtualPath, written: Option<&VirtualPath>) {
        self.context.metrics.ssh_command(true);
        self.record(Protocol::Ssh, path, FileEventKind::Command(command));
        let details = |action: &mut FileAction| action.ssh_command = Some(command.to_owned());
        let place = self.command_place(path, written).await;
        // The command has run: a hook that refuses comes too late.
        let _ = self.done(ActionKind::SshCommand, &place, Protocol::Ssh, Ok(()), details).await;
    }

    /// Logs what was done, before hooks are told: they may still fail the operation.
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
            address: self.session.connection.remote.ip(),
            protocol,
            path: &self.storage.host_path(path).to_string_lossy(),
            what,
        });
    }
}
