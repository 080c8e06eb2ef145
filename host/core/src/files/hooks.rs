//! The hooks around the operations of a [`FileService`].

use super::action::{ActionKind, ActionStatus, Contents, FileAction};
use super::record::{Protocol, Transfer};
use super::storage::StorageError;
use super::{FileError, FileService, OpenFile};
use crate::hook::review::Review;
use crate::path::VirtualPath;

impl FileService {
    fn action(&self, kind: ActionKind, path: &VirtualPath, protocol: Protocol) -> FileAction {
        FileAction {
            session: self.session.clone(),
            channel: self.channel.to_string(),
            protocol,
            kind,
            path: path.clone(),
            target: None,
            storage_path: self.storage.host_path(path),
            storage_target: None,
            storage_kind: self.storage.kind(),
            size: None,
            open_flags: None,
            ssh_command: None,
            status: None,
            elapsed_ms: None,
            at: nanoseconds_now(),
            contents: Contents(Some(self.storage.clone())),
        }
    }

    /// Asks the hooks before an operation, if there are any.
    pub(super) async fn review(
        &self,
        kind: ActionKind,
        path: &VirtualPath,
        protocol: Protocol,
        details: impl FnOnce(&mut FileAction),
    ) -> Result<Review, FileError> {
        if !self.hooks.asks() {
            return Ok(Review::Allow);
        }
        let mut action = self.action(kind, path, protocol);
        details(&mut action);
        self.hooks.ask(action).await
    }

    /// Tells the hooks of an operation's outcome, if there are any; gives the outcome back.
    pub(super) async fn done(
        &self,
        kind: ActionKind,
        path: &VirtualPath,
        protocol: Protocol,
        outcome: Result<(), StorageError>,
        details: impl FnOnce(&mut FileAction),
    ) -> Result<(), FileError> {
        if !self.hooks.tells() {
            return Ok(outcome?);
        }
        let mut action = self.action(kind, path, protocol);
        details(&mut action);
        action.status = Some(match &outcome {
            Ok(()) => ActionStatus::Ok,
            Err(error) => ActionStatus::Failed(error.message.clone()),
        });
        let told = self.hooks.tell(action).await;
        outcome?;
        told
    }

    /// Of an existing file, if a hook will want to know.
    pub(super) async fn size_for_hooks(&self, path: &VirtualPath) -> Option<u64> {
        if !self.hooks.asks() && !self.hooks.tells() {
            return None;
        }
        self.storage.symlink_metadata(path).await.ok().map(|metadata| metadata.size)
    }

    pub(super) fn transfer(&self, path: &VirtualPath, protocol: Protocol, upload: bool) -> Transfer {
        let told = self.hooks.tells().then(|| {
            let kind = if upload { ActionKind::Upload } else { ActionKind::Download };
            (self.hooks.clone(), self.action(kind, path, protocol))
        });
        let first = self.hooks.first.clone().filter(|_| self.session.traffic.may_be_first(upload)).map(|first| {
            let kind = if upload { ActionKind::Upload } else { ActionKind::Download };
            (first, self.action(kind, path, protocol))
        });
        Transfer::new(self.log.clone(), protocol, self.storage.host_path(path), upload, told, first)
    }
}

impl OpenFile {
    /// The hooks are told when the file is in its place, because they want to look at it; an
    /// upload that one of them fails is removed again (B10-08).
    pub(super) async fn close_synchronously(mut self) -> Result<(), FileError> {
        let finished = self.file.finish().await;
        if let Err(error) = finished {
            self.transfer.fail_with(&error.message);
            return Err(error.into());
        }
        let told = self.transfer.complete_synchronously().await;
        if told.is_err() && self.options.write {
            self.storage.remove_file(&self.path).await?;
        }
        told
    }
}

fn nanoseconds_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
