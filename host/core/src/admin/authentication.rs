//! From credentials to an [`Actor`]: passwords, one-time codes, tokens and API keys of administrators.

use core::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;
use tracing::Instrument as _;

use super::admin_document::{Administrator, is_within};
use super::before_logins::{WRONG_CODE, WRONG_PASSWORD};
use super::credential_text::{digest_of, is_same, key_id_of};
use super::key_document::ApiKey;
use super::known_credentials::{KnownCredentials, Standing, find_administrator};
use super::tokens::id_of;
use super::{Actor, AdminError, BeforeLogins, Identity, Permissions, Tokens};
use crate::connection::WebVisit;
use crate::login::{CodeRefusal, OneTimeCodes};
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{
    ADMINS, API_KEYS, AuditRecord, Author, Change, Clock, Collection, Directory, Door, MaintainedChange, Passwords,
    StoreError, Version, Write,
};
use crate::secret::Secret;
use crate::turns::Waiter;

/// Milliseconds after which the time of a login or of a use is stored again.
const NOTE_PAUSE: i64 = 60_000;

/// The client of a door: where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorClient {
    /// The door that the client uses.
    pub door: Door,
    /// The client's address, behind trusted proxies; None: the client is on the host itself, over a unix socket.
    pub address: Option<IpAddr>,
    /// What the client says of itself.
    pub visit: WebVisit,
}

/// Why credentials made no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// The credentials are wrong, or not valid for this client. The answer is the same whatever is wrong, and as
    /// slow for names that do not exist.
    #[error("the credentials are wrong, or may not be used from here")]
    Denied,
    /// The password is right; the administrator has one-time codes, and none came with it.
    #[error("a one-time code is needed as well")]
    SecondFactorNeeded,
    /// The password is right, but the administrator has to have one-time codes and has none.
    #[error("this administrator has to have one-time codes; make them with \"tidegate admin totp\"")]
    SecondFactorMissing,
    /// Too many one-time codes of the account or administrator were wrong: nothing is looked at for so many seconds.
    #[error("too many one-time codes were wrong: none is looked at for {0} seconds")]
    Paused(i64),
    /// Log-ins come too often, from the address or in all (B14-05): nothing is looked at for so many seconds.
    #[error("too many log-ins in a short time: none is looked at for {0} seconds")]
    TooOften(i64),
    /// A hook that decides about logins failed: the credentials were not judged.
    #[error("a hook that decides about logins failed; the log says more")]
    Hook,
    /// Hooks decide about the passwords of accounts, and are asked at SFTP logins alone.
    #[error(
        "a hook decides about the passwords of this server; log in with a login link, which an administrator makes"
    )]
    PasswordElsewhere,
    /// The store failed: the credentials were not judged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password could not be compared: the credentials were not judged.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl AuthenticationError {
    /// The outcome in traces.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::SecondFactorNeeded
            | Self::SecondFactorMissing
            | Self::Paused(_)
            | Self::TooOften(_)
            | Self::PasswordElsewhere => "refused",
            Self::Hook | Self::Store(_) | Self::Password(_) => "failure",
        }
    }

    /// Whether the client gave wrong credentials: only this scores against its address (B14-06).
    pub fn is_denial(&self) -> bool {
        match self {
            Self::Denied => true,
            Self::SecondFactorNeeded
            | Self::SecondFactorMissing
            | Self::Paused(_)
            | Self::TooOften(_)
            | Self::Hook
            | Self::PasswordElsewhere
            | Self::Store(_)
            | Self::Password(_) => false,
        }
    }
}

/// Runs a log-in at a door over HTTP in a span of its own, which gets the outcome. `username`: empty where it is not known
/// yet. `refused`: the outcome that an error is.
pub async fn login_at_door<T, E>(
    client: &DoorClient,
    (username, method): (&str, &'static str),
    login: impl Future<Output = Result<T, E>>,
    refused: impl FnOnce(&E) -> &'static str,
) -> Result<T, E> {
    let span = tracing::info_span!(
        target: crate::trace::TARGET,
        parent: None,
        "login",
        door = client.door.as_str(),
        client.address = client.address.map(tracing::field::display),
        username = Some(username).filter(|username| !username.is_empty()),
        method,
        outcome = tracing::field::Empty,
        otel.kind = "server",
    );
    let result = login.instrument(span.clone()).await;
    span.record("outcome", result.as_ref().map_or_else(refused, |_| "accepted"));
    result
}

/// A token that was just made; the store has only its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token, for `Authorization: Bearer`.
    pub text: Secret,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

/// Authenticates administrators, and API keys.
pub struct Authentication {
    directory: Arc<dyn Directory>,
    passwords: Arc<dyn Passwords>,
    tokens: Arc<Tokens>,
    known: KnownCredentials,
    clock: Arc<dyn Clock>,
    codes: OneTimeCodes,
    before: BeforeLogins,
}

impl Authentication {
    /// Authentication with what this store has. `before`: asks hooks, and scores wrong passwords and codes.
    pub fn new(
        directory: Arc<dyn Directory>,
        passwords: Arc<dyn Passwords>,
        tokens: Arc<Tokens>,
        before: BeforeLogins,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let known = KnownCredentials::new(directory.clone());
        Self { directory, passwords, tokens, known, clock, codes: OneTimeCodes::default(), before }
    }

    /// The administrator with this name and password; `one_time_code` may also be a recovery code, which is used
    /// up.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn basic(
        &self,
        username: &str,
        password: &Secret,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<Actor, AuthenticationError> {
        let login = async {
            self.ask(username, password, client).await?;
            self.judge(username, password, one_time_code, client).await
        };
        login_at_door(client, (username, "password"), login, AuthenticationError::outcome).await
    }

    /// Asks the hooks about a log-in, before its credentials are looked at: by [`judge`](Self::judge), or by a door that
    /// knows passwords of others than administrators.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn ask(&self, username: &str, password: &Secret, client: &DoorClient) -> Result<(), AuthenticationError> {
        self.before.limit(client)?;
        self.before.login(ADMINS.kind, username, password, client).await
    }

    /// What [`basic`](Self::basic) does after it has asked the hooks.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn judge(
        &self,
        username: &str,
        password: &Secret,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<Actor, AuthenticationError> {
        let found = find_administrator(&*self.directory, username).await?;
        if let Some(seconds) = found.as_ref().and_then(|found| self.pause(found, one_time_code)) {
            return Err(AuthenticationError::Paused(seconds));
        }
        // A name that does not exist costs what others do.
        let hash = found.as_ref().map_or_else(PasswordHash::decoy, |found| found.password.clone());
        let waiter = Waiter { address: client.address, account: username };
        let is_right = self.passwords.matches(waiter, &hash, password).await?;
        let judged = match found {
            None => Err("there is no such administrator, or it is not valid"),
            Some(_) if !is_right => Err(WRONG_PASSWORD),
            Some(found) if !found.is_enabled => Err("the administrator is disabled"),
            Some(found) if !found.may_come_from(client.address) => {
                Err("the administrator may not come from that address")
            }
            Some(found) => Ok(found),
        };
        let administrator = match judged {
            Ok(administrator) => administrator,
            Err(why) => return Err(self.before.deny(ADMINS.kind, username, client, why).await),
        };
        match self.second_factor(&administrator, one_time_code).await {
            Ok(()) => {}
            // A pause that has begun meanwhile does not say that the password was right.
            Err(AuthenticationError::Denied | AuthenticationError::Paused(_)) => {
                return Err(self.before.deny(ADMINS.kind, username, client, WRONG_CODE).await);
            }
            Err(error) => return Err(error),
        }
        self.note_login(&administrator).await;
        Ok(actor(&Standing::of(administrator), client, false))
    }

    /// The administrator to whom the token was issued, for the door that it was issued for. One for web pages is good
    /// for longer with each use, until 12 hours after the login.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn token(&self, token: &str, client: &DoorClient) -> Result<Actor, AuthenticationError> {
        let denied = AuthenticationError::Denied;
        let mut stamp = self.known.stamp();
        let token = self.known.token(token, &mut stamp).await?.ok_or(denied.clone())?;
        let now = self.clock.now();
        // A program cannot use a browser's token, nor a browser a program's.
        if token.admin.0.is_empty() || token.expires_at <= now || token.door != client.door {
            return Err(denied);
        }
        let (name, id) = (&token.admin.0, token.admin.1);
        if self.before.request(ADMINS.kind, name, client).await? {
            stamp = self.known.stamp();
        }
        let found = self.known.administrator(name, &mut stamp).await?;
        let found = found.filter(|found| found.may_ask(id, client.address));
        let found = found.filter(|found| is_same(&found.credential, &token.credential)).ok_or(denied)?;
        if token.door == Door::Web {
            self.tokens.prolong_used(&token, now).await;
        }
        Ok(actor(&found, client, true))
    }

    /// The id by which lists of tokens name the one with this text.
    pub fn token_id(&self, token: &str) -> String {
        id_of(token)
    }

    /// The actor of an API key; one use of the key is counted. Keys do not score unless a hook denies them: no guess meets
    /// one, and what has expired is no guess.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn api_key(&self, key: &str, client: &DoorClient) -> Result<Actor, AuthenticationError> {
        let denied = AuthenticationError::Denied;
        let Some(key_id) = key_id_of(key) else { return Err(denied) };
        let mut stamp = self.known.stamp();
        let Some(found) = self.known.key(key_id, &mut stamp).await? else { return Err(denied) };
        let now = self.clock.now();
        let is_expired = found.expires_at != 0 && found.expires_at <= now;
        if !is_same(&found.digest, &digest_of(key)) || is_expired || !is_within(&found.networks, client.address) {
            return Err(denied);
        }
        // No administrator's name has a colon.
        let name = format!("key:{}", found.key_id);
        if self.before.request(ADMINS.kind, &name, client).await? {
            stamp = self.known.stamp();
        }
        let (permissions, role) = match &found.admin {
            None => (Permissions::All, None),
            Some((name, id)) => {
                let administrator = self.known.administrator(name, &mut stamp).await?;
                let administrator = administrator.filter(|found| found.may_ask(*id, client.address));
                let administrator = administrator.ok_or(denied.clone())?;
                (administrator.permissions.clone(), administrator.role.clone())
            }
        };
        if !self.count_use(&found, now).await? {
            return Err(denied);
        }
        let author = Author { address: client.address, role: role.clone(), ..Author::new(name, client.door) };
        let admin = found.admin.as_ref().map(|(name, _)| name.clone());
        let identity = Identity::ApiKey { admin, scope: found.scope.clone() };
        Ok(Actor { author, permissions, role, identity })
    }

    /// A new token of an administrator who was authenticated by [`basic`](Self::basic).
    ///
    /// # Errors
    /// The actor was authenticated otherwise, or the store fails.
    pub async fn issue_token(&self, actor: &Actor) -> Result<IssuedToken, AdminError> {
        self.tokens.issue(actor).await
    }

    /// Begins the session of an administrator in a browser, who was authenticated by [`basic`](Self::basic) with that
    /// password; hooks may refuse it.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn begin_session(
        &self,
        actor: &Actor,
        client: &DoorClient,
        password: Secret,
    ) -> Result<IssuedToken, AuthenticationError> {
        self.tokens.begin_session(actor, client, password).await
    }

    /// Ends a token; one that is not known is no error.
    ///
    /// # Errors
    /// The store fails.
    pub async fn revoke(&self, token: &str) -> Result<(), StoreError> {
        self.tokens.revoke(token).await
    }

    /// For how many seconds log-ins of the administrator are refused, because codes were wrong; None: they are not. It is
    /// asked before the password is looked at: the answer is then the same whether that is right or wrong. A recovery
    /// code cannot be guessed, and is looked at in any case.
    fn pause(&self, of: &Administrator, code: Option<&str>) -> Option<i64> {
        of.code_secret.as_ref()?;
        let digest = digest_of(code.map(str::trim).unwrap_or_default());
        let is_recovery = of.recovery_digests.iter().any(|left| is_same(left, &digest));
        self.codes.pause(&of.username, self.clock.now()).filter(|_| !is_recovery)
    }

    async fn second_factor(&self, of: &Administrator, code: Option<&str>) -> Result<(), AuthenticationError> {
        let Some(secret) = &of.code_secret else {
            return if of.needs_codes { Err(AuthenticationError::SecondFactorMissing) } else { Ok(()) };
        };
        let code = code.map(str::trim).filter(|code| !code.is_empty());
        let Some(code) = code else { return Err(AuthenticationError::SecondFactorNeeded) };
        let digest = digest_of(code);
        if of.recovery_digests.iter().any(|left| is_same(left, &digest)) {
            if !self.use_up(of, &digest).await? {
                return Err(AuthenticationError::Denied);
            }
            self.codes.forgive(&of.username);
            return Ok(());
        }
        let now = self.clock.now();
        let step = match self.codes.check_secret(&of.username, secret, &Secret::new(code), now) {
            Ok(code) => code.step,
            Err(CodeRefusal::Paused(seconds)) => return Err(AuthenticationError::Paused(seconds)),
            Err(CodeRefusal::NotStored(error)) => return Err(error.into()),
            Err(CodeRefusal::Wrong | CodeRefusal::NoSecret) => return Err(AuthenticationError::Denied),
        };
        // RFC 6238 §5.2, for all servers of the database and after a restart.
        let set = vec![("last_code_step", step)];
        let is_new = self.change(&ADMINS, &of.username, of.version, ("last_code_step", step), set, Vec::new()).await?;
        self.codes.settle(&of.username, is_new, now).map_err(|_| AuthenticationError::Denied)
    }

    /// Takes a recovery code away; false: another login was faster.
    async fn use_up(&self, of: &Administrator, digest: &str) -> Result<bool, StoreError> {
        let Some(stored) = self.directory.find(&ADMINS, &of.username).await? else { return Ok(false) };
        let mut document = stored.document;
        let Some(Value::Array(codes)) =
            document.get_mut("filters").and_then(|filters| filters.get_mut("recovery_codes"))
        else {
            return Ok(false);
        };
        let before = codes.len();
        codes.retain(|code| code.as_str() != Some(digest));
        if stored.version.id != of.version.id || codes.len() == before {
            return Ok(false);
        }
        let detail = format!("a recovery code was used; {} are left", codes.len());
        let record = Author::system().did("update", ADMINS.kind, &of.username, self.clock.now());
        let write = Write::Replace { document, expected: stored.version, reset: Vec::new() };
        let audit = Some(AuditRecord { detail, ..record });
        let change = Change { collection: &ADMINS, name: of.username.clone(), write, announce: false, audit };
        match self.directory.commit(vec![change]).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Counts a use of the key; false: it has no use left.
    async fn count_use(&self, key: &ApiKey, now: i64) -> Result<bool, StoreError> {
        let set = vec![("last_use_at", now)];
        if key.max_uses > 0 {
            let guard = ("uses", key.max_uses);
            return self.change(&API_KEYS, &key.key_id, key.version, guard, set, vec![("uses", 1)]).await;
        }
        let due = now.saturating_sub(NOTE_PAUSE);
        if key.last_use_at <= due {
            let guard = ("last_use_at", due.saturating_add(1));
            if let Err(error) = self.change(&API_KEYS, &key.key_id, key.version, guard, set, Vec::new()).await {
                let message = format!("the last use of the API key \"{}\" is not stored: {error}", key.key_id);
                tracing::warn!(sender = "admin", message);
            }
        }
        Ok(true)
    }

    async fn note_login(&self, of: &Administrator) {
        let now = self.clock.now();
        let guard = ("last_login", now.saturating_sub(NOTE_PAUSE).saturating_add(1));
        let set = vec![("last_login", now)];
        if let Err(error) = self.change(&ADMINS, &of.username, of.version, guard, set, Vec::new()).await {
            let message = format!("the login of the administrator \"{}\" is not stored: {error}", of.username);
            tracing::warn!(sender = "admin", message);
        }
    }

    async fn change(
        &self,
        collection: &'static Collection,
        name: &str,
        version: Version,
        guard: (&'static str, i64),
        set: Vec<(&'static str, i64)>,
        add: Vec<(&'static str, i64)>,
    ) -> Result<bool, StoreError> {
        let change = MaintainedChange { collection, name: name.to_owned(), id: version.id, guard, set, add };
        self.directory.change_maintained(change).await
    }
}

fn actor(of: &Standing, client: &DoorClient, by_token: bool) -> Actor {
    Actor {
        author: Author {
            address: client.address,
            role: of.role.clone(),
            ..Author::new(of.admin.0.clone(), client.door)
        },
        permissions: of.permissions.clone(),
        role: of.role.clone(),
        identity: Identity::Administrator { admin: of.admin.clone(), credential: of.credential.clone(), by_token },
    }
}
