//! Directories that accounts share.

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission};
use crate::ports::FolderStore;

pub struct FolderAdministration {
    pub folders: Arc<dyn FolderStore>,
}

impl FolderAdministration {
    /// Names and paths of the host, in the order of the names.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<(String, String)>, AdminError> {
        actor.require(AdminPermission::ViewUsers)?;
        let mut folders = Vec::new();
        for name in self.folders.folder_names().await? {
            if let Some(path) = self.folders.mapped_path(&name).await? {
                folders.push((name, path));
            }
        }
        Ok(folders)
    }
}
