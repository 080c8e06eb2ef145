//! Use cases about administrators.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::admin_document::{
    ADMIN_OBJECT, Administrator, check_hash, merged, name_of, networks_of, not_valid, password_of, permissions_of,
    shown, texts,
};
use super::password_resets::Counts;
use super::{Actor, AdminError, Audit, DocumentChange, Identity, PAGE_AND_ONE, Permissions, ShownObject, UseCase};
use crate::account::{
    AccountError, Accounts, added, check_new_name, difference, disabled_again, keep_password, missing_reference,
    removed,
};
use crate::guard::{Defender, Offence};
use crate::hook::observation::Change as Told;
use crate::password::PasswordText;
use crate::ports::{
    ADMINS, AuditRecord, Author, Change, Clock, Directory, PageRequest, Passwords, ROLES, StoreError, StoredDocument,
    Version, Write,
};
use crate::presented::check_password;
use crate::secret::Secret;
use crate::turns::Waiter;

/// The error for a new password that is the present one.
const SAME: &str = "is the one that the administrator has; choose another";
/// Tries of the current password within a quarter of an hour.
const TRIES: u32 = 5;
const TRY_PERIOD: i64 = 15 * 60_000;

/// Use cases about administrators.
#[derive(Clone)]
pub struct Administrators {
    /// The store of administrators.
    pub directory: Arc<dyn Directory>,
    /// Hashes passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Tells observers of changes.
    pub accounts: Arc<Accounts>,
    /// Records refusals.
    pub audit: Audit,
    /// Gives the times of changes.
    pub clock: Arc<dyn Clock>,
    /// Scores wrong passwords of clients that have a token.
    pub defender: Arc<Defender>,
    /// Counts the passwords that clients with a token try.
    pub tries: Arc<PasswordTries>,
}

/// Tries of current passwords, by the administrator: a token that is in other hands does not find the password.
#[derive(Debug, Default)]
pub struct PasswordTries(Mutex<Counts<i64>>);

impl PasswordTries {
    pub(super) fn take(&self, id: i64, now: i64) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.take(id, now.div_euclid(TRY_PERIOD), TRIES)
    }

    /// Counts a try no longer: the password was right. It was counted before, so that many tries at the same time do not
    /// pass.
    pub(super) fn give_back(&self, id: i64, now: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.give_back(id, now.div_euclid(TRY_PERIOD));
    }
}

impl Administrators {
    /// A page of at most 500 administrators and one more, valid or not, in the order of their names.
    ///
    /// # Errors
    /// The use case is not for the actor, or the store fails.
    pub async fn list(&self, actor: &Actor, request: PageRequest) -> Result<Vec<ShownObject>, AdminError> {
        self.audit.allow(actor, UseCase::ListAdmins, "").await?;
        let request = PageRequest { limit: request.limit.min(PAGE_AND_ONE), ..request };
        Ok(self.directory.list(&ADMINS, request).await?.into_iter().map(shown_object).collect())
    }

    /// One stored administrator, valid or not.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such administrator, or the store fails.
    pub async fn show(&self, actor: &Actor, username: &str) -> Result<ShownObject, AdminError> {
        self.audit.allow(actor, UseCase::ShowAdmin, username).await?;
        Ok(shown_object(self.stored(username).await?))
    }

    /// Adds an administrator. `clear_password` takes the place of the document's password, and is always hashed.
    ///
    /// # Errors
    /// The use case is not for the actor, or it would give more than the actor has; the document is not valid, the
    /// name is taken, there is no such role, or the store fails.
    pub async fn add(
        &self,
        actor: &Actor,
        document: &Map<String, Value>,
        clear_password: Option<Secret>,
    ) -> Result<ShownObject, AdminError> {
        let case = UseCase::AddAdmin;
        let given = document.get("username").and_then(Value::as_str).unwrap_or_default();
        self.audit.allow(actor, case, given).await?;
        let new = Map::from_iter([("status".to_owned(), json!(1)), ("created_at".to_owned(), json!(self.clock.now()))]);
        let document = merged(ADMIN_OBJECT, ADMINS.noun, new, document)?;
        let (name, document) = self.validated(document, clear_password).await?;
        check_new_name("username", &name).map_err(not_valid)?;
        check_hash(&*self.passwords, &document, None)?;
        self.check_grants(actor, case, &name, &document).await?;
        let mut changes = self.required(actor, &name, &document).await?;
        let detail = added(ADMIN_OBJECT, &document);
        changes.push(self.change(actor, case, &name, Write::Add(document), detail));
        let added = self.store(actor, &name, changes, Told::Add).await?;
        super::first_administrator::end_codes(&*self.directory).await;
        Ok(added)
    }

    /// Changes an administrator. Its tokens end with its password, and for good where it is disabled.
    ///
    /// # Errors
    /// As [`add`](Self::add); and the change would rename it, a whole document was made from another revision, or
    /// the actor would take from itself what it has.
    pub async fn update(
        &self,
        actor: &Actor,
        username: &str,
        change: &DocumentChange,
        clear_password: Option<Secret>,
    ) -> Result<ShownObject, AdminError> {
        self.update_version(actor, username, change, clear_password, None).await
    }

    /// As [`update`](Self::update), if the administrator is in the state `expected`; None: in any.
    ///
    /// # Errors
    /// As of [`update`](Self::update), and the administrator has another version (`Conflict`).
    pub async fn update_version(
        &self,
        actor: &Actor,
        username: &str,
        change: &DocumentChange,
        clear_password: Option<Secret>,
        expected: Option<Version>,
    ) -> Result<ShownObject, AdminError> {
        let case = UseCase::UpdateAdmin;
        self.audit.allow(actor, case, username).await?;
        let stored = self.expected(username, expected).await?;
        self.check_grants(actor, case, username, &stored.document).await?;
        let document = changed(&stored, change)?;
        let sets_password = clear_password.as_ref().is_some_and(|clear| !clear.is_empty());
        if sets_password || changes_credentials(&stored.document, &document) {
            self.refuse_own(actor, case, username).await?;
        }
        let (name, document) = self.validated(document, clear_password).await?;
        if name != username {
            return Err(AdminError::Renamed { noun: ADMINS.noun, from: username.to_owned(), to: name });
        }
        check_hash(&*self.passwords, &document, Some(&stored))?;
        self.check_grants(actor, case, username, &document).await?;
        self.replace(actor, case, &stored, document).await
    }

    /// Deletes an administrator, with its tokens and the use of its keys.
    ///
    /// # Errors
    /// The use case is not for the actor, or the administrator is the actor itself or has more permissions; there is
    /// no such administrator, or the store fails.
    pub async fn delete(&self, actor: &Actor, username: &str) -> Result<(), AdminError> {
        self.delete_version(actor, username, None).await
    }

    /// As [`delete`](Self::delete), if the administrator is in the state `expected`; None: in any.
    ///
    /// # Errors
    /// As of [`delete`](Self::delete), and the administrator has another version (`Conflict`).
    pub async fn delete_version(
        &self,
        actor: &Actor,
        username: &str,
        expected: Option<Version>,
    ) -> Result<(), AdminError> {
        let case = UseCase::DeleteAdmin;
        self.audit.allow(actor, case, username).await?;
        if actor.is_administrator(username) {
            let refused =
                AdminError::NotForActor("administrators cannot delete themselves; ask another one".to_owned());
            return Err(self.audit.refuse(actor, case, username, refused).await);
        }
        let stored = self.expected(username, expected).await?;
        self.check_grants(actor, case, username, &stored.document).await?;
        let mut changes = self.required(actor, username, &Map::new()).await?;
        let write = Write::Delete { expected: Some(stored.version) };
        let detail = removed(ADMIN_OBJECT, &stored.document);
        changes.push(self.change(actor, case, username, write, detail));
        self.directory.commit(changes).await?;
        let document = stored.document;
        self.accounts.tell_of(ADMINS.kind, Told::Delete, username, || shown(document), &actor.author);
        Ok(())
    }

    /// Gives the actor, an administrator, another password.
    ///
    /// # Errors
    /// The actor is no administrator, its current password is another or was tried too often, or the store fails.
    pub async fn change_own_password(&self, actor: &Actor, current: &Secret, new: Secret) -> Result<(), AdminError> {
        let (stored, _) = self.own(actor, current).await?;
        if new == *current {
            return Err(not_valid(crate::account::invalid("password", SAME)));
        }
        let (_, document) = self.validated(stored.document.clone(), Some(new)).await?;
        self.replace(actor, UseCase::UpdateAdmin, &stored, document).await.map(drop)
    }

    /// The actor's own document, if this is its password.
    pub(super) async fn own(
        &self,
        actor: &Actor,
        current: &Secret,
    ) -> Result<(StoredDocument, Administrator), AdminError> {
        let Identity::Administrator { admin: (name, id), .. } = &actor.identity else {
            return Err(AdminError::NotForActor("only administrators have a password".to_owned()));
        };
        if !self.tries.take(*id, self.clock.now()) {
            let refused = "the current password was tried too often; try again in a quarter of an hour";
            let refused = AdminError::NotForActor(refused.to_owned());
            return Err(self.audit.refuse(actor, UseCase::UpdateAdmin, name, refused).await);
        }
        let stored = self.stored(name).await?;
        let administrator = Administrator::of_stored(&stored).map_err(not_valid)?;
        let waiter = Waiter { address: actor.author.address, account: name };
        let matches = self.passwords.matches(waiter, &administrator.password, current).await;
        if administrator.version.id != *id || !matches.map_err(AccountError::Password)? {
            if let Some(address) = actor.author.address {
                self.defender.score_http(address, Offence::LoginFailed);
            }
            let refused = AdminError::NotForActor("the current password is another".to_owned());
            return Err(self.audit.refuse(actor, UseCase::UpdateAdmin, name, refused).await);
        }
        Ok((stored, administrator))
    }

    /// A token may be in other hands than the password: with it alone, administrators do not change what protects
    /// themselves.
    pub(super) async fn refuse_own(&self, actor: &Actor, case: UseCase, username: &str) -> Result<(), AdminError> {
        if !actor.is_administrator(username)
            || !matches!(actor.identity, Identity::Administrator { by_token: true, .. })
        {
            return Ok(());
        }
        let refused = "administrators change their own password with the current one, and not their own one-time codes and \
                       networks; ask another one";
        Err(self.audit.refuse(actor, case, username, AdminError::NotForActor(refused.to_owned())).await)
    }

    /// Gives an administrator a new password; `used`: the change that uses up what it was given for.
    pub(super) async fn set_lost_password(
        &self,
        author: &Author,
        stored: &StoredDocument,
        password: Secret,
        used: Change,
    ) -> Result<(), AdminError> {
        let Administrator { password: before, role, .. } = Administrator::of_stored(stored).map_err(not_valid)?;
        let waiter = Waiter { address: author.address, account: &stored.name };
        if self.passwords.matches(waiter, &before, &password).await.map_err(AccountError::Password)? {
            return Err(not_valid(crate::account::invalid("password", SAME)));
        }
        let (name, mut document) = self.validated(stored.document.clone(), Some(password)).await?;
        let detail = difference(ADMIN_OBJECT, &stored.document, &document);
        document.insert("updated_at".to_owned(), json!(self.clock.now()));
        let write = Write::Replace { document, expected: stored.version, reset: Vec::new() };
        let actor = Actor { author: Author { role, ..author.clone() }, ..Actor::system() };
        let change = self.change(&actor, UseCase::UpdateAdmin, &name, write, detail);
        self.store(&actor, &name, vec![used, change], Told::Update).await.map(drop)
    }

    /// Stores the valid document in the place of the stored one.
    pub(super) async fn replace(
        &self,
        actor: &Actor,
        case: UseCase,
        stored: &StoredDocument,
        mut document: Map<String, Value>,
    ) -> Result<ShownObject, AdminError> {
        let name = &stored.name;
        if actor.is_administrator(name) {
            let kept = ["status", "permissions", "role"];
            if kept.iter().any(|field| stored.document.get(*field) != document.get(*field)) {
                let refused = "administrators cannot change their own status, permissions and role; ask another one";
                let refused = AdminError::NotForActor(refused.to_owned());
                return Err(self.audit.refuse(actor, case, name, refused).await);
            }
        }
        let mut changes = self.required(actor, name, &document).await?;
        let detail = difference(ADMIN_OBJECT, &stored.document, &document);
        document.insert("updated_at".to_owned(), json!(self.clock.now()));
        if is_enabled(&stored.document) && !is_enabled(&document) {
            // Tokens rely on it: they do not come back with the administrator.
            document.insert("disabled_at".to_owned(), json!(disabled_again(&stored.document, self.clock.now())));
        }
        let write = Write::Replace { document, expected: stored.version, reset: Vec::new() };
        changes.push(self.change(actor, case, name, write, detail));
        self.store(actor, name, changes, Told::Update).await
    }

    /// What has to stay for a change: the role that the document names, and the actor itself, so that two
    /// administrators who delete each other do not leave the server without one.
    async fn required(
        &self,
        actor: &Actor,
        username: &str,
        document: &Map<String, Value>,
    ) -> Result<Vec<Change>, AdminError> {
        let mut required = Vec::new();
        if let Identity::Administrator { admin: (name, id), .. } = &actor.identity
            && name != username
        {
            let stored = self.directory.find(&ADMINS, name).await?.filter(|stored| stored.version.id == *id);
            let Some(stored) = stored.filter(|stored| is_enabled(&stored.document)) else {
                return Err(AdminError::NotForActor(format!("the administrator \"{name}\" is deleted or disabled")));
            };
            required.push((&ADMINS, stored));
        }
        let role = document.get("role").and_then(Value::as_str).unwrap_or_default();
        if !role.is_empty() {
            let stored = self.directory.find(&ROLES, role).await?;
            let missing = || not_valid(missing_reference("role", "role", role));
            required.push((&ROLES, stored.ok_or_else(missing)?));
        }
        let require = |(collection, stored): (_, StoredDocument)| {
            let write = Write::Require { expected: stored.version };
            Change { collection, name: stored.name, write, announce: false, audit: None }
        };
        Ok(required.into_iter().map(require).collect())
    }

    /// An actor changes no administrator that may do more than itself, and makes none.
    pub(super) async fn check_grants(
        &self,
        actor: &Actor,
        case: UseCase,
        username: &str,
        document: &Map<String, Value>,
    ) -> Result<(), AdminError> {
        // What is not valid gives nothing, but may have given everything.
        let theirs = permissions_of(&texts(document, "permissions")).unwrap_or(Permissions::All);
        if actor.permissions.cover(&theirs) {
            return Ok(());
        }
        let actor_name = &actor.author.name;
        let refused =
            format!("\"{actor_name}\" lacks permissions that the administrator \"{username}\" has or would have");
        Err(self.audit.refuse(actor, case, username, AdminError::NotForActor(refused)).await)
    }

    /// The name and the document to store, its password hashed.
    pub(super) async fn validated(
        &self,
        mut document: Map<String, Value>,
        clear_password: Option<Secret>,
    ) -> Result<(String, Map<String, Value>), AdminError> {
        let name = name_of(&document).map_err(not_valid)?;
        permissions_of(&texts(&document, "permissions")).map_err(not_valid)?;
        let filters = document.get("filters").and_then(Value::as_object).cloned().unwrap_or_default();
        networks_of("filters.allow_list", &texts(&filters, "allow_list")).map_err(not_valid)?;
        let status = document.get("status").and_then(Value::as_i64);
        if !matches!(status, Some(0 | 1)) {
            return Err(not_valid(crate::account::invalid("status", "must be 0 or 1")));
        }
        let password = match clear_password.filter(|clear| !clear.is_empty()) {
            Some(clear) => PasswordText::Clear(clear),
            None => password_of(&document).map_err(not_valid)?,
        };
        if let PasswordText::Clear(clear) = password {
            if let Err(unfit) = check_password(&clear) {
                return Err(not_valid(crate::account::invalid("password", unfit.to_string())));
            }
            let hash = self.passwords.hash(Waiter::SERVER, &clear).await.map_err(AccountError::Password)?;
            document.insert("password".to_owned(), json!(hash.expose()));
        }
        Ok((name, document))
    }

    pub(super) fn change(&self, actor: &Actor, case: UseCase, name: &str, write: Write, detail: String) -> Change {
        let record = actor.author.did(case.action(), ADMINS.kind, name, self.clock.now());
        let audit = Some(AuditRecord { detail, ..record });
        Change { collection: &ADMINS, name: name.to_owned(), write, announce: false, audit }
    }

    pub(super) async fn store(
        &self,
        actor: &Actor,
        name: &str,
        changes: Vec<Change>,
        told: Told,
    ) -> Result<ShownObject, AdminError> {
        self.directory.commit(changes).await?;
        let stored = shown_object(self.stored(name).await?);
        self.accounts.tell_of(ADMINS.kind, told, name, || stored.document.clone(), &actor.author_of(name));
        Ok(stored)
    }

    /// The stored administrator, which is changed only while it is in this state.
    pub(super) async fn expected(
        &self,
        username: &str,
        expected: Option<Version>,
    ) -> Result<StoredDocument, StoreError> {
        let stored = self.stored(username).await?;
        match expected.filter(|expected| *expected != stored.version) {
            Some(_) => Err(StoreError::Conflict(ADMINS.object(username))),
            None => Ok(stored),
        }
    }

    pub(super) async fn stored(&self, username: &str) -> Result<StoredDocument, StoreError> {
        let found = self.directory.find(&ADMINS, username).await?;
        found.ok_or_else(|| StoreError::NotFound(ADMINS.object(username)))
    }
}

/// Whether the password, the one-time codes or the networks are others.
fn changes_credentials(stored: &Map<String, Value>, document: &Map<String, Value>) -> bool {
    const IN_FILTERS: [&str; 4] = ["totp_config", "recovery_codes", "allow_list", "require_two_factor"];
    let is_nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    let filter = |of: &Map<String, Value>, field: &str| {
        of.get("filters").and_then(|filters| filters.get(field)).filter(|value| !is_nothing(value)).cloned()
    };
    stored.get("password") != document.get("password")
        || IN_FILTERS.iter().any(|field| filter(stored, field) != filter(document, field))
}

fn shown_object(stored: StoredDocument) -> ShownObject {
    let problem = Administrator::of_stored(&stored).err();
    let name = &stored.name;
    let problem =
        problem.map(|problem| format!("the administrator \"{name}\" in the database is not valid: {problem}"));
    ShownObject { revision: stored.version.revision, document: shown(stored.document), problem }
}

/// The document after the change. A whole document leaves the password and the one-time codes as they are, unless it
/// names them.
fn changed(stored: &StoredDocument, change: &DocumentChange) -> Result<Map<String, Value>, AdminError> {
    let merge = |document, patch: &Map<String, Value>| {
        let mut patch = patch.clone();
        keep_password(&mut patch);
        merged(ADMIN_OBJECT, ADMINS.noun, document, &patch)
    };
    match change {
        DocumentChange::Fields { patches, replaced } => {
            let mut document = stored.document.clone();
            replaced.iter().filter(|field| *field != "filters").for_each(|field| drop(document.remove(field)));
            patches.iter().try_fold(document, merge)
        }
        DocumentChange::Document { revision, .. }
            if Version { revision: *revision, ..stored.version } != stored.version =>
        {
            Err(StoreError::Conflict(ADMINS.object(&stored.name)).into())
        }
        DocumentChange::Document { document, .. } => {
            let mut kept = Map::new();
            for field in ["password", "created_at", "disabled_at"] {
                kept.extend(stored.document.get(field).map(|value| (field.to_owned(), value.clone())));
            }
            if let Some(Value::Object(filters)) = stored.document.get("filters") {
                let codes =
                    filters.iter().filter(|(field, _)| ["totp_config", "recovery_codes"].contains(&field.as_str()));
                let codes: Map<_, _> = codes.map(|(field, value)| (field.clone(), value.clone())).collect();
                kept.insert("filters".to_owned(), Value::Object(codes));
            }
            kept.insert("status".to_owned(), json!(1));
            merge(kept, document)
        }
    }
}

fn is_enabled(document: &Map<String, Value>) -> bool {
    document.get("status") == Some(&json!(1))
}

/// A digest by which it is known that the administrator has another password or was disabled; it does not show the hash.
pub(super) fn credential_of(administrator: &Administrator) -> String {
    let mut text = format!("tidegate credential {}", administrator.password.expose());
    if administrator.disabled_at > 0 {
        text.push_str(&format!("\0disabled {}", administrator.disabled_at));
    }
    super::credential_text::digest_of(&text)
}
