//! How long a guest has computed: the time of its call without the time in which the call
//! waited for something, be it the host, the network or its turn.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::engine::EPOCH;

/// Nanoseconds that a call has waited in all, shared with whoever runs the call.
#[derive(Clone, Default)]
pub struct Waited(Arc<AtomicU64>);

impl Waited {
    fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Runs a call. Between a poll that found it waiting and the next one it did not compute;
    /// a call that never waits does not look at the clock.
    pub async fn watch<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        let mut waiting_since: Option<Instant> = None;
        std::future::poll_fn(|context| {
            if let Some(since) = waiting_since.take() {
                let waited = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.0.fetch_add(waited, Ordering::Relaxed);
            }
            let polled = call.as_mut().poll(context);
            if let Poll::Pending = polled {
                waiting_since = Some(Instant::now());
            }
            polled
        })
        .await
    }
}

/// What a call may still compute.
pub struct Allowance {
    left: Duration,
    waited: Waited,
    /// Up to when it was counted, and how long the call had waited by then.
    counted: (Instant, Duration),
}

impl Allowance {
    pub fn new(limit: Duration) -> Self {
        Self { left: limit, waited: Waited::default(), counted: (Instant::now(), Duration::ZERO) }
    }

    /// Before a call, which may be on an instance that was made long before.
    pub fn renew(&mut self, limit: Duration) {
        self.left = limit;
        self.counted = (Instant::now(), self.waited.total());
    }

    pub fn waited(&self) -> Waited {
        self.waited.clone()
    }

    pub fn left(&self) -> Duration {
        self.left
    }

    /// The clock ticked while the guest computed. A tick counts once: a thread that was not
    /// given the processor for longer did not compute.
    pub fn count_tick(&mut self) {
        let (now, waited) = (Instant::now(), self.waited.total());
        let (since, waited_then) = std::mem::replace(&mut self.counted, (now, waited));
        let computed = now.duration_since(since).saturating_sub(waited.saturating_sub(waited_then));
        self.left = self.left.saturating_sub(computed.min(EPOCH));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    /// What is left after ticks between which the call waited and computed so long.
    async fn left_after(turns: &[(Duration, Duration)]) -> Duration {
        let mut allowance = Allowance::new(LIMIT);
        let waited = allowance.waited();
        waited
            .watch(async {
                for (waits, computes) in turns {
                    tokio::time::sleep(*waits).await;
                    std::thread::sleep(*computes);
                    allowance.count_tick();
                }
                allowance.left()
            })
            .await
    }

    #[tokio::test]
    async fn waiting_is_not_computing() {
        let turn = (Duration::from_millis(15), Duration::from_micros(1));
        let left = left_after(&[turn; 20]).await;
        assert!(left > LIMIT - Duration::from_millis(100), "{left:?}");
    }

    #[tokio::test]
    async fn computing_counts_beside_waiting() {
        let turn = (Duration::from_millis(15), Duration::from_millis(8));
        let left = left_after(&[turn; 20]).await;
        assert!(left <= LIMIT - Duration::from_millis(160), "{left:?}");
    }

    #[tokio::test]
    async fn a_tick_counts_once() {
        let left = left_after(&[(Duration::ZERO, EPOCH * 5)]).await;
        assert!(left >= LIMIT - EPOCH, "{left:?}");
    }

    #[tokio::test]
    async fn each_call_begins_anew() {
        let mut allowance = Allowance::new(LIMIT);
        std::thread::sleep(EPOCH);
        allowance.count_tick();
        allowance.renew(LIMIT);
        assert_eq!(allowance.left(), LIMIT);
        allowance.waited().watch(tokio::time::sleep(EPOCH)).await;
        allowance.renew(LIMIT);
        std::thread::sleep(EPOCH);
        allowance.count_tick();
        assert_eq!(allowance.left(), LIMIT - EPOCH);
    }
}
