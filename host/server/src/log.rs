//! The log: one JSON object on each line, with the keys in the order in which the code gives them,
//! because filters such as fail2ban's read lines as text (A21).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::file_log::NO_TIME;
use crate::log_file::{LogFile, Rotation};
use crate::shutdown::UserSignal;
use crate::telemetry::Traces;
use crate::whole_lines::{Lost, WholeLines};

/// Where the lines are written.
pub enum Target<'a> {
    StandardError,
    File(&'a Path, Rotation),
    Nowhere,
}

/// The level and the times of lines.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub level: LevelFilter,
    /// Whether times are in UTC; local time otherwise.
    pub utc: bool,
}

/// The log of the process.
#[derive(Clone)]
pub struct Log(Arc<Mutex<Output>>);

impl Log {
    /// Opens the file again if it was moved away; if not, SIGUSR1 rotates it (A21-09).
    pub fn reopen(&self, signal: UserSignal) {
        let outcome = match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Output::File(file) => file.reopen(signal),
            Output::StandardError(_) | Output::Nowhere => Ok(()),
        };
        match outcome {
            Ok(()) => tracing::info!(sender = "log", message = "the log was opened anew"),
            Err(error) => tracing::error!(sender = "log", message = format!("the log stays as it is: {error}")),
        }
    }
}

/// Installs the log of the process, and what records spans if it is given.
pub fn install(target: Target<'_>, style: Style, traces: Option<&Traces>) -> anyhow::Result<Log> {
    let output = match target {
        Target::StandardError => Output::StandardError(WholeLines::default()),
        Target::File(path, rotation) => Output::File(LogFile::open(path, rotation).with_context(|| {
            format!("the log {} could not be opened; choose another with --log-file-path", path.display())
        })?),
        Target::Nowhere => return Ok(Log(Arc::new(Mutex::new(Output::Nowhere)))),
    };
    let output = Arc::new(Mutex::new(output));
    let registry = Registry::default().with(lines(output.clone(), style));
    let installed = match traces {
        Some(traces) => registry.with(traces.layer()).try_init(),
        None => registry.try_init(),
    };
    installed.context("the log could not be installed")?;
    Ok(Log(output))
}

/// The layer that writes lines. Spans are none: where nothing else wants them, they are not made.
fn lines<S: Subscriber + for<'a> LookupSpan<'a>>(output: Arc<Mutex<Output>>, style: Style) -> impl Layer<S> {
    let level = style.level;
    // One filter for all: of two, one inside the other, the outer would have spans made.
    let ours = tracing_subscriber::filter::filter_fn(move |metadata| {
        metadata.is_event() && metadata.target().starts_with("tidegate") && *metadata.level() <= level
    });
    JsonLines { output, times: Times::new(style.utc) }.with_filter(ours.with_max_level_hint(level))
}

enum Output {
    StandardError(WholeLines),
    File(LogFile),
    Nowhere,
}

impl Output {
    /// Writes a line of this time. The server goes on if the log cannot be written.
    fn write(&mut self, line: &[u8], time: &str) {
        let notice = |lost: &Lost| lost_lines(lost, time);
        match self {
            Self::StandardError(lines) => {
                lines.write(&mut std::io::stderr(), line, notice);
            }
            Self::File(file) => file.write(line, notice),
            Self::Nowhere => {}
        }
    }
}

/// The line about those before it that could not be written.
fn lost_lines(lost: &Lost, time: &str) -> Vec<u8> {
    let Lost { lines, reason } = lost;
    let mut line = Line::begin(Level::WARN, time);
    line.put("sender", "log");
    line.put("message", &format!("before this line, {lines} of the log could not be written: {reason}"));
    line.put("lost_lines", lines);
    line.end()
}

struct JsonLines {
    output: Arc<Mutex<Output>>,
    times: Times,
}

/// The times of lines, such as `2020-01-31T12:30:00.123`. What is the same for all lines of a second is kept.
struct Times {
    utc: bool,
    /// The second of the last line, counted from 1970, and its text.
    last: Mutex<(i64, String)>,
}

impl Times {
    fn new(utc: bool) -> Self {
        Self { utc, last: Mutex::new((i64::MIN, String::new())) }
    }

    fn text(&self, now: Timestamp) -> String {
        let (second, milliseconds) = (now.as_second(), now.subsec_millisecond());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != second {
            let zone = if self.utc { TimeZone::UTC } else { TimeZone::system() };
            *last = (second, now.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S").to_string());
        }
        format!("{}.{milliseconds:03}", last.1)
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let time = self.times.text(Timestamp::now());
        let mut line = Line::begin(*event.metadata().level(), &time);
        event.record(&mut line);
        self.output.lock().unwrap_or_else(PoisonError::into_inner).write(&line.end(), &time);
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The bytes of a line so far.
struct Line(Vec<u8>);

impl Line {
    fn begin(level: Level, time: &str) -> Self {
        let mut line = Self(Vec::with_capacity(512));
        line.0.push(b'{');
        line.put("level", level_name(level));
        line.put("time", time);
        line
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn put<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.json(name);
        self.0.push(b':');
        self.json(value);
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) {
        // Memory takes what is written, and texts and numbers are always JSON.
        let _ = serde_json::to_writer(&mut self.0, value);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        match field.name() {
            name @ ("access_time" | "modification_time") => self.put(name, &date(value)),
            name => self.put(name, &value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field.name(), &format!("{value:?}"));
    }
}

/// A local time without a zone (A21-04).
fn date(seconds: i64) -> String {
    if seconds == NO_TIME {
        return String::new();
    }
    match Timestamp::from_second(seconds) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use serde_json::Value;
    use tidegate_core::connection::ConnectionId;
    use tidegate_core::files::Protocol;
    use tidegate_core::ports::{FileEvent, FileEventKind, FileLog, TransferEnd};

    use super::*;
    use crate::file_log::FileLogLines;

    /// What `act` writes to the log.
    fn written(act: impl FnOnce()) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let rotation = Rotation { max_size: 1 << 20, max_backups: 1, max_age: None, compress: false };
        let output = Output::File(LogFile::open(&path, rotation).unwrap());
        let layer = JsonLines { output: Arc::new(Mutex::new(output)), times: Times::new(true) };
        tracing::subscriber::with_default(Registry::default().with(layer), act);
        let mut text = String::new();
        File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn spans_are_made_only_for_traces() {
        // G-11
        let output = Arc::new(Mutex::new(Output::Nowhere));
        let log = lines(output, Style { level: LevelFilter::DEBUG, utc: true });
        tracing::subscriber::with_default(Registry::default().with(log), || {
            let span = || tracing::info_span!(target: tidegate_core::trace::TARGET, "login");
            assert!(span().is_disabled());
            assert!(tracing::event_enabled!(target: "tidegate", Level::DEBUG));
        });
    }

    #[test]
    fn a_time_is_that_of_its_line() {
        let times = Times::new(true);
        let check = |milliseconds: i64, expected: &str| {
            let text = times.text(Timestamp::from_millisecond(milliseconds).unwrap());
            assert_eq!(text, expected, "{milliseconds}");
        };
        check(1_580_473_800_123, "2020-01-31T12:30:00.123");
        check(1_580_473_800_007, "2020-01-31T12:30:00.007");
        check(1_580_473_800_999, "2020-01-31T12:30:00.999");
        check(1_580_473_801_000, "2020-01-31T12:30:01.000");
        check(1_580_473_800_123, "2020-01-31T12:30:00.123");
        check(0, "1970-01-01T00:00:00.000");
    }

    #[test]
    fn lines_keep_the_order_of_their_keys() {
        // A1-25, A21-01, A21-07: what fail2ban's filter matches
        let text = written(|| {
            tracing::debug!(sender = "connection_failed", client_ip = %"192.0.2.1", username = "a\"b", login_type = "password");
            tracing::info!(sender = "Chtimes", access_time = 0_i64, modification_time = NO_TIME);
        });
        let expected =
            r#""sender":"connection_failed","client_ip":"192.0.2.1","username":"a\"b","login_type":"password"}"#;
        let (first, second) = text.split_once('\n').unwrap();
        assert!(first.starts_with(r#"{"level":"debug","time":""#) && first.ends_with(expected), "{first}");
        assert!(second.contains(r#""modification_time":"""#), "{second}");
        for line in text.lines() {
            let line = serde_json::from_str::<Value>(line).unwrap();
            assert!(line["level"].is_string() && line["sender"].is_string(), "{line}");
            // Such as 2020-01-31T12:30:00.123
            let time = line["time"].as_str().unwrap();
            let form: String = time.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
            assert_eq!(form, "0000-00-00T00:00:00.000", "{time}");
        }
    }

    #[test]
    fn the_line_about_lost_lines_is_as_others() {
        // A21-10
        let lost = Lost { lines: 3, reason: "the \"disk\" is full".to_owned() };
        let line = String::from_utf8(lost_lines(&lost, "2020-01-31T12:30:00.123")).unwrap();
        let value: Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
        assert!(line.starts_with(r#"{"level":"warn","time":"2020-01-31T12:30:00.123","sender":"log","#), "{line}");
        assert_eq!(value["lost_lines"], 3);
        let message = "before this line, 3 of the log could not be written: the \"disk\" is full";
        assert_eq!(value["message"], message);
    }

    #[test]
    fn lines_about_files_have_all_their_values() {
        // A21-03, A21-04
        let channel = ConnectionId::new("SFTP_c_1");
        let check = |protocol: Protocol, what: FileEventKind<'_>, level: &str, expected: &str| {
            let (username, address) = ("alice", "192.0.2.1".parse().unwrap());
            let event = FileEvent { channel: &channel, username, address, protocol, path: "/srv/a", what };
            let text = written(|| FileLogLines.record(&event));
            let (start, rest) = text.split_once(r#","sender":"#).unwrap();
            assert!(start.starts_with(&format!(r#"{{"level":"{level}","time":""#)), "{text}");
            assert_eq!(rest, format!("{expected}}}\n"));
        };
        let end = |failure| TransferEnd { bytes: 7, elapsed: std::time::Duration::from_micros(1_234_999), failure };
        let transfer = |sender: &str, protocol: &str, more: &str| {
            let start =
                format!(r#""{sender}","elapsed_ms":1234,"size_bytes":7,"username":"alice","file_path":"/srv/a""#);
            format!(r#"{start},"connection_id":"SFTP_c_1","protocol":"{protocol}"{more}"#)
        };
        let upload = FileEventKind::Upload(end(None));
        check(Protocol::Sftp, upload, "info", &transfer("Upload", "SFTP", ""));
        let download = FileEventKind::Download(end(Some("it broke")));
        check(Protocol::Scp, download, "warn", &transfer("Download", "SCP", r#","error":"it broke""#));
        let command = |sender: &str, [target, mode, uid, gid, command]: [&str; 5]| {
            let start = format!(r#""{sender}","username":"alice","file_path":"/srv/a","target_path":"{target}""#);
            let middle = format!(r#","filemode":"{mode}","uid":{uid},"gid":{gid},"access_time":"","#);
            let end = format!(r#""modification_time":"","ssh_command":"{command}","connection_id":"SFTP_c_1""#);
            format!(r#"{start}{middle}{end},"protocol":"SFTP""#)
        };
        let none = ["", "", "-1", "-1", ""];
        let with_target = ["/srv/b", "", "-1", "-1", ""];
        for (what, sender, values) in [
            (FileEventKind::CreateDirectory, "Mkdir", none),
            (FileEventKind::RemoveDirectory, "Rmdir", none),
            (FileEventKind::Remove, "Remove", none),
            (FileEventKind::Rename { target: "/srv/b" }, "Rename", with_target),
            (FileEventKind::Symlink { target: "/srv/b" }, "Symlink", with_target),
            (FileEventKind::SetMode(0o640), "Chmod", ["", "640", "-1", "-1", ""]),
            (FileEventKind::SetOwner { uid: Some(7), gid: Some(8) }, "Chown", ["", "", "7", "8", ""]),
            (FileEventKind::SetOwner { uid: None, gid: Some(8) }, "Chown", ["", "", "-1", "8", ""]),
            (FileEventKind::Command("md5sum"), "SSHCommand", ["", "", "-1", "-1", "md5sum"]),
        ] {
            check(Protocol::Sftp, what, "info", &command(sender, values));
        }
        let of_ssh =
            command("SSHCommand", ["", "", "-1", "-1", "cd"]).replace(r#""protocol":"SFTP""#, r#""protocol":"SSH""#);
        check(Protocol::Ssh, FileEventKind::Command("cd"), "info", &of_ssh);
    }
}
