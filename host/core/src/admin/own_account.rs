//! Users before their own account, in a browser: they log in with the password of the account, and see what it has and
//! how it was used. What they change is in [`own_changes`](super::own_changes).

use std::sync::Arc;

use serde_json::{Value, json};

use super::credential_text::{digest_of, is_same};
use super::own_changes::KEPT_BY_HOOKS;
use super::tokens::{id_of, number_of, shown, text_of};
use super::user_sessions::denies_web;
use super::{
    Actor, AdminError, Audit, AuthenticationError, BeforeLogins, DoorClient, HookInventory, Identity, IssuedToken,
    PAGE, PasswordTries, Permissions, ShownToken, UserSessions, WebSessions,
};
use crate::account::{AccountDraft, AccountError, Accounts, EffectiveAccount, OnConflict};
use crate::connection::{LoginMethod, WebVisit};
use crate::login::{CodeRefusal, OneTimeCodes};
use crate::password::PasswordHash;
use crate::ports::{
    Author, Clock, Directory, PageRequest, Passwords, StoreError, StoredAudit, StoredDocument, TOKENS, USERS,
};
use crate::secret::Secret;
use crate::session::EndReason;
use crate::turns::Waiter;

/// Records of log-ins that are shown.
const LOGINS: u32 = 10;
/// Hook points whose hooks decide about passwords. They are asked at SFTP logins; without them, the stored password
/// proves nothing.
const DECIDE_PASSWORDS: [&str; 3] = ["external-auth", "pre-login", "check-password"];
/// Characters of a digest in hexadecimal.
const DIGEST: usize = 64;

/// A user before its own account. It reaches nothing else.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account as it is in force.
    pub account: Arc<EffectiveAccount>,
    /// The user itself, without any permission of administrators.
    pub actor: Actor,
    /// The id of the session, as the list of sessions shows it.
    pub session: String,
}

/// Use cases of users about their own account.
pub struct OwnAccount {
    /// The store of sessions.
    pub directory: Arc<dyn Directory>,
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// Begins sessions, and finds them again.
    pub users: Arc<UserSessions>,
    /// Ends sessions.
    pub sessions: Arc<WebSessions>,
    /// Asks hooks about log-ins, and scores those that are denied.
    pub before: BeforeLogins,
    /// Compares passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Says which hooks there are.
    pub inventory: Arc<dyn HookInventory>,
    /// Records changes, and has records of log-ins.
    pub audit: Audit,
    /// Counts wrong one-time codes.
    pub codes: OneTimeCodes,
    /// Counts tries of the current password.
    pub tries: PasswordTries,
    /// Gives the times.
    pub clock: Arc<dyn Clock>,
}

impl OwnAccount {
    /// Whether hooks decide about passwords, which are then of no use here.
    ///
    /// # Errors
    /// The hooks cannot be listed.
    pub async fn passwords_are_elsewhere(&self) -> Result<bool, AdminError> {
        self.has_hooks(&DECIDE_PASSWORDS).await
    }

    pub(super) async fn has_hooks(&self, points: &[&str]) -> Result<bool, AdminError> {
        let links = self.inventory.links().await.map_err(AdminError::Inventory)?;
        Ok(links.iter().any(|link| points.contains(&link.hook)))
    }

    /// Begins a session of the user with this name and password; `code` may also be a recovery code, which is used up.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn log_in(
        &self,
        username: &str,
        password: Secret,
        code: Option<&str>,
        client: &DoorClient,
    ) -> Result<IssuedToken, AuthenticationError> {
        self.before.login(USERS.kind, username, &password, client).await?;
        match self.passwords_are_elsewhere().await {
            Ok(false) => {}
            Ok(true) => return Err(AuthenticationError::PasswordElsewhere),
            Err(_) => return Err(AuthenticationError::Hook),
        }
        let found = self.found(username).await?;
        // A name that does not exist, and an account without a password, cost what others do.
        let hash = found.as_ref().and_then(|account| account.password.clone());
        let has_password = hash.is_some() && !password.is_empty();
        let waiter = Waiter { address: client.address, account: username };
        let is_right = self.passwords.matches(waiter, &hash.unwrap_or_else(PasswordHash::decoy), &password).await?;
        let found = found.filter(|account| {
            is_right && has_password && !account.denies_method(LoginMethod::Password) && !denies_web(account)
        });
        let Some(account) = found else { return Err(self.before.deny(USERS.kind, username, client).await) };
        if self.users.account(username, account.id, client).await?.is_none() {
            return Err(self.before.deny(USERS.kind, username, client).await);
        }
        match self.second_factor(&account, code).await {
            Ok(()) => {}
            Err(AuthenticationError::Denied) => return Err(self.before.deny(USERS.kind, username, client).await),
            Err(error) => return Err(error),
        }
        let now = self.clock.now();
        let author = Author { name: username.to_owned(), door: client.door, address: client.address };
        let record = author.did("login", "user", username, now);
        let visit = WebVisit { login_key: String::new(), impersonator: String::new(), ..client.visit.clone() };
        let issued = self.users.begin(username, client, visit, record, Some(password)).await?;
        if let Err(error) = self.accounts.record_login(&account.key(), now).await {
            let message = format!("the login of the account \"{username}\" is not stored: {error}");
            tracing::warn!(sender = "web_sessions", message);
        }
        Ok(issued)
    }

    async fn found(&self, username: &str) -> Result<Option<Arc<EffectiveAccount>>, StoreError> {
        let user = match self.accounts.find(username).await {
            Ok(Some(user)) => user,
            Ok(None) | Err(StoreError::Invalid { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        match self.accounts.in_force(user).await {
            Ok(account) => Ok(Some(Arc::new(account))),
            Err(StoreError::Invalid { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The user to whom the token was issued, at the door that it was issued for.
    ///
    /// # Errors
    /// `Denied`: the token is of no use; or the store fails.
    pub async fn of_token(&self, token: &str, client: &DoorClient) -> Result<Person, AuthenticationError> {
        let user = self.users.of_token(token, client).await?;
        // What an administrator may do as a user is asked of the administrator, over REST.
        if !user.impersonator.is_empty() {
            return Err(AuthenticationError::Denied);
        }
        let name = user.account.username.clone();
        let identity = Identity::User { user: (name.clone(), user.account.id) };
        let author = Author { name, door: client.door, address: client.address };
        let permissions = Permissions::Only(std::collections::BTreeSet::new());
        let actor = Actor { author, permissions, role: None, identity };
        Ok(Person { account: user.account, actor, session: id_of(token) })
    }

    /// The sessions of the user at the doors over HTTP that are still good.
    ///
    /// # Errors
    /// The store fails.
    pub async fn own_sessions(&self, person: &Person) -> Result<Vec<ShownToken>, AdminError> {
        let (mut found, mut request) = (Vec::new(), PageRequest { limit: PAGE, ..PageRequest::default() });
        let now = self.clock.now();
        loop {
            let page = self.directory.list(&TOKENS, request.clone()).await?;
            let Some(last) = page.last() else { return Ok(found) };
            request.after = Some(last.name.clone());
            let own = page.iter().filter(|stored| is_of(stored, person));
            found.extend(own.map(shown).filter(|token| token.expires_at > now));
        }
    }

    /// Ends a session of the user, by its id.
    ///
    /// # Errors
    /// The user has no such session, or the store fails.
    pub async fn end_session(&self, person: &Person, id: &str) -> Result<(), AdminError> {
        let is_own = self.own_sessions(person).await?.iter().any(|token| token.id == id);
        let request = PageRequest { after: None, prefix: Some(id.to_owned()), limit: 2 };
        let mut found = if is_own { self.directory.list(&TOKENS, request).await? } else { Vec::new() };
        match (found.pop(), found.is_empty()) {
            (Some(stored), true) => {
                let record = person.actor.author.did("delete", TOKENS.kind, id, self.clock.now());
                Ok(self.sessions.end(stored, EndReason::Logout, Some(record)).await?)
            }
            _ => Err(StoreError::NotFound(TOKENS.object(id)).into()),
        }
    }

    /// The newest records of log-ins at the doors over HTTP since the account was made.
    ///
    /// # Errors
    /// The store fails.
    pub async fn own_logins(&self, person: &Person) -> Result<Vec<StoredAudit>, AdminError> {
        // An account of the same name that was there before was another one.
        let since = person.account.other.get("created_at").and_then(Value::as_i64);
        Ok(self.audit.logins(&person.account.username, since, LOGINS).await?)
    }

    /// Checks the one-time code or recovery code of an account that has them, and uses it up.
    pub(super) async fn second_factor(
        &self,
        account: &EffectiveAccount,
        code: Option<&str>,
    ) -> Result<(), AuthenticationError> {
        let Some(config) = codes_of(account) else { return Ok(()) };
        let code = code.map(str::trim).filter(|code| !code.is_empty());
        let Some(code) = code else { return Err(AuthenticationError::SecondFactorNeeded) };
        if self.use_up(account, code).await? {
            return Ok(());
        }
        let Some(secret) = payload(config.get("secret")) else { return Err(AuthenticationError::Denied) };
        let now = self.clock.now();
        let name = &account.username;
        let right = match self.codes.check_secret(name, &Secret::new(secret), &Secret::new(code), now) {
            Ok(right) => right,
            Err(CodeRefusal::Paused(seconds)) => return Err(AuthenticationError::Paused(seconds)),
            Err(CodeRefusal::NotStored(error)) => return Err(error.into()),
            Err(CodeRefusal::Wrong | CodeRefusal::NoSecret) => return Err(AuthenticationError::Denied),
        };
        match self.codes.accept(&self.accounts, account, right, now).await {
            Ok(()) => Ok(()),
            Err(CodeRefusal::NotStored(error)) => Err(error.into()),
            Err(_) => Err(AuthenticationError::Denied),
        }
    }

    /// Marks a recovery code as used; false: it is none, or another log-in was faster.
    async fn use_up(&self, account: &EffectiveAccount, code: &str) -> Result<bool, AuthenticationError> {
        let stored = self.accounts.stored(&account.username).await?;
        let Some(stored) = stored.filter(|stored| stored.version.id == account.id) else { return Ok(false) };
        let mut draft = AccountDraft::of_stored(stored);
        let codes = draft.document().get("filters").and_then(|filters| filters.get("recovery_codes"));
        let mut codes = codes.and_then(Value::as_array).cloned().unwrap_or_default();
        let digest = digest_of(code);
        let is_it = |kept: &&mut Value| {
            let is_used = kept.get("used").and_then(Value::as_bool).unwrap_or(false);
            !is_used && payload(kept.get("secret")).is_some_and(|text| is_same(&as_digest(text), &digest))
        };
        let Some(Value::Object(found)) = codes.iter_mut().find(is_it) else { return Ok(false) };
        found.insert("used".to_owned(), json!(true));
        draft.set_filter("recovery_codes", Value::Array(codes));
        match self.accounts.update(draft, OnConflict::Refuse, &Author::system()).await {
            Ok(_) => Ok(true),
            Err(AccountError::Store(StoreError::Conflict(_) | StoreError::NotFound(_))) => Ok(false),
            Err(AccountError::Store(error)) => Err(error.into()),
            Err(AccountError::Password(error)) => Err(error.into()),
            Err(AccountError::Invalid(_)) => Ok(false),
        }
    }

    /// Why the user cannot change that, in a sentence; None: it can.
    ///
    /// # Errors
    /// The hooks cannot be listed.
    pub(super) async fn kept_elsewhere(&self) -> Result<Option<&'static str>, AdminError> {
        if !self.accounts.are_managed() {
            return Ok(Some("the accounts of this server are kept elsewhere, and only read here"));
        }
        let from_hooks = self.has_hooks(&KEPT_BY_HOOKS).await?;
        Ok(from_hooks.then_some("the accounts of this server come from a hook, and are changed where it has them"))
    }
}

/// The configuration of the account's one-time codes, for whatever protocol; None: they are not enabled.
pub(super) fn codes_of(account: &EffectiveAccount) -> Option<&Value> {
    let config = account.filters.document.get("totp_config")?;
    (config.get("enabled").and_then(Value::as_bool) == Some(true)).then_some(config)
}

/// The text of a secret that is stored clear.
fn payload(secret: Option<&Value>) -> Option<&str> {
    match secret? {
        Value::String(text) => Some(text),
        secret => {
            let is_plain = secret.get("status").and_then(Value::as_str) == Some("Plain");
            secret.get("payload").and_then(Value::as_str).filter(|_| is_plain)
        }
    }
}

/// The digest of a recovery code. Those that were moved here from another server are stored as they are.
fn as_digest(text: &str) -> String {
    if text.len() == DIGEST { text.to_owned() } else { digest_of(text) }
}

fn is_of(stored: &StoredDocument, person: &Person) -> bool {
    text_of(stored, "purpose") == "user"
        && text_of(stored, "user") == person.account.username
        && number_of(stored, "user_id") == person.account.id
}
