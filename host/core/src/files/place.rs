//! Paths with links, and the rules that hold for them.
//!
//! Permissions, patterns and the selectors of hooks are rules bound to paths. If the same rules hold for
//! all files of an account, links do not matter, because storage confines them. If rules differ, a path
//! with links must pass the rules of its text and those of the place that it leads to. The operation then
//! uses the resolved path and follows no links: a link that is put in the way meanwhile makes it fail, and
//! does not lead it around a rule. So it does where a link might lead to what a folder covers, but not inside of a
//! folder that has no other in it: each path that is resolved takes time.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::held_names::{ChangingNames, HeldName};
use super::{FileError, FileService};
use crate::hook::Subject;
use crate::hook::events::ActionKind;
use crate::path::VirtualPath;
use crate::permission::Permission;
use crate::ports::storage::{Canonical, FileKind, OBJECT_STORAGE, Storage, StorageErrorKind};

/// What an operation acts on where the last name of a path is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastName {
    /// The target of the link.
    Followed,
    /// The link is meant, not what it leads to.
    Itself,
}

/// Where a path of the client leads.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    path: Cow<'a, VirtualPath>,
    /// The other spelling, if a link leads elsewhere: as the client wrote it, or (see `named_place`) where the
    /// link leads.
    written: Option<Cow<'a, VirtualPath>>,
}

impl<'a> Place<'a> {
    /// A path that is known to have no links, or for which no rule depends on its links.
    pub fn of(path: &'a VirtualPath) -> Self {
        Self { path: Cow::Borrowed(path), written: None }
    }

    /// A resolved path. `written`: the path as the client wrote it, if it is another.
    pub fn found(path: &'a VirtualPath, written: Option<&'a VirtualPath>) -> Self {
        let written = written.filter(|written| *written != path);
        Self { path: Cow::Borrowed(path), written: written.map(Cow::Borrowed) }
    }

    /// The path to use.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// The other spelling of the path; None: there is no other.
    pub fn written(&self) -> Option<&VirtualPath> {
        self.written.as_deref()
    }

    /// Both spellings of the path, or the only one.
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
    /// Whether different rules can hold for different files of the account.
    fn has_several_rules(&self) -> bool {
        let account = self.account();
        account.permissions.has_several_directories()
            || !account.filters.file_patterns.is_empty()
            || self.context.hooks.select_by_paths()
            || self.context.hooks.decide_uploads()
    }

    /// The storage for paths that [`place`](Self::place) gave: it follows no links where rules differ, nor where they
    /// might lead to what a folder covers.
    pub(super) fn tree(&self) -> &Arc<dyn Storage> {
        let or_as_it_is = |strict: Option<Arc<dyn Storage>>| strict.unwrap_or_else(|| self.storage.clone());
        if self.has_several_rules() {
            return self.storage_without_links.get_or_init(|| or_as_it_is(self.storage.without_links()));
        }
        let strict = || or_as_it_is(self.storage.without_links_to_covered());
        self.storage_without_links_to_covered.get_or_init(strict)
    }

    /// Resolves `path`. Both the path as written and the resolved one have to pass `check`.
    ///
    /// # Errors
    /// That of `check`, or links cannot be resolved.
    pub(super) async fn place<'a>(
        &self,
        path: &'a VirtualPath,
        last: LastName,
        check: impl Fn(&VirtualPath) -> Result<(), FileError>,
    ) -> Result<Place<'a>, FileError> {
        check(path)?;
        if !self.has_several_rules() && !self.storage.may_lead_to_covered(path) {
            return Ok(Place::of(path));
        }
        // Paths with missing names are resolved as well: rules hold for files that do not exist yet.
        let found = self.storage.canonical(path, last == LastName::Followed).await?.path;
        if found == *path {
            return Ok(Place::of(path));
        }
        check(&found)?;
        Ok(Place { path: Cow::Owned(found), written: Some(Cow::Borrowed(path)) })
    }

    /// The place of a path that events name, but nothing opens: it need not exist. The path stays as written, and
    /// its other spelling is where it leads.
    pub(super) async fn named_place<'a>(&self, path: &'a VirtualPath) -> Place<'a> {
        if !self.context.hooks.select_by_paths() {
            return Place::of(path);
        }
        match self.storage.canonical(path, true).await {
            Ok(found) if found.path != *path => {
                Place { path: Cow::Borrowed(path), written: Some(Cow::Owned(found.path)) }
            }
            // An operation that uses the path will meet the same error.
            Ok(_) | Err(_) => Place::of(path),
        }
    }

    /// Resolves the client's path `raw`, relative to `base`, for REALPATH. The last name may be missing, those
    /// above it may not. Links that the account may not list are not resolved: such a path is only
    /// normalised as text.
    ///
    /// # Errors
    /// The path is malformed, or a name above the last one is missing (`NotFound`).
    pub async fn real_path(&self, base: &VirtualPath, raw: &[u8]) -> Result<VirtualPath, FileError> {
        let meant = VirtualPath::resolve(base, raw)?;
        let climbs = raw.split(|byte| *byte == b'/').any(|name| name == b"..");
        if !climbs && meant == self.start_directory() {
            // Every session begins there, even if the directory could not be made.
            return Ok(meant);
        }
        let mut path = if raw.first() == Some(&b'/') { VirtualPath::root() } else { base.clone() };
        let mut names = raw.split(|byte| *byte == b'/').peekable();
        while names.peek().is_some() {
            let mut further = Vec::new();
            // `..` behind a link means the directory above the link's target.
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
            self.require_parent(&found).await?;
            path = found.path;
            if climbs {
                self.storage.metadata(&path).await?;
                path = path.parent();
            }
        }
        Ok(path)
    }

    /// Requires that there is a directory above the last name. Object storage, which needs none, does not look for it
    /// when it resolves a path.
    async fn require_parent(&self, found: &Canonical) -> Result<(), FileError> {
        if found.lacks_parent {
            return Err(FileError::NotFound);
        }
        if self.storage.kind(&found.path) != OBJECT_STORAGE {
            return Ok(());
        }
        match self.storage.metadata(&found.path.parent()).await?.kind {
            FileKind::Directory => Ok(()),
            FileKind::File | FileKind::Symlink | FileKind::Other => {
                Err(FileError::Unreachable("a part of the path is not a directory".into()))
            }
        }
    }

    /// Whether the account may list every directory above `path`, and no pattern hides a name on the way.
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

    /// The path with all links resolved, for operations that check permissions themselves.
    ///
    /// # Errors
    /// A name above the last one is missing (`NotFound`), or links cannot be resolved.
    pub async fn without_links(&self, path: &VirtualPath) -> Result<VirtualPath, FileError> {
        let found = self.storage.canonical(path, true).await?;
        if found.lacks_parent { Err(FileError::NotFound) } else { Ok(found.path) }
    }

    /// The path on the host of a resolved path: the same for all accounts that reach the file.
    pub(super) async fn host_name(&self, path: &VirtualPath) -> PathBuf {
        match (self.tree().real_path(&path.parent()).await, path.file_name()) {
            (Ok(directory), Some(name)) => directory.join(OsStr::from_bytes(name)),
            // Either the files are not on the host, or the operation will meet the same error.
            _ => self.storage.host_path(path).into(),
        }
    }

    /// Holds the path of an upload, and the names above it, while hooks look at the file.
    pub(super) async fn hold(&self, path: &VirtualPath) -> HeldName {
        self.context.held_names.hold(self.host_name(path).await).await
    }

    /// Notes that these names are about to get or lose files, until the guard is dropped. None: no hook decides
    /// about uploads, so that nothing has to be noted.
    ///
    /// # Errors
    /// `Failed` while hooks look at an upload at one of the names, or below it.
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

    /// As [`changing`](Self::changing), for a file that is removed: its content has to be gone with the name, so
    /// that an upload that is still open leaves none of it behind.
    ///
    /// # Errors
    /// `Failed` while an upload that hooks decide about is open at the path, if the file has other names.
    pub(super) async fn removing(&self, path: &VirtualPath) -> Result<Option<ChangingNames>, FileError> {
        if !self.context.hooks.decide_uploads() {
            return Ok(None);
        }
        match self.tree().symlink_metadata(path).await {
            Ok(found) if found.links > 1 => self.changing(&[path]).await,
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// A second name of a file must not be one by which hooks miss what is read from it or written to it, nor become
    /// one by a rename.
    ///
    /// # Errors
    /// `Refused`: a hook decides about uploads by their paths, or is asked about the content of one of the two only.
    pub(super) fn require_same_hooks(&self, one: &Place<'_>, other: &Place<'_>) -> Result<(), FileError> {
        let hooks = &self.context.hooks;
        let is_asked_alike = |kind: ActionKind| {
            let of = |place| Subject { action: Some(kind.as_str()), ..self.subject_at(place) };
            hooks.ask_alike(&of(one), &of(other))
        };
        let about_content = [ActionKind::Download, ActionKind::Upload];
        if hooks.decide_uploads_by_paths() || !about_content.into_iter().all(is_asked_alike) {
            let problem = "a hook watches some directories only, and would miss what is done by the second name";
            return Err(FileError::Refused(problem.into()));
        }
        Ok(())
    }

    fn subject_at<'a>(&'a self, place: &'a Place<'_>) -> Subject<'a> {
        Subject { path: Some(place.path()), written_path: place.written(), ..self.session().subject() }
    }

    pub(super) async fn is_there(&self, path: &VirtualPath) -> Result<bool, FileError> {
        match self.tree().metadata(path).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
