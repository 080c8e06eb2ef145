//! What is recorded about clients without credentials. Any client can cause such records, so that there are only so many.

use std::collections::HashMap;

/// Subjects that are remembered, so that each is recorded once in a while.
pub const REMEMBERED: usize = 1_000;
/// Milliseconds after which the same subject is recorded again.
pub const PAUSE: i64 = 60_000;

/// Records within a minute and within a day. The store of audit records keeps 100,000 of all kinds, and that of hook
/// calls 10,000.
const OF_MINUTE: u32 = 60;
const OF_DAY: u32 = 2_000;
const DAY: i64 = 24 * 60 * 60_000;

/// The address of the client, what it did, and to what.
type Subject = (String, &'static str, String);

/// What was recorded about clients without credentials.
#[derive(Debug, Default)]
pub struct Strangers {
    recorded: HashMap<Subject, i64>,
    /// The minute and the day, and how many records were made in them.
    minute: (i64, u32),
    day: (i64, u32),
    left_out: u32,
}

impl Strangers {
    /// Whether that is to be recorded, and how many were left out before.
    pub fn take(&mut self, what: Subject, now: i64) -> Option<u32> {
        for (counted, length) in [(&mut self.minute, PAUSE), (&mut self.day, DAY)] {
            let period = now.div_euclid(length);
            if counted.0 != period {
                *counted = (period, 0);
            }
        }
        if self.recorded.get(&what).is_some_and(|at| now - at < PAUSE) {
            return None;
        }
        if self.minute.1 >= OF_MINUTE || self.day.1 >= OF_DAY {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        if self.recorded.len() >= REMEMBERED {
            self.recorded.retain(|_, at| now - *at < PAUSE);
        }
        self.recorded.insert(what, now);
        self.minute.1 += 1;
        self.day.1 += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Source;

    const NOON: i64 = DAY / 2;

    fn login(source: impl ToString) -> Subject {
        (source.to_string(), "login", "admin ann".to_owned())
    }

    #[test]
    fn a_client_is_recorded_once_in_a_while() {
        // One IPv6 network is one client.
        let source = |text: &str| Source::from(text.parse::<core::net::IpAddr>().unwrap());
        let mut strangers = Strangers::default();
        assert_eq!(strangers.take(login(source("2001:db8::1")), NOON), Some(0));
        assert_eq!(strangers.take(login(source("2001:db8::2")), NOON), None);
        assert_eq!(strangers.take(login(source("2001:db8::1")), NOON + PAUSE), Some(0));
    }

    #[test]
    fn what_is_left_out_is_counted_and_there_is_an_end_for_each_day() {
        let mut strangers = Strangers::default();
        let taken = (0..10_000_i64).filter_map(|number| strangers.take(login(number), number * 1_000));
        assert_eq!(taken.count(), 2_000);
        let mut strangers = Strangers::default();
        assert_eq!((0..100_i64).filter(|number| strangers.take(login(number), 0).is_some()).count(), 60);
        assert_eq!(strangers.take(login(""), PAUSE), Some(40));
    }
}
