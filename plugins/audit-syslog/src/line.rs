use jiff::Timestamp;

/// RFC 5424 §6.2.1.
#[derive(Debug, Clone, Copy)]
pub enum Severity {
    Warning = 4,
    Notice = 5,
    Informational = 6,
}

/// One message: its kind, and what is known as structured data.
pub struct Line {
    event: &'static str,
    severity: Severity,
    data: String,
}

/// Bytes of a message that every receiver takes (RFC 5426 §3.2).
const MAX_MESSAGE: usize = 1180;
/// Characters of one value.
const MAX_VALUE: usize = 200;

impl Line {
    pub fn new(event: &'static str, severity: Severity) -> Self {
        Self { event, severity, data: String::new() }
    }

    /// Control characters would let a file's name begin a line of its own.
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let mut escaped = String::new();
        for character in value.as_ref().chars().take(MAX_VALUE) {
            match character {
                '"' | '\\' | ']' => escaped.extend(['\\', character]),
                character if character.is_control() => escaped.push('?'),
                character => escaped.push(character),
            }
        }
        let addition = format!(" {name}=\"{escaped}\"");
        if self.data.len() + addition.len() <= MAX_MESSAGE {
            self.data.push_str(&addition);
        }
        self
    }

    /// `now`: seconds since 1970. The number after the name is one for documentation (RFC 5612).
    pub fn format(&self, facility: u8, hostname: &str, now: u64) -> String {
        let priority = u32::from(facility.min(23)) * 8 + self.severity as u32;
        let time = i64::try_from(now).ok().and_then(|now| Timestamp::from_second(now).ok()).unwrap_or_default();
        format!("<{priority}>1 {time} {hostname} tidegate - {} [tidegate@32473{}]", self.event, self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_rfc_5424() {
        let line = Line::new("login", Severity::Informational).with("user", "a\"b]c\\d\ne");
        assert_eq!(
            line.format(10, "host", 1_700_000_000),
            "<86>1 2023-11-14T22:13:20Z host tidegate - login [tidegate@32473 user=\"a\\\"b\\]c\\\\d?e\"]"
        );
    }

    #[test]
    fn long_values_do_not_make_long_messages() {
        let long = "x".repeat(10_000);
        let line = (0..20).fold(Line::new("login", Severity::Warning), |line, _| line.with("error", &long));
        assert!(line.format(10, "host", 0).len() < 1400);
    }
}
