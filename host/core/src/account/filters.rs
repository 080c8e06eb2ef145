//! `filters`: what narrows an account beyond its permissions (spec C3).

use core::net::IpAddr;

use glob::{MatchOptions, Pattern};
use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::connection::LoginMethod;
use crate::path::VirtualPath;
use crate::secret::Secret;

/// Restrictions on logins and files; what the server does not use is only in `document`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filters {
    pub allowed_ip: Vec<IpNet>,
    pub denied_ip: Vec<IpNet>,
    pub denied_login_methods: Vec<LoginMethod>,
    pub external_auth_disabled: bool,
    pub pre_login_disabled: bool,
    pub check_password_disabled: bool,
    /// B8-01; 0: never.
    pub external_auth_cache_seconds: i64,
    /// Present and enabled for SSH.
    pub one_time_codes: Option<OneTimeCodes>,
    /// SSH is one of the protocols that need a second factor.
    pub needs_second_factor: bool,
    pub needs_password_change: bool,
    /// Days after the last change; 0: never.
    pub password_expiration: i64,
    pub denies_ssh: bool,
    pub file_patterns: FilePatterns,
    /// Bytes; 0: unlimited.
    pub max_upload_file_size: u64,
    pub start_directory: VirtualPath,
    /// Empty: always.
    pub access_time: Vec<AccessWindow>,
    pub bandwidth_limits: Vec<BandwidthLimit>,
    /// The home directory is not made at login.
    pub no_home_check: bool,
    /// The whole object as it was given.
    pub document: Map<String, Value>,
}

/// The part of `filters.totp_config` that SSH logins use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimeCodes {
    /// Base32 (RFC 6238); none if it is stored in a form that this server cannot read.
    pub secret: Option<Secret>,
}

/// KB/s for clients of some networks; the first match holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandwidthLimit {
    pub sources: Vec<IpNet>,
    pub upload: i64,
    pub download: i64,
}

impl BandwidthLimit {
    pub fn covers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.sources.iter().any(|network| network.contains(&address))
    }
}

/// A part of a day of the week, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessWindow {
    /// 0: Sunday.
    pub day_of_week: u8,
    /// Minutes since midnight.
    pub from: u16,
    pub to: u16,
}

impl AccessWindow {
    /// `local_now`: milliseconds since 1970, in the zone that the windows are meant in.
    pub fn contains(self, local_now: i64) -> bool {
        const MINUTE: i64 = 60_000;
        const DAY: i64 = 24 * 60 * MINUTE;
        // 1 January 1970 was a Thursday.
        let day_of_week = (local_now.div_euclid(DAY) + 4).rem_euclid(7);
        let minute = local_now.rem_euclid(DAY) / MINUTE;
        i64::from(self.day_of_week) == day_of_week && (i64::from(self.from)..=i64::from(self.to)).contains(&minute)
    }
}

/// Which names may be used in which directories.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FilePatterns {
    /// The longest directory first.
    rules: Vec<PatternRule>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PatternRule {
    pub directory: VirtualPath,
    pub allowed: Vec<Pattern>,
    pub denied: Vec<Pattern>,
    /// Names that are denied are not shown either.
    pub hides: bool,
}

/// What the patterns say of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameVerdict {
    Allowed,
    Denied,
    /// As if there were no such file.
    Hidden,
}

impl FilePatterns {
    pub fn new(mut rules: Vec<PatternRule>) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.directory.as_bytes().len()));
        Self { rules }
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether some rule could concern what is in `directory` or below it.
    pub fn concern(&self, directory: &VirtualPath) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.directory.is_same_or_below(directory) || directory.is_same_or_below(&rule.directory))
    }

    /// Whether the same rule holds for what is in both directories.
    pub fn same_rule(&self, a: &VirtualPath, b: &VirtualPath) -> bool {
        let rule_of =
            |directory: &VirtualPath| self.rules.iter().position(|rule| directory.is_same_or_below(&rule.directory));
        rule_of(a) == rule_of(b)
    }

    /// Whether a rule is bound to `path` or to something below it.
    pub fn has_rule_below(&self, path: &VirtualPath) -> bool {
        self.rules.iter().any(|rule| rule.directory.is_same_or_below(path))
    }

    /// Of the last name of `path`, and of the directories above it that are hidden.
    pub fn of(&self, path: &VirtualPath) -> NameVerdict {
        if self.rules.is_empty() {
            return NameVerdict::Allowed;
        }
        let mut above = path.parent();
        while !above.is_root() {
            if self.of_name(&above.parent(), above.file_name().unwrap_or_default()) == NameVerdict::Hidden {
                return NameVerdict::Hidden;
            }
            above = above.parent();
        }
        self.of_name(&path.parent(), path.file_name().unwrap_or_default())
    }

    /// Of one name in `directory`: the longest directory with a rule wins.
    pub fn of_name(&self, directory: &VirtualPath, name: &[u8]) -> NameVerdict {
        let Some(rule) = self.rules.iter().find(|rule| directory.is_same_or_below(&rule.directory)) else {
            return NameVerdict::Allowed;
        };
        if name.is_empty() || name == b"." || name == b".." {
            return NameVerdict::Allowed;
        }
        let name = String::from_utf8_lossy(name).to_lowercase();
        let matches = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches_with(&name, OPTIONS));
        if matches(&rule.allowed) || (rule.allowed.is_empty() && !matches(&rule.denied)) {
            NameVerdict::Allowed
        } else if rule.hides {
            NameVerdict::Hidden
        } else {
            NameVerdict::Denied
        }
    }
}

const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: false, require_literal_separator: false, require_literal_leading_dot: false };

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse_normalised(text).unwrap()
    }

    fn rule(directory: &str, allowed: &[&str], denied: &[&str], hides: bool) -> PatternRule {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
        PatternRule { directory: path(directory), allowed: patterns(allowed), denied: patterns(denied), hides }
    }

    #[test]
    fn the_nearest_rule_decides() {
        let patterns = FilePatterns::new(vec![
            rule("/", &[], &["*.exe"], false),
            rule("/pictures", &["*.jpg", "*.png"], &[], false),
            rule("/private", &[], &[".*", "secret*"], true),
        ]);
        let check = |text: &str, expected: NameVerdict| assert_eq!(patterns.of(&path(text)), expected, "{text}");
        check("/a.txt", NameVerdict::Allowed);
        check("/a.EXE", NameVerdict::Denied);
        check("/d/e/a.exe", NameVerdict::Denied);
        check("/pictures/a.JPG", NameVerdict::Allowed);
        check("/pictures/a.txt", NameVerdict::Denied);
        check("/pictures/a.exe", NameVerdict::Denied);
        check("/private/.profile", NameVerdict::Hidden);
        check("/private/Secret.txt", NameVerdict::Hidden);
        check("/private/secrets/open.txt", NameVerdict::Hidden);
        check("/private/a", NameVerdict::Allowed);
        check("/", NameVerdict::Allowed);
    }

    #[test]
    fn windows_include_both_ends() {
        let monday = AccessWindow { day_of_week: 1, from: 8 * 60, to: 18 * 60 + 30 };
        // Monday, 5 January 1970, and the minutes of that day.
        let at = |minute: i64| monday.contains((4 * 24 * 60 + minute) * 60_000);
        assert!(!at(8 * 60 - 1) && at(8 * 60) && at(18 * 60 + 30) && !at(18 * 60 + 31));
        assert!(!monday.contains(12 * 3_600_000));
        // Sunday before 1970.
        assert!(AccessWindow { day_of_week: 0, from: 0, to: 1439 }.contains(-4 * 24 * 3_600_000));
    }
}
