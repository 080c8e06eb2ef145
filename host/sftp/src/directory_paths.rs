//! Paths with a slash at the end. To the system such a path is a directory's, and after a link it means the directory that
//! the link leads to. A [`VirtualPath`] has no such slash, so what it says is checked before it is dropped.

use tidegate_core::files::FileError;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileKind, Metadata};

use crate::fields::{OpenFlags, RawPath};
use crate::packet::Status;
use crate::server::SftpServer;

impl SftpServer {
    /// The path that a client means in a request that follows links.
    ///
    /// # Errors
    /// The path is malformed, or says that a file is a directory.
    pub(crate) async fn followed(&self, raw: &RawPath<'_>) -> Result<VirtualPath, Status> {
        let path = self.path(raw)?;
        if is_of_directory(raw)
            && let Ok(found) = self.files.metadata(&path).await
        {
            require_directory(&found)?;
        }
        Ok(path)
    }

    /// The path that a client means in a request about the name itself, which a link with a slash is not.
    ///
    /// # Errors
    /// The path is malformed, or says that a file or a link is a directory.
    pub(crate) async fn named(&self, raw: &RawPath<'_>) -> Result<VirtualPath, Status> {
        let path = self.path(raw)?;
        if is_of_directory(raw)
            && let Ok(found) = self.files.symlink_metadata(&path).await
        {
            require_directory(&found)?;
        }
        Ok(path)
    }

    /// The path of a new link, which is no directory: no name that ends with a slash is given to one.
    ///
    /// # Errors
    /// As of [`named`](Self::named), and where nothing has the name.
    pub(crate) async fn linked(&self, raw: &RawPath<'_>) -> Result<VirtualPath, Status> {
        let path = self.named(raw).await?;
        if is_of_directory(raw) && matches!(self.files.symlink_metadata(&path).await, Err(FileError::NotFound)) {
            return Err(FileError::NotFound.into());
        }
        Ok(path)
    }

    /// The old and the new path of a rename. Only a directory gets a new name that ends with a slash.
    ///
    /// # Errors
    /// As of [`named`](Self::named).
    pub(crate) async fn renamed(
        &self,
        from: &RawPath<'_>,
        to: &RawPath<'_>,
    ) -> Result<(VirtualPath, VirtualPath), Status> {
        let (old, new) = (self.named(from).await?, self.named(to).await?);
        if is_of_directory(to)
            && matches!(self.files.symlink_metadata(&new).await, Err(FileError::NotFound))
            && let Ok(found) = self.files.symlink_metadata(&old).await
        {
            require_directory(&found)?;
        }
        Ok((old, new))
    }

    /// The path of a file to open. OPEN makes no directories.
    ///
    /// # Errors
    /// As of [`followed`](Self::followed), and where the file were to be made.
    pub(crate) async fn opened(&self, raw: &RawPath<'_>, flags: OpenFlags) -> Result<VirtualPath, Status> {
        let path = self.path(raw)?;
        if is_of_directory(raw) {
            match self.files.metadata(&path).await {
                Ok(found) => require_directory(&found)?,
                Err(FileError::NotFound) if flags.options(None).create => {
                    return Err(FileError::Failed("is a directory".to_owned()).into());
                }
                Err(_) => {}
            }
        }
        Ok(path)
    }
}

/// Whether a path says that it is a directory's.
pub fn is_of_directory(raw: &RawPath<'_>) -> bool {
    raw.as_bytes().ends_with(b"/") || raw.as_bytes().ends_with(b"/.")
}

/// Refuses what is no directory.
///
/// # Errors
/// As the system says it of such a path.
pub fn require_directory(found: &Metadata) -> Result<(), FileError> {
    match found.kind {
        FileKind::Directory => Ok(()),
        FileKind::File | FileKind::Symlink | FileKind::Other => {
            Err(FileError::Unreachable("not a directory".to_owned()))
        }
    }
}
