//! Counts a guest's CPU time: the time of its call without the time in which the call waited for
//! the host, the network or its turn.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::engine::EPOCH;

/// Nanoseconds that a call has waited in all, shared between its store and the task that polls it.
#[derive(Clone, Default)]
pub struct Waited(Arc<AtomicU64>);

impl Waited {
    fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn add(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Runs a call, and counts the time between a poll that returned pending and the next poll as
    /// waiting. A call that never waits does not read the clock.
    pub async fn watch<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        let mut waiting_since: Option<Instant> = None;
        std::future::poll_fn(|context| {
            if let Some(since) = waiting_since.take() {
                self.add(since.elapsed());
            }
            let polled = call.as_mut().poll(context);
            if polled.is_pending() {
                waiting_since = Some(Instant::now());
            }
            polled
        })
        .await
    }
}

/// The CPU time that a call has left.
pub struct Allowance {
    left: Duration,
    waited: Waited,
    /// The time of the last count, and how long the call had waited by then.
    counted: (Instant, Duration),
}

impl Allowance {
    /// `limit`: the CPU time of the first call.
    pub fn new(limit: Duration) -> Self {
        Self { left: limit, waited: Waited::default(), counted: (Instant::now(), Duration::ZERO) }
    }

    /// Begins the count for a call, whose instance may have been made long before.
    pub fn renew(&mut self, limit: Duration) {
        self.left = limit;
        self.counted = (Instant::now(), self.waited.total());
    }

    /// The counter of waiting time, for the task that polls the call.
    pub fn waited(&self) -> Waited {
        self.waited.clone()
    }

    /// The CPU time that is left.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// Counts a tick of the epoch clock that came while the guest computed, as one period at most:
    /// a thread that the system did not run for longer did not compute.
    pub fn count_tick(&mut self) {
        self.count_until(Instant::now());
    }

    fn count_until(&mut self, now: Instant) {
        let waited = self.waited.total();
        let (since, waited_then) = std::mem::replace(&mut self.counted, (now, waited));
        let computed = now.duration_since(since).saturating_sub(waited.saturating_sub(waited_then));
        self.left = self.left.saturating_sub(computed.min(EPOCH));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    /// Checks what is left, in milliseconds, after 20 ticks between which the call waited and
    /// computed for so many milliseconds.
    fn check(waits: u64, computes: u64, expected: u128) {
        let mut allowance = Allowance::new(LIMIT);
        let (mut now, waited) = (allowance.counted.0, allowance.waited());
        for _ in 0..20 {
            waited.add(Duration::from_millis(waits));
            now += Duration::from_millis(waits + computes);
            allowance.count_until(now);
        }
        assert_eq!(allowance.left().as_millis(), expected, "{waits} ms and {computes} ms");
    }

    #[test]
    fn only_computing_counts() {
        // G-06
        check(15, 0, 1000);
        check(15, 8, 840);
        check(0, 8, 840);
        // A tick counts for 10 ms at most.
        check(0, 50, 800);
        check(500, 50, 800);
    }

    #[test]
    fn each_call_begins_anew() {
        let mut allowance = Allowance::new(LIMIT);
        allowance.count_until(allowance.counted.0 + EPOCH);
        allowance.waited().add(LIMIT);
        allowance.renew(LIMIT);
        allowance.count_until(allowance.counted.0 + EPOCH);
        assert_eq!(allowance.left(), LIMIT - EPOCH);
    }

    #[tokio::test]
    async fn the_time_between_polls_is_waiting() {
        let waited = Waited::default();
        waited.watch(std::future::ready(())).await;
        assert_eq!(waited.total(), Duration::ZERO);
        waited.watch(tokio::time::sleep(Duration::from_millis(5))).await;
        assert!(waited.total() >= Duration::from_millis(4), "{:?}", waited.total());
    }
}
