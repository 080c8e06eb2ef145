//! Signals, and the request to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Completes when the server is to stop.
pub async fn requested(mut stop: watch::Receiver<bool>) {
    // An error means that the task that listens for signals has ended.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Calls `act` at each SIGUSR1, and at each SIGHUP: neither a closed terminal nor the habit of
/// another server's operators may end the server (A21-09).
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

/// Becomes `true` when SIGTERM or SIGINT arrives.
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
