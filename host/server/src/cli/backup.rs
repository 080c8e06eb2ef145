//! `tidegate dump` and `tidegate load`: all accounts as one document, with their password hashes
//! (A18-10, A18-11).

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::{Map, Value, json};
use tidegate_api_types::DumpUsers;
use tidegate_core::account::{AccountDraft, OnConflict};
use tidegate_core::ports::Author;

use super::Place;
use super::door::{Door, Purpose};
use super::user::{Open, PAGE, author, read_source, warn_of_invalid};
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

/// Valid or not: what loads the dump says what is wrong with them.
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

/// An old file of that name is replaced when the new one is complete.
fn write_privately(path: &Path, text: &str) -> anyhow::Result<()> {
    let unwritable = || format!("{} cannot be written", path.display());
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    // One that was left, or that somebody else made, may be open to others.
    let _ = std::fs::remove_file(&beside);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&beside).with_context(unwritable)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(unwritable)?;
    std::fs::rename(&beside, path).with_context(unwritable)
}

/// The document is read before anything is changed. Accounts that there are get what it says, but keep
/// what the server maintains; one that cannot be loaded is in the way of no other.
pub async fn load(arguments: LoadArguments) -> anyhow::Result<()> {
    let drafts = drafts(&read_source(&arguments.file)?).with_context(|| format!("{} is no dump", arguments.file))?;
    let open = Open::for_changes(&arguments.place).await?;
    let (mut added, mut updated, mut failed) = (0, 0, 0);
    for draft in drafts {
        let username = draft.username().to_owned();
        match load_one(&open, draft).await {
            Ok(true) => added += 1,
            Ok(false) => updated += 1,
            Err(error) => {
                failed += 1;
                eprintln!("tidegate: the account \"{username}\" could not be loaded: {error:#}");
            }
        }
    }
    open.finish().await;
    if arguments.json {
        println!("{}", json!({ "added": added, "updated": updated, "failed": failed }));
    } else {
        println!("{added} accounts were added, {updated} updated.");
    }
    ensure!(failed == 0, "{failed} accounts could not be loaded");
    Ok(())
}

/// Whether the account is new.
async fn load_one(open: &Open, draft: AccountDraft) -> anyhow::Result<bool> {
    let is_new = open.accounts.stored(draft.username()).await?.is_none();
    if is_new {
        open.accounts.add(draft, &author()).await?
    } else {
        open.accounts.update(draft, OnConflict::Refuse, &author()).await?
    };
    Ok(is_new)
}

fn drafts(text: &str) -> anyhow::Result<Vec<AccountDraft>> {
    let document: Value = serde_json::from_str(text)?;
    let Some(users) = document.get("users").and_then(Value::as_array) else {
        bail!("it lacks the list \"users\"");
    };
    let draft = |(index, user): (usize, &Value)| {
        let draft = AccountDraft::from_json(&user.to_string()).with_context(|| format!("users.{index}"))?;
        if draft.username().is_empty() {
            bail!("users.{index} has no username");
        }
        Ok(draft)
    };
    users.iter().enumerate().map(draft).collect()
}

/// A9-03: accounts that are kept in memory begin with those of a dump.
pub async fn load_into_memory(
    database: &DatabaseSettings,
    stores: &Stores,
    users_base_dir: Option<String>,
) -> anyhow::Result<()> {
    let DatabaseSettings::Memory(Some(path)) = database else {
        return Ok(());
    };
    let named = || format!("data_provider.name, {}", path.display());
    let drafts = drafts(&std::fs::read_to_string(path).with_context(named)?).with_context(named)?;
    let accounts = stores.accounts(users_base_dir);
    for draft in drafts {
        let username = draft.username().to_owned();
        accounts
            .add(draft, &Author::system())
            .await
            .with_context(|| format!("{}: the account \"{username}\"", named()))?;
    }
    Ok(())
}
