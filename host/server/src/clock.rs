//! The wall clock, and the time zone of access times.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tidegate_core::ports::{Clock, SystemClock};

#[derive(Debug, Clone)]
pub struct ZonedClock {
    zone: TimeZone,
}

impl ZonedClock {
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC }
    }

    pub fn local() -> Self {
        Self { zone: TimeZone::system() }
    }
}

impl Clock for ZonedClock {
    fn now(&self) -> i64 {
        SystemClock.now()
    }

    fn steady(&self) -> i64 {
        SystemClock.steady()
    }

    fn zone_offset(&self, at: i64) -> i64 {
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        i64::from(self.zone.to_offset(at).seconds()).saturating_mul(1000)
    }
}
