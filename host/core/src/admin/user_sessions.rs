//! Sessions of users at the doors over HTTP: they begin with a login link, or with an administrator that acts as the
//! user (D-13), and a token is good for them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::acting::{ACTING, LET_IN_BY, acting, may_go_on};
use super::credential_text::{digest_of, is_token};
use super::tokens::{LIFETIME, number_of, text_of};
use super::user_codes::codes_of;
use super::user_credential::{has_credential_of, user_credential};
use super::user_policy::demands_codes;
use super::web_sessions::NewSession;
use super::{Actor, AdminError, Audit, AuthenticationError, DoorClient, IssuedToken, UseCase, UserAdministration};
use super::{BeforeLogins, Tokens, UserPolicy, WebSessions};
use crate::account::EffectiveAccount;
use crate::connection::WebVisit;
use crate::hook::Observers;
use crate::hook::observation::PostLogin;
use crate::ports::{AuditRecord, Clock, Directory, Door, StoreError, TOKENS, USERS, detail_part};
use crate::secret::Secret;
use crate::session::Session;

/// What a token of a user is for: it names no administrator.
const PURPOSE: &str = "user";

/// A user at a door over HTTP.
#[derive(Debug, Clone)]
pub struct UserActor {
    /// The account, whatever the session is good for.
    pub(super) account: Arc<EffectiveAccount>,
    /// The administrator that acts as the user; empty: the user acts itself.
    pub impersonator: String,
    /// The name of the session's document.
    pub(super) token: String,
}

impl UserActor {
    /// Whether the account demands a second factor over HTTP and has none. An administrator that acts as the user has
    /// its own.
    pub fn has_to_set_up_codes(&self) -> bool {
        let has_none = codes_of(&self.account.filters.document).is_none();
        has_none && self.impersonator.is_empty() && demands_codes(&self.account, "HTTP")
    }

    /// The account.
    ///
    /// # Errors
    /// The account demands a second factor over HTTP and has none.
    pub fn account(&self) -> Result<&Arc<EffectiveAccount>, AdminError> {
        if self.has_to_set_up_codes() {
            let text = "the account demands a second factor and has none; set it up on the pages of users, or ask an \
                        administrator";
            return Err(AdminError::NotForActor(text.to_owned()));
        }
        Ok(&self.account)
    }
}

/// Begins sessions of users, and finds them again.
pub struct UserSessions {
    /// The store of tokens and accounts.
    pub directory: Arc<dyn Directory>,
    /// Finds accounts.
    pub users: Arc<UserAdministration>,
    /// What is in force for accounts.
    pub policy: Arc<UserPolicy>,
    /// Ends tokens.
    pub tokens: Arc<Tokens>,
    /// Asks and tells hooks.
    pub sessions: Arc<WebSessions>,
    /// Asks hooks about requests.
    pub before: BeforeLogins,
    /// Observers of the logins of users; None: there are none.
    pub observers: Option<Arc<Observers<PostLogin>>>,
    /// Records who acts as whom.
    pub audit: Audit,
    /// Gives the times.
    pub clock: Arc<dyn Clock>,
}

impl UserSessions {
    /// An administrator acts as a user: a token of the user, in whose session both names are (D-13).
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such account, the account may not be used, a hook refuses the
    /// session, or the store fails.
    pub async fn impersonate(
        &self,
        actor: &Actor,
        username: &str,
        client: &DoorClient,
    ) -> Result<IssuedToken, AdminError> {
        let case = UseCase::Impersonate;
        self.audit.allow(actor, case, username).await?;
        self.users.check_role(actor, case, username).await?;
        let stored = self.users.stored(username).await?;
        if self.account(username, stored.version.id, client).await?.is_none() {
            let text = format!("the account \"{username}\" may not be used at present, or not from this address");
            return Err(StoreError::Refused(text).into());
        }
        let impersonator = actor.author.name.clone();
        let record = actor.author.did(case.action(), case.kind(), username, self.clock.now());
        let detail = detail_part(&format!("\"{impersonator}\" acts as \"{username}\""));
        let visit = WebVisit { impersonator, login_key: String::new(), ..client.visit.clone() };
        let acting = vec![(ACTING, acting(&*self.directory, actor).await?)];
        match self.begin_with(username, client, visit, AuditRecord { detail, ..record }, (None, acting)).await {
            Ok((issued, _)) => Ok(issued),
            Err(AuthenticationError::Store(error)) => Err(error.into()),
            Err(_) => Err(StoreError::Refused(format!("a hook refuses the session of \"{username}\"")).into()),
        }
    }

    /// The account as it is in force, if that client may use it; None: it may not, or there is no such
    /// account.
    pub(super) async fn account(
        &self,
        username: &str,
        id: i64,
        client: &DoorClient,
    ) -> Result<Option<Arc<EffectiveAccount>>, StoreError> {
        let found = self.policy.found(username).await?;
        Ok(found.filter(|account| account.id == id && self.policy.allows(account, client)))
    }

    pub(super) async fn begin(
        &self,
        username: &str,
        client: &DoorClient,
        visit: WebVisit,
        audit: AuditRecord,
        password: Option<Secret>,
    ) -> Result<IssuedToken, AuthenticationError> {
        let more = (password.clone(), Vec::new());
        let (issued, session) = self.begin_with(username, client, visit, audit, more).await?;
        self.tell_of_login(&session, password);
        Ok(issued)
    }

    /// Begins the session of a user of a login link, which ends where its maker is trusted no more. `maker`: the member of
    /// the link's document that names it.
    pub(super) async fn begin_by_link(
        &self,
        username: &str,
        client: &DoorClient,
        visit: WebVisit,
        audit: AuditRecord,
        maker: Value,
    ) -> Result<IssuedToken, AuthenticationError> {
        let more = (None, vec![(LET_IN_BY, maker)]);
        let (issued, session) = self.begin_with(username, client, visit, audit, more).await?;
        self.tell_of_login(&session, None);
        Ok(issued)
    }

    /// `more`: the password that hooks may be given, and fields of the token's document.
    async fn begin_with(
        &self,
        username: &str,
        client: &DoorClient,
        visit: WebVisit,
        audit: AuditRecord,
        (password, more): (Option<Secret>, Vec<(&'static str, Value)>),
    ) -> Result<(IssuedToken, Arc<Session>), AuthenticationError> {
        let denied = AuthenticationError::Denied;
        let stored = self.directory.find(&USERS, username).await?.ok_or(denied.clone())?;
        let id = stored.version.id;
        let account = self.account(username, id, client).await?.ok_or(denied)?;
        let mut fields = vec![
            ("purpose", json!(PURPOSE)),
            ("user", json!(username)),
            ("user_id", json!(id)),
            ("credential", json!(user_credential(&stored.document))),
        ];
        fields.extend(more);
        let account = Some(account);
        let new = NewSession { username, account, client, visit, password, fields, lifetime: LIFETIME, audit };
        self.sessions.begin(new).await
    }

    /// The user of a token.
    ///
    /// # Errors
    /// `Denied`: the token is not valid; or the store fails.
    pub async fn of_token(&self, token: &str, client: &DoorClient) -> Result<UserActor, AuthenticationError> {
        let denied = AuthenticationError::Denied;
        if !is_token(token) {
            return Err(denied);
        }
        let stored = self.directory.find(&TOKENS, &digest_of(token)).await?.ok_or(denied.clone())?;
        let is_one = text_of(&stored, "purpose") == PURPOSE && text_of(&stored, "door") == client.door.as_str();
        if !is_one || number_of(&stored, "expires_at") <= self.clock.now() {
            return Err(denied);
        }
        let username = text_of(&stored, "user");
        self.before.request(USERS.kind, &username, client).await?;
        let user = self.directory.find(&USERS, &username).await?.ok_or(denied.clone())?;
        if !has_credential_of(&stored, &user) {
            return Err(denied);
        }
        if !may_go_on(&*self.directory, &stored, &user, self.clock.now()).await? {
            return Err(denied);
        }
        let account = self.account(&username, number_of(&stored, "user_id"), client).await?.ok_or(denied)?;
        let session = stored.document.get("session").and_then(|session| session.get("impersonator"));
        let impersonator = session.and_then(Value::as_str).unwrap_or_default().to_owned();
        let token = stored.name.clone();
        if client.door == Door::Web {
            let expires_at = number_of(&stored, "expires_at");
            self.tokens.prolong(stored, expires_at, self.clock.now()).await;
        }
        Ok(UserActor { account, impersonator, token })
    }

    /// Ends the session of a token; one that is not known is no error.
    ///
    /// # Errors
    /// The store fails.
    pub async fn log_out(&self, token: &str) -> Result<(), StoreError> {
        self.tokens.revoke(token).await
    }
}
