//! The dump with which accounts in memory begin, and which SIGHUP loads again (A9-03).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use tidegate_core::account::{Accounts, Dump, LoadOutcome, Loaded, ObjectKind, ObjectWriting};
use tidegate_core::ports::{Author, Directory, StoreError};
use tokio::sync::Mutex;

use crate::cli::backup::read_dump;
use crate::config::settings::DatabaseSettings;
use crate::shutdown;
use crate::wire::Stores;

/// A dump, and what it held when it was loaded last.
pub struct MemoryDump {
    path: PathBuf,
    accounts: Accounts,
    directory: Arc<dyn Directory>,
    held: Mutex<Names>,
}

/// The names in a dump; None: of accounts.
type Names = BTreeSet<(Option<u8>, String)>;

impl MemoryDump {
    /// Loads the dump of the configuration, if accounts are in memory and there is one.
    pub async fn load(
        database: &DatabaseSettings,
        stores: &Stores,
        users_base_dir: Option<String>,
    ) -> anyhow::Result<Option<Arc<Self>>> {
        let DatabaseSettings::Memory(Some(path)) = database else {
            return Ok(None);
        };
        let (path, directory) = (path.clone(), stores.directory.clone());
        let dump = Self { path, accounts: stores.accounts(users_base_dir), directory, held: Mutex::default() };
        dump.load_again().await?;
        Ok(Some(Arc::new(dump)))
    }

    /// Loads the dump again at each SIGHUP. One that cannot be loaded changes nothing.
    pub fn follow_signals(self: Arc<Self>) -> std::io::Result<()> {
        shutdown::on_user_signals(move || {
            let dump = self.clone();
            tokio::spawn(async move {
                let path = dump.path.display().to_string();
                match dump.load_again().await {
                    Ok(()) => tracing::info!(sender = "memory", message = format!("{path} was loaded again")),
                    Err(error) => {
                        let message = format!("nothing was loaded again: {error:#}");
                        tracing::error!(sender = "memory", message);
                    }
                }
            });
        })
    }

    /// Adds and changes what the dump holds, and deletes what it held before and does not hold any more. What
    /// was added otherwise stays.
    async fn load_again(&self) -> anyhow::Result<()> {
        let mut held = self.held.lock().await;
        let (dump, names) = self.read().await?;
        let (loaded, _) = self.accounts.load(dump, false, &Author::system()).await?;
        for Loaded { kind, name, outcome } in loaded {
            if let LoadOutcome::Failed(problem) = outcome {
                let noun = kind.map_or("account", |kind| kind.collection().noun);
                bail!("{}: the {noun} \"{name}\": {problem}", named(&self.path));
            }
        }
        // Accounts first, since they refer to the others.
        for (kind, name) in held.difference(&names) {
            self.delete(*kind, name).await?;
        }
        *held = names;
        Ok(())
    }

    async fn read(&self) -> anyhow::Result<(Dump, Names)> {
        let text = tokio::fs::read_to_string(&self.path).await.with_context(|| named(&self.path))?;
        let read = read_dump(&text).with_context(|| named(&self.path))?;
        let objects =
            [(ObjectKind::Folder, read.folders), (ObjectKind::Group, read.groups), (ObjectKind::Role, read.roles)];
        let dump = Dump::new(read.users, objects);
        let name = |document: &Map<String, Value>, field: &str| {
            let found = document.iter().find(|(key, _)| key.eq_ignore_ascii_case(field));
            found.and_then(|(_, name)| name.as_str()).unwrap_or_default().to_owned()
        };
        let users = dump.users.iter().map(|document| (None, name(document, "username")));
        let objects = dump.objects.iter().map(|(kind, document)| (Some(order(*kind)), name(document, "name")));
        let names = users.chain(objects).collect();
        Ok((dump, names))
    }

    async fn delete(&self, kind: Option<u8>, name: &str) -> anyhow::Result<()> {
        let author = Author::system();
        let Some(kind) = ObjectKind::ALL.into_iter().find(|known| Some(order(*known)) == kind) else {
            return match self.accounts.delete(name, &author).await {
                // An administrator was faster.
                Err(StoreError::NotFound(_)) => Ok(()),
                deleted => Ok(deleted?),
            };
        };
        let writing = ObjectWriting { directory: &*self.directory, author: &author, now: self.accounts.now() };
        let Some(stored) = self.directory.find(kind.collection(), name).await? else { return Ok(()) };
        let references = writing.references(kind, name).await?;
        if !references.is_empty() {
            let noun = kind.collection().noun;
            let message = format!("the {noun} \"{name}\" is not deleted, because it is used by {references}");
            tracing::warn!(sender = "memory", message);
            return Ok(());
        }
        self.directory.commit(writing.deletion(kind, &stored)).await?;
        Ok(())
    }
}

/// The order of deletion: groups refer to folders.
fn order(kind: ObjectKind) -> u8 {
    match kind {
        ObjectKind::Group => 0,
        ObjectKind::Role => 1,
        ObjectKind::Folder => 2,
    }
}

fn named(path: &Path) -> String {
    format!("data_provider.name, {}", path.display())
}
