//! `tidegate serve`, and the part that portable servers share with it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tidegate_core::hook::Chain;
use tidegate_core::login::LoginService;
use tidegate_core::ports::SystemClock;
use tidegate_ssh::host_keys::HostKey;
use tidegate_ssh::{BoundListener, SshServer, SshSettings, host_keys};
use tidegate_storage::LocalStorageSettings;
use tokio::sync::watch;

use crate::config::Settings;
use crate::wire::{self, ExternalAuthLinks, Stores};
use crate::{shutdown, version};

/// Handshake and login together (A4-01).
const LOGIN_GRACE: Duration = Duration::from_secs(120);

/// Serves until a signal says to stop.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    raise_descriptor_limit();
    for warning in &settings.warnings {
        tracing::warn!(sender = "config", message = warning.as_str());
    }
    let stop = shutdown::on_signals().context("signals cannot be handled")?;
    let stores = Stores::open(&settings.database, settings.users_base_dir.clone())?;
    let keys = load_host_keys(&settings).await?;
    let chain = Arc::new(Chain::default());
    let links = ExternalAuthLinks::new(&settings.external_auth, settings.program_environment)?;
    make_plugin_directory(&settings.plugin_directory)?;
    let directory = settings.plugin_directory.clone();
    let plugins = wire::open_plugins(directory, settings.plugins.clone(), &stores, links, chain.clone()).await?;
    let watcher = plugins.watch().context("the plugin directory cannot be watched")?;
    // What changed between the first look and the watch.
    plugins.refresh().await;
    let storage = LocalStorageSettings { overwrite: settings.overwrite, umask: settings.umask, ..Default::default() };
    let login = wire::login_service(&stores, chain, settings.external_auth_scope, storage, &settings)?;
    tracing::info!(sender = "main", message = "the server is starting", version = version::VERSION);
    let outcome = listen_with(settings, keys, login, stop, |_| {}).await;
    watcher.abort();
    outcome
}

/// Binds, announces the port, and serves.
pub async fn listen_with(
    settings: Settings,
    host_keys: Vec<HostKey>,
    login: Arc<LoginService>,
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
    };
    let server = SshServer::new(ssh, login, Arc::new(SystemClock));
    tracing::info!(sender = "sftpd", message = "listening", service = "sftpd", address = %address);
    announce(address);
    server.serve(bound, stop, settings.grace_time).await;
    tracing::info!(sender = "main", message = "the server has stopped");
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
