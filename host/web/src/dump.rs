//! Dumps of all accounts, folders, groups and roles: one to take home, and one to load, which is tried first.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::response::Response;
use tidegate_api::{DumpLoad, LoadFailure, load_dump, read_dump};
use tidegate_core::account::{Dump, LoadOutcome, Loaded};
use tidegate_core::admin::UseCase;
use tidegate_core::ports::SpooledText;
use tokio::time::{Instant, sleep};

use crate::WebAdmin;
use crate::guard::Need;
use crate::problem::Problem;
use crate::request::{Asked, see};
use crate::route::Route;
use crate::view::{Block, Cell, Control, Form, Input, InputKind, Submit, Table, Tone};

/// How long an uploaded dump is kept for its load.
const KEPT: Duration = Duration::from_secs(600);
/// Documents that a report names.
const SHOWN: usize = 500;

/// The dump that was uploaded last, until it is loaded: one for the whole server, so that no more space is taken.
pub struct Uploaded {
    /// The session that has uploaded it.
    session: String,
    text: Arc<dyn SpooledText>,
    at: Instant,
}

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/dump", Need::For(UseCase::Dump), show),
        Route::post("/web/dump/download", Need::For(UseCase::Dump), download),
        Route::post("/web/dump/try", Need::For(UseCase::Load), attempt),
        Route::post("/web/dump/load", Need::For(UseCase::Load), load),
    ]
}

async fn show(asked: Asked) -> Response {
    let mut blocks = Vec::new();
    if asked.query.text("done") == "loaded" {
        blocks.push(Block::Note(Tone::Good, "The dump was loaded.".to_owned()));
    }
    let about = "A dump has all accounts, folders, groups and roles, with password hashes and other secrets: keep it where \
                 nothing else can read it. Administrators, API keys and files are not in it.";
    blocks.push(Block::Text(about.to_owned()));
    blocks.push(Block::Form(Form::post("download", "/web/dump/download", Vec::new(), "Download a dump")));
    if asked.may(UseCase::Load) {
        blocks.push(Block::Heading("Load a dump".to_owned()));
        let about = "Objects of the file are added, or replace stored objects of the same name; stored objects that it does \
                     not have stay. The next page shows the changes before the server makes them. A file of more than \
                     64 MiB is loaded with “tidegate load”.";
        blocks.push(Block::Text(about.to_owned()));
        let file = Control::Input(Input::new("dump", "File", "", InputKind::File));
        let mut form = Form::post("try", "/web/dump/try", vec![file], "See what would change");
        form.has_file = true;
        blocks.push(Block::Form(form));
    }
    asked.page("Dump and load", blocks)
}

async fn download(asked: Asked) -> Result<Response, Problem> {
    let administration = asked.web.administration.clone();
    Ok(tidegate_api::dump_as_answer(administration, asked.actor()?.clone()).await?)
}

/// Says what a load would do, and keeps the file for it.
async fn attempt(mut asked: Asked) -> Result<Response, Problem> {
    let file = asked.file.take().filter(|(text, _)| text.length() > 0);
    let (text, _place) = file.ok_or_else(|| Problem::wrong("Choose the file of a dump."))?;
    let session = session(&asked)?;
    let (DumpLoad { loaded, .. }, left) = carry_out(&asked, text.clone(), true).await?;
    let (mut blocks, can_be_loaded) = report(&loaded);
    if !left.is_empty() {
        let text = format!("These sections of the file are not loaded: {}.", left.join(", "));
        blocks.push(Block::Note(Tone::Warning, text));
    }
    if can_be_loaded {
        keep(&asked.web, session, text);
        let mut form = Form::post("load", "/web/dump/load", Vec::new(), "");
        form.buttons =
            vec![Submit { name: "", value: "", text: format!("Load {} documents", loaded.len()), tone: Tone::Good }];
        blocks.insert(0, Block::Form(form));
    }
    Ok(asked.page("Load this dump?", blocks))
}

/// Keeps the file for its load, and lets go of it when it is of no more use: it has secrets, and takes space on the disk.
fn keep(web: &WebAdmin, session: String, text: Arc<dyn SpooledText>) {
    let at = Instant::now();
    web.keep(Some(Uploaded { session, text, at }));
    let uploaded = Arc::downgrade(&web.uploaded);
    tokio::spawn(async move {
        sleep(KEPT).await;
        let Some(uploaded) = uploaded.upgrade() else { return };
        let mut kept = uploaded.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| kept.at <= at) {
            *kept = None;
        }
    });
}

async fn load(asked: Asked) -> Result<Response, Problem> {
    let session = session(&asked)?;
    let kept = asked.web.keep(None).filter(|kept| kept.session == session && kept.at.elapsed() < KEPT);
    let gone =
        "The server no longer has the file: it was kept for ten minutes, or another one was uploaded. Upload it again.";
    let kept = kept.ok_or_else(|| Problem::wrong(gone))?;
    let _place = asked.web.administration.backups.room.to_load(kept.text.length()).await?;
    let (DumpLoad { loaded, is_stored }, _) = carry_out(&asked, kept.text, false).await?;
    if is_stored {
        return Ok(see("/web/dump?done=loaded"));
    }
    let (blocks, _) = report(&loaded);
    let page = crate::page::Page::new("Nothing was loaded", blocks);
    Ok(asked.answer(page.with_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY)))
}

fn session(asked: &Asked) -> Result<String, Problem> {
    let visitor = asked.visitor().ok_or_else(Problem::no_visitor)?;
    Ok(asked.web.administration.authentication.token_id(&visitor.token))
}

/// Loads a file, or tries it; with the sections of it that are not loaded.
async fn carry_out(
    asked: &Asked,
    text: Arc<dyn SpooledText>,
    is_trial: bool,
) -> Result<(DumpLoad, Vec<String>), Problem> {
    let problem = |failure| match failure {
        LoadFailure::Text(error) => Problem::wrong(format!("The file is no dump: {error}.")),
        LoadFailure::Refused(error) => error.into(),
    };
    let dump = read_dump(text).await.map_err(problem)?;
    let backups = &asked.web.administration.backups;
    let rules = (Dump::default(), is_trial);
    let load = load_dump(backups, asked.actor()?, &dump, rules, |_, _| {}).await.map_err(problem)?;
    Ok((load, dump.left()))
}

/// What a load does or would do, failures first, and whether it can be made.
fn report(loaded: &[Loaded]) -> (Vec<Block>, bool) {
    let count = |is_meant: fn(&LoadOutcome) -> bool| loaded.iter().filter(|one| is_meant(&one.outcome)).count();
    let failed = count(|outcome| matches!(outcome, LoadOutcome::Failed(_)));
    let added = count(|outcome| matches!(outcome, LoadOutcome::Added));
    let updated = count(|outcome| matches!(outcome, LoadOutcome::Updated(_)));
    let mut blocks = Vec::new();
    if failed > 0 {
        let text = format!("{failed} document(s) cannot be loaded, so that the server loads nothing.");
        blocks.push(Block::Note(Tone::Bad, text));
    }
    let same = loaded.len() - failed - added - updated;
    blocks.push(Block::Facts(vec![
        ("New".to_owned(), Cell::Number(added.to_string())),
        ("Changed".to_owned(), Cell::Number(updated.to_string())),
        ("The same".to_owned(), Cell::Number(same.to_string())),
        ("Not possible".to_owned(), Cell::Number(failed.to_string())),
    ]));
    let mut rows: Vec<&Loaded> = loaded.iter().filter(|one| one.outcome != LoadOutcome::Unchanged).collect();
    rows.sort_by_key(|one| !matches!(one.outcome, LoadOutcome::Failed(_)));
    let caption =
        if rows.len() > SHOWN { format!("The first {SHOWN} of {}", rows.len()) } else { "Documents".to_owned() };
    let mut table = Table::new("loaded", caption, &["Kind", "Name", "Outcome", "Fields"], "Nothing is different.");
    for one in rows.into_iter().take(SHOWN) {
        let (mark, text) = match &one.outcome {
            LoadOutcome::Added => (Cell::mark(Tone::Good, "new"), Vec::new()),
            LoadOutcome::Updated(fields) => (Cell::mark(Tone::Warning, "changed"), fields.clone()),
            LoadOutcome::Unchanged => (Cell::text("the same"), Vec::new()),
            LoadOutcome::Failed(problem) => (Cell::mark(Tone::Bad, "not possible"), vec![problem.clone()]),
        };
        let kind = one.kind.map_or("user", |kind| kind.collection().noun);
        table.rows.push(vec![Cell::text(kind), Cell::text(one.name.clone()), mark, Cell::Lines(text)]);
    }
    blocks.push(Block::Table(table));
    (blocks, failed == 0 && !loaded.is_empty())
}
