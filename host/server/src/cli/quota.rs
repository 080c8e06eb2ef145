//! `tidegate quota`.

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand};
use tidegate_api_types::{ListScans, ObjectKind, Scan, ScanReport, ScanScope, SetUsage, UsedQuota};

use super::Place;
use super::door::{Door, Purpose};
use super::lines::{print_line, warn_line};
use super::object::all_objects;
use super::user::{change, for_each_page, warn_of_invalid};

const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Count the files of accounts and folders again, and store what they use
    Scan(ScanArguments),
    /// Store what an account or a folder uses, without counting its files
    Set(SetArguments),
}

#[derive(Debug, Args)]
pub struct ScanArguments {
    #[command(flatten)]
    place: Place,
    /// Only this account (repeatable)
    #[arg(long, short)]
    username: Vec<String>,
    /// Only this folder (repeatable)
    #[arg(long)]
    folder: Vec<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct SetArguments {
    #[command(flatten)]
    place: Place,
    /// The account
    #[arg(long, short, required_unless_present = "folder", conflicts_with = "folder")]
    username: Option<String>,
    /// The folder
    #[arg(long)]
    folder: Option<String>,
    /// The number of its files
    #[arg(long, allow_negative_numbers = true)]
    files: i64,
    /// Their size, in bytes
    #[arg(long, allow_negative_numbers = true)]
    bytes: i64,
    /// Add the numbers to what is stored; negative ones lower it
    #[arg(long)]
    add: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(command: QuotaCommand) -> anyhow::Result<()> {
    match command {
        QuotaCommand::Scan(arguments) => scan_all(arguments).await,
        QuotaCommand::Set(arguments) => set(arguments).await,
    }
}

async fn set(arguments: SetArguments) -> anyhow::Result<()> {
    let SetArguments { place, username, folder, files, bytes, add, json } = arguments;
    let scope = match (username, folder) {
        (Some(name), _) => ScanScope::Account(name),
        (None, Some(name)) => ScanScope::Folder(name),
        (None, None) => anyhow::bail!("say --username or --folder"),
    };
    let usage = UsedQuota { size: bytes, files };
    let report = change(&place, SetUsage { scope, usage, is_added: add }).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

async fn scan_all(arguments: ScanArguments) -> anyhow::Result<()> {
    let ScanArguments { place, username, folder, json } = arguments;
    let mut door = Door::open(&place, Purpose::Look).await?;
    let mut scopes: Vec<ScanScope> = username.into_iter().map(ScanScope::Account).collect();
    scopes.extend(folder.into_iter().map(ScanScope::Folder));
    if scopes.is_empty() {
        scopes = everything(&mut door).await?;
    }
    let (mut reports, mut failed) = (Vec::new(), 0);
    for scope in &scopes {
        match scan(&place, &mut door, scope).await {
            Ok(report) => {
                if !json {
                    print(&report);
                }
                reports.push(report);
            }
            // The other scopes are counted nevertheless.
            Err(error) => {
                failed += 1;
                warn_line!("{scope}: {error:#}");
            }
        }
    }
    door.finish().await;
    if json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    }
    anyhow::ensure!(failed == 0, "{failed} of {} could not be counted", scopes.len());
    Ok(())
}

async fn everything(door: &mut Door) -> anyhow::Result<Vec<ScanScope>> {
    let mut scopes: Vec<ScanScope> = Vec::new();
    for_each_page(door, |page| {
        warn_of_invalid(&page.invalid);
        scopes.extend(page.users.into_iter().map(|user| ScanScope::Account(user.username().to_owned())));
        Ok(())
    })
    .await?;
    let folders = all_objects(door, ObjectKind::Folder).await?;
    scopes.extend(folders.into_iter().map(|folder| ScanScope::Folder(folder.name().to_owned())));
    Ok(scopes)
}

/// Counts one scope. A server takes uploads under way into account, and reports its progress.
async fn scan(place: &Place, door: &mut Door, scope: &ScanScope) -> anyhow::Result<ScanReport> {
    let shows_progress = door.is_server() && std::io::stderr().is_terminal();
    let scan = door.call(Scan { scope: scope.clone() });
    if !shows_progress {
        return scan.await;
    }
    tokio::select! {
        report = scan => report,
        never = show_progress(place) => match never {},
    }
}

async fn show_progress(place: &Place) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(PROGRESS_INTERVAL).await;
        if let Ok(Some(mut control)) = place.server().await
            && let Ok(found) = control.call(&ListScans {}).await
        {
            let (files, directories) = found.scans.iter().fold((0, 0), |(files, directories): (u64, u64), scan| {
                (files.saturating_add(scan.files), directories.saturating_add(scan.directories))
            });
            eprint!("\r{files} files in {directories} directories …");
        }
    }
}

fn print(report: &ScanReport) {
    let ScanReport { scope, before, found } = report;
    let text = |used: &UsedQuota| format!("{} files, {} bytes", used.files, used.size);
    let scope = match scope {
        ScanScope::Account(name) => name.clone(),
        ScanScope::Folder(name) => format!("folder {name}"),
    };
    if before == found {
        print_line!("{scope}: {}", text(found));
    } else {
        print_line!("{scope}: {} (was: {})", text(found), text(before));
    }
}
