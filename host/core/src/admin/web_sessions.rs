//! Web sessions: they begin with a log-in on the web pages, a login link, or an administrator that acts as a user, and
//! live in the store. Hooks are told of each once when it begins and once when it ends (D-02 to D-04), whichever
//! server of the database sees its end, and after a kill too: a session is on record before `session-create` hooks are
//! asked, and until `session-destroy` hooks have got the event.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::acting::may_go_on;
use super::admin_document::Administrator;
use super::administrators::credential_of;
use super::credential_text::{digest_of, is_same, new_token};
use super::session_claims::{CLAIM, holding, remove, tell_of_end};
use super::tokens::{id_of, number_of, text_of};
use super::user_credential::has_credential_of;
use super::{AuthenticationError, DoorClient, IssuedToken, PAGE};
use crate::account::{Accounts, EffectiveAccount, Factors};
use crate::connection::{Connection, ConnectionId, LoginMethod, WebVisit};
use crate::hook::observation::SessionDestroy;
use crate::hook::observers::ObserverWork;
use crate::hook::review::{Review, SessionCreate};
use crate::hook::{Chain, Observers};
use crate::ports::{
    ADMINS, AuditRecord, Change, Clock, Directory, PageRequest, StoreError, StoredDocument, TOKENS, USERS, Version,
    Write,
};
use crate::secret::Secret;
use crate::session::{EndReason, KeptPassword, LiveSession, Session, Traffic};

/// The member of a token's document that describes its session; a token without it has none.
const SESSION: &str = "session";
/// The time between looks for sessions that have ended.
const PAUSE: Duration = Duration::from_secs(30);
/// Milliseconds after which a session that has not begun, and for which no server holds the claim, never will: its server
/// was killed.
const LONGEST_BEGINNING: i64 = 180_000;
/// Ends of sessions that are reported to hooks at the same time.
const AT_ONCE: usize = 16;
/// Tries to note an end while the session is in use.
const TRIES: u32 = 5;

/// The hooks of sessions.
#[derive(Clone)]
pub struct SessionHooks {
    /// Hooks that are asked before a session begins (D-01).
    pub create: Arc<Chain<SessionCreate>>,
    /// Observers of the end of each session (D-03).
    pub destroy: Arc<Observers<SessionDestroy>>,
}

/// Begins and ends web sessions.
pub struct WebSessions {
    directory: Arc<dyn Directory>,
    accounts: Arc<Accounts>,
    clock: Arc<dyn Clock>,
    /// None: this process calls none, and leaves the ends to a server.
    hooks: Option<SessionHooks>,
    /// The sessions that this server has begun, for the passwords that hooks are to be given at their end (D-15).
    kept: Mutex<HashMap<String, Arc<Session>>>,
    wake: Notify,
    is_closed: AtomicBool,
}

/// A session that is to begin.
pub(super) struct NewSession<'a> {
    /// The administrator, or the account.
    pub username: &'a str,
    /// The account; None: it is a session of an administrator.
    pub account: Option<Arc<EffectiveAccount>>,
    pub client: &'a DoorClient,
    pub visit: WebVisit,
    pub password: Option<Secret>,
    /// The fields of the token's document that say whose it is.
    pub fields: Vec<(&'static str, Value)>,
    /// How long the token is good, in milliseconds.
    pub lifetime: i64,
    pub audit: AuditRecord,
}

impl WebSessions {
    /// Web sessions in this store.
    pub fn new(
        directory: Arc<dyn Directory>,
        accounts: Arc<Accounts>,
        clock: Arc<dyn Clock>,
        hooks: Option<SessionHooks>,
    ) -> Self {
        let (kept, wake, is_closed) = (Mutex::default(), Notify::new(), AtomicBool::new(false));
        Self { directory, accounts, clock, hooks, kept, wake, is_closed }
    }

    /// Begins a session, if its hooks allow it; the token is good for it. Hooks see it as the session.
    ///
    /// # Errors
    /// `Denied`: a hook refuses it, which is in the log; or a hook or the store failed.
    pub(super) async fn begin(&self, new: NewSession<'_>) -> Result<(IssuedToken, Arc<Session>), AuthenticationError> {
        let text = new_token().map_err(|error| StoreError::Failed(error.to_string()))?;
        let (digest, id, now) = (digest_of(text.expose()), id_of(text.expose()), self.clock.now());
        let expires_at = now.saturating_add(new.lifetime);
        let address = new.client.address.map(|address| address.to_string()).unwrap_or_default();
        let described = json!({
            "username": new.username,
            "is_user": new.account.is_some(),
            "address": address,
            "host": new.visit.host,
            "referer": new.visit.referer,
            "user_agent": new.visit.user_agent,
            "login_key": new.visit.login_key,
            "impersonator": new.visit.impersonator,
        });
        let document = |state: &str, expires_at: i64| {
            let mut session = described.clone();
            set(&mut session, "state", json!(state));
            let common = [
                ("address", json!(address)),
                ("door", json!(new.client.door.as_str())),
                ("created_at", json!(now)),
                ("expires_at", json!(expires_at)),
                (SESSION, session),
            ];
            let fields = new.fields.iter().cloned().chain(common);
            fields.map(|(field, value)| (field.to_owned(), value)).collect::<Map<_, _>>()
        };
        let account = match new.account.clone() {
            Some(account) => account,
            None => stand_in(new.username)?,
        };
        let visited = (new.client.address, new.visit.clone());
        let session = self.session(&id, new.username, account, visited, now, new.password);
        let asked = self.hooks.as_ref().filter(|hooks| hooks.create.concerns(&session.subject()));
        let Some(hooks) = asked else {
            self.write(&digest, Write::Add(document("open", expires_at)), Some(new.audit)).await?;
            self.keep(&digest, &session);
            return Ok((IssuedToken { text, expires_at }, session));
        };
        let beginning = document("begins", 0);
        let version = self.write(&digest, Write::Add(beginning.clone()), None).await?;
        let asked = StoredDocument { name: digest.clone(), version, document: beginning, problem: None };
        let mut event = SessionCreate(session.clone());
        let (verdict, version) = holding(&*self.directory, &*self.clock, asked, hooks.create.decide(&mut event)).await;
        let refusal = match verdict.map(|decision| decision.verdict) {
            Ok(Review::Allow | Review::Done) => None,
            Ok(Review::Deny(denial)) => {
                // D-01
                let message = format!("a session of \"{}\" was refused by a hook: {}", new.username, denial.reason);
                tracing::error!(sender = "session_create_hook", message, connection_id = id);
                Some(AuthenticationError::Denied)
            }
            Err(failure) => {
                let message = format!("the hook {} failed: {}", failure.hook, failure.error);
                tracing::error!(sender = "session_create_hook", message, connection_id = id);
                Some(AuthenticationError::Hook)
            }
        };
        if let Some(refusal) = refusal {
            self.give_up(&digest, version, &session, document("ends", 0)).await?;
            return Err(refusal);
        }
        let write = Write::Replace { document: document("open", expires_at), expected: version, reset: Vec::new() };
        self.write(&digest, write, Some(new.audit)).await?;
        self.keep(&digest, &session);
        Ok((IssuedToken { text, expires_at }, session))
    }

    /// Forgets a session that does not begin. Where one of several hooks has created it, hooks are told of its end.
    async fn give_up(
        &self,
        digest: &str,
        version: Version,
        session: &Session,
        mut ended: Map<String, Value>,
    ) -> Result<(), StoreError> {
        if !session.live.is_created() {
            return self.write(digest, Write::Delete { expected: None }, None).await.map(drop);
        }
        if let Some(session) = ended.get_mut(SESSION) {
            set(session, "reason", json!(EndReason::Error.as_str()));
            set(session, "ended_at", json!(self.clock.now()));
        }
        let write = Write::Replace { document: ended, expected: version, reset: Vec::new() };
        self.write(digest, write, None).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Ends the session of a token, or deletes a token that has none.
    pub(super) async fn end(
        &self,
        mut stored: StoredDocument,
        reason: EndReason,
        audit: Option<AuditRecord>,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            if !has_session(&stored) {
                return self.write(&stored.name, Write::Delete { expected: None }, audit).await.map(drop);
            }
            if state_of(&stored) == "ends" {
                return Err(StoreError::NotFound(TOKENS.object(&stored.name)));
            }
            let write = Write::Replace {
                document: self.ended(&stored, reason, None),
                expected: stored.version,
                reset: Vec::new(),
            };
            match self.write(&stored.name, write, audit.clone()).await {
                // It was made good for longer meanwhile.
                Err(StoreError::Conflict(object)) => match self.directory.find(&TOKENS, &stored.name).await? {
                    Some(again) => stored = again,
                    None => return Err(StoreError::NotFound(object)),
                },
                outcome => {
                    self.wake.notify_one();
                    return outcome.map(drop);
                }
            }
        }
        Err(StoreError::Conflict(TOKENS.object(&stored.name)))
    }

    /// The document of a session that has ended; the token is no longer good. `claimed_at`: when this server began to
    /// tell hooks.
    fn ended(&self, stored: &StoredDocument, reason: EndReason, claimed_at: Option<i64>) -> Map<String, Value> {
        let mut document = stored.document.clone();
        document.insert("expires_at".to_owned(), json!(0));
        if let Some(session) = document.get_mut(SESSION) {
            if session.get("ended_at").is_none() {
                set(session, "ended_at", json!(self.clock.now()));
                set(session, "reason", json!(reason.as_str()));
            }
            set(session, "state", json!("ends"));
            if let Some(at) = claimed_at {
                set(session, "claimed_at", json!(at));
            }
        }
        document
    }

    /// Tells hooks of the sessions that have ended, by whatever server or command.
    ///
    /// # Errors
    /// The store fails.
    pub async fn settle(&self) -> Result<(), StoreError> {
        let mut request = PageRequest { limit: PAGE, ..PageRequest::default() };
        let mut due = Vec::new();
        let mut gone: Vec<String> = self.kept().keys().cloned().collect();
        loop {
            let page = self.directory.list(&TOKENS, request.clone()).await?;
            let Some(last) = page.last() else { break };
            request.after = Some(last.name.clone());
            for stored in page.into_iter().filter(has_session) {
                gone.retain(|digest| *digest != stored.name);
                if let Some(reason) = self.due(&stored).await? {
                    due.push((stored, reason));
                }
            }
        }
        // Another server has told hooks of their end.
        gone.iter().for_each(|digest| drop(self.kept().remove(digest)));
        for some in due.chunks(AT_ONCE) {
            let told = some.iter().map(|(stored, reason)| self.tell(stored, *reason));
            join_all(told).await.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    /// The reason with which hooks have to get the session's end now; None: they get none.
    async fn due(&self, stored: &StoredDocument) -> Result<Option<EndReason>, StoreError> {
        let now = self.clock.now();
        match state_of(stored) {
            "ends" => {
                let is_claimed = number(stored, "claimed_at").saturating_add(CLAIM) > now;
                Ok((!is_claimed).then(|| EndReason::from_name(text(stored, "reason")).unwrap_or_default()))
            }
            "begins" => {
                let held_at = number_of(stored, "created_at").max(number(stored, "claimed_at"));
                let is_over = held_at.saturating_add(LONGEST_BEGINNING) <= now;
                Ok(is_over.then_some(EndReason::Error))
            }
            _ if number_of(stored, "expires_at") <= now => Ok(Some(EndReason::Expired)),
            _ => Ok((!self.has_owner(stored).await?).then_some(EndReason::AdminClosed)),
        }
    }

    /// Whether the administrator or the account of a session is still as it was: a new password, for one, ends it.
    async fn has_owner(&self, stored: &StoredDocument) -> Result<bool, StoreError> {
        let of = |field: &str| text_of(stored, field);
        if is_user(stored) {
            let found = self.directory.find(&USERS, &of("user")).await?;
            let found = found.filter(|found| found.version.id == number_of(stored, "user_id"));
            let is_enabled = |found: &StoredDocument| found.document.get("status").and_then(Value::as_i64) == Some(1);
            let found = found.filter(|found| is_enabled(found) && has_credential_of(stored, found));
            let Some(found) = found else { return Ok(false) };
            return may_go_on(&*self.directory, stored, &found, self.clock.now()).await;
        }
        let Some(found) = self.directory.find(&ADMINS, &of("admin")).await? else { return Ok(false) };
        let found = Administrator::of_stored(&found).ok().filter(|found| {
            found.is_enabled
                && found.version.id == number_of(stored, "admin_id")
                && is_same(&credential_of(found), &of("credential"))
        });
        Ok(found.is_some())
    }

    /// Tells hooks of one end, unless another server does, and removes the session.
    async fn tell(&self, stored: &StoredDocument, reason: EndReason) -> Result<(), StoreError> {
        let now = self.clock.now();
        let document = self.ended(stored, reason, Some(now));
        let write = Write::Replace { document: document.clone(), expected: stored.version, reset: Vec::new() };
        let version = match self.write(&stored.name, write, None).await {
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => return Ok(()),
            outcome => outcome?,
        };
        let kept = self.kept().remove(&stored.name);
        let Some(hooks) = &self.hooks else { return remove(&*self.directory, &stored.name).await };
        let session = match kept {
            Some(session) => session,
            None => self.recalled(stored).await?,
        };
        session.live.ends_because(reason);
        let ended_at = Some(number(stored, "ended_at")).filter(|at| *at > 0).unwrap_or(now);
        let lasted = u64::try_from(ended_at.saturating_sub(session.opened_at)).unwrap_or(0);
        let event = SessionDestroy { session, reason, duration: Duration::from_millis(lasted) };
        let claimed = StoredDocument { name: stored.name.clone(), version, document, problem: None };
        tell_of_end(&*self.directory, &*self.clock, claimed, &hooks.destroy, event).await
    }

    /// A session that another server or an earlier process has begun.
    async fn recalled(&self, stored: &StoredDocument) -> Result<Arc<Session>, StoreError> {
        let username = text(stored, "username");
        let user = if is_user(stored) { self.accounts.find(username).await.ok().flatten() } else { None };
        let account = match user {
            Some(user) => Arc::new(self.accounts.in_force(user).await?),
            None => stand_in(username)?,
        };
        let visit = WebVisit {
            host: text(stored, "host").to_owned(),
            referer: text(stored, "referer").to_owned(),
            user_agent: text(stored, "user_agent").to_owned(),
            login_key: text(stored, "login_key").to_owned(),
            impersonator: text(stored, "impersonator").to_owned(),
        };
        let id: String = stored.name.chars().take(super::tokens::ID_LENGTH).collect();
        let address = text(stored, "address").parse().ok();
        Ok(self.session(&id, username, account, (address, visit), number_of(stored, "created_at"), None))
    }

    fn session(
        &self,
        id: &str,
        username: &str,
        account: Arc<EffectiveAccount>,
        (address, visit): (Option<IpAddr>, WebVisit),
        opened_at: i64,
        password: Option<Secret>,
    ) -> Arc<Session> {
        let connection = web_connection(id, address, visit, opened_at);
        let address = connection.remote.ip();
        let session = Arc::new(Session {
            id: connection.id.clone(),
            connection,
            username: username.to_owned(),
            method: LoginMethod::Password,
            factors: Factors { methods: vec![LoginMethod::Password], has_code: false },
            password: KeptPassword::new(password),
            opened_at,
            traffic: Traffic::default(),
            live: LiveSession::new(account.clone(), address, opened_at),
            account,
        });
        let asks = |hooks: &SessionHooks| hooks.create.needs_password(&session.subject());
        if !self.hooks.as_ref().is_some_and(asks) {
            self.forget_password(&session);
        }
        session
    }

    /// Keeps a session that has begun, without its password unless a hook is to be given it at the end.
    fn keep(&self, digest: &str, session: &Arc<Session>) {
        session.live.note_created();
        self.forget_password(session);
        if session.password.get().is_some() {
            self.kept().insert(digest.to_owned(), session.clone());
        }
    }

    fn forget_password(&self, session: &Session) {
        let needs = |hooks: &SessionHooks| hooks.destroy.chain().needs_password(&session.subject());
        if !self.hooks.as_ref().is_some_and(needs) {
            session.password.forget();
        }
    }

    async fn write(&self, digest: &str, write: Write, audit: Option<AuditRecord>) -> Result<Version, StoreError> {
        let change = Change { collection: &TOKENS, name: digest.to_owned(), write, announce: false, audit };
        Ok(self.directory.commit(vec![change]).await?.first().copied().unwrap_or_default())
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for sessions that have ended, at once where this server ends one. The next server reports what is left when
/// this one ends.
#[async_trait]
impl ObserverWork for WebSessions {
    async fn work(&self) {
        loop {
            let is_last = self.is_closed.load(Ordering::Acquire);
            if let Err(error) = self.settle().await {
                let message = format!("hooks are not told yet of web sessions that have ended: {error}");
                tracing::warn!(sender = "web_sessions", message);
            }
            if is_last {
                return;
            }
            // A pause that runs out is as good as being woken.
            let _ = tokio::time::timeout(PAUSE, self.wake.notified()).await;
        }
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// A client of a door over HTTP, as hooks see it.
pub(super) fn web_connection(id: &str, address: Option<IpAddr>, visit: WebVisit, opened_at: i64) -> Arc<Connection> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let client = OnceLock::new();
    if !visit.user_agent.is_empty() {
        client.get_or_init(|| visit.user_agent.clone());
    }
    Arc::new(Connection {
        id: ConnectionId::new(id),
        remote: SocketAddr::new(address.unwrap_or(local), 0),
        local: SocketAddr::new(visit.host.parse().unwrap_or(local), 0),
        client,
        opened_at,
        web: Some(Box::new(visit)),
    })
}

/// Whether a token is that of a session.
pub(super) fn has_session(stored: &StoredDocument) -> bool {
    stored.document.contains_key(SESSION)
}

fn is_user(stored: &StoredDocument) -> bool {
    member(stored, "is_user").and_then(Value::as_bool) == Some(true)
}

fn state_of(stored: &StoredDocument) -> &str {
    text(stored, "state")
}

fn member<'a>(stored: &'a StoredDocument, field: &str) -> Option<&'a Value> {
    stored.document.get(SESSION)?.get(field)
}

fn text<'a>(stored: &'a StoredDocument, field: &str) -> &'a str {
    member(stored, field).and_then(Value::as_str).unwrap_or_default()
}

fn number(stored: &StoredDocument, field: &str) -> i64 {
    member(stored, field).and_then(Value::as_i64).unwrap_or(0)
}

/// Sets a member of what a token's document says of its session.
pub(super) fn set_in_session(document: &mut Map<String, Value>, field: &str, value: Value) {
    if let Some(session) = document.get_mut(SESSION) {
        set(session, field, value);
    }
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(field.to_owned(), value);
    }
}

/// An account without files and rights, by which hooks see an administrator, or an account that was deleted.
fn stand_in(username: &str) -> Result<Arc<EffectiveAccount>, StoreError> {
    let account = EffectiveAccount::stand_in(username).map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(Arc::new(account))
}
