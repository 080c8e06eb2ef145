//! `tidegate dump` and `tidegate load`: all accounts as one document, with their password hashes
//! (A18-10, A18-11).

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::{Map, Value, json};
use tidegate_api_types::{AccountOutcome, DumpUsers, LoadReport, LoadUsers, LoadedAccount};
use tidegate_core::account::{LoadOutcome, Loaded};
use tidegate_core::ports::Author;

use super::door::{Door, Purpose};
use super::user::{PAGE, change, warn_of_invalid};
use super::{Place, read_source};
use crate::config::settings::DatabaseSettings;
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
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub async fn dump(arguments: DumpArguments) -> anyhow::Result<()> {
    let mut door = Door::open(&arguments.place, Purpose::Look).await?;
    let users = all(&mut door).await;
    door.finish().await;
    let users = users?;
    let text = serde_json::to_string_pretty(&json!({ "users": users }))? + "\n";
    if arguments.file == "-" {
        return Ok(std::io::stdout().write_all(text.as_bytes())?);
    }
    write_privately(Path::new(&arguments.file), &text)?;
    println!("{} accounts were written to {}.", users.len(), arguments.file);
    Ok(())
}

/// All accounts, valid or not: loading the dump reports what is wrong with them.
async fn all(door: &mut Door) -> anyhow::Result<Vec<Map<String, Value>>> {
    let mut users = Vec::new();
    let mut request = DumpUsers { after: None, limit: PAGE };
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

/// Writes a file for its owner alone. An old file of that name is replaced when the new one is complete.
fn write_privately(path: &Path, text: &str) -> anyhow::Result<()> {
    let unwritable = || format!("{} cannot be written", path.display());
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    // A file that was left over, or that another user made, may be readable to others.
    let _ = std::fs::remove_file(&beside);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&beside).with_context(unwritable)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(unwritable)?;
    std::fs::rename(&beside, path).with_context(unwritable)
}

/// Loads the whole document or nothing. Existing accounts get its values, but keep the fields that
/// the server maintains.
pub async fn load(arguments: LoadArguments) -> anyhow::Result<()> {
    let users = users(&read_source(&arguments.file)?).with_context(|| format!("{} is no dump", arguments.file))?;
    let report = change(&arguments.place, LoadUsers { users, dry_run: arguments.dry_run }).await?;
    for LoadedAccount { username, problem, .. } in &report.accounts {
        if let Some(problem) = problem {
            eprintln!("tidegate: the account \"{username}\" could not be loaded: {problem}");
        }
    }
    let LoadReport { added, updated, failed, .. } = report;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else if arguments.dry_run {
        report.accounts.iter().for_each(print);
        println!("{added} accounts would be added, {updated} updated.");
    } else if failed == 0 {
        println!("{added} accounts were added, {updated} updated.");
    }
    ensure!(failed == 0, "{failed} accounts could not be loaded; nothing was changed");
    Ok(())
}

fn print(account: &LoadedAccount) {
    let LoadedAccount { username, outcome, changed, .. } = account;
    match outcome {
        AccountOutcome::Added => println!("{username:<24} new"),
        AccountOutcome::Updated => println!("{username:<24} changed: {}", changed.join(", ")),
        AccountOutcome::Unchanged => println!("{username:<24} as it is"),
        AccountOutcome::Failed => println!("{username:<24} cannot be loaded"),
    }
}

/// The accounts in a document, which are not validated yet.
fn users(text: &str) -> anyhow::Result<Vec<Map<String, Value>>> {
    let document: Value = serde_json::from_str(text)?;
    let Some(users) = document.get("users").and_then(Value::as_array) else {
        bail!("it lacks the list \"users\"");
    };
    let user = |(index, user): (usize, &Value)| {
        let user = user.as_object().with_context(|| format!("users.{index} is no account"))?;
        let named = user.iter().find(|(field, _)| field.eq_ignore_ascii_case("username"));
        let is_named = named.and_then(|(_, name)| name.as_str()).is_some_and(|name| !name.is_empty());
        ensure!(is_named, "users.{index} has no username");
        Ok(user.clone())
    };
    users.iter().enumerate().map(user).collect()
}

/// Loads the dump with which accounts in memory begin (A9-03).
pub async fn load_into_memory(
    database: &DatabaseSettings,
    stores: &Stores,
    users_base_dir: Option<String>,
) -> anyhow::Result<()> {
    let DatabaseSettings::Memory(Some(path)) = database else {
        return Ok(());
    };
    let named = || format!("data_provider.name, {}", path.display());
    let users = users(&std::fs::read_to_string(path).with_context(named)?).with_context(named)?;
    let accounts = stores.accounts(users_base_dir);
    let (loaded, _) = accounts.load(users, false, &Author::system()).await?;
    for Loaded { username, outcome } in loaded {
        if let LoadOutcome::Failed(problem) = outcome {
            bail!("{}: the account \"{username}\": {problem}", named());
        }
    }
    Ok(())
}
