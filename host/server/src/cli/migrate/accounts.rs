//! Accounts, folders, groups and roles on their way in. What is here already stays as it is; of the rest, what is not
//! valid is reported, and everything else is stored at once.

use std::collections::HashSet;
use std::path::Path;

use anyhow::ensure;
use serde_json::{Map, Value};
use tidegate_api_types::{AccountOutcome, LoadDump, LoadReport, LoadedAccount, ObjectKind};
use tidegate_core::account::{Accounts, Dump, LoadOutcome, Loaded, ObjectKind as Kind};
use tidegate_core::admin::moved_administrator;
use tidegate_core::ports::Author;
use tidegate_migrate::older::is_ours;
use tidegate_migrate::{Moved, NoteKind};

use super::report::{Count, Report};
use crate::cli::door::{Door, Purpose};
use crate::cli::object::noun;
use crate::config::Settings;
use crate::config::settings::DatabaseSettings;
use crate::control::Control;
use crate::wire::Stores;

/// Where the accounts go.
pub enum Target {
    Door(Box<Door>),
    /// A trial where there is no database yet, which the trial must not make.
    Nothing(Box<Accounts>),
}

/// What a load says of one object; no kind: an account.
struct Outcome {
    kind: Option<ObjectKind>,
    name: String,
    what: What,
}

enum What {
    Added,
    Differs(Vec<String>),
    Same,
    Failed(String),
}

impl Target {
    pub async fn open(directory: &Path, settings: Settings, is_trial: bool) -> anyhow::Result<Self> {
        if is_trial && !can_look(directory, &settings.database).await? {
            let stores = Stores::in_memory()?;
            return Ok(Self::Nothing(Box::new(stores.accounts(settings.users_base_dir))));
        }
        // Hooks get changes, and moving in is none.
        Ok(Self::Door(Box::new(Door::open_in(directory, settings, Purpose::Look).await?)))
    }

    /// Whether a server that runs keeps the accounts.
    pub fn is_server(&self) -> bool {
        matches!(self, Self::Door(door) if door.is_server())
    }

    /// Whether what is here already is not looked at.
    pub fn is_blind(&self) -> bool {
        matches!(self, Self::Nothing(_))
    }

    pub async fn finish(self) {
        if let Self::Door(door) = self {
            door.finish().await;
        }
    }

    async fn load(&mut self, dump: LoadDump) -> anyhow::Result<(Vec<Outcome>, bool)> {
        match self {
            Self::Door(door) => {
                let report = door.call(dump).await?;
                let applied = report.applied;
                Ok((of_report(report), applied))
            }
            Self::Nothing(accounts) => {
                let LoadDump { users, folders, groups, roles, dry_run, moves_in, restores, skips_invalid, .. } = dump;
                let kinds = [(Kind::Folder, folders), (Kind::Group, groups), (Kind::Role, roles)];
                let objects = kinds.into_iter().flat_map(|(kind, all)| all.into_iter().map(move |one| (kind, one)));
                let dump = Dump { moves_in, restores, skips_invalid, ..Dump::default() };
                let dump = Dump { users, objects: objects.collect(), ..dump };
                let (loaded, applied) = accounts.load(dump, dry_run, &Author::system()).await?;
                Ok((loaded.into_iter().map(of_loaded).collect(), applied))
            }
        }
    }
}

impl Target {
    /// What becomes of the administrators of the dump, by their names.
    async fn load_admins(&mut self, dump: LoadDump) -> anyhow::Result<Vec<(String, What)>> {
        let admins = match self {
            Self::Door(door) => door.call(dump).await?.admins,
            Self::Nothing(_) => {
                let valid = |admin: &Map<String, Value>| match moved_administrator(admin) {
                    Ok((name, _)) => (name, What::Added),
                    Err(error) => {
                        let name = admin.get("username").and_then(Value::as_str).unwrap_or_default();
                        (name.to_owned(), What::Failed(error.to_string()))
                    }
                };
                return Ok(dump.admins.iter().map(valid).collect());
            }
        };
        let outcome = |admin: LoadedAccount| (admin.username, what(admin.outcome, admin.changed, admin.problem));
        Ok(admins.into_iter().map(outcome).collect())
    }
}

/// Whether there is a database that can be looked at without making or changing one.
async fn can_look(directory: &Path, database: &DatabaseSettings) -> anyhow::Result<bool> {
    Ok(match database {
        DatabaseSettings::Sqlite(path) => path.is_file() && is_ours(path)?,
        DatabaseSettings::Bolt(path) => path.is_file(),
        // A command that opens it makes the tables; the server that runs has made them.
        DatabaseSettings::Postgresql(_) | DatabaseSettings::Mysql(_) => Control::connect(directory).await?.is_some(),
        DatabaseSettings::Memory(_) | DatabaseSettings::ReadOnly { .. } => false,
    })
}

fn what(outcome: AccountOutcome, changed: Vec<String>, problem: Option<String>) -> What {
    match outcome {
        AccountOutcome::Added => What::Added,
        AccountOutcome::Updated => What::Differs(changed),
        AccountOutcome::Unchanged => What::Same,
        AccountOutcome::Failed => What::Failed(problem.unwrap_or_default()),
    }
}

fn of_report(report: LoadReport) -> Vec<Outcome> {
    let objects = report.objects.into_iter().map(|object| Outcome {
        kind: Some(object.kind),
        name: object.name,
        what: what(object.outcome, object.changed, object.problem),
    });
    let accounts = report.accounts.into_iter().map(|account| Outcome {
        kind: None,
        name: account.username,
        what: what(account.outcome, account.changed, account.problem),
    });
    objects.chain(accounts).collect()
}

fn of_loaded(loaded: Loaded) -> Outcome {
    let kind = loaded.kind.map(|kind| match kind {
        Kind::Folder => ObjectKind::Folder,
        Kind::Group => ObjectKind::Group,
        Kind::Role => ObjectKind::Role,
    });
    let what = match loaded.outcome {
        LoadOutcome::Added => What::Added,
        LoadOutcome::Updated(changed) => What::Differs(changed),
        LoadOutcome::Unchanged => What::Same,
        LoadOutcome::Failed(problem) => What::Failed(problem),
    };
    Outcome { kind, name: loaded.name, what }
}

/// The noun of the kind, and the name.
type Key = (&'static str, String);

/// Finds out what is new and valid, and stores that.
pub async fn load(target: &mut Target, moved: &mut Moved, is_trial: bool, report: &mut Report) -> anyhow::Result<()> {
    let mut dump = LoadDump {
        users: std::mem::take(&mut moved.users),
        folders: std::mem::take(&mut moved.folders),
        groups: std::mem::take(&mut moved.groups),
        roles: std::mem::take(&mut moved.roles),
        dry_run: true,
        moves_in: true,
        ..LoadDump::default()
    };
    // What refers to an object that stays behind may have to stay behind, too.
    let outcomes = loop {
        let (outcomes, _) = target.load(dump.clone()).await?;
        let mut failed = HashSet::new();
        for outcome in &outcomes {
            if let What::Failed(problem) = &outcome.what {
                moved.leave_after_all(outcome.noun(), &outcome.name, format!("it stays behind: {problem}"));
                count(report, outcome.kind).invalid += 1;
                failed.insert((outcome.noun(), outcome.name.clone()));
            }
        }
        if failed.is_empty() {
            break outcomes;
        }
        let before = len(&dump);
        dump = retained(dump, |key| !failed.contains(key));
        ensure!(len(&dump) < before, "objects without a name cannot be loaded");
    };
    let let_down = let_down(&dump, &outcomes);
    let mut new = HashSet::new();
    for outcome in outcomes {
        let count = count(report, outcome.kind);
        match &outcome.what {
            What::Added if let_down.contains(&(outcome.noun(), outcome.name.clone())) => {
                count.invalid += 1;
                let text = "one of its folders or groups has the name of another one that is here, which it would get \
                            instead; it stays behind";
                moved.leave_after_all(outcome.noun(), &outcome.name, text);
            }
            What::Added => {
                count.added += 1;
                new.insert((outcome.noun(), outcome.name));
            }
            What::Same => count.present += 1,
            What::Differs(fields) => {
                count.present += 1;
                let text = format!("it is here already, differs in {}, and stays as it is", fields.join(", "));
                moved.note(NoteKind::Changed, about(&outcome), text);
            }
            What::Failed(_) => {}
        }
    }
    let roles = dump.roles.clone();
    if !is_trial && !new.is_empty() {
        store(target, retained(LoadDump { dry_run: false, ..dump }, |key| new.contains(key))).await?;
    }
    // Behind their roles.
    let admins = std::mem::take(&mut moved.admins);
    if admins.is_empty() {
        return Ok(());
    }
    let roles = if is_trial { roles } else { Vec::new() };
    let dump = LoadDump { roles, admins, dry_run: is_trial, moves_in: true, ..LoadDump::default() };
    for (name, what) in target.load_admins(dump).await? {
        let (about, count) = (format!("administrator \"{name}\""), &mut report.admins);
        match what {
            What::Added => count.added += 1,
            What::Same => count.present += 1,
            What::Differs(fields) => {
                count.present += 1;
                let text = format!("it is here already, differs in {}, and stays as it is", fields.join(", "));
                moved.note(NoteKind::Changed, about, text);
            }
            What::Failed(problem) => {
                count.invalid += 1;
                moved.leave_after_all("administrator", &name, format!("it stays behind: {problem}"));
            }
        }
    }
    Ok(())
}

async fn store(target: &mut Target, dump: LoadDump) -> anyhow::Result<()> {
    let (outcomes, applied) = target.load(dump).await?;
    let failed = outcomes.iter().find_map(|outcome| match &outcome.what {
        What::Failed(problem) => Some(format!("{}: {problem}", about(outcome))),
        What::Added | What::Differs(_) | What::Same => None,
    });
    ensure!(applied, "nothing was stored: {}; run the command again", failed.unwrap_or_default());
    Ok(())
}

/// The new groups and accounts that would get a folder or group which is here with another meaning, and the accounts
/// that have such a group.
fn let_down(dump: &LoadDump, outcomes: &[Outcome]) -> HashSet<Key> {
    let keys = |is_it: &dyn Fn(&Outcome) -> bool| -> HashSet<Key> {
        outcomes.iter().filter(|outcome| is_it(outcome)).map(|outcome| (outcome.noun(), outcome.name.clone())).collect()
    };
    let mut others = keys(&|outcome| matches!(outcome.what, What::Differs(_)) && outcome.kind.is_some());
    let mut found = HashSet::new();
    if others.is_empty() {
        return found;
    }
    let new = keys(&|outcome| matches!(outcome.what, What::Added));
    for (noun_of, field, documents) in
        [(noun(ObjectKind::Group), "name", &dump.groups), ("account", "username", &dump.users)]
    {
        for document in documents.iter().filter(|document| refers(document, &others)) {
            let name = document.get(field).and_then(Value::as_str).unwrap_or_default();
            found.extend(Some((noun_of, name.to_owned())).filter(|key| new.contains(key)));
        }
        others.extend(found.iter().cloned());
    }
    found
}

fn refers(document: &Map<String, Value>, others: &HashSet<Key>) -> bool {
    [("virtual_folders", ObjectKind::Folder), ("groups", ObjectKind::Group)].into_iter().any(|(field, kind)| {
        let entries = document.get(field).and_then(Value::as_array).into_iter().flatten();
        let mut names = entries.filter_map(|entry| entry.get("name")?.as_str());
        names.any(|name| others.contains(&(noun(kind), name.to_owned())))
    })
}

impl Outcome {
    fn noun(&self) -> &'static str {
        self.kind.map_or("account", noun)
    }
}

fn about(outcome: &Outcome) -> String {
    format!("{} \"{}\"", outcome.noun(), outcome.name)
}

fn count(report: &mut Report, kind: Option<ObjectKind>) -> &mut Count {
    match kind {
        None => &mut report.users,
        Some(ObjectKind::Folder) => &mut report.folders,
        Some(ObjectKind::Group) => &mut report.groups,
        Some(ObjectKind::Role) => &mut report.roles,
    }
}

fn len(dump: &LoadDump) -> usize {
    dump.users.len() + dump.folders.len() + dump.groups.len() + dump.roles.len()
}

fn retained(mut dump: LoadDump, is_kept: impl Fn(&Key) -> bool) -> LoadDump {
    let name = |document: &Map<String, Value>, field: &str| {
        document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    dump.users.retain(|user| is_kept(&("account", name(user, "username"))));
    for (kind, objects) in [
        (ObjectKind::Folder, &mut dump.folders),
        (ObjectKind::Group, &mut dump.groups),
        (ObjectKind::Role, &mut dump.roles),
    ] {
        objects.retain(|object| is_kept(&(noun(kind), name(object, "name"))));
    }
    dump
}
