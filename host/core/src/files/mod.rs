//! The only way to a file: permission first, then storage. A [`FileService`] belongs to one
//! session and one account; protocols have nothing else to reach files with.

mod action;
mod first;
mod hooks;
mod open_file;
mod record;
pub mod storage;

use std::sync::Arc;

use storage::{
    DirectoryReader, FileKind, Metadata, OpenOptions, SetAttributes, Space, Storage, StorageError, StorageErrorKind,
    StorageFile,
};

pub use action::{ActionKind, ActionStatus, Contents, FileAction, FileHooks};
pub use first::FirstTransfers;
pub use open_file::OpenFile;
pub use record::{Command, FileLog, NO_TIME, Protocol, Transfer};

use crate::account::Account;
use crate::connection::ConnectionId;
use crate::hook::review::Review;
use crate::path::VirtualPath;
use crate::permission::Permission;
use crate::session::Session;

/// What requests for attributes do (A3-24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SetAttributesPolicy {
    #[default]
    Apply,
    /// Answer success and change nothing.
    Ignore,
}

/// Why a file operation was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("permission denied")]
    Denied,
    /// By a hook, in its own words.
    #[error("{0}")]
    Refused(String),
    #[error("no such file or directory")]
    NotFound,
    #[error("operation not supported")]
    Unsupported,
    #[error("{0}")]
    Failed(String),
}

impl From<StorageError> for FileError {
    fn from(error: StorageError) -> Self {
        match error.kind {
            StorageErrorKind::NotFound => Self::NotFound,
            StorageErrorKind::PermissionDenied => Self::Denied,
            StorageErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Failed(error.message),
        }
    }
}

impl From<crate::path::PathError> for FileError {
    fn from(error: crate::path::PathError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The bit of `open_flags` that says that an upload empties the file first (B10-06).
const TRUNCATES: u32 = 512;

/// The files of one session.
pub struct FileService {
    account: Arc<Account>,
    storage: Arc<dyn Storage>,
    policy: SetAttributesPolicy,
    log: FileLog,
    session: Arc<Session>,
    hooks: Arc<FileHooks>,
    channel: ConnectionId,
}

impl FileService {
    pub(crate) fn new(
        session: Arc<Session>,
        storage: Arc<dyn Storage>,
        policy: SetAttributesPolicy,
        hooks: Arc<FileHooks>,
        channel: ConnectionId,
    ) -> Self {
        let account = session.account.clone();
        let log = FileLog::new(channel.clone(), account.username.clone());
        Self { account, storage, policy, log, session, hooks, channel }
    }

    pub fn username(&self) -> &str {
        &self.account.username
    }

    fn require(&self, directory: &VirtualPath, permission: Permission) -> Result<(), FileError> {
        self.require_any(directory, &[permission])
    }

    fn require_any(&self, directory: &VirtualPath, permissions: &[Permission]) -> Result<(), FileError> {
        if self.account.permissions.at(directory).allows_any(permissions) { Ok(()) } else { Err(FileError::Denied) }
    }

    /// Opens for reading: `download` on the parent (A5-05).
    pub async fn open_read(&self, path: &VirtualPath, protocol: Protocol) -> Result<OpenFile, FileError> {
        self.require(&path.parent(), Permission::Download)?;
        let options = OpenOptions { read: true, ..OpenOptions::default() };
        self.review(ActionKind::Download, path, protocol, |action| action.size = Some(0)).await?;
        let file = self.storage.open(path, options).await?;
        if file.metadata().await?.kind == FileKind::Directory {
            return Err(FileError::Failed("is a directory".into()));
        }
        Ok(self.opened(file, path, protocol, options))
    }

    /// Opens for writing: `upload` on the parent, and `overwrite` if the file exists
    /// (A5-05, A5-06). Reading as well needs `download`.
    pub async fn open_write(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
        protocol: Protocol,
    ) -> Result<OpenFile, FileError> {
        let parent = path.parent();
        self.require(&parent, Permission::Upload)?;
        if options.read {
            self.require(&parent, Permission::Download)?;
        }
        let mut options = options;
        let mut existing_size = None;
        match self.storage.metadata(path).await {
            // A5-09
            Ok(existing) if existing.kind == FileKind::Directory => {
                return Err(FileError::Unsupported);
            }
            Ok(existing) => {
                self.require(&parent, Permission::Overwrite)?;
                existing_size = Some(existing.size);
            }
            // The file must not appear between this look and the open, or `overwrite` would
            // have been skipped.
            Err(error) if error.kind == StorageErrorKind::NotFound => {
                options.exclusive |=
                    options.create && !self.account.permissions.at(&parent).allows(Permission::Overwrite);
            }
            Err(error) => return Err(error.into()),
        }
        self.review(ActionKind::Upload, path, protocol, |action| {
            // B10-06: of a new file both are 0.
            action.size = Some(existing_size.unwrap_or(0));
            action.open_flags = Some(existing_size.map_or(0, |_| if options.truncate { TRUNCATES } else { 0 }));
        })
        .await?;
        let file = self.storage.open(path, options).await?;
        Ok(self.opened(file, path, protocol, options))
    }

    fn opened(
        &self,
        file: Box<dyn StorageFile>,
        path: &VirtualPath,
        protocol: Protocol,
        options: OpenOptions,
    ) -> OpenFile {
        OpenFile {
            file,
            options,
            permissions: self.account.permissions.at(&path.parent()),
            policy: self.policy,
            transfer: self.transfer(path, protocol, options.write),
            session: self.session.clone(),
            storage: self.storage.clone(),
            path: path.clone(),
        }
    }

    /// `list` on the parent (A5-05).
    pub async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, FileError> {
        self.require(&path.parent(), Permission::List)?;
        Ok(self.storage.metadata(path).await?)
    }

    /// `list` on the parent (A5-05).
    pub async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, FileError> {
        self.require(&path.parent(), Permission::List)?;
        Ok(self.storage.symlink_metadata(path).await?)
    }

    /// `list` on the directory itself (A5-05).
    pub async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, FileError> {
        self.require(path, Permission::List)?;
        Ok(self.storage.read_directory(path).await?)
    }

    pub async fn create_directory(
        &self,
        path: &VirtualPath,
        mode: Option<u32>,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        self.require(&path.parent(), Permission::CreateDirs)?;
        self.review(ActionKind::Mkdir, path, protocol, |_| {}).await?;
        let outcome = self.storage.create_directory(path, mode).await;
        self.done(ActionKind::Mkdir, path, protocol, outcome, |_| {}).await?;
        self.record("Mkdir", protocol, path, Command::default());
        Ok(())
    }

    pub async fn remove_directory(&self, path: &VirtualPath, protocol: Protocol) -> Result<(), FileError> {
        self.refuse_root(path)?;
        self.require_any(&path.parent(), &[Permission::Delete, Permission::DeleteDirs])?;
        self.review(ActionKind::Rmdir, path, protocol, |_| {}).await?;
        let outcome = self.storage.remove_directory(path).await;
        self.done(ActionKind::Rmdir, path, protocol, outcome, |_| {}).await?;
        self.record("Rmdir", protocol, path, Command::default());
        Ok(())
    }

    pub async fn remove_file(&self, path: &VirtualPath, protocol: Protocol) -> Result<(), FileError> {
        self.refuse_root(path)?;
        self.require_any(&path.parent(), &[Permission::Delete, Permission::DeleteFiles])?;
        let size = self.size_for_hooks(path).await;
        let review = self.review(ActionKind::Delete, path, protocol, |action| action.size = size).await?;
        if review == Review::Done {
            // J-04: the program has deleted it, and wants to hear no more of it.
            return Ok(());
        }
        let outcome = match self.storage.remove_file(path).await {
            // B10-07: a hook that removed the file itself is as good.
            Err(error) if error.kind == StorageErrorKind::NotFound && size.is_some() => Ok(()),
            outcome => outcome,
        };
        self.done(ActionKind::Delete, path, protocol, outcome, |action| action.size = size).await?;
        self.record("Remove", protocol, path, Command::default());
        Ok(())
    }

    /// `rename` on both parents (A5-05, J-19); replacing a file needs `overwrite` on the
    /// target (A5-07).
    pub async fn rename(
        &self,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: bool,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        self.refuse_root(from)?;
        self.refuse_root(to)?;
        let kind = self.storage.symlink_metadata(from).await.map(|metadata| metadata.kind);
        let by_kind = match kind {
            Ok(FileKind::Directory) => Permission::RenameDirs,
            _ => Permission::RenameFiles,
        };
        for side in [from, to] {
            self.require_any(&side.parent(), &[Permission::Rename, by_kind])?;
        }
        self.refuse_other_rules_below(from)?;
        self.refuse_other_rules_below(to)?;
        kind?;
        let may_replace = self.account.permissions.at(&to.parent()).allows(Permission::Overwrite);
        if replace && !may_replace && self.storage.symlink_metadata(to).await.is_ok() {
            return Err(FileError::Denied);
        }
        let details = |action: &mut FileAction| {
            action.target = Some(to.clone());
            action.storage_target = Some(self.storage.host_path(to));
        };
        self.review(ActionKind::Rename, from, protocol, details).await?;
        let outcome = self.storage.rename(from, to, replace && may_replace).await;
        self.done(ActionKind::Rename, from, protocol, outcome, details).await?;
        let target_path = self.storage.host_path(to);
        self.record("Rename", protocol, from, Command { target_path, ..Command::default() });
        Ok(())
    }

    /// A second name gives the file's content and a way to change it: `download` and
    /// `upload` at its place, `upload` at the new one.
    pub async fn hard_link(
        &self,
        existing: &VirtualPath,
        new: &VirtualPath,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        self.refuse_root(new)?;
        for permission in [Permission::Download, Permission::Upload, Permission::Overwrite] {
            self.require(&existing.parent(), permission)?;
            self.require(&new.parent(), permission)?;
        }
        self.storage.hard_link(existing, new).await?;
        let target_path = self.storage.host_path(new);
        self.record("Link", protocol, existing, Command { target_path, ..Command::default() });
        Ok(())
    }

    /// `create_symlinks` on the parent of the link (A5-05). Following it later is subject to
    /// storage's confinement.
    pub async fn create_symlink(&self, target: &[u8], link: &VirtualPath, protocol: Protocol) -> Result<(), FileError> {
        self.refuse_root(link)?;
        if target.is_empty() {
            return Err(FileError::NotFound);
        }
        let meant = VirtualPath::resolve(&link.parent(), target)?;
        self.refuse_root(&meant)?;
        self.require(&link.parent(), Permission::CreateSymlinks)?;
        // Permissions are looked up by the path that the client wrote: through a link, those
        // of its place would hold for what it points to.
        if self.account.permissions.has_several_directories() {
            return Err(FileError::Denied);
        }
        self.storage.create_symlink(target, link).await?;
        let target_path = self.storage.host_path(&meant);
        self.record("Symlink", protocol, link, Command { target_path, ..Command::default() });
        Ok(())
    }

    pub async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, FileError> {
        self.require(&path.parent(), Permission::List)?;
        Ok(self.storage.read_link(path).await?)
    }

    /// `chmod`, `chown`, `chtimes` on the parent, or on the path itself for a directory's
    /// own entry there (A5-05); a new size needs `upload` and `overwrite`.
    pub async fn set_attributes(
        &self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        check_attribute_permissions(self.account.permissions.at(&path.parent()), attributes)?;
        let Some(effective) = effective_attributes(self.policy, attributes) else {
            return Ok(());
        };
        self.storage.set_attributes(path, &effective, follow).await?;
        record_attributes(&self.log, &effective, protocol, &self.storage.host_path(path));
        Ok(())
    }

    pub async fn space(&self, path: &VirtualPath) -> Result<Space, FileError> {
        self.require(&path.parent(), Permission::List)?;
        Ok(self.storage.space(path).await?)
    }

    pub fn user_name(&self, uid: u32) -> Option<String> {
        self.storage.user_name(uid)
    }

    pub fn group_name(&self, gid: u32) -> Option<String> {
        self.storage.group_name(gid)
    }

    /// An SSH command was executed (A7-09).
    pub async fn record_ssh_command(&self, command: &str, path: &VirtualPath) {
        self.record(
            "SSHCommand",
            Protocol::Ssh,
            path,
            Command { ssh_command: command.to_owned(), ..Command::default() },
        );
        let details = |action: &mut FileAction| action.ssh_command = Some(command.to_owned());
        // The command has run; there is nothing to take back.
        let _ = self.done(ActionKind::SshCommand, path, Protocol::Ssh, Ok(()), details).await;
    }

    /// A directory with rules of its own, or one above it, keeps its name: the rules are bound
    /// to the path and would stay behind.
    fn refuse_other_rules_below(&self, path: &VirtualPath) -> Result<(), FileError> {
        if self.account.permissions.entries().any(|(directory, _)| directory.is_same_or_below(path)) {
            return Err(FileError::Denied);
        }
        Ok(())
    }

    /// A5-07
    fn refuse_root(&self, path: &VirtualPath) -> Result<(), FileError> {
        if path.is_root() { Err(FileError::Denied) } else { Ok(()) }
    }

    fn record(&self, sender: &'static str, protocol: Protocol, path: &VirtualPath, command: Command) {
        self.log.command(sender, protocol, &self.storage.host_path(path), &command);
    }
}

fn effective_attributes(policy: SetAttributesPolicy, attributes: &SetAttributes) -> Option<SetAttributes> {
    let effective = match policy {
        SetAttributesPolicy::Apply => *attributes,
        SetAttributesPolicy::Ignore => SetAttributes { size: attributes.size, ..SetAttributes::default() },
    };
    (!effective.is_empty()).then_some(effective)
}

fn check_attribute_permissions(
    permissions: crate::permission::PermissionSet,
    attributes: &SetAttributes,
) -> Result<(), FileError> {
    let needed = [
        (attributes.size.is_some(), Permission::Upload),
        (attributes.size.is_some(), Permission::Overwrite),
        (attributes.mode.is_some(), Permission::Chmod),
        (attributes.owner.is_some(), Permission::Chown),
        (attributes.times.is_some(), Permission::Chtimes),
    ];
    let allowed = needed.iter().all(|(asked, permission)| !asked || permissions.allows(*permission));
    if allowed { Ok(()) } else { Err(FileError::Denied) }
}

fn record_attributes(log: &FileLog, changed: &SetAttributes, protocol: Protocol, host_path: &str) {
    if let Some(mode) = changed.mode {
        log.command("Chmod", protocol, host_path, &Command { mode: Some(mode), ..Command::default() });
    }
    if changed.owner.is_some() {
        log.command("Chown", protocol, host_path, &Command { owner: changed.owner, ..Command::default() });
    }
    if changed.times.is_some() {
        log.command("Chtimes", protocol, host_path, &Command { times: changed.times, ..Command::default() });
    }
    if let Some(size) = changed.size {
        log.command("Truncate", protocol, host_path, &Command { size: Some(size), ..Command::default() });
    }
}
