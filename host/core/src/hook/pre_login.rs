//! The gate that makes or changes an account before the server checks the credential (A13, B3). Its
//! links form a pipeline: each gets the account as the link before has left it.

use std::sync::Arc;

use super::{Denial, GateEvent, HookError, HookEvent, HookKind, LoginAttempt, Subject};
use crate::account::{AccountDraft, CredentialRule, EffectiveAccount};

/// An account is about to log in.
#[derive(Debug, Clone)]
pub struct PreLogin {
    /// The attempt to log in.
    pub attempt: Arc<LoginAttempt>,
    /// The account as the links before have left it; None: no account of that name is stored, and no link has
    /// made one.
    pub account: Option<Arc<EffectiveAccount>>,
    /// The draft of the last link that changed the account, if any.
    pub changed: Option<AccountDraft>,
}

/// What a pre-login hook says of an account.
#[derive(Debug, Clone)]
pub enum PreLoginVerdict {
    /// The account stays as it is.
    Unchanged,
    /// The account is added or replaced by the draft.
    Replace(Box<AccountDraft>),
    /// The login is refused.
    Deny(Denial),
}

impl PreLogin {
    /// The event for the first link: the account as it is stored.
    pub fn new(attempt: Arc<LoginAttempt>) -> Self {
        let account = attempt.stored.clone();
        Self { attempt, account, changed: None }
    }
}

impl HookEvent for PreLogin {
    type Verdict = PreLoginVerdict;
    const KIND: HookKind = HookKind::PreLogin;

    fn subject(&self) -> Subject<'_> {
        Subject { account: self.account.as_deref(), ..self.attempt.subject() }
    }

    fn label(verdict: &PreLoginVerdict) -> (&'static str, &str) {
        match verdict {
            PreLoginVerdict::Unchanged => ("unchanged", ""),
            PreLoginVerdict::Replace(_) => ("replace", ""),
            PreLoginVerdict::Deny(denial) => ("deny", &denial.reason),
        }
    }

    fn account(verdict: &mut PreLoginVerdict) -> Option<&mut AccountDraft> {
        match verdict {
            PreLoginVerdict::Replace(draft) => Some(draft),
            PreLoginVerdict::Unchanged | PreLoginVerdict::Deny(_) => None,
        }
    }
}

impl GateEvent for PreLogin {
    fn is_final(verdict: &PreLoginVerdict) -> bool {
        matches!(verdict, PreLoginVerdict::Deny(_))
    }

    fn undecided() -> PreLoginVerdict {
        PreLoginVerdict::Unchanged
    }

    fn allowed() -> PreLoginVerdict {
        PreLoginVerdict::Unchanged
    }

    fn take_in(&mut self, verdict: PreLoginVerdict) -> Result<(), HookError> {
        let PreLoginVerdict::Replace(draft) = verdict else { return Ok(()) };
        // The draft always is for the user that logs in, whatever name it has (B3-03).
        let mut draft = *draft;
        if let Some(rights) = self.changed.as_ref().and_then(AccountDraft::rights) {
            draft.bind(rights);
        }
        draft.set("username", serde_json::Value::String(self.attempt.username.clone()));
        let stored = self.attempt.stored.as_ref().map(|stored| &**stored.user());
        draft.keep_maintained_fields_of(stored);
        draft.keep_second_factor_of(stored);
        let validated = draft.clone().validate(CredentialRule::Optional);
        let validated = validated.map_err(|error| HookError::BadOutput(error.to_string()))?;
        self.account = Some(Arc::new(EffectiveAccount::ungrouped(validated.account)));
        self.changed = Some(draft);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::attempt::tests::attempt;
    use super::*;
    use crate::account::AccountRights;

    #[test]
    fn a_later_link_does_not_widen_the_rights_of_an_earlier_one() {
        let mut event = PreLogin::new(Arc::new(attempt("alice")));
        let mut answer = |rights: AccountRights| {
            let json = r#"{"status":1,"username":"x","home_dir":"/srv/x","permissions":{"/":["*"]}}"#;
            let mut draft = AccountDraft::from_json(json).unwrap();
            draft.bind(&Arc::new(rights));
            event.take_in(PreLoginVerdict::Replace(Box::new(draft))).unwrap();
            event.changed.as_ref().unwrap().rights().unwrap().as_ref().clone()
        };
        assert_eq!(answer(AccountRights::unbound()), AccountRights::unbound());
        assert_eq!(answer(AccountRights::bound()), AccountRights::bound());
        let granted = AccountRights { any_account: true, second_factors: true, ..AccountRights::bound() };
        assert_eq!(answer(granted), AccountRights::bound());
        assert_eq!(answer(AccountRights::unbound()), AccountRights::bound());
    }

    #[test]
    fn the_account_is_that_of_the_user_who_logs_in() {
        // B3-03
        let mut event = PreLogin::new(Arc::new(attempt("alice")));
        for answered in ["alice", "mallory", ""] {
            let json =
                format!(r#"{{"status":1,"username":"{answered}","home_dir":"/srv/x","permissions":{{"/":["*"]}}}}"#);
            let draft = AccountDraft::from_json(&json).unwrap();
            event.take_in(PreLoginVerdict::Replace(Box::new(draft))).unwrap();
            assert_eq!(event.changed.as_ref().unwrap().username(), "alice", "{answered}");
            assert_eq!(event.account.as_ref().unwrap().username, "alice", "{answered}");
        }
    }
}
