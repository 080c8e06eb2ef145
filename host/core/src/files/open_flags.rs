//! Opening with flags as of open(2): creating, emptying and appending (draft §6.3).

use std::sync::Arc;

use super::place::LastName;
use super::{FileError, FileService, OpenFile};
use crate::hook::events::Protocol;
use crate::path::VirtualPath;
use crate::ports::storage::{FileKind, OpenOptions};

impl FileService {
    /// Opens a file with any flags. A file that is opened only for reading, but is made or emptied by that, is
    /// first uploaded without content, with all permissions, hooks and limits of an upload.
    ///
    /// # Errors
    /// As of [`open_read`](Self::open_read) and [`open_write`](Self::open_write).
    pub async fn open(
        self: &Arc<Self>,
        path: &VirtualPath,
        options: OpenOptions,
        protocol: Protocol,
    ) -> Result<OpenFile, FileError> {
        if options.write {
            return self.open_write(path, options, protocol).await;
        }
        if self.is_changed_by(path, options).await? {
            // A file that has appeared since must not be written to. A link whose target is to be made is followed,
            // which an exclusive open would refuse.
            let exclusive = options.exclusive || (!options.truncate && !self.is_link(path).await);
            let upload = OpenOptions { read: false, write: true, append: false, exclusive, ..options };
            let made = match self.open_write(path, upload, protocol).await {
                Ok(file) => file.close().await,
                Err(error) => Err(error),
            };
            // It is enough that another client has made the file meanwhile (flock on sshfs).
            if let Err(error) = made
                && (options.exclusive || options.truncate || self.storage.metadata(path).await.is_err())
            {
                return Err(error);
            }
        }
        self.open_read(path, protocol).await
    }

    async fn is_link(&self, path: &VirtualPath) -> bool {
        matches!(self.storage.symlink_metadata(path).await, Ok(found) if found.kind == FileKind::Symlink)
    }

    /// Whether opening the path for reading makes or empties a file.
    async fn is_changed_by(&self, path: &VirtualPath, options: OpenOptions) -> Result<bool, FileError> {
        if !options.truncate && !options.create {
            return Ok(false);
        }
        // `download` is checked before anything is changed.
        let place = self.place(path, LastName::Followed, |path| self.require_download(path)).await?;
        Ok(options.truncate || options.exclusive || !self.is_there(&place).await?)
    }
}
