//! The one way from outside to an [`Account`].

use core::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::{Account, Audience, DocumentError, Filters, Usage, document, fields};
use crate::connection::LoginMethod;
use crate::password::PasswordHash;
use crate::path::VirtualPath;
use crate::permission::{PermissionSet, PermissionTable};
use crate::public_key::PublicKey;
use crate::secret::Secret;

/// Largest uid and gid (A5-16).
const MAX_SYSTEM_ID: i64 = 2_147_483_647;
const MAX_USERNAME_BYTES: usize = 255;

/// An account document under construction: read leniently, not yet believed.
#[derive(Debug, Clone, Default)]
pub struct AccountDraft {
    document: Map<String, Value>,
    /// Set apart from the document so that a password typed by a client is never taken for
    /// a hash (A8-18).
    clear_password: Option<Secret>,
}

/// Whether a password or a key must be there (A8-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialRule {
    Required,
    Optional,
}

/// A valid account whose clear password, if one was given, still has to be hashed.
#[derive(Debug, Clone)]
pub struct Validated {
    pub account: Account,
    pub clear_password: Option<Secret>,
}

/// What is wrong with a draft: the field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field \"{field}\": {problem}")]
pub struct InvalidAccount {
    pub field: String,
    pub problem: String,
}

fn invalid(field: impl Into<String>, problem: impl Into<String>) -> InvalidAccount {
    InvalidAccount { field: field.into(), problem: problem.into() }
}

impl AccountDraft {
    /// Enabled, without permissions.
    pub fn new(username: &str) -> Self {
        let mut draft = Self::default();
        draft.set("username", json!(username));
        draft.set("status", json!(1));
        draft
    }

    /// A copy of a stored account, to change a few things.
    pub fn of(account: &Account) -> Self {
        Self { document: account.to_document(Audience::Trusted), clear_password: None }
    }

    /// From a whole document; what it omits has its default (A11-21).
    pub fn from_json(text: &str) -> Result<Self, DocumentError> {
        let mut draft = Self::default();
        draft.merge_json(text)?;
        Ok(draft)
    }

    /// Changes only the fields that the document names (A13-05).
    pub fn merge_json(&mut self, text: &str) -> Result<(), DocumentError> {
        document::merge(&mut self.document, text)
    }

    pub fn merge_value(&mut self, value: &Value) -> Result<(), DocumentError> {
        document::merge_value(&mut self.document, value)
    }

    /// Replaces one field; its type is checked when the draft is validated.
    pub fn set(&mut self, field: &str, value: Value) {
        self.document.insert(field.to_owned(), value);
    }

    /// Replaces one restriction in `filters`.
    pub fn set_filter(&mut self, field: &str, value: Value) {
        let filters = self.document.entry("filters").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(filters) = filters {
            filters.insert(field.to_owned(), value);
        }
    }

    /// Replaces the permissions of one directory; an empty list takes them away.
    pub fn set_permissions(&mut self, directory: &str, tokens: &[String]) {
        let permissions = self.document.entry("permissions").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(permissions) = permissions {
            if tokens.is_empty() {
                permissions.remove(directory);
            } else {
                permissions.insert(directory.to_owned(), json!(tokens));
            }
        }
    }

    /// A password as a person typed it: always hashed, whatever it looks like (A8-18).
    pub fn set_clear_password(&mut self, password: Secret) {
        self.document.remove("password");
        self.clear_password = Some(password);
    }

    /// Adds a key unless it is there already (A11-22).
    pub fn add_public_key(&mut self, key: &PublicKey) {
        let keys = self.document.entry("public_keys").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(lines) = keys {
            let known = lines.iter().filter_map(Value::as_str).filter_map(|line| PublicKey::parse(line).ok());
            if !known.into_iter().any(|known| known == *key) {
                lines.push(json!(key.to_line()));
            }
        }
    }

    pub fn username(&self) -> &str {
        self.text("username")
    }

    pub fn home_dir(&self) -> &str {
        self.text("home_dir")
    }

    /// The document without secrets.
    pub fn to_redacted_json(&self) -> String {
        let mut document = self.document.clone();
        document.remove("password");
        super::compact_json(&document)
    }

    /// Carries over what only the server maintains, from the stored account (A11-21), or
    /// its defaults for a new one (A9-06).
    pub fn keep_maintained_fields_of(&mut self, stored: Option<&Account>) {
        for field in fields::MAINTAINED_BY_SERVER {
            self.document.remove(*field);
        }
        let Some(stored) = stored else { return };
        let stored = stored.to_document(Audience::Trusted);
        for field in fields::MAINTAINED_BY_SERVER {
            if let Some(value) = stored.get(*field) {
                self.document.insert((*field).to_owned(), value.clone());
            }
        }
    }

    /// Checks one field alone, as [`validate`](Self::validate) will; for builders that want
    /// to hear of a mistake at once.
    pub fn check(&self, field: &str) -> Result<(), InvalidAccount> {
        match field {
            "username" => self.validated_username().map(drop),
            "home_dir" => self.validated_home_dir().map(drop),
            "permissions" => self.permission_entries().map(drop),
            "public_keys" => self.validated_public_keys().map(drop),
            "filters" => self.validated_filters().map(drop),
            "filesystem" => self.validated_filesystem().map(drop),
            _ => Ok(()),
        }
    }

    /// The one validation (A8, C1).
    pub fn validate(self, rule: CredentialRule) -> Result<Validated, InvalidAccount> {
        let username = self.validated_username()?;
        let (password, clear_password) = self.validated_password();
        let (public_keys, public_key_lines) = self.validated_public_keys()?;
        if rule == CredentialRule::Required && password.is_none() && clear_password.is_none() && public_keys.is_empty()
        {
            return Err(invalid("password", "a password or at least one public key is needed"));
        }
        let account = Account {
            id: self.integer("id", 0, i64::MAX)?,
            username,
            enabled: self.integer("status", 0, 1)? == 1,
            expiration_date: self.integer("expiration_date", 0, i64::MAX)?,
            password,
            public_keys,
            public_key_lines,
            home_dir: self.validated_home_dir()?,
            uid: self.small_integer("uid", MAX_SYSTEM_ID)?,
            gid: self.small_integer("gid", MAX_SYSTEM_ID)?,
            max_sessions: self.small_integer("max_sessions", i64::from(u32::MAX))?,
            quota_size: self.integer("quota_size", 0, i64::MAX)?,
            quota_files: self.integer("quota_files", 0, i64::MAX)?,
            upload_bandwidth: self.integer("upload_bandwidth", 0, i64::MAX)?,
            download_bandwidth: self.integer("download_bandwidth", 0, i64::MAX)?,
            permissions: self.validated_permissions()?,
            filters: self.validated_filters()?,
            filesystem: self.validated_filesystem()?,
            usage: Usage {
                used_quota_size: self.integer("used_quota_size", i64::MIN, i64::MAX)?,
                used_quota_files: self.integer("used_quota_files", i64::MIN, i64::MAX)?,
                last_quota_update: self.integer("last_quota_update", 0, i64::MAX)?,
            },
            last_login: self.integer("last_login", 0, i64::MAX)?,
            other: self.other_fields(),
        };
        Ok(Validated { account, clear_password })
    }

    fn text(&self, field: &str) -> &str {
        self.document.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn integer(&self, field: &str, min: i64, max: i64) -> Result<i64, InvalidAccount> {
        let value = match self.document.get(field) {
            None | Some(Value::Null) => 0,
            Some(value) => value.as_i64().ok_or_else(|| invalid(field, "must be an integer"))?,
        };
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(invalid(field, format!("{value} is not between {min} and {max}")))
        }
    }

    fn small_integer(&self, field: &str, max: i64) -> Result<u32, InvalidAccount> {
        let value = self.integer(field, 0, max)?;
        u32::try_from(value).map_err(|_| invalid(field, format!("{value} is not between 0 and {max}")))
    }

    fn texts(&self, object: &Map<String, Value>, prefix: &str, field: &str) -> Result<Vec<String>, InvalidAccount> {
        let items = match object.get(field) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => {
                return Err(invalid(format!("{prefix}{field}"), "must be a list of strings"));
            }
        };
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| invalid(format!("{prefix}{field}"), "must be a list of strings"))
    }

    fn validated_username(&self) -> Result<String, InvalidAccount> {
        let username = self.text("username");
        if username.is_empty() {
            return Err(invalid("username", "must not be empty"));
        }
        if username.len() > MAX_USERNAME_BYTES {
            return Err(invalid("username", format!("is longer than {MAX_USERNAME_BYTES} bytes")));
        }
        if username.chars().any(char::is_control) {
            return Err(invalid("username", "must not contain control characters"));
        }
        Ok(username.to_owned())
    }

    fn validated_password(&self) -> (Option<PasswordHash>, Option<Secret>) {
        if let Some(clear) = &self.clear_password {
            return (None, Some(clear.clone()));
        }
        let text = self.text("password");
        match PasswordHash::recognise(text) {
            Some(hash) => (Some(hash), None),
            None if text.is_empty() => (None, None),
            None => (None, Some(Secret::new(text))),
        }
    }

    fn validated_public_keys(&self) -> Result<(Vec<PublicKey>, Vec<String>), InvalidAccount> {
        let mut keys = Vec::new();
        let mut lines = Vec::new();
        for (index, line) in self.texts(&self.document, "", "public_keys")?.into_iter().enumerate() {
            let line = line.trim().to_owned();
            if line.is_empty() {
                continue;
            }
            let key =
                PublicKey::parse(&line).map_err(|error| invalid(format!("public_keys.{index}"), error.to_string()))?;
            keys.push(key);
            lines.push(line);
        }
        Ok((keys, lines))
    }

    fn validated_home_dir(&self) -> Result<String, InvalidAccount> {
        let home = self.text("home_dir");
        if !home.starts_with('/') {
            return Err(invalid("home_dir", "must be an absolute path"));
        }
        // A user name with `..` that became part of a home path must not climb out of it.
        if home.contains('\0') || home.split('/').any(|component| component == "..") {
            return Err(invalid("home_dir", "must not contain \"..\" or NUL"));
        }
        let trimmed = home.trim_end_matches('/');
        Ok(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
    }

    fn validated_permissions(&self) -> Result<PermissionTable, InvalidAccount> {
        let entries = self.permission_entries()?;
        if !entries.iter().any(|(path, _)| path.is_root()) {
            return Err(invalid("permissions", "permissions for \"/\" are needed"));
        }
        Ok(PermissionTable::new(entries))
    }

    fn permission_entries(&self) -> Result<Vec<(VirtualPath, PermissionSet)>, InvalidAccount> {
        let Some(Value::Object(directories)) = self.document.get("permissions") else {
            return Err(invalid("permissions", "permissions for \"/\" are needed, such as {\"/\":[\"*\"]}"));
        };
        let mut entries = Vec::with_capacity(directories.len());
        for directory in directories.keys() {
            let field = format!("permissions.{directory}");
            let path = VirtualPath::parse_normalised(directory).ok_or_else(|| {
                invalid(&field, "must be an absolute path without \"..\" and without a slash at its end")
            })?;
            let tokens = self.texts(directories, "permissions.", directory)?;
            if tokens.is_empty() {
                return Err(invalid(&field, "must not be empty"));
            }
            let set = PermissionSet::parse(tokens.iter().map(String::as_str))
                .map_err(|token| invalid(&field, format!("\"{token}\" is not a permission")))?;
            entries.push((path, set));
        }
        Ok(entries)
    }

    fn validated_filters(&self) -> Result<Filters, InvalidAccount> {
        let Some(Value::Object(document)) = self.document.get("filters") else {
            return Ok(Filters::default());
        };
        let denied_login_methods = self.denied_login_methods(document)?;
        let denied_protocols = self.texts(document, "filters.", "denied_protocols")?;
        let switch = |name: &str| document.get("hooks").and_then(|hooks| hooks.get(name)).and_then(Value::as_bool);
        Ok(Filters {
            allowed_ip: self.networks(document, "allowed_ip")?,
            denied_ip: self.networks(document, "denied_ip")?,
            denied_login_methods,
            external_auth_disabled: switch("external_auth_disabled").unwrap_or(false),
            denies_ssh: denied_protocols.iter().any(|protocol| protocol == "SSH"),
            document: document.clone(),
        })
    }

    fn denied_login_methods(&self, filters: &Map<String, Value>) -> Result<Vec<LoginMethod>, InvalidAccount> {
        /// Methods of protocols that this server does not speak: kept, without effect.
        const ELSEWHERE: [&str; 3] = ["TLSCertificate", "TLSCertificate+password", "password-over-SSH"];
        let mut denied = Vec::new();
        for name in self.texts(filters, "filters.", "denied_login_methods")? {
            match LoginMethod::ALL.iter().find(|method| method.as_str() == name) {
                Some(method) => denied.push(*method),
                None if ELSEWHERE.contains(&name.as_str()) => {
                    if name == "password-over-SSH" {
                        denied.push(LoginMethod::Password);
                    }
                }
                None => {
                    return Err(invalid("filters.denied_login_methods", format!("\"{name}\" is not a login method")));
                }
            }
        }
        // B12-06
        if LoginMethod::ALL.iter().all(|method| denied.contains(method)) {
            return Err(invalid("filters.denied_login_methods", "at least one login method must stay allowed"));
        }
        Ok(denied)
    }

    fn networks(&self, filters: &Map<String, Value>, field: &str) -> Result<Vec<IpNet>, InvalidAccount> {
        self.texts(filters, "filters.", field)?
            .into_iter()
            .map(|text| {
                text.parse::<IpNet>().map_err(|_| {
                    let hint =
                        if text.parse::<IpAddr>().is_ok() { format!(", such as \"{text}/32\"") } else { String::new() };
                    // A8-08
                    invalid(format!("filters.{field}"), format!("\"{text}\" is not a network in CIDR notation{hint}"))
                })
            })
            .collect()
    }

    fn validated_filesystem(&self) -> Result<Map<String, Value>, InvalidAccount> {
        let Some(Value::Object(filesystem)) = self.document.get("filesystem") else {
            return Ok(Map::new());
        };
        match filesystem.get("provider").and_then(Value::as_i64).unwrap_or(0) {
            0 => Ok(filesystem.clone()),
            provider @ 1..=6 => Err(invalid(
                "filesystem.provider",
                format!("{provider} is not supported by this version; use 0 (local)"),
            )),
            provider => Err(invalid("filesystem.provider", format!("{provider} is not a provider"))),
        }
    }

    /// Known fields that no member of [`Account`] holds.
    fn other_fields(&self) -> Map<String, Value> {
        const HELD: &[&str] = &[
            "status",
            "username",
            "expiration_date",
            "password",
            "public_keys",
            "home_dir",
            "uid",
            "gid",
            "max_sessions",
            "quota_size",
            "quota_files",
            "permissions",
            "upload_bandwidth",
            "download_bandwidth",
            "filters",
            "filesystem",
            "id",
            "used_quota_size",
            "used_quota_files",
            "last_quota_update",
            "last_login",
            "has_password",
        ];
        self.document
            .iter()
            .filter(|(name, _)| !HELD.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"status":1,"username":"u","home_dir":"/srv/u","permissions":{"/":["*"]}}"#;

    /// A8: `patch` over a minimal account is valid, or refused with `field` named.
    fn check(patch: &str, field: Option<&str>) {
        let mut draft = AccountDraft::from_json(MINIMAL).unwrap();
        draft.merge_json(patch).unwrap();
        let outcome = draft.validate(CredentialRule::Optional);
        assert_eq!(outcome.err().map(|error| error.field).as_deref(), field, "{patch}");
    }

    #[test]
    fn every_field_is_checked() {
        check("{}", None);
        check(r#"{"username":""}"#, Some("username"));
        check(r#"{"username":"a\nb"}"#, Some("username"));
        check(r#"{"home_dir":"relative"}"#, Some("home_dir"));
        check(r#"{"home_dir":"/srv/../etc"}"#, Some("home_dir"));
        check(r#"{"status":2}"#, Some("status"));
        check(r#"{"uid":-1}"#, Some("uid"));
        check(r#"{"uid":2147483648}"#, Some("uid"));
        check(r#"{"max_sessions":-1}"#, Some("max_sessions"));
        check(r#"{"quota_size":-1}"#, Some("quota_size"));
        check(r#"{"expiration_date":-5}"#, Some("expiration_date"));
        check(r#"{"permissions":{"/":[]}}"#, Some("permissions./"));
        check(r#"{"permissions":{"/a/":["list"]}}"#, Some("permissions./a/"));
        check(r#"{"permissions":{"a":["list"]}}"#, Some("permissions.a"));
        check(r#"{"permissions":{"/a":["fly"]}}"#, Some("permissions./a"));
        check(r#"{"filters":{"allowed_ip":["10.0.0.1"]}}"#, Some("filters.allowed_ip"));
        check(r#"{"filters":{"denied_login_methods":["telepathy"]}}"#, Some("filters.denied_login_methods"));
        check(r#"{"public_keys":["nonsense"]}"#, Some("public_keys.0"));
        check(r#"{"filesystem":{"provider":1}}"#, Some("filesystem.provider"));
    }

    #[test]
    fn permissions_for_the_root_are_mandatory() {
        // A8-04, C6-05
        let draft = AccountDraft::from_json(r#"{"status":1,"username":"u","home_dir":"/u"}"#).unwrap();
        assert_eq!(draft.validate(CredentialRule::Optional).unwrap_err().field, "permissions");
    }

    #[test]
    fn credentials_are_hashes_or_clear_text() {
        let draft = AccountDraft::from_json(MINIMAL).unwrap();
        assert_eq!(draft.clone().validate(CredentialRule::Required).unwrap_err().field, "password");

        let mut hashed = draft.clone();
        hashed.merge_json(r#"{"password":"$6$salt$hash"}"#).unwrap();
        let validated = hashed.validate(CredentialRule::Required).unwrap();
        assert!(validated.account.password.is_some() && validated.clear_password.is_none());

        // A8-18: typed by a client, so a password even if it looks like a hash
        let mut typed = draft;
        typed.set_clear_password(Secret::new("$6$salt$hash"));
        let validated = typed.validate(CredentialRule::Required).unwrap();
        assert!(validated.account.password.is_none() && validated.clear_password.is_some());
    }

    #[test]
    fn unused_fields_survive_a_round_trip() {
        // C1-01, C1-03
        let text = r#"{"status":1,"username":"u","home_dir":"/u","permissions":{"/":["*"]},"email":"a@b","groups":[{"name":"g","type":1}],"filters":{"web_client":["write-disabled"],"access_time":[{"day_of_week":0,"from":"08:00","to":"18:00"}]}}"#;
        let account = AccountDraft::from_json(text).unwrap().validate(CredentialRule::Optional).unwrap().account;
        let again = AccountDraft::of(&account).validate(CredentialRule::Optional).unwrap().account;
        assert_eq!(account, again);
        assert_eq!(again.other.get("email"), Some(&json!("a@b")));
        assert_eq!(again.filters.document.len(), 2);
    }

    #[test]
    fn a_document_cannot_set_what_the_server_maintains() {
        let mut draft = AccountDraft::from_json(MINIMAL).unwrap();
        draft.merge_json(r#"{"id":7,"used_quota_size":99,"last_login":5}"#).unwrap();
        draft.keep_maintained_fields_of(None);
        let account = draft.validate(CredentialRule::Optional).unwrap().account;
        assert_eq!((account.id, account.usage.used_quota_size, account.last_login), (0, 0, 0));
    }
}
