//! The login use case. One [`Login`] follows one connection through its attempts; only it
//! makes an [`AuthenticatedAccount`], and only that opens a session.

mod checks;
mod refusal;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

pub use refusal::{Refusal, RefusalReason};

use crate::account::{Account, AccountDraft, Accounts};
use crate::connection::{Connection, ConnectionId, Credential, LoginMethod};
use crate::files::storage::StorageError;
use crate::files::{FileService, SetAttributesPolicy};
use crate::hook::Chain;
use crate::hook::external_auth::{ExternalAuth, ExternalAuthVerdict, Scope};
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{Clock, Passwords, StorageFactory};
use crate::public_key::PublicKey;
use crate::secret::Secret;
use crate::session::{SessionRegistry, SessionSlot};

/// What logins need.
pub struct LoginPorts {
    pub accounts: Arc<Accounts>,
    pub passwords: Arc<dyn Passwords>,
    pub external_auth: Arc<Chain<ExternalAuth>>,
    pub external_auth_scope: Scope,
    pub sessions: Arc<SessionRegistry>,
    pub storage: Arc<dyn StorageFactory>,
    pub set_attributes: SetAttributesPolicy,
    pub clock: Arc<dyn Clock>,
}

/// One for the server.
pub struct LoginService {
    ports: LoginPorts,
    /// Compared with the passwords of unknown users, so that they take as long as known ones.
    decoy: PasswordHash,
}

impl LoginService {
    /// Hashes one random password, which takes some tens of milliseconds.
    pub fn new(ports: LoginPorts) -> Result<Self, PasswordError> {
        let mut noise = [0; 16];
        getrandom::fill(&mut noise).map_err(|error| PasswordError::Hashing(error.to_string()))?;
        let decoy = PasswordHash::of(&Secret::new(format!("{noise:?}")))?;
        Ok(Self { ports, decoy })
    }
}

/// How an attempt ended.
pub enum Outcome {
    Accepted(AuthenticatedAccount),
    /// A verified key was the first of two steps (B12-03).
    NextStep(Vec<LoginMethod>),
    Refused,
}

/// Proof that every check of the login passed. Holds the session's place (A4-10).
pub struct AuthenticatedAccount {
    account: Arc<Account>,
    method: LoginMethod,
    connection: ConnectionId,
    storage: Arc<dyn StorageFactory>,
    set_attributes: SetAttributesPolicy,
    _slot: SessionSlot,
}

impl AuthenticatedAccount {
    pub fn account(&self) -> &Account {
        &self.account
    }

    pub fn method(&self) -> LoginMethod {
        self.method
    }

    /// The account's files, for one channel named `channel`.
    pub fn open_files(&self, channel: u32) -> Result<FileService, StorageError> {
        let storage = self.storage.open(&self.account)?;
        let id = ConnectionId::new(format!("{}_{channel}", self.connection));
        Ok(FileService::new(self.account.clone(), storage, self.set_attributes, id))
    }
}

/// What external authentication made of an account; stored only by [`Login::commit`].
#[derive(Clone)]
struct Resolved {
    account: Account,
    /// The account as it was stored before, if the resolved one is to replace it.
    replaces: Option<Option<Account>>,
    /// The hook has vouched for the credential.
    vouched: bool,
    /// What to compare with the stored hash instead of what the client sent.
    password_instead: Option<Secret>,
}

/// The attempts of one connection.
pub struct Login {
    service: Arc<LoginService>,
    connection: Arc<Connection>,
    close: Arc<Notify>,
    /// The user whose key was verified as the first of two steps.
    first_step: Option<String>,
    /// Verdicts on offered keys: a hook is asked about each key once (C6-09).
    offers: HashMap<(String, Vec<u8>), Result<Resolved, ()>>,
}

impl Login {
    /// `close` ends the connection from outside once a session exists.
    pub fn new(service: Arc<LoginService>, connection: Arc<Connection>, close: Arc<Notify>) -> Self {
        Self { service, connection, close, first_step: None, offers: HashMap::new() }
    }

    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub async fn password(&mut self, username: &str, password: Secret) -> Outcome {
        let method = self.step_method(username, LoginMethod::Password);
        let outcome = self.try_password(username, password, method).await;
        self.conclude(username, method, outcome).await
    }

    /// The built-in conversation asked for the password (B4-02): hooks in scope for passwords
    /// decide as they would for the password method.
    pub async fn keyboard_interactive_password(&mut self, username: &str, password: Secret) -> Outcome {
        let method = self.step_method(username, LoginMethod::KeyboardInteractive);
        let outcome = self.try_password(username, password, method).await;
        self.conclude(username, method, outcome).await
    }

    /// Whether a signature with this key would be worth checking. Commits nothing (J-14).
    pub async fn public_key_offered(&mut self, username: &str, key: &PublicKey) -> bool {
        match self.resolve_key(username, key).await {
            Ok(_) => true,
            Err(refusal) => {
                if let Some(refusal) = refusal {
                    self.log_refusal(username, LoginMethod::PublicKey, &refusal);
                }
                false
            }
        }
    }

    /// The client has proved that it owns the key.
    pub async fn public_key_verified(&mut self, username: &str, key: &PublicKey) -> Outcome {
        let resolved = match self.resolve_key(username, key).await {
            Ok(resolved) => resolved,
            Err(_) => return Outcome::Refused,
        };
        let next = resolved.account.second_steps();
        if !next.is_empty() {
            return match self.commit(resolved).await {
                Ok(_) => {
                    self.first_step = Some(username.to_owned());
                    Outcome::NextStep(next)
                }
                Err(refusal) => self.conclude(username, LoginMethod::PublicKey, Err(refusal)).await,
            };
        }
        let outcome = self.commit(resolved).await;
        self.conclude(username, LoginMethod::PublicKey, outcome).await
    }

    /// The connection ended before anybody logged in (A4-01).
    pub fn abandoned(&self, reason: &str) {
        refusal::log_connection_failed(&self.connection, "", refusal::NO_AUTH_TRIED, reason);
    }

    fn step_method(&self, username: &str, method: LoginMethod) -> LoginMethod {
        if self.first_step.as_deref() == Some(username) { method.after_public_key() } else { method }
    }

    async fn try_password(&self, username: &str, password: Secret, method: LoginMethod) -> Result<Account, Refusal> {
        // Whoever asks a directory with an empty password is told that anybody may look around.
        if password.is_empty() {
            self.service.ports.passwords.matches(&self.service.decoy, &password).await?;
            return Err(Refusal::new(RefusalReason::WrongCredential, "the password is empty"));
        }
        let as_password = Credential::Password(password.clone());
        let asks_answers =
            matches!(method, LoginMethod::KeyboardInteractive | LoginMethod::PublicKeyThenKeyboardInteractive);
        let credential = if asks_answers && !self.service.ports.external_auth_scope.covers(&as_password) {
            Credential::KeyboardInteractive
        } else {
            as_password
        };
        let stored = self.service.ports.accounts.find(username).await?;
        let resolved = match self.ask_external_auth(username, &credential, stored.as_ref(), Some(&password)).await {
            Ok(Some(resolved)) => resolved,
            Ok(None) => self.stored_or_unknown(stored, &password).await?,
            Err(refusal) => return Err(refusal),
        };
        checks::account_conditions(&resolved.account, self.service.ports.clock.now())?;
        if !resolved.vouched {
            let compared = resolved.password_instead.as_ref().unwrap_or(&password);
            self.compare_password(&resolved.account, compared).await?;
        }
        self.commit(resolved).await
    }

    /// The stored account, or a refusal that takes as long as a wrong password.
    async fn stored_or_unknown(&self, stored: Option<Account>, password: &Secret) -> Result<Resolved, Refusal> {
        match stored {
            Some(account) => Ok(Resolved { account, replaces: None, vouched: false, password_instead: None }),
            None => {
                self.service.ports.passwords.matches(&self.service.decoy, password).await?;
                Err(Refusal::new(RefusalReason::UnknownUser, "there is no such account"))
            }
        }
    }

    async fn compare_password(&self, account: &Account, password: &Secret) -> Result<(), Refusal> {
        // An empty password is no password (and matches no account without one).
        let hash = account.password.as_ref().unwrap_or(&self.service.decoy);
        let matches = self.service.ports.passwords.matches(hash, password).await?;
        if matches && account.password.is_some() && !password.is_empty() {
            Ok(())
        } else {
            Err(Refusal::new(RefusalReason::WrongCredential, "the password does not match"))
        }
    }

    /// `Err(None)`: this key was refused, and logged, before.
    async fn resolve_key(&mut self, username: &str, key: &PublicKey) -> Result<Resolved, Option<Refusal>> {
        let memo = (username.to_owned(), key.blob().to_vec());
        if let Some(known) = self.offers.get(&memo) {
            return known.clone().map_err(|()| None);
        }
        let resolved = self.try_key(username, key).await;
        self.offers.insert(memo, resolved.clone().map_err(drop));
        resolved.map_err(Some)
    }

    async fn try_key(&self, username: &str, key: &PublicKey) -> Result<Resolved, Refusal> {
        let credential = Credential::PublicKey(key.clone());
        let stored = self.service.ports.accounts.find(username).await?;
        let resolved = match self.ask_external_auth(username, &credential, stored.as_ref(), None).await? {
            Some(resolved) => resolved,
            None => match stored {
                Some(account) => Resolved { account, replaces: None, vouched: false, password_instead: None },
                None => {
                    return Err(Refusal::new(RefusalReason::UnknownUser, "there is no such account"));
                }
            },
        };
        checks::account_conditions(&resolved.account, self.service.ports.clock.now())?;
        if !resolved.account.public_keys.contains(key) {
            return Err(Refusal::new(RefusalReason::WrongCredential, "the key is not one of the account's"));
        }
        Ok(resolved)
    }

    /// What the hooks make of the attempt; none if none of them is concerned (B1 step 8).
    async fn ask_external_auth(
        &self,
        username: &str,
        credential: &Credential,
        stored: Option<&Account>,
        password: Option<&Secret>,
    ) -> Result<Option<Resolved>, Refusal> {
        let service = &self.service.ports;
        let disabled = stored.is_some_and(|account| account.filters.external_auth_disabled);
        if service.external_auth.is_empty() || disabled || !service.external_auth_scope.covers(credential) {
            return Ok(None);
        }
        let event = ExternalAuth {
            connection: self.connection.clone(),
            username: username.to_owned(),
            credential: credential.clone(),
            completed_methods: self.first_step.iter().map(|_| LoginMethod::PublicKey).collect(),
            stored: stored.cloned().map(Arc::new),
        };
        let decision = service.external_auth.decide(&event).await?;
        match decision.verdict {
            ExternalAuthVerdict::Defer => Ok(None),
            ExternalAuthVerdict::Reject(denial) => Err(Refusal::new(RefusalReason::Denied, denial.reason)),
            ExternalAuthVerdict::Accept(None) => self.accept_stored(credential, stored),
            ExternalAuthVerdict::Accept(Some(draft)) => self.accept_draft(*draft, credential, password).await,
            ExternalAuthVerdict::VerifyStored(instead) => {
                let Some(account) = stored.cloned() else {
                    return Err(Refusal::new(RefusalReason::UnknownUser, "there is no stored account to verify with"));
                };
                Ok(Some(Resolved { account, replaces: None, vouched: false, password_instead: instead }))
            }
        }
    }

    fn accept_stored(&self, credential: &Credential, stored: Option<&Account>) -> Result<Option<Resolved>, Refusal> {
        let Some(mut account) = stored.cloned() else {
            return Err(Refusal::new(RefusalReason::UnknownUser, "the hook accepted a user that has no account"));
        };
        if let Credential::PublicKey(key) = credential {
            account.public_keys.push(key.clone());
        }
        let vouched = !matches!(credential, Credential::KeyboardInteractive);
        Ok(Some(Resolved { account, replaces: None, vouched, password_instead: None }))
    }

    /// A11-20 to A11-25.
    async fn accept_draft(
        &self,
        mut draft: AccountDraft,
        credential: &Credential,
        password: Option<&Secret>,
    ) -> Result<Option<Resolved>, Refusal> {
        let presented = match credential {
            Credential::Password(_) => password,
            Credential::PublicKey(key) => {
                draft.add_public_key(key);
                None
            }
            Credential::KeyboardInteractive => None,
        };
        let (account, stored) = self.service.ports.accounts.prepare_from_hook(draft, presented).await?;
        let vouched = !matches!(credential, Credential::KeyboardInteractive);
        Ok(Some(Resolved { account, replaces: Some(stored), vouched, password_instead: None }))
    }

    /// Stores what a hook changed: only now is the credential proved.
    async fn commit(&self, resolved: Resolved) -> Result<Account, Refusal> {
        match resolved.replaces {
            None => Ok(resolved.account),
            Some(stored) => Ok(self.service.ports.accounts.commit_from_hook(resolved.account, stored.as_ref()).await?),
        }
    }

    /// The checks after the credential, the session's place, and the log line.
    async fn conclude(&mut self, username: &str, method: LoginMethod, outcome: Result<Account, Refusal>) -> Outcome {
        let admitted = match outcome {
            Ok(account) => self.admit(account, method),
            Err(refusal) => Err(refusal),
        };
        match admitted {
            Ok(authenticated) => {
                self.record_success(username, &authenticated).await;
                Outcome::Accepted(authenticated)
            }
            Err(refusal) => {
                self.log_refusal(username, method, &refusal);
                Outcome::Refused
            }
        }
    }

    fn admit(&self, account: Account, method: LoginMethod) -> Result<AuthenticatedAccount, Refusal> {
        checks::restrictions(&account, method, self.connection.remote.ip())?;
        let slot = self
            .service
            .ports
            .sessions
            .admit(&self.connection.id, &account.username, account.max_sessions, self.close.clone())
            .ok_or_else(|| Refusal::new(RefusalReason::Denied, "the account has its maximum of sessions"))?;
        Ok(AuthenticatedAccount {
            account: Arc::new(account),
            method,
            connection: self.connection.id.clone(),
            storage: self.service.ports.storage.clone(),
            set_attributes: self.service.ports.set_attributes,
            _slot: slot,
        })
    }

    async fn record_success(&self, username: &str, authenticated: &AuthenticatedAccount) {
        let account = authenticated.account();
        let now = self.service.ports.clock.now();
        if let Err(error) = self.service.ports.accounts.record_login(account.id, now).await {
            tracing::warn!(sender = "login", message = format!("the time of the login could not be stored: {error}"));
        }
        tracing::info!(
            sender = "login",
            ip = %self.connection.remote.ip(),
            username,
            account = account.username,
            method = authenticated.method.as_str(),
            protocol = "SSH",
            connection_id = self.connection.id.as_str(),
            client = self.connection.client_software,
        );
    }

    fn log_refusal(&self, username: &str, method: LoginMethod, refusal: &Refusal) {
        refusal::log_connection_failed(&self.connection, username, method.login_type(), &refusal.to_string());
    }
}

#[cfg(test)]
mod tests;
