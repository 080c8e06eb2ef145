//! Operations on names: directories, removals, renames and links.

use std::sync::Arc;

use super::place::LastName;
use super::{FileError, FileService};
use crate::hook::events::{ActionKind, FileAction, Protocol};
use crate::hook::review::Review;
use crate::path::VirtualPath;
use crate::permission::Permission;
use crate::ports::FileEventKind;
use crate::ports::storage::{FileKind, StorageErrorKind};
use crate::trace;

impl FileService {
    /// Makes a directory. Needs `create_dirs` on the parent (A5-05).
    ///
    /// # Errors
    /// The permission is missing, a hook denies, or the storage cannot make the directory.
    pub async fn create_directory(
        &self,
        path: &VirtualPath,
        mode: Option<u32>,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        let span = self.span(ActionKind::Mkdir.as_str(), path, protocol);
        trace::operation(span, async {
            let check = |path: &VirtualPath| {
                self.require(&path.parent(), Permission::CreateDirs)?;
                self.require_name(path)
            };
            let place = self.place(path, LastName::Itself, check).await?;
            let path = place.path();
            self.review(ActionKind::Mkdir, &place, protocol, |_| {}).await?;
            let outcome = self.tree().create_directory(path, mode).await.map_err(FileError::from);
            self.record_if(&outcome, protocol, path, FileEventKind::CreateDirectory);
            self.done(ActionKind::Mkdir, &place, protocol, outcome, |_| {}).await
        })
        .await
    }

    /// Removes an empty directory. Needs `delete` or `delete_dirs` on the parent (A5-05).
    ///
    /// # Errors
    /// A permission is missing, the path is the root or holds a folder, a hook denies, or the storage cannot
    /// remove the directory.
    pub async fn remove_directory(&self, path: &VirtualPath, protocol: Protocol) -> Result<(), FileError> {
        let span = self.span(ActionKind::Rmdir.as_str(), path, protocol);
        trace::operation(span, async {
            let check = |path: &VirtualPath| {
                self.refuse_fixed(path)?;
                self.require_any(&path.parent(), &[Permission::Delete, Permission::DeleteDirs])?;
                self.require_name(path)
            };
            let place = self.place(path, LastName::Itself, check).await?;
            let path = place.path();
            self.review(ActionKind::Rmdir, &place, protocol, |_| {}).await?;
            let changing = self.changing(&[path]).await?;
            let outcome = self.tree().remove_directory(path).await.map_err(|error| match error.kind {
                // A5-08
                StorageErrorKind::NotADirectory => FileError::Failed(error.message),
                _ => FileError::from(error),
            });
            drop(changing);
            self.record_if(&outcome, protocol, path, FileEventKind::RemoveDirectory);
            self.done(ActionKind::Rmdir, &place, protocol, outcome, |_| {}).await
        })
        .await
    }

    /// Removes a file or a link. Needs `delete` or `delete_files` on the parent (A5-05).
    ///
    /// # Errors
    /// A permission is missing, a hook denies, or the storage cannot remove the file.
    pub async fn remove_file(&self, path: &VirtualPath, protocol: Protocol) -> Result<(), FileError> {
        let span = self.span(ActionKind::Delete.as_str(), path, protocol);
        trace::operation(span, async {
            let check = |path: &VirtualPath| {
                self.refuse_fixed(path)?;
                self.require_any(&path.parent(), &[Permission::Delete, Permission::DeleteFiles])?;
                self.require_name(path)
            };
            let place = self.place(path, LastName::Itself, check).await?;
            let path = place.path();
            let before = self.metadata_for_hooks(path).await;
            let size = before.map(|metadata| metadata.size);
            let review = self.review(ActionKind::Delete, &place, protocol, |action| action.size = size).await?;
            if review == Review::Done {
                if before.is_some() && self.is_missing(path).await {
                    self.recount(path).await?;
                }
                // J-04: the hook's program has deleted the file, and observers are not told.
                return Ok(());
            }
            let changing = self.removing(path).await?;
            let outcome = match self.remove_counting(path).await {
                // B10-07: the removal succeeds if a hook has removed the file itself.
                Err(FileError::NotFound) if before.is_some() => self.recount(path).await,
                outcome => outcome,
            };
            drop(changing);
            self.record_if(&outcome, protocol, path, FileEventKind::Remove);
            self.done(ActionKind::Delete, &place, protocol, outcome, |action| action.size = size).await
        })
        .await
    }

    /// Renames a file or a directory, between file systems by copies where it has to be. Needs `rename`, `rename_files`
    /// or `rename_dirs` on both parents (A5-05, J-19);
    /// replacing a file needs `replace` and `overwrite` on the target's parent (A5-07).
    ///
    /// # Errors
    /// A permission is missing, the rules of a directory would change, a hook denies, or the storage cannot
    /// rename.
    pub async fn rename(
        self: &Arc<Self>,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: bool,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        let span = self.span(ActionKind::Rename.as_str(), from, protocol);
        trace::operation(span, async {
            let kind = self.storage.symlink_metadata(from).await.map(|metadata| metadata.kind);
            let by_kind = match kind {
                Ok(FileKind::Directory) => Permission::RenameDirs,
                Ok(FileKind::File | FileKind::Symlink | FileKind::Other) | Err(_) => Permission::RenameFiles,
            };
            let check = |side: &VirtualPath| {
                self.refuse_fixed(side)?;
                self.require_any(&side.parent(), &[Permission::Rename, by_kind])?;
                self.require_name(side)?;
                self.refuse_other_rules_below(side)
            };
            let source = self.place(from, LastName::Itself, check).await?;
            let target = self.place(to, LastName::Itself, check).await?;
            let (from, to) = (source.path(), target.path());
            // Other patterns would hold for the files in the directory.
            if kind? == FileKind::Directory && !self.account().filters.file_patterns.same_rule(from, to) {
                return Err(FileError::Denied);
            }
            let may_replace =
                target.spellings().all(|to| self.permissions_at(&to.parent()).allows(Permission::Overwrite));
            if replace && !may_replace && self.tree().symlink_metadata(to).await.is_ok() {
                return Err(FileError::Denied);
            }
            let target_path = self.storage.host_path(to);
            let details = |action: &mut FileAction| action.set_target(&target, &target_path);
            self.review(ActionKind::Rename, &source, protocol, details).await?;
            let changing = self.changing(&[from, to]).await?;
            let outcome = self.rename_counting(from, to, replace && may_replace, protocol).await;
            drop(changing);
            self.record_if(&outcome, protocol, from, FileEventKind::Rename { target: &target_path.to_string_lossy() });
            self.done(ActionKind::Rename, &source, protocol, outcome, details).await
        })
        .await
    }

    /// Gives a file a second name. Since both names can read and change the file, `download`, `upload` and
    /// `overwrite` are needed on both parents. To hooks it is a copy (B10-01).
    ///
    /// # Errors
    /// A permission is missing, a hook denies, or the storage cannot make the link.
    pub async fn hard_link(
        &self,
        existing: &VirtualPath,
        new: &VirtualPath,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        let span = self.span("link", existing, protocol);
        trace::operation(span, async {
            let check = |side: &VirtualPath| {
                for permission in [Permission::Download, Permission::Upload, Permission::Overwrite] {
                    self.require(&side.parent(), permission)?;
                }
                self.require_name(side)
            };
            let check_new = |side: &VirtualPath| {
                self.refuse_fixed(side)?;
                check(side)
            };
            let source = self.place(existing, LastName::Itself, check).await?;
            let target = self.place(new, LastName::Itself, check_new).await?;
            let (existing, new) = (source.path(), target.path());
            let size = self.metadata_for_hooks(existing).await.map(|metadata| metadata.size);
            let target_path = self.storage.host_path(new);
            let details = |action: &mut FileAction| {
                action.set_target(&target, &target_path);
                action.size = size;
            };
            self.review(ActionKind::Copy, &source, protocol, details).await?;
            self.require_same_hooks(&source, &target)?;
            let changing = self.changing(&[existing]).await?;
            let outcome = self.link_counting(existing, new).await;
            drop(changing);
            self.record_if(
                &outcome,
                protocol,
                existing,
                FileEventKind::HardLink { target: &target_path.to_string_lossy() },
            );
            self.done(ActionKind::Copy, &source, protocol, outcome, details).await
        })
        .await
    }

    async fn link_counting(&self, existing: &VirtualPath, new: &VirtualPath) -> Result<(), FileError> {
        let Some(counted) = self.counted(new) else {
            return Ok(self.tree().hard_link(existing, new).await?);
        };
        let names = counted.ledger.names(|| self.scan_tree(new)).await?;
        let unanswered = self.unanswered(&counted, new);
        let linked = self.tree().hard_link(existing, new).await;
        // Where a storage does not tell that two names are one file, each counts, as it will when it is removed.
        if linked.is_ok() && self.tree().symlink_metadata(new).await.is_ok_and(|made| made.links < 2) {
            names.moved_away();
            counted.ledger.settle_doubt(|| self.scan_tree(new));
        }
        if let Some(unanswered) = unanswered {
            unanswered.answered(&linked);
        }
        Ok(linked?)
    }

    /// Makes a symbolic link. Needs `create_symlinks` on the parent of the link (A5-05). The target is not checked
    /// here: storage confines links when they are followed, and the rules of both paths hold then.
    ///
    /// # Errors
    /// The permission is missing, a hook denies, or the storage cannot make the link.
    pub async fn create_symlink(&self, target: &[u8], link: &VirtualPath, protocol: Protocol) -> Result<(), FileError> {
        let span = self.span("symlink", link, protocol);
        trace::operation(span, async {
            let check = |link: &VirtualPath| {
                self.refuse_fixed(link)?;
                self.require(&link.parent(), Permission::CreateSymlinks)?;
                self.require_name(link)
            };
            if target.is_empty() {
                return Err(FileError::NotFound);
            }
            let place = self.place(link, LastName::Itself, check).await?;
            let link = place.path();
            let meant = VirtualPath::resolve(&link.parent(), target)?;
            // The link is another name of its target: hooks are asked as for a copy of the target (B10-01).
            let link_path = self.storage.host_path(link);
            let details = |action: &mut FileAction| action.set_target(&place, &link_path);
            self.review(ActionKind::Copy, &self.named_place(&meant).await, protocol, details).await?;
            self.tree().create_symlink(target, link).await?;
            let target_path = self.storage.host_path(&meant);
            self.record(protocol, link, FileEventKind::Symlink { target: &target_path.to_string_lossy() });
            Ok(())
        })
        .await
    }

    async fn is_missing(&self, path: &VirtualPath) -> bool {
        matches!(self.storage.symlink_metadata(path).await, Err(error) if error.kind == StorageErrorKind::NotFound)
    }

    /// Refuses to rename a directory with rules of its own, or one above it: the rules are bound to the path, and
    /// would not move along.
    fn refuse_other_rules_below(&self, path: &VirtualPath) -> Result<(), FileError> {
        let account = self.account();
        if account.permissions.has_rules_below(path) || account.filters.file_patterns.has_rule_below(path) {
            return Err(FileError::Denied);
        }
        Ok(())
    }

    /// Refuses to remove or rename the root (A5-07), virtual folders, and directories above them.
    fn refuse_fixed(&self, path: &VirtualPath) -> Result<(), FileError> {
        if path.is_root() || self.account().folders.any_below(path) { Err(FileError::Denied) } else { Ok(()) }
    }
}
