//! Signals, and the request to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

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

/// Is cancelled when SIGTERM or SIGINT arrives.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    // Signals that cannot be waited for any more stop the server as well.
    let stopping = stop.clone().drop_guard();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        drop(stopping);
    });
    Ok(stop)
}
