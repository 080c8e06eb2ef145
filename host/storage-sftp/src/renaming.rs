//! Renames. `posix-rename@openssh.com` replaces what has the name, in one step; RENAME of version 3 does not.

use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileKind, StorageErrorKind};

use crate::errors::{Fault, exists, failed, is_directory, not_a_directory, not_found, unsupported};
use crate::packet::fxp;
use crate::session::Session;
use crate::storage::SftpStorage;

impl SftpStorage {
    /// Renames a file or directory.
    ///
    /// # Errors
    /// As those of the port.
    pub async fn move_to(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), Fault> {
        let (_, from) = self.find(from, false).await?;
        let (session, to) = self.find(to, false).await?;
        from.existing()?;
        let invalid = |text: &str| Err(failed(StorageErrorKind::Invalid, text).into());
        if from.path.is_root() || to.path.is_root() {
            return invalid("the root cannot be renamed or replaced");
        }
        if to.lacks_parent {
            return Err(not_found().into());
        }
        if from.path != to.path && to.path.is_same_or_below(&from.path) {
            return invalid("a directory cannot be moved into itself");
        }
        if !replace && to.attributes.is_some() {
            return Err(exists().into());
        }
        if replace && from.path == to.path {
            return Ok(());
        }
        if from.path.is_same_or_below(&to.path) {
            return Err(failed(StorageErrorKind::NotEmpty, "the directory is not empty").into());
        }
        let of_directory = from.kind() == Some(FileKind::Directory);
        match to.kind() {
            Some(FileKind::Directory) if !of_directory => return Err(is_directory().into()),
            Some(FileKind::File | FileKind::Symlink | FileKind::Other) if of_directory => {
                return Err(not_a_directory().into());
            }
            Some(_) | None => {}
        }
        let (old, new) = (self.tree.there(&from.path), self.tree.there(&to.path));
        let outcome = match &to.attributes {
            Some(_) => replace_by(&session, &old, &new).await,
            None if replace && session.offers.posix_rename => replace_by(&session, &old, &new).await,
            None => rename_to_new(&session, &old, &new).await,
        };
        match outcome {
            Ok(()) => {
                self.tree.remote.moved(&old);
                self.tree.remote.moved(&new);
                Ok(())
            }
            Err(fault) if fault.is_vague() && of_directory && to.attributes.is_some() => {
                Err(failed(StorageErrorKind::NotEmpty, "the directory is not empty").into())
            }
            outcome => outcome,
        }
    }
}

/// Renames to a name that nothing has.
///
/// # Errors
/// `AlreadyExists`: something has it by now.
pub async fn rename_to_new(session: &Session, old: &[u8], new: &[u8]) -> Result<(), Fault> {
    match session.request(fxp::RENAME, |packet| packet.text(old).text(new)).done().await {
        Err(fault) if fault.is_vague() => match session.about(fxp::LSTAT, new).attributes().await {
            Ok(_) => Err(exists().into()),
            Err(_) => Err(fault),
        },
        outcome => outcome,
    }
}

/// Renames, and replaces what has the name.
///
/// # Errors
/// `Unsupported`: the server cannot do it in one step.
pub async fn replace_by(session: &Session, old: &[u8], new: &[u8]) -> Result<(), Fault> {
    if !session.offers.posix_rename {
        return Err(unsupported("the SFTP server that has the files cannot replace a file by a rename").into());
    }
    session.extended(b"posix-rename@openssh.com", |packet| packet.text(old).text(new)).done().await
}
