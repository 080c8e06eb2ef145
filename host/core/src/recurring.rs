//! The lines of the log about what happens again and again.

use core::fmt;
use std::time::{Duration, Instant};

/// The time between two lines about the same thing.
const INTERVAL: Duration = Duration::from_secs(60);

/// Says when a line is due about something that happens again and again: for the first time, and then once a minute for
/// as long as it goes on.
#[derive(Debug, Default)]
pub struct Recurring {
    last_line: Option<Instant>,
    /// How often it has happened since the last line.
    untold: u64,
}

/// A line that is due. As a text, it is the end of the line: how often it has happened without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// How often it has happened since the last line, without this time.
    pub untold: u64,
}

impl Recurring {
    /// Notes that it has happened at `now`. None: there was a line about it a moment ago.
    pub fn happened(&mut self, now: Instant) -> Option<Due> {
        if self.last_line.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.last_line = Some(now);
        Some(Due { untold: std::mem::take(&mut self.untold) })
    }
}

impl fmt::Display for Due {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.untold {
            0 => Ok(()),
            1 => write!(text, " (and once more since the last line about it)"),
            times => write!(text, " (and {times} times more since the last line about it)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_at_first_and_then_once_a_minute() {
        // A4-17, A21-10
        assert_eq!(INTERVAL, Duration::from_secs(60));
        let start = Instant::now();
        let mut recurring = Recurring::default();
        let mut check = |milliseconds: u64, expected: Option<&str>| {
            let due = recurring.happened(start + Duration::from_millis(milliseconds));
            assert_eq!(due.map(|due| due.to_string()).as_deref(), expected, "{milliseconds}");
        };
        check(1000, Some(""));
        check(1000, None);
        // A moment that was taken before the last line's.
        check(900, None);
        check(60_999, None);
        check(61_000, Some(" (and 3 times more since the last line about it)"));
        check(120_999, None);
        check(121_000, Some(" (and once more since the last line about it)"));
        // It had stopped in between.
        check(3_600_000, Some(""));
    }
}
