//! `tidegate serve`, and the part that portable servers have in common with it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tidegate_api::{AdminApi, Binding, HttpLimits, Owner, Readiness, RestApi, Socket};
use tidegate_core::history::History;
use tidegate_core::hook::observation::Startup;
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::{Descriptors, SystemClock};
use tidegate_hooks_wasm::ServedGates;
use tidegate_ssh::host_keys::HostKey;
use tidegate_ssh::{BoundListener, ConnectionHooks, LOGIN_GRACE, SshServer, SshSettings};
use tidegate_ssh_commands::Launcher;
use tidegate_storage::Cleaned;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::activation::{self, Activation};
use crate::config::Settings;
use crate::control::Control;
use crate::descriptors::{self, ProcessDescriptors};
use crate::disks::HostDisks;
use crate::first_administrator;
use crate::hook_inventory::Running;
use crate::http::{Doors, Http};
use crate::memory_dump::MemoryDump;
use crate::shutdown::{self, Stop};
use crate::state_directory::StateLock;
use crate::wire::{self, HookPoints, HookTasks, Hooks, Services, Storages, Stores};
use crate::{control, state_directory, version};

/// Longest time for which the server waits for plugins before it listens.
const PLUGIN_START: Duration = Duration::from_secs(60);
/// Longest time for which a start waits for a command that holds the lock.
const COMMAND_TIME: Duration = Duration::from_secs(10);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);
/// Longest time for observers at the end, unless the grace time is longer: events that were accepted have to be told.
const TELLING_TIME: Duration = Duration::from_secs(60);

/// Serves until a signal asks it to stop. `directory`: the server's state. `confined`: the command that starts confined
/// programs.
pub async fn serve(
    settings: Settings,
    directory: &Path,
    activation: Activation,
    confined: Vec<String>,
) -> anyhow::Result<()> {
    descriptors::raise_limit();
    let descriptors = Arc::new(ProcessDescriptors::default());
    // Until the process ends, since hooks are told and traces are sent after the connections are gone.
    tokio::spawn(activation::keep_watchdog_quiet());
    for warning in &settings.warnings {
        tracing::warn!(sender = "config", message = warning.as_str());
    }
    let Stop { drain: stop, at_once } = shutdown::on_signals().context("signals cannot be handled")?;
    let _lock = lock_within(directory, COMMAND_TIME).await?;
    let stores = Stores::open(&settings.database, directory)?;
    let dump = MemoryDump::load(&settings.database, &stores, settings.users_base_dir.clone(), directory).await?;
    if let Some(dump) = dump {
        dump.follow_signals().context("signals cannot be handled")?;
    }
    let keys = load_host_keys(&settings).await?;
    make_plugin_directory(&settings.plugin_directory)?;
    let (mut tasks, host) = HookTasks::start_journal(&stores);
    let hooks = Hooks::prepare(&settings, &stores, host, ServedGates::open(directory)?)?;
    // Watched before the first look, so that no change is missed.
    let watcher = hooks.watch()?;
    load_plugins(&hooks, stop.clone()).await;
    warn_of_unusable(&hooks);
    tasks.start_observers(&hooks.points);
    hooks.points.startup.notify(Startup { version: version::VERSION });
    let metrics = Arc::new(Metrics::default());
    let check = Some(stores.root_check(&settings));
    let storages = Storages::open(&settings, Some(directory), check, metrics.clone(), descriptors.clone())?;
    clean_leftovers(&storages);
    let node = state_directory::node_name(directory)?;
    let services = Services::new(&stores, &hooks.points, &settings, node, storages.factory, metrics)?;
    tasks.count_in(services.metrics.clone());
    tasks.start_keeper(services.scans.keeper.clone());
    services.login.end_left_sessions().await;
    tracing::info!(sender = "main", message = "the server is starting", version = version::VERSION);
    let grace = settings.grace_time;
    let accounts = stores.accounts_for_hooks(&settings).with_observers(hooks.points.object_changes.clone());
    let inventory = Arc::new(Running {
        hooks: hooks.clone(),
        settings: settings.clone(),
        stores: stores.clone(),
        directory: directory.to_owned(),
        testing: tokio::sync::Mutex::default(),
    });
    let administered = services.administered(&settings);
    let api = wire::admin_api(&stores, accounts, administered, inventory, Some(&hooks.points), directory);
    tasks.start_web_sessions(api.administration.web_sessions.clone());
    let rest = wire::rest_api(&api, &stores, &settings)?;
    let readiness = Readiness::new(services.metrics.clone(), stop.clone());
    let history = Arc::new(History::default());
    let homes = settings.users_base_dir.clone().map(PathBuf::from);
    let disks = HostDisks::new(directory.to_owned(), homes);
    let web = wire::web_admin(&rest, services.metrics.clone(), history.clone(), disks);
    let site = tidegate_api::health(readiness.clone())
        .merge(tidegate_api::metrics(services.measured()))
        .merge(tidegate_api::rest(rest.clone()));
    let counted_in = services.metrics.clone();
    let repeated = Arc::new(tidegate_api::Repeated::default());
    let counted = move |site| tidegate_api::counted(site, counted_in.clone(), repeated.clone());
    let site = move |pages| counted(site.clone().merge(tidegate_web::web(web.clone(), pages)));
    let administration = api.administration.clone();
    let mut background = start_background(&services, api, rest, directory, stop.clone()).await?;
    let sources = services.counted();
    background.spawn(async move { history.follow(sources).await });
    let doors = Doors { defender: services.login.defender().clone(), descriptors: descriptors.clone() };
    let http = Http::start(&settings.http_bindings, activation.httpd, site, &doors).await?;
    if settings.http_access.first_administrator_code {
        first_administrator::announce(&administration, http.over_tcp()).await;
    }
    let launcher = Some(Arc::new(Launcher { command: confined, descriptors: descriptors.clone() }));
    let serving = Serving { settings, host_keys: keys, launcher, bound: activation.sftpd, descriptors };
    let stopped = stop.clone();
    let announce_end = async move {
        stopped.cancelled().await;
        activation::tell_stopping();
    };
    let announce_end = tokio::spawn(announce_end);
    let announce = |_: SocketAddr| {
        readiness.listens();
        activation::tell_ready();
    };
    let outcome = tokio::select! {
        outcome = serving.listen(&services, &hooks.points, stop, announce) => outcome,
        // Connections end with their tasks.
        () = at_once.cancelled() => Ok(()),
    };
    announce_end.abort();
    // Without connections, serving ends before the task has run.
    if announce_end.await.is_err() {
        activation::tell_stopping();
    }
    drop(background);
    http.finish().await;
    watcher.abort();
    tasks.finish(telling_time(grace), &at_once).await;
    tracing::info!(sender = "main", message = "the server has stopped");
    outcome
}

/// For how long hooks are told at the end of events that wait.
fn telling_time(grace: Duration) -> Duration {
    grace.max(TELLING_TIME)
}

/// Takes the lock: two servers would count the same usages, and clean up each other's uploads. A
/// command that works without a server soon releases it.
async fn lock_within(directory: &Path, patience: Duration) -> anyhow::Result<StateLock> {
    let patience = Instant::now() + patience;
    loop {
        if let Some(lock) = StateLock::try_acquire(directory)? {
            return Ok(lock);
        }
        let is_served = Control::connect(directory).await?.is_some();
        if is_served || Instant::now() >= patience {
            let by = if is_served { "a server runs" } else { "another server starts, or a command works," };
            bail!("{by} in {} already; stop it, or choose another with --config-dir", directory.display());
        }
        tokio::time::sleep(LOCK_INTERVAL).await;
    }
}

/// Loads the plugins, up to a limit. Gates of plugins that take longer refuse until these are
/// loaded. A server that is asked to stop does not wait.
async fn load_plugins(hooks: &Hooks, stop: CancellationToken) {
    let is_late = tokio::select! {
        loaded = tokio::time::timeout(PLUGIN_START, hooks.load()) => loaded.is_err(),
        () = stop.cancelled() => false,
    };
    if is_late {
        let message = "some plugins are not loaded yet; until they are, the server refuses what they may decide";
        tracing::warn!(sender = "plugins", message);
    }
}

/// Warns of links that cannot be called. Gates that a plugin closes were reported before.
fn warn_of_unusable(hooks: &Hooks) {
    let plugins = hooks.plugins();
    let closed = |name: &str| plugins.iter().any(|plugin| plugin.name == name && !plugin.closed_gates.is_empty());
    for unusable in hooks.points.unusable().filter(|unusable| !closed(&unusable.name)) {
        tracing::error!(sender = "hook", message = unusable.to_string());
    }
}

/// Settings and resources that are needed to listen.
pub struct Serving {
    pub settings: Settings,
    pub host_keys: Vec<HostKey>,
    /// `None`: no programs of the system are started.
    pub launcher: Option<Arc<Launcher>>,
    /// A listener that another process handed over.
    pub bound: Option<TcpListener>,
    /// Asked before a connection is taken.
    pub descriptors: Arc<dyn Descriptors>,
}

impl Serving {
    /// Binds, announces the port, and serves.
    pub async fn listen(
        self,
        services: &Services,
        points: &HookPoints,
        stop: CancellationToken,
        announce: impl FnOnce(SocketAddr),
    ) -> anyhow::Result<()> {
        let Self { settings, host_keys, launcher, bound, descriptors } = self;
        let bound = match bound {
            Some(listener) => BoundListener::from_listener(tokio::net::TcpListener::from_std(listener)?)?,
            None => bind(settings.bind_address, settings.bind_port).await?,
        };
        let address = bound.address;
        // Programs inherit it, and the kernel applies it to files, whatever the server's own umask was (A3-14).
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(settings.umask));
        let ssh = SshSettings {
            host_keys,
            algorithms: settings.algorithms,
            prefer_fast_ciphers: settings.prefer_fast_ciphers,
            identification: settings.identification,
            banner: settings.login_banner,
            max_auth_tries: settings.max_auth_tries,
            login_delay: settings.login_delay,
            login_grace: LOGIN_GRACE,
            max_half_open: settings.max_half_open,
            max_channels: settings.max_channels,
            commands: settings.commands,
            launcher,
            proxy: settings.proxy,
            limits: settings.limits,
            keyboard_interactive: settings.keyboard_interactive,
            descriptors,
        };
        let hooks = ConnectionHooks { connect: points.connect.clone(), disconnect: points.disconnect.clone() };
        let server = SshServer::new(ssh, services.login.clone(), hooks, Arc::new(SystemClock));
        // A program that waits for the line may ask at once whether the server is ready.
        announce(address);
        tracing::info!(sender = "sftpd", message = "listening", service = "sftpd", address = %address);
        // On a worker thread: the one that waits for the whole server would have to be woken for each connection.
        let serving = tokio::spawn(server.serve(bound, stop, settings.grace_time));
        AbortOnDropHandle::new(serving).await.context("the SFTP service ended early")
    }
}

/// Starts what runs beside the connections. The tasks end when the set is dropped.
async fn start_background(
    services: &Services,
    api: AdminApi,
    rest: RestApi,
    directory: &Path,
    stop: CancellationToken,
) -> anyhow::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    let (watch, scans) = (services.watch.clone(), services.scans.clone());
    let begin = watch.begin().await?;
    tasks.spawn(async move { watch.run(begin).await });
    tasks.spawn(async move {
        scans.recover().await;
        scans.follow().await;
    });
    let socket = control::bind(directory)?;
    let control = tidegate_api::control(api).merge(tidegate_api::rest(rest));
    let control = tidegate_api::site(tidegate_api::for_owner(control, Owner::of_this_process()));
    tasks.spawn(tidegate_api::serve(
        Binding::plain(Socket::Control(socket)),
        control.into(),
        HttpLimits::default(),
        stop,
    ));
    Ok(tasks)
}

fn clean_leftovers(storages: &Storages) {
    let message = match storages.clean() {
        Ok(cleaned) if cleaned.is_nothing() => return,
        Ok(Cleaned { removed, kept, taken_back, left }) => format!(
            "of the uploads that an earlier server left, {removed} were removed, {kept} have their name, {taken_back} \
             without a hook's verdict were taken back, and {left} could not be cleaned up"
        ),
        Err(error) => {
            let message = format!("uploads that an earlier server left could not be cleaned up: {error}");
            tracing::warn!(sender = "storage", message);
            return;
        }
    };
    tracing::info!(sender = "storage", message);
}

async fn bind(address: IpAddr, port: u16) -> anyhow::Result<BoundListener> {
    let bound = match BoundListener::bind(SocketAddr::new(address, port)).await {
        // The machine may have no IPv6.
        Err(_) if address.is_unspecified() => {
            BoundListener::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).await
        }
        outcome => outcome,
    };
    bound.with_context(|| {
        format!("port {port} cannot be bound; another program may use it: choose another with sftpd.bind_port")
    })
}

/// On another thread, because generating an RSA key takes seconds of CPU time.
async fn load_host_keys(settings: &Settings) -> anyhow::Result<Vec<HostKey>> {
    let (files, algorithms) = (settings.host_keys.clone(), settings.algorithms.clone());
    Ok(tokio::task::spawn_blocking(move || files.load(&algorithms)).await??)
}

fn make_plugin_directory(path: &Path) -> anyhow::Result<()> {
    if path.exists() && !path.is_dir() {
        bail!("{} is not a directory; choose another with plugins.directory", path.display());
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("the plugin directory {} could not be made", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_have_a_minute_or_the_grace_time() {
        // B0-12
        for (grace, expected) in [(0, 60), (59, 60), (61, 61), (600, 600)] {
            assert_eq!(telling_time(Duration::from_secs(grace)), Duration::from_secs(expected));
        }
    }

    #[tokio::test]
    async fn no_server_starts_while_another_process_has_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let held = StateLock::try_acquire(directory.path()).unwrap();
        let error = lock_within(directory.path(), Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.starts_with("another server starts, or a command works, in"), "{error}");
        drop(held);
        assert!(lock_within(directory.path(), Duration::ZERO).await.is_ok());
    }
}
