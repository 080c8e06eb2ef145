//! systemd: sockets that it has bound, and notices that it expects.

use std::net::TcpListener;
use std::time::Duration;

use sd_notify::NotifyState;

/// Listeners that systemd has handed over, by the names of their units.
#[derive(Debug, Default)]
pub struct Activation {
    pub sftpd: Option<TcpListener>,
    pub httpd: Option<TcpListener>,
}

impl Activation {
    /// Takes the sockets. Call this before any thread is started, because it changes the environment.
    pub fn take() -> anyhow::Result<Self> {
        let names: Vec<String> = sd_notify::listen_fds_with_names()?.map(|(_, name)| name).collect();
        let mut activation = Self::default();
        if names.is_empty() {
            return Ok(activation);
        }
        let mut passed = listenfd::ListenFd::from_env();
        for (index, name) in names.iter().enumerate() {
            let Some(listener) = passed.take_tcp_listener(index)? else { continue };
            listener.set_nonblocking(true)?;
            let place = if name == "httpd" { &mut activation.httpd } else { &mut activation.sftpd };
            anyhow::ensure!(place.is_none(), "systemd hands over two sockets named \"{name}\"; keep one ListenStream=");
            *place = Some(listener);
        }
        Ok(activation)
    }
}

/// Tells systemd a state; without systemd, nothing happens.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(sender = "main", message = format!("the server could not notify systemd: {error}"));
    }
}

pub fn tell_ready() {
    tell(NotifyState::Ready);
}

pub fn tell_stopping() {
    tell(NotifyState::Stopping);
}

/// Tells systemd that the server is alive, for as long as the runtime runs tasks.
pub async fn keep_watchdog_quiet() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut beat = tokio::time::interval(interval.max(Duration::from_millis(2)) / 2);
    loop {
        beat.tick().await;
        tell(NotifyState::Watchdog);
    }
}
