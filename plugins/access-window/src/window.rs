use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Deserialize;

/// From one time of the day to another, the second not included.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The groups that it is for; without any, all users.
    #[serde(default)]
    groups: Vec<String>,
    /// On which it begins; without any, every day.
    #[serde(default)]
    days: Vec<Day>,
    from: String,
    to: String,
    /// As in the IANA database.
    #[serde(default = "utc")]
    time_zone: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Window {
    pub fn concerns(&self, groups: &[String]) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|group| groups.contains(group))
    }

    /// `now`: seconds since 1970.
    pub fn is_open(&self, now: i64) -> Result<bool, String> {
        let zone = TimeZone::get(&self.time_zone).map_err(|_| format!("\"{}\" is not a time zone", self.time_zone))?;
        let now = Timestamp::from_second(now).map_err(|error| error.to_string())?.to_zoned(zone);
        let (from, to, time) = (time_of(&self.from)?, time_of(&self.to)?, now.time());
        let yesterday = now.checked_sub(Span::new().days(1)).map_err(|error| error.to_string())?;
        if from <= to {
            return Ok(self.is_on(now.weekday()) && from <= time && time < to);
        }
        // Over midnight: it began today, or yesterday.
        Ok((self.is_on(now.weekday()) && from <= time) || (self.is_on(yesterday.weekday()) && time < to))
    }

    fn is_on(&self, weekday: Weekday) -> bool {
        let day = match weekday {
            Weekday::Monday => Day::Mon,
            Weekday::Tuesday => Day::Tue,
            Weekday::Wednesday => Day::Wed,
            Weekday::Thursday => Day::Thu,
            Weekday::Friday => Day::Fri,
            Weekday::Saturday => Day::Sat,
            Weekday::Sunday => Day::Sun,
        };
        self.days.is_empty() || self.days.contains(&day)
    }
}

fn time_of(text: &str) -> Result<Time, String> {
    Time::strptime("%H:%M", text).map_err(|_| format!("\"{text}\" is not a time such as 08:30"))
}
