//! What sessions may do to their files, and what that counts for: over storages in memory, without
//! a server or a disk.

mod permissions;
mod quota_sequences;
mod quotas;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tidegate_core::account::{Account, AccountDraft, CredentialRule};
use tidegate_core::connection::{Connection, ConnectionId, LoginMethod};
use tidegate_core::files::{FileContext, FileHooks, FileService, SetAttributesPolicy};
use tidegate_core::hook::Observers;
use tidegate_core::metrics::Metrics;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileKind, OpenOptions, Storage};
use tidegate_core::ports::{StoreError, StoredUsage, SystemClock, UsageStore};
use tidegate_core::quota::{QuotaKeeper, Scope, Tracking, Transferred, UsedQuota};
use tidegate_core::session::{KeptPassword, LiveSession, Session, Traffic};

use crate::{MemoryStorage, MemoryStorageSettings, OverwriteMode};

/// A session, its files, and what they count.
struct Fixture {
    files: Arc<FileService>,
    storage: Arc<dyn Storage>,
    keeper: Arc<QuotaKeeper>,
    usages: Arc<Usages>,
}

/// `fields`: of the account, with permissions.
fn account(fields: &str) -> Account {
    let json = format!(r#"{{"status":1,"username":"u","home_dir":"/u",{fields}}}"#);
    AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account
}

fn session(account: Account) -> Arc<Session> {
    let address = "192.0.2.1:1022".parse().unwrap();
    let id = ConnectionId::new("test");
    let (remote, local, client, opened_at) = (address, address, Default::default(), 0);
    let connection = Arc::new(Connection { id: id.clone(), remote, local, client, opened_at });
    let account = Arc::new(account);
    Arc::new(Session {
        id,
        connection,
        username: account.username.clone(),
        method: LoginMethod::Password,
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

fn fixture(fields: &str, overwrite: OverwriteMode) -> Fixture {
    let settings = MemoryStorageSettings { overwrite, ..MemoryStorageSettings::default() };
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new(settings));
    let usages = Arc::new(Usages::default());
    let keeper = QuotaKeeper::new(usages.clone(), Arc::new(SystemClock), Tracking::WhereLimited);
    let context = FileContext {
        policy: SetAttributesPolicy::Apply,
        hooks: Arc::new(no_hooks()),
        quotas: keeper.clone(),
        metrics: Arc::new(Metrics::new().unwrap()),
    };
    let files = FileService::for_tests(session(account(fields)), storage.clone(), Arc::new(context));
    Fixture { files, storage, keeper, usages }
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
    provisional: false,
    mode: None,
};

/// Everything that is there: path, text of a link or content of a file.
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
                        let options = OpenOptions { read: true, ..OpenOptions::default() };
                        let mut bytes = Vec::new();
                        let file = storage.open(&at, options).await.unwrap();
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

/// A store of usages that behaves as the database does.
#[derive(Default)]
struct Usages {
    used: Mutex<HashMap<Scope, UsedQuota>>,
    unsettled: Mutex<Vec<Scope>>,
}

impl Usages {
    fn stored(&self) -> (i64, i64) {
        let used = self.used.lock().unwrap().get(&Scope::Account("u".into())).copied().unwrap_or_default();
        (used.size, used.files)
    }
}

#[async_trait]
impl UsageStore for Usages {
    async fn open_usage(&self, scope: &Scope) -> Result<StoredUsage, StoreError> {
        let mut unsettled = self.unsettled.lock().unwrap();
        let is_unsettled = unsettled.contains(scope);
        if !is_unsettled {
            unsettled.push(scope.clone());
        }
        Ok(StoredUsage { used: self.used.lock().unwrap().get(scope).copied().unwrap_or_default(), is_unsettled })
    }

    async fn close_usage(&self, scope: &Scope) -> Result<(), StoreError> {
        self.unsettled.lock().unwrap().retain(|open| open != scope);
        Ok(())
    }

    async fn add_usage(&self, changes: Vec<(Scope, UsedQuota)>, _: i64) -> Result<(), StoreError> {
        let mut used = self.used.lock().unwrap();
        for (scope, by) in changes {
            let entry = used.entry(scope).or_default();
            *entry = *entry + by;
        }
        Ok(())
    }

    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, _: i64) -> Result<(), StoreError> {
        self.used.lock().unwrap().insert(scope.clone(), used);
        Ok(())
    }

    async fn is_counted(&self, _: &Scope) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn add_transferred(&self, _: Vec<(String, i64, Transferred)>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn unsettled_usages(&self) -> Result<Vec<Scope>, StoreError> {
        Ok(self.unsettled.lock().unwrap().clone())
    }
}
