//! The hooks around the operations of a [`FileService`].

use std::ffi::OsStr;
use std::sync::Arc;

use tracing::Span;

use super::contents::StoredContents;
use super::place::Place;
use super::transfer::{Transfer, TransferOutcome};
use super::{FileError, FileService};
use crate::hook::Subject;
use crate::hook::events::{ActionKind, ActionStatus, FileAction, Protocol};
use crate::hook::review::Review;
use crate::path::VirtualPath;
use crate::ports::storage::{Metadata, OBJECT_STORAGE};
use crate::session::ActiveTransfer;
use crate::trace;

impl FileAction {
    /// Sets the other path of a rename, a copy or a link.
    pub(super) fn set_target(&mut self, target: &Place<'_>, storage_target: &OsStr) {
        self.target = Some(target.path().clone());
        self.written_target = target.written().cloned();
        self.storage_target = Some(storage_target.to_owned());
    }
}

impl FileService {
    /// The span of an operation on a file. `name`: as in events of hooks, where these have one.
    pub(super) fn span(&self, name: &'static str, path: &VirtualPath, protocol: Protocol) -> Span {
        tracing::info_span!(
            target: trace::TARGET,
            "file",
            otel.name = name,
            path = %path.display(),
            protocol = protocol.as_str(),
            username = self.session.account.username.as_str(),
            connection_id = self.channel.as_str(),
            error = tracing::field::Empty,
            size = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        )
    }

    fn action(&self, kind: ActionKind, place: &Place<'_>, protocol: Protocol) -> FileAction {
        let path = place.path();
        FileAction {
            session: self.session.clone(),
            channel: self.channel.to_string(),
            protocol,
            kind,
            path: path.clone(),
            target: None,
            written_path: place.written().cloned(),
            written_target: None,
            storage_path: self.storage.host_path(path),
            storage_target: None,
            storage_kind: self.storage.kind(path),
            size: None,
            open_flags: None,
            overwritten: None,
            ssh_command: None,
            status: None,
            elapsed_ms: None,
            at: nanoseconds_now(),
            contents: Some(Arc::new(StoredContents { storage: self.storage.clone(), path: path.clone() })),
        }
    }

    /// Asks the hooks before an operation, if there are any.
    ///
    /// # Errors
    /// A hook denies, or a gate cannot decide.
    pub(super) async fn review(
        &self,
        kind: ActionKind,
        place: &Place<'_>,
        protocol: Protocol,
        details: impl FnOnce(&mut FileAction),
    ) -> Result<Review, FileError> {
        if !self.context.hooks.asks() {
            return Ok(Review::Allow);
        }
        let mut action = self.action(kind, place, protocol);
        details(&mut action);
        self.context.hooks.ask(action).await
    }

    /// Tells the hooks of an operation's outcome, if there are any.
    ///
    /// # Errors
    /// That of the outcome, or a synchronous hook refused the operation (B10-08).
    pub(super) async fn done(
        &self,
        kind: ActionKind,
        place: &Place<'_>,
        protocol: Protocol,
        outcome: Result<(), FileError>,
        details: impl FnOnce(&mut FileAction),
    ) -> Result<(), FileError> {
        if !self.context.hooks.tells() {
            return outcome;
        }
        let mut action = self.action(kind, place, protocol);
        details(&mut action);
        action.status = Some(match &outcome {
            Ok(()) => ActionStatus::Ok,
            Err(FileError::QuotaExceeded(_)) => ActionStatus::QuotaExceeded,
            Err(error) => ActionStatus::Failed(error.to_string()),
        });
        let told = self.context.hooks.tell(action).await;
        outcome?;
        told
    }

    /// The metadata of a file, if it exists and there are hooks to tell of its size.
    pub(super) async fn metadata_for_hooks(&self, path: &VirtualPath) -> Option<Metadata> {
        if !self.context.hooks.asks() && !self.context.hooks.tells() {
            return None;
        }
        self.storage.symlink_metadata(path).await.ok()
    }

    /// Whether the hooks decide at its end whether an upload of this name stays (B10-08).
    pub(super) fn upload_is_provisional(&self, place: &Place<'_>) -> bool {
        let kind = ActionKind::Upload;
        let subject = Subject {
            action: Some(kind.as_str()),
            path: Some(place.path()),
            written_path: place.written(),
            ..self.session.subject()
        };
        self.context.hooks.decide(kind, &subject)
    }

    pub(super) fn transfer(&self, place: &Place<'_>, protocol: Protocol, upload: bool) -> Transfer {
        let path = place.path();
        let told = self.context.hooks.tells().then(|| {
            let kind = if upload { ActionKind::Upload } else { ActionKind::Download };
            (self.context.hooks.clone(), self.action(kind, place, protocol))
        });
        let first =
            self.context.hooks.first.clone().filter(|_| self.session.traffic.may_be_first(upload)).map(|first| {
                let kind = if upload { ActionKind::Upload } else { ActionKind::Download };
                (first, self.action(kind, place, protocol))
            });
        let at = nanoseconds_now() / 1_000_000;
        let active = Arc::new(ActiveTransfer::new(upload, path.display().into_owned(), at));
        self.session.live.transfer_began(active.clone());
        let (session, metrics, log) = (self.session.clone(), self.context.metrics.clone(), self.context.log.clone());
        let kind = if upload { ActionKind::Upload } else { ActionKind::Download };
        let span = self.span(kind.as_str(), path, protocol);
        let outcome = TransferOutcome { told, first, session, active, metrics, log, span };
        let is_object = self.storage.kind(path) == OBJECT_STORAGE;
        Transfer::new(self.channel.clone(), protocol, self.storage.host_path(path), is_object, upload, outcome)
    }
}

fn nanoseconds_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
