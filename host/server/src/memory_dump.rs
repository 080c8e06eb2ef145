//! The dump with which accounts in memory begin, and which SIGHUP loads again (A9-03).

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Map, Value};
use tidegate_core::account::{Accounts, Dump, LoadOutcome, Loaded, ObjectKind, ObjectWriting};
use tidegate_core::ports::{Author, Directory, StoreError};
use tokio::sync::Mutex;

use crate::config::settings::DatabaseSettings;
use crate::dump_text::{DumpText, document};
use crate::shutdown;
use crate::wire::Stores;

/// Accounts that are loaded together when the server starts. What is made of a document on its way into the store takes ten
/// times the memory that the stored account does.
const PART: usize = 1_000;

/// Documents that are not loaded and have a line in the log.
const FAILURES_TOLD: usize = 100;

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
    /// Loads the dump of the configuration, if accounts are in memory and there is one. The log names documents
    /// that are not valid; all others are loaded.
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
        dump.load_parts(PART).await?;
        Ok(Some(Arc::new(dump)))
    }

    /// Loads the dump again at each SIGHUP. One that is no JSON changes nothing.
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

    /// Adds and changes what the dump holds, and deletes what it held before and does not hold any more. What was added
    /// otherwise stays, and so does what is not valid in the dump. So many accounts are loaded together.
    async fn load_parts(&self, part: usize) -> anyhow::Result<()> {
        let mut held = self.held.lock().await;
        let text = tokio::fs::read_to_string(&self.path).await.with_context(|| named(&self.path))?;
        let texts = DumpText::split(&text).with_context(|| named(&self.path))?;
        let mut reading = Reading { path: &self.path, names: Names::new(), failures: 0, has_unread: false };
        let mut objects = Vec::new();
        for (kind, texts) in texts.objects() {
            for (index, text) in texts.iter().enumerate() {
                objects.extend(reading.document(Some(kind), index, text).map(|document| (kind, document)));
            }
        }
        let mut left_behind = HashSet::new();
        let mut index = 0;
        loop {
            let some = texts.users.get(index..).unwrap_or_default();
            let some = some.get(..part).unwrap_or(some);
            let is_last = index + some.len() >= texts.users.len();
            let numbered = some.iter().zip(index..);
            let users = numbered.filter_map(|(text, index)| reading.document(None, index, text)).collect();
            index += some.len();
            let dump = Dump {
                users,
                objects: std::mem::take(&mut objects),
                restores: texts.is_ours,
                keeps_names: texts.is_ours,
                skips_invalid: true,
                left_behind: left_behind.clone(),
                ..Dump::default()
            };
            let (loaded, _) = self.accounts.load(dump, false, &Author::system()).await?;
            for Loaded { kind, name, outcome } in loaded {
                if let LoadOutcome::Failed(problem) = outcome {
                    let noun = kind.map_or("account", |kind| kind.collection().noun);
                    reading.tell(&format!("the {noun} \"{name}\" is not loaded: {problem}"));
                    left_behind.extend(kind.map(|kind| (kind, name)));
                }
            }
            if is_last {
                break;
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
    fn document(&mut self, kind: Option<ObjectKind>, index: usize, text: &str) -> Option<Map<String, Value>> {
        let (name, document) = match document(kind, index, text) {
            Ok(read) => read,
            Err(problem) => {
                self.has_unread = true;
                self.tell(&format!("{problem:#}; it is not loaded"));
                return None;
            }
        };
        let noun = kind.map_or("account", |kind| kind.collection().noun);
        if self.names.contains(&(kind.map(order), name.clone())) {
            self.tell(&format!("the {noun} \"{name}\" is in the document twice; the first one is used"));
            return None;
        }
        self.names.insert((kind.map(order), name));
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
