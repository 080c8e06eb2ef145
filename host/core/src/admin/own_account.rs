//! What users do with their own account in a browser: they log in with the password of the account, and see what it has
//! and how it was used. What they change is in [`own_changes`](super::own_changes).

use std::sync::Arc;

use serde_json::Value;

use super::authentication::login_at_door;
use super::before_logins::{WRONG_CODE, WRONG_PASSWORD};
use super::own_changes::KEPT_BY_HOOKS;
use super::tokens::{id_of, number_of, shown, text_of};
use super::user_codes::codes_of;
use super::{
    Actor, AdminError, Audit, AuthenticationError, BeforeLogins, DoorClient, Identity, IssuedToken, PAGE,
    PasswordTries, Permissions, ShownToken, UserCodes, UserPolicy, UserSessions, WebSessions,
};
use crate::account::{Accounts, EffectiveAccount};
use crate::connection::{LoginMethod, WebVisit};
use crate::ports::{Author, Clock, Directory, PageRequest, StoreError, StoredAudit, StoredDocument, TOKENS, USERS};
use crate::secret::Secret;
use crate::session::EndReason;
use crate::turns::Waiter;

/// Records of log-ins that are shown.
const LOGINS: u32 = 10;

/// A user who has logged in to its own account, and reaches nothing else.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account as it is in force.
    pub account: Arc<EffectiveAccount>,
    /// The user itself, without any permission of administrators.
    pub actor: Actor,
    /// The id of the session, as the list of sessions shows it.
    pub session: String,
    /// Whether the account demands a second factor over HTTP and has none: until it is set up, the session is good for
    /// nothing else.
    pub has_to_set_up_codes: bool,
    /// The name of the session's document.
    pub(super) token: String,
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
    /// What is in force for accounts.
    pub policy: Arc<UserPolicy>,
    /// Records changes, and has records of log-ins.
    pub audit: Audit,
    /// Checks one-time codes.
    pub codes: Arc<UserCodes>,
    /// Counts tries of the current password.
    pub tries: PasswordTries,
    /// Gives the times.
    pub clock: Arc<dyn Clock>,
}

impl OwnAccount {
    /// Whether hooks decide about passwords: the stored ones are then not used.
    ///
    /// # Errors
    /// The hooks cannot be listed.
    pub async fn passwords_are_elsewhere(&self) -> Result<bool, AdminError> {
        self.policy.passwords_are_elsewhere().await
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
        let mut known = None;
        let login = self.begin((username, password.clone()), code, client, &mut known);
        let outcome = login_at_door(client, (username, "password"), login, AuthenticationError::outcome).await;
        if let Err(error) = &outcome {
            self.users.tell_of_refusal((username, password), known, client, error);
        }
        outcome
    }

    /// `known`: gets the account, if one is found.
    async fn begin(
        &self,
        (username, password): (&str, Secret),
        code: Option<&str>,
        client: &DoorClient,
        known: &mut Option<Arc<EffectiveAccount>>,
    ) -> Result<IssuedToken, AuthenticationError> {
        self.before.limit(client)?;
        self.before.login(USERS.kind, username, &password, client).await?;
        match self.passwords_are_elsewhere().await {
            Ok(false) => {}
            Ok(true) => return Err(AuthenticationError::PasswordElsewhere),
            Err(_) => return Err(AuthenticationError::Hook),
        }
        let found = self.policy.found(username).await?;
        known.clone_from(&found);
        if let Some(seconds) = found.as_ref().and_then(|account| self.codes.pause(account, code)) {
            return Err(AuthenticationError::Paused(seconds));
        }
        // A name that does not exist, and an account without a password, cost what others do.
        let waiter = Waiter { address: client.address, account: username };
        let is_right = self.policy.is_password(found.as_deref(), &password, waiter).await?;
        let judged = match found {
            None => Err("there is no such account, or it is not valid"),
            Some(_) if !is_right => Err(WRONG_PASSWORD),
            Some(account) if account.denies_method(LoginMethod::Password) => Err("the account denies passwords"),
            Some(account) if !self.policy.allows(&account, client) => {
                Err("the account may not be used now, over HTTP or from that address")
            }
            Some(account) => Ok(account),
        };
        let account = match judged {
            Ok(account) => account,
            Err(why) => return Err(self.before.deny(USERS.kind, username, client, why).await),
        };
        match self.codes.check(&account, code).await {
            Ok(()) => {}
            // A pause that has begun meanwhile does not say that the password was right.
            Err(AuthenticationError::Denied | AuthenticationError::Paused(_)) => {
                return Err(self.before.deny(USERS.kind, username, client, WRONG_CODE).await);
            }
            Err(error) => return Err(error),
        }
        let now = self.clock.now();
        let author = Author { address: client.address, ..Author::new(username, client.door) };
        let record = author.did("login", "user", username, now);
        let visit = WebVisit { login_key: String::new(), impersonator: String::new(), ..client.visit.clone() };
        let issued = self.users.begin(username, client, visit, record, Some(password)).await?;
        if let Err(error) = self.accounts.record_login(&account.key(), now).await {
            let message = format!("the login of the account \"{username}\" is not stored: {error}");
            tracing::warn!(sender = "web_sessions", message);
        }
        Ok(issued)
    }

    /// The user to whom the token was issued, at the door that it was issued for.
    ///
    /// # Errors
    /// `Denied`: the token is not valid; or the store fails.
    pub async fn of_token(&self, token: &str, client: &DoorClient) -> Result<Person, AuthenticationError> {
        let user = self.users.of_token(token, client).await?;
        // What an administrator may do as a user is asked of the administrator, over REST.
        if !user.impersonator.is_empty() {
            return Err(AuthenticationError::Denied);
        }
        let has_to_set_up_codes = user.has_to_set_up_codes();
        let name = user.account.username.clone();
        let identity = Identity::User { user: (name.clone(), user.account.id) };
        let role = user.account.role().map(str::to_owned);
        let author = Author { address: client.address, role, is_self: true, ..Author::new(name, client.door) };
        let permissions = Permissions::Only(std::collections::BTreeSet::new());
        let actor = Actor { author, permissions, role: None, identity };
        Ok(Person { account: user.account, actor, session: id_of(token), has_to_set_up_codes, token: user.token })
    }

    /// The sessions of the user at the doors over HTTP that are still good.
    ///
    /// # Errors
    /// The second factor is missing, or the store fails.
    pub async fn own_sessions(&self, person: &Person) -> Result<Vec<ShownToken>, AdminError> {
        person.has_all()?;
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
    /// The second factor is missing, the user has no such session, or the store fails.
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
    /// The second factor is missing, or the store fails.
    pub async fn own_logins(&self, person: &Person) -> Result<Vec<StoredAudit>, AdminError> {
        person.has_all()?;
        // An account of the same name that was there before was another one.
        let since = person.account.other.get("created_at").and_then(Value::as_i64);
        Ok(self.audit.logins(&person.account.username, since, LOGINS).await?)
    }

    /// Whether the account has one-time codes.
    pub fn has_codes(&self, person: &Person) -> bool {
        codes_of(&person.account.filters.document).is_some()
    }

    /// Why the user cannot change that, in a sentence; None: it can.
    ///
    /// # Errors
    /// The hooks cannot be listed.
    pub(super) async fn kept_elsewhere(&self) -> Result<Option<&'static str>, AdminError> {
        if !self.accounts.are_managed() {
            return Ok(Some("the accounts of this server are kept elsewhere, and only read here"));
        }
        let from_hooks = self.policy.has_hooks(&KEPT_BY_HOOKS).await?;
        Ok(from_hooks.then_some("the accounts of this server come from a hook, and are changed where it has them"))
    }
}

impl Person {
    /// Refuses what a session without a demanded second factor is not good for.
    fn has_all(&self) -> Result<(), AdminError> {
        if self.has_to_set_up_codes { Err(AdminError::NotForActor(CODES_FIRST.to_owned())) } else { Ok(()) }
    }
}

/// What is said to a user who has to set up a second factor first.
pub(super) const CODES_FIRST: &str = "the account demands a second factor; set it up first";

fn is_of(stored: &StoredDocument, person: &Person) -> bool {
    text_of(stored, "purpose") == "user"
        && text_of(stored, "user") == person.account.username
        && number_of(stored, "user_id") == person.account.id
}
