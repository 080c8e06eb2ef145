//! Lost passwords (D-10): a code that an administrator hands out gives a new password once, to whom and where a log-in
//! with it is allowed. Answers to the client are the same for names that exist, names that do not and names that are
//! refused, and take as long.

use core::net::IpAddr;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::acting::{ACTING, acting, may_act};
use super::admin_document::Administrator;
use super::credential_text::{digest_of, is_same, is_token, new_token};
use super::tokens::number_of;
use super::{
    Actor, AdminError, Administrators, Audit, AuthenticationError, BeforeLogins, DoorClient, IssuedToken, UseCase,
    UserAdministration, UserPolicy,
};
use crate::account::{AccountDraft, AccountError, EffectiveAccount, OnConflict};
use crate::guard::Source;
use crate::hook::Chain;
use crate::hook::review::{PasswordResetPre, Review, WebRequest};
use crate::ports::{
    ADMINS, Author, Change, Clock, Collection, Directory, StoreError, StoredDocument, TOKENS, USERS, Write,
};
use crate::presented::check_name;
use crate::secret::Secret;

/// Milliseconds for which a code is good.
const LIFETIME: i64 = 60 * 60_000;
/// What the document of a code is for. It names no administrator as one of a token does, so that it is none.
const PURPOSE: &str = "reset";
/// Requests of one address within a minute.
const REQUESTS: u32 = 5;
const MINUTE: i64 = 60_000;
/// Requests about one name within an hour that hooks are asked about: some send mail.
const REQUESTS_OF_NAME: u32 = 3;
const HOUR: i64 = 60 * MINUTE;
/// Addresses, and names, whose requests are counted.
const COUNTED: usize = 10_000;
/// Requests that something is done about at a time.
const UNDER_WAY: usize = 256;

/// The kind of owner of a lost password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordOwner {
    /// An administrator.
    Administrator,
    /// The user of an account.
    User,
}

impl PasswordOwner {
    fn collection(self) -> &'static Collection {
        match self {
            Self::Administrator => &ADMINS,
            Self::User => &USERS,
        }
    }

    fn case(self) -> UseCase {
        match self {
            Self::Administrator => UseCase::ResetAdmin,
            Self::User => UseCase::ResetUser,
        }
    }
}

/// Why no new password was set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResetError {
    /// The server refuses the code, whatever is wrong with it.
    #[error("the code is wrong, was used, has expired, or is for another name")]
    Denied,
    /// Another request was faster: with the same code, or with another change of the same object.
    #[error(
        "another request has used the code or changed the object at the same moment; try again, or ask for another code"
    )]
    Overtaken,
    /// A hook that decides about logins failed: the code was not looked at.
    #[error("a hook that decides about logins failed; the log says more")]
    Hook,
    /// The address asks too often, or too many do.
    #[error("there were too many requests; try again in a minute")]
    TooMany,
    /// The new password cannot be set, or the store failed.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// Use cases about lost passwords.
pub struct PasswordResets {
    /// The store of codes, beside the tokens.
    pub directory: Arc<dyn Directory>,
    /// Changes administrators.
    pub admins: Administrators,
    /// Changes accounts.
    pub users: Arc<UserAdministration>,
    /// What is in force for accounts.
    pub policy: Arc<UserPolicy>,
    /// Hooks that are asked before each request; None: there are none.
    pub hooks: Option<Arc<Chain<PasswordResetPre>>>,
    /// Asks hooks about clients, and scores wrong codes.
    pub before: BeforeLogins,
    /// Records requests and codes.
    pub audit: Audit,
    /// Gives the times.
    pub clock: Arc<dyn Clock>,
    /// The requests of each address.
    pub requests: Requests,
}

/// Counts requests by address and by name.
#[derive(Debug, Default)]
pub struct Requests {
    addresses: Mutex<Counts<Source>>,
    names: Mutex<Counts<(&'static str, String)>>,
    /// Held by each request that something is done about.
    under_way: Arc<()>,
}

/// A request that was taken, for [`PasswordResets::follow_up`].
#[derive(Debug)]
#[must_use = "nothing is done about it otherwise"]
pub struct TakenRequest {
    owner: PasswordOwner,
    client: DoorClient,
    request: WebRequest,
    _place: Arc<()>,
}

/// The period of the last request of each, and how many there were in it.
#[derive(Debug)]
pub(super) struct Counts<K>(HashMap<K, (i64, u32)>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash> Counts<K> {
    /// Counts one more, and says whether it is among the first `most` of the period.
    pub(super) fn take(&mut self, key: K, period: i64, most: u32) -> bool {
        if self.0.len() >= COUNTED && !self.0.contains_key(&key) {
            self.0.retain(|_, (counted_in, _)| *counted_in == period);
            // A full table refuses no newcomer: the one that has asked least is forgotten.
            let least = self.0.iter().min_by_key(|(_, counted)| **counted).map(|(key, _)| key.clone());
            if let Some(least) = least.filter(|_| self.0.len() >= COUNTED) {
                self.0.remove(&least);
            }
        }
        let count = self.0.entry(key).or_insert((period, 0));
        if count.0 != period {
            *count = (period, 0);
        }
        count.1 = count.1.saturating_add(1);
        count.1 <= most
    }

    /// Counts one less of the period.
    pub(super) fn give_back(&mut self, key: K, period: i64) {
        if let Some(count) = self.0.get_mut(&key).filter(|count| count.0 == period) {
            count.1 = count.1.saturating_sub(1);
        }
    }
}

impl Requests {
    /// Whether the address may ask once more. None: the host itself.
    pub(super) fn take(&self, address: Option<IpAddr>, now: i64) -> bool {
        let Some(address) = address else { return true };
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.take(address.into(), now.div_euclid(MINUTE), REQUESTS)
    }

    /// Whether something is done about one more request for the name, be there such a name or not.
    fn take_name(&self, kind: &'static str, username: &str, now: i64) -> bool {
        let username = username.chars().take(255).collect();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.take((kind, username), now.div_euclid(HOUR), REQUESTS_OF_NAME)
    }
}

impl PasswordResets {
    /// A client says that a password was lost. The door answers before it [follows that up](Self::follow_up): neither
    /// hooks nor the store, which take longer for some names, are asked here.
    ///
    /// # Errors
    /// `TooMany`, or the name is one that no hook could be given.
    pub fn request(
        &self,
        owner: PasswordOwner,
        client: &DoorClient,
        request: WebRequest,
    ) -> Result<TakenRequest, ResetError> {
        let place = self.requests.under_way.clone();
        let is_full = Arc::strong_count(&place).saturating_sub(2) >= UNDER_WAY;
        if is_full || !self.requests.take(client.address, self.clock.now()) {
            return Err(ResetError::TooMany);
        }
        if let Err(unfit) = check_name(&request.username) {
            return Err(AdminError::InvalidForHooks(unfit.to_string()).into());
        }
        Ok(TakenRequest { owner, client: client.clone(), request, _place: place })
    }

    /// Asks hooks about the request. If they allow it, it is recorded, so that an administrator can hand out a code, along
    /// with the reason if the server would refuse one.
    pub async fn follow_up(&self, taken: TakenRequest) {
        let TakenRequest { owner, client, request, _place } = taken;
        let (username, kind) = (request.username.clone(), owner.collection().kind);
        // What hooks say of logins holds here, whether the name exists or not.
        if self.before.login(kind, &username, &Secret::new(""), &client).await.is_err() {
            return;
        }
        if !self.requests.take_name(kind, &username, self.clock.now()) {
            return;
        }
        if let Some(hooks) = &self.hooks {
            match hooks.decide(&mut PasswordResetPre(Arc::new(request))).await {
                Ok(decision) if decision.verdict == Review::Allow => {}
                Ok(_) => return,
                Err(failure) => {
                    let message = format!("the hook {} failed: {}", failure.hook, failure.error);
                    tracing::error!(sender = "password_reset_pre_hook", message);
                    return;
                }
            }
        }
        let problem = match self.why_refused(owner, &username, &client).await {
            Ok(problem) => problem,
            Err(error) => Some(format!("it was not found out whether a code would be of use: {error}")),
        };
        self.audit.lost_password(kind, &username, &client, problem).await;
    }

    /// Why the server would refuse a code for that name from that client now; None: it would accept one.
    async fn why_refused(
        &self,
        owner: PasswordOwner,
        username: &str,
        client: &DoorClient,
    ) -> Result<Option<String>, AdminError> {
        let none = || Some(format!("there is no {} of that name", owner.collection().noun));
        Ok(match owner {
            PasswordOwner::Administrator => match self.directory.find(&ADMINS, username).await? {
                Some(stored) => {
                    (!admin_may_come(&stored, client)).then(|| "may not log in now, or not from there".to_owned())
                }
                None => none(),
            },
            PasswordOwner::User => match self.policy.found(username).await? {
                Some(account) => match self.policy.why_no_reset(&account).await? {
                    Some(reason) => Some(reason.to_owned()),
                    None => (!self.policy.allows(&account, client))
                        .then(|| "the account may not be used now, or not from there".to_owned()),
                },
                None => none(),
            },
        })
    }

    /// Makes a code with which a new password can be set once, within an hour. It is void as soon as the password is
    /// another, or the administrator or account is disabled; and with what ends the tokens of the administrator that
    /// hands it out.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such administrator or account, the administrator has more
    /// permissions than the actor, the system gives no random numbers, or the store fails.
    pub async fn hand_out(
        &self,
        actor: &Actor,
        owner: PasswordOwner,
        username: &str,
    ) -> Result<IssuedToken, AdminError> {
        let case = owner.case();
        self.audit.allow(actor, case, username).await?;
        let stored = match owner {
            PasswordOwner::Administrator => {
                let stored = self.admins.stored(username).await?;
                self.admins.refuse_own(actor, case, username).await?;
                self.admins.check_grants(actor, case, username, &stored.document).await?;
                stored
            }
            PasswordOwner::User => {
                self.users.check_role(actor, case, username).await?;
                let stored = self.users.stored(username).await?;
                // An account that is not valid is not in force, and its code is refused until it is corrected.
                if let Some(account) = self.policy.found(username).await?
                    && let Some(reason) = self.policy.why_no_reset(&account).await?
                {
                    return Err(StoreError::Refused(format!("a code would set no password: {reason}")).into());
                }
                stored
            }
        };
        let (text, now) = (new_token()?, self.clock.now());
        let expires_at = now.saturating_add(LIFETIME);
        let fields = [
            ("purpose", json!(PURPOSE)),
            ("kind", json!(owner.collection().kind)),
            ("username", json!(stored.name)),
            ("number", json!(stored.version.id)),
            ("credential", json!(credential(&stored))),
            (ACTING, acting(&*self.directory, actor).await?),
            ("created_at", json!(now)),
            ("expires_at", json!(expires_at)),
        ];
        let document: Map<_, _> = fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        let audit = Some(actor.author.did(case.action(), case.kind(), username, now));
        let (name, write) = (digest_of(text.expose()), Write::Add(document));
        self.directory.commit(vec![Change { collection: &TOKENS, name, write, announce: false, audit }]).await?;
        Ok(IssuedToken { text, expires_at })
    }

    /// Sets a new password with a code, which is used up. What is looked at first is the code: names that exist and
    /// names that do not cost the same.
    ///
    /// # Errors
    /// See [`ResetError`].
    pub async fn redeem(
        &self,
        owner: PasswordOwner,
        client: &DoorClient,
        username: &str,
        code: &str,
        password: Secret,
    ) -> Result<(), ResetError> {
        if !self.requests.take(client.address, self.clock.now()) {
            return Err(ResetError::TooMany);
        }
        let kind = owner.collection().kind;
        match self.before.login(kind, username, &Secret::new(""), client).await {
            Ok(()) => {}
            Err(AuthenticationError::Denied) => return Err(ResetError::Denied),
            Err(AuthenticationError::Store(error)) => return Err(AdminError::from(error).into()),
            Err(_) => return Err(ResetError::Hook),
        }
        let Some(Found { code, stored, account }) = self.found(owner, client, username, code).await? else {
            drop(self.before.deny(kind, username, client, "the code for a lost password is not valid").await);
            return Err(ResetError::Denied);
        };
        let role = account.as_ref().and_then(|account| account.role()).map(str::to_owned);
        let author = Author { address: client.address, role, is_self: true, ..Author::new(username, client.door) };
        // Of two that come with one code, one finds it gone.
        let used = Change {
            collection: &TOKENS,
            name: code.name,
            write: Write::Delete { expected: Some(code.version) },
            announce: false,
            audit: None,
        };
        let Some(account) = account else {
            let set = self.admins.set_lost_password(&author, &stored, password, used).await;
            return set.map_err(overtaken);
        };
        self.policy.check_new_password(&account, &password, client.address).await?;
        let mut draft = AccountDraft::of_stored(stored);
        draft.set_own_password(password);
        self.directory.commit(vec![used]).await.map_err(|error| overtaken(error.into()))?;
        let updated = self.users.accounts.update(draft, OnConflict::Merge, &author).await;
        updated.map(drop).map_err(|error| overtaken(error.into()))
    }

    /// The administrator or account that a code gives a password; None: the code is not valid.
    async fn found(
        &self,
        owner: PasswordOwner,
        client: &DoorClient,
        username: &str,
        code: &str,
    ) -> Result<Option<Found>, AdminError> {
        if !is_token(code) {
            return Ok(None);
        }
        let Some(code) = self.directory.find(&TOKENS, &digest_of(code)).await? else { return Ok(None) };
        let text = |field: &str| code.document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |field: &str| code.document.get(field).and_then(Value::as_i64).unwrap_or(0);
        let collection = owner.collection();
        let is_for_it = text("purpose") == PURPOSE && text("kind") == collection.kind && text("username") == username;
        if !is_for_it || number("expires_at") <= self.clock.now() {
            return Ok(None);
        }
        let stored = match owner {
            PasswordOwner::Administrator => self.directory.find(collection, username).await?,
            PasswordOwner::User => self.users.accounts.stored(username).await?,
        };
        let stored = stored.filter(|stored| {
            stored.version.id == number("number") && is_same(&credential(stored), &text("credential"))
        });
        let Some(stored) = stored else { return Ok(None) };
        let account = match owner {
            PasswordOwner::Administrator => None,
            PasswordOwner::User => Some(&stored),
        };
        // The administrator that handed the code out may have been disabled since, or have got another password or role.
        if !may_act(&*self.directory, &code, owner.case(), account, self.clock.now()).await? {
            return Ok(None);
        }
        // An owner that could not log in with the new password, from there or at all, cannot set one either.
        Ok(match owner {
            PasswordOwner::Administrator => {
                admin_may_come(&stored, client).then_some(Found { code, stored, account: None })
            }
            PasswordOwner::User => {
                let account = self.policy.found(username).await?.filter(|account| account.id == stored.version.id);
                let Some(account) = account.filter(|account| self.policy.allows(account, client)) else {
                    return Ok(None);
                };
                let may_come = self.policy.why_no_reset(&account).await?.is_none();
                may_come.then_some(Found { code, stored, account: Some(account) })
            }
        })
    }
}

/// A code that is good, and what it gives a password to.
struct Found {
    code: StoredDocument,
    stored: StoredDocument,
    /// None: it is an administrator.
    account: Option<Arc<EffectiveAccount>>,
}

fn admin_may_come(stored: &StoredDocument, client: &DoorClient) -> bool {
    Administrator::of_stored(stored).is_ok_and(|found| found.is_enabled && found.may_come_from(client.address))
}

/// What the code or the object was, it is no longer.
fn overtaken(error: AdminError) -> ResetError {
    match error {
        AdminError::Store(StoreError::NotFound(_) | StoreError::Conflict(_))
        | AdminError::Account(AccountError::Store(StoreError::NotFound(_) | StoreError::Conflict(_))) => {
            ResetError::Overtaken
        }
        error => ResetError::Admin(error),
    }
}

/// A digest by which it is known that the password is another, or that the object was disabled.
fn credential(stored: &StoredDocument) -> String {
    let password = stored.document.get("password").and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("tidegate lost password {password}");
    let disabled_at = number_of(stored, "disabled_at");
    if disabled_at > 0 {
        text.push_str(&format!("\0disabled {disabled_at}"));
    }
    digest_of(&text)
}
