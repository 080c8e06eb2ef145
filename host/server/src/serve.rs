//! `tidegate serve`, and the part that portable servers share with it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tidegate_core::hook::observation::Startup;
use tidegate_core::login::LoginService;
use tidegate_core::ports::SystemClock;
use tidegate_ssh::host_keys::HostKey;
use tidegate_ssh::{BoundListener, ConnectionHooks, SshServer, SshSettings, host_keys};
use tidegate_storage::LocalStorageSettings;
use tokio::sync::watch;

use crate::config::Settings;
use crate::hook_points::HookPoints;
use crate::wire::{self, HookTasks, Hooks, LoginSettings, Stores};
use crate::{shutdown, version};

/// Handshake and login together (A4-01).
const LOGIN_GRACE: Duration = Duration::from_secs(120);
/// For observers at the end, even without a grace time: what happened was promised to them.
const LEAST_TELLING_TIME: Duration = Duration::from_secs(5);

/// Serves until a signal says to stop.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    raise_descriptor_limit();
    for warning in &settings.warnings {
        tracing::warn!(sender = "config", message = warning.as_str());
    }
    let stop = shutdown::on_signals().context("signals cannot be handled")?;
    let stores = Stores::open(&settings.database)?;
    let keys = load_host_keys(&settings).await?;
    make_plugin_directory(&settings.plugin_directory)?;
    let (mut tasks, host) = HookTasks::start_journal(&stores);
    let hooks = Hooks::open(&settings, &stores, host).await?;
    let watcher = hooks.plugins.watch().context("the plugin directory cannot be watched")?;
    // What changed between the first look and the watch.
    hooks.plugins.refresh().await;
    tasks.start_observers(&hooks.points);
    hooks.points.startup.notify(Startup { version: version::VERSION });
    let login = wire::login_service(&stores, &hooks.points, login_settings(&settings))?;
    tracing::info!(sender = "main", message = "the server is starting", version = version::VERSION);
    let grace = settings.grace_time;
    let outcome = listen_with(settings, keys, login, &hooks.points, stop, |_| {}).await;
    watcher.abort();
    tasks.finish(grace.max(LEAST_TELLING_TIME)).await;
    tracing::info!(sender = "main", message = "the server has stopped");
    outcome
}

pub fn login_settings(settings: &Settings) -> LoginSettings {
    let storage = LocalStorageSettings { overwrite: settings.overwrite, umask: settings.umask, ..Default::default() };
    LoginSettings {
        users_base_dir: settings.users_base_dir.clone(),
        storage,
        set_attributes: settings.set_attributes,
        address_rule: settings.address_rule,
    }
}

/// Binds, announces the port, and serves.
pub async fn listen_with(
    settings: Settings,
    host_keys: Vec<HostKey>,
    login: Arc<LoginService>,
    points: &HookPoints,
    stop: watch::Receiver<bool>,
    announce: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let bound = bind(settings.bind_address, settings.bind_port).await?;
    let address = bound.address;
    let ssh = SshSettings {
        host_keys,
        algorithms: settings.algorithms,
        identification: settings.identification,
        banner: settings.login_banner,
        max_auth_tries: settings.max_auth_tries,
        login_grace: LOGIN_GRACE,
        idle_timeout: settings.idle_timeout,
        max_half_open: settings.max_half_open,
        max_channels: settings.max_channels,
        commands: settings.commands,
        keyboard_interactive: settings.keyboard_interactive,
    };
    let hooks = ConnectionHooks { connect: points.connect.clone(), disconnect: points.disconnect.clone() };
    let server = SshServer::new(ssh, login, hooks, Arc::new(SystemClock));
    tracing::info!(sender = "sftpd", message = "listening", service = "sftpd", address = %address);
    announce(address);
    server.serve(bound, stop, settings.grace_time).await;
    Ok(())
}

async fn bind(address: IpAddr, port: u16) -> anyhow::Result<BoundListener> {
    let bound = match BoundListener::bind(SocketAddr::new(address, port)).await {
        // A machine without IPv6.
        Err(_) if address.is_unspecified() => {
            BoundListener::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).await
        }
        outcome => outcome,
    };
    bound.with_context(|| {
        format!("port {port} cannot be bound; another program may use it: choose another with sftpd.bind_port")
    })
}

/// Making an RSA key takes seconds of CPU.
async fn load_host_keys(settings: &Settings) -> anyhow::Result<Vec<HostKey>> {
    let paths = settings.host_keys.clone();
    let load = move || paths.iter().map(|path| host_keys::load_or_make(path)).collect::<Result<Vec<_>, _>>();
    Ok(tokio::task::spawn_blocking(load).await??)
}

fn make_plugin_directory(path: &Path) -> anyhow::Result<()> {
    if path.exists() && !path.is_dir() {
        bail!("{} is not a directory; choose another with plugins.directory", path.display());
    }
    std::fs::create_dir_all(path).with_context(|| format!("the plugin directory {} could not be made", path.display()))
}

/// Every connection and every open file is a descriptor.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(sender = "main", message = format!("the limit on open files stays as it is: {error}"));
    }
}
