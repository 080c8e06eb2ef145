//! Folders, groups and roles on their way to the store, and the objects that refer to them.

use serde_json::{Map, Value};

use super::difference::{added, difference, removed};
use super::objects::{ObjectKind, take_folder_paths};
use super::write::{PlannedChanges, missing_reference, other_path};
use crate::ports::{
    AuditRecord, Author, Change, Directory, FOLDERS, GROUPS, PageRequest, StoreError, StoredDocument, USERS, Write,
};

/// How many documents are searched for references at a time.
const PAGE: u32 = 1000;

/// Writes folders, groups and roles for one author.
pub struct ObjectWriting<'a> {
    /// The store.
    pub directory: &'a dyn Directory,
    /// The author in the audit records.
    pub author: &'a Author,
    /// The time of the changes, in milliseconds since 1970.
    pub now: i64,
}

/// The names of the objects whose documents refer to an object, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectReferences {
    /// Accounts.
    pub users: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
}

impl ObjectWriting<'_> {
    /// The changes that store the valid document: what it refers to must stay, then its own change. `base`: the
    /// stored state that the document was made from; None: a new object. `planned`: earlier changes of the same
    /// transaction.
    ///
    /// # Errors
    /// `Refused`: a group names a folder that is not stored or gives it another path; otherwise the store does not answer.
    pub async fn changes(
        &self,
        kind: ObjectKind,
        name: &str,
        mut document: Map<String, Value>,
        base: Option<&StoredDocument>,
        planned: &PlannedChanges,
    ) -> Result<Vec<Change>, StoreError> {
        let mut changes = match kind {
            ObjectKind::Group => self.folders_of(&mut document, planned).await?,
            ObjectKind::Folder | ObjectKind::Role => Vec::new(),
        };
        changes.push(match base {
            None => {
                let detail = added(kind.fields(), &document);
                self.change(kind, name, Write::Add(document), "add", detail)
            }
            Some(base) => {
                let detail = difference(kind.fields(), &base.document, &document);
                let is_moved =
                    kind == ObjectKind::Folder && base.document.get("mapped_path") != document.get("mapped_path");
                let reset = if is_moved { vec!["last_quota_update"] } else { Vec::new() };
                self.change(kind, name, Write::Replace { document, expected: base.version, reset }, "update", detail)
            }
        });
        Ok(changes)
    }

    /// The changes that delete the object, if it is still in that state and nothing refers to it.
    pub fn deletion(&self, kind: ObjectKind, stored: &StoredDocument) -> Vec<Change> {
        let (collection, name) = (kind.collection(), stored.name.clone());
        let write = Write::RequireUnreferenced(kind);
        let unreferenced = Change { collection, name, write, announce: false, audit: None };
        let write = Write::Delete { expected: Some(stored.version) };
        let detail = removed(kind.fields(), &stored.document);
        vec![unreferenced, self.change(kind, &stored.name, write, "delete", detail)]
    }

    fn change(&self, kind: ObjectKind, name: &str, write: Write, action: &str, detail: String) -> Change {
        let collection = kind.collection();
        let record = self.author.did(action, collection.kind, name, self.now);
        let audit = Some(AuditRecord { detail, ..record });
        Change { collection, name: name.to_owned(), write, announce: true, audit }
    }

    /// The folders that a group names have to stay as they were read.
    async fn folders_of(
        &self,
        document: &mut Map<String, Value>,
        planned: &PlannedChanges,
    ) -> Result<Vec<Change>, StoreError> {
        let folders = take_folder_paths(document);
        if folders.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.directory.find_all(&FOLDERS, folders.iter().map(|(name, _)| name.clone()).collect()).await?;
        let mut changes = Vec::new();
        for (name, path) in folders {
            let made = planned.document(&FOLDERS, &name);
            let found = stored.iter().find(|stored| stored.name == name);
            let Some(folder) = made.or(found.map(|found| &found.document)) else {
                return Err(StoreError::Field(missing_reference("virtual_folders", "folder", &name)));
            };
            let known = folder.get("mapped_path").and_then(Value::as_str).unwrap_or_default();
            if !path.is_empty() && path != known {
                return Err(other_path(&name, known));
            }
            if let (None, Some(found)) = (made, found) {
                let write = Write::Require { expected: found.version };
                changes.push(Change { collection: &FOLDERS, name, write, announce: false, audit: None });
            }
        }
        Ok(changes)
    }

    /// The accounts and groups that refer to the object; all of them are searched.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn references(&self, kind: ObjectKind, name: &str) -> Result<ObjectReferences, StoreError> {
        let mut found = ObjectReferences::default();
        for (collection, names) in [(&USERS, &mut found.users), (&GROUPS, &mut found.groups)] {
            let mut request = PageRequest { limit: PAGE, ..PageRequest::default() };
            loop {
                let page = self.directory.list(collection, request.clone()).await?;
                let Some(last) = page.last() else { break };
                request.after = Some(last.name.clone());
                let referring = page.into_iter().filter(|stored| kind.is_referred_to(&stored.document, name));
                names.extend(referring.map(|stored| stored.name));
            }
        }
        Ok(found)
    }
}

impl ObjectReferences {
    /// Whether no object refers to the object.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

impl std::fmt::Display for ObjectReferences {
    /// `the accounts "a", "b" and 3 more`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 3;
        let mut parts = Vec::new();
        for (one, many, names) in [("account", "accounts", &self.users), ("group", "groups", &self.groups)] {
            let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("\"{name}\"")).collect();
            let more = match names.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            match names.len() {
                0 => {}
                1 => parts.push(format!("the {one} {}", shown.join(""))),
                _ => parts.push(format!("the {many} {}{more}", shown.join(", "))),
            }
        }
        f.write_str(&parts.join(" and "))
    }
}
