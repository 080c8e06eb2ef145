//! The login use case. One [`Login`] follows one connection through its attempts; only it
//! makes an [`AuthenticatedAccount`], and only that opens a session's files.

mod admission;
mod checks;
mod conversation;
mod credentials;
mod external_auth_cache;
mod one_time_code;
mod refusal;

use std::collections::HashMap;
use std::sync::Arc;

pub use admission::AuthenticatedAccount;
pub use checks::{AccountCheck, account_checks};
pub use conversation::Step;
pub use refusal::{Refusal, RefusalReason};

use self::conversation::Exchange;
use self::credentials::Resolved;
use self::external_auth_cache::ExternalAuthCache;
use self::one_time_code::OneTimeCodes;
use crate::account::{Account, Accounts, AddressRule};
use crate::connection::{Connection, Credential, LoginMethod};
use crate::files::FileContext;
use crate::hook::check_password::CheckPassword;
use crate::hook::external_auth::{ExternalAuth, Scope};
use crate::hook::keyboard_interactive::KeyboardInteractive;
use crate::hook::observation::{PostLogin, SessionDestroy};
use crate::hook::pre_login::PreLogin;
use crate::hook::review::{LoginPre, SessionCreate};
use crate::hook::{Chain, HookHost, LoginAttempt, Observers};
use crate::metrics::Metrics;
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{Clock, Passwords, StorageFactory};
use crate::public_key::PublicKey;
use crate::secret::Secret;
use crate::session::{CloseSignal, SessionRegistry};

/// The hooks of a login, in the order in which it meets them.
#[derive(Clone)]
pub struct LoginHooks {
    pub host: Arc<HookHost>,
    pub login_pre: Arc<Chain<LoginPre>>,
    pub external_auth: Arc<Chain<ExternalAuth>>,
    pub external_auth_scope: Scope,
    pub pre_login: Arc<Chain<PreLogin>>,
    pub keyboard_interactive: Arc<Chain<KeyboardInteractive>>,
    pub check_password: Arc<Chain<CheckPassword>>,
    pub session_create: Arc<Chain<SessionCreate>>,
    pub post_login: Arc<Observers<PostLogin>>,
    pub session_destroy: Arc<Observers<SessionDestroy>>,
}

impl LoginHooks {
    /// Without any link.
    pub fn new(host: Arc<HookHost>) -> Self {
        fn chain<E: crate::hook::HookEvent>(host: &Arc<HookHost>) -> Arc<Chain<E>> {
            Arc::new(Chain::new(host.clone(), Vec::new()))
        }
        Self {
            login_pre: chain(&host),
            external_auth: chain(&host),
            external_auth_scope: Scope::default(),
            pre_login: chain(&host),
            keyboard_interactive: chain(&host),
            check_password: chain(&host),
            session_create: chain(&host),
            post_login: Observers::new(host.clone()),
            session_destroy: Observers::new(host.clone()),
            host,
        }
    }
}

/// What logins need.
pub struct LoginPorts {
    pub accounts: Arc<Accounts>,
    pub passwords: Arc<dyn Passwords>,
    pub hooks: LoginHooks,
    pub files: Arc<FileContext>,
    pub metrics: Arc<Metrics>,
    pub sessions: Arc<SessionRegistry>,
    pub storage: Arc<dyn StorageFactory>,
    pub address_rule: AddressRule,
    pub clock: Arc<dyn Clock>,
}

/// One for the server.
pub struct LoginService {
    ports: LoginPorts,
    /// Compared with the passwords of unknown users, so that they take as long as known ones.
    decoy: PasswordHash,
    cache: ExternalAuthCache,
    codes: OneTimeCodes,
}

impl LoginService {
    pub fn sessions(&self) -> &Arc<SessionRegistry> {
        &self.ports.sessions
    }

    /// Hashes one random password, which takes some tens of milliseconds.
    pub fn new(ports: LoginPorts) -> Result<Self, PasswordError> {
        let mut noise = [0; 16];
        getrandom::fill(&mut noise).map_err(|error| PasswordError::Hashing(error.to_string()))?;
        let decoy = PasswordHash::of(&Secret::new(format!("{noise:?}")))?;
        let cache = ExternalAuthCache::new().map_err(|error| PasswordError::Hashing(error.to_string()))?;
        Ok(Self { ports, decoy, cache, codes: OneTimeCodes::default() })
    }
}

/// How an attempt ended.
pub enum Outcome {
    Accepted(AuthenticatedAccount),
    /// A verified key was the first of two steps (B12-03).
    NextStep(Vec<LoginMethod>),
    Refused,
}

/// An offered key: the attempt, and the account that it would log in.
type Offer = (Arc<LoginAttempt>, Result<Resolved, ()>);

/// The attempts of one connection.
pub struct Login {
    service: Arc<LoginService>,
    connection: Arc<Connection>,
    close: Arc<CloseSignal>,
    /// The user whose key was verified as the first of two steps.
    first_step: Option<String>,
    attempts: u32,
    /// Verdicts on offered keys: a hook is asked about each key once (C6-09).
    offers: HashMap<(String, Vec<u8>), Offer>,
    /// A conversation under way.
    exchange: Option<Exchange>,
}

impl Login {
    /// `close` ends the connection from outside once a session exists.
    pub fn new(service: Arc<LoginService>, connection: Arc<Connection>, close: Arc<CloseSignal>) -> Self {
        let offers = HashMap::new();
        Self { service, connection, close, first_step: None, attempts: 0, offers, exchange: None }
    }

    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub async fn password(&mut self, username: &str, password: Secret) -> Outcome {
        let attempt = match self.attempt(username, Credential::Password(password.clone())).await {
            Ok(attempt) => attempt,
            Err((attempt, refusal)) => return self.conclude(&attempt, Err(refusal)).await,
        };
        let outcome = self.service.try_password(&attempt, &password).await;
        self.conclude(&attempt, outcome).await
    }

    /// Begins a conversation; one that was under way is given up.
    pub async fn keyboard_interactive(&mut self, username: &str) -> Step {
        self.exchange = None;
        let attempt = match self.attempt(username, Credential::KeyboardInteractive).await {
            Ok(attempt) => attempt,
            Err((attempt, refusal)) => return Step::Done(self.conclude(&attempt, Err(refusal)).await),
        };
        self.exchange = Some(Exchange::begin(self.service.clone(), attempt));
        self.next_step().await
    }

    /// The client's answers to the round before.
    pub async fn answers(&mut self, answers: Vec<Secret>) -> Step {
        if let Some(exchange) = &mut self.exchange {
            exchange.answer(answers);
        }
        self.next_step().await
    }

    async fn next_step(&mut self) -> Step {
        let Some(mut exchange) = self.exchange.take() else {
            return Step::Done(Outcome::Refused);
        };
        match exchange.next().await {
            Ok(round) => {
                self.exchange = Some(exchange);
                Step::Ask(round)
            }
            Err(outcome) => {
                let attempt = exchange.attempt().clone();
                drop(exchange);
                Step::Done(self.conclude(&attempt, outcome).await)
            }
        }
    }

    /// Whether a signature with this key would be worth checking. Commits nothing (J-14).
    pub async fn public_key_offered(&mut self, username: &str, key: &PublicKey) -> bool {
        match self.resolve_key(username, key).await {
            (_, Ok(_)) => true,
            (attempt, Err(Some(refusal))) => {
                self.refused(&attempt, &refusal);
                false
            }
            (_, Err(None)) => false,
        }
    }

    /// The client has proved that it owns the key.
    pub async fn public_key_verified(&mut self, username: &str, key: &PublicKey) -> Outcome {
        let (attempt, resolved) = match self.resolve_key(username, key).await {
            (attempt, Ok(resolved)) => (attempt, resolved),
            (_, Err(_)) => return Outcome::Refused,
        };
        let next = resolved.account.second_steps();
        let outcome = self.service.commit(resolved).await;
        if outcome.is_ok() && !next.is_empty() {
            self.first_step = Some(username.to_owned());
            return Outcome::NextStep(next);
        }
        self.conclude(&attempt, outcome).await
    }

    /// The key, or the way in which it signs, is too weak for anybody.
    pub fn public_key_unacceptable(&mut self, username: &str, key: &PublicKey) {
        self.attempts = self.attempts.saturating_add(1);
        let attempt = Arc::new(LoginAttempt {
            connection: self.connection.clone(),
            username: username.to_owned(),
            credential: Credential::PublicKey(key.clone()),
            completed_methods: Vec::new(),
            stored: None,
            number: self.attempts,
        });
        let text = "the key or its signature is too weak; use ed25519, ecdsa, or RSA with 2048 bits and SHA-2";
        self.refused(&attempt, &Refusal::new(RefusalReason::Denied, text));
    }

    /// The connection ended before anybody tried to log in (A4-01).
    pub fn abandoned(&self, reason: &str) {
        self.service.ports.metrics.no_auth.inc();
        refusal::log_connection_failed(&self.connection, "", refusal::NO_AUTH_TRIED, reason, "no_attempt");
        self.service.ports.hooks.post_login.notify(PostLogin {
            connection: self.connection.clone(),
            attempt: None,
            outcome: Err(reason.to_owned()),
        });
    }

    /// Counts the attempt, looks for the account and asks the hooks that come before any
    /// credential is looked at.
    async fn attempt(
        &mut self,
        username: &str,
        credential: Credential,
    ) -> Result<Arc<LoginAttempt>, (Arc<LoginAttempt>, Refusal)> {
        self.attempts = self.attempts.saturating_add(1);
        let is_second_step = self.first_step.as_deref() == Some(username);
        let found = self.service.ports.accounts.find(username).await;
        let (stored, failure) = match found {
            Ok(stored) => (stored.map(Arc::new), None),
            Err(error) => (None, Some(Refusal::from(error))),
        };
        let attempt = Arc::new(LoginAttempt {
            connection: self.connection.clone(),
            username: username.to_owned(),
            credential,
            completed_methods: if is_second_step { vec![LoginMethod::PublicKey] } else { Vec::new() },
            stored,
            number: self.attempts,
        });
        if let Some(refusal) = failure {
            return Err((attempt, refusal));
        }
        match self.service.before_credentials(&attempt).await {
            Ok(()) => Ok(attempt),
            Err(refusal) => Err((attempt, refusal)),
        }
    }

    /// `Err(None)`: this key was refused, and logged, before.
    async fn resolve_key(
        &mut self,
        username: &str,
        key: &PublicKey,
    ) -> (Arc<LoginAttempt>, Result<Resolved, Option<Refusal>>) {
        let memo = (username.to_owned(), key.blob().to_vec());
        if let Some((attempt, known)) = self.offers.get(&memo) {
            return (attempt.clone(), known.clone().map_err(|()| None));
        }
        let (attempt, resolved) = match self.attempt(username, Credential::PublicKey(key.clone())).await {
            Ok(attempt) => {
                let resolved = self.service.try_key(&attempt, key).await;
                (attempt, resolved)
            }
            Err((attempt, refusal)) => (attempt, Err(refusal)),
        };
        self.offers.insert(memo, (attempt.clone(), resolved.clone().map_err(drop)));
        (attempt, resolved.map_err(Some))
    }

    /// The checks after the credential, the session's place, the log line, and the observers.
    async fn conclude(&mut self, attempt: &Arc<LoginAttempt>, outcome: Result<Account, Refusal>) -> Outcome {
        let admitted = match outcome {
            Ok(account) => self.service.admit(account, attempt, self.close.clone()).await,
            Err(refusal) => Err(refusal),
        };
        match admitted {
            Ok(authenticated) => {
                self.service.succeeded(attempt, &authenticated).await;
                // Sessions last longer than logins.
                self.offers = HashMap::new();
                Outcome::Accepted(authenticated)
            }
            Err(refusal) => {
                self.refused(attempt, &refusal);
                Outcome::Refused
            }
        }
    }

    fn refused(&self, attempt: &Arc<LoginAttempt>, refusal: &Refusal) {
        self.service.ports.metrics.login(attempt.method(), false);
        let text = refusal.to_string();
        refusal::log_connection_failed(
            &self.connection,
            &attempt.username,
            attempt.method().login_type(),
            &text,
            refusal.reason.as_str(),
        );
        self.service.journal_login(attempt, "refused", &text);
        self.service.ports.hooks.post_login.notify(PostLogin {
            connection: self.connection.clone(),
            attempt: Some(attempt.clone()),
            outcome: Err(text),
        });
    }
}

#[cfg(test)]
mod hook_tests;
#[cfg(test)]
mod tests;
