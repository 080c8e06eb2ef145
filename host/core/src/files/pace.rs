//! Bandwidth limits: when the next bytes of a transfer may follow (A5-17).

use tokio::time::{Duration, Instant};

/// Time that a transfer may make up for after it was held up elsewhere.
const MAX_CREDIT: Duration = Duration::from_millis(100);
/// Shorter waits are put together, because timers are no finer.
const MIN_WAIT: Duration = Duration::from_millis(2);

/// One transfer's clock: it advances by the time that its bytes may take.
#[derive(Debug)]
pub struct Pace {
    due: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { due: Instant::now() }
    }
}

impl Pace {
    /// `bytes` were moved at `rate` bytes a second; waits until more may follow.
    pub async fn moved(&mut self, bytes: usize, rate: u64) {
        self.advance(bytes, rate);
        self.wait().await;
    }

    /// Waits until more may follow.
    pub async fn wait(&self) {
        if let Some(due) = self.due() {
            tokio::time::sleep_until(due).await;
        }
    }

    /// As [`moved`](Self::moved), without the wait.
    pub fn advance(&mut self, bytes: usize, rate: u64) {
        let now = Instant::now();
        let earliest = now.checked_sub(MAX_CREDIT).unwrap_or(now);
        self.due = self.due.max(earliest) + time_for(bytes, rate);
    }

    /// When more may follow; none: now.
    pub fn due(&self) -> Option<Instant> {
        Some(self.due).filter(|due| due.saturating_duration_since(Instant::now()) >= MIN_WAIT)
    }
}

fn time_for(bytes: usize, rate: u64) -> Duration {
    let nanoseconds = (bytes as u128).saturating_mul(1_000_000_000) / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `portions` of `size` bytes at `rate` take `expected` milliseconds, within 2 %.
    async fn check(size: usize, portions: usize, rate: u64, expected: u64) {
        let started = Instant::now();
        let mut pace = Pace::default();
        for _ in 0..portions {
            pace.moved(size, rate).await;
        }
        let taken = u64::try_from(started.elapsed().as_millis()).unwrap();
        assert!(taken.abs_diff(expected) <= expected / 50 + 2, "{taken} ms instead of {expected}");
    }

    #[tokio::test(start_paused = true)]
    async fn transfers_keep_to_the_limit() {
        check(32_768, 100, 1_000_000, 3276).await;
        check(100, 10_000, 1_000_000, 1000).await;
        check(261_120, 4, 128_000, 8160).await;
        check(1, 1, u64::MAX, 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_earns_no_burst() {
        let mut pace = Pace::default();
        pace.moved(1000, 1_000_000).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let started = Instant::now();
        pace.moved(1_000_000, 1_000_000).await;
        assert!(started.elapsed() >= Duration::from_millis(900));
    }
}
