//! The values of an account, and what follows from them.

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::{Filters, VirtualFolders};
use crate::connection::LoginMethod;
use crate::password::PasswordHash;
use crate::permission::PermissionTable;
use crate::ports::AccountKey;
use crate::public_key::PublicKey;
use crate::quota::VolumeLimits;

/// The valid values of an account. In a [`User`](super::User) they are as stored; in an
/// [`EffectiveAccount`](super::EffectiveAccount) those of its groups are added. Fields of the account
/// document (spec section C) that the server does not use itself are kept in `other`, so that they
/// survive a round trip (C1-01).
///
/// The type is not `Clone`, and only this module makes one: values in force cannot become a stored account.
#[derive(Debug, PartialEq)]
pub struct AccountValues {
    /// The number in the store, which no other account ever gets; 0: not stored.
    pub id: i64,
    /// The name that clients log in with: 1 to 255 characters, none of them a control character.
    pub username: String,
    /// Whether the account may log in (`status` is 1).
    pub enabled: bool,
    /// When the account expires, in milliseconds since 1970; 0: never (A4-08).
    pub expiration_date: i64,
    /// The hash of the password; None: there is no password, or it is locked (A8-11).
    pub password: Option<PasswordHash>,
    /// Keys that log the account in, each with the options of its line.
    pub public_keys: Vec<PublicKey>,
    /// The lines of `public_keys` as they were given, with their comments.
    pub public_key_lines: Vec<String>,
    /// The directory that the account sees as `/`: an absolute path of the host.
    pub home_dir: String,
    /// The user that new files belong to, at most 2147483647; 0: the server's own user (A5-16).
    pub uid: u32,
    /// The group that new files belong to, at most 2147483647; 0: the server's own group (A5-16).
    pub gid: u32,
    /// Sessions at the same time; 0: unlimited, here and in the four fields below.
    pub max_sessions: u32,
    /// Bytes that the account's files may take.
    pub quota_size: i64,
    /// Files that the account may have.
    pub quota_files: i64,
    /// Limit of each upload in KB/s; 1 KB = 1000 bytes (A5-17).
    pub upload_bandwidth: i64,
    /// Limit of each download in KB/s; 1 KB = 1000 bytes (A5-17).
    pub download_bandwidth: i64,
    /// What the account may do in which directory; there always is an entry for `/` (A8-04).
    pub permissions: PermissionTable,
    /// Restrictions on logins and files (C3).
    pub filters: Filters,
    /// Other directories of the host in the account's tree (C5).
    pub folders: VirtualFolders,
    /// The `filesystem` object as it was given (C4); validation accepts provider 0 (local) alone.
    pub filesystem: Map<String, Value>,
    /// Bytes that the account may transfer in all.
    pub volume: VolumeLimits,
    /// What the account uses, as the server has counted it.
    pub usage: Usage,
    /// When the account logged in last, in milliseconds since 1970; 0: never.
    pub last_login: i64,
    /// Known fields of the document that are kept as they are, such as `groups` and `role` (C1-01).
    pub other: Map<String, Value>,
}

/// What the account uses, as the server has counted it; no draft sets it (A8-16, A9-06).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes that the account's files take.
    pub used_quota_size: i64,
    /// Files that the account has.
    pub used_quota_files: i64,
    /// When the usage was counted or changed last, in milliseconds since 1970; 0: it has to be counted.
    pub last_quota_update: i64,
    /// Bytes that were uploaded in all.
    pub used_upload_data_transfer: i64,
    /// Bytes that were downloaded in all.
    pub used_download_data_transfer: i64,
    /// When the first complete download began, in milliseconds since 1970; 0: there was none (B10-10).
    pub first_download: i64,
    /// When the first complete upload began, in milliseconds since 1970; 0: there was none (B10-10).
    pub first_upload: i64,
}

/// Which list wins for an address that is in `allowed_ip` and in `denied_ip` (J-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressRule {
    /// `denied_ip`, as in version 2.3 of the older server and before.
    #[default]
    DeniedWins,
    /// `allowed_ip`, as from version 2.4 of the older server on.
    AllowedWins,
}

impl AccountValues {
    /// The values before any field of a document is read.
    pub(super) fn blank() -> Self {
        Self {
            id: 0,
            username: String::new(),
            enabled: false,
            expiration_date: 0,
            password: None,
            public_keys: Vec::new(),
            public_key_lines: Vec::new(),
            home_dir: String::new(),
            uid: 0,
            gid: 0,
            max_sessions: 0,
            quota_size: 0,
            quota_files: 0,
            upload_bandwidth: 0,
            download_bandwidth: 0,
            permissions: PermissionTable::default(),
            filters: Filters::default(),
            folders: VirtualFolders::default(),
            filesystem: Map::new(),
            volume: VolumeLimits::default(),
            usage: Usage::default(),
            last_login: 0,
            other: Map::new(),
        }
    }

    /// A copy, for [`User`](super::User) alone.
    pub(super) fn copied(&self) -> Self {
        Self {
            id: self.id,
            username: self.username.clone(),
            enabled: self.enabled,
            expiration_date: self.expiration_date,
            password: self.password.clone(),
            public_keys: self.public_keys.clone(),
            public_key_lines: self.public_key_lines.clone(),
            home_dir: self.home_dir.clone(),
            uid: self.uid,
            gid: self.gid,
            max_sessions: self.max_sessions,
            quota_size: self.quota_size,
            quota_files: self.quota_files,
            upload_bandwidth: self.upload_bandwidth,
            download_bandwidth: self.download_bandwidth,
            permissions: self.permissions.clone(),
            filters: self.filters.clone(),
            folders: self.folders.clone(),
            filesystem: self.filesystem.clone(),
            volume: self.volume,
            usage: self.usage,
            last_login: self.last_login,
            other: self.other.clone(),
        }
    }

    /// The name and the number of the stored account.
    pub fn key(&self) -> AccountKey {
        AccountKey { username: self.username.clone(), id: self.id }
    }

    /// Whether the date is set and past (A4-08). `now`: milliseconds since 1970.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expiration_date > 0 && self.expiration_date < now
    }

    /// Whether a client at `address` may log in (A4-09). `rule` decides about an address in both lists (J-02).
    pub fn allows_address(&self, address: core::net::IpAddr, rule: AddressRule) -> bool {
        let address = address.to_canonical();
        let contains = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        let (allowed, denied) = (contains(&self.filters.allowed_ip), contains(&self.filters.denied_ip));
        match rule {
            AddressRule::DeniedWins => !denied && (self.filters.allowed_ip.is_empty() || allowed),
            AddressRule::AllowedWins => allowed || (self.filters.allowed_ip.is_empty() && !denied),
        }
    }

    /// Whether `local_now` is in one of the account's windows; without windows, any time is allowed.
    /// `local_now`: milliseconds since 1970, in the zone that the windows are meant in.
    pub fn allows_time(&self, local_now: i64) -> bool {
        let windows = &self.filters.access_time;
        windows.is_empty() || windows.iter().any(|window| window.contains(local_now))
    }

    /// KB/s up and down for a client at `address`; 0: unlimited. The first limit by network
    /// that has the address holds instead of the account's own.
    pub fn bandwidth_for(&self, address: core::net::IpAddr) -> (i64, i64) {
        let by_network = self.filters.bandwidth_limits.iter().find(|limit| limit.covers(address));
        by_network.map_or((self.upload_bandwidth, self.download_bandwidth), |limit| (limit.upload, limit.download))
    }

    /// When the password was set, in milliseconds since 1970; None: unknown.
    pub fn last_password_change(&self) -> Option<i64> {
        self.other.get("last_password_change").and_then(Value::as_i64).filter(|at| *at > 0)
    }

    /// Whether the password is older than the account allows, or of unknown age. `now`: milliseconds since 1970.
    pub fn password_is_expired(&self, now: i64) -> bool {
        let lifetime = self.filters.password_expiration.saturating_mul(24 * 3_600_000);
        let is_old = || self.last_password_change().is_none_or(|changed| now > changed.saturating_add(lifetime));
        lifetime > 0 && self.password.is_some() && is_old()
    }

    /// The names of the account's groups, in the order in which the account lists them.
    pub fn group_names(&self) -> Vec<String> {
        self.memberships().into_iter().map(|membership| membership.group).collect()
    }

    /// The role whose administrators maintain the account; None: there is none.
    pub fn role(&self) -> Option<&str> {
        self.other.get("role").and_then(Value::as_str).filter(|role| !role.is_empty())
    }

    /// Whether the files are on the local disk, not encrypted (provider 0).
    pub fn is_local(&self) -> bool {
        self.filesystem.get("provider").and_then(Value::as_i64).unwrap_or(0) == 0
    }

    /// Whether `filters.denied_login_methods` has the method.
    pub fn denies_method(&self, method: LoginMethod) -> bool {
        self.filters.denied_login_methods.contains(&method)
    }

    /// Whether a client that has passed the steps `proved` has to give a one-time code as well: after a
    /// password and in a conversation always, after a key where a rule demands the second factor.
    pub fn needs_code(&self, proved: &[LoginMethod]) -> bool {
        // A conversation after a key has to have the code, also where a hook asks the questions.
        let is_by_key = proved.contains(&LoginMethod::PublicKey) && !proved.contains(&LoginMethod::KeyboardInteractive);
        self.filters.one_time_codes.is_some() && (self.filters.needs_second_factor || !is_by_key)
    }

    /// The methods that may follow the steps `proved`; empty: the login is complete.
    pub fn next_steps(&self, proved: &[LoginMethod]) -> Vec<LoginMethod> {
        if proved == [LoginMethod::PublicKey] {
            let steps = self.second_steps();
            if !steps.is_empty() {
                return steps;
            }
        }
        if self.needs_code(proved) { vec![LoginMethod::KeyboardInteractive] } else { Vec::new() }
    }

    /// The methods of the second step: where the single methods are denied and a combined one is left, a
    /// verified key is only the first of two steps (B12-01). Empty: there is no second step.
    pub fn second_steps(&self) -> Vec<LoginMethod> {
        let singles = [LoginMethod::Password, LoginMethod::PublicKey, LoginMethod::KeyboardInteractive];
        if singles.iter().any(|method| !self.denies_method(*method)) {
            return Vec::new();
        }
        [LoginMethod::Password, LoginMethod::KeyboardInteractive]
            .into_iter()
            .filter(|method| !self.denies_method(method.after_public_key()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountDraft, CredentialRule, User};

    fn account(filters: &str) -> User {
        let json = format!(
            r#"{{"status":1,"username":"u","home_dir":"/srv/u","permissions":{{"/":["*"]}},"filters":{filters}}}"#
        );
        AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account
    }

    #[test]
    fn denied_addresses_win() {
        // A4-09, A8-08, J-02
        let check = |filters: &str, address: &str, expected: bool| {
            assert_eq!(
                account(filters).allows_address(address.parse().unwrap(), AddressRule::DeniedWins),
                expected,
                "{filters} {address}"
            );
        };
        check("{}", "10.0.0.1", true);
        let both = r#"{"allowed_ip":["10.0.0.0/8","2001:db8::/32"],"denied_ip":["10.1.0.0/16"]}"#;
        check(both, "10.0.0.1", true);
        check(both, "::ffff:10.0.0.1", true);
        check(both, "10.1.0.1", false);
        check(both, "192.0.2.1", false);
        check(both, "2001:db8::1", true);
        check(r#"{"denied_ip":["0.0.0.0/0"]}"#, "127.0.0.1", false);
        check(r#"{"denied_ip":["::ffff:0:0/96"]}"#, "127.0.0.1", false);
        check(r#"{"allowed_ip":["::ffff:10.0.0.0/104"]}"#, "10.0.0.1", true);
        check(r#"{"denied_ip":["0.0.0.0/0"]}"#, "::1", true);
        let newer = |address: &str| account(both).allows_address(address.parse().unwrap(), AddressRule::AllowedWins);
        assert!(newer("10.1.0.1") && !newer("192.0.2.1"));
    }

    #[test]
    fn a_combined_method_alone_makes_two_steps() {
        // B12-01, B12-02
        let check = |denied: &str, expected: &[LoginMethod]| {
            assert_eq!(
                account(&format!(r#"{{"denied_login_methods":{denied}}}"#)).second_steps(),
                expected,
                "{denied}"
            );
        };
        check("[]", &[]);
        check(r#"["password"]"#, &[]);
        check(
            r#"["publickey","password","keyboard-interactive","publickey+keyboard-interactive"]"#,
            &[LoginMethod::Password],
        );
        check(
            r#"["publickey","password","keyboard-interactive"]"#,
            &[LoginMethod::Password, LoginMethod::KeyboardInteractive],
        );
        let elsewhere =
            r#""password-over-SSH","keyboard-interactive","publickey+keyboard-interactive","TLSCertificate""#;
        check(&format!(r#"["publickey",{elsewhere}]"#), &[LoginMethod::Password]);
        check(r#"["TLSCertificate","TLSCertificate+password"]"#, &[]);
    }

    #[test]
    fn a_second_factor_follows_a_password() {
        // C3-01
        use LoginMethod::{KeyboardInteractive, Password, PublicKey};
        let codes = r#""totp_config":{"enabled":true,"protocols":["SSH"],"secret":{"payload":"GEZDGNBVGY3TQOJQ"}}"#;
        let rule = r#""two_factor_protocols":["SSH"]"#;
        let both = r#""denied_login_methods":["publickey","password","keyboard-interactive"]"#;
        let check = |filters: &[&str], proved: &[LoginMethod], expected: &[LoginMethod]| {
            let filters = format!("{{{}}}", filters.join(","));
            assert_eq!(account(&filters).next_steps(proved), expected, "{filters} {proved:?}");
        };
        for proved in [&[Password][..], &[PublicKey], &[PublicKey, Password]] {
            check(&[], proved, &[]);
        }
        check(&[codes], &[Password], &[KeyboardInteractive]);
        check(&[codes], &[PublicKey], &[]);
        check(&[codes], &[PublicKey, Password], &[]);
        // No conversation is without the code.
        let needs_code = |filters: &str, proved: &[LoginMethod]| account(&format!("{{{filters}}}")).needs_code(proved);
        for proved in [&[KeyboardInteractive][..], &[PublicKey, KeyboardInteractive], &[Password, KeyboardInteractive]]
        {
            assert!(needs_code(codes, proved) && !needs_code("", proved), "{proved:?}");
        }
        check(&[codes, rule], &[Password], &[KeyboardInteractive]);
        check(&[codes, rule], &[PublicKey], &[KeyboardInteractive]);
        check(&[codes, rule], &[PublicKey, Password], &[KeyboardInteractive]);
        check(&[codes, both], &[PublicKey], &[Password, KeyboardInteractive]);
        check(&[codes, both, rule], &[PublicKey, Password], &[KeyboardInteractive]);
        check(&[r#""totp_config":{"enabled":true,"protocols":["FTP"]}"#], &[Password], &[]);
        // A secret that cannot be read is not the absence of a second factor.
        check(&[r#""totp_config":{"enabled":true,"protocols":["SSH"]}"#], &[Password], &[KeyboardInteractive]);
    }

    #[test]
    fn a_password_of_unknown_age_has_expired() {
        // C3-01
        let days = |count: i64| count * 24 * 3_600_000;
        let check = |expiration: i64, password: bool, changed: Option<i64>, expected: bool| {
            let mut account = account(&format!(r#"{{"password_expiration":{expiration}}}"#));
            account.password = PasswordHash::recognise("$1$a$b").filter(|_| password);
            account.other.extend(changed.map(|at| ("last_password_change".to_owned(), at.into())));
            assert_eq!(account.password_is_expired(days(10)), expected, "{expiration} {password} {changed:?}");
        };
        check(0, true, None, false);
        check(3, true, None, true);
        check(3, true, Some(0), true);
        check(3, true, Some(days(7)), false);
        check(3, true, Some(days(7) - 1), true);
        // Without a password there is none to expire.
        check(3, false, None, false);
    }

    #[test]
    fn expiry_is_strict() {
        // A4-08, A8-07
        let mut account = account("{}");
        assert!(!account.is_expired(i64::MAX));
        account.expiration_date = 1000;
        assert!(!account.is_expired(1000));
        assert!(account.is_expired(1001));
    }
}
