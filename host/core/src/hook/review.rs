//! Gates that only allow or deny. All links must allow.

use std::sync::Arc;

use super::events::FileAction;
use super::{Denial, GateEvent, HookError, HookEvent, HookKind, LoginAttempt, Subject};
use crate::connection::Connection;
use crate::session::Session;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Review {
    Allow,
    /// The hook has done what it was asked about; only for file actions, and only by old
    /// programs (J-04).
    Done,
    Deny(Denial),
}

/// Declares a gate whose verdict is a [`Review`].
macro_rules! review {
    ($(#[$doc:meta])* $name:ident, $field:ty, $kind:ident, $subject:expr$(, $allowed:expr)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub Arc<$field>);

        impl HookEvent for $name {
            type Verdict = Review;
            const KIND: HookKind = HookKind::$kind;

            fn subject(&self) -> Subject<'_> {
                let subject: fn(&$field) -> Subject<'_> = $subject;
                subject(&self.0)
            }

            fn label(verdict: &Review) -> (&'static str, &str) {
                match verdict {
                    Review::Allow => ("allow", ""),
                    Review::Done => ("done", ""),
                    Review::Deny(denial) => ("deny", &denial.reason),
                }
            }
        }

        impl GateEvent for $name {
            fn is_final(verdict: &Review) -> bool {
                *verdict != Review::Allow
            }

            fn undecided() -> Review {
                Review::Allow
            }

            fn allowed() -> Review {
                Review::Allow
            }

            $(fn take_in(&mut self, _allowed: Review) -> Result<(), HookError> {
                let note: fn(&$field) = $allowed;
                note(&self.0);
                Ok(())
            })?
        }
    };
}

review!(
    /// A new connection, before the first byte of the handshake (B7-01).
    Connect, Connection, Connect, |connection| Subject { connection: Some(connection), ..Subject::default() }
);
review!(
    /// Every attempt, before any credential is looked at. A denial counts as a failed
    /// login (D-05).
    LoginPre, LoginAttempt, LoginPre, LoginAttempt::subject
);
review!(
    /// After all checks of a login, before its session exists (D-01).
    SessionCreate, Session, SessionCreate, Session::subject, |session| session.live.note_created()
);
review!(
    /// A file operation that is about to happen (B10-05).
    PreAction, FileAction, PreAction, FileAction::subject
);
review!(
    /// Somebody says to have lost the password (D-10).
    PasswordResetPre, WebRequest, PasswordResetPre, WebRequest::subject
);

/// A request to the web side by somebody who may not be logged in.
#[derive(Debug, Clone)]
pub struct WebRequest {
    pub username: String,
    pub address: core::net::IpAddr,
    pub referer: String,
    pub user_agent: String,
    pub session_id: String,
}

impl WebRequest {
    pub fn subject(&self) -> Subject<'_> {
        Subject { username: Some(&self.username), address: Some(self.address), ..Subject::default() }
    }
}
