//! The dump with which accounts in memory begin, and which SIGHUP loads again (A9-03).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Map, Value};
use tidegate_core::account::{Accounts, Dump, LoadOutcome, Loaded, ObjectKind, ObjectWriting};
use tidegate_core::dump_text::Entries;
use tidegate_core::ports::{Author, Directory, Spools, StoreError};
use tokio::sync::Mutex;

use crate::config::settings::DatabaseSettings;
use crate::dump_text::{self, document};
use crate::shutdown::{self, UserSignal};
use crate::spools::{TemporarySpools, text_of_file};
use crate::wire::Stores;

/// Documents that are not loaded and have a line in the log.
const FAILURES_TOLD: usize = 100;

/// A dump, and what it held when it was loaded last.
pub struct MemoryDump {
    path: PathBuf,
    accounts: Accounts,
    directory: Arc<dyn Directory>,
    spools: TemporarySpools,
    held: Mutex<Names>,
}

/// The names in a dump; None: of accounts.
type Names = BTreeSet<(Option<u8>, String)>;

impl MemoryDump {
    /// Loads the dump of the configuration, if accounts are in memory and there is one. The log names documents
    /// that are not valid; all others are loaded. `state`: the directory in which a large load is kept.
    pub async fn load(
        database: &DatabaseSettings,
        stores: &Stores,
        users_base_dir: Option<String>,
        state: &Path,
    ) -> anyhow::Result<Option<Arc<Self>>> {
        let DatabaseSettings::Memory(Some(path)) = database else {
            return Ok(None);
        };
        let dump = Self {
            path: path.clone(),
            accounts: stores.accounts(users_base_dir),
            directory: stores.directory.clone(),
            spools: TemporarySpools::new(state),
            held: Mutex::default(),
        };
        dump.load_again().await?;
        Ok(Some(Arc::new(dump)))
    }

    /// Loads the dump again at each SIGHUP. One that is no JSON changes nothing.
    pub fn follow_signals(self: Arc<Self>) -> std::io::Result<()> {
        shutdown::on_user_signals(move |signal| {
            if signal != UserSignal::Reload {
                return;
            }
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

    /// Adds and changes what the dump holds, and deletes what it held before and does not hold any more. What was added
    /// otherwise stays, and so does what is not valid in the dump.
    async fn load_again(&self) -> anyhow::Result<()> {
        let mut held = self.held.lock().await;
        let path = self.path.clone();
        let dump = tokio::task::spawn_blocking(move || dump_text::read(text_of_file(&path)?)).await?;
        let dump = dump.with_context(|| named(&self.path))?;
        let is_ours = dump_text::is_ours(&dump);
        let mut reading = Reading { path: &self.path, names: Names::new(), failures: 0, has_unread: false };
        let rules = Dump { restores: is_ours, keeps_names: is_ours, skips_invalid: true, ..Dump::default() };
        let author = Author::system();
        let mut load = self.accounts.begin_load(&rules, false, &author, self.spools.begin());
        for (kind, entries) in dump.lists()? {
            let (mut rest, mut part) = read_part(kind, entries).await.with_context(|| named(&self.path))?;
            while !part.is_empty() {
                let documents = part.into_iter().filter_map(|read| reading.document(kind, read)).collect();
                // The server starts once all are loaded: the next ones are read meanwhile.
                let (next, added) = tokio::join!(read_part(kind, rest), load.add(kind, documents));
                added?;
                (rest, part) = next.with_context(|| named(&self.path))?;
            }
        }
        let (loaded, _) = self.accounts.store_load(load.finish(), &author).await?;
        for Loaded { kind, name, outcome } in loaded {
            if let LoadOutcome::Failed(problem) = outcome {
                let noun = kind.map_or("account", |kind| kind.collection().noun);
                reading.tell(&format!("the {noun} \"{name}\" is not loaded: {problem}"));
            }
        }
        // One that cannot be read may be any of those that were there.
        if !reading.has_unread {
            // Accounts first, since they refer to the others.
            for (kind, name) in held.difference(&reading.names) {
                self.delete(*kind, name).await?;
            }
        }
        reading.names.extend(if reading.has_unread { std::mem::take(&mut *held) } else { Names::new() });
        *held = reading.finish();
        Ok(())
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

/// A document with its name, or why it cannot be read.
type Read = anyhow::Result<(String, Map<String, Value>)>;

/// The next documents of a list, and the rest of it; no documents: there are no more.
async fn read_part(kind: Option<ObjectKind>, mut entries: Entries) -> anyhow::Result<(Entries, Vec<Read>)> {
    let work = move || {
        let part = entries.part()?;
        let documents: Vec<Read> = part.into_iter().map(|entry| document(kind, entry)).collect();
        Ok::<_, anyhow::Error>((entries, documents))
    };
    tokio::task::spawn_blocking(work).await?
}

/// The state of reading a dump.
struct Reading<'a> {
    path: &'a Path,
    names: Names,
    failures: usize,
    /// Whether a document has no name that can be read.
    has_unread: bool,
}

impl Reading<'_> {
    /// The document, if it can be read and is the first of its name.
    fn document(&mut self, kind: Option<ObjectKind>, read: Read) -> Option<Map<String, Value>> {
        let (name, document) = match read {
            Ok(read) => read,
            Err(problem) => {
                self.has_unread = true;
                self.tell(&format!("{problem:#}; it is not loaded"));
                return None;
            }
        };
        let noun = kind.map_or("account", |kind| kind.collection().noun);
        if !self.names.insert((kind.map(order), name.clone())) {
            self.tell(&format!("the {noun} \"{name}\" is in the document twice; the first one is used"));
            return None;
        }
        Some(document)
    }

    fn tell(&mut self, problem: &str) {
        self.failures += 1;
        if self.failures <= FAILURES_TOLD {
            tracing::error!(sender = "memory", message = format!("{}: {problem}", named(self.path)));
        }
    }

    fn finish(self) -> Names {
        if self.failures > 0 {
            let message = format!("{}: {} documents were not loaded", named(self.path), self.failures);
            tracing::error!(sender = "memory", message);
        }
        self.names
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
