//! Values as people read them.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use crate::view::{Cell, Moment};

const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// A number of bytes, such as `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    let (mut whole, mut rest, mut unit) = (count, 0, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        (whole, rest, unit) = (whole / 1024, whole % 1024, unit + 1);
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{whole} {name}") } else { format!("{whole}.{} {name}", rest * 10 / 1024) }
}

/// A stored number of bytes or files, of which negative ones count as none.
pub fn natural(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A duration of microseconds, such as `12.3 ms`.
pub fn microseconds(duration: i64) -> String {
    match duration {
        ..1_000 => format!("{duration} µs"),
        1_000..1_000_000 => format!("{}.{} ms", duration / 1_000, duration % 1_000 / 100),
        _ => format!("{}.{} s", duration / 1_000_000, duration % 1_000_000 / 100_000),
    }
}

/// A number of seconds, such as `1 h 5 min`.
pub fn seconds(count: u64) -> String {
    match count {
        ..60 => format!("{count} s"),
        60..3_600 => format!("{} min {} s", count / 60, count % 60),
        3_600..86_400 => format!("{} h {} min", count / 3_600, count % 3_600 / 60),
        _ => format!("{} d {} h", count / 86_400, count % 86_400 / 3_600),
    }
}

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// A time in milliseconds since 1970.
pub fn moment(at: i64) -> Moment {
    let nearest = if at > 0 { DateTime::MAX } else { DateTime::MIN };
    let time = EPOCH.checked_add(SignedDuration::from_millis(at)).unwrap_or(nearest);
    let text = |format: &str| time.strftime(format).to_string();
    let shown = if is_far(at) { "after the year 9999".to_owned() } else { text("%Y-%m-%d %H:%M:%S") };
    Moment { machine: text("%Y-%m-%dT%H:%M:%SZ"), text: shown }
}

/// The milliseconds since 1970 of a time in UTC, or of the beginning of a day, as people write them. A time may have the
/// offset of another time zone.
pub fn at_time(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    // A civil time passes over an offset and the name of a time zone, which come after the date.
    let is_elsewhere = text.get(10..).is_some_and(|rest| rest.contains(['+', '-', '[', 'Z', 'z']));
    let time = text.parse::<DateTime>().or_else(|_| format!("{text} 00:00:00").parse()).ok()?;
    if is_elsewhere {
        return None;
    }
    i64::try_from(time.duration_since(EPOCH).as_millis()).ok()
}

/// Whether a time, in milliseconds since 1970, is later than dates are written.
pub fn is_far(at: i64) -> bool {
    at > 0 && EPOCH.checked_add(SignedDuration::from_millis(at)).is_err()
}

/// A time in milliseconds since 1970; 0: never.
pub fn time(at: i64) -> Cell {
    if at <= 0 { Cell::text("never") } else { Cell::Time(moment(at)) }
}

/// Thousandths of a whole.
pub fn share(part: u64, whole: u64) -> u64 {
    let share = u128::from(part) * 1000 / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(1000).min(1000)
}

/// How much of a limit is used; without a limit, how much there is.
pub fn used(label: &str, used: u64, limit: u64, shown: fn(u64) -> String) -> Cell {
    if limit == 0 {
        return Cell::Number(shown(used));
    }
    let text = format!("{} of {}", shown(used), shown(limit));
    Cell::Bar { label: label.to_owned(), share: share(used, limit), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short() {
        for (count, expected) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (u64::MAX, "16383.9 PiB")] {
            assert_eq!(bytes(count), expected);
        }
        for (duration, expected) in [(12, "12 µs"), (12_345, "12.3 ms"), (2_500_000, "2.5 s")] {
            assert_eq!(microseconds(duration), expected);
        }
        for (count, expected) in [(5, "5 s"), (65, "1 min 5 s"), (3_900, "1 h 5 min"), (90_000, "1 d 1 h")] {
            assert_eq!(seconds(count), expected);
        }
        assert_eq!(moment(1_700_000_000_000).text, "2023-11-14 22:13:20");
        assert_eq!(moment(253_402_300_799_000).text, "9999-12-31 23:59:59");
        for (text, expected) in [
            ("2023-11-14 22:13:20", Some(1_700_000_000_000)),
            ("2023-11-14 22:13", Some(1_699_999_980_000)),
            ("2023-11-14", Some(1_699_920_000_000)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("2023-11-15 00:13:20+02:00", Some(1_700_000_000_000)),
            ("2023-11-14 22:13:20-00:30", Some(1_700_001_800_000)),
            ("2023-11-14 22:13:20[Europe/Berlin]", None),
            ("9999-12-31 23:59:59", Some(253_402_300_799_000)),
            ("9999-12-31 23:59:59+02:00", None),
            ("2023-11", None),
            ("now", None),
        ] {
            assert_eq!(at_time(text), expected, "{text}");
        }
        assert!(!is_far(253_402_300_799_999) && is_far(253_402_300_800_000));
        let far = moment(i64::MAX);
        assert_eq!((far.text.as_str(), far.machine.starts_with("9999-12-31T")), ("after the year 9999", true));
        assert_eq!((share(1, 2), share(3, 2), share(1, 0)), (500, 1000, 1000));
    }
}
