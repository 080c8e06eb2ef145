//! Tells a syslog server what happened (RFC 5424 over UDP, RFC 5426). See README.md.

mod line;

use std::net::SocketAddr;

use serde::Deserialize;
use tidegate_hook::{
    ActionStatus, Connection, Failure, FileAction, LoginAttempt, ObjectChange, ObjectChanges, PostAction, PostLogin,
    Session, SessionDestroy, clock, config, udp,
};

use crate::line::{Line, Severity};

struct AuditSyslog;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    server: SocketAddr,
    #[serde(default = "no_actor")]
    hostname: String,
    /// RFC 5424 §6.2.1; 10 is authorization messages.
    #[serde(default = "authorization")]
    facility: u8,
}

fn no_actor() -> String {
    "-".to_owned()
}

fn authorization() -> u8 {
    10
}

fn tell(line: Line) -> Result<(), Failure> {
    let settings: Settings =
        serde_json::from_str(&config::to_json()).map_err(|error| Failure::new(format!("config: {error}")))?;
    let text = line.format(settings.facility, &settings.hostname, clock::now());
    udp::send(settings.server, text.as_bytes()).map_err(Failure::transient)
}

impl PostLogin for AuditSyslog {
    fn notify(
        connection: &Connection,
        attempt: Option<&LoginAttempt>,
        outcome: Result<&Session, String>,
    ) -> Result<(), Failure> {
        let user = attempt.map(LoginAttempt::username).unwrap_or_default();
        let line = match outcome {
            Ok(_) => Line::new("login", Severity::Informational),
            Err(error) => Line::new("login-failed", Severity::Warning).with("error", error),
        };
        tell(line.with("user", user).with("ip", connection.remote_ip()).with("connection", connection.id()))
    }
}

impl SessionDestroy for AuditSyslog {
    fn notify(session: &Session, reason: String, duration_milliseconds: u64) -> Result<(), Failure> {
        let line = Line::new("session-end", Severity::Informational)
            .with("user", session.account().username())
            .with("ip", session.connection().remote_ip())
            .with("reason", reason)
            .with("milliseconds", duration_milliseconds.to_string());
        tell(line)
    }
}

impl PostAction for AuditSyslog {
    fn notify(action: &FileAction) -> Result<(), Failure> {
        let good = matches!(action.status(), Some(ActionStatus::Ok));
        let severity = if good { Severity::Informational } else { Severity::Warning };
        let session = action.session();
        let mut line = Line::new("file-action", severity)
            .with("kind", action.kind().name())
            .with("user", session.account().username())
            .with("ip", session.connection().remote_ip())
            .with("path", action.virtual_path());
        if let Some(target) = action.virtual_target() {
            line = line.with("target", target);
        }
        if let Some(size) = action.size() {
            line = line.with("size", size.to_string());
        }
        if let Some(error) = action.error_message() {
            line = line.with("error", error);
        }
        tell(line)
    }
}

impl ObjectChanges for AuditSyslog {
    fn notify(change: &ObjectChange) -> Result<(), Failure> {
        let line = Line::new("object-change", Severity::Notice)
            .with("change", change.change().name())
            .with("object", change.kind().name())
            .with("name", change.name())
            .with("actor", change.actor().unwrap_or_default());
        tell(line)
    }
}

tidegate_hook::export!(AuditSyslog: PostLogin, SessionDestroy, PostAction, ObjectChanges);
