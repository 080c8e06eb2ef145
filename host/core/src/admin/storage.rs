//! The use case that tries the file systems of an account: whether they can be reached, and do what they are for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Actor, AdminError, Audit, PAGE, UseCase};
use crate::account::{find_user, in_force};
use crate::path::VirtualPath;
use crate::ports::storage::{
    Discard, FileSystem, Location, OpenOptions, SFTP_STORAGE, Storage, StorageError, StorageErrorKind, Swept,
    TreeDescription, Uploads, Writing,
};
use crate::ports::{Directory, PageRequest, StorageFactory, StoreError, USERS};

/// The longest time of one step.
const STEP_TIME: Duration = Duration::from_secs(60);
/// What is stored in the file that is put, got and deleted.
const CONTENT: &[u8] = b"tidegate storage check\n";

/// Use cases about the file systems of accounts.
pub struct StorageAdministration {
    /// The store of accounts.
    pub directory: Arc<dyn Directory>,
    /// Opens file systems.
    pub storage: Arc<dyn StorageFactory>,
    /// Records that file systems were tried.
    pub audit: Audit,
}

/// One file system of an account, and the outcome of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFileSystem {
    /// Where the account sees it: `/` or the path of a folder.
    pub path: String,
    /// Its kind: `local`, `s3`, `sftp`.
    pub kind: &'static str,
    /// Where its files are: a path of the host, or a URL.
    pub location: String,
    /// The steps, in the order in which they were tried.
    pub steps: Vec<CheckedStep>,
}

/// A file system, and the outcome of removing uploads that killed servers have left there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweptFileSystem {
    /// An account that has it.
    pub username: String,
    /// Where its files are, as a URL; empty: the account is not valid.
    pub location: String,
    /// The uploads that were removed, or why they cannot be.
    pub outcome: Result<Swept, String>,
}

/// One step, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedStep {
    /// What was tried.
    pub step: StorageStep,
    /// The outcome of the step.
    pub outcome: StepOutcome,
}

/// What is tried with a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageStep {
    /// Opening it, as a login does.
    Open,
    /// Listing its root.
    List,
    /// Storing a new file in its root.
    Put,
    /// Reading that file.
    Get,
    /// Storing a copy beside it, which replaces it by a rename. Moves from other file systems, and uploads that get
    /// their name when they are complete, do the like.
    Rename,
    /// Deleting that file.
    Delete,
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// It was done.
    Done,
    /// It failed, for this reason.
    Failed(String),
    /// It was not tried, because an earlier step failed, or because the file system is used without it.
    Skipped,
}

impl StorageStep {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::List => "list",
            Self::Put => "put",
            Self::Get => "get",
            Self::Rename => "rename",
            Self::Delete => "delete",
        }
    }
}

impl CheckedFileSystem {
    /// Whether no step failed.
    pub fn is_usable(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.outcome, StepOutcome::Failed(_)))
    }
}

impl StorageAdministration {
    /// Tries the home and the folders of an account, each by itself. A new file with a random name is stored in the
    /// root of each, read, and deleted; nothing else is changed, and no usage is counted.
    ///
    /// # Errors
    /// The actor lacks `edit_users`, there is no such account, it is not valid, or the store fails. A file system
    /// that fails is in the answer.
    pub async fn check(&self, actor: &Actor, username: &str) -> Result<Vec<CheckedFileSystem>, AdminError> {
        self.audit.allow(actor, UseCase::CheckStorage, username).await?;
        let tree = self.tree(actor, username).await?;
        let mut checked = vec![self.check_one("/".to_owned(), tree.root).await];
        for mount in tree.mounts {
            checked.push(self.check_one(mount.at.display().into_owned(), mount.file_system).await);
        }
        let unusable = checked.iter().filter(|one| !one.is_usable()).count();
        let detail = format!("{} file systems, {unusable} not usable", checked.len());
        self.audit.done(actor, "check", USERS.kind, username, detail).await;
        Ok(checked)
    }

    /// The file systems of an account that the actor has.
    async fn tree(&self, actor: &Actor, username: &str) -> Result<TreeDescription, StoreError> {
        let user = find_user(&*self.directory, username).await?;
        let user = user.filter(|user| actor.has_account_of(user.role()));
        let user = user.ok_or_else(|| StoreError::NotFound(USERS.object(username)))?;
        let account = in_force(&*self.directory, user).await?;
        let invalid =
            |error: StorageError| StoreError::Invalid { username: username.to_owned(), problem: error.message };
        account.file_tree().map_err(invalid)
    }

    /// Removes what killed servers have left of uploads to other servers: of one account, or of all, those that were
    /// begun more than `age` ago. Each place is swept once. What other programs upload there counts, too.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, there is no such account, or the store of accounts fails. A file system that
    /// fails, and among all accounts one that is not valid, is in the answer.
    pub async fn sweep(
        &self,
        actor: &Actor,
        username: Option<&str>,
        age: Duration,
    ) -> Result<Vec<SweptFileSystem>, AdminError> {
        self.audit.allow(actor, UseCase::SweepStorage, username.unwrap_or_default()).await?;
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let before = self.audit.clock.now().saturating_sub(age);
        let mut sweep = Sweep { administration: self, actor, before, swept_places: BTreeSet::new(), swept: Vec::new() };
        match username {
            Some(username) => sweep.tree(username, self.tree(actor, username).await?).await,
            None => sweep.all_accounts().await?,
        }
        let swept = sweep.swept;
        let aborted: u64 = swept.iter().filter_map(|one| one.outcome.as_ref().ok()).map(|swept| swept.aborted).sum();
        let detail = format!("{} file systems, {aborted} unfinished uploads removed", swept.len());
        self.audit.done(actor, "sweep", "storage", username.unwrap_or_default(), detail).await;
        Ok(swept)
    }

    async fn check_one(&self, path: String, file_system: FileSystem) -> CheckedFileSystem {
        let (kind, location) = match &file_system.location {
            Location::Directory(directory) => ("local", directory.clone()),
            Location::S3(place) => ("s3", format!("s3://{}/{}", place.bucket, place.key_prefix)),
            Location::Sftp(place) => (SFTP_STORAGE, place.url()),
        };
        let tree = TreeDescription { root: file_system, mounts: Vec::new() };
        let steps = match in_time(self.storage.open(&tree)).await {
            Ok(storage) => {
                let mut steps = vec![CheckedStep { step: StorageStep::Open, outcome: StepOutcome::Done }];
                steps.extend(check_storage(&*storage).await);
                steps
            }
            Err(error) => {
                let mut steps = Steps::default();
                steps.note::<()>(StorageStep::Open, Err(error));
                steps.skip([StorageStep::List, StorageStep::Put]);
                steps.skip(WITH_A_FILE);
                steps.0
            }
        };
        CheckedFileSystem { path, kind, location, steps }
    }
}

/// A sweep under way.
struct Sweep<'a> {
    administration: &'a StorageAdministration,
    actor: &'a Actor,
    /// Uploads that were begun before are removed; in milliseconds since 1970.
    before: i64,
    /// The places that were swept.
    swept_places: BTreeSet<String>,
    swept: Vec<SweptFileSystem>,
}

impl Sweep<'_> {
    async fn all_accounts(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = PageRequest { after, limit: PAGE, ..PageRequest::default() };
            let page = self.administration.directory.list(&USERS, page).await?;
            let Some(last) = page.last().map(|stored| stored.name.clone()) else { return Ok(()) };
            for stored in page {
                match self.administration.tree(self.actor, &stored.name).await {
                    Ok(tree) => self.tree(&stored.name, tree).await,
                    // It was deleted meanwhile.
                    Err(StoreError::NotFound(_)) => {}
                    Err(error @ StoreError::Invalid { .. }) => self.swept.push(SweptFileSystem {
                        username: stored.name,
                        location: String::new(),
                        outcome: Err(error.to_string()),
                    }),
                    Err(error) => return Err(error),
                }
            }
            after = Some(last);
        }
    }

    async fn tree(&mut self, username: &str, tree: TreeDescription) {
        let mounted = tree.mounts.into_iter().map(|mount| mount.file_system);
        for file_system in std::iter::once(tree.root).chain(mounted) {
            // Uploads to directories are cleaned up when a server starts.
            let (location, endpoint) = match &file_system.location {
                Location::Directory(_) => continue,
                Location::S3(place) => (format!("s3://{}/{}", place.bucket, place.key_prefix), place.endpoint.clone()),
                Location::Sftp(place) => (place.url(), place.endpoint.clone()),
            };
            let place = format!("{endpoint}\0{location}");
            if self.swept_places.contains(&place) {
                continue;
            }
            let tree = TreeDescription { root: file_system, mounts: Vec::new() };
            let outcome = self.place(&tree).await;
            // The credentials of another account may be good where these are not, unless the store cannot do it at all.
            if outcome.as_ref().err().is_none_or(|error| error.kind == StorageErrorKind::Unsupported) {
                self.swept_places.insert(place);
            }
            let outcome = outcome.map_err(in_words);
            self.swept.push(SweptFileSystem { username: username.to_owned(), location, outcome });
        }
    }

    async fn place(&self, tree: &TreeDescription) -> Result<Swept, StorageError> {
        in_time(self.administration.storage.open(tree)).await?.sweep(self.before).await
    }
}

/// The error with what the store itself says, which is for administrators.
fn in_words(error: StorageError) -> String {
    match error {
        StorageError { message, detail: None, .. } => message,
        StorageError { message, detail: Some(detail), .. } => format!("{message} ({detail})"),
    }
}

/// What is not tried without a file.
const WITH_A_FILE: [StorageStep; 3] = [StorageStep::Get, StorageStep::Rename, StorageStep::Delete];

/// Lists the root of an open storage, and puts, gets, replaces and deletes a file there.
pub async fn check_storage(storage: &dyn Storage) -> Vec<CheckedStep> {
    let mut steps = Steps::default();
    steps.note(StorageStep::List, in_time(list(storage)).await);
    let scratch = match scratch_name() {
        Ok(scratch) => scratch,
        Err(error) => {
            steps.note::<()>(StorageStep::Put, Err(error));
            steps.skip(WITH_A_FILE);
            return steps.0;
        }
    };
    if steps.note(StorageStep::Put, in_time(put(storage, &scratch)).await) {
        steps.note(StorageStep::Get, in_time(get(storage, &scratch)).await);
        match in_time(replace(storage, &scratch)).await {
            Ok(false) => steps.skip([StorageStep::Rename]),
            outcome => {
                steps.note(StorageStep::Rename, outcome);
            }
        }
        steps.note(StorageStep::Delete, in_time(storage.remove_file(&scratch)).await);
    } else {
        steps.skip(WITH_A_FILE);
    }
    steps.0
}

#[derive(Default)]
struct Steps(Vec<CheckedStep>);

impl Steps {
    /// Notes the outcome of a step; whether it was done.
    fn note<T>(&mut self, step: StorageStep, outcome: Result<T, StorageError>) -> bool {
        let outcome = match outcome {
            Ok(_) => StepOutcome::Done,
            Err(error) => StepOutcome::Failed(in_words(error)),
        };
        let is_done = outcome == StepOutcome::Done;
        self.0.push(CheckedStep { step, outcome });
        is_done
    }

    fn skip<const N: usize>(&mut self, steps: [StorageStep; N]) {
        self.0.extend(steps.map(|step| CheckedStep { step, outcome: StepOutcome::Skipped }));
    }
}

async fn in_time<T>(step: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    let late = |_| other(&format!("there was no answer in {} seconds", STEP_TIME.as_secs()));
    tokio::time::timeout(STEP_TIME, step).await.map_err(late)?
}

fn other(text: &str) -> StorageError {
    StorageError::new(StorageErrorKind::Other, text)
}

/// A name that no file has.
fn scratch_name() -> Result<VirtualPath, StorageError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| other(&format!("there is no random number: {error}")))?;
    let name = format!(".tidegate-check-{:016x}", u64::from_ne_bytes(random));
    VirtualPath::resolve(&VirtualPath::root(), name.as_bytes()).map_err(|error| other(&error.to_string()))
}

async fn list(storage: &dyn Storage) -> Result<(), StorageError> {
    storage.read_directory(&VirtualPath::root()).await?.next_entries(10).await.map(drop)
}

async fn put(storage: &dyn Storage, path: &VirtualPath) -> Result<(), StorageError> {
    let options = OpenOptions { write: true, create: true, truncate: true, exclusive: true, ..OpenOptions::default() };
    let file = match storage.capabilities(path).uploads {
        Uploads::None => Writing::InPlace(storage.open_in_place(path, options).await?),
        Uploads::AnyOrder | Uploads::Sequential => Writing::Upload(storage.begin_upload(path, options).await?),
    };
    fill(&file).await
}

/// Writes a file that was just opened.
async fn fill(file: &Writing) -> Result<(), StorageError> {
    if let Err(error) = file.write_at(0, CONTENT).await {
        file.discard(Discard::Everything);
        return Err(error);
    }
    match file {
        Writing::Upload(upload) => upload.finish().await.map(drop),
        Writing::InPlace(file) => file.complete().await,
    }
}

/// Stores a copy as a move from another file system does, and gives it the name of the file. False: the storage takes
/// no copies, only files that are written in place.
async fn replace(storage: &dyn Storage, path: &VirtualPath) -> Result<bool, StorageError> {
    let copy = scratch_name()?;
    let upload = match storage.begin_copy(&copy, None, false).await {
        Err(error) if error.kind == StorageErrorKind::Unsupported => return Ok(false),
        upload => upload?,
    };
    fill(&Writing::Upload(upload)).await?;
    let renamed = storage.rename(&copy, path, true).await;
    if renamed.is_err() {
        // The error of the rename says more.
        let _ = storage.remove_file(&copy).await;
    }
    renamed.map(|()| true)
}

async fn get(storage: &dyn Storage, path: &VirtualPath) -> Result<(), StorageError> {
    let file = storage.open(path).await?;
    let mut found = Vec::with_capacity(CONTENT.len());
    while file.read_at(found.len() as u64, CONTENT.len() + 1, &mut found).await? > 0 {}
    if found == CONTENT { Ok(()) } else { Err(other("other bytes came back than were stored")) }
}
