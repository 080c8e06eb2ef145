//! Where a path really is.
//!
//! Rules are bound to paths: permissions, patterns, and hooks that watch directories or decide
//! about the uploads that they find there. Where all
//! files of an account have the same ones, it does not matter what a link leads to, because storage
//! keeps it inside. Where they differ, a path with links comes under the rules of its text and of
//! what it leads to, and is then used without links: one that is put in its way meanwhile leads to
//! an error, not around a rule.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::held_names::{ChangingNames, HeldName};
use super::{FileError, FileService};
use crate::path::VirtualPath;
use crate::permission::Permission;
use crate::ports::storage::{Storage, StorageErrorKind};

/// What an operation acts on, if the last name of a path is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastName {
    /// What it leads to.
    Followed,
    /// The link itself.
    Itself,
}

/// Where a path of the client leads.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    path: Cow<'a, VirtualPath>,
    /// As the client wrote it, if a link leads elsewhere.
    written: Option<Cow<'a, VirtualPath>>,
}

impl<'a> Place<'a> {
    /// No rule depends on where it leads, or it is known to have no links.
    pub fn of(path: &'a VirtualPath) -> Self {
        Self { path: Cow::Borrowed(path), written: None }
    }

    /// `written`: as the client wrote it, if that was another path.
    pub fn found(path: &'a VirtualPath, written: Option<&'a VirtualPath>) -> Self {
        let written = written.filter(|written| *written != path);
        Self { path: Cow::Borrowed(path), written: written.map(Cow::Borrowed) }
    }

    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// None: it has no other spelling.
    pub fn written(&self) -> Option<&VirtualPath> {
        self.written.as_deref()
    }

    /// Every spelling of it.
    pub fn spellings(&self) -> impl Iterator<Item = &VirtualPath> {
        std::iter::once(&*self.path).chain(self.written.as_deref())
    }

    pub fn into_owned(self) -> Place<'static> {
        let own = |path: Cow<'_, VirtualPath>| Cow::Owned(path.into_owned());
        Place { path: own(self.path), written: self.written.map(own) }
    }
}

impl Deref for Place<'_> {
    type Target = VirtualPath;

    fn deref(&self) -> &VirtualPath {
        &self.path
    }
}

impl FileService {
    /// Whether a link can lead from one rule to another.
    fn has_several_rules(&self) -> bool {
        let account = self.account();
        account.permissions.has_several_directories()
            || !account.filters.file_patterns.is_empty()
            || self.context.hooks.select_by_paths()
            || self.context.hooks.decide_uploads()
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
    ) -> Result<Place<'a>, FileError> {
        check(path)?;
        if !self.has_several_rules() {
            return Ok(Place::of(path));
        }
        // With a name missing on the way, too: the rules hold for names that there are not.
        let found = self.storage.canonical(path, last == LastName::Followed).await?.path;
        if found == *path {
            return Ok(Place::of(path));
        }
        check(&found)?;
        Ok(Place { path: Cow::Owned(found), written: Some(Cow::Borrowed(path)) })
    }

    /// Where something leads that is only named, to tell hooks: it may be anywhere, or nowhere.
    pub(super) async fn named_place<'a>(&self, path: &'a VirtualPath) -> Place<'a> {
        if !self.context.hooks.select_by_paths() {
            return Place::of(path);
        }
        match self.storage.canonical(path, true).await {
            Ok(found) if found.path != *path => {
                Place { path: Cow::Borrowed(path), written: Some(Cow::Owned(found.path)) }
            }
            // The operation that uses the path meets the same error.
            Ok(_) | Err(_) => Place::of(path),
        }
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

    /// What the host calls a path without links, whatever account uses it.
    pub(super) async fn host_name(&self, path: &VirtualPath) -> PathBuf {
        match (self.tree().real_path(&path.parent()).await, path.file_name()) {
            (Ok(directory), Some(name)) => directory.join(OsStr::from_bytes(name)),
            // The files are not on the host, or the operation meets the same error.
            _ => self.storage.host_path(path).into(),
        }
    }

    /// Holds the names on the way to an upload while hooks look at it.
    pub(super) async fn hold(&self, path: &VirtualPath) -> HeldName {
        self.context.held_names.hold(self.host_name(path).await).await
    }

    /// Before names get or lose what they name.
    ///
    /// # Errors
    /// `Failed` while hooks look at an upload below one of them.
    pub(super) async fn changing(&self, paths: &[&VirtualPath]) -> Result<Option<ChangingNames>, FileError> {
        if !self.context.hooks.decide_uploads() {
            return Ok(None);
        }
        let mut names = Vec::with_capacity(paths.len());
        for path in paths {
            names.push(self.host_name(path).await);
        }
        let changing = self.context.held_names.change(names);
        changing
            .map(Some)
            .ok_or_else(|| FileError::Failed("a hook is deciding about an upload there; try again".into()))
    }

    pub(super) async fn is_there(&self, path: &VirtualPath) -> Result<bool, FileError> {
        match self.tree().metadata(path).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
