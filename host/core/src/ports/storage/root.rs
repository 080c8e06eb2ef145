//! How the root of a tree is reached on the host, and who says whether it may be opened.

use std::path::PathBuf;

use async_trait::async_trait;

use super::StorageError;

/// The way to a directory of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The absolute path, as an account or a folder has it.
    pub written: PathBuf,
    /// Where it leads, without symbolic links.
    pub found: PathBuf,
    /// The symbolic links on the way, in their order. The directories that hold them are without links.
    pub links: Vec<PathBuf>,
}

/// Decides whether a directory of the host may be the root of a tree, before anything of it is made or opened.
#[async_trait]
pub trait RootCheck: Send + Sync {
    /// Checks a way with symbolic links; what is opened afterwards is `found`, whatever becomes of the links.
    ///
    /// # Errors
    /// The directory may not be opened, or that is not known; the message says why, for the log.
    async fn check(&self, way: &Way) -> Result<(), StorageError>;
}
