//! What sessions did to files most recently. It is bounded, and lost when the server stops; the log keeps more.

use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::hook::events::Protocol;
use crate::ports::{Clock, FileEvent, FileEventKind, FileLog, TransferEnd};

/// The most records that are kept.
pub const FILE_RECORDS_KEPT: usize = 10_000;
/// The most bytes of their texts: paths may be long.
const TEXTS_KEPT: usize = 4 << 20;

/// An operation on a file that was done, or a transfer that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Greater than that of each record before it, also before the server was started again.
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// The operation, by the names that hooks have for them where they have one.
    pub action: &'static str,
    /// The account's name.
    pub username: String,
    /// The client's address.
    pub address: IpAddr,
    /// The channel of the session, which begins with the connection.
    pub channel: String,
    /// The protocol of the channel.
    pub protocol: Protocol,
    /// The path of the file on the host.
    pub path: String,
    /// The other path of a rename, a copy or a link; empty: there is none.
    pub target: String,
    /// The SSH command; empty: it was none.
    pub ssh_command: String,
    /// Bytes that were transferred, copied, or that the file got as its size.
    pub size: Option<u64>,
    /// Milliseconds of a transfer.
    pub elapsed: Option<u64>,
    /// Why a transfer failed; None: it is complete.
    pub failure: Option<String>,
}

/// Selects records; each field that is set has to match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRecordFilter {
    /// Only records with a smaller id.
    pub before: Option<i64>,
    /// Only records with a greater id.
    pub after: Option<i64>,
    /// Whether the oldest records are given, and come first.
    pub oldest_first: bool,
    /// Only records of that time or later, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Only records of an earlier time.
    pub until: Option<i64>,
    /// The account's name.
    pub username: Option<String>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The connection, or one of its channels.
    pub connection: Option<String>,
    /// The operations; empty: all.
    pub actions: Vec<String>,
    /// The protocols, by their names; empty: all.
    pub protocols: Vec<String>,
    /// Whether the operation failed.
    pub failed: Option<bool>,
    /// The SSH command.
    pub ssh_command: Option<String>,
    /// What the path or the target begins with.
    pub path: Option<String>,
}

impl FileRecordFilter {
    fn lets_through(&self, record: &FileRecord) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let is_among = |wanted: &[String], found: &str| wanted.is_empty() || wanted.iter().any(|name| name == found);
        let is_of = |connection: &str| {
            let rest = record.channel.strip_prefix(connection);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        let begins = |path: &str| record.path.starts_with(path) || record.target.starts_with(path);
        self.before.is_none_or(|before| record.id < before)
            && self.after.is_none_or(|after| record.id > after)
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
            && self.address.is_none_or(|address| record.address == address)
            && self.failed.is_none_or(|failed| record.failure.is_some() == failed)
            && is(&self.username, &record.username)
            && is(&self.ssh_command, &record.ssh_command)
            && is_among(&self.actions, record.action)
            && is_among(&self.protocols, record.protocol.as_str())
            && self.connection.as_deref().is_none_or(is_of)
            && self.path.as_deref().is_none_or(begins)
    }
}

/// Keeps the newest records, and hands the events on.
pub struct FileHistory {
    kept: Mutex<Kept>,
    clock: Arc<dyn Clock>,
    log: Arc<dyn FileLog>,
}

#[derive(Default)]
struct Kept {
    records: VecDeque<Arc<FileRecord>>,
    texts: usize,
    last_id: i64,
}

impl FileHistory {
    /// A history that hands events on to `log`.
    pub fn new(clock: Arc<dyn Clock>, log: Arc<dyn FileLog>) -> Self {
        let kept = Kept { last_id: clock.now().saturating_mul(1_000), ..Kept::default() };
        Self { kept: Mutex::new(kept), clock, log }
    }

    /// The newest records that match, the newest first, unless the filter wants the oldest.
    pub fn records(&self, filter: &FileRecordFilter, limit: usize) -> Vec<Arc<FileRecord>> {
        let mut records: Vec<_> = self.kept().records.iter().cloned().collect();
        if !filter.oldest_first {
            records.reverse();
        }
        records.into_iter().filter(|record| filter.lets_through(record)).take(limit).collect()
    }

    fn keep(&self, mut record: FileRecord) {
        let mut kept = self.kept();
        kept.last_id = kept.last_id.saturating_add(1);
        record.id = kept.last_id;
        kept.texts = kept.texts.saturating_add(length(&record));
        kept.records.push_back(Arc::new(record));
        while kept.records.len() > FILE_RECORDS_KEPT || kept.texts > TEXTS_KEPT {
            let Some(oldest) = kept.records.pop_front() else { break };
            kept.texts = kept.texts.saturating_sub(length(&oldest));
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileLog for FileHistory {
    fn record(&self, event: &FileEvent<'_>) {
        self.keep(record_of(event, self.clock.now()));
        self.log.record(event);
    }
}

fn length(record: &FileRecord) -> usize {
    let failure = record.failure.as_ref().map_or(0, String::len);
    let texts = [&record.username, &record.channel, &record.path, &record.target, &record.ssh_command];
    texts.into_iter().map(String::len).sum::<usize>().saturating_add(failure)
}

fn record_of(event: &FileEvent<'_>, at: i64) -> FileRecord {
    let (action, more) = match event.what {
        FileEventKind::Download(end) => ("download", More::of_transfer(end)),
        FileEventKind::Upload(end) => ("upload", More::of_transfer(end)),
        FileEventKind::CreateDirectory => ("mkdir", More::default()),
        FileEventKind::RemoveDirectory => ("rmdir", More::default()),
        FileEventKind::Remove => ("delete", More::default()),
        FileEventKind::Rename { target } => ("rename", More { target, ..More::default() }),
        FileEventKind::HardLink { target } => ("link", More { target, ..More::default() }),
        FileEventKind::Symlink { target } => ("symlink", More { target, ..More::default() }),
        FileEventKind::Copy { target, size } => ("copy", More { target, size: Some(size), ..More::default() }),
        FileEventKind::SetMode(_) => ("chmod", More::default()),
        FileEventKind::SetOwner { .. } => ("chown", More::default()),
        FileEventKind::SetTimes { .. } => ("chtimes", More::default()),
        FileEventKind::SetSize(size) => ("truncate", More { size: Some(size), ..More::default() }),
        FileEventKind::Command(command) => ("ssh_cmd", More { command, ..More::default() }),
    };
    FileRecord {
        id: 0,
        at,
        action,
        username: event.username.to_owned(),
        address: event.address,
        channel: event.channel.as_str().to_owned(),
        protocol: event.protocol,
        path: event.path.to_owned(),
        target: more.target.to_owned(),
        ssh_command: more.command.to_owned(),
        size: more.size,
        elapsed: more.elapsed,
        failure: more.failure.map(str::to_owned),
    }
}

/// What only some operations have.
#[derive(Default)]
struct More<'a> {
    target: &'a str,
    command: &'a str,
    size: Option<u64>,
    elapsed: Option<u64>,
    failure: Option<&'a str>,
}

impl<'a> More<'a> {
    fn of_transfer(end: TransferEnd<'a>) -> Self {
        let elapsed = Some(u64::try_from(end.elapsed.as_millis()).unwrap_or(u64::MAX));
        Self { size: Some(end.bytes), elapsed, failure: end.failure, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::connection::ConnectionId;
    use crate::ports::{NoFileLog, SystemClock};

    fn history() -> FileHistory {
        FileHistory::new(Arc::new(SystemClock), Arc::new(NoFileLog))
    }

    fn note(history: &FileHistory, username: &str, channel: &str, path: &str, what: FileEventKind<'_>) {
        let (channel, address) = (ConnectionId::new(channel), "192.0.2.1".parse().unwrap());
        history.record(&FileEvent { channel: &channel, username, address, protocol: Protocol::Sftp, path, what });
    }

    #[test]
    fn records_are_searched() {
        let history = history();
        let end = |failure| TransferEnd { bytes: 5, elapsed: Duration::from_millis(7), failure };
        note(&history, "alice", "c1_1", "/srv/a", FileEventKind::Upload(end(None)));
        note(&history, "alice", "c1_2", "/srv/b", FileEventKind::Download(end(Some("gone"))));
        note(&history, "bob", "c12_1", "/srv/c", FileEventKind::Rename { target: "/srv/d" });
        note(&history, "bob", "c12", "/srv", FileEventKind::Command("md5sum"));
        let check = |filter: FileRecordFilter, expected: &[&str]| {
            let found = history.records(&filter, 100);
            let lines: Vec<_> = found.iter().map(|record| format!("{} {}", record.action, record.path)).collect();
            assert_eq!(lines, expected, "{filter:?}");
        };
        let text = |text: &str| Some(text.to_owned());
        let all = FileRecordFilter::default;
        check(all(), &["ssh_cmd /srv", "rename /srv/c", "download /srv/b", "upload /srv/a"]);
        check(FileRecordFilter { username: text("alice"), ..all() }, &["download /srv/b", "upload /srv/a"]);
        check(FileRecordFilter { connection: text("c1"), ..all() }, &["download /srv/b", "upload /srv/a"]);
        check(FileRecordFilter { connection: text("c12_1"), ..all() }, &["rename /srv/c"]);
        check(FileRecordFilter { failed: Some(true), ..all() }, &["download /srv/b"]);
        check(FileRecordFilter { path: text("/srv/d"), ..all() }, &["rename /srv/c"]);
        check(FileRecordFilter { ssh_command: text("md5sum"), ..all() }, &["ssh_cmd /srv"]);
        check(FileRecordFilter { actions: vec!["upload".into(), "copy".into()], ..all() }, &["upload /srv/a"]);
        check(FileRecordFilter { protocols: vec!["SCP".into()], ..all() }, &[]);
        check(FileRecordFilter { address: "192.0.2.2".parse().ok(), ..all() }, &[]);
        check(FileRecordFilter { until: Some(0), ..all() }, &[]);
        let oldest = FileRecordFilter { oldest_first: true, ..all() };
        check(oldest.clone(), &["upload /srv/a", "download /srv/b", "rename /srv/c", "ssh_cmd /srv"]);
        let first = history.records(&oldest, 2);
        assert_eq!(first[1].path, "/srv/b");
        check(FileRecordFilter { after: Some(first[1].id), ..oldest }, &["rename /srv/c", "ssh_cmd /srv"]);
        let newest = history.records(&all(), 1);
        check(
            FileRecordFilter { before: Some(newest[0].id), ..all() },
            &["rename /srv/c", "download /srv/b", "upload /srv/a"],
        );
        let upload = &history.records(&FileRecordFilter { actions: vec!["upload".into()], ..all() }, 1)[0];
        assert_eq!((upload.size, upload.elapsed, &upload.failure), (Some(5), Some(7), &None));
    }

    #[test]
    fn many_and_long_records_take_a_bounded_room() {
        let history = history();
        for number in 0..FILE_RECORDS_KEPT + 5 {
            note(&history, "alice", "c", &number.to_string(), FileEventKind::Remove);
        }
        let kept = history.records(&FileRecordFilter::default(), usize::MAX);
        assert_eq!((kept.len(), kept[FILE_RECORDS_KEPT - 1].path.as_str()), (FILE_RECORDS_KEPT, "5"));
        let long = "x".repeat(1 << 20);
        for _ in 0..5 {
            note(&history, "alice", "c", &long, FileEventKind::Remove);
        }
        assert_eq!(history.records(&FileRecordFilter::default(), usize::MAX).len(), 3);
    }
}
