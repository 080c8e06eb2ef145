//! When to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Completes when the server is to stop.
pub async fn requested(mut stop: watch::Receiver<bool>) {
    // An error means that nobody listens for signals any more.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Does something at each SIGUSR1, and at each SIGHUP: a closed terminal, or the habit of
/// another server's operators, must end nothing (A21-09).
pub fn on_user_signals(act: impl Fn() + Send + 'static) -> std::io::Result<()> {
    let mut user = signal(SignalKind::user_defined1())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            let received = tokio::select! {
                received = user.recv() => received,
                received = hangup.recv() => received,
            };
            if received.is_none() {
                return;
            }
            act();
        }
    });
    Ok(())
}

/// True once SIGTERM or SIGINT has arrived.
pub fn on_signals() -> std::io::Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
    });
    Ok(stopped)
}
