//! Use cases about API keys (D-09). A key's text is shown once; the store has its digest.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::admin_document::{Administrator, merged, texts};
use super::credential_text::{digest_of, new_key, new_key_id};
use super::key_document::{ApiKey, KEY_OBJECT, check, not_valid, shown};
use super::{Actor, AdminError, Audit, Identity, PAGE, PAGE_AND_ONE, ShownObject, UseCase};
use crate::account::fields::Maintainer;
use crate::account::{Accounts, difference, invalid};
use crate::hook::Observers;
use crate::hook::observation::{Change as Told, CredentialChanged};
use crate::ports::{
    ADMINS, API_KEYS, AuditRecord, Change, Clock, DETAIL_SEPARATOR, Directory, PageRequest, StoreError, StoredDocument,
    Version, Write, detail_part,
};
use crate::secret::Secret;

/// Use cases about API keys.
pub struct ApiKeys {
    /// The store of keys and administrators.
    pub directory: Arc<dyn Directory>,
    /// Tells observers of changes.
    pub accounts: Arc<Accounts>,
    /// Records refusals.
    pub audit: Audit,
    /// Observers of keys that are made or get a new text; None: there are none.
    pub observers: Option<Arc<Observers<CredentialChanged>>>,
    /// Gives the times of changes.
    pub clock: Arc<dyn Clock>,
}

/// A key with a text that was just made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewKey {
    /// The text, for `X-SFTPGO-API-KEY`.
    pub text: Secret,
    /// The key as administrators see it.
    pub key: ShownObject,
}

impl ApiKeys {
    /// A page of at most 500 keys and one more, valid or not, in the order of their ids.
    ///
    /// # Errors
    /// The use case is not for the actor, or the store fails.
    pub async fn list(&self, actor: &Actor, request: PageRequest) -> Result<Vec<ShownObject>, AdminError> {
        self.audit.allow(actor, UseCase::ListApiKeys, "").await?;
        let request = PageRequest { limit: request.limit.min(PAGE_AND_ONE), ..request };
        Ok(self.directory.list(&API_KEYS, request).await?.into_iter().map(shown_object).collect())
    }

    /// One stored key, by its id, or by its name if no other has the same.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such key or more than one, or the store fails.
    pub async fn show(&self, actor: &Actor, key: &str) -> Result<ShownObject, AdminError> {
        self.audit.allow(actor, UseCase::ShowApiKey, key).await?;
        Ok(shown_object(self.found(key).await?))
    }

    /// Makes a key. For an administrator it is one of its own, unless the document names another with no more
    /// permissions; the server's owner may make one that only its scope limits.
    ///
    /// # Errors
    /// The use case is not for the actor, or the key would give more than the actor has; the document is not valid,
    /// there is no such administrator, the system gives no random numbers, or the store fails.
    pub async fn add(&self, actor: &Actor, document: &Map<String, Value>) -> Result<NewKey, AdminError> {
        let case = UseCase::AddApiKey;
        let name = document.get("name").and_then(Value::as_str).unwrap_or_default();
        self.audit.allow(actor, case, name).await?;
        let now = self.clock.now();
        let mut document = merged(KEY_OBJECT, API_KEYS.noun, Map::new(), document)?;
        check(&document, now).map_err(not_valid)?;
        let mut changes = Vec::new();
        let given = document.get("admin").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(stored) = self.admin_of(actor, case, given).await? {
            document.insert("admin".to_owned(), json!(stored.name));
            document.insert("admin_id".to_owned(), json!(stored.version.id));
            let write = Write::Require { expected: stored.version };
            changes.push(Change { collection: &ADMINS, name: stored.name, write, announce: false, audit: None });
        }
        let key_id = new_key_id()?;
        let text = new_key(&key_id)?;
        document.insert("digest".to_owned(), json!(digest_of(text.expose())));
        document.insert("created_at".to_owned(), json!(now));
        document.insert("updated_at".to_owned(), json!(now));
        let detail = scope_text(&document);
        changes.push(self.change(actor, case, &key_id, Write::Add(document), detail));
        self.directory.commit(changes).await?;
        let key = self.told(actor, &key_id, Told::Add, text.clone()).await?;
        Ok(NewKey { text, key })
    }

    /// Puts a document in the place of a key's, which keeps its text and its uses. What the document omits has its
    /// default, but for the administrator, which stays; an empty name is refused where there is one. `expected`: the state
    /// that the change is based on; None: any.
    ///
    /// # Errors
    /// As [`add`](Self::add); and there is no such key, it has another version than the expected one (`Conflict`), or it
    /// gives more than the actor has.
    pub async fn replace(
        &self,
        actor: &Actor,
        key: &str,
        document: &Map<String, Value>,
        expected: Option<Version>,
    ) -> Result<ShownObject, AdminError> {
        let case = UseCase::UpdateApiKey;
        self.audit.allow(actor, case, key).await?;
        let stored = self.expected(key, expected).await?;
        let before = self.limiting(actor, case, &stored).await?;
        let mut kept = stored.document.clone();
        for field in KEY_OBJECT.iter().filter(|field| matches!(field.maintainer, Maintainer::Administrator)) {
            if field.name != "admin" {
                kept.remove(field.name);
            }
        }
        let mut document = merged(KEY_OBJECT, API_KEYS.noun, kept, document)?;
        // A key that has expired already can be changed still.
        let is_same_end = document.get("expires_at") == stored.document.get("expires_at");
        check(&document, if is_same_end { 0 } else { self.clock.now() }).map_err(not_valid)?;
        let mut changes = Vec::new();
        let given = document.get("admin").and_then(Value::as_str).unwrap_or_default().to_owned();
        if before.is_some() && given.is_empty() {
            // Elsewhere it stands for the actor, which could take over a key without naming itself.
            let problem = "must name an administrator; leave the field out to keep the one that the key has";
            return Err(not_valid(invalid("admin", problem)));
        }
        let limiting = if before.as_ref().is_some_and(|before| before.name == given) {
            // The key of a deleted administrator does not become that of another with the same name.
            before
        } else {
            let found = self.admin_of(actor, case, given).await?;
            for field in ["admin", "admin_id"] {
                document.remove(field);
            }
            if let Some(found) = &found {
                document.insert("admin".to_owned(), json!(found.name));
                document.insert("admin_id".to_owned(), json!(found.version.id));
            }
            found
        };
        if let Some(limiting) = limiting {
            let write = Write::Require { expected: limiting.version };
            changes.push(Change { collection: &ADMINS, name: limiting.name, write, announce: false, audit: None });
        }
        let detail = difference(KEY_OBJECT, &stored.document, &document);
        document.insert("updated_at".to_owned(), json!(self.clock.now()));
        let write = Write::Replace { document, expected: stored.version, reset: Vec::new() };
        changes.push(self.change(actor, case, &stored.name, write, detail));
        self.directory.commit(changes).await?;
        self.told(actor, &stored.name, Told::Update, Secret::default()).await
    }

    /// The administrator that limits a stored key, which the actor may change.
    async fn limiting(
        &self,
        actor: &Actor,
        case: UseCase,
        stored: &StoredDocument,
    ) -> Result<Option<StoredDocument>, AdminError> {
        let admin = stored.document.get("admin").and_then(Value::as_str).unwrap_or_default().to_owned();
        if admin.is_empty() && actor.identity != Identity::Owner {
            let refused =
                "only the server's owner changes a key that belongs to no administrator, or gives it a new text";
            let refused = AdminError::NotForActor(refused.to_owned());
            return Err(self.audit.refuse(actor, case, &stored.name, refused).await);
        }
        self.admin_of(actor, case, admin).await
    }

    /// Gives a key a new text; the old one is no longer good. Its uses are counted anew.
    ///
    /// # Errors
    /// As [`add`](Self::add), and there is no such key.
    pub async fn rotate(&self, actor: &Actor, key: &str) -> Result<NewKey, AdminError> {
        self.rotate_version(actor, key, None).await
    }

    /// As [`rotate`](Self::rotate), if the key is in the state `expected`; None: in any.
    ///
    /// # Errors
    /// As of [`rotate`](Self::rotate), and the key has another version (`Conflict`).
    pub async fn rotate_version(
        &self,
        actor: &Actor,
        key: &str,
        expected: Option<Version>,
    ) -> Result<NewKey, AdminError> {
        let case = UseCase::RotateApiKey;
        self.audit.allow(actor, case, key).await?;
        let stored = self.expected(key, expected).await?;
        self.limiting(actor, case, &stored).await?;
        let text = new_key(&stored.name)?;
        let mut document = stored.document;
        document.insert("digest".to_owned(), json!(digest_of(text.expose())));
        document.insert("updated_at".to_owned(), json!(self.clock.now()));
        let write = Write::Replace { document, expected: stored.version, reset: vec!["uses"] };
        self.directory.commit(vec![self.change(actor, case, &stored.name, write, String::new())]).await?;
        let key = self.told(actor, &stored.name, Told::Update, Secret::default()).await?;
        Ok(NewKey { text, key })
    }

    /// Revokes a key. The answer is its id.
    ///
    /// # Errors
    /// The use case is not for the actor, there is no such key, or the store fails.
    pub async fn delete(&self, actor: &Actor, key: &str) -> Result<String, AdminError> {
        self.delete_version(actor, key, None).await
    }

    /// As [`delete`](Self::delete), if the key is in the state `expected`; None: in any.
    ///
    /// # Errors
    /// As of [`delete`](Self::delete), and the key has another version (`Conflict`).
    pub async fn delete_version(
        &self,
        actor: &Actor,
        key: &str,
        expected: Option<Version>,
    ) -> Result<String, AdminError> {
        let case = UseCase::DeleteApiKey;
        self.audit.allow(actor, case, key).await?;
        let stored = self.expected(key, expected).await?;
        let write = Write::Delete { expected };
        let detail = scope_text(&stored.document);
        self.directory.commit(vec![self.change(actor, case, &stored.name, write, detail)]).await?;
        let (name, document) = (stored.name, stored.document);
        self.accounts.tell_of(API_KEYS.kind, Told::Delete, &name, || shown(document), &actor.author);
        Ok(name)
    }

    /// The administrator that limits a key of the actor; None: only its scope does. `given`: the name in the
    /// document.
    async fn admin_of(
        &self,
        actor: &Actor,
        case: UseCase,
        given: String,
    ) -> Result<Option<StoredDocument>, AdminError> {
        let name = match &actor.identity {
            Identity::Administrator { admin, .. } if given.is_empty() => admin.0.clone(),
            Identity::Owner if given.is_empty() => return Ok(None),
            Identity::Owner | Identity::Administrator { .. } | Identity::User { .. } | Identity::ApiKey { .. } => given,
        };
        let stored = self.directory.find(&ADMINS, &name).await?;
        let stored = stored.ok_or_else(|| StoreError::NotFound(ADMINS.object(&name)))?;
        let administrator = Administrator::of_stored(&stored).map_err(super::admin_document::not_valid)?;
        if actor.permissions.cover(&administrator.permissions) {
            return Ok(Some(stored));
        }
        let refused = format!("\"{}\" lacks permissions that the administrator \"{name}\" has", actor.author.name);
        Err(self.audit.refuse(actor, case, &name, AdminError::NotForActor(refused)).await)
    }

    /// The key, which is changed only while it is in this state.
    async fn expected(&self, key: &str, expected: Option<Version>) -> Result<StoredDocument, AdminError> {
        let stored = self.found(key).await?;
        match expected.filter(|expected| *expected != stored.version) {
            Some(_) => Err(StoreError::Conflict(API_KEYS.object(key)).into()),
            None => Ok(stored),
        }
    }

    /// The key with this id, or the only one with this name.
    async fn found(&self, key: &str) -> Result<StoredDocument, AdminError> {
        if let Some(stored) = self.directory.find(&API_KEYS, key).await? {
            return Ok(stored);
        }
        let mut named = Vec::new();
        let mut request = PageRequest { limit: PAGE, ..PageRequest::default() };
        loop {
            let page = self.directory.list(&API_KEYS, request.clone()).await?;
            let Some(last) = page.last() else { break };
            request.after = Some(last.name.clone());
            let has_name = |stored: &StoredDocument| stored.document.get("name").and_then(Value::as_str) == Some(key);
            named.extend(page.into_iter().filter(has_name));
        }
        match named.len() {
            0 | 1 => named.pop().ok_or_else(|| StoreError::NotFound(API_KEYS.object(key)).into()),
            many => Err(AdminError::InUse(format!("{many} API keys have the name \"{key}\"; give the id of one"))),
        }
    }

    fn change(&self, actor: &Actor, case: UseCase, key_id: &str, write: Write, detail: String) -> Change {
        let record = actor.author.did(case.action(), API_KEYS.kind, key_id, self.clock.now());
        let audit = Some(AuditRecord { detail, ..record });
        Change { collection: &API_KEYS, name: key_id.to_owned(), write, announce: false, audit }
    }

    /// Reports a key to observers. `text`: of a key that was just made; that of a changed one is left out (D-07).
    async fn told(&self, actor: &Actor, key_id: &str, told: Told, text: Secret) -> Result<ShownObject, AdminError> {
        let stored = self.directory.find(&API_KEYS, key_id).await?;
        let shown = shown_object(stored.ok_or_else(|| StoreError::NotFound(API_KEYS.object(key_id)))?);
        self.accounts.tell_of(API_KEYS.kind, told, key_id, || shown.document.clone(), &actor.author);
        if let Some(observers) = &self.observers {
            let changed = credential_of(&shown.document, told == Told::Update);
            observers.notify(CredentialChanged { key: text, ..changed });
        }
        Ok(shown)
    }
}

/// The event that hooks get about a key (D-07), without its text.
fn credential_of(document: &Map<String, Value>, modifying: bool) -> CredentialChanged {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |field: &str| document.get(field).and_then(Value::as_i64).unwrap_or(0);
    CredentialChanged {
        name: text("name"),
        is_login_url: false,
        modifying,
        key: Secret::default(),
        // Rounded up: a key that expires never is another thing.
        expires_at: number("expires_at").saturating_add(999) / 1_000,
        max_uses: u32::try_from(number("max_uses")).unwrap_or(u32::MAX),
        allow: texts(document, "allow"),
        deny: texts(document, "deny"),
        ips: texts(document, "ips"),
        notify: 0,
        username: text("admin"),
    }
}

/// What a key is for, in its audit records.
fn scope_text(document: &Map<String, Value>) -> String {
    let shown = |field: &str| document.get(field).map(|value| detail_part(&format!("{field}: {value}")));
    let mut text = ["name", "admin", "allow", "deny", "ips", "expires_at", "max_uses"]
        .into_iter()
        .filter_map(shown)
        .collect::<Vec<_>>()
        .join(DETAIL_SEPARATOR);
    if text.len() > 1_000 {
        let end = (0..=1_000).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn shown_object(stored: StoredDocument) -> ShownObject {
    let problem = ApiKey::of_stored(&stored).err();
    let name = &stored.name;
    let problem = problem.map(|problem| format!("the API key \"{name}\" in the database is not valid: {problem}"));
    ShownObject { revision: stored.version.revision, document: shown(stored.document), problem }
}
