//! The version of the older server, from what only its later versions have.

use std::fmt;

use serde_json::{Map, Value};

/// A release of the older server, as major and minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u8, pub u8);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // 0.9.6 has the number 0.96 here.
            Self(0, 96) => f.write_str("0.9.6"),
            Self(0, _) => f.write_str("0.9.5"),
            Self(major, minor) => write!(f, "{major}.{minor}"),
        }
    }
}

/// What was seen of the version: the newest sign counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    newest: Option<(Version, String)>,
}

impl Evidence {
    /// Notes a sign, such as "the column email".
    pub fn see(&mut self, version: Version, sign: impl Into<String>) {
        if self.newest.as_ref().is_none_or(|(newest, _)| *newest < version) {
            self.newest = Some((version, sign.into()));
        }
    }

    /// Takes in what was seen elsewhere.
    pub fn add(&mut self, other: Self) {
        if let Some((version, sign)) = other.newest {
            self.see(version, sign);
        }
    }

    /// The version at least, and what shows it; None: nothing later than the first era was seen.
    pub fn version(&self) -> Option<(Version, &str)> {
        self.newest.as_ref().map(|(version, sign)| (*version, sign.as_str()))
    }

    /// The name of the era whose rules hold, as in the key `compat`.
    pub fn compat(&self) -> &'static str {
        match self.newest.as_ref().map(|(version, _)| *version) {
            Some(version) if version >= Version(2, 5) => "current",
            Some(version) if version >= Version(2, 4) => "2.4",
            Some(version) if version >= Version(2, 0) => "2.0",
            Some(version) if version >= Version(1, 0) => "1.0",
            Some(_) | None => "seed",
        }
    }

    /// Looks at the fields of an account document, or at the columns of a table of accounts.
    pub fn see_account(&mut self, document: &Map<String, Value>) {
        self.see_fields("the field", document.keys(), ACCOUNT);
        if let Some(Value::Object(filters)) = document.get("filters") {
            self.see_fields("the field filters.", filters.keys(), FILTERS);
        }
        let provider = document.get("filesystem").and_then(|filesystem| filesystem.get("provider")?.as_i64());
        let since = match provider {
            Some(2) => Some(Version(0, 96)),
            Some(3) => Some(Version(1, 2)),
            Some(4 | 5) => Some(Version(2, 0)),
            Some(6) => Some(Version(2, 4)),
            Some(_) | None => None,
        };
        if let Some(since) = since {
            self.see(since, "the kind of a file system");
        }
    }

    /// Looks at the keys of the older server's configuration, set or not: its own files name all of them.
    pub fn see_settings(&mut self, settings: &Value) {
        let is_there = |path: &str| {
            let mut inner = Some(settings);
            path.split('.').for_each(|key| inner = inner.and_then(|value| value.get(key)));
            inner.is_some()
        };
        for (path, version) in SETTINGS.iter().filter(|(path, _)| is_there(path)) {
            self.see(*version, format!("the key {path}"));
        }
    }

    /// `what`: how a sign begins; `since`: the versions of later names.
    pub(crate) fn see_fields<'a>(
        &mut self,
        what: &str,
        names: impl Iterator<Item = &'a String>,
        since: &[(&str, Version)],
    ) {
        for name in names {
            if let Some((_, version)) = since.iter().find(|(known, _)| known == name) {
                let space = if what.ends_with('.') { "" } else { " " };
                self.see(*version, format!("{what}{space}{name}"));
            }
        }
    }
}

/// Fields of accounts that came after the first era (C1).
pub(crate) const ACCOUNT: &[(&str, Version)] = &[
    ("virtual_folders", Version(0, 96)),
    ("additional_info", Version(2, 0)),
    ("description", Version(2, 1)),
    ("email", Version(2, 2)),
    ("created_at", Version(2, 2)),
    ("updated_at", Version(2, 2)),
    ("upload_data_transfer", Version(2, 3)),
    ("download_data_transfer", Version(2, 3)),
    ("total_data_transfer", Version(2, 3)),
    ("used_upload_data_transfer", Version(2, 3)),
    ("used_download_data_transfer", Version(2, 3)),
    ("groups", Version(2, 3)),
    ("first_download", Version(2, 4)),
    ("first_upload", Version(2, 4)),
    ("last_password_change", Version(2, 5)),
    ("role", Version(2, 5)),
    ("role_id", Version(2, 5)),
];

/// Fields of `filters` that came after the first era (C3).
const FILTERS: &[(&str, Version)] = &[
    ("denied_login_methods", Version(0, 96)),
    ("file_extensions", Version(0, 96)),
    ("denied_protocols", Version(1, 1)),
    ("max_upload_file_size", Version(1, 1)),
    ("file_patterns", Version(1, 2)),
    ("tls_username", Version(2, 1)),
    ("hooks", Version(2, 1)),
    ("disable_fs_checks", Version(2, 1)),
    ("web_client", Version(2, 1)),
    ("allow_api_key_auth", Version(2, 2)),
    ("user_type", Version(2, 2)),
    ("totp_config", Version(2, 2)),
    ("recovery_codes", Version(2, 2)),
    ("bandwidth_limits", Version(2, 3)),
    ("data_transfer_limits", Version(2, 3)),
    ("external_auth_cache_time", Version(2, 3)),
    ("start_directory", Version(2, 3)),
    ("2fa_protocols", Version(2, 3)),
    ("ftp_security", Version(2, 4)),
    ("is_anonymous", Version(2, 4)),
    ("default_shares_expiration", Version(2, 4)),
    ("two_factor_protocols", Version(2, 5)),
    ("password_expiration", Version(2, 5)),
    ("require_password_change", Version(2, 5)),
    ("access_time", Version(2, 6)),
    ("max_shares_expiration", Version(2, 6)),
    ("tls_certs", Version(2, 6)),
    ("additional_emails", Version(2, 7)),
    ("password_strength", Version(2, 7)),
];

/// Lists of dumps, and tables of databases, that came after the first era.
pub(crate) const COLLECTIONS: &[(&str, Version)] = &[
    ("folders", Version(1, 0)),
    ("folders_mapping", Version(1, 0)),
    ("admins", Version(2, 0)),
    ("api_keys", Version(2, 1)),
    ("shares", Version(2, 2)),
    ("groups", Version(2, 3)),
    ("users_folders_mapping", Version(2, 3)),
    ("users_groups_mapping", Version(2, 3)),
    ("event_actions", Version(2, 4)),
    ("event_rules", Version(2, 4)),
    ("events_actions", Version(2, 4)),
    ("events_rules", Version(2, 4)),
    ("roles", Version(2, 5)),
    ("ip_lists", Version(2, 5)),
];

/// Keys of the configuration that came after the first era, as `section.key`.
const SETTINGS: &[(&str, Version)] = &[
    ("common.actions", Version(1, 0)),
    ("data_provider.external_auth_hook", Version(1, 0)),
    ("data_provider.pre_login_hook", Version(1, 0)),
    ("data_provider.post_login_hook", Version(1, 0)),
    ("sftpd.keyboard_interactive_auth_hook", Version(1, 0)),
    ("data_provider.check_password_hook", Version(1, 1)),
    ("sftpd.bindings", Version(2, 0)),
    ("data_provider.password_hashing", Version(2, 0)),
    ("data_provider.actions.execute_for", Version(2, 2)),
    ("command.timeout", Version(2, 3)),
    ("command.commands", Version(2, 3)),
    ("common.event_manager", Version(2, 4)),
    ("data_provider.node", Version(2, 5)),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(document: Value, version: Option<&str>, compat: &str) {
        let mut evidence = Evidence::default();
        evidence.see_account(document.as_object().unwrap());
        let found = evidence.version().map(|(version, _)| version.to_string());
        assert_eq!((found.as_deref(), evidence.compat()), (version, compat), "{document}");
    }

    #[test]
    fn the_newest_field_shows_the_version() {
        // C1, C3
        check(json!({"username": "u", "filters": {"allowed_ip": []}}), None, "seed");
        check(json!({"filters": {"denied_login_methods": []}}), Some("0.9.6"), "seed");
        check(json!({"filters": {"file_patterns": []}}), Some("1.2"), "1.0");
        check(json!({"additional_info": "", "filters": {"denied_protocols": []}}), Some("2.0"), "2.0");
        check(json!({"filesystem": {"provider": 6}}), Some("2.4"), "2.4");
        check(json!({"email": "", "filters": {"access_time": null}}), Some("2.6"), "current");
    }

    #[test]
    fn keys_of_the_configuration_show_it_too() {
        // J-10
        let check = |settings: Value, compat: &str| {
            let mut evidence = Evidence::default();
            evidence.see_settings(&settings);
            assert_eq!(evidence.compat(), compat, "{settings}");
        };
        check(json!({"data_provider": {"external_auth_program": "/a"}}), "seed");
        check(json!({"data_provider": {"external_auth_hook": ""}}), "1.0");
        check(json!({"common": 7, "command": {"timeout": 30}}), "2.0");
        check(json!([]), "seed");
    }
}
