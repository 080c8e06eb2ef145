//! Directories that accounts share.

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission};
use crate::ports::{Directory, FOLDERS};

pub struct FolderAdministration {
    pub directory: Arc<dyn Directory>,
}

impl FolderAdministration {
    /// Names and paths of the host, in the order of the names.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<(String, String)>, AdminError> {
        actor.require(AdminPermission::ViewUsers)?;
        Ok(self.directory.texts(&FOLDERS, "mapped_path").await?)
    }
}
