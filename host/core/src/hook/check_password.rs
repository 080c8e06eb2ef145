//! The gate between the account's conditions and the comparison of its password (B5).

use std::sync::Arc;

use super::{Denial, GateEvent, HookEvent, HookKind, LoginAttempt, Subject};
use crate::secret::Secret;

/// A password is about to be compared with the account's hash.
#[derive(Debug, Clone)]
pub struct CheckPassword {
    /// The attempt to log in, with the account as earlier hooks have left it.
    pub attempt: Arc<LoginAttempt>,
    /// The password as the client typed it.
    pub password: Secret,
}

/// What a check-password hook says of a password.
#[derive(Debug, Clone)]
pub enum CheckPasswordVerdict {
    /// The next hook is asked; in the end the server compares the password.
    Defer,
    /// The password is right: the server does not compare it.
    Accept,
    /// The server compares this text instead of the password.
    Verify(Secret),
    /// The login is refused.
    Deny(Denial),
}

impl HookEvent for CheckPassword {
    type Verdict = CheckPasswordVerdict;
    const KIND: HookKind = HookKind::CheckPassword;

    fn subject(&self) -> Subject<'_> {
        self.attempt.subject()
    }

    fn label(verdict: &CheckPasswordVerdict) -> (&'static str, &str) {
        match verdict {
            CheckPasswordVerdict::Defer => ("defer", ""),
            CheckPasswordVerdict::Accept => ("accept", ""),
            CheckPasswordVerdict::Verify(_) => ("verify", ""),
            CheckPasswordVerdict::Deny(denial) => ("deny", &denial.reason),
        }
    }

    fn client_message(verdict: &CheckPasswordVerdict) -> Option<&str> {
        match verdict {
            CheckPasswordVerdict::Deny(denial) => denial.client_message.as_deref(),
            CheckPasswordVerdict::Defer | CheckPasswordVerdict::Accept | CheckPasswordVerdict::Verify(_) => None,
        }
    }
}

impl GateEvent for CheckPassword {
    fn is_final(verdict: &CheckPasswordVerdict) -> bool {
        !matches!(verdict, CheckPasswordVerdict::Defer)
    }

    fn undecided() -> CheckPasswordVerdict {
        CheckPasswordVerdict::Defer
    }

    fn allowed() -> CheckPasswordVerdict {
        CheckPasswordVerdict::Accept
    }
}
