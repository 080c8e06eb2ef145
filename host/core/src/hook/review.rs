//! Gates whose verdict is to allow or to deny; all links must allow.

use std::sync::Arc;

use super::events::FileAction;
use super::{Denial, GateEvent, HookError, HookEvent, HookKind, LoginAttempt, Subject};
use crate::connection::Connection;
use crate::session::Session;

/// The verdict of a gate that allows or denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Review {
    /// The next hook is asked; if all allow, the server goes on.
    Allow,
    /// The hook has done what it was asked about itself: only for file actions, and only by programs of an old
    /// era (J-04).
    Done,
    /// The server refuses.
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

            fn client_message(verdict: &Review) -> Option<&str> {
                match verdict {
                    Review::Deny(denial) => denial.client_message.as_deref(),
                    Review::Allow | Review::Done => None,
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
    /// A client has connected, before the first byte of the handshake (B7-01).
    Connect, Connection, Connect, |connection| Subject { connection: Some(connection), ..Subject::default() }
);
review!(
    /// An attempt to log in, before any credential is looked at. A denial counts as a failed login (D-05).
    LoginPre, LoginAttempt, LoginPre, LoginAttempt::subject
);
review!(
    /// A login has passed all checks, and its session is about to begin (D-01).
    SessionCreate, Session, SessionCreate, Session::subject, |session| session.live.note_created()
);
review!(
    /// A file operation that is about to happen (B10-05).
    PreAction, FileAction, PreAction, FileAction::subject
);
review!(
    /// A user asks for a new password on the web pages (D-10).
    PasswordResetPre, WebRequest, PasswordResetPre, WebRequest::subject
);

/// A request to the web pages by a client that may not be logged in.
#[derive(Debug, Clone)]
pub struct WebRequest {
    /// The user name in the request; untrusted.
    pub username: String,
    /// The address of the client.
    pub address: core::net::IpAddr,
    /// The header `Referer`; empty if there was none (RFC 9110 §10.1.3).
    pub referer: String,
    /// The header `User-Agent`; empty if there was none (RFC 9110 §10.1.5).
    pub user_agent: String,
    /// The id of the web session; empty if there is none.
    pub session_id: String,
}

impl WebRequest {
    /// What selectors know of the request.
    pub fn subject(&self) -> Subject<'_> {
        Subject { username: Some(&self.username), address: Some(self.address), ..Subject::default() }
    }
}
