//! Secrets of file systems (A8-15) and of one-time codes at rest: documents have them sealed in the store, and clear on this
//! side of it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::ObjectKind;
use super::fields::{ACCOUNT, Field, Kind, field};
use super::kept_secrets::is_empty;
use crate::ports::{
    ADMINS, AccountFilter, AccountKey, Change, ChangeParts, ChangeToken, Changes, Collection, Directory,
    MaintainedChange, PageRequest, Sealing, SealingError, Stamp, StoreError, StoredDocument, TOKENS, USERS, Version,
    Write,
};
use crate::secret::Secret;

/// The state of a secret that is sealed.
pub(super) const SEALED: &str = "Sealed";

/// A directory whose store has the secrets of file systems and of one-time codes sealed. A secret that cannot be opened
/// stays as it is, and is the problem of its document alone; one that is stored clear is sealed with the next change of the
/// document.
pub struct SealedDirectory {
    directory: Arc<dyn Directory>,
    sealing: Arc<dyn Sealing>,
}

impl SealedDirectory {
    /// The directory, with secrets sealed by `sealing`.
    pub fn new(directory: Arc<dyn Directory>, sealing: Arc<dyn Sealing>) -> Self {
        Self { directory, sealing }
    }
}

fn seal(sealing: &dyn Sealing, change: &mut Change) -> Result<(), StoreError> {
    let (collection, name) = (change.collection, change.name.as_str());
    let document = match &mut change.write {
        Write::Add(document) | Write::Replace { document, .. } => document,
        Write::Delete { .. } | Write::RequireUnreferenced(_) | Write::Require { .. } | Write::RequireEmpty => {
            return Ok(());
        }
    };
    for_each_secret(collection, document, &mut |path, value| {
        if !is_empty(value) && sealed_text(value).is_none() {
            let sealed = sealing.seal(&place(collection, name, path), &Secret::new(value.to_string()));
            let sealed = sealed.map_err(|error| {
                let noun = collection.noun;
                StoreError::Failed(format!("a secret of the {noun} \"{name}\" cannot be encrypted: {error}"))
            })?;
            *value = json!({"status": SEALED, "payload": sealed});
        }
        Ok(())
    })
}

/// Changes whose secrets are sealed when they are read.
struct SealedParts {
    parts: Arc<dyn ChangeParts>,
    sealing: Arc<dyn Sealing>,
}

#[async_trait]
impl ChangeParts for SealedParts {
    fn changes(&self) -> usize {
        self.parts.changes()
    }

    fn parts(&self) -> usize {
        self.parts.parts()
    }

    fn part(&self, index: usize) -> Result<Vec<Change>, StoreError> {
        let mut changes = self.parts.part(index)?;
        changes.iter_mut().try_for_each(|change| seal(&*self.sealing, change))?;
        Ok(changes)
    }

    async fn fetch(&self, index: usize) -> Result<Vec<Change>, StoreError> {
        let mut changes = self.parts.fetch(index).await?;
        changes.iter_mut().try_for_each(|change| seal(&*self.sealing, change))?;
        Ok(changes)
    }
}

impl SealedDirectory {
    fn open(&self, collection: &'static Collection, stored: &mut StoredDocument) {
        let StoredDocument { name, document, problem, .. } = stored;
        // An error would end the walk: the secrets behind it are opened all the same.
        let walked: Result<(), StoreError> = for_each_secret(collection, document, &mut |path, value| {
            let Some(sealed) = sealed_text(value) else { return Ok(()) };
            let opened = self.sealing.open(&place(collection, name, path), sealed).and_then(|clear| {
                let read = serde_json::from_str(clear.expose());
                read.map_err(|_| SealingError("it was stored in a way that cannot be read".to_owned()))
            });
            match opened {
                Ok(clear) => *value = clear,
                Err(error) => {
                    problem.get_or_insert_with(|| format!("field \"{path}\" cannot be decrypted: {error}"));
                }
            }
            Ok(())
        });
        drop(walked);
    }
}

/// What a sealed secret is sealed for.
fn place(collection: &Collection, name: &str, path: &str) -> String {
    format!("{}\0{name}\0{path}", collection.kind)
}

fn sealed_text(value: &Value) -> Option<&str> {
    let is_sealed = value.get("status").and_then(Value::as_str) == Some(SEALED);
    value.get("payload").and_then(Value::as_str).filter(|_| is_sealed)
}

/// Where an administrator's document has a secret that is used as it is; passwords and recovery codes are hashed.
const ADMIN_SECRETS: &[Field] = &[field("filters", Kind::Object(CODES), "")];
const CODES: &[Field] = &[field("totp_config", Kind::Object(&[field("secret", Kind::Text, "").secret()]), "")];
/// Where the document of a session has the secret of one-time codes that are not in force yet.
const SESSION_SECRETS: &[Field] =
    &[field("offered_codes", Kind::Object(&[field("secret", Kind::Text, "").secret()]), "")];
/// The fields of an account in which secrets are sealed. Passwords and recovery codes are hashed.
const SEALED_IN_ACCOUNTS: [&str; 2] = ["filesystem", "totp_config"];

/// Visits the secrets that are sealed, each with the path of its field.
fn for_each_secret<E>(
    collection: &Collection,
    document: &mut Map<String, Value>,
    visit: &mut impl FnMut(&str, &mut Value) -> Result<(), E>,
) -> Result<(), E> {
    let of_kind = |kind: &ObjectKind| kind.collection() == collection;
    let known = match ObjectKind::ALL.iter().find(|kind| of_kind(kind)) {
        Some(kind) => kind.fields(),
        None if *collection == USERS => ACCOUNT,
        None if *collection == ADMINS => ADMIN_SECRETS,
        None if *collection == TOKENS => SESSION_SECRETS,
        None => &[],
    };
    visit_in(known, *collection == ADMINS || *collection == TOKENS, "", document, visit)
}

fn visit_in<E>(
    known: &'static [Field],
    is_sealed: bool,
    prefix: &str,
    document: &mut Map<String, Value>,
    visit: &mut impl FnMut(&str, &mut Value) -> Result<(), E>,
) -> Result<(), E> {
    for field in known {
        let is_sealed = is_sealed || SEALED_IN_ACCOUNTS.contains(&field.name);
        let is_visited = is_sealed && field.is_secret;
        if !is_visited && field.fields().is_empty() {
            continue;
        }
        let Some(value) = document.get_mut(field.name) else { continue };
        let path = format!("{prefix}{}", field.name);
        match value {
            value if is_visited => visit(&path, value)?,
            Value::Object(object) => {
                visit_in(field.fields(), is_sealed, &format!("{path}."), object, visit)?;
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let Value::Object(object) = item else { continue };
                    visit_in(field.fields(), is_sealed, &format!("{path}.{index}."), object, visit)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

#[async_trait]
impl Directory for SealedDirectory {
    fn stamp(&self) -> Option<Stamp> {
        // The key stays the same for as long as the server runs.
        self.directory.stamp()
    }

    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        let mut found = self.directory.find(collection, name).await?;
        found.iter_mut().for_each(|stored| self.open(collection, stored));
        Ok(found)
    }

    async fn find_by_id(&self, collection: &'static Collection, id: i64) -> Result<Option<StoredDocument>, StoreError> {
        let mut found = self.directory.find_by_id(collection, id).await?;
        found.iter_mut().for_each(|stored| self.open(collection, stored));
        Ok(found)
    }

    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let mut found = self.directory.find_all(collection, names).await?;
        found.iter_mut().for_each(|stored| self.open(collection, stored));
        Ok(found)
    }

    async fn list(
        &self,
        collection: &'static Collection,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let mut found = self.directory.list(collection, page).await?;
        found.iter_mut().for_each(|stored| self.open(collection, stored));
        Ok(found)
    }

    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let mut found = self.directory.list_accounts(filter, page).await?;
        found.iter_mut().for_each(|stored| self.open(&USERS, stored));
        Ok(found)
    }

    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.directory.texts(collection, field).await
    }

    async fn commit(&self, mut changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        changes.iter_mut().try_for_each(|change| seal(&*self.sealing, change))?;
        self.directory.commit(changes).await
    }

    async fn commit_parts(&self, parts: Arc<dyn ChangeParts>) -> Result<(), StoreError> {
        self.directory.commit_parts(Arc::new(SealedParts { parts, sealing: self.sealing.clone() })).await
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.directory.changes(since).await
    }

    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        self.directory.wait_for_changes(since).await
    }

    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError> {
        self.directory.change_maintained(change).await
    }

    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        self.directory.record_login(account, at).await
    }

    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        self.directory.record_first_transfer(account, upload, at).await
    }

    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        self.directory.use_code(account, step).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{find_user, in_force};
    use crate::memory::MemoryStore;
    use crate::ports::{FOLDERS, GROUPS};

    /// Seals by turning the text around. None: the key is lost.
    struct Reversing(Option<&'static str>);

    impl Sealing for Reversing {
        fn seal(&self, place: &str, clear: &Secret) -> Result<String, SealingError> {
            let key = self.0.ok_or_else(|| SealingError("no key".to_owned()))?;
            Ok(format!("{key}\0{place}\0{}", clear.expose()).chars().rev().collect())
        }

        fn open(&self, place: &str, sealed: &str) -> Result<Secret, SealingError> {
            let key = self.0.ok_or_else(|| SealingError("no key".to_owned()))?;
            let clear: String = sealed.chars().rev().collect();
            let clear = clear.strip_prefix(&format!("{key}\0{place}\0"));
            Ok(Secret::new(clear.ok_or_else(|| SealingError("another key".to_owned()))?))
        }
    }

    fn add(collection: &'static Collection, name: &str, document: Value) -> Change {
        let write = Write::Add(document.as_object().cloned().unwrap());
        Change { collection, name: name.to_owned(), write, announce: false, audit: None }
    }

    fn account(more: Value) -> Value {
        let mut account = json!({"status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]}});
        account.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        account
    }

    fn bucket(secret: Value) -> Value {
        json!({"provider": 1, "s3config": {"bucket": "b", "access_key": "k", "access_secret": secret}})
    }

    fn sealed_by(key: Option<&'static str>, store: &Arc<MemoryStore>) -> SealedDirectory {
        SealedDirectory::new(store.clone(), Arc::new(Reversing(key)))
    }

    #[tokio::test]
    async fn no_secret_of_a_file_system_is_stored_clear() {
        // A8-15, C4-02
        let store = Arc::new(MemoryStore::default());
        let sealed = sealed_by(Some("key"), &store);
        for secret in [
            json!("hush"),
            json!({"status": "Plain", "payload": "hush"}),
            json!({"status": "Secretbox", "payload": "hush"}),
        ] {
            let other = json!({"provider": 0, "gcsconfig": {"credentials": secret}});
            for (collection, document) in [
                (&USERS, account(json!({"filesystem": bucket(secret.clone())}))),
                (&USERS, account(json!({"filesystem": other}))),
                (
                    &USERS,
                    account(
                        json!({"virtual_folders": [{"name": "f"}, {"name": "g", "filesystem": bucket(secret.clone())}]}),
                    ),
                ),
                (&FOLDERS, json!({"filesystem": bucket(secret.clone())})),
                (&GROUPS, json!({"user_settings": {"filesystem": bucket(secret.clone())}})),
                (&ADMINS, json!({"filters": {"totp_config": {"secret": secret.clone()}}})),
                (&USERS, account(json!({"filters": {"totp_config": {"enabled": true, "secret": secret.clone()}}}))),
                (&TOKENS, json!({"user": "u", "offered_codes": {"secret": secret.clone(), "expires_at": 1}})),
            ] {
                sealed.commit(vec![add(collection, "x", document.clone())]).await.unwrap();
                let kept = store.find(collection, "x").await.unwrap().unwrap();
                let text = Value::Object(kept.document.clone()).to_string();
                assert!(!text.contains("hush") && text.contains(SEALED), "{text}");
                let clear = sealed.find(collection, "x").await.unwrap().unwrap();
                assert_eq!(clear.problem, None);
                for (field, value) in document.as_object().unwrap() {
                    assert_eq!(clear.document.get(field), Some(value), "{field}");
                }
                // What is written again is the same.
                let write = Write::Replace { document: clear.document, expected: clear.version, reset: Vec::new() };
                sealed.commit(vec![Change { write, ..add(collection, "x", json!({})) }]).await.unwrap();
                assert_eq!(store.find(collection, "x").await.unwrap().unwrap().document, kept.document);
                let write = Write::Delete { expected: None };
                sealed.commit(vec![Change { write, ..add(collection, "x", json!({})) }]).await.unwrap();
            }
        }
        // Nothing to seal, so that no key is needed.
        let keyless = sealed_by(None, &store);
        keyless.commit(vec![add(&USERS, "y", account(json!({"filesystem": bucket(json!(""))})))]).await.unwrap();
        let refused =
            keyless.commit(vec![add(&USERS, "z", account(json!({"filesystem": bucket(json!("hush"))})))]).await;
        assert!(matches!(refused, Err(StoreError::Failed(problem)) if problem.contains("\"z\"")));
    }

    #[tokio::test]
    async fn a_lost_key_is_the_problem_of_those_alone_whose_secrets_it_had() {
        // A8-15, A9-06
        let store = Arc::new(MemoryStore::default());
        // Stored by an earlier version.
        store.commit(vec![add(&USERS, "clear", account(json!({"filesystem": bucket(json!("hush"))})))]).await.unwrap();
        let sealed = sealed_by(Some("key"), &store);
        let mounted = json!({"virtual_folders": [{"name": "f", "virtual_path": "/f"}]});
        let grouped = json!({"groups": [{"name": "g", "type": 1}]});
        for change in [
            add(&FOLDERS, "f", json!({"mapped_path": "", "filesystem": bucket(json!("hush"))})),
            add(&GROUPS, "g", json!({"user_settings": {"filesystem": bucket(json!("hush"))}})),
            add(&USERS, "bucket", account(json!({"filesystem": bucket(json!("hush"))}))),
            add(&USERS, "local", account(json!({}))),
            add(&USERS, "mounted", account(mounted)),
            add(&USERS, "grouped", account(grouped)),
        ] {
            sealed.commit(vec![change]).await.unwrap();
        }
        for (key, expected) in [(Some("key"), true), (Some("other"), false), (None, false)] {
            let directory = sealed_by(key, &store);
            for (name, has_sealed) in
                [("clear", false), ("local", false), ("bucket", true), ("mounted", true), ("grouped", true)]
            {
                let user = async {
                    let user = find_user(&directory, name).await?.unwrap();
                    in_force(&directory, user).await
                };
                match user.await {
                    Ok(_) => assert!(expected || !has_sealed, "{key:?} {name}"),
                    Err(StoreError::Invalid { username, problem }) => {
                        assert!(!expected && has_sealed && username == name && problem.contains("key"), "{problem}");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        // Copied to another account, a sealed secret is none.
        let copied = store.find(&USERS, "bucket").await.unwrap().unwrap().document;
        store.commit(vec![add(&USERS, "thief", Value::Object(copied))]).await.unwrap();
        assert!(matches!(find_user(&sealed, "thief").await, Err(StoreError::Invalid { .. })));
    }
}
