//! Changes of folders, groups and roles by interfaces that base a change on a version, and that send whole documents
//! without the secrets that they were not shown.

use serde_json::{Map, Value};

use super::objects::cases;
use super::{Actor, AdminError, DocumentChange, ObjectAdministration, PAGE, ShownObject};
use crate::account::{ObjectKind, OffsetPage, documents_at};
use crate::ports::{StoreError, Version};

impl ObjectAdministration {
    /// A page of at most 500 objects, valid or not.
    ///
    /// # Errors
    /// The actor lacks `view_users`, or the store fails.
    pub async fn page_at(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        page: OffsetPage,
    ) -> Result<Vec<ShownObject>, AdminError> {
        self.audit.allow(actor, cases(kind).list, "").await?;
        let page = OffsetPage { limit: page.limit.min(PAGE), ..page };
        let found = documents_at(&*self.directory, kind.collection(), page).await?;
        Ok(found.into_iter().map(|stored| ShownObject::of(kind, stored)).collect())
    }

    /// Replaces an object by the document; secrets that clients are not shown stay where it does not name them.
    /// `expected`: the state that the document is based on; None: any.
    ///
    /// # Errors
    /// As of [`update`](Self::update), and the object has another version than the expected one (`Conflict`).
    pub async fn replace(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        name: &str,
        document: &Map<String, Value>,
        expected: Option<Version>,
    ) -> Result<ShownObject, AdminError> {
        let mut tries = super::objects::MAX_CONFLICTS;
        loop {
            self.audit.allow(actor, cases(kind).update, name).await?;
            let stored = self.stored(kind, name).await?;
            if expected.is_some_and(|expected| expected != stored.version) {
                return Err(StoreError::Conflict(kind.collection().object(name)).into());
            }
            let mut document = document.clone();
            document.entry("name").or_insert_with(|| name.into());
            let change = DocumentChange::Document { document, revision: stored.version.revision };
            match self.update(actor, kind, name, &change).await {
                Err(AdminError::Store(StoreError::Conflict(_))) if expected.is_none() && tries > 0 => tries -= 1,
                outcome => return outcome,
            }
        }
    }

    /// Deletes an object that nothing refers to. `expected`: the state that it has to have; None: any.
    ///
    /// # Errors
    /// As of [`delete`](Self::delete), and the object has another version than the expected one (`Conflict`).
    pub async fn delete_version(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        name: &str,
        expected: Option<Version>,
    ) -> Result<(), AdminError> {
        self.audit.allow(actor, cases(kind).delete, name).await?;
        let stored = self.stored(kind, name).await?;
        if expected.is_some_and(|expected| expected != stored.version) {
            return Err(StoreError::Conflict(kind.collection().object(name)).into());
        }
        self.delete_stored(actor, kind, stored).await
    }
}
