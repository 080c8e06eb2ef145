//! Times in options and tables.

use anyhow::anyhow;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Milliseconds since 1970, of a text that is a time or that number.
///
/// # Errors
/// The text is neither.
pub fn milliseconds(text: &str) -> anyhow::Result<i64> {
    let time = || Some(text.parse::<Timestamp>().ok()?.as_millisecond());
    let found = text.parse::<i64>().ok().or_else(time).or_else(|| in_last_days(text));
    found.ok_or_else(|| anyhow!("\"{text}\" is neither an RFC 3339 time such as 2030-01-31T00:00:00Z nor milliseconds"))
}

/// A time of the last two days that have a date, on which other time zones are in the year 10000 already.
fn in_last_days(text: &str) -> Option<i64> {
    let date = text.strip_suffix(['Z', 'z']).or_else(|| text.strip_suffix("+00:00"))?;
    let is_last = date.starts_with("9999-12-30") || date.starts_with("9999-12-31");
    let time: DateTime = date.parse().ok().filter(|_| is_last && date.contains(['T', 't', ' ']))?;
    i64::try_from(time.duration_since(EPOCH).as_millis()).ok()
}

/// A time as people read it.
pub fn date(at: i64) -> String {
    let time = EPOCH.checked_add(SignedDuration::from_millis(at));
    time.map_or_else(|_| "after the year 9999".to_owned(), |time| format!("{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_texts_or_milliseconds() {
        for (text, expected) in [
            ("1970-01-01T00:00:01Z", Some(1000)),
            ("1970-01-01T01:00:01+01:00", Some(1000)),
            ("5", Some(5)),
            ("9999-12-30T22:00:00Z", Some(253_402_207_200_000)),
            ("9999-12-30T22:00:01Z", Some(253_402_207_201_000)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799_000)),
            ("9999-12-31T23:59:59z", Some(253_402_300_799_000)),
            ("9999-12-31T23:59:59+00:00", Some(253_402_300_799_000)),
            ("9999-12-31 23:59:59Z", Some(253_402_300_799_000)),
            ("9999-12-31Z", None),
            ("9999-12-31T23:59:59", None),
            ("9999-12-32T00:00:00Z", None),
            ("10000-01-01T00:00:00Z", None),
            ("2030-01-31Z", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn dates_are_told_to_the_last() {
        for (at, expected) in [
            (1000, "1970-01-01T00:00:01Z"),
            (1_700_000_000_000, "2023-11-14T22:13:20Z"),
            (253_402_300_799_000, "9999-12-31T23:59:59Z"),
            (253_402_300_800_000, "after the year 9999"),
            (i64::MAX, "after the year 9999"),
        ] {
            assert_eq!(date(at), expected);
        }
    }
}
