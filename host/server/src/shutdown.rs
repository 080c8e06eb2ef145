//! Signals, and the request to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a signal asks of a server that goes on. Neither a closed terminal nor the habit of another server's operators may
/// end it (A21-09).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserSignal {
    /// SIGUSR1.
    RotateLog,
    /// SIGHUP.
    Reload,
}

/// Calls `act` at each SIGUSR1, and at each SIGHUP.
pub fn on_user_signals(act: impl Fn(UserSignal) + Send + 'static) -> std::io::Result<()> {
    let mut user = signal(SignalKind::user_defined1())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            let received = tokio::select! {
                received = user.recv() => received.map(|()| UserSignal::RotateLog),
                received = hangup.recv() => received.map(|()| UserSignal::Reload),
            };
            let Some(received) = received else { return };
            act(received);
        }
    });
    Ok(())
}

/// The stop that signals ask for.
pub struct Stop {
    /// Cancelled when SIGTERM or SIGINT arrives: the server drains.
    pub drain: CancellationToken,
    /// Cancelled when one of them arrives again: nothing is waited for any more.
    pub at_once: CancellationToken,
}

/// Follows SIGTERM and SIGINT.
pub fn on_signals() -> std::io::Result<Stop> {
    let (drain, at_once) = (CancellationToken::new(), CancellationToken::new());
    // Signals that cannot be waited for any more stop the server as well.
    let steps = [drain.clone().drop_guard(), at_once.clone().drop_guard()];
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for step in steps {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            drop(step);
        }
    });
    Ok(Stop { drain, at_once })
}
