//! Puts the crates together: the only place, with its module, that names the concrete types behind the ports. Where
//! `config` asks one of them what may be set, the list in `tests/architecture` says so.

mod administration;
mod hook_points;
mod storages;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tidegate_accounts::{
    ForeignTable, MysqlDatabase, PostgresqlDatabase, RedbDatabase, SqliteDatabase, SqliteOrigin, read_mysql_tables,
    read_only_mysql, read_only_postgresql, read_only_sqlite, read_postgresql_tables,
};
use tidegate_api::Measured;
use tidegate_core::account::{Accounts, HomeCheck, RootLinks, SealedDirectory};
use tidegate_core::admin::WebSessions;
use tidegate_core::file_history::FileHistory;
use tidegate_core::files::FileContext;
use tidegate_core::guard::Defender;
use tidegate_core::history::Sources;
use tidegate_core::hook::observers::{ObserverWork, Untold};
use tidegate_core::hook::{HookHost, HookKind, NoJournal};
use tidegate_core::login::{ExternalAuthCache, LoginPorts, LoginService};
use tidegate_core::memory::MemoryStore;
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::storage::RootCheck;
use tidegate_core::ports::{
    self, Clock, Directory, Exemptions, ExemptionsInMemory, HookRunStore, NoSessionRecords, NodeName, Passwords,
    SessionRecords, StorageFactory, SystemClock, UnmarkedUsages, UnmarkedUsagesInMemory,
};
use tidegate_core::quota::{QuotaKeeper, QuotaScans};
use tidegate_core::session::{SessionRegistry, SessionWatch};
use tidegate_hooks_wasm::{ForgetError, PluginDirectory, PluginInfo, PluginPorts, ServedGates};
use tidegate_migrate::in_place;
use tidegate_migrate::older::{Names, decrypted_file_system};
use tidegate_passwords::PasswordPool;
use tidegate_sealing::KeyFile;
use tidegate_storage::LocalHostPaths;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::config::settings::{DatabaseSettings, HookTarget, ReadOnly};
use crate::exemptions::ExemptionsFile;
use crate::file_log::FileLogLines;
use crate::journal::Journal;
use crate::session_records::SessionRecordFiles;
use crate::telemetry::SpanContexts;
use crate::unmarked_usages::UnmarkedUsagesFile;

pub use administration::{Administered, admin_api, rest_api, web_admin};
pub use hook_points::{HookPoints, LinkInfo};
pub use storages::Storages;

/// Tasks that tell observers of one kind of event; each has any number of calls that wait under way.
const OBSERVER_TASKS: usize = 16;

pub fn open_database(settings: &DatabaseSettings) -> anyhow::Result<Arc<dyn ports::Stores>> {
    Ok(match settings {
        DatabaseSettings::Sqlite(path) => Arc::new(open_sqlite(path)?),
        DatabaseSettings::Postgresql(settings) => {
            Arc::new(PostgresqlDatabase::open_older(settings.as_ref().clone(), decrypted_file_system)?)
        }
        DatabaseSettings::Mysql(settings) => {
            Arc::new(MysqlDatabase::open_older(settings.as_ref().clone(), decrypted_file_system)?)
        }
        DatabaseSettings::Bolt(path) => Arc::new(RedbDatabase::open(path)?),
        DatabaseSettings::Memory(_) => Arc::new(MemoryStore::default()),
        DatabaseSettings::ReadOnly { accounts, own } => {
            let own = Arc::new(open_sqlite(own)?);
            match accounts {
                ReadOnly::Sqlite(path, names) => read_only_sqlite(path, names.clone(), own)?,
                ReadOnly::Postgresql(settings) => read_only_postgresql(settings.as_ref().clone(), own)?,
                ReadOnly::Mysql(settings) => read_only_mysql(settings.as_ref().clone(), own)?,
            }
        }
    })
}

/// A file that is not this server's is kept under another name before its first change.
fn open_sqlite(path: &Path) -> anyhow::Result<SqliteDatabase> {
    let origin = SqliteDatabase::origin(path)?;
    if origin != SqliteOrigin::FirstEra {
        return Ok(SqliteDatabase::open(path)?);
    }
    let kept = in_place::keep(path, &Names::default())?;
    let message = format!("{} was that of another server, and is kept as {}", path.display(), kept.display());
    tracing::warn!(sender = "main", message);
    // Before the file becomes ours: where the process dies in between, the next one begins here again.
    in_place::decrypt_secrets(path)?;
    Ok(SqliteDatabase::open(path)?)
}

/// The problem of a database of a later version of the older server, or of another program; none where it is another
/// problem, which the start tells.
pub fn later_database(settings: &DatabaseSettings) -> Option<String> {
    let looked = match settings {
        DatabaseSettings::Sqlite(path) | DatabaseSettings::ReadOnly { own: path, .. } => {
            return match SqliteDatabase::origin(path) {
                Err(error @ tidegate_accounts::OpenError::Later { .. }) => Some(error.to_string()),
                Ok(_) | Err(_) => None,
            };
        }
        DatabaseSettings::Postgresql(settings) => PostgresqlDatabase::look(settings.as_ref().clone()),
        DatabaseSettings::Mysql(settings) => MysqlDatabase::look(settings.as_ref().clone()),
        DatabaseSettings::Bolt(_) | DatabaseSettings::Memory(_) => return None,
    };
    match looked {
        Err(error @ ports::StoreError::Refused(_)) => Some(error.to_string()),
        Ok(()) | Err(_) => None,
    }
}

/// Reads the tables of another program's database, which is not changed; none where it is not on a database server.
/// `is_wanted`: whether the rows of a table are.
pub fn read_foreign_tables(
    settings: &DatabaseSettings,
    is_wanted: impl Fn(&str) -> bool + Sync,
) -> Result<Vec<ForeignTable>, ports::StoreError> {
    match settings {
        DatabaseSettings::Postgresql(settings) => read_postgresql_tables(settings.as_ref().clone(), is_wanted),
        DatabaseSettings::Mysql(settings) => read_mysql_tables(settings.as_ref().clone(), is_wanted),
        DatabaseSettings::Sqlite(_)
        | DatabaseSettings::Bolt(_)
        | DatabaseSettings::Memory(_)
        | DatabaseSettings::ReadOnly { .. } => Ok(Vec::new()),
    }
}

/// The most files of a directory that is renamed by copies; the page of `common.rename_mode` says so.
const RENAME_LIMIT: usize = 10_000;
fn rename_limit(settings: &Settings) -> usize {
    if settings.copying_renames { RENAME_LIMIT } else { 0 }
}

/// The file in the state directory with the key under which secrets are stored.
const SECRETS_KEY: &str = "secrets.key";

/// The stores that commands and the server use.
#[derive(Clone)]
pub struct Stores {
    pub database: Arc<dyn ports::Stores>,
    /// The documents in the database, with their secrets clear.
    pub directory: Arc<dyn Directory>,
    pub passwords: Arc<dyn Passwords>,
    /// Networks that administrators have exempted from bans.
    pub exemptions: Arc<dyn Exemptions>,
    /// Usages that went on while the database was away.
    pub unmarked: Arc<dyn UnmarkedUsages>,
    /// Sessions whose end hooks have to get, after a kill as well.
    session_records: Arc<dyn SessionRecords>,
    /// Whether accounts are only read (A8-17).
    only_read: bool,
}

impl Stores {
    /// `state`: the directory that has the key under which secrets are stored.
    pub fn open(settings: &DatabaseSettings, state: &Path) -> anyhow::Result<Self> {
        let database = open_database(settings)?;
        let directory: Arc<dyn Directory> = match settings {
            DatabaseSettings::Sqlite(_)
            | DatabaseSettings::Postgresql(_)
            | DatabaseSettings::Mysql(_)
            | DatabaseSettings::Bolt(_)
            | DatabaseSettings::ReadOnly { .. } => {
                let key = Arc::new(KeyFile::new(state.join(SECRETS_KEY)));
                Arc::new(SealedDirectory::new(database.clone(), key))
            }
            // Nothing of it is written anywhere.
            DatabaseSettings::Memory(_) => database.clone(),
        };
        let only_read = matches!(settings, DatabaseSettings::ReadOnly { .. });
        let (passwords, exemptions) = (Arc::new(PasswordPool::new()?), Arc::new(ExemptionsFile::open(state)?));
        let unmarked = Arc::new(UnmarkedUsagesFile::open(state)?);
        let session_records = Arc::new(SessionRecordFiles::new(state));
        Ok(Self { database, directory, passwords, exemptions, unmarked, session_records, only_read })
    }

    /// Stores that end with the process.
    pub fn in_memory() -> anyhow::Result<Self> {
        let database: Arc<dyn ports::Stores> = Arc::new(MemoryStore::default());
        let passwords = Arc::new(PasswordPool::new()?);
        let exemptions = Arc::new(ExemptionsInMemory::default());
        let unmarked = Arc::new(UnmarkedUsagesInMemory::default());
        let (directory, session_records) = (database.clone(), Arc::new(NoSessionRecords));
        Ok(Self { directory, database, passwords, exemptions, unmarked, session_records, only_read: false })
    }

    /// Accounts whose changes no hook gets.
    pub fn accounts(&self, users_base_dir: Option<String>) -> Accounts {
        let accounts = Accounts::new(self.directory.clone(), self.passwords.clone(), users_base_dir);
        if self.only_read { accounts.only_read() } else { accounts }
    }

    /// Accounts that hooks may make as well, where the settings let them.
    pub fn accounts_for_hooks(&self, settings: &Settings) -> Accounts {
        let homes = HomeCheck::new(settings.homes.clone(), Arc::new(LocalHostPaths));
        self.accounts(settings.users_base_dir.clone()).with_homes(homes)
    }

    /// What is asked about homes and folders that symbolic links lead to.
    pub fn root_check(&self, settings: &Settings) -> Arc<dyn RootCheck> {
        Arc::new(RootLinks::new(settings.homes.clone(), Arc::new(LocalHostPaths), self.directory.clone()))
    }
}

/// The hook points, following the plugin directory.
#[derive(Clone)]
pub struct Hooks {
    pub points: Arc<HookPoints>,
    plugins: Arc<PluginDirectory>,
}

impl Hooks {
    /// Opens the hook points with all plugins loaded. `served`: the gates that plugins have served.
    pub async fn open(
        settings: &Settings,
        stores: &Stores,
        host: HookHost,
        served: ServedGates,
    ) -> anyhow::Result<Self> {
        let hooks = Self::prepare(settings, stores, host, served)?;
        hooks.load().await;
        Ok(hooks)
    }

    /// Makes the hook points, before the plugin directory is read.
    pub fn prepare(settings: &Settings, stores: &Stores, host: HookHost, served: ServedGates) -> anyhow::Result<Self> {
        let scope = settings.external_auth_scope;
        let synchronous = &settings.synchronous_actions;
        let accounts = stores.directory.clone();
        let points =
            HookPoints::new(&settings.hooks, &settings.http, scope, synchronous, Some(accounts), Arc::new(host))?;
        let points = Arc::new(points);
        let ports = PluginPorts {
            passwords: stores.passwords.clone(),
            store: stores.database.clone(),
            authorities: settings.http.ca_certificates.clone(),
            trusted_keys: settings.trusted_plugin_keys.clone(),
        };
        let following = points.clone();
        let on_change = Box::new(move |directory: &PluginDirectory| following.follow(directory));
        let directory = settings.plugin_directory.clone();
        let plugins = PluginDirectory::new(directory, settings.plugins.clone(), ports, served, on_change)?;
        Ok(Self { points, plugins })
    }

    /// Reads the plugin directory, and returns when everything in it is loaded.
    pub async fn load(&self) {
        self.plugins.refresh().await;
    }

    /// Follows what is changed in the plugin directory from now on.
    pub fn watch(&self) -> anyhow::Result<JoinHandle<()>> {
        self.plugins.watch().context("the plugin directory cannot be watched")
    }

    /// All plugins, in the order of their names.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.plugins.plugins()
    }

    /// Lets go of the gates that a plugin served and does not serve now.
    pub async fn forget_gates(&self, plugin: &str) -> Result<(), ForgetError> {
        self.plugins.forget(plugin).await
    }

    /// Opens the hook points for these kinds of events. Loading plugins takes a while, so they are
    /// loaded only if one of them may export such a hook.
    pub async fn open_for(
        kinds: &[HookKind],
        settings: &Settings,
        stores: &Stores,
        host: HookHost,
    ) -> anyhow::Result<Arc<HookPoints>> {
        let names_plugin = |kind: &HookKind| {
            let links = settings.hooks.get(kind).into_iter().flat_map(|point| &point.links);
            links.into_iter().any(|link| matches!(link.target, HookTarget::Plugin(_)))
        };
        let may_call =
            |kind: &HookKind| names_plugin(kind) || PluginDirectory::may_hold(&settings.plugin_directory, *kind);
        if kinds.iter().any(may_call) {
            return Ok(Self::open(settings, stores, host, ServedGates::default()).await?.points);
        }
        let (scope, synchronous) = (settings.external_auth_scope, &settings.synchronous_actions);
        Ok(Arc::new(HookPoints::new(&settings.hooks, &settings.http, scope, synchronous, None, Arc::new(host))?))
    }
}

/// A host that keeps no records of calls, for commands that only read.
pub fn silent_host() -> HookHost {
    HookHost { journal: Arc::new(NoJournal), ..HookHost::default() }
}

/// The tasks that tell the observers, and the task that writes the records.
pub struct HookTasks {
    journal: Arc<Journal>,
    writer: JoinHandle<()>,
    observers: Vec<Arc<dyn ObserverWork>>,
    tasks: JoinSet<()>,
}

impl HookTasks {
    /// Starts the journal, which comes first because the hook points need it.
    pub fn start_journal(stores: &Stores) -> (Self, HookHost) {
        let (journal, writer) = Journal::start(stores.database.clone());
        let host = HookHost { journal: journal.clone(), traces: Arc::new(SpanContexts), ..HookHost::default() };
        (Self { journal, writer, observers: Vec::new(), tasks: JoinSet::new() }, host)
    }

    /// Sets the metrics in which dropped events are counted.
    pub fn count_in(&self, metrics: Arc<Metrics>) {
        self.journal.count_in(metrics);
    }

    pub fn start_observers(&mut self, points: &HookPoints) {
        for observer in points.observers() {
            self.observers.push(observer.clone());
            for _ in 0..OBSERVER_TASKS {
                let observer = observer.clone();
                self.tasks.spawn(async move { observer.work().await });
            }
        }
    }

    /// Adds the keeper's work, which ends with that of the observers.
    pub fn start_keeper(&mut self, keeper: Arc<QuotaKeeper>) {
        self.observers.push(keeper.clone());
        self.tasks.spawn(async move { keeper.work().await });
    }

    /// Adds the telling of hooks that web sessions have ended.
    pub fn start_web_sessions(&mut self, sessions: Arc<WebSessions>) {
        self.observers.push(sessions.clone());
        self.tasks.spawn(async move { sessions.work().await });
    }

    /// Tells the observers what waits, for `longest` at most and until `at_once`, and then writes the records.
    pub async fn finish(mut self, longest: Duration, at_once: &CancellationToken) {
        self.observers.iter().for_each(|observer| observer.close());
        let told = async { while self.tasks.join_next().await.is_some() {} };
        tokio::select! {
            // Events that are left after that are counted below.
            _ = tokio::time::timeout(longest, told) => {}
            () = at_once.cancelled() => {}
        }
        self.tasks.abort_all();
        for (kind, events) in lost(&self.observers, |observer| observer.not_told_again()) {
            let message = format!(
                "{events} events are not told again to {kind} hooks that failed when they were told: the server ends"
            );
            tracing::warn!(sender = "main", kind = kind.as_str(), events, message);
        }
        for (kind, events) in lost(&self.observers, |observer| observer.untold()) {
            let message =
                format!("{events} events were lost: the {kind} hooks were not told of them before the server ended");
            tracing::error!(sender = "main", kind = kind.as_str(), events, message);
        }
        self.journal.close();
        // Calls that were cut off may still hold the journal, but it takes no more records.
        if tokio::time::timeout(Duration::from_secs(5), self.writer).await.is_err() {
            tracing::warn!(sender = "main", message = "some records of hook calls were not written");
        }
    }
}

/// The sums of what observers say they have lost, by kind.
fn lost(
    observers: &[Arc<dyn ObserverWork>],
    of: impl Fn(&dyn ObserverWork) -> Option<Untold>,
) -> BTreeMap<HookKind, u64> {
    let mut lost = BTreeMap::new();
    for untold in observers.iter().filter_map(|observer| of(&**observer)) {
        *lost.entry(untold.kind).or_default() += untold.events;
    }
    lost
}

/// The services behind the sessions.
pub struct Services {
    pub login: Arc<LoginService>,
    pub sessions: Arc<SessionRegistry>,
    pub watch: Arc<SessionWatch>,
    pub scans: Arc<QuotaScans>,
    pub metrics: Arc<Metrics>,
    pub defender: Arc<Defender>,
    pub external_auth_cache: Arc<ExternalAuthCache>,
    pub hook_runs: Arc<dyn HookRunStore>,
    pub file_history: Arc<FileHistory>,
}

impl Services {
    pub fn new(
        stores: &Stores,
        points: &HookPoints,
        settings: &Settings,
        node: NodeName,
        storage: Arc<dyn StorageFactory>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let sessions = Arc::new(SessionRegistry::default());
        let clock: Arc<dyn Clock> = Arc::new(settings.clock.clone());
        let defender = Defender::new(settings.defender.clone(), metrics.clone(), clock.clone());
        let defender = defender.with_observers(points.bans.clone()).with_exemptions(stores.exemptions.clone());
        let defender = Arc::new(defender);
        let cache = external_auth_cache(settings, metrics.clone(), clock.clone())?;
        let scans = quota_scans(stores, settings, node, storage.clone());
        let file_history = Arc::new(FileHistory::new(clock.clone(), Arc::new(FileLogLines)));
        let files = FileContext {
            policy: settings.set_attributes,
            rename_limit: rename_limit(settings),
            hooks: points.file_hooks.clone(),
            quotas: scans.keeper.clone(),
            held_names: Arc::default(),
            metrics: metrics.clone(),
            log: file_history.clone(),
        };
        let login = LoginService::new(LoginPorts {
            accounts: Arc::new(stores.accounts_for_hooks(settings)),
            passwords: stores.passwords.clone(),
            hooks: points.login.clone().with_session_records(stores.session_records.clone()),
            files: Arc::new(files),
            metrics: metrics.clone(),
            sessions: sessions.clone(),
            defender: defender.clone(),
            external_auth_cache: cache.clone(),
            storage,
            address_rule: settings.address_rule,
            clock: clock.clone(),
        });
        let login = Arc::new(login);
        let watch = Arc::new(SessionWatch {
            accounts: stores.directory.clone(),
            sessions: sessions.clone(),
            clock,
            metrics: metrics.clone(),
            address_rule: settings.address_rule,
            idle_timeout: settings.idle_timeout,
            scans: Some(scans.clone()),
            external_auth_cache: Some(cache.clone()),
        });
        let hook_runs = stores.database.clone();
        let external_auth_cache = cache;
        Ok(Self { login, sessions, watch, scans, metrics, defender, external_auth_cache, hook_runs, file_history })
    }

    pub fn administered(&self, settings: &Settings) -> Administered {
        Administered {
            sessions: self.sessions.clone(),
            scans: self.scans.clone(),
            defender: self.defender.clone(),
            external_auth_cache: self.external_auth_cache.clone(),
            one_time_codes: self.login.one_time_codes().clone(),
            login_pre_scope: settings.http_access.login_pre_scope,
            address_rule: settings.address_rule,
            file_history: self.file_history.clone(),
            client_pages: settings.client_pages(),
        }
    }

    /// Where the numbers of plots come from.
    pub fn counted(&self) -> Sources {
        Sources {
            metrics: self.metrics.clone(),
            sessions: self.sessions.clone(),
            hook_runs: self.hook_runs.clone(),
            clock: Arc::new(SystemClock),
        }
    }

    pub fn measured(&self) -> Measured {
        Measured { metrics: self.metrics.clone(), hook_runs: self.hook_runs.clone() }
    }
}

/// What external authentication has decided a short time ago: nothing yet.
pub fn external_auth_cache(
    settings: &Settings,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<ExternalAuthCache>> {
    let cache = ExternalAuthCache::new(settings.external_auth_denial_time, metrics, clock);
    Ok(Arc::new(cache.context("the cache of external authentication could not be made")?))
}

pub fn quota_scans(
    stores: &Stores,
    settings: &Settings,
    node: NodeName,
    storage: Arc<dyn StorageFactory>,
) -> Arc<QuotaScans> {
    let (store, unmarked) = (stores.database.clone(), stores.unmarked.clone());
    let keeper = QuotaKeeper::with_unmarked(store, node, Arc::new(SystemClock), settings.tracking, unmarked);
    Arc::new(QuotaScans::new(keeper, stores.directory.clone(), storage))
}
