//! The door of a command: the control socket of the server that runs in the state directory, or,
//! without one, the same use cases in this process, under the lock of the directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tidegate_api::{AdminApi, Handle, Owner, error_answer, load_reported, user_name};
use tidegate_api_types::{LoadReport, Operation};
use tidegate_core::account::Dump;
use tidegate_core::admin::Actor;
use tidegate_core::dump_text::DumpText;
use tidegate_core::file_history::FileHistory;
use tidegate_core::guard::Defender;
use tidegate_core::hook::HookKind;
use tidegate_core::ports::{Door as ActorDoor, NoFileLog, SystemClock, UnlimitedDescriptors};
use tidegate_core::quota::QuotaKeeper;
use tidegate_core::session::SessionRegistry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Place;
use crate::config::Settings;
use crate::config::settings::DatabaseSettings;
use crate::control::Control;
use crate::dump_request::LoadRules;
use crate::dump_text::document;
use crate::hook_inventory::AtStart;
use crate::state_directory::{self, StateLock};
use crate::wire::{self, Administered, HookTasks, Hooks, Storages, Stores};

/// Time for telling hooks of a change.
const TELLING_TIME: Duration = Duration::from_secs(60);
/// Time for a server that starts, or for other commands, to release the lock.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Whether a command reads or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Look,
    /// A change, which hooks may have to get.
    Change,
}

pub enum Door {
    Server(Control),
    Process(Box<Process>),
}

/// The use cases in this process.
pub struct Process {
    api: AdminApi,
    actor: Actor,
    keeper: Arc<QuotaKeeper>,
    /// The hooks that get changes.
    tasks: Option<HookTasks>,
    /// Released last.
    _lock: StateLock,
}

impl Door {
    pub async fn open(place: &Place, purpose: Purpose) -> anyhow::Result<Self> {
        if let Some(control) = place.server().await? {
            return Ok(Self::Server(control));
        }
        let (directory, settings) = match purpose {
            Purpose::Look => place.settings_to_look_at()?,
            Purpose::Change => place.settings()?,
        };
        Self::open_in(&directory, settings, purpose).await
    }

    /// As [`open`](Self::open), with settings that need not be those of the directory's configuration.
    pub async fn open_in(directory: &Path, settings: Settings, purpose: Purpose) -> anyhow::Result<Self> {
        Self::open_within(directory, settings, purpose, PATIENCE).await
    }

    async fn open_within(
        directory: &Path,
        settings: Settings,
        purpose: Purpose,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let patience = Instant::now() + patience;
        loop {
            // A server that starts takes the lock before it binds its socket.
            if let Some(control) = Control::connect(directory).await? {
                return Ok(Self::Server(control));
            }
            if let Some(lock) = StateLock::try_acquire(directory)? {
                return Ok(Self::Process(Box::new(Process::start(directory, settings, purpose, lock).await?)));
            }
            if Instant::now() >= patience {
                let directory = directory.display();
                bail!("another process holds the lock of {directory} and does not answer; wait for it, or stop it");
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Carries out a use case.
    ///
    /// # Errors
    /// An [`ErrorAnswer`](tidegate_api_types::ErrorAnswer) if the use case was refused or failed.
    pub async fn call<O: Operation>(&mut self, operation: O) -> anyhow::Result<O::Answer>
    where
        AdminApi: Handle<O>,
    {
        match self {
            Self::Server(control) => control.call(&operation).await,
            Self::Process(process) => {
                let answer = process.api.handle(&process.actor, operation).await;
                Ok(answer.map_err(|error| error_answer(&error))?)
            }
        }
    }

    /// Loads the documents of a dump that can be read.
    ///
    /// # Errors
    /// As of [`call`](Self::call); or the dump cannot be read.
    pub async fn load(&mut self, dump: Arc<DumpText>, rules: LoadRules) -> anyhow::Result<LoadReport> {
        match self {
            Self::Server(control) => control.load(dump, rules).await,
            Self::Process(process) => {
                let LoadRules { dry_run, restores, skips_invalid } = rules;
                let rules = (Dump { restores, skips_invalid, ..Dump::default() }, dry_run);
                let (backups, actor) = (&process.api.administration.backups, &process.actor);
                let loaded = load_reported(backups, actor, &dump, rules, |kind, entry| {
                    Ok(document(kind, entry).ok().map(|(_, document)| document))
                });
                Ok(loaded.await.map_err(|error| *error)?)
            }
        }
    }

    pub fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// Waits until hooks have got the changes and usages are stored; a server does both by itself.
    pub async fn finish(self) {
        let Self::Process(process) = self else { return };
        process.keeper.finish().await;
        if let Some(tasks) = process.tasks {
            // A signal ends the command itself.
            tasks.finish(TELLING_TIME, &CancellationToken::new()).await;
        }
    }
}

impl Process {
    async fn start(directory: &Path, settings: Settings, purpose: Purpose, lock: StateLock) -> anyhow::Result<Self> {
        if let DatabaseSettings::Memory(_) = settings.database {
            bail!(
                "with data_provider.driver = \"memory\" the accounts are in the server that runs, and none runs in {}; \
                 start it with: tidegate serve",
                directory.display()
            );
        }
        let stores = Stores::open(&settings.database, directory)?;
        let mut accounts = stores.accounts(settings.users_base_dir.clone());
        let mut hooks = None;
        let tasks = match purpose {
            Purpose::Look => None,
            Purpose::Change => {
                let (mut tasks, host) = HookTasks::start_journal(&stores);
                let points =
                    Hooks::open_for(&[HookKind::ObjectChanges, HookKind::CredentialChanged], &settings, &stores, host)
                        .await?;
                tasks.start_observers(&points);
                accounts = accounts.with_observers(points.object_changes.clone());
                hooks = Some(points);
                Some(tasks)
            }
        };
        let check = Some(stores.root_check(&settings));
        let descriptors = Arc::new(UnlimitedDescriptors);
        let storages = Storages::open(&settings, None, check, Arc::default(), descriptors);
        let storage = storages.context("files cannot be counted")?.factory;
        let scans = wire::quota_scans(&stores, &settings, state_directory::node_name(directory)?, storage);
        let keeper = scans.keeper.clone();
        // Bans and decided credentials are kept by a running server; this one has none. Exempt networks are in a file.
        let defender = Defender::new(settings.defender.clone(), Arc::default(), Arc::new(SystemClock));
        let defender = defender.with_exemptions(stores.exemptions.clone());
        let cache = wire::external_auth_cache(&settings, Arc::default(), Arc::new(SystemClock))?;
        let (login_pre_scope, address_rule) = (settings.http_access.login_pre_scope, settings.address_rule);
        let client_pages = settings.client_pages();
        let inventory = Arc::new(AtStart { directory: directory.to_owned(), settings });
        let sessions = Arc::new(SessionRegistry::default());
        let (defender, external_auth_cache) = (Arc::new(defender), cache);
        // Nor has it sessions that could do something.
        let file_history = Arc::new(FileHistory::new(Arc::new(SystemClock), Arc::new(NoFileLog)));
        let administered = Administered {
            sessions,
            scans,
            defender,
            external_auth_cache,
            one_time_codes: Arc::default(),
            login_pre_scope,
            address_rule,
            file_history,
            client_pages,
        };
        let api = wire::admin_api(&stores, accounts, administered, inventory, hooks.as_deref(), directory);
        let Owner(uid) = Owner::of_this_process();
        let actor = Actor::local(user_name(uid).await, ActorDoor::Cli);
        Ok(Self { api, actor, keeper, tasks, _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Loaded};

    #[tokio::test]
    async fn no_command_works_while_another_process_has_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let open = async |patience| {
            let settings = Loaded::from_config(Config::default()).validate(directory.path(), false).unwrap();
            Door::open_within(directory.path(), settings, Purpose::Look, patience).await
        };
        let held = StateLock::try_acquire(directory.path()).unwrap();
        let error = open(Duration::ZERO).await.err().unwrap().to_string();
        assert!(error.starts_with("another process holds the lock of"), "{error}");
        drop(held);
        let door = open(Duration::ZERO).await.unwrap();
        assert!(!door.is_server());
        // The command is such a process itself.
        assert!(StateLock::try_acquire(directory.path()).unwrap().is_none());
        drop(door);
        assert!(StateLock::try_acquire(directory.path()).unwrap().is_some());
    }
}
