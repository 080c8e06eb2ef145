//! What is logged of transfers and commands: the senders and keys of A21-03 and A21-04, in
//! that order, because filters read the lines as text.

use std::sync::Arc;
use std::time::Instant;

use super::action::{ActionStatus, FileAction, FileHooks};
use super::storage::Shown;
use super::{FileError, FirstTransfers};
use crate::connection::ConnectionId;
use crate::hook::observation::PostAction;
use crate::metrics::Metrics;
use crate::session::{ActiveTransfer, Session};

/// The protocol in log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Sftp,
    Scp,
    Ssh,
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sftp => "SFTP",
            Self::Scp => "SCP",
            Self::Ssh => "SSH",
        }
    }
}

/// Writes the lines of one session.
#[derive(Debug, Clone)]
pub struct FileLog(Arc<(ConnectionId, String)>);

/// A time that a line has no use for; the log's formatter writes an empty text.
pub const NO_TIME: i64 = i64::MIN;

/// The optional parts of a command line.
#[derive(Debug, Clone, Default)]
pub struct Command {
    pub target_path: String,
    pub mode: Option<u32>,
    pub owner: Option<(u32, u32)>,
    pub times: Option<(i64, i64)>,
    pub size: Option<u64>,
    pub ssh_command: String,
}

impl FileLog {
    pub fn new(connection: ConnectionId, username: String) -> Self {
        Self(Arc::new((connection, username)))
    }

    /// One command line. `access_time` and `modification_time` are seconds since 1970 here;
    /// the log's formatter writes them as dates.
    pub fn command(&self, sender: &'static str, protocol: Protocol, path: &str, command: &Command) {
        let (connection, username) = &*self.0;
        let mode = command.mode.map(|mode| format!("{mode:o}")).unwrap_or_default();
        let (uid, gid) = command.owner.map_or((-1, -1), |(uid, gid)| (i64::from(uid), i64::from(gid)));
        let (accessed, modified) = command.times.unzip();
        tracing::info!(
            sender,
            username,
            file_path = path,
            target_path = command.target_path,
            filemode = mode,
            uid,
            gid,
            access_time = accessed.unwrap_or(NO_TIME),
            modification_time = modified.unwrap_or(NO_TIME),
            ssh_command = command.ssh_command,
            connection_id = connection.as_str(),
            protocol = protocol.as_str(),
            size = command.size,
        );
    }
}

/// One download or upload, from open to close. Logged, and told to the hooks, when it is
/// complete or dropped.
pub struct Transfer {
    log: FileLog,
    protocol: Protocol,
    host_path: String,
    upload: bool,
    bytes_in: u64,
    bytes_out: u64,
    started: Instant,
    /// Where an upload continues a file that was there, in bytes; none: nothing was written.
    resumed_at: Option<u64>,
    /// Why it failed, if it did.
    failure: Option<FileError>,
    recorded: bool,
    /// It was none.
    dismissed: bool,
    outcome: TransferOutcome,
}

/// Who hears of a transfer's end.
pub struct TransferOutcome {
    /// None if no hook wants to hear of it.
    pub told: Option<(Arc<FileHooks>, FileAction)>,
    /// None if it cannot be the account's first.
    pub first: Option<(Arc<FirstTransfers>, FileAction)>,
    pub session: Arc<Session>,
    pub active: Arc<ActiveTransfer>,
    pub metrics: Arc<Metrics>,
}

impl Transfer {
    pub fn new(log: FileLog, protocol: Protocol, host_path: String, upload: bool, outcome: TransferOutcome) -> Self {
        let started = Instant::now();
        let (bytes_in, bytes_out) = (0, 0);
        let (resumed_at, failure, recorded, dismissed) = (None, None, false, false);
        Self {
            log,
            protocol,
            host_path,
            upload,
            bytes_in,
            bytes_out,
            started,
            resumed_at,
            failure,
            recorded,
            dismissed,
            outcome,
        }
    }

    /// `resumed_at`: where these bytes continue a file that was there; otherwise 0.
    pub fn stored(&mut self, resumed_at: u64, bytes: usize) {
        self.resumed_at = Some(self.resumed_at.map_or(resumed_at, |earlier| earlier.min(resumed_at)));
        self.bytes_in += bytes as u64;
        self.outcome.active.moved(bytes as u64);
    }

    /// Nothing was transferred, and nobody hears of it.
    pub fn dismiss(&mut self) {
        self.dismissed = true;
    }

    pub fn moved_out(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
        self.outcome.active.moved(bytes as u64);
    }

    pub fn fail(&mut self) {
        self.fail_with("an error of the file system");
    }

    pub fn fail_with(&mut self, reason: &str) {
        self.failure.get_or_insert_with(|| FileError::Failed(reason.to_owned()));
    }

    pub fn fail_by(&mut self, error: &FileError) {
        self.failure.get_or_insert_with(|| error.clone());
    }

    pub fn failed_by_quota(&self) -> bool {
        matches!(self.failure, Some(FileError::QuotaExceeded(_)))
    }

    /// What closing a failed upload answers.
    pub fn failure_error(&self) -> FileError {
        match &self.failure {
            Some(error @ FileError::QuotaExceeded(_)) => error.clone(),
            _ => FileError::Failed("the upload had failed".into()),
        }
    }

    pub fn failed(&self) -> bool {
        self.failure.is_some()
    }

    pub fn context(&self) -> (&FileLog, Protocol, &str) {
        (&self.log, self.protocol, &self.host_path)
    }

    /// Whether its end waits for the hooks (B10-08).
    pub fn waits_for_hooks(&self) -> bool {
        self.outcome.told.as_ref().is_some_and(|(hooks, action)| hooks.decide(action.kind, &action.subject()))
    }

    /// The transfer ended as the client wished.
    pub fn complete(&mut self, now: Instant) {
        self.log_complete(now);
        if let Some((hooks, action)) = self.ending(now, ActionStatus::Ok) {
            hooks.after.notify(PostAction(Arc::new(action)));
        }
        self.remember_first(now);
    }

    /// Tells the hooks of the end before it is one: they can still fail it. `shown`: where
    /// they find a file that has no name yet.
    pub async fn ask(&mut self, shown: Option<Shown>) -> Result<(), FileError> {
        // Given up meanwhile, it is told of as a failure.
        let Some((hooks, mut action)) = self.outcome.told.clone() else { return Ok(()) };
        self.describe_end(&mut action, Instant::now(), ActionStatus::Ok);
        if let Some(shown) = shown {
            action.storage_path = shown.host_path;
            action.contents.unnamed = Some(Arc::from(shown.file));
        }
        let verdict = hooks.tell(action).await;
        self.outcome.told = None;
        verdict.inspect_err(|error| self.fail_by(error))
    }

    fn remember_first(&mut self, now: Instant) {
        let (size, (_, _, elapsed)) = (self.size_for_hooks(), self.summary(now));
        if let Some((first, action)) = self.outcome.first.take()
            && action.session.traffic.take_first(self.upload)
        {
            let (size, elapsed_ms, status) = (Some(size), Some(elapsed), Some(ActionStatus::Ok));
            first.done(FileAction { size, elapsed_ms, status, ..action });
        }
    }

    fn log_complete(&mut self, now: Instant) {
        self.recorded = true;
        let (sender, size_bytes, elapsed_ms) = self.summary(now);
        let (connection, username) = &*self.log.0;
        tracing::info!(
            sender,
            elapsed_ms,
            size_bytes,
            username,
            file_path = self.host_path,
            connection_id = connection.as_str(),
            protocol = self.protocol.as_str(),
        );
    }

    fn ending(&mut self, now: Instant, status: ActionStatus) -> Option<(Arc<FileHooks>, FileAction)> {
        let (hooks, mut action) = self.outcome.told.take()?;
        self.describe_end(&mut action, now, status);
        Some((hooks, action))
    }

    fn describe_end(&self, action: &mut FileAction, now: Instant, status: ActionStatus) {
        let (_, _, elapsed) = self.summary(now);
        action.size = Some(self.size_for_hooks());
        action.elapsed_ms = Some(elapsed);
        action.status = Some(status);
    }

    /// A15-09
    fn size_for_hooks(&self) -> u64 {
        if self.upload { self.resumed_at.unwrap_or(0).saturating_add(self.bytes_in) } else { self.bytes_out }
    }

    /// Sender, bytes and milliseconds.
    fn summary(&self, now: Instant) -> (&'static str, u64, u64) {
        let (sender, size) = if self.upload { ("Upload", self.bytes_in) } else { ("Download", self.bytes_out) };
        (sender, size, u64::try_from(now.duration_since(self.started).as_millis()).unwrap_or(u64::MAX))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let TransferOutcome { session, active, metrics, .. } = &self.outcome;
        session.live.transfer_ended(active);
        if self.dismissed {
            return;
        }
        metrics.transfer(self.upload, if self.upload { self.bytes_in } else { self.bytes_out }, self.recorded);
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
        let (sender, size_bytes, elapsed_ms) = self.summary(Instant::now());
        let (connection, username) = &*self.log.0;
        tracing::warn!(
            sender,
            elapsed_ms,
            size_bytes,
            username,
            file_path = self.host_path,
            connection_id = connection.as_str(),
            protocol = self.protocol.as_str(),
            error,
        );
        if let Some((hooks, action)) = self.ending(Instant::now(), status) {
            hooks.after.notify(PostAction(Arc::new(action)));
        }
    }
}
