//! The gate between the account's conditions and the comparison of its password (B5).

use std::sync::Arc;

use super::{Denial, GateEvent, HookEvent, HookKind, LoginAttempt, Subject};
use crate::secret::Secret;

/// `password`: what is to be compared, as the client typed it.
#[derive(Debug, Clone)]
pub struct CheckPassword {
    pub attempt: Arc<LoginAttempt>,
    pub password: Secret,
}

#[derive(Debug, Clone)]
pub enum CheckPasswordVerdict {
    Defer,
    /// Good without a comparison.
    Accept,
    /// This is compared instead.
    Verify(Secret),
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
