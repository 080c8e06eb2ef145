//! Use cases about the objects that accounts refer to: folders, groups and roles.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::reach::check_object;
use super::{Actor, AdminError, Audit, DocumentChange, PAGE_AND_ONE, UseCase};
use crate::account::{
    Accounts, ObjectKind, ObjectReferences, ObjectWriting, PlannedChanges, check_new_name, redacted_object,
};
use crate::hook::observation::Change as Told;
use crate::ports::{Change, Directory, PageRequest, StoreError, StoredDocument, Version};

/// How often a change of single fields is tried again because another writer was first.
pub(super) const MAX_CONFLICTS: u32 = 16;

/// Use cases about folders, groups and roles.
pub struct ObjectAdministration {
    /// The store of the objects.
    pub directory: Arc<dyn Directory>,
    /// Tells observers of changes.
    pub accounts: Arc<Accounts>,
    /// Records refusals.
    pub audit: Audit,
}

/// An object as administrators see it, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownObject {
    /// The revision that a change of the whole document has to name.
    pub revision: i64,
    /// The document, secrets redacted.
    pub document: Map<String, Value>,
    /// Why the stored object is not valid, in a sentence; None: it is valid.
    pub problem: Option<String>,
}

impl ShownObject {
    pub(super) fn of(kind: ObjectKind, stored: StoredDocument) -> Self {
        let problem = kind.problem_of(&stored);
        Self { revision: stored.version.revision, document: redacted_object(kind.in_order(stored.document)), problem }
    }
}

impl ObjectAdministration {
    /// A page of at most 500 objects and one more, valid or not, in the order of their names.
    ///
    /// # Errors
    /// The actor lacks `view_users`, or the store fails.
    pub async fn list(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        request: PageRequest,
    ) -> Result<Vec<ShownObject>, AdminError> {
        self.audit.allow(actor, cases(kind).list, "").await?;
        let request = PageRequest { limit: request.limit.min(PAGE_AND_ONE), ..request };
        let page = self.directory.list(kind.collection(), request).await?;
        Ok(page.into_iter().map(|stored| ShownObject::of(kind, stored)).collect())
    }

    /// One stored object, valid or not, and the accounts and groups that refer to it.
    ///
    /// # Errors
    /// The actor lacks `view_users`, there is no such object, or the store fails.
    pub async fn show(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        name: &str,
    ) -> Result<(ShownObject, ObjectReferences), AdminError> {
        self.audit.allow(actor, cases(kind).show, name).await?;
        let stored = self.stored(kind, name).await?;
        let references = self.writing(actor).references(kind, name).await?;
        Ok((ShownObject::of(kind, stored), references))
    }

    /// Adds an object.
    ///
    /// # Errors
    /// The actor lacks the permission for the kind, the document is not valid, there is an object of that name, or
    /// the store fails.
    pub async fn add(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        document: &Map<String, Value>,
    ) -> Result<ShownObject, AdminError> {
        let given = document.get("name").and_then(Value::as_str).unwrap_or_default();
        self.audit.allow(actor, cases(kind).add, given).await?;
        let mut document = kind.merged(Map::new(), document)?;
        kind.keep_secrets(None, &mut document);
        let (name, document) = validated(kind, document)?;
        let noun = kind.collection().noun;
        check_new_name("name", &name).map_err(|problem| AdminError::Object { noun, problem })?;
        self.check_reach(actor, cases(kind).add, kind, &name, &document, None).await?;
        let changes = self.writing(actor).changes(kind, &name, document, None, &PlannedChanges::default()).await?;
        self.store(actor, kind, &name, changes, Told::Add).await
    }

    /// Changes an object. Accounts that refer to it have the new state at once, in open sessions as well.
    ///
    /// # Errors
    /// The actor lacks the permission for the kind, there is no such object, the change would rename it, the result
    /// is not valid, a whole document was made from another revision, or the store fails.
    pub async fn update(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        name: &str,
        change: &DocumentChange,
    ) -> Result<ShownObject, AdminError> {
        self.audit.allow(actor, cases(kind).update, name).await?;
        let mut tries = MAX_CONFLICTS;
        loop {
            let stored = self.stored(kind, name).await?;
            let mut document = changed(kind, &stored, change)?;
            kind.keep_secrets(Some(&stored), &mut document);
            let (wanted, document) = validated(kind, document)?;
            if wanted != name {
                let noun = kind.collection().noun;
                return Err(AdminError::Renamed { noun, from: name.to_owned(), to: wanted });
            }
            let before = Some(&stored.document);
            self.check_reach(actor, cases(kind).update, kind, name, &document, before).await?;
            let changes =
                self.writing(actor).changes(kind, name, document, Some(&stored), &PlannedChanges::default()).await?;
            match self.store(actor, kind, name, changes, Told::Update).await {
                Err(AdminError::Store(StoreError::Conflict(_)))
                    if matches!(change, DocumentChange::Fields { .. }) && tries > 0 =>
                {
                    tries -= 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Deletes an object that nothing refers to, valid or not.
    ///
    /// # Errors
    /// The actor lacks the permission for the kind, there is no such object, accounts or groups refer to it, it was
    /// changed at the same time, or the store fails.
    pub async fn delete(&self, actor: &Actor, kind: ObjectKind, name: &str) -> Result<(), AdminError> {
        self.audit.allow(actor, cases(kind).delete, name).await?;
        let stored = self.stored(kind, name).await?;
        self.delete_stored(actor, kind, stored).await
    }

    pub(super) async fn delete_stored(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        stored: StoredDocument,
    ) -> Result<(), AdminError> {
        let (name, writing) = (stored.name.as_str(), self.writing(actor));
        let references = writing.references(kind, name).await?;
        if !references.is_empty() {
            let noun = kind.collection().noun;
            let problem = format!("the {noun} \"{name}\" is used by {references}; take it from them first");
            return Err(AdminError::InUse(problem));
        }
        self.directory.commit(writing.deletion(kind, &stored)).await?;
        let document = stored.document;
        let object = || redacted_object(document);
        self.accounts.tell_of(kind.collection().kind, Told::Delete, name, object, &actor.author);
        Ok(())
    }

    async fn check_reach(
        &self,
        actor: &Actor,
        case: UseCase,
        kind: ObjectKind,
        name: &str,
        document: &Map<String, Value>,
        stored: Option<&Map<String, Value>>,
    ) -> Result<(), AdminError> {
        match check_object(actor, &self.accounts, kind, name, document, stored).await {
            Err(error @ (AdminError::NotForActor(_) | AdminError::Forbidden { .. })) => {
                Err(self.audit.refuse(actor, case, name, error).await)
            }
            outcome => outcome,
        }
    }

    /// Commits the changes, tells observers, and gives the object as it is stored now.
    async fn store(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        name: &str,
        changes: Vec<Change>,
        told: Told,
    ) -> Result<ShownObject, AdminError> {
        self.directory.commit(changes).await?;
        let shown = ShownObject::of(kind, self.stored(kind, name).await?);
        let object = || shown.document.clone();
        self.accounts.tell_of(kind.collection().kind, told, name, object, &actor.author);
        Ok(shown)
    }

    pub(super) async fn stored(&self, kind: ObjectKind, name: &str) -> Result<StoredDocument, StoreError> {
        let found = self.directory.find(kind.collection(), name).await?;
        found.ok_or_else(|| StoreError::NotFound(kind.collection().object(name)))
    }

    fn writing<'a>(&'a self, actor: &'a Actor) -> ObjectWriting<'a> {
        ObjectWriting { directory: &*self.directory, author: &actor.author, now: self.accounts.now() }
    }
}

/// The use cases about one kind of object.
pub(super) struct Cases {
    pub list: UseCase,
    pub show: UseCase,
    pub add: UseCase,
    pub update: UseCase,
    pub delete: UseCase,
}

pub(super) fn cases(kind: ObjectKind) -> Cases {
    match kind {
        ObjectKind::Folder => Cases {
            list: UseCase::ListFolders,
            show: UseCase::ShowFolder,
            add: UseCase::AddFolder,
            update: UseCase::UpdateFolder,
            delete: UseCase::DeleteFolder,
        },
        ObjectKind::Group => Cases {
            list: UseCase::ListGroups,
            show: UseCase::ShowGroup,
            add: UseCase::AddGroup,
            update: UseCase::UpdateGroup,
            delete: UseCase::DeleteGroup,
        },
        ObjectKind::Role => Cases {
            list: UseCase::ListRoles,
            show: UseCase::ShowRole,
            add: UseCase::AddRole,
            update: UseCase::UpdateRole,
            delete: UseCase::DeleteRole,
        },
    }
}

pub(super) fn validated(
    kind: ObjectKind,
    document: Map<String, Value>,
) -> Result<(String, Map<String, Value>), AdminError> {
    let invalid = |problem| AdminError::Object { noun: kind.collection().noun, problem };
    kind.accepted(document).map_err(invalid)
}

/// The document after the change.
fn changed(
    kind: ObjectKind,
    stored: &StoredDocument,
    change: &DocumentChange,
) -> Result<Map<String, Value>, AdminError> {
    match change {
        DocumentChange::Fields { patches, replaced } => {
            let mut document = stored.document.clone();
            replaced.iter().for_each(|field| drop(document.remove(field)));
            for patch in patches {
                document = kind.merged(document, patch)?;
            }
            Ok(document)
        }
        DocumentChange::Document { revision, .. }
            if Version { revision: *revision, ..stored.version } != stored.version =>
        {
            Err(StoreError::Conflict(kind.collection().object(&stored.name)).into())
        }
        DocumentChange::Document { document, .. } => Ok(kind.merged(Map::new(), document)?),
    }
}
