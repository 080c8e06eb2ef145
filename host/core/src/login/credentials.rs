//! From a credential to an account: the hooks that decide about it or make the account, and the
//! comparison with the stored credential (B1, steps 8 to 15).

use core::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::external_auth_cache::Known;
use super::{LoginService, Refusal, RefusalReason};
use crate::account::{AccountDraft, AccountWrite, EffectiveAccount, User};
use crate::connection::{Credential, LoginMethod};
use crate::hook::LoginAttempt;
use crate::hook::check_password::{CheckPassword, CheckPasswordVerdict};
use crate::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use crate::hook::pre_login::{PreLogin, PreLoginVerdict};
use crate::hook::review::{LoginPre, Review};
use crate::key_options::KeyOptions;
use crate::metrics::ExternalAuthAnswer;
use crate::ports::{Author, Door};
use crate::public_key::PublicKey;
use crate::secret::Secret;

/// The account of an attempt. What a hook made of it is not stored before [`LoginService::commit`].
#[derive(Clone)]
pub(super) struct Resolved {
    /// The account as it is, or will be, in force.
    pub account: Arc<EffectiveAccount>,
    /// What is to be stored.
    pub write: Write,
    /// Whether a hook has vouched for the credential, so that the server does not compare it.
    pub vouched: bool,
    /// The text to compare with the stored hash, instead of the client's password.
    pub password_instead: Option<Secret>,
    /// The `command=` of the key's line, which runs in the session whatever the client asks for.
    pub forced_command: Option<String>,
    /// What external authentication has accepted, and the generation of its hooks, to remember it for the account that
    /// is stored.
    pub accepted: Option<(Arc<LoginAttempt>, u64)>,
}

/// What is to be stored once the credential is proved.
#[derive(Clone)]
pub(super) enum Write {
    Nothing,
    /// The account that a hook made, and the author of the change.
    Account(Arc<AccountWrite>, Author),
}

impl Resolved {
    /// The stored account as it is.
    pub fn from_stored(account: Arc<EffectiveAccount>) -> Self {
        let (write, vouched) = (Write::Nothing, false);
        Self { account, write, vouched, password_instead: None, forced_command: None, accepted: None }
    }

    /// The account of that name that a hook has made, which is to be stored with a later step of the login.
    pub fn made_for(self, username: &str) -> Option<Arc<EffectiveAccount>> {
        match self.write {
            Write::Account(write, author) if self.account.username == username => {
                let account = Arc::unwrap_or_clone(self.account);
                Some(Arc::new(account.with_unstored(Arc::unwrap_or_clone(write), author)))
            }
            Write::Account(..) | Write::Nothing => None,
        }
    }
}

impl LoginService {
    /// The account of that name, as it is in force.
    pub(super) async fn stored(&self, username: &str) -> Result<Option<Arc<EffectiveAccount>>, Refusal> {
        let Some(user) = self.ports.accounts.find(username).await? else { return Ok(None) };
        Ok(Some(Arc::new(self.ports.accounts.in_force(user).await?)))
    }

    /// As [`stored`](Self::stored), with a time before it, and why there is none where that is not known.
    pub(super) async fn read(&self, username: &str) -> (Option<Arc<EffectiveAccount>>, Instant, Option<Refusal>) {
        let read_at = Instant::now();
        match self.stored(username).await {
            Ok(stored) => (stored, read_at, None),
            Err(refusal) => (None, read_at, Some(refusal)),
        }
    }

    /// Asks the `login-pre` hooks, before any credential is looked at. A denial is a failed login (D-05).
    pub(super) async fn before_credentials(&self, attempt: &Arc<LoginAttempt>) -> Result<(), Refusal> {
        let decision = self.ports.hooks.login_pre.decide(&mut LoginPre(attempt.clone())).await?;
        match decision.verdict {
            Review::Deny(denial) => {
                let connection_id = attempt.connection.id.as_str();
                let username = attempt.username.as_str();
                tracing::warn!(sender = "login_pre_hook", message = denial.reason, username, connection_id);
                Err(Refusal::new(RefusalReason::Denied, denial.reason))
            }
            Review::Allow | Review::Done => Ok(()),
        }
    }

    /// Finds the account and proves its password, given by the password method or by the built-in question. Nothing
    /// is stored yet. External authentication may accept an empty password (A11-26); the server never does.
    pub(super) async fn try_password(
        &self,
        attempt: &Arc<LoginAttempt>,
        password: &Secret,
        pre_login: PreLoginHooks,
    ) -> Result<Resolved, Refusal> {
        let resolved = match self.resolve(attempt, Some(password), pre_login).await? {
            Some(resolved) => resolved,
            None => {
                // The answer takes as long as for a wrong password.
                self.ports.passwords.matches(attempt.waiter(), &self.decoy, password).await?;
                return Err(unknown_user());
            }
        };
        self.prove_password(attempt, &resolved, password).await?;
        Ok(resolved)
    }

    /// Checks the account's conditions, asks the `check-password` hooks, and compares the password (B1, steps 11, 14
    /// and 15).
    pub(super) async fn prove_password(
        &self,
        attempt: &Arc<LoginAttempt>,
        resolved: &Resolved,
        password: &Secret,
    ) -> Result<(), Refusal> {
        self.check_before_credential(&resolved.account, attempt)?;
        // Without a hook that vouches, an empty password is refused before check-password hooks are asked: an LDAP
        // bind with one succeeds as anonymous (RFC 4513 §5.1.2).
        if password.is_empty() && !resolved.vouched {
            self.ports.passwords.matches(attempt.waiter(), &self.decoy, password).await?;
            return Err(Refusal::new(RefusalReason::WrongCredential, "the password is empty"));
        }
        let instead = match self.check_password(attempt, &resolved.account, password).await? {
            CheckPasswordVerdict::Accept => return Ok(()),
            CheckPasswordVerdict::Verify(instead) => Some(instead),
            CheckPasswordVerdict::Deny(denial) => return Err(Refusal::new(RefusalReason::Denied, denial.reason)),
            CheckPasswordVerdict::Defer if resolved.vouched => return Ok(()),
            CheckPasswordVerdict::Defer => None,
        };
        let compared = instead.as_ref().or(resolved.password_instead.as_ref()).unwrap_or(password);
        if self.matches(attempt, &resolved.account, compared).await? {
            Ok(())
        } else {
            Err(Refusal::new(RefusalReason::WrongCredential, "the password does not match"))
        }
    }

    async fn check_password(
        &self,
        attempt: &Arc<LoginAttempt>,
        account: &Arc<EffectiveAccount>,
        password: &Secret,
    ) -> Result<CheckPasswordVerdict, Refusal> {
        let chain = &self.ports.hooks.check_password;
        if account.filters.check_password_disabled || chain.is_empty() {
            return Ok(CheckPasswordVerdict::Defer);
        }
        // As earlier hooks have left the account: they may have made it, or changed its groups.
        let attempt = Arc::new(LoginAttempt { stored: Some(account.clone()), ..(**attempt).clone() });
        let mut event = CheckPassword { attempt, password: password.clone() };
        Ok(chain.decide(&mut event).await?.verdict)
    }

    /// Compares a password with the account's hash. It takes as long for an account without a password, and an empty
    /// password never matches.
    pub(super) async fn matches(
        &self,
        attempt: &LoginAttempt,
        account: &EffectiveAccount,
        password: &Secret,
    ) -> Result<bool, Refusal> {
        let hash = account.password.as_ref().unwrap_or(&self.decoy);
        let matches = self.ports.passwords.matches(attempt.waiter(), hash, password).await?;
        Ok(matches && account.password.is_some() && !password.is_empty())
    }

    pub(super) async fn try_key(&self, attempt: &Arc<LoginAttempt>, key: &PublicKey) -> Result<Resolved, Refusal> {
        let mut resolved = self.resolve(attempt, None, PreLoginHooks::Ask).await?.ok_or_else(unknown_user)?;
        self.check_before_credential(&resolved.account, attempt)?;
        let now = self.ports.clock.now();
        let line = self.admitting_line(&resolved.account, key, attempt.connection.remote.ip(), now)?;
        resolved.forced_command = line.options().and_then(KeyOptions::command).map(str::to_owned);
        Ok(resolved)
    }

    /// The first of the account's lines with this key whose options admit the login.
    fn admitting_line<'a>(
        &self,
        account: &'a EffectiveAccount,
        key: &PublicKey,
        address: IpAddr,
        now: i64,
    ) -> Result<&'a PublicKey, Refusal> {
        let zone_offset = self.ports.clock.zone_offset(now);
        let mut refusal = Refusal::new(RefusalReason::WrongCredential, "the key is not one of the account's");
        for own in account.public_keys.iter().filter(|own| *own == key) {
            match own.options().map_or(Ok(()), |options| options.admit(address, now, zone_offset)) {
                // The library that checks signatures does not pass on their flags, which say whether the key was
                // touched.
                Ok(()) if own.needs_presence() => {
                    let text = "security keys are refused, because it cannot be seen whether they were touched; the line \
                                of one that need not be touched has to begin with \"no-touch-required\"";
                    let username = account.username.as_str();
                    tracing::warn!(sender = "login", message = text, username, key = own.fingerprint());
                    refusal = Refusal::new(RefusalReason::Denied, text);
                }
                Ok(()) => return Ok(own),
                Err(problem) => refusal = Refusal::new(RefusalReason::Denied, problem),
            }
        }
        Err(refusal)
    }

    /// The account that hooks make for the attempt, or else the stored one; None: there is no such user. Pre-login
    /// hooks are asked, once an attempt, where external authentication does not decide. They are not asked where
    /// external authentication is for the attempt but switched off for the user: an attempt is for one of the two
    /// (A13-09).
    pub(super) async fn resolve(
        &self,
        attempt: &Arc<LoginAttempt>,
        presented: Option<&Secret>,
        pre_login: PreLoginHooks,
    ) -> Result<Option<Resolved>, Refusal> {
        match self.ask_external_auth(attempt, presented).await? {
            Some(resolved) => Ok(Some(resolved)),
            None => self.without_external_auth(attempt, pre_login).await,
        }
    }

    /// As [`resolve`](Self::resolve), where external authentication does not decide.
    pub(super) async fn without_external_auth(
        &self,
        attempt: &Arc<LoginAttempt>,
        pre_login: PreLoginHooks,
    ) -> Result<Option<Resolved>, Refusal> {
        let excluded = self.external_auth_is_for(attempt) && is_switched_off(attempt);
        match pre_login {
            PreLoginHooks::Ask if !excluded => self.ask_pre_login(attempt).await,
            PreLoginHooks::Ask | PreLoginHooks::Asked => Ok(attempt.stored.clone().map(Resolved::from_stored)),
        }
    }

    /// What external authentication says of the answer to the built-in question for the password, if it is asked about
    /// passwords; else `known`, the account of the conversation, about which it has not decided.
    pub(super) async fn with_password(
        &self,
        attempt: &Arc<LoginAttempt>,
        password: &Secret,
        known: Resolved,
    ) -> Result<Resolved, Refusal> {
        if !self.ports.hooks.external_auth_scope.covers_method(LoginMethod::Password) {
            return Ok(known);
        }
        // Pre-login hooks may have changed the account since the attempt began.
        let attempt = Arc::new(LoginAttempt { stored: Some(known.account.clone()), ..(**attempt).clone() });
        Ok(self.ask_external_auth(&attempt, Some(password)).await?.unwrap_or(known))
    }

    /// Whether external authentication is asked about such attempts, the user's switch aside.
    fn external_auth_is_for(&self, attempt: &LoginAttempt) -> bool {
        let hooks = &self.ports.hooks;
        hooks.external_auth_scope.covers(&attempt.credential) && hooks.external_auth.concerns(&attempt.subject())
    }

    /// The account, if external authentication decides about the attempt; None: it does not.
    pub(super) async fn ask_external_auth(
        &self,
        attempt: &Arc<LoginAttempt>,
        presented: Option<&Secret>,
    ) -> Result<Option<Resolved>, Refusal> {
        let hooks = &self.ports.hooks;
        let attempt = &self.with_answer(attempt, presented);
        if is_switched_off(attempt) || !self.external_auth_is_for(attempt) {
            return Ok(None);
        }
        let relies_on_last_login = hooks.external_auth.relies_on_last_login_alone(&attempt.subject());
        if relies_on_last_login && self.external_auth_is_recent(attempt) {
            self.ports.metrics.external_auth(ExternalAuthAnswer::Stored);
            return Ok(attempt.stored.clone().map(Resolved::from_stored));
        }
        let cache = &self.ports.external_auth_cache;
        let generation = hooks.external_auth.generation();
        match cache.find(attempt, generation, !relies_on_last_login) {
            Some(Known::Accepted(account, decision)) => {
                attempt.decision.holds_again(decision);
                return Ok(Some(Resolved { vouched: true, ..Resolved::from_stored(account) }));
            }
            Some(Known::Denied) => {
                let text = "external authentication has denied this credential a short time ago";
                return Err(Refusal::new(RefusalReason::Denied, text));
            }
            None => {}
        }
        let decision = hooks.external_auth.decide(&mut ExternalAuth(attempt.clone())).await?;
        let mut resolved = match decision.verdict {
            ExternalAuthVerdict::Defer => return Ok(None),
            ExternalAuthVerdict::Reject(denial) => {
                cache.denied(attempt, generation);
                return Err(Refusal::new(RefusalReason::Denied, denial.reason));
            }
            ExternalAuthVerdict::Accept(None) => accept_stored(attempt)?,
            ExternalAuthVerdict::Accept(Some(draft)) => self.accept_draft(*draft, attempt, presented).await?,
            ExternalAuthVerdict::VerifyStored(instead) => {
                let account = attempt.stored.clone().ok_or_else(|| {
                    Refusal::new(RefusalReason::UnknownUser, "there is no stored account to verify with")
                })?;
                Resolved { password_instead: instead, ..Resolved::from_stored(account) }
            }
        };
        if resolved.vouched && !relies_on_last_login {
            resolved.accepted = Some((attempt.clone(), generation));
        }
        Ok(Some(resolved))
    }

    /// Whether there are hooks that are not asked for a time after the last login, and it is not over (B8-02).
    pub(super) fn external_auth_is_recent(&self, attempt: &LoginAttempt) -> bool {
        self.ports.hooks.external_auth.relies_on_last_login() && self.ports.external_auth_cache.is_recent(attempt)
    }

    /// Turns an answer to the built-in question for the password into a password attempt, if external
    /// authentication is in scope for passwords: it then decides as for the password method.
    fn with_answer(&self, attempt: &Arc<LoginAttempt>, answer: Option<&Secret>) -> Arc<LoginAttempt> {
        if let (Credential::KeyboardInteractive, Some(password)) = (&attempt.credential, answer) {
            let credential = Credential::Password(password.clone());
            if self.ports.hooks.external_auth_scope.covers(&credential) {
                return Arc::new(LoginAttempt { credential, ..(**attempt).clone() });
            }
        }
        attempt.clone()
    }

    /// Takes over the account of a hook that has accepted the credential (A11-20 to A11-25).
    pub(super) async fn accept_draft(
        &self,
        mut draft: AccountDraft,
        attempt: &LoginAttempt,
        presented: Option<&Secret>,
    ) -> Result<Resolved, Refusal> {
        let presented = match &attempt.credential {
            Credential::Password(_) => presented.filter(|presented| !presented.is_empty()),
            Credential::PublicKey(key) => {
                draft.add_public_key(key);
                None
            }
            Credential::KeyboardInteractive => None,
        };
        let (mut write, mut author) = (self.prepare(draft, attempt, presented).await?, author(attempt));
        // An earlier step of the login may have more to store than this one.
        if let (AccountWrite::Unchanged(_), Some(unstored)) =
            (&write, attempt.stored.as_ref().and_then(|stored| stored.unstored()))
        {
            (write, author) = (unstored.write.clone(), unstored.author.clone());
        }
        let account = self.in_force(write.user().clone(), self.is_of_session(&write)).await?;
        let vouched = !matches!(attempt.credential, Credential::KeyboardInteractive);
        Ok(Resolved {
            account,
            write: Write::Account(Arc::new(write), author),
            vouched,
            password_instead: None,
            forced_command: None,
            accepted: None,
        })
    }

    async fn prepare(
        &self,
        draft: AccountDraft,
        attempt: &LoginAttempt,
        presented: Option<&Secret>,
    ) -> Result<AccountWrite, Refusal> {
        let known = attempt.stored.as_ref().map(|stored| stored.user());
        Ok(self.ports.accounts.prepare_from_hook(draft, attempt.waiter(), known, presented).await?)
    }

    /// Asks the pre-login hooks (A13). Their changes are stored at once, whatever becomes of the login (B3-04).
    async fn ask_pre_login(&self, attempt: &Arc<LoginAttempt>) -> Result<Option<Resolved>, Refusal> {
        let stored = attempt.stored.clone();
        let disabled = stored.as_ref().is_some_and(|account| account.filters.pre_login_disabled);
        let chain = &self.ports.hooks.pre_login;
        if chain.is_empty() || disabled {
            return Ok(stored.map(Resolved::from_stored));
        }
        let mut event = PreLogin::new(attempt.clone()).with_groups_of(self.ports.accounts.shared_directory());
        if let PreLoginVerdict::Deny(denial) = chain.decide(&mut event).await?.verdict {
            return Err(Refusal::new(RefusalReason::Denied, denial.reason));
        }
        let Some(draft) = event.changed else {
            return Ok(stored.map(Resolved::from_stored));
        };
        let write = self.prepare(draft, attempt, None).await?;
        Ok(Some(Resolved::from_stored(self.store(write, &author(attempt)).await?)))
    }

    /// Stores what a hook has changed, once the credential is proved.
    pub(super) async fn commit(&self, resolved: Resolved) -> Result<Arc<EffectiveAccount>, Refusal> {
        let account = match resolved.write {
            // An earlier step has proved what a hook made of the account in it.
            Write::Nothing => match resolved.account.unstored() {
                Some(unstored) => self.store(unstored.write.clone(), &unstored.author).await?,
                None => resolved.account,
            },
            Write::Account(write, author) => self.store(Arc::unwrap_or_clone(write), &author).await?,
        };
        if let Some((attempt, generation)) = &resolved.accepted {
            self.ports.external_auth_cache.accepted(attempt, *generation, &account);
        }
        Ok(account)
    }

    async fn store(&self, write: AccountWrite, author: &Author) -> Result<Arc<EffectiveAccount>, Refusal> {
        if self.is_of_session(&write) {
            return self.in_force(write.into_user(), true).await;
        }
        let user = self.ports.accounts.commit_from_hook(write, author).await?;
        self.in_force(user, false).await
    }

    /// Whether what a hook has made is for its session alone, since accounts are only read (A8-17).
    fn is_of_session(&self, write: &AccountWrite) -> bool {
        !self.ports.accounts.are_managed() && !matches!(write, AccountWrite::Unchanged(_))
    }

    async fn in_force(
        &self,
        user: impl Into<Arc<User>>,
        is_of_session: bool,
    ) -> Result<Arc<EffectiveAccount>, Refusal> {
        let account = self.ports.accounts.in_force(user).await?;
        Ok(Arc::new(if is_of_session { account.of_session() } else { account }))
    }
}

/// The author of changes by hooks: the user whose login they answer.
fn author(attempt: &LoginAttempt) -> Author {
    let address = Some(attempt.connection.remote.ip());
    Author { address, ..Author::new(attempt.username.clone(), Door::Hook) }
}

/// Whether the pre-login hooks have still to be asked about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreLoginHooks {
    /// They have still to be asked.
    Ask,
    /// They were asked before a conversation.
    Asked,
}

/// Whether the user's own switch keeps external authentication from being asked (B9-01).
fn is_switched_off(attempt: &LoginAttempt) -> bool {
    attempt.stored.as_ref().is_some_and(|account| account.filters.external_auth_disabled)
}

pub(super) fn unknown_user() -> Refusal {
    Refusal::new(RefusalReason::UnknownUser, "there is no such account")
}

/// The stored account, of a user that a hook has accepted without a draft. The hook vouches for passwords only: a
/// key has to be one of the account's (B2-04).
pub(super) fn accept_stored(attempt: &LoginAttempt) -> Result<Resolved, Refusal> {
    let Some(account) = attempt.stored.clone() else {
        return Err(Refusal::new(RefusalReason::UnknownUser, "the hook accepted a user that has no account"));
    };
    let vouched = matches!(attempt.credential, Credential::Password(_));
    Ok(Resolved { vouched, ..Resolved::from_stored(account) })
}
