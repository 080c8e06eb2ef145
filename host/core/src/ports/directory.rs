//! Where accounts, folders and other named documents live, and how running servers learn of their
//! changes.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{AccountFilter, AuditRecord, Collection, StoreError, USERS};
use crate::account::ObjectKind;

/// How many documents are read at once where all have to be looked at.
const READ_AT_ONCE: u32 = 1000;

/// Named documents, by collection. A store does not judge content: only the reader of a document decides what
/// it means and whether it is valid.
///
/// # Errors
/// All methods may give `Busy`, `Unavailable` and `Failed`; those that write also `ReadOnly` and `Full`.
#[async_trait]
pub trait Directory: Send + Sync {
    /// A stamp that the store gives again only if no document has changed in between, through whatever server or program:
    /// what was read after the first time is what would be read now. A change that is still being made has not been made.
    /// It never waits for long. None: the store cannot say at present, or never can.
    fn stamp(&self) -> Option<Stamp> {
        None
    }

    /// The document of this name; reflects everything that any process has written before.
    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError>;

    /// The document with this [id](Version::id); None: there is none.
    async fn find_by_id(&self, collection: &'static Collection, id: i64) -> Result<Option<StoredDocument>, StoreError> {
        let mut page = PageRequest { limit: READ_AT_ONCE, ..PageRequest::default() };
        loop {
            let mut found = self.list(collection, page.clone()).await?;
            let Some(last) = found.last() else { return Ok(None) };
            page.after = Some(last.name.clone());
            if let Some(index) = found.iter().position(|stored| stored.version.id == id) {
                return Ok(Some(found.swap_remove(index)));
            }
        }
    }

    /// The documents of these names; names without a document are left out.
    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError>;

    /// A page of documents, ordered by the bytes of their names.
    async fn list(&self, collection: &'static Collection, page: PageRequest)
    -> Result<Vec<StoredDocument>, StoreError>;

    /// A page of those accounts that the filter lets through, ordered by the bytes of their names. Stores that can find
    /// them otherwise do not look at all accounts, as this walk does.
    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        if filter.is_empty() {
            return self.list(&USERS, page).await;
        }
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let (mut through, mut request) = (Vec::new(), PageRequest { limit: READ_AT_ONCE, ..page });
        while through.len() < limit {
            let found = self.list(&USERS, request.clone()).await?;
            let Some(last) = found.last() else { break };
            request.after = Some(last.name.clone());
            through.extend(found.into_iter().filter(|stored| filter.lets_through(stored)));
        }
        through.truncate(limit);
        Ok(through)
    }

    /// The name of each document and the text of one field, which has a column; empty where the field has no
    /// text.
    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError>;

    /// Makes all of the changes, in their order, in one transaction with their announcements and audit
    /// records, or none of them. Gives the new version of each object; for a deleted one, its last.
    ///
    /// # Errors
    /// `Exists`, `NotFound` and `Conflict` name the first change that does not fit what is stored.
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError>;

    /// As [`commit`](Self::commit), also in one transaction, but with one part of the changes in memory at a time.
    ///
    /// # Errors
    /// As `commit`; or a part cannot be read.
    async fn commit_parts(&self, parts: Arc<dyn ChangeParts>) -> Result<(), StoreError> {
        let mut changes = Vec::with_capacity(parts.changes());
        for index in 0..parts.parts() {
            changes.extend(parts.fetch(index).await?);
        }
        self.commit(changes).await.map(drop)
    }

    /// The changes that were announced since the token was given; without a token, no changes and a new
    /// token. No committed change is ever missed, in whatever order the commits of several writers become
    /// visible; an object may be named more than once.
    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError>;

    /// As [`changes`](Self::changes), but waits until there are any. The future can be dropped at any time.
    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError>;

    /// Changes fields that the server maintains, in one step: of several changes at the same time each finds what
    /// the one before it has left. False: there is no such object, or its guard does not hold; nothing is changed.
    /// The object's revision stays, and nothing is announced.
    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError>;

    /// Stores the time of the account's last login, `at` in milliseconds since 1970. The store may write it a
    /// little later, but gives it to readers at once.
    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError>;

    /// Notes a complete upload or download that began at `at`, in milliseconds since 1970. Returns whether it was
    /// the account's first; only the time of the first is kept.
    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError>;

    /// Uses up the one-time codes of the account up to a time step (RFC 6238 §5.2), and returns only once that is
    /// kept. False: this step or a later one was used before, or there is no such account. Of several calls for one
    /// step, whichever servers they come from, one returns true.
    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError>;
}

/// Identifies an account by name and id: an account that is added later under the same name has another id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountKey {
    /// The account's name.
    pub username: String,
    /// The [id](Version::id) of its document.
    pub id: i64,
}

/// Identifies one state of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Version {
    /// Positive, never reused in its collection; 0: not stored.
    pub id: i64,
    /// The number of changes since the object was added.
    pub revision: i64,
}

/// What a store gives again for as long as nothing in it changes; see [`Directory::stamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(pub i64);

/// A document as it is stored, valid or not. It includes `id` and the fields that the server maintains.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDocument {
    /// The document's name in its collection.
    pub name: String,
    /// The state that was read; a change is based on it.
    pub version: Version,
    /// The fields by name.
    pub document: Map<String, Value>,
    /// What is stored in a way that no document can express, such as a column with a value of another type.
    pub problem: Option<String>,
}

/// Selects documents of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// Only names after this one.
    pub after: Option<String>,
    /// Only names with this prefix.
    pub prefix: Option<String>,
    /// The most documents to give.
    pub limit: u32,
}

/// A change of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The collection of the object.
    pub collection: &'static Collection,
    /// The object's name.
    pub name: String,
    /// What to do with it.
    pub write: Write,
    /// Whether running servers are told to read the object again.
    pub announce: bool,
    /// The audit record to write in the same transaction.
    pub audit: Option<AuditRecord>,
}

impl Change {
    /// The document that the object is to have; None: it gets none.
    pub fn document(&self) -> Option<&Map<String, Value>> {
        match &self.write {
            Write::Add(document) | Write::Replace { document, .. } => Some(document),
            Write::Delete { .. } | Write::Require { .. } | Write::RequireEmpty | Write::RequireUnreferenced(_) => None,
        }
    }
}

/// The changes of one transaction that are too many for memory. Each part can be read any number of times.
#[async_trait]
pub trait ChangeParts: Send + Sync {
    /// The number of all changes.
    fn changes(&self) -> usize;

    /// The number of parts.
    fn parts(&self) -> usize;

    /// The changes of a part; the parts are made in their order. May wait for a disk.
    ///
    /// # Errors
    /// The part cannot be read; a sentence.
    fn part(&self, index: usize) -> Result<Vec<Change>, StoreError>;

    /// As [`part`](Self::part), for tasks: while it waits for a disk, others go on.
    ///
    /// # Errors
    /// As of `part`.
    async fn fetch(&self, index: usize) -> Result<Vec<Change>, StoreError>;
}

/// What a change does to one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Adds a document; the fields that the server maintains begin at 0.
    Add(Map<String, Value>),
    /// Replaces a document. The fields that the server maintains stay, except those in `reset`.
    Replace {
        /// The new document.
        document: Map<String, Value>,
        /// The version that the change is based on.
        expected: Version,
        /// Maintained fields that become 0 again.
        reset: Vec<&'static str>,
    },
    /// Deletes a document, and the mark on its usage.
    Delete {
        /// The version that the change is based on; none: any.
        expected: Option<Version>,
    },
    /// Writes nothing, but the commit fails with `Conflict` if an account or a group refers to the object of that
    /// kind: before its deletion, since a search beforehand would miss what another writer adds meanwhile.
    RequireUnreferenced(ObjectKind),
    /// Writes nothing, but the commit fails unless the object is still as it was read.
    Require {
        /// The version that has to be the stored one.
        expected: Version,
    },
    /// Writes nothing, but the commit fails with `Conflict` if the collection has a document: before the first one is
    /// added, of which there is one, however many writers add it at the same time; what other writers add comes before,
    /// and is seen, or after the commit. Of administrators alone. Gives the version 0.
    RequireEmpty,
}

/// A change of fields that the server maintains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintainedChange {
    /// The collection of the object.
    pub collection: &'static Collection,
    /// The object's name.
    pub name: String,
    /// The [id](Version::id) of the object.
    pub id: i64,
    /// The change is made only while this field is below this number.
    pub guard: (&'static str, i64),
    /// Fields, and their new values.
    pub set: Vec<(&'static str, i64)>,
    /// Fields, and what is added to their values.
    pub add: Vec<(&'static str, i64)>,
}

/// A position in the sequence of a store's changes. Only the store can interpret it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeToken(pub String);

/// The answer of [`Directory::changes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The token for the next call.
    pub next: ChangeToken,
    /// The objects that were changed since the last token.
    pub objects: ChangedObjects,
}

/// Objects that were changed, by any process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedObjects {
    /// The changed objects: the kind of the collection, and the name.
    Named(Vec<(String, String)>),
    /// More changes than the store remembers: any object may have changed.
    All,
}

impl Changes {
    /// Whether no object was changed.
    pub fn is_empty(&self) -> bool {
        matches!(&self.objects, ChangedObjects::Named(names) if names.is_empty())
    }
}
