//! Bandwidth limits: when the next bytes of a transfer may follow (A5-17).

use tokio::time::{Duration, Instant};

/// Time that a transfer may make up for after it was held up elsewhere.
const MAX_CREDIT: Duration = Duration::from_millis(100);
/// Shorter waits are put together, because timers are no finer.
const MIN_WAIT: Duration = Duration::from_millis(2);
/// A waiting transfer notices within this time that its limit was changed.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// When to look again at a transfer that is due at `due`: maybe earlier, because its limit can be changed or
/// lifted.
pub fn next_look(due: Instant) -> Instant {
    due.min(Instant::now() + LOOK_INTERVAL)
}

/// One transfer's clock: it advances by the time that its bytes may take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    due: Instant,
    /// Bytes a second at which `due` was computed; 0: no bytes yet, or no limit.
    rate: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { due: Instant::now(), rate: 0 }
    }
}

impl Pace {
    /// Counts `bytes` that were moved at `rate` bytes a second, and waits until more may follow.
    pub async fn moved(&mut self, bytes: usize, rate: u64) {
        self.advance(bytes, rate);
        self.wait().await;
    }

    async fn wait(&self) {
        if let Some(due) = self.due() {
            tokio::time::sleep_until(due).await;
        }
    }

    /// As [`moved`](Self::moved), without the wait.
    pub fn advance(&mut self, bytes: usize, rate: u64) {
        self.change_rate(rate);
        let now = Instant::now();
        let earliest = now.checked_sub(MAX_CREDIT).unwrap_or(now);
        self.due = self.due.max(earliest) + time_for(bytes, rate);
    }

    /// Applies another rate, in bytes a second, to the bytes that were moved too early. With no limit (0) the
    /// transfer is due at once.
    pub fn change_rate(&mut self, rate: u64) {
        if rate == self.rate {
            return;
        }
        let ahead = self.ahead().as_nanos();
        let bytes = ahead.saturating_mul(u128::from(self.rate)) / 1_000_000_000;
        if rate == 0 {
            self.due = Instant::now();
        } else if bytes > 0 {
            self.due = Instant::now() + time_for(usize::try_from(bytes).unwrap_or(usize::MAX), rate);
        }
        self.rate = rate;
    }

    /// When more bytes may follow; none: now.
    pub fn due(&self) -> Option<Instant> {
        Some(self.due).filter(|_| self.ahead() >= MIN_WAIT)
    }

    /// How far the transfer is ahead of its limit.
    fn ahead(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Whether the transfer is ahead of its limit, even by too little to wait for.
    pub fn is_ahead(&self) -> bool {
        !self.ahead().is_zero()
    }

    /// Takes over the state of `other` if `other` is further ahead.
    pub fn catch_up_with(&mut self, other: &Pace) {
        if other.due > self.due {
            *self = *other;
        }
    }

    /// The pace for the next transfer: as far ahead as this one, but without unused time to make up for.
    pub fn next(&self) -> Self {
        Self { due: self.due.max(Instant::now()), rate: self.rate }
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
        // A5-17
        check(32_768, 100, 1_000_000, 3276).await;
        check(100, 10_000, 1_000_000, 1000).await;
        check(261_120, 4, 128_000, 8160).await;
        check(1, 1, u64::MAX, 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_earns_no_burst() {
        // A5-17
        let mut pace = Pace::default();
        pace.moved(1000, 1_000_000).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let started = Instant::now();
        pace.moved(1_000_000, 1_000_000).await;
        assert!(started.elapsed() >= Duration::from_millis(900));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_applies_to_what_is_owed() {
        // 10 KB at 1 KB/s are due in 10 s.
        for (rate, expected) in [(1000, 10_000), (10_000, 1000), (500, 20_000)] {
            let mut pace = Pace::default();
            pace.advance(10_000, 1000);
            pace.change_rate(rate);
            let due = pace.due().map(|due| due.duration_since(Instant::now()).as_millis());
            assert_eq!(due, Some(expected), "{rate}");
        }
        let mut pace = Pace::default();
        pace.advance(10_000, 1000);
        pace.change_rate(0);
        assert_eq!(pace.due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn debts_are_not_added_up() {
        let (mut debt, mut short, mut long) = (Pace::default(), Pace::default(), Pace::default());
        short.advance(1, 1000);
        long.advance(3000, 1000);
        for pace in [&short, &long, &short] {
            assert!(pace.is_ahead());
            debt.catch_up_with(pace);
        }
        assert_eq!(debt.next().due(), long.due());
        tokio::time::sleep(Duration::from_secs(60)).await;
        let mut next = debt.next();
        next.advance(10, 1000);
        assert_eq!(next.ahead().as_millis(), 10);
    }
}
