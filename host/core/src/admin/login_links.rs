//! Login links (D-08): a text by which a user is logged in without a password, a number of times and until a time. The
//! store has its digest. An administrator makes one for a user, or a portal makes one at the click of its user (D-11).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::acting::{ACTING, acting, may_act};
use super::admin_document::{is_within, networks_of, texts};
use super::authentication::login_at_door;
use super::before_logins::WRONG_CODE;
use super::credential_text::{digest_of, is_token, new_token};
use super::key_document::check_expiry;
use super::tokens::{id_of, number_of, text_of};
use super::{
    Actor, AdminError, Audit, AuthenticationError, BeforeLogins, DoorClient, IssuedToken, PAGE, UseCase,
    UserAdministration, UserCodes, UserSessions,
};
use crate::account::{EffectiveAccount, check_new_name, invalid};
use crate::connection::WebVisit;
use crate::hook::Observers;
use crate::hook::observation::{CredentialChanged, OneClickLoginPost};
use crate::ports::{
    AuditRecord, Author, Change, Clock, Directory, ObjectName, PageRequest, StoreError, StoredDocument, TOKENS, USERS,
    Write, detail_part,
};
use crate::secret::Secret;

/// What the document of a link is for. It names no administrator as one of a token does, so that it is none.
const PURPOSE: &str = "link";
/// Why a log-in with a link was denied.
const USELESS: &str = "the login link does not exist, has ended or may not be used now or from that address";
/// Milliseconds for which a link is good, unless its maker says otherwise.
const LIFETIME: i64 = 24 * 60 * 60_000;
/// Milliseconds for which a link of a portal is good: its user is sent there at once.
const ONE_CLICK: i64 = 60_000;
/// The most uses of a link.
const MOST_USES: i64 = 1_000;
const MAX_NAME_BYTES: usize = 255;
/// Tries to count a use while others use the same link.
const TRIES: u32 = 1_000;

/// The properties of a new link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkWish {
    /// A name for people; empty: its id.
    pub name: String,
    /// How often it may be used; None: once.
    pub max_uses: Option<i64>,
    /// When it expires, in milliseconds since 1970; None: in 24 hours.
    pub expires_at: Option<i64>,
    /// Networks that it may be used from; empty: any.
    pub ips: Vec<String>,
}

/// A link as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownLink {
    /// The first 16 characters of its digest.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The user whom it logs in.
    pub username: String,
    /// How often it may be used.
    pub max_uses: i64,
    /// How often it was used.
    pub uses: i64,
    /// Milliseconds since 1970.
    pub expires_at: i64,
    /// Networks that it may be used from; empty: any.
    pub ips: Vec<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// The name of the administrator who made it.
    pub created_by: String,
}

/// A link that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// The text, which is shown only now.
    pub text: Secret,
    /// The link as administrators see it.
    pub link: ShownLink,
}

/// Use cases about login links.
pub struct LoginLinks {
    /// The store of links, beside the tokens.
    pub directory: Arc<dyn Directory>,
    /// Finds accounts.
    pub users: Arc<UserAdministration>,
    /// Begins the sessions of users with links.
    pub sessions: Arc<UserSessions>,
    /// Checks one-time codes of users with links.
    pub codes: Arc<UserCodes>,
    /// Asks hooks about clients that use links, and scores wrong texts.
    pub before: BeforeLogins,
    /// Records links and their uses.
    pub audit: Audit,
    /// Observers of links that are made (D-07); None: there are none.
    pub observers: Option<Arc<Observers<CredentialChanged>>>,
    /// Observers of links that portals make (D-11); None: there are none.
    pub one_click: Option<Arc<Observers<OneClickLoginPost>>>,
    /// Gives the times.
    pub clock: Arc<dyn Clock>,
}

impl LoginLinks {
    /// Makes a link for a user.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such account, the wish is not valid, the system gives no random
    /// numbers, or the store fails.
    pub async fn add(&self, actor: &Actor, username: &str, wish: LinkWish) -> Result<NewLink, AdminError> {
        let made = self.make(actor, UseCase::AddLoginLink, username, wish, LIFETIME).await?;
        if let Some(observers) = &self.observers {
            let (text, link) = (made.text.clone(), &made.link);
            observers.notify(CredentialChanged {
                name: link.name.clone(),
                is_login_url: true,
                modifying: false,
                key: text,
                // Rounded up: what expires never is another thing.
                expires_at: link.expires_at.saturating_add(999) / 1_000,
                max_uses: u32::try_from(link.max_uses).unwrap_or(u32::MAX),
                ips: link.ips.clone(),
                username: link.username.clone(),
                ..CredentialChanged::default()
            });
        }
        Ok(made)
    }

    /// Makes a link for the user of a portal, good once and for a minute. `target`: what the login is for; empty: the
    /// account. A hook that fails on the event changes nothing (D-11).
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn add_for_portal(&self, actor: &Actor, username: &str, target: &str) -> Result<NewLink, AdminError> {
        let wish = LinkWish { name: target.to_owned(), ..LinkWish::default() };
        let made = self.make(actor, UseCase::OneClickLogin, username, wish, ONE_CLICK).await?;
        if let Some(observers) = &self.one_click {
            observers.notify(OneClickLoginPost {
                token: made.link.id.clone(),
                username: username.to_owned(),
                password: made.text.clone(),
                name: if target.is_empty() { username.to_owned() } else { target.to_owned() },
            });
        }
        Ok(made)
    }

    async fn make(
        &self,
        actor: &Actor,
        case: UseCase,
        username: &str,
        wish: LinkWish,
        lifetime: i64,
    ) -> Result<NewLink, AdminError> {
        self.audit.allow(actor, case, username).await?;
        self.users.check_role(actor, case, username).await?;
        let stored = self.users.stored(username).await?;
        let now = self.clock.now();
        let LinkWish { name, max_uses, expires_at, ips } = wish;
        if name.len() > MAX_NAME_BYTES {
            return Err(refused("name", "must have at most 255 bytes"));
        }
        check_new_name("name", &name).map_err(|problem| AdminError::Object { noun: NOUN, problem })?;
        let (max_uses, expires_at) = (max_uses.unwrap_or(1), expires_at.unwrap_or(now.saturating_add(lifetime)));
        if !(1..=MOST_USES).contains(&max_uses) {
            return Err(refused("max_uses", "must be between 1 and 1000"));
        }
        check_expiry(expires_at, now).map_err(|problem| AdminError::Object { noun: NOUN, problem })?;
        networks_of("ips", &ips).map_err(|problem| AdminError::Object { noun: NOUN, problem })?;
        let text = new_token()?;
        let name = if name.is_empty() { id_of(text.expose()) } else { name };
        let fields = [
            ("purpose", json!(PURPOSE)),
            ("name", json!(name)),
            ("for", json!(stored.name)),
            ("number", json!(stored.version.id)),
            ("disabled_at", json!(number_of(&stored, "disabled_at"))),
            ("case", json!(case.name())),
            (ACTING, acting(&*self.directory, actor).await?),
            ("max_uses", json!(max_uses)),
            ("uses", json!(0)),
            ("ips", json!(ips)),
            ("created_at", json!(now)),
            ("created_by", json!(actor.author.name)),
            ("expires_at", json!(expires_at)),
        ];
        let document: Map<_, _> = fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        let record = actor.author.did(case.action(), case.kind(), username, now);
        let told = detail_part(&name);
        let detail = format!("name: {told}; max_uses: {max_uses}; expires_at: {expires_at}; ips: {}", ips.join(", "));
        let audit = Some(AuditRecord { detail, ..record });
        let digest = digest_of(text.expose());
        let write = Write::Add(document);
        self.directory
            .commit(vec![Change { collection: &TOKENS, name: digest.clone(), write, announce: false, audit }])
            .await?;
        let stored = self.directory.find(&TOKENS, &digest).await?;
        let stored = stored.ok_or_else(|| StoreError::NotFound(TOKENS.object(&name)))?;
        Ok(NewLink { text, link: shown(&stored) })
    }

    /// The links of a user that are still good.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such account, or the store fails.
    pub async fn list(&self, actor: &Actor, username: &str) -> Result<Vec<ShownLink>, AdminError> {
        let case = UseCase::ListLoginLinks;
        self.audit.allow(actor, case, username).await?;
        self.users.check_role(actor, case, username).await?;
        let number = self.users.stored(username).await?.version.id;
        let now = self.clock.now();
        let (mut found, mut request) = (Vec::new(), PageRequest { limit: PAGE, ..PageRequest::default() });
        loop {
            let page = self.directory.list(&TOKENS, request.clone()).await?;
            let Some(last) = page.last() else { return Ok(found) };
            request.after = Some(last.name.clone());
            for stored in page.iter().filter(|stored| is_link(stored) && number_of(stored, "number") == number) {
                let link = shown(stored);
                if link.expires_at > now && self.is_in_force(stored, username).await? {
                    found.push(link);
                }
            }
        }
    }

    /// The link with this id, if it is still good.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such link, or the store fails.
    pub async fn show(&self, actor: &Actor, id: &str) -> Result<ShownLink, AdminError> {
        let case = UseCase::ListLoginLinks;
        self.audit.allow(actor, case, id).await?;
        let stored = self.found(id).await?;
        let link = shown(&stored);
        if self.users.check_role(actor, case, &link.username).await.is_err() {
            return Err(missing(id));
        }
        // An account that was added later under the same name is another one.
        let is_same = self.users.stored(&link.username).await?.version.id == number_of(&stored, "number");
        let is_good = is_same && link.expires_at > self.clock.now();
        if is_good && self.is_in_force(&stored, &link.username).await? { Ok(link) } else { Err(missing(id)) }
    }

    /// The stored link with this id.
    async fn found(&self, id: &str) -> Result<StoredDocument, AdminError> {
        let request = PageRequest { after: None, prefix: Some(id.to_owned()), limit: 2 };
        let mut found = self.directory.list(&TOKENS, request).await?;
        let (stored, is_alone) = (found.pop().filter(is_link), found.is_empty());
        stored.filter(|_| is_alone && id.len() >= super::tokens::ID_LENGTH).ok_or_else(|| missing(id))
    }

    /// Revokes the link with this id, as the list shows it. Sessions that it has begun go on, until its maker is disabled or
    /// deleted.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such link, or the store fails.
    pub async fn delete(&self, actor: &Actor, id: &str) -> Result<(), AdminError> {
        let case = UseCase::DeleteLoginLink;
        self.audit.allow(actor, case, id).await?;
        let stored = self.found(id).await?;
        let link = shown(&stored);
        if self.users.check_role(actor, case, &link.username).await.is_err() {
            return Err(missing(id));
        }
        let record = actor.author.did(case.action(), case.kind(), &link.username, self.clock.now());
        let audit = Some(AuditRecord { detail: format!("name: {}", detail_part(&link.name)), ..record });
        let write = Write::Delete { expected: None };
        let change = Change { collection: &TOKENS, name: stored.name, write, announce: false, audit };
        self.directory.commit(vec![change]).await?;
        Ok(())
    }

    /// Logs in the user of a link, which has one use less. `one_time_code`: where the account has codes, one of them or a
    /// recovery code, which is used up.
    ///
    /// # Errors
    /// `Denied`: the link is not valid, whatever is wrong with it, the code is wrong, or a hook refuses the session;
    /// `SecondFactorNeeded` or `Paused`: the link has not been used; or the store fails.
    pub async fn redeem(
        &self,
        text: &str,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<IssuedToken, AuthenticationError> {
        let login = self.redeemed(text, one_time_code, client);
        login_at_door(client, ("", "login-link"), login, AuthenticationError::outcome).await
    }

    async fn redeemed(
        &self,
        text: &str,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<IssuedToken, AuthenticationError> {
        self.before.limit(client)?;
        if let Some(username) = self.username(text).await? {
            tracing::Span::current().record("username", username.as_str());
            self.before.login(USERS.kind, &username, &Secret::new(""), client).await?;
        }
        let Some((_, account)) = self.usable(text, client).await? else {
            return Err(self.before.deny(USERS.kind, "", client, USELESS).await);
        };
        if let Some(seconds) = self.codes.pause(&account, one_time_code) {
            return Err(AuthenticationError::Paused(seconds));
        }
        match self.codes.check(&account, one_time_code).await {
            Ok(()) => {}
            Err(AuthenticationError::Denied) => {
                return Err(self.before.deny(USERS.kind, &account.username, client, WRONG_CODE).await);
            }
            Err(error) => return Err(error),
        }
        let Some((link, maker)) = self.use_up(text, client).await? else {
            return Err(self.before.deny(USERS.kind, &account.username, client, USELESS).await);
        };
        let author = Author { address: client.address, ..Author::new(link.username.clone(), client.door) };
        let record = author.did("login", "user", &link.username, self.clock.now());
        let detail = detail_part(&format!("with the login link \"{}\" of \"{}\"", link.name, link.created_by));
        let visit = WebVisit { login_key: link.name, impersonator: String::new(), ..client.visit.clone() };
        self.sessions.begin_by_link(&link.username, client, visit, AuditRecord { detail, ..record }, maker).await
    }

    /// The user of a link, of whatever use it is; None: there is no such link.
    async fn username(&self, text: &str) -> Result<Option<String>, StoreError> {
        if !is_token(text) {
            return Ok(None);
        }
        let stored = self.directory.find(&TOKENS, &digest_of(text)).await?;
        Ok(stored.filter(is_link).map(|stored| text_of(&stored, "for")))
    }

    /// The document of a link that is of use to that client now, and the account; None: it is of none.
    async fn usable(
        &self,
        text: &str,
        client: &DoorClient,
    ) -> Result<Option<(StoredDocument, Arc<EffectiveAccount>)>, StoreError> {
        if !is_token(text) {
            return Ok(None);
        }
        let Some(stored) = self.directory.find(&TOKENS, &digest_of(text)).await? else { return Ok(None) };
        let (link, number) = (shown(&stored), number_of(&stored, "number"));
        let Ok(networks) = networks_of("ips", &link.ips) else { return Ok(None) };
        if !is_link(&stored) || link.expires_at <= self.clock.now() || !is_within(&networks, client.address) {
            return Ok(None);
        }
        if !self.is_in_force(&stored, &link.username).await? {
            return Ok(None);
        }
        // An account that was added later under the same name is another one.
        let account = self.sessions.account(&link.username, number, client).await?;
        Ok(account.map(|account| (stored, account)))
    }

    /// Whether neither the user nor the administrator that made the link was disabled since, and the latter, with the
    /// password and the role that it had, or its key, may still make it.
    async fn is_in_force(&self, link: &StoredDocument, username: &str) -> Result<bool, StoreError> {
        let Some(user) = self.directory.find(&USERS, username).await? else { return Ok(false) };
        let was_made_by = text_of(link, "case");
        let case = [UseCase::AddLoginLink, UseCase::OneClickLogin].into_iter().find(|case| case.name() == was_made_by);
        let case = case.unwrap_or(UseCase::AddLoginLink);
        Ok(number_of(&user, "disabled_at") == number_of(link, "disabled_at")
            && may_act(&*self.directory, link, case, Some(&user), self.clock.now()).await?)
    }

    /// Counts a use; None: the link is not valid. The answer has the link, and the member of its document that names its
    /// maker.
    async fn use_up(&self, text: &str, client: &DoorClient) -> Result<Option<(ShownLink, Value)>, StoreError> {
        for _ in 0..TRIES {
            let Some((stored, _)) = self.usable(text, client).await? else { return Ok(None) };
            let link = shown(&stored);
            let mut document = stored.document;
            let maker = document.get(ACTING).cloned().unwrap_or_default();
            document.insert("uses".to_owned(), json!(link.uses.saturating_add(1)));
            let expected = stored.version;
            // Of two that come with the last use, one finds the link changed.
            let write = match link.uses.saturating_add(1) < link.max_uses {
                true => Write::Replace { document, expected, reset: Vec::new() },
                false => Write::Delete { expected: Some(expected) },
            };
            let change = Change { collection: &TOKENS, name: stored.name, write, announce: false, audit: None };
            match self.directory.commit(vec![change]).await {
                Ok(_) => return Ok(Some((link, maker))),
                Err(StoreError::Conflict(_)) => {}
                Err(StoreError::NotFound(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

const NOUN: &str = "login link";

fn refused(field: &str, problem: &str) -> AdminError {
    AdminError::Object { noun: NOUN, problem: invalid(field, problem) }
}

fn missing(id: &str) -> AdminError {
    StoreError::NotFound(ObjectName { noun: NOUN, name: id.to_owned() }).into()
}

fn is_link(stored: &StoredDocument) -> bool {
    stored.document.get("purpose").and_then(Value::as_str) == Some(PURPOSE)
}

fn shown(stored: &StoredDocument) -> ShownLink {
    ShownLink {
        id: stored.name.chars().take(super::tokens::ID_LENGTH).collect(),
        name: text_of(stored, "name"),
        username: text_of(stored, "for"),
        max_uses: number_of(stored, "max_uses"),
        uses: number_of(stored, "uses"),
        expires_at: number_of(stored, "expires_at"),
        ips: texts(&stored.document, "ips"),
        created_at: number_of(stored, "created_at"),
        created_by: text_of(stored, "created_by"),
    }
}
