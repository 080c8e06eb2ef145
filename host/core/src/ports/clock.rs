//! The clock.

use std::sync::LazyLock;
use std::time::Instant;

/// The time, as a port so that tests can set it.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now(&self) -> i64;

    /// Milliseconds since a moment that stays the same while the process runs. They do not go back when the clock of
    /// the host is set back.
    fn steady(&self) -> i64 {
        self.now()
    }

    /// The offset from UTC, in milliseconds, of the time zone in which access times are written, at the time
    /// `at` (milliseconds since 1970).
    fn zone_offset(&self, _at: i64) -> i64 {
        0
    }
}

/// The clock of the host; access times are in UTC.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn steady(&self) -> i64 {
        static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
        i64::try_from(FIRST.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}
