//! What observers are told of. Their answers change nothing.

use core::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::events::FileAction;
use super::{HookEvent, HookKind, LoginAttempt, Subject};
use crate::connection::Connection;
use crate::session::{EndReason, Session};

/// Declares an observation.
macro_rules! observation {
    ($name:ident, $kind:ident, $subject:expr) => {
        impl HookEvent for $name {
            type Verdict = ();
            const KIND: HookKind = HookKind::$kind;

            fn subject(&self) -> Subject<'_> {
                let subject: fn(&$name) -> Subject<'_> = $subject;
                subject(self)
            }

            fn label(_: &()) -> (&'static str, &str) {
                ("told", "")
            }
        }
    };
}

/// A login succeeded, failed, or ran out of time (A14).
#[derive(Debug, Clone)]
pub struct PostLogin {
    pub connection: Arc<Connection>,
    /// None: the client never tried.
    pub attempt: Option<Arc<LoginAttempt>>,
    /// The session, or why there is none.
    pub outcome: Result<Arc<Session>, String>,
}

/// A session ended: exactly once for each that was created (D-03, D-04).
#[derive(Debug, Clone)]
pub struct SessionDestroy {
    pub session: Arc<Session>,
    pub reason: EndReason,
    pub duration: Duration,
}

/// A connection ended (B7-02).
#[derive(Debug, Clone)]
pub struct Disconnect {
    pub connection: Arc<Connection>,
    /// None if nobody had logged in.
    pub session: Option<Arc<Session>>,
    /// That it used last: `SFTP`, `SCP` or `SSH`.
    pub protocol: &'static str,
    pub duration: Duration,
}

/// A file operation was done, or failed (A15, B10).
#[derive(Debug, Clone)]
pub struct PostAction(pub Arc<FileAction>);

/// An account, a key or a group was added, updated or deleted (A15-20, B11).
#[derive(Debug, Clone)]
pub struct ObjectChange {
    /// `user`, `folder`, `group`, `admin`, `api_key`, …
    pub kind: &'static str,
    pub change: Change,
    pub name: String,
    /// An admin, the account itself, or none for the system.
    pub actor: Option<String>,
    pub actor_address: Option<IpAddr>,
    /// Nanoseconds since 1970.
    pub at: i64,
    /// Without secrets.
    pub object: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Add,
    Update,
    Delete,
}

impl Change {
    pub const ALL: [Self; 3] = [Self::Add, Self::Update, Self::Delete];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// An API key or a one-time login URL was made or changed (D-07).
#[derive(Debug, Clone, Default)]
pub struct CredentialChanged {
    pub name: String,
    pub is_login_url: bool,
    pub modifying: bool,
    /// Seconds since 1970; 0: never.
    pub expires_at: i64,
    /// 0: unlimited.
    pub max_uses: u32,
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    pub ips: Vec<String>,
    pub notify: u8,
    pub username: String,
}

/// Somebody was logged in elsewhere by one click (D-11).
#[derive(Debug, Clone, Default)]
pub struct OneClickLoginPost {
    pub token: String,
    pub username: String,
    pub name: String,
}

/// The server starts; its services may not be up yet (B7-03).
#[derive(Debug, Clone)]
pub struct Startup {
    pub version: &'static str,
}

observation!(PostLogin, PostLogin, |event| {
    let subject = match &event.attempt {
        Some(attempt) => attempt.subject(),
        None => Subject { connection: Some(&event.connection), ..Subject::default() },
    };
    Subject { succeeded: Some(event.outcome.is_ok()), ..subject }
});
observation!(SessionDestroy, SessionDestroy, |event| event.session.subject());
observation!(Disconnect, Disconnect, |event| match &event.session {
    Some(session) => session.subject(),
    None => Subject { connection: Some(&event.connection), ..Subject::default() },
});
observation!(PostAction, PostAction, |event| event.0.subject());
observation!(ObjectChange, ObjectChanges, |event| Subject {
    username: Some(&event.name),
    address: event.actor_address,
    action: Some(event.change.as_str()),
    ..Subject::default()
});
observation!(CredentialChanged, CredentialChanged, |event| Subject {
    username: Some(&event.username),
    ..Subject::default()
});
observation!(OneClickLoginPost, OneClickLoginPost, |event| Subject {
    username: Some(&event.username),
    ..Subject::default()
});
observation!(Startup, Startup, |_| Subject::default());
