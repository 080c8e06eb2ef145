//! The order to end a connection.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A signal that stays set: all waiters get it, also those that begin to wait later.
#[derive(Debug, Default)]
pub struct CloseSignal {
    closed: AtomicBool,
    told: Notify,
}

impl CloseSignal {
    /// Orders the connection to end; further calls change nothing.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    /// Returns when the connection is to end.
    pub async fn closed(&self) {
        let told = self.told.notified();
        // `told` was created first, so a `close` after this check still wakes it.
        if !self.closed.load(Ordering::Acquire) {
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everybody_hears_it_at_any_time() {
        let signal = CloseSignal::default();
        let wait = || tokio::time::timeout(std::time::Duration::from_secs(5), signal.closed());
        let (first, second, ()) = tokio::join!(wait(), wait(), async { signal.close() });
        assert!(first.is_ok() && second.is_ok());
        assert!(wait().await.is_ok());
    }
}
