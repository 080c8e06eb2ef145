//! Dumps of all accounts, folders, groups and roles, written a page at a time, and loads, which are made as a whole or
//! not at all (A18-10, A18-11).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Map, Value};
use tidegate_api_types::{ErrorAnswer, ErrorCode, LoadReport};
use tidegate_core::account::{Dump, ObjectKind};
use tidegate_core::admin::{Actor, AdminError, Administration, BackupPlace};
use tidegate_core::ports::{PageRequest, Spool, SpooledText};
use tidegate_core::quota::Scope;

use super::RestApi;
use super::backup_directory::MAX_DUMP;
use super::extract::{BodyLimit, Query, spooled};
use crate::answer::Refusal;
use crate::control::{dumped, load_report};
use crate::loads::{DumpLoad, load_dump, read_dump};

/// How many documents are written at a time.
const PAGE: u32 = 500;
/// The time in which the body of a load has to arrive.
const BODY_TIME: Duration = Duration::from_secs(600);
/// How many problems of a load an answer names.
const PROBLEMS_SHOWN: usize = 100;

/// A section of a dump.
#[derive(Clone, Copy)]
enum Section {
    Users,
    Objects(ObjectKind),
}

const SECTIONS: [Section; 4] = [
    Section::Users,
    Section::Objects(ObjectKind::Folder),
    Section::Objects(ObjectKind::Group),
    Section::Objects(ObjectKind::Role),
];

/// Writes a dump part by part.
struct Dumper {
    administration: Arc<Administration>,
    actor: Actor,
    /// A client that reads slowly keeps it.
    _place: BackupPlace,
    sections: std::slice::Iter<'static, Section>,
    section: Option<Section>,
    after: Option<String>,
    is_first: bool,
    is_over: bool,
}

impl Dumper {
    /// Waits for room.
    async fn new(administration: Arc<Administration>, actor: Actor) -> Result<Self, AdminError> {
        let place = administration.backups.room.to_make().await?;
        Ok(Self {
            administration,
            actor,
            _place: place,
            sections: SECTIONS.iter(),
            section: None,
            after: None,
            is_first: true,
            is_over: false,
        })
    }

    /// The next part of the text; None: the dump is complete.
    ///
    /// # Errors
    /// The actor lacks the permission, or the store fails.
    async fn next(&mut self) -> Result<Option<String>, AdminError> {
        if self.is_over {
            return Ok(None);
        }
        let Some(section) = self.section else { return Ok(Some(self.begin_section())) };
        let backups = &self.administration.backups;
        let after = self.after.take();
        let (documents, next) = match section {
            Section::Users => {
                let page = dumped(backups.dump(&self.actor, after, PAGE).await?);
                (page.users, page.next)
            }
            Section::Objects(kind) => {
                let request = PageRequest { after, prefix: None, limit: PAGE };
                let page = backups.dump_objects(&self.actor, kind, request).await?;
                let next = page.last().map(|last| last.name.clone());
                (page.into_iter().map(|stored| stored.document).collect::<Vec<_>>(), next)
            }
        };
        let mut text = String::new();
        for document in documents {
            text.push_str(if std::mem::take(&mut self.is_first) { "\n" } else { ",\n" });
            text.push_str(&Value::Object(document).to_string());
        }
        self.after = next;
        if self.after.is_none() {
            text.push(']');
            self.section = None;
        }
        Ok(Some(text))
    }

    fn begin_section(&mut self) -> String {
        let Some(section) = self.sections.next() else {
            self.is_over = true;
            return "\n}\n".to_owned();
        };
        self.section = Some(*section);
        self.is_first = true;
        match section {
            Section::Users => "{\"users\":[".to_owned(),
            Section::Objects(ObjectKind::Folder) => ",\n\"folders\":[".to_owned(),
            Section::Objects(ObjectKind::Group) => ",\n\"groups\":[".to_owned(),
            Section::Objects(ObjectKind::Role) => ",\n\"roles\":[".to_owned(),
        }
    }
}

/// The dump as an answer, which is sent while it is read.
///
/// # Errors
/// The actor lacks the permission, other dumps have the room, or the store fails at the beginning; later, the answer
/// breaks off.
pub async fn streamed(administration: Arc<Administration>, actor: Actor) -> Result<Response, AdminError> {
    let mut dumper = Dumper::new(administration, actor).await?;
    // The second part is the first page: what keeps it from being read is said with a status.
    let mut begin = dumper.next().await?.unwrap_or_default();
    begin.push_str(&dumper.next().await?.unwrap_or_default());
    let rest = stream::try_unfold((Some(begin), dumper), |(begin, mut dumper)| async move {
        let part = match begin {
            Some(begin) => Some(begin),
            None => dumper.next().await?,
        };
        Ok::<_, AdminError>(part.map(|part| (Bytes::from(part), (None, dumper))))
    });
    let headers = [(CONTENT_TYPE, "application/json"), (CONTENT_DISPOSITION, "attachment; filename=\"dump.json\"")];
    Ok((headers, Body::from_stream(rest)).into_response())
}

/// Writes the dump to a file among the backups; gives its size in bytes.
///
/// # Errors
/// The path is not allowed, the actor lacks the permission, other dumps have the room, or the store or the file fails.
pub async fn to_file(api: &RestApi, actor: &Actor, parameter: &'static str, path: String) -> Result<u64, Refusal> {
    let mut dumper = Dumper::new(api.administration.clone(), actor.clone()).await?;
    let mut begin = dumper.next().await?;
    let (backups, name) = (api.backups.clone(), path);
    let mut file = on_thread(move || backups.create(parameter, &name)).await?;
    while let Some(text) = begin {
        file = on_thread(move || file.write(text.as_bytes()).map(|()| file)).await?;
        begin = dumper.next().await?;
    }
    on_thread(move || file.finish()).await
}

/// The text of a dump, with its room.
pub struct Text {
    text: Arc<dyn SpooledText>,
    _place: BackupPlace,
}

/// A file among the backups, which is read where it is.
///
/// # Errors
/// The path is not allowed, other loads have the room, or the file cannot be read.
pub async fn from_file(api: &RestApi, parameter: &'static str, path: String) -> Result<Text, Refusal> {
    let backups = api.backups.clone();
    let found = on_thread(move || backups.find(parameter, &path)).await?;
    let place = api.administration.backups.room.to_load(found.length()).await?;
    Ok(Text { text: Arc::new(found), _place: place })
}

/// Reads the body of a request.
///
/// # Errors
/// The body is larger or slower than the limit, or breaks off; or other loads have the room.
pub async fn from_body(api: &RestApi, request: Request) -> Result<Text, Refusal> {
    let limit = BodyLimit { size: usize::try_from(MAX_DUMP).unwrap_or(usize::MAX), time: BODY_TIME };
    let place = room_for(api, length_of(&request), limit).await?;
    let mut spool = api.administration.backups.spools.begin();
    spooled(request, limit, &mut *spool).await?;
    Ok(Text { text: Arc::<dyn Spool>::from(spool), _place: place })
}

/// The length of the body, where the request says it.
pub fn length_of(request: &Request) -> Option<u64> {
    request.body().size_hint().upper()
}

/// Room for a body of that length, until its request was carried out.
///
/// # Errors
/// Other loads have the room.
pub async fn room_for(api: &RestApi, length: Option<u64>, limit: BodyLimit) -> Result<BackupPlace, Refusal> {
    let most = u64::try_from(limit.size).unwrap_or(u64::MAX);
    // A body whose length is not said may be as large as any; one that is too large takes no room: it is refused.
    let length = length.unwrap_or(most);
    Ok(api.administration.backups.room.to_load(if length > most { 0 } else { length }).await?)
}

async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::new(ErrorCode::Failed, format!("the work on the backup broke off: {error}")))?
}

/// The accounts whose files are counted after a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanAfterLoad {
    No,
    All,
    /// Those with a quota.
    Limited,
}

impl ScanAfterLoad {
    /// What `0`, `1` and `2` mean.
    ///
    /// # Errors
    /// The parameter is something else.
    pub fn of_query(query: &Query, name: &'static str) -> Result<Self, Refusal> {
        match query.text(name) {
            None | Some("" | "0") => Ok(Self::No),
            Some("1") => Ok(Self::All),
            Some("2") => Ok(Self::Limited),
            Some(_) => Err(Refusal::of_field(name, format!("the parameter \"{name}\" must be 0, 1 or 2"))),
        }
    }
}

/// Loads a dump, or nothing; the report names every document.
///
/// # Errors
/// The text is no dump, a document cannot be loaded, other loads have the room, the actor lacks the permission, or the store
/// fails.
pub async fn load(api: &RestApi, actor: &Actor, text: Text, scans: ScanAfterLoad) -> Result<Loaded, Refusal> {
    let dump = read_dump(text.text.clone()).await?;
    let mut limited = Vec::new();
    let note = |kind: Option<ObjectKind>, document: &Map<String, Value>| {
        limited.extend(scope(document, scans).filter(|_| kind.is_none()));
    };
    let backups = &api.administration.backups;
    let DumpLoad { loaded, is_stored } = load_dump(backups, actor, &dump, (Dump::default(), false), note).await?;
    let report = load_report(loaded, is_stored);
    if !is_stored && report.failed > 0 {
        return Err(refused(&report));
    }
    scan(api, actor, limited);
    Ok(Loaded { left: dump.left() })
}

/// What a load has done.
pub struct Loaded {
    /// Sections of the dump that this server does not have.
    pub left: Vec<String>,
}

impl Loaded {
    pub fn message(&self) -> String {
        if self.left.is_empty() {
            return "Data restored".to_owned();
        }
        format!("Data restored; these sections were not loaded: {}", self.left.join(", "))
    }
}

fn refused(report: &LoadReport) -> Refusal {
    let accounts = report
        .accounts
        .iter()
        .filter_map(|account| Some(format!("the account \"{}\": {}", account.username, account.problem.as_ref()?)));
    let objects = report
        .objects
        .iter()
        .filter_map(|object| Some(format!("the {:?} \"{}\": {}", object.kind, object.name, object.problem.as_ref()?)));
    let problems: Vec<String> = objects.chain(accounts).take(PROBLEMS_SHOWN).collect();
    let error = format!("{} documents could not be loaded, and nothing was changed", report.failed);
    Refusal(Box::new(ErrorAnswer { message: problems.join("; "), ..ErrorAnswer::new(ErrorCode::Invalid, error) }))
}

/// The account, if its files are to be counted.
fn scope(user: &Map<String, Value>, scans: ScanAfterLoad) -> Option<Scope> {
    let has_quota =
        || ["quota_size", "quota_files"].iter().any(|field| user.get(*field).and_then(Value::as_i64).unwrap_or(0) != 0);
    let is_wanted = match scans {
        ScanAfterLoad::No => false,
        ScanAfterLoad::All => true,
        ScanAfterLoad::Limited => has_quota(),
    };
    let name = user.get("username")?.as_str().filter(|_| is_wanted)?;
    Some(Scope::Account(name.to_owned()))
}

/// Counts the files of the accounts, one after the other, after the answer.
fn scan(api: &RestApi, actor: &Actor, scopes: Vec<Scope>) {
    if scopes.is_empty() {
        return;
    }
    let (administration, actor) = (api.administration.clone(), actor.clone());
    tokio::spawn(async move {
        for scope in scopes {
            if let Err(error) = administration.scans.scan(&actor, &scope).await {
                let message = format!("the usage of {} could not be counted after a load: {error}", scope.name());
                tracing::warn!(sender = "httpd", message);
            }
        }
    });
}

/// Begins a scan, which goes on after the answer.
///
/// # Errors
/// As of the use case.
pub async fn begin_scan(api: &RestApi, actor: &Actor, scope: Scope) -> Result<(), Refusal> {
    let started = api.administration.scans.begin(actor, &scope).await?;
    let (administration, actor) = (api.administration.clone(), actor.clone());
    tokio::spawn(async move {
        if let Err(error) = administration.scans.finish(&actor, started).await {
            let message = format!("the usage of {} could not be counted: {error}", scope.name());
            tracing::warn!(sender = "httpd", message);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_files_of_the_accounts_that_are_wanted_are_counted() {
        // A18-11
        let users = [
            json!({"username": "none"}),
            json!({"username": "zero", "quota_size": 0, "quota_files": 0}),
            json!({"username": "size", "quota_size": 1}),
            json!({"username": "files", "quota_files": 1}),
        ];
        let names = |scans: ScanAfterLoad| {
            let scopes = users.iter().filter_map(|user| scope(user.as_object().unwrap(), scans));
            scopes.map(|scope| scope.name().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(ScanAfterLoad::No), "");
        assert_eq!(names(ScanAfterLoad::All), "none zero size files");
        assert_eq!(names(ScanAfterLoad::Limited), "size files");
    }
}
