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

/// Accounts that are loaded together when the server starts. What is made of a document on its way into the store takes ten
/// times the memory that the stored account does.
const PART: usize = 1_000;

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
        // Without all of it the server does not start, so nothing has to be taken back.
        dump.load_parts(PART).await?;
        Ok(Some(Arc::new(dump)))
    }

    /// Loads the dump again at each SIGHUP. One that cannot be loaded changes nothing.
    pub fn follow_signals(self: Arc<Self>) -> std::io::Result<()> {
        shutdown::on_user_signals(move || {
            let dump = self.clone();
            tokio::spawn(async move {
                let path = dump.path.display().to_string();
                match dump.load_parts(usize::MAX).await {
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
    /// was added otherwise stays. A part, which has so many accounts, is loaded as a whole or not at all.
    async fn load_parts(&self, part: usize) -> anyhow::Result<()> {
        let mut held = self.held.lock().await;
        let (dump, names) = self.read().await?;
        // What is there twice is found only if it is loaded together.
        let has_twins = names.len() < dump.users.len() + dump.objects.len();
        for dump in parts(dump, if has_twins { usize::MAX } else { part }) {
            self.load_whole(dump).await?;
        }
        // Accounts first, since they refer to the others.
        for (kind, name) in held.difference(&names) {
            self.delete(*kind, name).await?;
        }
        *held = names;
        Ok(())
    }

    async fn load_whole(&self, dump: Dump) -> anyhow::Result<()> {
        let (loaded, _) = self.accounts.load(dump, false, &Author::system()).await?;
        for Loaded { kind, name, outcome } in loaded {
            if let LoadOutcome::Failed(problem) = outcome {
                let noun = kind.map_or("account", |kind| kind.collection().noun);
                bail!("{}: the {noun} \"{name}\": {problem}", named(&self.path));
            }
        }
        Ok(())
    }

    async fn read(&self) -> anyhow::Result<(Dump, Names)> {
        let text = tokio::fs::read_to_string(&self.path).await.with_context(|| named(&self.path))?;
        let read = read_dump(&text).with_context(|| named(&self.path))?;
        let objects =
            [(ObjectKind::Folder, read.folders), (ObjectKind::Group, read.groups), (ObjectKind::Role, read.roles)];
        let dump = Dump { restores: read.restores, ..Dump::new(read.users, objects) };
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

/// The dump in parts of so many accounts, and everything else with the first of them.
fn parts(dump: Dump, accounts: usize) -> impl Iterator<Item = Dump> {
    let Dump { users, mut objects, moves_in, restores } = dump;
    let mut users = users.into_iter();
    std::iter::from_fn(move || {
        let (users, objects) = (users.by_ref().take(accounts).collect::<Vec<_>>(), std::mem::take(&mut objects));
        (!users.is_empty() || !objects.is_empty()).then_some(Dump { users, objects, moves_in, restores })
    })
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
