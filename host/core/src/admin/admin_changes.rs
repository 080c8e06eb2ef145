//! Changes of administrators by interfaces that send whole documents.

use serde_json::{Map, Value};

use super::objects::MAX_CONFLICTS;
use super::{Actor, AdminError, Administrators, DocumentChange, ShownObject, UseCase};
use crate::ports::{StoreError, Version};

impl Administrators {
    /// Puts a document in the place of an administrator's. What it omits has its default, but for what clients are not
    /// shown (the password and the one-time codes), and for the status: a disabled administrator stays so. `expected`: the state
    /// that the change is based on; None: any.
    ///
    /// # Errors
    /// As of [`update`](Self::update), and the administrator has another version than the expected one (`Conflict`).
    pub async fn replace_document(
        &self,
        actor: &Actor,
        username: &str,
        document: &Map<String, Value>,
        expected: Option<Version>,
    ) -> Result<ShownObject, AdminError> {
        let mut tries = MAX_CONFLICTS;
        loop {
            self.audit.allow(actor, UseCase::UpdateAdmin, username).await?;
            let stored = self.expected(username, expected).await?;
            let mut document = document.clone();
            document.entry("username").or_insert_with(|| username.into());
            if let Some(status) = stored.document.get("status") {
                document.entry("status").or_insert_with(|| status.clone());
            }
            let change = DocumentChange::Document { document, revision: stored.version.revision };
            match self.update_version(actor, username, &change, None, Some(stored.version)).await {
                Err(AdminError::Store(StoreError::Conflict(_))) if expected.is_none() && tries > 0 => tries -= 1,
                outcome => return outcome,
            }
        }
    }
}
