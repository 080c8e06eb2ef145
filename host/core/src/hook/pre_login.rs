//! The gate that makes or changes an account before the server checks the credential (A13, B3). Its
//! links form a pipeline: each gets the account as the link before has left it.

use std::fmt;
use std::sync::Arc;

use super::{Denial, GateEvent, HookError, HookEvent, HookKind, LoginAttempt, Subject};
use crate::account::{AccountDraft, CredentialRule, EffectiveAccount, in_force};
use crate::ports::{Directory, StoreError};

/// An account is about to log in.
#[derive(Debug, Clone)]
pub struct PreLogin {
    /// The attempt to log in.
    pub attempt: Arc<LoginAttempt>,
    /// The account as the links before have left it, with what its groups give it; None: no account of that name is
    /// stored, and no link has made one.
    pub account: Option<Arc<EffectiveAccount>>,
    /// The draft of the last link that changed the account, if any.
    pub changed: Option<AccountDraft>,
    groups: Option<Groups>,
    /// Whether `account` is new, so that its groups have still to be applied.
    is_ungrouped: bool,
}

/// Where the groups of accounts are stored.
#[derive(Clone)]
struct Groups(Arc<dyn Directory>);

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Groups")
    }
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
        Self { attempt, account, changed: None, groups: None, is_ungrouped: false }
    }

    /// Gives each later link the account that an earlier one made with what its groups, stored there, give it.
    pub fn with_groups_of(self, directory: Arc<dyn Directory>) -> Self {
        Self { groups: Some(Groups(directory)), ..self }
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

    fn client_message(verdict: &PreLoginVerdict) -> Option<&str> {
        match verdict {
            PreLoginVerdict::Deny(denial) => denial.client_message.as_deref(),
            PreLoginVerdict::Unchanged | PreLoginVerdict::Replace(_) => None,
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
        self.is_ungrouped = true;
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), HookError> {
        let (true, Some(groups), Some(account)) = (self.is_ungrouped, &self.groups, &self.account) else {
            return Ok(());
        };
        let grouped = in_force(&*groups.0, account.user().clone()).await.map_err(|error| match error {
            StoreError::Invalid { problem, .. } => HookError::BadOutput(problem),
            error => HookError::Failed(format!("the groups of its account cannot be applied: {error}")),
        })?;
        self.account = Some(Arc::new(grouped));
        self.is_ungrouped = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use async_trait::async_trait;
    use serde_json::json;

    use super::super::attempt::tests::attempt;
    use super::super::{Call, Chain, Hook, HookDescription, Link, LinkSettings, OnError};
    use super::*;
    use crate::account::AccountRights;
    use crate::memory::MemoryStore;
    use crate::ports::{Change, GROUPS, Write};

    #[test]
    fn a_later_link_does_not_widen_the_rights_of_an_earlier_one() {
        // A11-21a
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

    /// Answers with a document, or with nothing, and keeps the limit of sessions of the account that it was shown.
    struct Seer {
        answer: Option<&'static str>,
        seen: Mutex<Option<u32>>,
    }

    #[async_trait]
    impl Hook<PreLogin> for Seer {
        fn name(&self) -> &str {
            "seer"
        }
        fn adapter(&self) -> &'static str {
            "test"
        }
        fn description(&self) -> HookDescription {
            HookDescription::new("", Duration::ZERO, "ready")
        }
        async fn call(&self, _: &Call, event: &PreLogin) -> Result<PreLoginVerdict, HookError> {
            *self.seen.lock().unwrap() = event.account.as_ref().map(|account| account.max_sessions);
            let draft = self.answer.map(|json| Box::new(AccountDraft::from_json(json).unwrap()));
            Ok(draft.map_or(PreLoginVerdict::Unchanged, PreLoginVerdict::Replace))
        }
    }

    #[tokio::test]
    async fn each_link_sees_the_account_with_its_groups_applied() {
        // A13-01, B9-04
        const PLAIN: &str = r#"{"status":1,"home_dir":"/srv/x","permissions":{"/":["*"]}}"#;
        const GROUPED: &str =
            r#"{"status":1,"home_dir":"/srv/x","permissions":{"/":["*"]},"groups":[{"name":"three","type":1}]}"#;
        const BROKEN: &str =
            r#"{"status":1,"home_dir":"/srv/x","permissions":{"/":["*"]},"groups":[{"name":"broken","type":1}]}"#;
        let store = Arc::new(MemoryStore::default());
        for (name, settings) in [("three", json!({"max_sessions": 3})), ("broken", json!({"max_sessions": "3"}))] {
            let document = json!({"user_settings": settings}).as_object().unwrap().clone();
            let (name, write) = (name.to_owned(), Write::Add(document));
            store
                .commit(vec![Change { collection: &GROUPS, name, write, announce: false, audit: None }])
                .await
                .unwrap();
        }
        let check = async |answers: &[Option<&'static str>], expected: Result<&[Option<u32>], &str>| {
            let seers: Vec<_> =
                answers.iter().map(|answer| Arc::new(Seer { answer: *answer, seen: Mutex::default() })).collect();
            let links = seers.iter().map(|seer| {
                let settings = LinkSettings { on_error: OnError::Skip, ..LinkSettings::default() };
                Arc::new(Link::new(seer.clone() as Arc<dyn Hook<PreLogin>>, settings))
            });
            let chain = Chain::new(Arc::default(), links.collect());
            let mut event = PreLogin::new(Arc::new(attempt("alice"))).with_groups_of(store.clone());
            match (chain.decide(&mut event).await, expected) {
                (Ok(_), Ok(expected)) => {
                    let seen: Vec<_> = seers.iter().map(|seer| *seer.seen.lock().unwrap()).collect();
                    assert_eq!(seen, expected, "{answers:?}");
                    // What is to be stored is the account without what its groups give it.
                    let changed = event.changed.map(|draft| draft.into_parts().0.get("max_sessions").cloned());
                    assert!(changed.flatten().is_none_or(|sessions| sessions == 0), "{answers:?}");
                }
                (Err(failure), Err(expected)) => assert!(failure.to_string().contains(expected), "{failure}"),
                (outcome, expected) => panic!("{outcome:?} is not {expected:?}"),
            }
        };
        check(&[None, None], Ok(&[None, None])).await;
        check(&[Some(PLAIN), None], Ok(&[None, Some(0)])).await;
        check(&[Some(GROUPED), None], Ok(&[None, Some(3)])).await;
        check(&[Some(GROUPED), None, None], Ok(&[None, Some(3), Some(3)])).await;
        check(&[Some(PLAIN), Some(GROUPED), None], Ok(&[None, Some(0), Some(3)])).await;
        check(&[Some(GROUPED), Some(PLAIN), None], Ok(&[None, Some(3), Some(0)])).await;
        // Without a later link, the login itself applies the groups, and refuses.
        check(&[Some(BROKEN)], Ok(&[None])).await;
        check(&[Some(BROKEN), None], Err("its group \"broken\" cannot be used")).await;
    }
}
