//! Use cases about the state of the server.

use std::sync::Arc;

use super::{Actor, AdminError};
use crate::ports::Directory;

/// Use cases about the state of the server.
pub struct StatusAdministration {
    /// The store of accounts.
    pub directory: Arc<dyn Directory>,
}

impl StatusAdministration {
    /// Whether the store answers. Every administrator may ask.
    ///
    /// # Errors
    /// The store does not answer; the error says why.
    pub async fn store(&self, _: &Actor) -> Result<(), AdminError> {
        self.directory.changes(None).await?;
        Ok(())
    }
}
