//! Use cases about folders: directories that accounts share.

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission};
use crate::ports::{Directory, FOLDERS};

/// Use cases about folders.
pub struct FolderAdministration {
    /// The store with the folders.
    pub directory: Arc<dyn Directory>,
}

impl FolderAdministration {
    /// The name of each folder and its path on the host, in the order of the names.
    ///
    /// # Errors
    /// The actor lacks `view_users`, or the store fails.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<(String, String)>, AdminError> {
        actor.require(AdminPermission::ViewUsers)?;
        Ok(self.directory.texts(&FOLDERS, "mapped_path").await?)
    }
}
