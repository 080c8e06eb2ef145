//! `tidegate migrate`: takes over what another server leaves. Everything is read before anything is written, nothing
//! that is here already is written over, and a second run finds everything in its place (G-14, A1-22).

mod accounts;
mod configuration;
mod report;
mod sources;

use std::path::Path;

use anyhow::{Context, bail, ensure};
use clap::Args;
use tidegate_migrate::host_keys::{self, KeyOutcome};
use tidegate_migrate::{Moved, NoteKind, in_place};

use self::accounts::Target;
use self::configuration::ConfigurationOutcome;
use self::report::Report;
use self::sources::Sources;
use super::Place;
use crate::config::has_own_file;
use crate::config::settings::DatabaseSettings;
use crate::control::Control;
use crate::state_directory::{self, StateLock};

#[derive(Debug, Args)]
pub struct MigrateArguments {
    #[command(flatten)]
    place: Place,
    /// What to take over (repeatable): the directory of an older server, its database or a dump of it; a directory with
    /// passwd, shadow and ssh/sshd_config; a file of ProFTPD's or Pure-FTPd's accounts
    #[arg(long, required = true)]
    from: Vec<String>,
    /// The least uid of a system's accounts that are people
    #[arg(long, default_value_t = 1000)]
    min_uid: u32,
    /// The greatest one
    #[arg(long, default_value_t = 60000)]
    max_uid: u32,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: MigrateArguments) -> anyhow::Result<()> {
    let report = migrate(&arguments).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

async fn migrate(arguments: &MigrateArguments) -> anyhow::Result<Report> {
    let directory = arguments.place.directory();
    let is_trial = arguments.dry_run;
    let mut sources = Sources::find(&arguments.from)?;
    let has_own = arguments.place.file().is_some() || has_own_file(&directory).map_err(anyhow::Error::msg)?;
    // The configuration that holds here, unless the older server's is about to take its place.
    let here = match &sources.older {
        Some(_) if !has_own => None,
        Some(_) | None => Some(arguments.place.load(&directory)?).filter(|here| here.source.path.is_some()),
    };
    let provider = match &here {
        Some(here) => here.config.data_provider.clone(),
        None => configuration::data_provider(sources.older.as_ref(), &directory),
    };
    let settings = configuration::settings_for_accounts(&provider, &directory)?;
    let DatabaseSettings::Sqlite(database) = &settings.database else {
        bail!("data_provider.driver is \"memory\", which keeps no accounts; choose \"sqlite\", or use tidegate load");
    };
    sources.find_database(database)?;
    let mut moved = sources.read(arguments.min_uid..=arguments.max_uid)?;

    // From here on things are written.
    if !is_trial {
        state_directory::prepare(&directory)?;
    }
    let mut report = Report { dry_run: is_trial, ..Report::default() };
    if let Some(old) = &sources.in_place {
        report.kept_database = Some(set_aside(old, &directory, is_trial).await?);
    }
    let keys = copy_keys(&moved, &directory, is_trial, &mut report);
    report.configuration = match &here {
        Some(here) => {
            configuration::compare(&sources, &here.config.compat, &mut moved);
            ConfigurationOutcome::Kept
        }
        None => match configuration::text(&sources, &provider, &keys, &mut moved, &directory)? {
            None => ConfigurationOutcome::Nothing,
            Some(text) => {
                if !is_trial {
                    host_keys::write_new(&directory.join("tidegate.toml"), text.as_bytes())?;
                }
                ConfigurationOutcome::Written
            }
        },
    };
    if let Some((version, sign)) = moved.evidence.version() {
        report.version = Some(format!("{version} or later ({sign})"));
    }
    report.compat = sources.is_of_older_server().then(|| moved.evidence.compat());
    let mut target = Target::open(&directory, settings, is_trial).await?;
    let outcome = accounts::load(&mut target, &mut moved, is_trial, &mut report).await;
    target.finish().await;
    outcome?;
    if sources.is_of_older_server() && report.users.added + report.folders.added > 0 {
        let text = "usages are those that the older server has counted; tidegate quota scan counts anew. Accounts get new \
                    numbers";
        moved.note(NoteKind::Changed, "usages", text);
    }
    report.notes.extend(moved.notes);
    Ok(report)
}

/// Keeps the old database under another name, so that a new one takes its place. The answer has that name.
async fn set_aside(old: &Path, directory: &Path, is_trial: bool) -> anyhow::Result<String> {
    if !is_trial {
        let is_running = Control::connect(directory).await?.is_some();
        ensure!(!is_running, "a server runs in {}; stop it first", directory.display());
        let lock = StateLock::try_acquire(directory)?;
        let _lock = lock.with_context(|| format!("another command works in {}; wait for it", directory.display()))?;
        in_place::set_aside(old)?;
    }
    Ok(in_place::kept(old).display().to_string())
}

/// The names of the keys, which are all in the directory afterwards.
fn copy_keys(moved: &Moved, directory: &Path, is_trial: bool, report: &mut Report) -> Vec<String> {
    let mut names = Vec::new();
    for (from, name) in &moved.host_keys {
        match host_keys::copy(from, &directory.join(name), is_trial) {
            Ok(outcome) => {
                if outcome == KeyOutcome::Taken {
                    let text = "there is another key of that name here, which stays; clients will see that one";
                    report.note(NoteKind::Changed, from.display().to_string(), text);
                }
                report.host_keys.push((name.clone(), outcome).into());
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            Err(error) => report.note(NoteKind::Invalid, from.display().to_string(), error.to_string()),
        }
    }
    names
}
