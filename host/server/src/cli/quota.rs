//! `tidegate quota`.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use hyper::Method;
use serde_json::Value;
use tidegate_core::ports::{AccountStore, FolderStore};
use tidegate_core::quota::{QuotaScans, ScanReport, Scope, UsedQuota};

use super::Place;
use super::user::warn_of_invalid;
use crate::control::Control;
use crate::wire::{self, Stores};

const PAGE: u32 = 500;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Count the files of accounts and folders again, and store what they use
    Scan {
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
    },
}

pub async fn run(command: QuotaCommand) -> anyhow::Result<()> {
    let QuotaCommand::Scan { place, username, folder, json } = command;
    let (directory, settings) = place.settings()?;
    let stores = Stores::open(&settings.database)?;
    let mut scopes: Vec<Scope> = username.into_iter().map(Scope::Account).collect();
    scopes.extend(folder.into_iter().map(Scope::Folder));
    if scopes.is_empty() {
        scopes = everything(&stores).await?;
    }
    let storage = Arc::new(wire::storage_factory(&settings, None)?);
    let scans = wire::quota_scans(&stores, &settings, storage);
    let (mut reports, mut failed) = (Vec::new(), 0);
    for scope in &scopes {
        match scan(&directory, &scans, scope).await {
            Ok(report) => {
                if !json {
                    print(&report);
                }
                reports.push(report);
            }
            // The others are counted all the same.
            Err(error) => {
                failed += 1;
                eprintln!("{scope}: {error:#}");
            }
        }
    }
    scans.keeper.finish().await;
    if json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    }
    anyhow::ensure!(failed == 0, "{failed} of {} could not be counted", scopes.len());
    Ok(())
}

async fn everything(stores: &Stores) -> anyhow::Result<Vec<Scope>> {
    let mut scopes: Vec<Scope> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = stores.database.list(after.as_deref(), PAGE).await?;
        let Some(next) = page.next else { break };
        after = Some(next);
        warn_of_invalid(&page.invalid);
        scopes.extend(page.accounts.into_iter().map(|account| Scope::Account(account.username.clone())));
    }
    scopes.extend(stores.database.folder_names().await?.into_iter().map(Scope::Folder));
    Ok(scopes)
}

/// By the server, if one runs: it knows what is being written.
async fn scan(directory: &Path, scans: &QuotaScans, scope: &Scope) -> anyhow::Result<ScanReport> {
    let Some(control) = Control::connect(directory).await? else {
        return Ok(scans.scan(scope).await?);
    };
    let body = serde_json::to_value(scope)?;
    let asked = control.ask(Method::POST, "/scans", Some(&body));
    let answer = tokio::select! {
        answer = asked => answer?,
        () = show_progress(directory) => unreachable_progress()?,
    };
    Ok(serde_json::from_value(answer)?)
}

fn unreachable_progress() -> anyhow::Result<Value> {
    anyhow::bail!("the progress of the scan ended before the scan")
}

/// Never ends; without a terminal it shows nothing.
async fn show_progress(directory: &Path) {
    if !std::io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(PROGRESS_INTERVAL).await;
        if let Ok(Some(control)) = Control::connect(directory).await
            && let Ok(scans) = control.ask(Method::GET, "/scans", None).await
        {
            let number = |field: &str| {
                let counts = scans.as_array().into_iter().flatten().filter_map(|scan| scan.get(field)?.as_u64());
                counts.sum::<u64>()
            };
            eprint!("\r{} files in {} directories …", number("files"), number("directories"));
        }
    }
}

fn print(report: &ScanReport) {
    let ScanReport { scope, before, found } = report;
    let text = |used: &UsedQuota| format!("{} files, {} bytes", used.files, used.size);
    let scope = match scope {
        Scope::Account(name) => name.clone(),
        Scope::Folder(name) => format!("folder {name}"),
    };
    if before == found {
        println!("{scope}: {}", text(found));
    } else {
        println!("{scope}: {} (was: {})", text(found), text(before));
    }
}
