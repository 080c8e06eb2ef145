//! Tokens of administrators: issued after a login, good on every server of one database, revocable.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::admin_document::Administrator;
use super::administrators::credential_of;
use super::credential_text::{digest_of, is_same, is_token, new_token};
use super::user_credential::has_credential_of;
use super::web_sessions::{NewSession, has_session};
use super::{
    Actor, AdminError, Audit, AuthenticationError, DoorClient, Identity, IssuedToken, PAGE, UseCase, WebSessions,
};
use crate::connection::WebVisit;
use crate::ports::{
    ADMINS, AuditRecord, Change, Clock, Directory, Door, PageRequest, StoreError, StoredDocument, TOKENS, USERS, Write,
    detail_part,
};
use crate::secret::Secret;
use crate::session::EndReason;

/// Milliseconds for which a token is good (A18-17); in a browser, after its last use.
pub(super) const LIFETIME: i64 = 20 * 60_000;
/// Milliseconds that a token for a browser has left when a use of it makes it good for longer.
const PROLONGED_BELOW: i64 = 15 * 60_000;
/// Milliseconds after the login for which a token for a browser can be good.
const LONGEST: i64 = 12 * 60 * 60_000;
/// Tokens that are looked at when one is issued: those that have expired are deleted.
const SWEPT: u32 = 50;
/// Characters of a digest by which a token is named, at least.
pub(super) const ID_LENGTH: usize = 16;

/// A token as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownToken {
    /// The first 16 characters of its digest.
    pub id: String,
    /// The administrator to whom it was issued; `user:NAME`: the user.
    pub admin: String,
    /// The address to which it was issued; empty: the host itself.
    pub address: String,
    /// The door that it is for.
    pub door: Door,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

impl ShownToken {
    /// The text after which the page begins that follows this token: after its id come all digests that begin with it,
    /// and `g` is no digit of theirs.
    pub fn after(&self) -> String {
        format!("{}g", self.id)
    }
}

/// A stored token, decoded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub digest: String,
    pub admin: (String, i64),
    pub credential: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub door: Door,
}

impl Token {
    pub fn of_stored(stored: &StoredDocument) -> Self {
        Self {
            digest: stored.name.clone(),
            admin: (text_of(stored, "admin"), number_of(stored, "admin_id")),
            credential: text_of(stored, "credential"),
            created_at: number_of(stored, "created_at"),
            expires_at: number_of(stored, "expires_at"),
            door: door_of(stored),
        }
    }
}

/// Issues, lists and revokes tokens.
pub struct Tokens {
    directory: Arc<dyn Directory>,
    audit: Audit,
    clock: Arc<dyn Clock>,
    sessions: Arc<WebSessions>,
    /// The digest up to which expired tokens were looked for.
    swept: Mutex<Option<String>>,
}

impl Tokens {
    /// Tokens in this store. `sessions`: those of tokens for browsers.
    pub fn new(directory: Arc<dyn Directory>, audit: Audit, clock: Arc<dyn Clock>, sessions: Arc<WebSessions>) -> Self {
        Self { directory, audit, clock, sessions, swept: Mutex::default() }
    }

    /// A page of at most 500 tokens that are still good, in the order of their ids. Login links and codes for lost passwords
    /// are no tokens, though the store keeps them with those: other use cases list and end them.
    ///
    /// # Errors
    /// The use case is not for the actor, or the store fails.
    pub async fn list(&self, actor: &Actor, request: PageRequest) -> Result<Vec<ShownToken>, AdminError> {
        self.audit.allow(actor, UseCase::ListTokens, "").await?;
        let most = usize::try_from(request.limit.min(PAGE)).unwrap_or_default();
        let (mut found, mut request) = (Vec::new(), PageRequest { limit: PAGE, ..request });
        loop {
            let page = self.directory.list(&TOKENS, request.clone()).await?;
            let Some(last) = page.last().map(|last| last.name.clone()) else { return Ok(found) };
            found.extend(self.good(page).await?.iter().map(shown));
            if found.len() >= most {
                found.truncate(most);
                return Ok(found);
            }
            request.after = Some(last);
        }
    }

    /// Those that are of use. What has ended with a password, or with whom it was issued to, is in the store until it expires.
    async fn good(&self, page: Vec<StoredDocument>) -> Result<Vec<StoredDocument>, StoreError> {
        let names = |field: &str| {
            let names = page.iter().map(|stored| text_of(stored, field)).filter(|name| !name.is_empty());
            names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let admins = self.directory.find_all(&ADMINS, names("admin")).await?;
        let users = self.directory.find_all(&USERS, names("user")).await?;
        let now = self.clock.now();
        let is_good = |stored: &StoredDocument| {
            let of = |documents: &[StoredDocument], field: &str, id: &str| {
                let (name, id) = (text_of(stored, field), number_of(stored, id));
                documents.iter().find(|found| found.name == name && found.version.id == id).cloned()
            };
            let relies_on = |has: &str| is_same(has, &text_of(stored, "credential"));
            let is_issued_to = |field: &str| !text_of(stored, field).is_empty();
            number_of(stored, "expires_at") > now
                && if is_issued_to("user") {
                    of(&users, "user", "user_id").is_some_and(|user| has_credential_of(stored, &user))
                } else if is_issued_to("admin") {
                    let admin =
                        of(&admins, "admin", "admin_id").and_then(|found| Administrator::of_stored(&found).ok());
                    admin.is_some_and(|admin| admin.is_enabled && relies_on(&credential_of(&admin)))
                } else {
                    false
                }
        };
        Ok(page.into_iter().filter(is_good).collect())
    }

    /// The token with this id, if it is still good.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such token, or the store fails.
    pub async fn show(&self, actor: &Actor, id: &str) -> Result<ShownToken, AdminError> {
        self.audit.allow(actor, UseCase::ListTokens, id).await?;
        let request = PageRequest { after: None, prefix: Some(id.to_owned()), limit: 2 };
        let found = self.directory.list(&TOKENS, request).await?;
        let is_named = found.len() == 1 && id.len() >= ID_LENGTH;
        let good = if is_named { self.good(found).await? } else { Vec::new() };
        Ok(good.first().map(shown).ok_or_else(|| StoreError::NotFound(TOKENS.object(id)))?)
    }

    /// Revokes the token with this id, as the list shows it.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such token, or the store fails.
    pub async fn revoke_by_id(&self, actor: &Actor, id: &str) -> Result<(), AdminError> {
        self.audit.allow(actor, UseCase::RevokeToken, id).await?;
        let request = PageRequest { after: None, prefix: Some(id.to_owned()), limit: 2 };
        let mut found = self.directory.list(&TOKENS, request).await?;
        match (found.pop().filter(logs_in), found.is_empty()) {
            (Some(stored), true) if id.len() >= ID_LENGTH => {
                let record = actor.author.did("delete", TOKENS.kind, &shown(&stored).id, self.clock.now());
                let detail = detail_part(&format!("admin: {}", shown(&stored).admin));
                let audit = Some(AuditRecord { detail, ..record });
                Ok(self.sessions.end(stored, EndReason::AdminClosed, audit).await?)
            }
            _ => Err(StoreError::NotFound(TOKENS.object(id)).into()),
        }
    }

    pub(super) async fn issue(&self, actor: &Actor) -> Result<IssuedToken, AdminError> {
        let Identity::Administrator { admin: (name, id), credential, by_token: false } = &actor.identity else {
            return Err(AdminError::NotForActor("a token is issued for a name and a password only".to_owned()));
        };
        let (text, now) = (new_token()?, self.clock.now());
        let expires_at = now.saturating_add(LIFETIME);
        let address = actor.author.address.map(|address| address.to_string()).unwrap_or_default();
        let fields = [
            ("admin", json!(name)),
            ("admin_id", json!(id)),
            ("credential", json!(credential)),
            ("address", json!(address)),
            ("door", json!(actor.author.door.as_str())),
            ("created_at", json!(now)),
            ("expires_at", json!(expires_at)),
        ];
        let document: Map<_, _> = fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        let digest = digest_of(text.expose());
        let record = actor.author.did("login", "admin", name, now);
        let add = Change {
            collection: &TOKENS,
            name: digest,
            write: Write::Add(document),
            announce: false,
            audit: Some(record),
        };
        self.directory.commit(vec![add]).await?;
        self.sweep(now).await;
        Ok(IssuedToken { text, expires_at })
    }

    /// A token for a browser, whose session hooks have to allow (D-02).
    pub(super) async fn begin_session(
        &self,
        actor: &Actor,
        client: &DoorClient,
        password: Secret,
    ) -> Result<IssuedToken, AuthenticationError> {
        let Identity::Administrator { admin: (name, id), credential, by_token: false } = &actor.identity else {
            return Err(AuthenticationError::Denied);
        };
        let now = self.clock.now();
        let issued = self.sessions.begin(NewSession {
            username: name,
            account: None,
            client,
            visit: WebVisit { login_key: String::new(), impersonator: String::new(), ..client.visit.clone() },
            password: Some(password),
            fields: vec![("admin", json!(name)), ("admin_id", json!(id)), ("credential", json!(credential))],
            lifetime: LIFETIME,
            audit: actor.author.did("login", "admin", name, now),
        });
        let (issued, _) = issued.await?;
        self.sweep(now).await;
        Ok(issued)
    }

    /// As [`prolong`](Self::prolong), of a token that is read again where that is due.
    pub(super) async fn prolong_used(&self, token: &Token, now: i64) {
        if prolonged(token.created_at, token.expires_at, now).is_none() {
            return;
        }
        match self.directory.find(&TOKENS, &token.digest).await {
            Ok(Some(stored)) => {
                let good_until = number_of(&stored, "expires_at");
                self.prolong(stored, good_until, now).await;
            }
            Ok(None) => {}
            Err(error) => warn_of(&error),
        }
    }

    /// Makes a token for a browser, which was used just now, good for longer. That it fails ends the token at the time
    /// that it had.
    pub(super) async fn prolong(&self, stored: StoredDocument, good_until: i64, now: i64) {
        let Some(expires_at) = prolonged(number_of(&stored, "created_at"), good_until, now) else { return };
        let StoredDocument { name, mut document, version, .. } = stored;
        document.insert("expires_at".to_owned(), json!(expires_at));
        let write = Write::Replace { document, expected: version, reset: Vec::new() };
        let change = Change { collection: &TOKENS, name, write, announce: false, audit: None };
        match self.directory.commit(vec![change]).await {
            // Another request was first.
            Ok(_) | Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => {}
            Err(error) => warn_of(&error),
        }
    }

    /// The tokens that were issued to the actor, an administrator, and are still good.
    ///
    /// # Errors
    /// The store fails.
    pub async fn own(&self, actor: &Actor) -> Result<Vec<ShownToken>, AdminError> {
        let Identity::Administrator { admin: (name, id), .. } = &actor.identity else { return Ok(Vec::new()) };
        let (mut found, mut request) = (Vec::new(), PageRequest { limit: PAGE, ..PageRequest::default() });
        let now = self.clock.now();
        loop {
            let page = self.directory.list(&TOKENS, request.clone()).await?;
            let Some(last) = page.last() else { return Ok(found) };
            request.after = Some(last.name.clone());
            let own = page.iter().filter(|stored| number_of(stored, "admin_id") == *id);
            found.extend(own.map(shown).filter(|token| token.admin == *name && token.expires_at > now));
        }
    }

    /// Ends a token that was issued to the actor, by its id.
    ///
    /// # Errors
    /// The actor has no such token, or the store fails.
    pub async fn revoke_own(&self, actor: &Actor, id: &str) -> Result<(), AdminError> {
        let is_own = self.own(actor).await?.iter().any(|token| token.id == id);
        let request = PageRequest { after: None, prefix: Some(id.to_owned()), limit: 2 };
        let mut found = if is_own { self.directory.list(&TOKENS, request).await? } else { Vec::new() };
        match (found.pop(), found.is_empty()) {
            (Some(stored), true) => {
                let record = actor.author.did("delete", TOKENS.kind, id, self.clock.now());
                Ok(self.sessions.end(stored, EndReason::Logout, Some(record)).await?)
            }
            _ => Err(StoreError::NotFound(TOKENS.object(id)).into()),
        }
    }

    pub(super) async fn revoke(&self, text: &str) -> Result<(), StoreError> {
        if !is_token(text) {
            return Ok(());
        }
        let stored = self.directory.find(&TOKENS, &digest_of(text)).await?;
        let Some(stored) = stored.filter(logs_in) else { return Ok(()) };
        match self.sessions.end(stored, EndReason::Logout, None).await {
            Err(StoreError::NotFound(_)) => Ok(()),
            outcome => outcome,
        }
    }

    async fn delete(&self, digest: String) -> Result<(), StoreError> {
        let write = Write::Delete { expected: None };
        let change = Change { collection: &TOKENS, name: digest, write, announce: false, audit: None };
        self.directory.commit(vec![change]).await.map(drop)
    }

    /// Deletes expired tokens, some at a time. That it fails is no failure of the login: the next one tries again.
    async fn sweep(&self, now: i64) {
        let after = self.swept().clone();
        let request = PageRequest { after, prefix: None, limit: SWEPT };
        let Ok(page) = self.directory.list(&TOKENS, request).await else { return };
        // After the last page comes the first one again.
        let is_last = page.len() < usize::try_from(SWEPT).unwrap_or(usize::MAX);
        *self.swept() = page.last().filter(|_| !is_last).map(|last| last.name.clone());
        let is_over = |stored: &StoredDocument| shown(stored).expires_at <= now && !has_session(stored);
        for stored in page.into_iter().filter(is_over) {
            // Another server may have deleted it.
            let _ = self.delete(stored.name).await;
        }
    }

    fn swept(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.swept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until when a token for a browser is good that is used now; None: it stays as it is.
fn prolonged(created_at: i64, good_until: i64, now: i64) -> Option<i64> {
    let expires_at = now.saturating_add(LIFETIME).min(created_at.saturating_add(LONGEST));
    let is_due = good_until.saturating_sub(now) < PROLONGED_BELOW && expires_at > good_until;
    is_due.then_some(expires_at)
}

fn warn_of(error: &StoreError) {
    tracing::warn!(sender = "admin", message = format!("the validity of a token could not be extended: {error}"));
}

pub(super) fn text_of(stored: &StoredDocument, field: &str) -> String {
    stored.document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn number_of(stored: &StoredDocument, field: &str) -> i64 {
    stored.document.get(field).and_then(Value::as_i64).unwrap_or(0)
}

fn door_of(stored: &StoredDocument) -> Door {
    Door::from_name(&text_of(stored, "door")).unwrap_or(Door::Rest)
}

/// The id by which lists name a token with this text.
pub(super) fn id_of(text: &str) -> String {
    digest_of(text).chars().take(ID_LENGTH).collect()
}

/// Whether an administrator or a user is logged in with it, which is not so with a login link or a code for a lost password.
fn logs_in(stored: &StoredDocument) -> bool {
    !owner_of(stored).is_empty()
}

/// The administrator of a token; of one of a user, the user. No administrator's name has a colon.
fn owner_of(stored: &StoredDocument) -> String {
    match text_of(stored, "user") {
        user if user.is_empty() => text_of(stored, "admin"),
        user => format!("user:{user}"),
    }
}

pub(super) fn shown(stored: &StoredDocument) -> ShownToken {
    ShownToken {
        id: stored.name.chars().take(ID_LENGTH).collect(),
        admin: owner_of(stored),
        address: text_of(stored, "address"),
        door: door_of(stored),
        created_at: number_of(stored, "created_at"),
        expires_at: number_of(stored, "expires_at"),
    }
}
