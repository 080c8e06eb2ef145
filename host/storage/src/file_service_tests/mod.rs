//! What sessions may do to their files, and how it counts: over storages in memory, without a server or a disk.

mod decisions;
mod decoys;
mod folders;
mod moving;
mod permissions;
mod quota_sequences;
mod quotas;
mod removals;
mod selectors;
mod transfers;
mod unanswered;

use std::sync::Arc;

use tidegate_core::account::{AccountDraft, Audience, CredentialRule, EffectiveAccount, Factors, find_user};
use tidegate_core::connection::{Connection, ConnectionId, LoginMethod};
use tidegate_core::files::{FileContext, FileHooks, FileService, SetAttributesPolicy};
use tidegate_core::hook::Observers;
use tidegate_core::memory::MemoryStore;
use tidegate_core::metrics::Metrics;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileKind, OpenOptions, Storage};
use tidegate_core::ports::{Change, Directory, NoFileLog, NodeName, SystemClock, USERS, UsageStore, Write};
use tidegate_core::quota::{QuotaKeeper, ScanTree, Scope, Tracking, UsedQuota};
use tidegate_core::session::{KeptPassword, LiveSession, Session, Traffic};

use crate::{MemoryStorage, MemoryStorageSettings, OverwriteMode};

/// A session, its files, and what counts them.
struct Fixture {
    files: Arc<FileService>,
    storage: Arc<dyn Storage>,
    keeper: Arc<QuotaKeeper>,
    store: Arc<MemoryStore>,
}

impl Fixture {
    /// Bytes and files, as the store has them.
    async fn stored(&self) -> (i64, i64) {
        let usage = find_user(&*self.store, "u").await.unwrap().unwrap().usage;
        (usage.used_quota_size, usage.used_quota_files)
    }
}

/// `fields`: of the account's document, with permissions.
fn account(fields: &str) -> EffectiveAccount {
    let json = format!(r#"{{"status":1,"username":"u","home_dir":"/u",{fields}}}"#);
    let user = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account;
    EffectiveAccount::ungrouped(user)
}

fn session(account: EffectiveAccount) -> Arc<Session> {
    let address = "192.0.2.1:1022".parse().unwrap();
    let id = ConnectionId::new("test");
    let (remote, local, client, opened_at) = (address, address, Default::default(), 0);
    let connection = Arc::new(Connection { id: id.clone(), remote, local, client, opened_at, web: None });
    let account = Arc::new(account);
    Arc::new(Session {
        id,
        connection,
        username: account.username.clone(),
        method: LoginMethod::Password,
        factors: Factors::default(),
        password: KeptPassword::new(None),
        opened_at,
        traffic: Traffic::of(&account),
        live: LiveSession::new(account.clone(), address.ip(), 0),
        account,
    })
}

fn no_hooks() -> FileHooks {
    let (before, after) = (Arc::default(), Observers::new(Arc::default()));
    FileHooks { before, after, synchronous: Vec::new(), first: None }
}

async fn fixture(fields: &str, overwrite: OverwriteMode) -> Fixture {
    fixture_with(fields, overwrite, no_hooks()).await
}

async fn fixture_with(fields: &str, overwrite: OverwriteMode, hooks: FileHooks) -> Fixture {
    let settings = MemoryStorageSettings { overwrite, ..MemoryStorageSettings::default() };
    fixture_of(fields, Arc::new(MemoryStorage::new(settings)), hooks).await
}

/// A session that may do everything on `storage`.
pub(crate) async fn files_on(storage: Arc<dyn Storage>) -> Arc<FileService> {
    fixture_of(r#""permissions":{"/":["*"]}"#, storage, no_hooks()).await.files
}

async fn fixture_of(fields: &str, storage: Arc<dyn Storage>, hooks: FileHooks) -> Fixture {
    let (account, store) = (account(fields), Arc::new(MemoryStore::default()));
    let (name, document) = ("u".to_owned(), account.user().to_document(Audience::Trusted));
    let write = Write::Add(document);
    store.commit(vec![Change { collection: &USERS, name, write, announce: false, audit: None }]).await.unwrap();
    store.replace_usage(&Scope::Account("u".into()), UsedQuota::default(), 1).await.unwrap();
    let node = NodeName("here".into());
    let keeper = QuotaKeeper::new(store.clone(), node, Arc::new(SystemClock), Tracking::WhereLimited);
    let context = FileContext {
        policy: SetAttributesPolicy::Apply,
        rename_limit: 0,
        hooks: Arc::new(hooks),
        quotas: keeper.clone(),
        held_names: Arc::default(),
        metrics: Arc::new(Metrics::default()),
        log: Arc::new(NoFileLog),
    };
    let files = FileService::for_tests(session(account), storage.clone(), Arc::new(context));
    Fixture { files, storage, keeper, store }
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::resolve(&VirtualPath::root(), text.as_bytes()).unwrap()
}

const PUT: OpenOptions = OpenOptions {
    read: false,
    write: true,
    append: false,
    create: true,
    truncate: true,
    exclusive: false,
    is_new: false,
    provisional: false,
    mode: None,
};

/// Everything in the tree: path, and the text of a link or the content of a file.
async fn snapshot(storage: &dyn Storage) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![VirtualPath::root()];
    while let Some(directory) = waiting.pop() {
        let mut reader = storage.read_directory(&directory).await.unwrap();
        loop {
            let entries = reader.next_entries(100).await.unwrap();
            if entries.is_empty() {
                break;
            }
            for entry in entries.into_iter().filter(|entry| entry.name != b"." && entry.name != b"..") {
                let at = VirtualPath::resolve(&directory, &entry.name).unwrap();
                let content = match entry.metadata.kind {
                    FileKind::Directory => {
                        waiting.push(at.clone());
                        b"directory".to_vec()
                    }
                    FileKind::Symlink => storage.read_link(&at).await.unwrap(),
                    FileKind::File | FileKind::Other => {
                        let mut bytes = Vec::new();
                        let file = storage.open(&at).await.unwrap();
                        file.read_at(0, 10_000, &mut bytes).await.unwrap();
                        bytes
                    }
                };
                let mode = entry.metadata.mode;
                found.push((format!("{} {mode:o}", at.display()), String::from_utf8_lossy(&content).into_owned()));
            }
        }
    }
    found.sort();
    found
}
