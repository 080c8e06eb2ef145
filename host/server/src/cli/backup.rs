//! `tidegate dump` and `tidegate load`: all accounts, folders, groups and roles as one document, with
//! their secrets (A18-10, A18-11).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use serde_json::{Map, Value, json};
use tidegate_api_types::{
    AccountOutcome, DumpObjects, DumpUsers, LoadDump, LoadReport, LoadedAccount, LoadedObject, ObjectKind,
};
use tidegate_core::dump_text::DumpText;
use tidegate_core::ports::{Change, FOLDERS, GROUPS, ROLES, SpooledText, TextInMemory, USERS, Write as Writing};

use super::door::{Door, Purpose};
use super::lines::{print_line, warn_line};
use super::object::noun;
use super::output_file::write_document;
use super::user::{PAGE, warn_of_invalid};
use super::{Place, read_source};
use crate::config::Settings;
use crate::config::settings::DatabaseSettings;
use crate::control::Control;
use crate::dump_request::LoadRules;
use crate::dump_text::{self, MADE_BY, OURS};
use crate::spools::text_of;
use crate::wire::Stores;

#[derive(Debug, Args)]
pub struct DumpArguments {
    #[command(flatten)]
    place: Place,
    /// Where to write it, for its owner alone to read; "-" means standard output
    #[arg(default_value = "-")]
    file: String,
}

#[derive(Debug, Args)]
pub struct LoadArguments {
    #[command(flatten)]
    place: Place,
    /// The document to read; "-" means standard input
    file: String,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Load the others where documents are not valid, as with a dump of this server
    #[arg(long)]
    skip_invalid: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub async fn dump(arguments: DumpArguments) -> anyhow::Result<()> {
    let mut door = Door::open(&arguments.place, Purpose::Look).await?;
    let dump = everything(&mut door).await;
    door.finish().await;
    let dump = dump?;
    let count = dump.users.len();
    let LoadDump { users, folders, groups, roles, .. } = dump;
    let document = json!({ MADE_BY: OURS, "users": users, "folders": folders, "groups": groups, "roles": roles });
    let text = serde_json::to_string_pretty(&document)? + "\n";
    write_document(&arguments.file, &text, count)
}

/// All accounts, valid or not: loading the dump reports what is wrong with them.
async fn all(door: &mut Door) -> anyhow::Result<Vec<Map<String, Value>>> {
    let mut users = Vec::new();
    let mut request = DumpUsers { username: None, after: None, limit: PAGE };
    loop {
        let page = door.call(request.clone()).await?;
        warn_of_invalid(&page.invalid);
        users.extend(page.users);
        if page.next.is_none() {
            return Ok(users);
        }
        request.after = page.next;
    }
}

async fn everything(door: &mut Door) -> anyhow::Result<LoadDump> {
    Ok(LoadDump {
        users: all(door).await?,
        folders: all_objects(door, ObjectKind::Folder).await?,
        groups: all_objects(door, ObjectKind::Group).await?,
        roles: all_objects(door, ObjectKind::Role).await?,
        restores: true,
        ..LoadDump::default()
    })
}

async fn all_objects(door: &mut Door, kind: ObjectKind) -> anyhow::Result<Vec<Map<String, Value>>> {
    let mut objects = Vec::new();
    let mut request = DumpObjects { kind, after: None, limit: PAGE };
    loop {
        let page = door.call(request.clone()).await?;
        for problem in &page.invalid {
            warn_line!("tidegate: warning: {problem}");
        }
        objects.extend(page.objects);
        if page.next.is_none() {
            return Ok(objects);
        }
        request.after = page.next;
    }
}

/// Loads the document. Existing accounts get its values, but keep the fields that the server maintains. Where a part of
/// it is not valid, nothing is loaded; of a dump that this server has made, which may have what was not valid in the
/// database, everything else is.
pub async fn load(arguments: LoadArguments) -> anyhow::Result<()> {
    let unusable = || format!("{} is no dump", arguments.file);
    let (dump, problems) = read_dump(text_of_source(&arguments.file)?).with_context(unusable)?;
    let restores = dump_text::is_ours(&dump);
    let skips_invalid = arguments.skip_invalid || restores;
    if let Some(problem) = problems.first().filter(|_| !skips_invalid) {
        return Err(anyhow!("{problem}")).with_context(unusable);
    }
    for problem in &problems {
        warn_line!("tidegate: a document could not be loaded: {problem}");
    }
    let rules = LoadRules { dry_run: arguments.dry_run, restores, skips_invalid };
    let mut door = Door::open(&arguments.place, Purpose::Change).await?;
    let report = door.load(Arc::new(dump), rules).await;
    door.finish().await;
    let report = report?;
    for LoadedAccount { username, problem, .. } in &report.accounts {
        if let Some(problem) = problem {
            warn_line!("tidegate: the account \"{username}\" could not be loaded: {problem}");
        }
    }
    for LoadedObject { kind, name, problem, .. } in &report.objects {
        if let Some(problem) = problem {
            warn_line!("tidegate: the {} \"{name}\" could not be loaded: {problem}", noun(*kind));
        }
    }
    let applied = report.applied;
    let failed = report.failed + problems.len();
    if arguments.json {
        println!("{}", serde_json::to_string(&LoadReport { failed, ..report.clone() })?);
    } else if arguments.dry_run {
        for LoadedObject { kind, name, outcome, changed, .. } in &report.objects {
            print(&format!("{} {name}", noun(*kind)), *outcome, changed);
        }
        for LoadedAccount { username, outcome, changed, .. } in &report.accounts {
            print(username, *outcome, changed);
        }
        println!("{}", in_words("would be", &report));
    } else if applied {
        println!("{}", in_words("were", &report));
    }
    let what = if report.objects.is_empty() { "accounts" } else { "documents" };
    let others = if applied { "the others were loaded" } else { "nothing was changed" };
    ensure!(failed == 0, "{failed} {what} could not be loaded; {others}");
    Ok(())
}

/// How many accounts are new, are changed, and stay as they are.
fn in_words(verb: &str, report: &LoadReport) -> String {
    let LoadReport { added, updated, unchanged, .. } = report;
    let others = if *unchanged > 0 { format!(", {unchanged} left as they are") } else { String::new() };
    format!("{added} accounts {verb} added, {updated} updated{others}.")
}

fn print(name: &str, outcome: AccountOutcome, changed: &[String]) {
    match outcome {
        AccountOutcome::Added => print_line!("{name:<24} new"),
        AccountOutcome::Updated => print_line!("{name:<24} changed: {}", changed.join(", ")),
        AccountOutcome::Unchanged => print_line!("{name:<24} as it is"),
        AccountOutcome::Failed => print_line!("{name:<24} cannot be loaded"),
    }
}

/// The text of a file; `-` is standard input.
fn text_of_source(source: &str) -> anyhow::Result<Arc<dyn SpooledText>> {
    if source == "-" {
        return Ok(Arc::new(TextInMemory::from(read_source(source)?.into_bytes())));
    }
    text_of(Path::new(source)).with_context(|| format!("{source} could not be read"))
}

/// A dump, and what is wrong with those of its documents that cannot be read; what can is not validated yet.
fn read_dump(text: Arc<dyn SpooledText>) -> anyhow::Result<(DumpText, Vec<String>)> {
    let dump = dump_text::read(text)?;
    let left = dump.left();
    if !left.is_empty() {
        warn_line!("the dump has lists that are not loaded: {}", left.join(", "));
    }
    let mut problems = Vec::new();
    for (kind, mut entries) in dump.lists()? {
        loop {
            let part = entries.part()?;
            if part.is_empty() {
                break;
            }
            let unread = part.into_iter().filter_map(|entry| dump_text::document(kind, entry).err());
            problems.extend(unread.map(|problem| format!("{problem:#}")));
        }
    }
    Ok((dump, problems))
}

/// The stores for a command that only looks. A server that has the file for itself gives a copy of what it keeps: of
/// these accounts and of all folders, groups and roles, without the values of plugins.
pub async fn stores_to_look_at(
    settings: &Settings,
    directory: &Path,
    users: &BTreeSet<String>,
) -> anyhow::Result<Stores> {
    let control = match settings.database {
        DatabaseSettings::Bolt(_) | DatabaseSettings::Memory(_) => Control::connect(directory).await?,
        DatabaseSettings::Sqlite(_)
        | DatabaseSettings::Postgresql(_)
        | DatabaseSettings::Mysql(_)
        | DatabaseSettings::ReadOnly { .. } => None,
    };
    let Some(control) = control else { return Stores::open(&settings.database, directory) };
    let mut door = Door::Server(control);
    let mut accounts = Vec::new();
    for user in users {
        let request = DumpUsers { username: Some(user.clone()), after: None, limit: 1 };
        accounts.extend(door.call(request).await?.users);
    }
    let kinds = [
        (&USERS, accounts),
        (&FOLDERS, all_objects(&mut door, ObjectKind::Folder).await?),
        (&GROUPS, all_objects(&mut door, ObjectKind::Group).await?),
        (&ROLES, all_objects(&mut door, ObjectKind::Role).await?),
    ];
    let changes = kinds.into_iter().flat_map(|(collection, documents)| {
        documents.into_iter().filter_map(move |document| {
            let name = document.get(collection.name_field)?.as_str()?.to_owned();
            // As they are, valid or not.
            Some(Change { collection, name, write: Writing::Add(document), announce: false, audit: None })
        })
    });
    let stores = Stores::in_memory()?;
    stores.directory.commit(changes.collect()).await?;
    Ok(stores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_as_it_is_is_named_where_there_is_some() {
        let check = |added: usize, updated: usize, unchanged: usize, expected: &str| {
            let report = LoadReport { added, updated, unchanged, failed: 1, ..LoadReport::default() };
            assert_eq!(in_words("would be", &report), expected);
        };
        check(0, 0, 0, "0 accounts would be added, 0 updated.");
        check(1, 2, 0, "1 accounts would be added, 2 updated.");
        check(0, 1, 2, "0 accounts would be added, 1 updated, 2 left as they are.");
    }
}
