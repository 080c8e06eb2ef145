//! `tidegate migrate`: takes over what another server leaves. Everything is read before anything is written, nothing
//! that is here already is written over, and a second run finds everything in its place (G-14, A1-22).

mod accounts;
mod configuration;
mod database_server;
mod report;
mod sources;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use tidegate_migrate::host_keys::{self, KeyOutcome};
use tidegate_migrate::older::{Names, of_other_programs};
use tidegate_migrate::{Moved, NoteKind, in_place};
use tidegate_passwords::can_check;

use self::accounts::Target;
use self::configuration::ConfigurationOutcome;
use self::report::Report;
use self::sources::Sources;
use super::Place;
use crate::config::settings::DatabaseSettings;
use crate::config::{Config, has_own_file};
use crate::control::Control;
use crate::state_directory::{self, StateLock};

#[derive(Debug, Args)]
pub struct MigrateArguments {
    #[command(flatten)]
    place: Place,
    /// What to take over (repeatable): the directory of an older server, its database (a file, or a URL postgresql://…
    /// or mysql://…) or a dump of it; a directory with passwd, shadow and ssh/sshd_config; a file of ProFTPD's or Pure-FTPd's accounts
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
    let mut settings = configuration::settings_for_accounts(&provider, &directory)?;
    match &settings.database {
        DatabaseSettings::Sqlite(file) | DatabaseSettings::Bolt(file) => sources.find_database(Some(file))?,
        DatabaseSettings::Postgresql(_) | DatabaseSettings::Mysql(_) => sources.find_database(None)?,
        DatabaseSettings::ReadOnly { .. } => {
            bail!(
                "data_provider.manage_users is 0: another program keeps the accounts, and the server only reads them; \
                 set it to 1, or move the accounts into that program"
            )
        }
        DatabaseSettings::Memory(_) => {
            bail!(
                "data_provider.driver is \"memory\", which keeps no accounts; choose \"sqlite\", or use tidegate load"
            )
        }
    }
    let mut moved = sources.read(arguments.min_uid..=arguments.max_uid)?;
    moved.leave_unchecked_passwords(can_check);

    // From here on things are written.
    if !is_trial {
        state_directory::prepare(&directory)?;
    }
    let mut report = Report { dry_run: is_trial, ..Report::default() };
    let mut successor = None;
    if let Some(old) = &sources.in_place {
        let kept = in_place::kept(old).display().to_string();
        let others = of_other_programs(old, &sources.names())?;
        if !others.is_empty() {
            let text = format!(
                "what other programs have in the older server's database does not move, and is only in {kept} from now \
                 on; let them use that file, or copy it from there"
            );
            moved.note(NoteKind::Changed, others.join(", "), text);
        }
        report.kept_database = Some(kept);
        if !is_trial {
            let made = prepare_successor(old, &sources.names(), &directory).await?;
            settings.database = match settings.database {
                DatabaseSettings::Bolt(_) => DatabaseSettings::Bolt(made.clone()),
                _ => DatabaseSettings::Sqlite(made.clone()),
            };
            successor = Some((old.clone(), made));
        }
    }
    for (count, left) in [
        (&mut report.users, moved.left.users),
        (&mut report.folders, moved.left.folders),
        (&mut report.groups, moved.left.groups),
        (&mut report.roles, moved.left.roles),
        (&mut report.admins, moved.left.admins),
    ] {
        count.invalid += left;
    }
    let keys = copy_keys(&moved, &directory, is_trial, &mut report);
    let mut configuration = None;
    report.configuration = match &here {
        Some(here) => {
            configuration::compare(&sources, &here.config.compat, &mut moved);
            note_unnamed_keys(&keys, &here.config, &mut report);
            ConfigurationOutcome::Kept
        }
        None => match configuration::text(&sources, &provider, &keys, &mut moved, &directory)? {
            None => ConfigurationOutcome::Nothing,
            Some(text) => {
                configuration = Some(text);
                ConfigurationOutcome::Written
            }
        },
    };
    if let Some((version, sign)) = moved.evidence.version() {
        report.version = Some(format!("{version} or later ({sign})"));
    }
    report.compat = sources.is_of_older_server().then(|| moved.evidence.compat());
    let is_on_server = matches!(settings.database, DatabaseSettings::Postgresql(_) | DatabaseSettings::Mysql(_));
    let mut target = Target::open(&directory, settings, is_trial).await?;
    if is_on_server && target.is_blind() {
        let text = "this trial makes no database, so it does not know which accounts are here already";
        moved.note(NoteKind::Changed, "database", text);
    }
    let outcome = match successor.is_some() && target.is_server() {
        true => Err(anyhow::anyhow!("a server was started in {} meanwhile; stop it first", directory.display())),
        false => accounts::load(&mut target, &mut moved, is_trial, &mut report).await,
    };
    target.finish().await;
    outcome?;
    // An interrupted move leaves the older server's database and configuration as they were until everything is there.
    if let Some((old, made)) = &successor {
        in_place::replace(old, made)?;
    }
    if let Some(text) = configuration.filter(|_| !is_trial) {
        host_keys::write_new(&directory.join("tidegate.toml"), text.as_bytes())?;
    }
    if sources.is_of_older_server() && report.users.added + report.folders.added > 0 {
        let text = "usages are those that the older server has counted; tidegate quota scan counts anew. Accounts get new \
                    numbers";
        moved.note(NoteKind::Changed, "usages", text);
    }
    report.notes.extend(moved.notes);
    Ok(report)
}

/// Keeps a copy of the old database, whose tables have these names. The answer is where the new one is made.
async fn prepare_successor(old: &Path, names: &Names, directory: &Path) -> anyhow::Result<PathBuf> {
    let is_running = Control::connect(directory).await?.is_some();
    ensure!(!is_running, "a server runs in {}; stop it first", directory.display());
    let lock = StateLock::try_acquire(directory)?;
    let _lock = lock.with_context(|| format!("another command works in {}; wait for it", directory.display()))?;
    in_place::keep(old, names)?;
    Ok(in_place::prepare_successor(old)?)
}

/// Files beside a key of that name that are looked at.
const MAX_NAMES: u32 = 99;

/// The names of the keys, which are all in the directory afterwards.
fn copy_keys(moved: &Moved, directory: &Path, is_trial: bool, report: &mut Report) -> Vec<String> {
    let mut names = Vec::new();
    for (from, name) in &moved.host_keys {
        match copy_key(from, name, &names, directory, is_trial) {
            Ok((found, outcome)) => {
                if outcome == KeyOutcome::Taken {
                    let text = "there are other keys of that name here, which stay; clients will see those";
                    report.note(NoteKind::Changed, from.display().to_string(), text);
                } else if found != *name {
                    let text = format!("there is another key of that name here, which stays; this one is {found}");
                    report.note(NoteKind::Changed, from.display().to_string(), text);
                }
                report.host_keys.push((found.clone(), outcome).into());
                if !names.contains(&found) {
                    names.push(found);
                }
            }
            Err(error) => report.note(NoteKind::Invalid, from.display().to_string(), error.to_string()),
        }
    }
    names
}

/// Copies a key under its name, or under one with a number where another key has it: a client that knows the key must
/// see it again. `others`: names that keys of this run have.
fn copy_key(
    from: &Path,
    name: &str,
    others: &[String],
    directory: &Path,
    is_trial: bool,
) -> Result<(String, KeyOutcome), tidegate_migrate::MigrateError> {
    let numbered = (2..=MAX_NAMES).map(|number| format!("{name}_{number}"));
    for candidate in std::iter::once(name.to_owned()).chain(numbered).filter(|name| !others.contains(name)) {
        let outcome = host_keys::copy(from, &directory.join(&candidate), is_trial)?;
        if outcome != KeyOutcome::Taken {
            return Ok((candidate, outcome));
        }
    }
    Ok((name.to_owned(), KeyOutcome::Taken))
}

/// Notes the keys that the configuration here does not name, so that clients do not see them.
fn note_unnamed_keys(keys: &[String], config: &Config, report: &mut Report) {
    const LOOKED_FOR: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];
    let named: Vec<&Path> = config.sftpd.keys.iter().map(|key| key.private_key.as_path()).collect();
    for name in keys {
        let is_shown = match named.is_empty() {
            true => LOOKED_FOR.contains(&name.as_str()),
            false => named.iter().any(|named| named.file_name() == Path::new(name).file_name()),
        };
        if !is_shown {
            let text = "clients that know it see a changed key until you name it in sftpd.keys";
            report.note(NoteKind::Changed, format!("host key {name}"), text);
        }
    }
}
