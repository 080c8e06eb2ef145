//! The options before the key in a line of an `authorized_keys` file (sshd(8)). Those that restrict
//! a login hold here as on OpenSSH's server; those that restrict what this server offers to no
//! session (terminals, forwarding, the environment) need nothing. A line with any other option
//! admits no login: what it demands is not known.

use core::net::IpAddr;

use ipnet::IpNet;
use jiff::civil::DateTime;
use jiff::fmt::strtime;

use crate::network::canonical;
use crate::pattern::Pattern;

/// Options about things that this server offers to no session.
const WITHOUT_EFFECT: [&str; 14] = [
    "agent-forwarding",
    "environment",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-pty",
    "no-user-rc",
    "no-x11-forwarding",
    "permitlisten",
    "permitopen",
    "port-forwarding",
    "pty",
    "restrict",
    "tunnel",
    "user-rc",
];

/// What a line demands of logins with its key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyOptions {
    /// Signatures made without a touch of the security key count, too.
    no_touch_required: bool,
    verify_required: bool,
    /// One list for each `from=` option; an address has to match all of them.
    from: Vec<AddressPatterns>,
    /// One for each `expiry-time=` option; the earliest counts.
    expires: Vec<Expiry>,
    /// The command that runs instead of the one the client asks for.
    command: Option<String>,
    /// Why the line admits no login at all.
    unusable: Option<String>,
}

impl KeyOptions {
    /// Parses the text before the key; names are compared without case. An unknown or malformed option makes
    /// the line [unusable](Self::unusable).
    pub fn parse(text: &str) -> Self {
        let mut options = Self::default();
        for (name, value) in split(text) {
            let name = name.to_ascii_lowercase();
            if let Err(problem) = options.take(&name, value) {
                options.unusable.get_or_insert(problem);
            }
        }
        options
    }

    fn take(&mut self, name: &str, value: Option<String>) -> Result<(), String> {
        let needed = |value: Option<String>| value.ok_or_else(|| format!("the option {name} of its line has no value"));
        match name {
            "no-touch-required" => self.no_touch_required = true,
            "verify-required" => self.verify_required = true,
            "from" => self.from.push(AddressPatterns::parse(&needed(value)?)?),
            "expiry-time" => self.expires.push(Expiry::parse(&needed(value)?)?),
            "command" if self.command.is_some() => return Err("its line has two commands".to_owned()),
            "command" => self.command = Some(needed(value)?),
            "cert-authority" => return Err("its line names an authority for certificates, not a user's key".to_owned()),
            name if WITHOUT_EFFECT.contains(&name) => {}
            name => return Err(format!("the option \"{name}\" of its line is not known")),
        }
        Ok(())
    }

    /// Whether signatures of a security key count only with a touch, or with a PIN.
    pub fn needs_presence(&self) -> bool {
        !self.no_touch_required || self.verify_required
    }

    /// The command that replaces whatever the client asks for.
    pub fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }

    /// Why the line admits no login from any address; none: it can admit some.
    pub fn unusable(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    /// Whether a login may use the key. `now`: milliseconds since 1970; `zone_offset`: milliseconds to add
    /// for local time.
    ///
    /// # Errors
    /// Why the key is not admitted, as text for the log.
    pub fn admit(&self, address: IpAddr, now: i64, zone_offset: i64) -> Result<(), String> {
        if let Some(problem) = &self.unusable {
            return Err(format!("the key admits no login: {problem}"));
        }
        if !self.from.iter().all(|patterns| patterns.matches(address.to_canonical())) {
            return Err("the key's line has a from= that does not name this address".to_owned());
        }
        if self.expires.iter().any(|expiry| expiry.is_past(now, zone_offset)) {
            return Err("the key's line has an expiry-time= that is past".to_owned());
        }
        Ok(())
    }
}

/// The patterns of `from=`: networks, and names or addresses with `*` and `?`; those with `!` exclude.
#[derive(Debug, Clone, PartialEq)]
struct AddressPatterns(Vec<(bool, AddressPattern)>);

#[derive(Debug, Clone, PartialEq)]
enum AddressPattern {
    Network(IpNet),
    /// Matched against the address as text: the server does not look up host names, so a name matches no
    /// client.
    Text(Pattern),
}

impl AddressPatterns {
    fn parse(text: &str) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for word in text.split(',').map(str::trim) {
            let (excludes, word) = match word.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, word),
            };
            let problem =
                || format!("the option from of its line has \"{word}\", which is neither an address nor a network");
            let pattern = if word.contains('/') {
                let network: IpNet = word.parse().map_err(|_| problem())?;
                if network.trunc() != network {
                    return Err(problem());
                }
                AddressPattern::Network(canonical(network))
            } else if word.is_empty() {
                return Err(problem());
            } else {
                AddressPattern::Text(Pattern::wildcards(&word.to_ascii_lowercase()))
            };
            patterns.push((excludes, pattern));
        }
        Ok(Self(patterns))
    }

    fn matches(&self, address: IpAddr) -> bool {
        let text = address.to_string();
        let named = |wanted: bool| {
            self.0.iter().filter(|(excludes, _)| *excludes == wanted).any(|(_, pattern)| match pattern {
                AddressPattern::Network(network) => network.contains(&address),
                AddressPattern::Text(pattern) => pattern.matches(text.as_bytes()),
            })
        };
        named(false) && !named(true)
    }
}

/// `YYYYMMDD[HHMM[SS]]`, with `Z` in UTC, else in local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expiry {
    /// Milliseconds since 1970, as if the time were in UTC.
    at: i64,
    is_utc: bool,
}

impl Expiry {
    fn parse(text: &str) -> Result<Self, String> {
        let problem =
            || format!("the option expiry-time of its line has \"{text}\", which is no time as YYYYMMDDHHMMSS");
        let (digits, is_utc) = match text.strip_suffix(['Z', 'z']) {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(problem());
        }
        let padded = match digits.len() {
            8 => format!("{digits}000000"),
            12 => format!("{digits}00"),
            14 => digits.to_owned(),
            _ => return Err(problem()),
        };
        let time = strtime::parse("%Y%m%d%H%M%S", padded).and_then(|time| time.to_datetime());
        let time: DateTime = time.map_err(|_| problem())?;
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| problem())?;
        Ok(Self { at: zoned.timestamp().as_millisecond(), is_utc })
    }

    fn is_past(self, now: i64, zone_offset: i64) -> bool {
        let now = if self.is_utc { now } else { now.saturating_add(zone_offset) };
        now >= self.at
    }
}

/// Splits options into names and values; within quotes, `\"` is a quote.
fn split(text: &str) -> Vec<(String, Option<String>)> {
    let mut options = Vec::new();
    let (mut name, mut value): (String, Option<String>) = (String::new(), None);
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        match character {
            '"' if quoted && escaped => {
                let part = value.as_mut().unwrap_or(&mut name);
                part.pop();
                part.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => options.push((std::mem::take(&mut name), value.take())),
            '=' if !quoted && value.is_none() => value = Some(String::new()),
            other => value.as_mut().unwrap_or(&mut name).push(other),
        }
        escaped = character == '\\' && !escaped;
    }
    options.push((name, value));
    options
        .into_iter()
        .map(|(name, value)| (name.trim().to_owned(), value))
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-28 12:00:00 UTC
    const NOON: i64 = 1_795_867_200_000;
    const HOUR: i64 = 3_600_000;

    fn check(options: &str, address: &str, admitted: bool) {
        let verdict = KeyOptions::parse(options).admit(address.parse().unwrap(), NOON, HOUR);
        assert_eq!(verdict.is_ok(), admitted, "{options} from {address}: {verdict:?}");
    }

    // A8-14
    #[test]
    fn from_names_the_addresses_that_may_use_the_key() {
        check("no-pty", "192.0.2.1", true);
        check("from=\"192.0.2.1\"", "192.0.2.1", true);
        check("FROM=\"192.0.2.1\"", "192.0.2.1", true);
        check("from=\"192.0.2.1\"", "::ffff:192.0.2.1", true);
        check("from=\"192.0.2.1\"", "192.0.2.10", false);
        check("from=\"192.0.2.*\"", "192.0.2.10", true);
        check("from=\"192.0.2.?\"", "192.0.2.10", false);
        check("from=\"192.0.2.0/24\"", "192.0.2.10", true);
        check("from=\"::ffff:192.0.2.0/120\"", "192.0.2.10", true);
        check("from=\"192.0.2.0/24,!192.0.2.10\"", "192.0.2.10", false);
        check("from=\"!192.0.2.10,192.0.2.0/24\"", "192.0.2.10", false);
        check("from=\"!192.0.2.10\"", "192.0.2.11", false);
        check("from=\"2001:db8::/32\"", "2001:db8::1", true);
        check("from=\"2001:db8::/32\"", "192.0.2.1", false);
        check("from=\"*.example.com\"", "192.0.2.1", false);
        check("from=\"*\"", "192.0.2.1", true);
        // Nothing but `*` and `?` has a meaning.
        check("from=\"192.0.**.?\"", "192.0.2.1", true);
        check("from=\"192.0.2.[1-9]\"", "192.0.2.1", false);
        check("from=\"192.0.2.{1,2}\"", "192.0.2.1", false);
        check("from=\"192.0.2.\\1\"", "192.0.2.1", false);
        check("from=\"192.0.2.0/24\",from=\"192.0.2.7\"", "192.0.2.8", false);
        // An option that cannot be parsed admits no login.
        for bad in ["from=\"\"", "from", "from=\"192.0.2.1/24\"", "from=\"192.0.2.0/33\"", "from=\"192.0.2.1,,\""] {
            check(bad, "192.0.2.1", false);
        }
    }

    #[test]
    fn a_key_expires_in_utc_or_in_local_time() {
        // A8-14
        let times = [
            ("20261129", true),
            ("20261128", false),
            ("202611281201Z", true),
            ("202611281200Z", false),
            ("20261128120001Z", true),
            ("20261128115959Z", false),
            ("202611281301", true),
            ("202611281300", false),
            ("20271301", false),
            ("202", false),
            ("soon", false),
            ("", false),
        ];
        for (time, admitted) in times {
            check(&format!("expiry-time=\"{time}\""), "192.0.2.1", admitted);
        }
        check("expiry-time=\"20991231\",expiry-time=\"20200101\"", "192.0.2.1", false);
    }

    #[test]
    fn other_options_admit_no_login_unless_there_is_nothing_to_restrict() {
        // A8-14
        // Written out, so that none is missed.
        let without_effect = [
            "agent-forwarding",
            "environment=\"A=b\"",
            "no-agent-forwarding",
            "no-port-forwarding",
            "no-pty",
            "no-touch-required",
            "no-user-rc",
            "no-X11-forwarding",
            "permitlisten=\"8080\"",
            "permitopen=\"192.0.2.1:80\"",
            "port-forwarding",
            "pty",
            "restrict",
            "tunnel=\"0\"",
            "user-rc",
            "verify-required",
        ];
        for option in without_effect {
            check(option, "192.0.2.1", true);
        }
        check("restrict,environment=\"A=b,no-such-option\",No-PTY", "192.0.2.1", true);
        check("cert-authority", "192.0.2.1", false);
        check("cert-authority,principals=\"x\"", "192.0.2.1", false);
        check("no-such-option", "192.0.2.1", false);
        check("command=\"a\",command=\"b\"", "192.0.2.1", false);
    }

    #[test]
    fn the_command_is_read_with_its_quotes() {
        // A8-14
        let command = |options: &str| KeyOptions::parse(options).command().map(str::to_owned);
        assert_eq!(command("no-pty"), None);
        assert_eq!(command("command=\"internal-sftp\",no-pty").as_deref(), Some("internal-sftp"));
        assert_eq!(command(r#"command="echo \"a, b\"",no-pty"#).as_deref(), Some(r#"echo "a, b""#));
        assert_eq!(command(r#"command="a=b""#).as_deref(), Some("a=b"));
    }
}
