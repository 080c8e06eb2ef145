//! Where a path really is.
//!
//! Rules are bound to paths. Where all files of an account have the same ones, it does not matter
//! what a link leads to, because storage keeps it inside. Where they differ, a path with links
//! comes under the rules of its text and of what it leads to, and is then used without links: one
//! that is put in its way meanwhile leads to an error, not around a rule.

use std::borrow::Cow;
use std::sync::Arc;

use super::storage::{Storage, StorageErrorKind};
use super::{FileError, FileService};
use crate::path::VirtualPath;
use crate::permission::Permission;

/// What an operation acts on, if the last name of a path is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastName {
    /// What it leads to.
    Followed,
    /// The link itself.
    Itself,
}

impl FileService {
    /// Whether a link can lead from one rule to another.
    fn has_several_rules(&self) -> bool {
        let account = self.account();
        account.permissions.has_several_directories() || !account.filters.file_patterns.is_empty()
    }

    /// The files, for paths that [`place`](Self::place) gave.
    pub(super) fn tree(&self) -> &Arc<dyn Storage> {
        if !self.has_several_rules() {
            return &self.storage;
        }
        self.storage_without_links.get_or_init(|| self.storage.without_links().unwrap_or_else(|| self.storage.clone()))
    }

    /// Where `path` is, after `check` of that and of what the client wrote.
    pub(super) async fn place<'a>(
        &self,
        path: &'a VirtualPath,
        last: LastName,
        check: impl Fn(&VirtualPath) -> Result<(), FileError>,
    ) -> Result<Cow<'a, VirtualPath>, FileError> {
        check(path)?;
        if !self.has_several_rules() {
            return Ok(Cow::Borrowed(path));
        }
        // With a name missing on the way, too: the rules hold for names that there are not.
        let found = self.storage.canonical(path, last == LastName::Followed).await?.path;
        if found == *path {
            return Ok(Cow::Borrowed(path));
        }
        check(&found)?;
        Ok(Cow::Owned(found))
    }

    /// What a client means by `raw`, without links, for REALPATH. The last name may be missing,
    /// those above it may not. What the account may not list it is not told of: such a path is
    /// what its text says.
    pub async fn real_path(&self, base: &VirtualPath, raw: &[u8]) -> Result<VirtualPath, FileError> {
        let meant = VirtualPath::resolve(base, raw)?;
        let climbs = raw.split(|byte| *byte == b'/').any(|name| name == b"..");
        if !climbs && meant == self.start_directory() {
            // Where every session begins, even if it could not be made.
            return Ok(meant);
        }
        let mut path = if raw.first() == Some(&b'/') { VirtualPath::root() } else { base.clone() };
        let mut names = raw.split(|byte| *byte == b'/').peekable();
        while names.peek().is_some() {
            let mut further = Vec::new();
            // `..` is what is above the place that a link leads to.
            let climbs = loop {
                match names.next() {
                    None => break false,
                    Some(b"..") => break true,
                    Some(name) => further.extend([b"/", name].concat()),
                }
            };
            path = VirtualPath::resolve(&path, further.strip_prefix(b"/").unwrap_or_default())?;
            if !self.may_look_at(&path) {
                return Ok(meant);
            }
            let found = self.storage.canonical(&path, true).await?;
            if !self.may_look_at(&found.path) {
                return Ok(meant);
            }
            if found.lacks_parent {
                return Err(FileError::NotFound);
            }
            path = found.path;
            if climbs {
                self.storage.metadata(&path).await?;
                path = path.parent();
            }
        }
        Ok(path)
    }

    /// Whether the account may know what is on the way to `path`.
    fn may_look_at(&self, path: &VirtualPath) -> bool {
        let mut below = path.clone();
        while !below.is_root() {
            let directory = below.parent();
            if self.require(&directory, Permission::List).is_err() || self.require_visible(&below).is_err() {
                return false;
            }
            below = directory;
        }
        true
    }

    /// As [`real_path`](Self::real_path), for operations that go on with what they get.
    pub async fn without_links(&self, path: &VirtualPath) -> Result<VirtualPath, FileError> {
        let found = self.storage.canonical(path, true).await?;
        if found.lacks_parent { Err(FileError::NotFound) } else { Ok(found.path) }
    }

    pub(super) async fn is_there(&self, path: &VirtualPath) -> Result<bool, FileError> {
        match self.tree().metadata(path).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
