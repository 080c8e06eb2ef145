//! One account on its way to the store, with its folders, its announcement and its audit record.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::draft::invalid;
use super::fields::{Field, Maintainer};
use super::filesystem_table::FILESYSTEM;
use super::group::memberships_of;
use super::kept_secrets::keep_of_file_system;
use super::new_name::check_new_name;
use super::object_table::FOLDER_OBJECT;
use super::stored::find_user;
use super::{
    Audience, InvalidAccount, Membership, MembershipKind, ObjectKind, User, added, difference, fields, removed,
};
use crate::ports::{
    AuditRecord, Author, Change, ChangeParts, Collection, Directory, Door, FOLDERS, GROUPS, ROLES, StoreError,
    StoredDocument, USERS, Version, Write,
};

/// The changes of a transaction that is being made. What accounts refer to is found without a search.
#[derive(Default)]
pub struct PlannedChanges {
    /// Those that were not taken yet.
    changes: Vec<Change>,
    /// The first document of each folder, group and role, by the kind and the name.
    objects: BTreeMap<(&'static str, String), Map<String, Value>>,
}

impl PlannedChanges {
    /// Adds changes behind the others.
    pub fn extend(&mut self, changes: Vec<Change>) {
        for change in changes {
            if change.collection != &USERS
                && let Some(document) = change.document()
                && let Entry::Vacant(place) = self.objects.entry((change.collection.kind, change.name.clone()))
            {
                place.insert(document.clone());
            }
            self.changes.push(change);
        }
    }

    /// The document that a folder, group or role is to have; None: there is no change of it.
    pub fn document(&self, collection: &Collection, name: &str) -> Option<&Map<String, Value>> {
        if self.objects.is_empty() {
            return None;
        }
        self.objects.get(&(collection.kind, name.to_owned()))
    }

    /// The folders, groups and roles that are to be stored, with their names.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectKind, &str, &Map<String, Value>)> {
        self.objects.iter().filter_map(|((kind, name), document)| {
            let kind = ObjectKind::ALL.into_iter().find(|known| known.collection().kind == *kind)?;
            Some((kind, name.as_str(), document))
        })
    }

    /// Takes the changes that were not taken yet, in their order.
    pub fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}

/// Writes accounts for one author.
pub(super) struct Writing<'a> {
    /// The store.
    pub directory: &'a dyn Directory,
    /// The author in the audit records; a hook announces nothing and makes no folders.
    pub author: &'a Author,
    /// The time of the changes, in milliseconds since 1970.
    pub now: i64,
}

impl Writing<'_> {
    /// Adds the account. The answer has its id.
    pub async fn add(&self, user: User) -> Result<User, StoreError> {
        let changes = self.changes_to_add(&user, &PlannedChanges::default()).await?;
        self.save(user, changes).await
    }

    /// Replaces the stored account, which must still be in the state `base` that `user` was made from.
    pub async fn replace(&self, mut user: User, base: &StoredDocument) -> Result<User, StoreError> {
        let changes = self.changes_to_replace(&mut user, base, &PlannedChanges::default()).await?;
        self.save(user, changes).await
    }

    /// The changes that add the account: those of its folders, then its own. `planned`: earlier changes of the
    /// same transaction.
    pub async fn changes_to_add(&self, user: &User, planned: &PlannedChanges) -> Result<Vec<Change>, StoreError> {
        self.check_names(user, &Map::new(), planned).await?;
        let mut changes = self.folders_of(user, planned).await?;
        let document = without_folder_files(user.to_document(Audience::Trusted));
        let detail = added(fields::ACCOUNT, &document);
        changes.push(self.change(&user.username, Write::Add(document), "add", detail));
        Ok(changes)
    }

    /// The changes that replace the account, as [`changes_to_add`](Self::changes_to_add).
    pub async fn changes_to_replace(
        &self,
        user: &mut User,
        base: &StoredDocument,
        planned: &PlannedChanges,
    ) -> Result<Vec<Change>, StoreError> {
        self.check_names(user, &base.document, planned).await?;
        // Sessions at the doors over HTTP rely on it: they do not come back with the account.
        if !user.enabled && base.document.get("status") == Some(&json!(1)) {
            user.other.insert("disabled_at".to_owned(), json!(disabled_again(&base.document, self.now)));
        }
        let document = user.to_document(Audience::Trusted);
        let detail = difference(fields::ACCOUNT, &base.document, &document);
        let has_other_files = has_other_files(&base.document, user);
        let reset = if has_other_files { vec!["last_quota_update"] } else { Vec::new() };
        if has_other_files {
            user.usage.last_quota_update = 0;
        }
        let mut changes = self.folders_of(user, planned).await?;
        let write = Write::Replace { document: without_folder_files(document), expected: base.version, reset };
        changes.push(self.change(&user.username, write, "update", detail));
        Ok(changes)
    }

    /// Deletes the account. `known`: what it was when it was read last; None: there was none.
    pub async fn delete(
        &self,
        username: &str,
        expected: Option<Version>,
        known: Option<&StoredDocument>,
    ) -> Result<(), StoreError> {
        let write = Write::Delete { expected };
        let detail = known.map(|known| removed(fields::ACCOUNT, &known.document)).unwrap_or_default();
        self.directory.commit(vec![self.change(username, write, "delete", detail)]).await?;
        Ok(())
    }

    /// All of the changes, or none.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        self.directory.commit(changes).await.map_err(conflicting)
    }

    /// All changes of all parts, or none.
    pub async fn commit_parts(&self, parts: Arc<dyn ChangeParts>) -> Result<(), StoreError> {
        self.directory.commit_parts(parts).await.map_err(conflicting)
    }

    async fn save(&self, mut user: User, changes: Vec<Change>) -> Result<User, StoreError> {
        let has_folders = changes.len() > 1;
        let versions = self.commit(changes).await?;
        if has_folders {
            // The stored folders have paths and usages that the account's document did not name.
            let found = find_user(self.directory, &user.username).await?;
            return found.ok_or_else(|| StoreError::NotFound(USERS.object(&user.username)));
        }
        let version = versions.last().copied().unwrap_or_default();
        (user.id, user.revision) = (version.id, version.revision);
        Ok(user)
    }

    /// Changes of login hooks are not announced (A13-08).
    fn change(&self, username: &str, write: Write, action: &str, detail: String) -> Change {
        let record = self.author.did(action, USERS.kind, username, self.now);
        let audit = Some(AuditRecord { detail, ..record });
        let announce = self.author.door != Door::Hook;
        Change { collection: &USERS, name: username.to_owned(), write, announce, audit }
    }

    /// Refuses groups that would give something, and a role, which are not there: an account with a misspelt group
    /// would lack its restrictions (B9-04). What the account has already may stay; its logins are refused.
    async fn check_names(
        &self,
        user: &User,
        base: &Map<String, Value>,
        planned: &PlannedChanges,
    ) -> Result<(), StoreError> {
        let is_planned = |collection: &Collection, name: &str| planned.document(collection, name).is_some();
        // A group that gives nothing need not be there, but its name is a new one then.
        let known: HashSet<_> = memberships_of(base).into_iter().map(|membership| membership.group).collect();
        for Membership { group, .. } in user.memberships() {
            if let Err(problem) = check_new_name("groups", &group)
                && !known.contains(&group)
                && !is_planned(&GROUPS, &group)
                && self.directory.find(&GROUPS, &group).await?.is_none()
            {
                return Err(StoreError::Field(problem));
            }
        }
        let giving = user.memberships().into_iter().filter(|membership| membership.kind != MembershipKind::Member);
        let is_new = |membership: &Membership| !giving_groups(base).contains(&membership.group.as_str());
        let names: Vec<String> = giving.filter(is_new).map(|membership| membership.group).collect();
        let mut missing: Vec<String> = names.into_iter().filter(|name| !is_planned(&GROUPS, name)).collect();
        if !missing.is_empty() {
            let stored = self.directory.find_all(&GROUPS, missing.clone()).await?;
            missing.retain(|name| !stored.iter().any(|group| group.name == *name));
        }
        if let Some(name) = missing.first() {
            return Err(StoreError::Field(missing_reference("groups", "group", name)));
        }
        let Some(role) = user.role().filter(|role| !role.is_empty()) else { return Ok(()) };
        let is_kept = base.get("role").and_then(Value::as_str) == Some(role);
        if is_kept || is_planned(&ROLES, role) || self.directory.find(&ROLES, role).await?.is_some() {
            return Ok(());
        }
        Err(StoreError::Field(missing_reference("role", "role", role)))
    }

    /// The changes for the account's folders: missing folders are added, the others have to stay as they were
    /// read. A stored folder keeps its path, because other accounts may rely on it (C5-02).
    async fn folders_of(&self, user: &User, planned: &PlannedChanges) -> Result<Vec<Change>, StoreError> {
        if user.folders.is_empty() {
            return Ok(Vec::new());
        }
        let names = user.folders.iter().map(|folder| folder.name.clone()).collect();
        let stored = self.directory.find_all(&FOLDERS, names).await?;
        let mut changes: Vec<Change> = Vec::new();
        for folder in user.folders.iter() {
            let (name, path) = (&folder.name, &folder.mapped_path);
            let found = stored.iter().find(|stored| stored.name == *name);
            // This account, or another of the same transaction, may have added the folder already.
            let made_here = || changes.iter().find(|change| change.name == *name).and_then(Change::document);
            let made = planned.document(&FOLDERS, name).or_else(made_here);
            let known = made.or(found.map(|stored| &stored.document)).and_then(|known| known.get("mapped_path"));
            let known = known.map(|path| path.as_str().unwrap_or_default());
            if let Some(known) = known.filter(|known| !path.is_empty() && known != path) {
                return Err(other_path(name, known));
            }
            let known = made.or(found.map(|stored| &stored.document)).and_then(|known| known.get("filesystem"));
            let is_known = |known: &Map<String, Value>| {
                let mut given = folder.filesystem.clone();
                keep_of_file_system(FILESYSTEM, known, &mut given);
                given == *known
            };
            if !folder.filesystem.is_empty() && !known.and_then(Value::as_object).is_some_and(is_known) {
                let problem = format!(
                    "the file system of the folder \"{name}\" is not set in accounts; add or change the folder itself"
                );
                return Err(StoreError::Field(invalid("virtual_folders", problem)));
            }
            let write = match found {
                _ if made.is_some() => continue,
                Some(stored) => Write::Require { expected: stored.version },
                None if self.author.door == Door::Hook => {
                    return Err(StoreError::Refused(format!(
                        "a hook names the folder \"{name}\", which does not exist; add it to an account as an \
                         administrator"
                    )));
                }
                None if path.is_empty() => {
                    let problem = format!("there is no folder named \"{name}\"; give it a mapped_path");
                    return Err(StoreError::Field(invalid("virtual_folders", problem)));
                }
                None => {
                    check_new_name("virtual_folders", name).map_err(StoreError::Field)?;
                    let document = [("mapped_path", json!(path)), ("description", json!(""))];
                    Write::Add(document.map(|(field, value)| (field.to_owned(), value)).into_iter().collect())
                }
            };
            let audit = match &write {
                Write::Add(document) => {
                    let record = self.author.did("add", FOLDERS.kind, name, self.now);
                    let mut named = document.clone();
                    named.insert("name".to_owned(), json!(name));
                    Some(AuditRecord { detail: added(FOLDER_OBJECT, &named), ..record })
                }
                Write::Replace { .. }
                | Write::Delete { .. }
                | Write::Require { .. }
                | Write::RequireEmpty
                | Write::RequireUnreferenced(_) => None,
            };
            changes.push(Change { collection: &FOLDERS, name: name.clone(), write, announce: false, audit });
        }
        Ok(changes)
    }
}

/// Another writer has added or deleted the folder meanwhile.
fn conflicting(error: StoreError) -> StoreError {
    match error {
        StoreError::Exists(object) | StoreError::NotFound(object) if object.noun == FOLDERS.noun => {
            StoreError::Conflict(object)
        }
        error => error,
    }
}

/// The groups of a document that give something.
fn giving_groups(document: &Map<String, Value>) -> Vec<&str> {
    let groups = document.get("groups").and_then(Value::as_array).into_iter().flatten();
    let giving = groups.filter(|group| matches!(group.get("type").and_then(Value::as_i64), Some(1 | 2)));
    giving.filter_map(|group| group.get("name")?.as_str()).collect()
}

/// The document of an account without the file systems of its folders: the stored folders have them, with their
/// secrets, and they are what counts.
fn without_folder_files(mut document: Map<String, Value>) -> Map<String, Value> {
    let folders = document.get_mut("virtual_folders").and_then(Value::as_array_mut);
    for folder in folders.into_iter().flatten().filter_map(Value::as_object_mut) {
        folder.remove("filesystem");
    }
    document
}

/// The refusal of a path for a stored folder that has another.
pub(super) fn other_path(name: &str, known: &str) -> StoreError {
    let problem =
        format!("the folder \"{name}\" is {known} already; give this one another name, or leave mapped_path out");
    StoreError::Field(invalid("virtual_folders", problem))
}

/// What is wrong with a field that names what there is not.
pub(crate) fn missing_reference(field: &str, noun: &str, name: &str) -> InvalidAccount {
    invalid(field, format!("there is no {noun} named \"{name}\"; add it first"))
}

/// Whether the stored usage is worthless: the home is another, or the account had no quota and so was not
/// counted.
fn has_other_files(base: &Map<String, Value>, user: &User) -> bool {
    let number = |field: &str| base.get(field).and_then(Value::as_i64).unwrap_or(0);
    let was_limited = number("quota_size") != 0 || number("quota_files") != 0;
    let is_limited = user.quota_size != 0 || user.quota_files != 0;
    base.get("home_dir").and_then(Value::as_str) != Some(&user.home_dir) || (!was_limited && is_limited)
}

/// The names of the fields that administrators maintain and that differ, without their values.
pub(super) fn changed_fields(base: &Map<String, Value>, document: &Map<String, Value>) -> Vec<&'static str> {
    changed_of(fields::ACCOUNT, base, document)
}

/// Whether a value is what a document without it means.
pub(super) fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// The time of a document's `disabled_at` that is disabled now: another one each time, whatever the clock says, since
/// what began between two of them is known by it.
pub(crate) fn disabled_again(document: &Map<String, Value>, now: i64) -> i64 {
    let last = document.get("disabled_at").and_then(Value::as_i64).unwrap_or(0);
    now.max(last.saturating_add(1))
}

/// As [`changed_fields`], for documents with these fields.
pub(crate) fn changed_of(
    known: &'static [Field],
    base: &Map<String, Value>,
    document: &Map<String, Value>,
) -> Vec<&'static str> {
    let given = known.iter().filter(|field| field.maintainer == Maintainer::Administrator);
    let given = given.map(|field| field.name);
    given.filter(|field| set_value(base, field) != set_value(document, field)).collect()
}

fn set_value<'a>(document: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    document.get(field).filter(|value| !is_unset(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_changed_fields_are_recorded() {
        let check = |base: Value, document: Value, expected: &str| {
            let (Value::Object(base), Value::Object(document)) = (&base, &document) else {
                panic!("{base} {document}")
            };
            assert_eq!(changed_fields(base, document).join(", "), expected, "{base:?} {document:?}");
        };
        check(json!({"password": "a", "uid": 1}), json!({"password": "b", "uid": 1}), "password");
        check(json!({}), json!({"filters": {}, "uid": 0, "email": null, "status": 1}), "status");
        check(json!({"quota_size": 5, "email": "x"}), json!({"last_login": 7}), "quota_size, email");
    }
}
