//! One download or upload: the bytes that it moved, its end, and the records and events of it.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use tracing::{Instrument as _, Span};

use super::contents::ShownContents;
use super::file_hooks::FileHooks;
use super::{FileError, FirstTransfers};
use crate::connection::ConnectionId;
use crate::hook::events::{ActionStatus, FileAction, FileContents, Protocol};
use crate::hook::observation::PostAction;
use crate::metrics::Metrics;
use crate::ports::storage::Shown;
use crate::ports::{Clock, FileEvent, FileEventKind, FileLog, SystemClock, TransferEnd};
use crate::session::{ActiveTransfer, Session};
use crate::trace;

/// One download or upload, from open to close. It is logged, and the hooks get it, when it is complete or
/// dropped.
pub struct Transfer {
    channel: ConnectionId,
    protocol: Protocol,
    host_path: OsString,
    /// Whether the file is in object storage.
    is_object: bool,
    upload: bool,
    bytes_in: u64,
    bytes_out: u64,
    started: Instant,
    /// The offset at which an upload continues an existing file, or a download begins; None: nothing was moved.
    resumed_at: Option<u64>,
    /// Why the transfer failed, if it did.
    failure: Option<FileError>,
    recorded: bool,
    was_resized: bool,
    size: Option<u64>,
    /// Whether the file was read only for a checksum or a copy, so that no download is recorded.
    is_internal: bool,
    outcome: TransferOutcome,
}

/// The receivers of a transfer's end.
pub struct TransferOutcome {
    /// Hooks to tell, with the event so far; None: there are none.
    pub told: Option<(Arc<FileHooks>, FileAction)>,
    /// Where a first transfer is stored, with the event so far; None: it cannot be the account's first.
    pub first: Option<(Arc<FirstTransfers>, FileAction)>,
    /// The session of the transfer.
    pub session: Arc<Session>,
    /// The transfer as administrators see it while it lasts.
    pub active: Arc<ActiveTransfer>,
    /// Counts transfers and their bytes.
    pub metrics: Arc<Metrics>,
    /// Logs the end of the transfer.
    pub log: Arc<dyn FileLog>,
    /// From open to close.
    pub span: Span,
}

impl Transfer {
    /// A transfer that begins now.
    pub fn new(
        channel: ConnectionId,
        protocol: Protocol,
        host_path: OsString,
        is_object: bool,
        upload: bool,
        outcome: TransferOutcome,
    ) -> Self {
        Self {
            channel,
            protocol,
            host_path,
            is_object,
            upload,
            bytes_in: 0,
            bytes_out: 0,
            started: Instant::now(),
            resumed_at: None,
            failure: None,
            recorded: false,
            was_resized: false,
            size: None,
            is_internal: false,
            outcome,
        }
    }

    /// Notes bytes that were written. `resumed_at`: the offset at which they continue an existing file; else 0.
    pub fn stored(&mut self, resumed_at: u64, bytes: usize) {
        self.bytes_in += bytes as u64;
        self.begins_at(resumed_at);
        self.moved(bytes);
    }

    /// Clients may have several requests under way, and move parts in any order: the lowest offset counts.
    fn begins_at(&mut self, offset: u64) {
        if self.resumed_at.is_none_or(|earlier| offset < earlier) {
            self.resumed_at = Some(offset);
            self.outcome.active.begins_at(offset);
        }
    }

    /// The time is read once: a session that moves bytes is active (A4-13).
    fn moved(&self, bytes: usize) {
        let (now, TransferOutcome { active, session, .. }) = (SystemClock.now(), &self.outcome);
        active.moved(bytes as u64, now);
        session.live.active(now);
    }

    /// Notes the size of the whole file, for administrators who watch.
    pub fn expects(&mut self, total: u64) {
        self.outcome.active.expects(total);
    }

    /// Notes that the client set the size of the file, so that it does not follow from the bytes.
    pub fn resized(&mut self) {
        self.was_resized = true;
    }

    /// Whether the client set the size of the file.
    pub fn was_resized(&self) -> bool {
        self.was_resized
    }

    /// The size of the complete file, in bytes, where it does not follow from what was received.
    pub fn set_size(&mut self, size: u64) {
        self.size = Some(size);
    }

    /// Notes that nothing was transferred to the client: the end is neither recorded nor told.
    pub fn set_internal(&mut self) {
        self.is_internal = true;
    }

    /// Notes bytes that were read for the client at that offset.
    pub fn moved_out(&mut self, offset: u64, bytes: usize) {
        self.bytes_out += bytes as u64;
        // Reading the file of an upload says nothing of where that goes on; nor does looking for the end of a file.
        if !self.upload && bytes > 0 {
            self.begins_at(offset);
        }
        self.moved(bytes);
    }

    /// Notes a failure of the storage.
    pub fn fail(&mut self) {
        self.fail_with("an error of the file system");
    }

    /// Notes a failure, unless there was one before.
    pub fn fail_with(&mut self, reason: &str) {
        self.failure.get_or_insert_with(|| FileError::Failed(reason.to_owned()));
    }

    /// As [`fail_with`](Self::fail_with), with the error itself.
    pub fn fail_by(&mut self, error: &FileError) {
        self.failure.get_or_insert_with(|| error.clone());
    }

    /// Whether the first failure was an exceeded limit.
    pub fn failed_by_quota(&self) -> bool {
        matches!(self.failure, Some(FileError::QuotaExceeded(_)))
    }

    /// The error of closing a failed upload.
    pub fn failure_error(&self) -> FileError {
        match &self.failure {
            Some(error @ FileError::QuotaExceeded(_)) => error.clone(),
            _ => FileError::Failed("the upload had failed".into()),
        }
    }

    /// Whether the transfer has failed.
    pub fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Logs another operation on the file, such as a change of attributes.
    pub fn record(&self, what: FileEventKind<'_>) {
        let TransferOutcome { log, session, .. } = &self.outcome;
        log.record(&FileEvent {
            channel: &self.channel,
            username: &session.account.username,
            address: session.connection.remote.ip(),
            protocol: self.protocol,
            path: &self.host_path.to_string_lossy(),
            what,
        });
    }

    /// Whether the end of the transfer waits for the hooks (B10-08).
    pub fn waits_for_hooks(&self) -> bool {
        self.outcome.told.as_ref().is_some_and(|(hooks, action)| hooks.decide(action.kind, &action.subject()))
    }

    /// Ends the transfer successfully.
    pub fn complete(&mut self, now: Instant) {
        self.recorded = true;
        self.record_end(now, None);
        if let Some((hooks, action)) = self.ending(now, ActionStatus::Ok) {
            hooks.after.notify(PostAction(Arc::new(action)));
        }
        self.remember_first(now);
    }

    /// Tells the hooks of the end in advance, so that they can fail it. `shown`: where they find a file that has
    /// no name yet.
    ///
    /// # Errors
    /// A hook refuses the transfer.
    pub async fn ask(&mut self, shown: Option<Shown>) -> Result<(), FileError> {
        // `told` stays set during the call: if the call is cancelled, the drop tells of a failure.
        let Some((hooks, mut action)) = self.outcome.told.clone() else { return Ok(()) };
        self.describe_end(&mut action, Instant::now(), ActionStatus::Ok);
        if let Some(shown) = shown {
            action.storage_path = shown.host_path;
            // Without the upload there is nothing to read: what has the name is another file.
            action.contents = shown.file.map(|file| Arc::new(ShownContents(file)) as Arc<dyn FileContents>);
        }
        let span = self.outcome.span.clone();
        let verdict = hooks.tell(action).instrument(span).await;
        self.outcome.told = None;
        verdict.inspect_err(|error| self.fail_by(error))
    }

    fn remember_first(&mut self, now: Instant) {
        let (size, elapsed) = (self.size_for_hooks(), self.elapsed_ms(now));
        if let Some((first, action)) = self.outcome.first.take()
            && action.session.traffic.take_first(self.upload)
        {
            let (size, elapsed_ms, status) = (Some(size), Some(elapsed), Some(ActionStatus::Ok));
            first.done(FileAction { size, elapsed_ms, status, ..action });
        }
    }

    fn record_end(&self, now: Instant, failure: Option<&str>) {
        self.outcome.span.record("size", self.bytes());
        if let Some(failure) = failure {
            trace::failed(&self.outcome.span, &failure);
        }
        let end = TransferEnd { bytes: self.bytes(), elapsed: now.duration_since(self.started), failure };
        self.record(if self.upload { FileEventKind::Upload(end) } else { FileEventKind::Download(end) });
    }

    fn ending(&mut self, now: Instant, status: ActionStatus) -> Option<(Arc<FileHooks>, FileAction)> {
        let (hooks, mut action) = self.outcome.told.take()?;
        self.describe_end(&mut action, now, status);
        Some((hooks, action))
    }

    fn describe_end(&self, action: &mut FileAction, now: Instant, status: ActionStatus) {
        action.size = Some(self.size_for_hooks());
        action.elapsed_ms = Some(self.elapsed_ms(now));
        action.status = Some(status);
    }

    /// Bytes that were sent; of an upload, bytes that were received and the offset where it began (A15-09).
    fn size_for_hooks(&self) -> u64 {
        let received = || self.resumed_at.unwrap_or(0).saturating_add(self.bytes_in);
        if self.upload { self.size.unwrap_or_else(received) } else { self.bytes_out }
    }

    fn bytes(&self) -> u64 {
        if self.upload { self.bytes_in } else { self.bytes_out }
    }

    fn elapsed_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let TransferOutcome { session, active, metrics, .. } = &self.outcome;
        session.live.transfer_ended(active);
        if self.is_internal {
            return;
        }
        metrics.transfer(self.upload, self.bytes(), self.recorded);
        if self.is_object {
            metrics.object_transfer(self.upload, self.bytes(), self.recorded);
        }
        if self.recorded {
            return;
        }
        let failure = self.failure.take();
        let status = match &failure {
            Some(FileError::QuotaExceeded(_)) => ActionStatus::QuotaExceeded,
            Some(error) => ActionStatus::Failed(error.to_string()),
            None => ActionStatus::Failed("the transfer was not completed".to_owned()),
        };
        let error = failure.map_or_else(|| "the transfer was not completed".to_owned(), |error| error.to_string());
        self.record_end(Instant::now(), Some(&error));
        if let Some((hooks, action)) = self.ending(Instant::now(), status) {
            hooks.after.notify(PostAction(Arc::new(action)));
        }
    }
}
