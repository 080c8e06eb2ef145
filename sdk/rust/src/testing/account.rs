use std::cell::RefCell;

use serde_json::{Map, Value, json};

use crate::{LoginMethod, Quota, Timestamp};

/// An account, made of the document that the REST API shows.
#[derive(Debug, Clone, Default)]
pub struct Account(Map<String, Value>);

impl Account {
    /// Reads the document of an account.
    ///
    /// # Panics
    ///
    /// If the text is no JSON object: the test is wrong then.
    pub fn from_json(document: &str) -> Self {
        match serde_json::from_str(document) {
            Ok(Value::Object(fields)) => Self(fields),
            other => panic!("an account is a JSON object, not {other:?}"),
        }
    }

    fn text(&self, field: &str) -> String {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn number(&self, field: &str) -> u64 {
        self.0.get(field).and_then(Value::as_u64).unwrap_or(0)
    }

    fn texts(&self, field: &str) -> Vec<String> {
        texts(self.0.get(field))
    }

    /// The account's name.
    pub fn username(&self) -> String {
        self.text("username")
    }

    /// Whether the account may log in (`status`).
    pub fn enabled(&self) -> bool {
        self.0.get("status").is_none_or(|status| *status != json!(0))
    }

    /// When the account expires, in seconds since 1970; `None`: never.
    pub fn expires_at(&self) -> Option<Timestamp> {
        Some(self.number("expiration_date") / 1000).filter(|seconds| *seconds > 0)
    }

    /// The home directory on the server.
    pub fn home_directory(&self) -> String {
        self.text("home_dir")
    }

    /// The names of the account's groups.
    pub fn groups(&self) -> Vec<String> {
        let groups = self.0.get("groups").and_then(Value::as_array).into_iter().flatten();
        groups.filter_map(|group| Some(group.get("name")?.as_str()?.to_owned())).collect()
    }

    /// The name of the account's role, if it has one.
    pub fn role(&self) -> Option<String> {
        Some(self.text("role")).filter(|role| !role.is_empty())
    }

    /// The mail address, if there is one.
    pub fn email(&self) -> Option<String> {
        Some(self.text("email")).filter(|email| !email.is_empty())
    }

    /// Permissions at a virtual path: those of the nearest directory, at or above it, that has any.
    pub fn permissions(&self, virtual_path: &str) -> Vec<String> {
        let table = self.0.get("permissions").and_then(Value::as_object);
        let mut path = virtual_path;
        loop {
            if let Some(found) = table.and_then(|table| table.get(path)) {
                return texts(Some(found));
            }
            match path.rfind('/') {
                Some(0) if path.len() > 1 => path = "/",
                Some(end) if end > 0 => path = &path[..end],
                _ => return Vec::new(),
            }
        }
    }

    /// Limits and usage, in bytes and files; a limit of 0 means none.
    pub fn quota(&self) -> Quota {
        Quota {
            max_bytes: self.number("quota_size"),
            used_bytes: self.number("used_quota_size"),
            max_files: self.number("quota_files"),
            used_files: self.number("used_quota_files"),
        }
    }

    /// When the account last logged in, in seconds since 1970; `None`: never.
    pub fn last_login(&self) -> Option<Timestamp> {
        Some(self.number("last_login") / 1000).filter(|seconds| *seconds > 0)
    }

    /// Whether the account has a password.
    pub fn has_password(&self) -> bool {
        !self.text("password").is_empty()
    }

    /// The account's public keys, each a line as in `authorized_keys`.
    pub fn public_keys(&self) -> Vec<String> {
        self.texts("public_keys")
    }

    /// The whole document.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(|value| Some(value.as_str()?.to_owned())).collect()
}

/// A draft that keeps what the hook sets. A test reads it with [`to_json`](Self::to_json) or
/// [`field`](Self::field).
#[derive(Debug)]
pub struct AccountDraft(RefCell<Map<String, Value>>);

impl AccountDraft {
    /// A draft of an enabled account without permissions.
    pub fn new(username: &str) -> Self {
        Self::from_fields([("username".to_owned(), json!(username)), ("status".to_owned(), json!(1))])
    }

    fn from_fields(fields: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self(RefCell::new(fields.into_iter().collect()))
    }

    /// A draft that is a copy of an account.
    pub fn of(account: &Account) -> Self {
        Self::from_fields(account.0.clone())
    }

    /// A draft of a JSON document, as the REST API accepts it.
    ///
    /// # Errors
    /// If the text is not a JSON object.
    pub fn from_json(document: &str) -> Result<Self, String> {
        match serde_json::from_str(document) {
            Ok(Value::Object(fields)) => Ok(Self::from_fields(fields)),
            Ok(_) => Err("the account is not a JSON object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A field by its name in the document, `Null` if it is not set. For the test only: the
    /// server's drafts lack this.
    pub fn field(&self, name: &str) -> Value {
        self.0.borrow().get(name).cloned().unwrap_or_default()
    }

    fn set(&self, field: &str, value: Value) {
        self.0.borrow_mut().insert(field.to_owned(), value);
    }

    fn set_filter(&self, field: &str, value: Value) {
        let mut fields = self.0.borrow_mut();
        if let Value::Object(filters) = fields.entry("filters").or_insert_with(|| json!({})) {
            filters.insert(field.to_owned(), value);
        }
    }

    /// Sets whether the account may log in.
    pub fn set_enabled(&self, enabled: bool) {
        self.set("status", json!(i32::from(enabled)));
    }

    /// Sets when the account expires, in seconds since 1970; `None`: never.
    pub fn set_expires_at(&self, when: Option<Timestamp>) {
        self.set("expiration_date", json!(when.unwrap_or(0) * 1000));
    }

    /// Sets the home directory on the server.
    ///
    /// # Errors
    /// If the path is not absolute.
    pub fn set_home_directory(&self, path: &str) -> Result<(), String> {
        if !path.starts_with('/') {
            return Err(format!("home_dir: \"{path}\" is not an absolute path"));
        }
        self.set("home_dir", json!(path));
        Ok(())
    }

    /// Sets the numbers of the system's user and group that own the account's files.
    pub fn set_owner(&self, uid: u32, gid: u32) {
        self.set("uid", json!(uid));
        self.set("gid", json!(gid));
    }

    /// Sets the names of the account's groups.
    ///
    /// # Errors
    /// Never in a test; on the server without the grant `groups`.
    pub fn set_groups(&self, names: &[String]) -> Result<(), String> {
        let groups: Vec<_> = names.iter().map(|name| json!({"name": name, "type": 2})).collect();
        self.set("groups", json!(groups));
        Ok(())
    }

    /// Sets the name of the account's role.
    ///
    /// # Errors
    /// Never in a test; on the server without the grant `groups`.
    pub fn set_role(&self, name: Option<&str>) -> Result<(), String> {
        self.set("role", json!(name.unwrap_or_default()));
        Ok(())
    }

    /// Sets the mail address.
    ///
    /// # Errors
    /// Never in a test; on the server if the draft gets too large.
    pub fn set_email(&self, address: Option<&str>) -> Result<(), String> {
        self.set("email", json!(address.unwrap_or_default()));
        Ok(())
    }

    /// Replaces the permissions at a virtual path.
    ///
    /// # Errors
    /// Never in a test; on the server if a permission is unknown.
    pub fn set_permissions(&self, virtual_path: &str, permissions: &[String]) -> Result<(), String> {
        let mut fields = self.0.borrow_mut();
        if let Value::Object(table) = fields.entry("permissions").or_insert_with(|| json!({})) {
            table.insert(virtual_path.to_owned(), json!(permissions));
        }
        Ok(())
    }

    /// Sets the limits of bytes and files; 0 means none.
    pub fn set_quota(&self, max_bytes: u64, max_files: u64) {
        self.set("quota_size", json!(max_bytes));
        self.set("quota_files", json!(max_files));
    }

    /// Sets the limits in KiB a second; 0 means none. Use [`set_bandwidth_kb`](Self::set_bandwidth_kb), which
    /// has the document's units of 1000 bytes; like the server, this rounds down to them.
    pub fn set_bandwidth(&self, upload: u64, download: u64) {
        let kilobytes = |kib: u64| kib.saturating_mul(1024) / 1000;
        self.set_bandwidth_kb(kilobytes(upload), kilobytes(download));
    }

    /// Sets the limits in units of 1000 bytes a second; 0 means none.
    pub fn set_bandwidth_kb(&self, upload: u64, download: u64) {
        self.set("upload_bandwidth", json!(upload));
        self.set("download_bandwidth", json!(download));
    }

    /// Sets how many sessions the account may have at once; 0 means any number.
    pub fn set_max_sessions(&self, max: u32) {
        self.set("max_sessions", json!(max));
    }

    /// Makes a shared folder visible at a virtual path.
    ///
    /// # Errors
    /// Never in a test; on the server without the grant `folders`.
    pub fn mount_folder(&self, virtual_path: &str, folder: &str) -> Result<(), String> {
        let mut fields = self.0.borrow_mut();
        if let Value::Array(folders) = fields.entry("virtual_folders").or_insert_with(|| json!([])) {
            folders.push(json!({"name": folder, "virtual_path": virtual_path}));
        }
        Ok(())
    }

    /// Sets the networks, in CIDR notation, from which the account may log in.
    ///
    /// # Errors
    /// Never in a test; on the server if a network is not valid.
    pub fn set_allowed_ips(&self, networks: &[String]) -> Result<(), String> {
        self.set_filter("allowed_ip", json!(networks));
        Ok(())
    }

    /// Sets the networks, in CIDR notation, from which the account may not log in.
    ///
    /// # Errors
    /// Never in a test; on the server if a network is not valid.
    pub fn set_denied_ips(&self, networks: &[String]) -> Result<(), String> {
        self.set_filter("denied_ip", json!(networks));
        Ok(())
    }

    /// Sets the allowed login methods, for a test in the field `login_methods`. The server's
    /// document lists the denied ones.
    ///
    /// # Errors
    /// Never in a test; on the server if it does not know a method.
    pub fn set_login_methods(&self, methods: &[LoginMethod]) -> Result<(), String> {
        self.set("login_methods", json!(methods.iter().map(|method| format!("{method:?}")).collect::<Vec<_>>()));
        Ok(())
    }

    /// Sets the public keys, each a line as in `authorized_keys`.
    ///
    /// # Errors
    /// Never in a test; on the server if a key is not valid.
    pub fn set_public_keys(&self, keys: &[String]) -> Result<(), String> {
        self.set("public_keys", json!(keys));
        Ok(())
    }

    /// Sets the hash of the password, never a clear password.
    ///
    /// # Errors
    /// Never in a test; on the server if it does not know the format.
    pub fn set_password_hash(&self, hash: &str) -> Result<(), String> {
        self.set("password", json!(hash));
        Ok(())
    }

    /// Sets the storage backend, as the JSON that the REST API accepts for it.
    ///
    /// # Errors
    /// If the text is not JSON; on the server also without the grant `filesystems`, unless the storage is local.
    pub fn set_storage(&self, document: &str) -> Result<(), String> {
        self.set("filesystem", serde_json::from_str(document).map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Sets for how many seconds the server may answer the same credentials from its cache.
    pub fn set_cache_seconds(&self, seconds: u32) {
        self.set_filter("external_auth_cache_time", json!(seconds));
    }

    /// The whole document.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.borrow().clone()).to_string()
    }
}
