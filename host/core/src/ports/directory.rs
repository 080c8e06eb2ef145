//! Where accounts, folders and other named documents live, and how running servers learn of their
//! changes.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{AuditRecord, Collection, StoreError};

/// Named documents, by collection. A store believes nothing and refuses no content: what a document
/// means, and whether it is valid, is for its reader to say.
///
/// # Errors
/// All methods may give `Busy` and `Failed`; those that write also `ReadOnly` and `Full`.
#[async_trait]
pub trait Directory: Send + Sync {
    /// With all that was written before, by any process.
    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError>;

    /// Those of the names that there are.
    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError>;

    /// In the order of the bytes of their names.
    async fn list(&self, collection: &'static Collection, page: PageRequest)
    -> Result<Vec<StoredDocument>, StoreError>;

    /// The name of each document and the text of one field that has a column; without a text it is empty.
    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError>;

    /// All of the changes, in their order, in one transaction with their announcements and their audit
    /// records; or nothing of it. The answer has the version of each, a deleted one's last.
    ///
    /// # Errors
    /// `Exists`, `NotFound` and `Conflict` name the first change that does not fit what is stored.
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError>;

    /// What was announced since the token was given; without one, only a token. Nothing that was committed
    /// is ever passed over, in whatever order commits of several writers become visible; something may be
    /// named twice.
    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError>;

    /// As [`changes`](Self::changes), once there are any. It may be dropped at any time.
    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError>;

    /// `at`: milliseconds since 1970. May be written a little later, but is read at once.
    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError>;

    /// An upload, or a download, was done. Says whether it was the account's first; `at` is kept for that
    /// one only.
    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError>;
}

/// The account of that name with that id: one that is made later under the same name is another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountKey {
    pub username: String,
    pub id: i64,
}

/// Which state of an object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Version {
    /// Positive, never reused in its collection; 0: not stored.
    pub id: i64,
    /// Counts the changes, from 0.
    pub revision: i64,
}

/// A document as it is stored, valid or not. It has the fields that the server maintains, too, and `id`.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDocument {
    pub name: String,
    pub version: Version,
    pub document: Map<String, Value>,
    /// What of it cannot be said in a document.
    pub problem: Option<String>,
}

/// Which documents of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// Only names after this one.
    pub after: Option<String>,
    /// Only names that begin so.
    pub prefix: Option<String>,
    pub limit: u32,
}

/// A change of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub collection: &'static Collection,
    pub name: String,
    pub write: Write,
    /// Whether servers that run are to look at the object again.
    pub announce: bool,
    pub audit: Option<AuditRecord>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// What the server maintains begins at 0.
    Add(Map<String, Value>),
    /// What the server maintains stays, but for what `reset` names: that is 0 again.
    Replace { document: Map<String, Value>, expected: Version, reset: Vec<&'static str> },
    /// None: whatever is there. A mark on its usage goes with it.
    Delete { expected: Option<Version> },
    /// Writes nothing; but the object has to be there as it was read.
    Require { expected: Version },
}

/// A place in the changes of a store, that only the store itself can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeToken(pub String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// For the next look.
    pub next: ChangeToken,
    pub objects: ChangedObjects,
}

/// Objects that were changed, by any process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedObjects {
    /// Kind of the collection, and name.
    Named(Vec<(String, String)>),
    /// More than are remembered.
    All,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        matches!(&self.objects, ChangedObjects::Named(names) if names.is_empty())
    }
}
