//! `filters`: restrictions of an account beyond its permissions (spec C3).

use core::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::connection::LoginMethod;
use crate::path::VirtualPath;
use crate::pattern::Pattern;
use crate::quota::Limit;
use crate::secret::Secret;

/// Restrictions on logins and files (C3). Fields that the server does not use are in `document` alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filters {
    /// Networks that clients have to come from; empty: any.
    pub allowed_ip: Vec<IpNet>,
    /// Networks that clients may not come from.
    pub denied_ip: Vec<IpNet>,
    /// Login methods that are refused; never all of them (B12-06).
    pub denied_login_methods: Vec<LoginMethod>,
    /// `hooks.external_auth_disabled`: external authentication is not asked about this account (B9-01).
    pub external_auth_disabled: bool,
    /// `hooks.pre_login_disabled`: pre-login hooks are not asked about this account.
    pub pre_login_disabled: bool,
    /// `hooks.check_password_disabled`: check-password hooks are not asked about this account.
    pub check_password_disabled: bool,
    /// Seconds for which an answer of external authentication is remembered (B8-01); 0: it is not.
    pub external_auth_cache_seconds: i64,
    /// One-time codes; None: there are none, or they are not enabled for SSH.
    pub one_time_codes: Option<OneTimeCodes>,
    /// Whether SSH is one of the protocols that demand a second factor.
    pub needs_second_factor: bool,
    /// Whether the password has to be changed before the next login.
    pub needs_password_change: bool,
    /// Days after its last change on which the password expires; 0: never.
    pub password_expiration: i64,
    /// Whether SSH is one of `denied_protocols`.
    pub denies_ssh: bool,
    /// Which names may be used in which directories.
    pub file_patterns: FilePatterns,
    /// Bytes of the largest file that may be uploaded.
    pub max_upload_file_size: Limit,
    /// The directory in which sessions begin.
    pub start_directory: VirtualPath,
    /// When the account may be used; empty: always.
    pub access_time: Vec<AccessWindow>,
    /// Limits for clients of some networks; the first that has the client's address holds.
    pub bandwidth_limits: Vec<BandwidthLimit>,
    /// Whether a missing home directory is not made at login (`disable_fs_checks`).
    pub no_home_check: bool,
    /// The whole object as it was given.
    pub document: Map<String, Value>,
}

/// The part of `filters.totp_config` that SSH logins use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimeCodes {
    /// The secret in Base32 (RFC 4648 §6); None: it is missing, or kept in a form that this server cannot read.
    pub secret: Option<Secret>,
}

/// A bandwidth limit for clients of some networks; 1 KB = 1000 bytes (A5-17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandwidthLimit {
    /// Networks of the clients; at least one.
    pub sources: Vec<IpNet>,
    /// KB/s for each upload; 0: unlimited.
    pub upload: i64,
    /// KB/s for each download; 0: unlimited.
    pub download: i64,
}

impl BandwidthLimit {
    /// Whether the limit is for a client at `address`.
    pub fn covers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.sources.iter().any(|network| network.contains(&address))
    }
}

/// A part of a day of the week, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessWindow {
    /// 0 is Sunday, 6 is Saturday.
    pub day_of_week: u8,
    /// First minute, in minutes since midnight.
    pub from: u16,
    /// Last minute, in minutes since midnight, not before `from`.
    pub to: u16,
}

impl AccessWindow {
    /// Whether the window has that time. `local_now`: milliseconds since 1970, in the zone that the windows are
    /// meant in.
    pub fn contains(self, local_now: i64) -> bool {
        const MINUTE: i64 = 60_000;
        const DAY: i64 = 24 * 60 * MINUTE;
        // 1 January 1970 was a Thursday.
        let day_of_week = (local_now.div_euclid(DAY) + 4).rem_euclid(7);
        let minute = local_now.rem_euclid(DAY) / MINUTE;
        i64::from(self.day_of_week) == day_of_week && (i64::from(self.from)..=i64::from(self.to)).contains(&minute)
    }
}

/// Rules on the names that may be used, by directory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FilePatterns {
    /// The rules, those of the longest paths first.
    rules: Vec<PatternRule>,
}

/// The rule on names in one directory, and in those below it that have no rule of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternRule {
    /// The directory.
    pub directory: VirtualPath,
    /// Shell patterns, in any case, of names that are allowed. If there are any, all other names are denied.
    pub allowed: Vec<Pattern>,
    /// Shell patterns, in any case, of names that are denied. Without effect beside `allowed`.
    pub denied: Vec<Pattern>,
    /// Whether denied names are hidden as well.
    pub hides: bool,
}

/// What the patterns say of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameVerdict {
    /// The name may be used.
    Allowed,
    /// The name may be seen but not used.
    Denied,
    /// The name may not be seen: the server answers as if there were no such file.
    Hidden,
}

impl FilePatterns {
    /// Rules, at most one for each directory.
    pub fn new(mut rules: Vec<PatternRule>) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.directory.as_bytes().len()));
        Self { rules }
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a rule could be for a name in `directory` or below it.
    pub fn concern(&self, directory: &VirtualPath) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.directory.is_same_or_below(directory) || directory.is_same_or_below(&rule.directory))
    }

    /// Whether the same rule is for names in both directories.
    pub fn same_rule(&self, a: &VirtualPath, b: &VirtualPath) -> bool {
        let rule_of =
            |directory: &VirtualPath| self.rules.iter().position(|rule| directory.is_same_or_below(&rule.directory));
        rule_of(a) == rule_of(b)
    }

    /// Whether the directory of a rule is `path` or below it.
    pub fn has_rule_below(&self, path: &VirtualPath) -> bool {
        self.rules.iter().any(|rule| rule.directory.is_same_or_below(path))
    }

    /// The verdict on the last name of `path`. It is hidden if a directory above it is.
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

    /// The verdict on one name in `directory`, by the rule with the longest path above it.
    pub fn of_name(&self, directory: &VirtualPath, name: &[u8]) -> NameVerdict {
        let Some(rule) = self.rules.iter().find(|rule| directory.is_same_or_below(&rule.directory)) else {
            return NameVerdict::Allowed;
        };
        if name.is_empty() || name == b"." || name == b".." {
            return NameVerdict::Allowed;
        }
        let matches = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        if matches(&rule.allowed) || (rule.allowed.is_empty() && !matches(&rule.denied)) {
            NameVerdict::Allowed
        } else if rule.hides {
            NameVerdict::Hidden
        } else {
            NameVerdict::Denied
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse_normalised(text).unwrap()
    }

    fn rule(directory: &str, allowed: &[&str], denied: &[&str], hides: bool) -> PatternRule {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::shell_in_any_case(text).unwrap()).collect();
        PatternRule { directory: path(directory), allowed: patterns(allowed), denied: patterns(denied), hides }
    }

    #[test]
    fn the_nearest_rule_decides() {
        // C3-01
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
        // C3-01
        let monday = AccessWindow { day_of_week: 1, from: 8 * 60, to: 18 * 60 + 30 };
        // A minute of Monday, 5 January 1970.
        let at = |minute: i64| monday.contains((4 * 24 * 60 + minute) * 60_000);
        assert!(!at(8 * 60 - 1) && at(8 * 60) && at(18 * 60 + 30) && !at(18 * 60 + 31));
        assert!(!monday.contains(12 * 3_600_000));
        // Sunday before 1970.
        assert!(AccessWindow { day_of_week: 0, from: 0, to: 1439 }.contains(-4 * 24 * 3_600_000));
    }
}
