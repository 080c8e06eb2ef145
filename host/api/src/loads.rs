//! Loads of dumps, for all doors: the text is read in parts, each of which is parsed where there is room for its values.

use std::sync::Arc;

use serde_json::{Map, Value};
use tidegate_api_types::{ErrorAnswer, ErrorCode, LoadReport};
use tidegate_core::account::{Dump, Loaded, ObjectKind};
use tidegate_core::admin::{Actor, AdminError, BackupAdministration};
use tidegate_core::dump_text::{DumpError, DumpText, Entries, Entry};
use tidegate_core::ports::{SpooledText, StoreError};

use crate::answer::Refusal;
use crate::control::load_report;

/// What a load has done, or would do.
pub struct DumpLoad {
    /// The outcome of each document.
    pub loaded: Vec<Loaded>,
    pub is_stored: bool,
}

/// Why nothing was loaded.
#[derive(Debug)]
pub enum LoadFailure {
    /// The text is no dump.
    Text(DumpError),
    Refused(AdminError),
}

impl From<DumpError> for LoadFailure {
    fn from(error: DumpError) -> Self {
        match error {
            DumpError::Unreadable(error) => Self::Refused(error.into()),
            error @ (DumpError::Malformed { .. }
            | DumpError::NoLists
            | DumpError::List(_)
            | DumpError::Entry { .. }) => Self::Text(error),
        }
    }
}

impl From<AdminError> for LoadFailure {
    fn from(error: AdminError) -> Self {
        Self::Refused(error)
    }
}

impl From<LoadFailure> for Refusal {
    fn from(failure: LoadFailure) -> Self {
        match failure {
            LoadFailure::Refused(error) => error.into(),
            LoadFailure::Text(error) => match &error {
                DumpError::List(list) => Self::of_field(list, error.to_string()),
                DumpError::Entry { list, index, .. } => Self::of_field(&format!("{list}.{index}"), error.to_string()),
                DumpError::NoLists => Self::new(ErrorCode::Malformed, format!("the body is no dump: {error}")),
                DumpError::Malformed { .. } | DumpError::Unreadable(_) => {
                    Self::new(ErrorCode::Malformed, format!("the body cannot be read: {error}"))
                }
            },
        }
    }
}

/// Looks at the whole text.
///
/// # Errors
/// It is no JSON object.
pub async fn read_dump(text: Arc<dyn SpooledText>) -> Result<DumpText, LoadFailure> {
    Ok(on_thread(move || DumpText::read(text)).await?)
}

/// Loads what a dump has, or nothing. `rules`: what is said of its documents. `each`: is shown the documents, with their
/// kind; None: accounts.
///
/// # Errors
/// The text is no dump, an entry is no document, other loads have the room for its values, the actor lacks the
/// permission, or the store fails.
pub async fn load_dump(
    backups: &BackupAdministration,
    actor: &Actor,
    dump: &DumpText,
    rules: (Dump, bool),
    mut each: impl FnMut(Option<ObjectKind>, &Map<String, Value>) + Send,
) -> Result<DumpLoad, LoadFailure> {
    let read = |kind: Option<ObjectKind>, entry: Entry| {
        let document = entry.document()?;
        each(kind, &document);
        Ok::<_, DumpError>(Some(document))
    };
    load_entries(backups, actor, dump, rules, read).await
}

/// As [`load_dump`], for commands, with the report of the load. `read`: gives the document of an entry; None: it stays
/// behind.
///
/// # Errors
/// As of `load_dump`.
pub async fn load_reported(
    backups: &BackupAdministration,
    actor: &Actor,
    dump: &DumpText,
    rules: (Dump, bool),
    read: impl FnMut(Option<ObjectKind>, Entry) -> Result<Option<Map<String, Value>>, DumpError> + Send,
) -> Result<LoadReport, Box<ErrorAnswer>> {
    let load = load_entries(backups, actor, dump, rules, read).await;
    let DumpLoad { loaded, is_stored } = load.map_err(|failure| Refusal::from(failure).0)?;
    Ok(load_report(loaded, is_stored))
}

async fn load_entries(
    backups: &BackupAdministration,
    actor: &Actor,
    dump: &DumpText,
    (rules, is_trial): (Dump, bool),
    mut read: impl FnMut(Option<ObjectKind>, Entry) -> Result<Option<Map<String, Value>>, DumpError> + Send,
) -> Result<DumpLoad, LoadFailure> {
    let lists = dump.lists()?;
    let mut load = backups.begin_load(actor, rules, is_trial).await?;
    for (kind, mut entries) in lists {
        loop {
            let (rest, part) = next_part(entries).await?;
            entries = rest;
            if part.is_empty() {
                break;
            }
            let _place = backups.room.to_parse(part.iter().filter_map(Entry::text)).await?;
            let documents = part.into_iter().filter_map(|entry| read(kind, entry).transpose());
            let documents = documents.collect::<Result<Vec<_>, _>>()?;
            load.add(kind, documents).await?;
        }
    }
    let (loaded, is_stored) = load.finish().await?;
    Ok(DumpLoad { loaded, is_stored })
}

/// The next entries of a list; empty: there are no more.
///
/// # Errors
/// The text cannot be read.
pub async fn next_part(mut entries: Entries) -> Result<(Entries, Vec<Entry>), DumpError> {
    on_thread(move || entries.part().map(|part| (entries, part))).await
}

async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DumpError> + Send + 'static,
) -> Result<T, DumpError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Failed(format!("the dump could not be read: {error}")))?
}
