//! Operations on names: directories, removals, renames and links.

use super::storage::{FileKind, StorageErrorKind};
use super::{ActionKind, Command, FileAction, FileError, FileService, Protocol};
use crate::hook::review::Review;
use crate::path::VirtualPath;
use crate::permission::Permission;

impl FileService {
    pub async fn create_directory(
        &self,
        path: &VirtualPath,
        mode: Option<u32>,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        self.require(&path.parent(), Permission::CreateDirs)?;
        self.require_name(path)?;
        self.review(ActionKind::Mkdir, path, protocol, |_| {}).await?;
        let outcome = self.storage.create_directory(path, mode).await.map_err(FileError::from);
        self.record_if(&outcome, "Mkdir", protocol, path, Command::default());
        self.done(ActionKind::Mkdir, path, protocol, outcome, |_| {}).await
    }

    pub async fn remove_directory(&self, path: &VirtualPath, protocol: Protocol) -> Result<(), FileError> {
        self.refuse_fixed(path)?;
        self.require_any(&path.parent(), &[Permission::Delete, Permission::DeleteDirs])?;
        self.require_name(path)?;
        self.review(ActionKind::Rmdir, path, protocol, |_| {}).await?;
        let outcome = self.storage.remove_directory(path).await.map_err(FileError::from);
        self.record_if(&outcome, "Rmdir", protocol, path, Command::default());
        self.done(ActionKind::Rmdir, path, protocol, outcome, |_| {}).await
    }

    pub async fn remove_file(&self, path: &VirtualPath, protocol: Protocol) -> Result<(), FileError> {
        self.refuse_fixed(path)?;
        self.require_any(&path.parent(), &[Permission::Delete, Permission::DeleteFiles])?;
        self.require_name(path)?;
        let before = self.metadata_for_hooks(path).await;
        let size = before.map(|metadata| metadata.size);
        let review = self.review(ActionKind::Delete, path, protocol, |action| action.size = size).await?;
        if review == Review::Done {
            if before.is_some() && self.is_missing(path).await {
                self.recount(path).await?;
            }
            // J-04: the program has deleted it, and wants to hear no more of it.
            return Ok(());
        }
        let outcome = match self.remove_counting(path).await {
            // B10-07: a hook that removed the file itself is as good.
            Err(FileError::NotFound) if before.is_some() => self.recount(path).await,
            outcome => outcome,
        };
        self.record_if(&outcome, "Remove", protocol, path, Command::default());
        self.done(ActionKind::Delete, path, protocol, outcome, |action| action.size = size).await
    }

    /// `rename` on both parents (A5-05, J-19); replacing a file needs `overwrite` on the
    /// target (A5-07).
    pub async fn rename(
        &self,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: bool,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        self.refuse_fixed(from)?;
        self.refuse_fixed(to)?;
        let kind = self.storage.symlink_metadata(from).await.map(|metadata| metadata.kind);
        let by_kind = match kind {
            Ok(FileKind::Directory) => Permission::RenameDirs,
            _ => Permission::RenameFiles,
        };
        for side in [from, to] {
            self.require_any(&side.parent(), &[Permission::Rename, by_kind])?;
            self.require_name(side)?;
        }
        self.refuse_other_rules_below(from)?;
        self.refuse_other_rules_below(to)?;
        // What is in a directory would come under other patterns.
        if kind? == FileKind::Directory && !self.account().filters.file_patterns.same_rule(from, to) {
            return Err(FileError::Denied);
        }
        let may_replace = self.permissions_at(&to.parent()).allows(Permission::Overwrite);
        if replace && !may_replace && self.storage.symlink_metadata(to).await.is_ok() {
            return Err(FileError::Denied);
        }
        let details = |action: &mut FileAction| {
            action.target = Some(to.clone());
            action.storage_target = Some(self.storage.host_path(to));
        };
        self.review(ActionKind::Rename, from, protocol, details).await?;
        let outcome = self.rename_counting(from, to, replace && may_replace).await;
        let target_path = self.storage.host_path(to);
        self.record_if(&outcome, "Rename", protocol, from, Command { target_path, ..Command::default() });
        self.done(ActionKind::Rename, from, protocol, outcome, details).await
    }

    async fn rename_counting(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), FileError> {
        let Some(counted) = self.counted(to) else {
            return Ok(self.storage.rename(from, to, replace).await?);
        };
        // Held for every rename: a directory must not move past a scan.
        let names = counted.ledger.names(|| self.scan_tree(to)).await?;
        if !replace {
            return Ok(self.storage.rename(from, to, false).await?);
        }
        let moved = self.storage.symlink_metadata(from).await?;
        let replaced = self.storage.symlink_metadata(to).await.ok();
        self.storage.rename(from, to, true).await?;
        // Two names of one file: the system call does nothing.
        if let Some(replaced) = replaced.filter(|replaced| replaced.id != moved.id) {
            names.removed(&replaced);
        }
        Ok(())
    }

    /// A second name gives the file's content and a way to change it: `download` and
    /// `upload` at its place, `upload` at the new one. Hooks know it as a copy.
    pub async fn hard_link(
        &self,
        existing: &VirtualPath,
        new: &VirtualPath,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        self.refuse_fixed(new)?;
        for permission in [Permission::Download, Permission::Upload, Permission::Overwrite] {
            self.require(&existing.parent(), permission)?;
            self.require(&new.parent(), permission)?;
        }
        self.require_name(existing)?;
        self.require_name(new)?;
        let size = self.metadata_for_hooks(existing).await.map(|metadata| metadata.size);
        let target_path = self.storage.host_path(new);
        let details = |action: &mut FileAction| {
            action.target = Some(new.clone());
            action.storage_target = Some(target_path.clone());
            action.size = size;
        };
        self.review(ActionKind::Copy, existing, protocol, details).await?;
        let outcome = self.counting_nothing(new, async || Ok(self.storage.hard_link(existing, new).await?)).await;
        let command = Command { target_path: target_path.clone(), ..Command::default() };
        self.record_if(&outcome, "Link", protocol, existing, command);
        self.done(ActionKind::Copy, existing, protocol, outcome, details).await
    }

    /// `create_symlinks` on the parent of the link (A5-05). Following it later is subject to
    /// storage's confinement.
    pub async fn create_symlink(&self, target: &[u8], link: &VirtualPath, protocol: Protocol) -> Result<(), FileError> {
        self.refuse_fixed(link)?;
        if target.is_empty() {
            return Err(FileError::NotFound);
        }
        let meant = VirtualPath::resolve(&link.parent(), target)?;
        if meant.is_root() {
            return Err(FileError::Denied);
        }
        self.require(&link.parent(), Permission::CreateSymlinks)?;
        self.require_name(link)?;
        // Rules are looked up by the path that the client wrote: through a link, those of its
        // place would hold for what it points to.
        let account = self.account();
        if account.permissions.has_several_directories() || !account.filters.file_patterns.is_empty() {
            return Err(FileError::Denied);
        }
        // Where it leads is another place to find the file; hooks that watch names are asked.
        let details = |action: &mut FileAction| {
            action.target = Some(link.clone());
            action.storage_target = Some(self.storage.host_path(link));
        };
        self.review(ActionKind::Copy, &meant, protocol, details).await?;
        self.storage.create_symlink(target, link).await?;
        let target_path = self.storage.host_path(&meant);
        self.record("Symlink", protocol, link, Command { target_path, ..Command::default() });
        Ok(())
    }

    async fn is_missing(&self, path: &VirtualPath) -> bool {
        matches!(self.storage.symlink_metadata(path).await, Err(error) if error.kind == StorageErrorKind::NotFound)
    }

    /// A directory with rules of its own, or one above it, keeps its name: the rules are bound
    /// to the path and would stay behind.
    fn refuse_other_rules_below(&self, path: &VirtualPath) -> Result<(), FileError> {
        let account = self.account();
        if account.permissions.has_rules_below(path) || account.filters.file_patterns.has_rule_below(path) {
            return Err(FileError::Denied);
        }
        Ok(())
    }

    /// The root (A5-07), and virtual folders and what is above them, are not the client's to
    /// remove or rename.
    fn refuse_fixed(&self, path: &VirtualPath) -> Result<(), FileError> {
        if path.is_root() || self.account().folders.any_below(path) { Err(FileError::Denied) } else { Ok(()) }
    }
}
