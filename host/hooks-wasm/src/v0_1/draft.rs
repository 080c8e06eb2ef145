//! Account drafts. The host checks every setter at once, and validates the whole draft when the hook returns it.

use serde_json::{Value, json};
use tidegate_core::account::{AccountDraft, MAX_CACHE_SECONDS, MAX_DOCUMENT};
use tidegate_core::password::PasswordHash;
use wasmtime::component::Resource;

use super::bindings::tidegate::hooks::types;
use super::state::{AccountHandle, CallState};
use crate::settings::Grant;

type Draft = Resource<DraftHandle>;
/// The inner error goes to the guest, the outer one traps.
type Checked = wasmtime::Result<Result<(), String>>;

/// A draft, and how much of the guest's memory it counts for.
pub struct DraftHandle {
    draft: AccountDraft,
    bytes: usize,
}

impl CallState {
    fn hold(&mut self, draft: AccountDraft) -> wasmtime::Result<Draft> {
        draft.check_size()?;
        let bytes = draft.footprint();
        self.memory.hold(bytes)?;
        Ok(self.table.push(DraftHandle { draft, bytes })?)
    }

    /// Takes a draft back from the guest.
    pub fn take_draft(&mut self, this: Draft) -> wasmtime::Result<AccountDraft> {
        let DraftHandle { draft, bytes } = self.table.delete(this)?;
        self.memory.release(bytes);
        Ok(draft)
    }

    /// Changes a copy, and keeps it if `field` is valid in it.
    fn change(&mut self, this: &Draft, field: &str, change: impl FnOnce(&mut AccountDraft)) -> Checked {
        let held = self.table.get_mut(this)?;
        let mut changed = held.draft.clone();
        change(&mut changed);
        match changed.check(field).and_then(|()| changed.check_size()) {
            Ok(()) => {
                let bytes = changed.footprint();
                self.memory.resize(held.bytes, bytes)?;
                *held = DraftHandle { draft: changed, bytes };
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// Sets a field to a value that is always valid and small.
    fn set(&mut self, this: &Draft, field: &str, value: Value) -> wasmtime::Result<()> {
        self.table.get_mut(this)?.draft.set(field, value);
        Ok(())
    }

    /// Sets the limits, in units of 1000 bytes a second; 0: none.
    fn limit_bandwidth(&mut self, this: &Draft, upload: u64, download: u64) -> wasmtime::Result<()> {
        let signed = |kilobytes: u64| json!(i64::try_from(kilobytes).unwrap_or(i64::MAX));
        self.set(this, "upload_bandwidth", signed(upload))?;
        self.set(this, "download_bandwidth", signed(download))
    }

    /// Checks a grant, so that the guest learns at once for what its answer would be refused.
    fn needs(&self, grant: Grant) -> Result<(), String> {
        let problem = |_| format!("the operator has not granted \"{}\" to this plugin", grant.as_str());
        self.granted(grant).map_err(problem)
    }
}

impl types::HostAccountDraft for CallState {
    fn new(&mut self, username: String) -> wasmtime::Result<Draft> {
        self.hold(AccountDraft::new(&username))
    }

    fn of(&mut self, account: Resource<AccountHandle>) -> wasmtime::Result<Draft> {
        let draft = AccountDraft::for_hook(self.table.get(&account)?.user(), &self.shared.rights);
        self.hold(draft)
    }

    fn from_json(&mut self, document: String) -> wasmtime::Result<Result<Draft, String>> {
        // Checked before parsing: in memory, a document takes many times its length.
        if document.len() > MAX_DOCUMENT {
            return Ok(Err(format!("the document is larger than {} KiB", MAX_DOCUMENT >> 10)));
        }
        let draft = match AccountDraft::from_json(&document) {
            Ok(draft) => draft,
            Err(error) => return Ok(Err(error.to_string())),
        };
        match draft.check_size() {
            Ok(()) => self.hold(draft).map(Ok),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn set_enabled(&mut self, this: Draft, enabled: bool) -> wasmtime::Result<()> {
        self.set(&this, "status", json!(i32::from(enabled)))
    }

    fn set_expires_at(&mut self, this: Draft, when: Option<u64>) -> wasmtime::Result<()> {
        let milliseconds = when.map_or(0, |when| when.saturating_mul(1000).min(i64::MAX.cast_unsigned()));
        self.set(&this, "expiration_date", json!(milliseconds))
    }

    fn set_home_directory(&mut self, this: Draft, path: String) -> Checked {
        self.change(&this, "home_dir", |draft| draft.set("home_dir", json!(path)))
    }

    fn set_owner(&mut self, this: Draft, uid: u32, gid: u32) -> wasmtime::Result<()> {
        self.set(&this, "uid", json!(uid))?;
        self.set(&this, "gid", json!(gid))
    }

    fn set_groups(&mut self, this: Draft, names: Vec<String>) -> Checked {
        if let Err(problem) = self.needs(Grant::Groups) {
            return Ok(Err(problem));
        }
        let groups: Vec<Value> = names.into_iter().map(|name| json!({"name": name, "type": 2})).collect();
        self.change(&this, "groups", |draft| draft.set("groups", json!(groups)))
    }

    fn set_role(&mut self, this: Draft, name: Option<String>) -> Checked {
        if let Err(problem) = self.needs(Grant::Groups) {
            return Ok(Err(problem));
        }
        self.change(&this, "role", |draft| draft.set("role", json!(name.unwrap_or_default())))
    }

    fn set_email(&mut self, this: Draft, address: Option<String>) -> Checked {
        self.change(&this, "email", |draft| draft.set("email", json!(address.unwrap_or_default())))
    }

    fn set_permissions(&mut self, this: Draft, virtual_path: String, permissions: Vec<String>) -> Checked {
        self.change(&this, "permissions", |draft| draft.set_permissions(&virtual_path, &permissions))
    }

    fn set_quota(&mut self, this: Draft, max_bytes: u64, max_files: u64) -> wasmtime::Result<()> {
        let signed = |number: u64| json!(i64::try_from(number).unwrap_or(i64::MAX));
        self.set(&this, "quota_size", signed(max_bytes))?;
        self.set(&this, "quota_files", signed(max_files))
    }

    /// In KiB, as components since 0.1.0 have it.
    fn set_bandwidth(&mut self, this: Draft, upload: u64, download: u64) -> wasmtime::Result<()> {
        let kilobytes = |kib: u64| kib.saturating_mul(1024) / 1000;
        self.limit_bandwidth(&this, kilobytes(upload), kilobytes(download))
    }

    /// In units of 1000 bytes, as the document has it.
    fn set_bandwidth_kb(&mut self, this: Draft, upload: u64, download: u64) -> wasmtime::Result<()> {
        self.limit_bandwidth(&this, upload, download)
    }

    fn set_max_sessions(&mut self, this: Draft, max: u32) -> wasmtime::Result<()> {
        self.set(&this, "max_sessions", json!(max))
    }

    /// Whether the folder exists is checked when the answer is stored (C5-02).
    fn mount_folder(&mut self, this: Draft, virtual_path: String, folder: String) -> Checked {
        if let Err(problem) = self.needs(Grant::Folders) {
            return Ok(Err(problem));
        }
        self.change(&this, "virtual_folders", |draft| draft.mount_folder(&virtual_path, &folder))
    }

    fn set_allowed_ips(&mut self, this: Draft, networks: Vec<String>) -> Checked {
        self.change(&this, "filters", |draft| draft.set_filter("allowed_ip", json!(networks)))
    }

    fn set_denied_ips(&mut self, this: Draft, networks: Vec<String>) -> Checked {
        self.change(&this, "filters", |draft| draft.set_filter("denied_ip", json!(networks)))
    }

    /// The document lists the methods that are denied: all that are not allowed here.
    fn set_login_methods(&mut self, this: Draft, methods: Vec<types::LoginMethod>) -> Checked {
        let name = |method: &types::LoginMethod| match method {
            types::LoginMethod::Password => "password".to_owned(),
            types::LoginMethod::PublicKey => "publickey".to_owned(),
            types::LoginMethod::KeyboardInteractive => "keyboard-interactive".to_owned(),
            types::LoginMethod::Certificate => "certificate".to_owned(),
            types::LoginMethod::Other(name) => name.clone(),
        };
        let allowed: Vec<String> = methods.iter().map(name).collect();
        let known = tidegate_core::connection::LoginMethod::ALL.map(tidegate_core::connection::LoginMethod::as_str);
        if let Some(unknown) = allowed.iter().find(|name| !known.contains(&name.as_str())) {
            return Ok(Err(format!("\"{unknown}\" is not a login method of this server")));
        }
        let denied: Vec<&str> =
            known.into_iter().filter(|name| !allowed.iter().any(|allowed| allowed == name)).collect();
        self.change(&this, "filters", |draft| draft.set_filter("denied_login_methods", json!(denied)))
    }

    fn set_public_keys(&mut self, this: Draft, keys: Vec<String>) -> Checked {
        self.change(&this, "public_keys", |draft| draft.set("public_keys", json!(keys)))
    }

    fn set_password_hash(&mut self, this: Draft, hash: String) -> Checked {
        if PasswordHash::recognise(&hash).is_none() {
            return Ok(Err("this is not a password hash in a known format".to_owned()));
        }
        self.change(&this, "password", |draft| draft.set("password", json!(hash)))
    }

    fn set_storage(&mut self, this: Draft, document: String) -> Checked {
        let storage: Value = match serde_json::from_str(&document) {
            Ok(storage @ Value::Object(_)) => storage,
            Ok(_) => return Ok(Err("the storage must be a JSON object".to_owned())),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let is_local = storage.get("provider").is_none_or(|provider| provider.as_i64() == Some(0));
        if let Err(problem) =
            self.needs(Grant::Filesystems).or_else(|problem| if is_local { Ok(()) } else { Err(problem) })
        {
            return Ok(Err(problem));
        }
        self.change(&this, "filesystem", |draft| draft.set("filesystem", storage))
    }

    /// A longer time than `MAX_CACHE_SECONDS` is cut to that.
    fn set_cache_seconds(&mut self, this: Draft, seconds: u32) -> wasmtime::Result<()> {
        let seconds = i64::from(seconds).min(MAX_CACHE_SECONDS);
        self.table.get_mut(&this)?.draft.set_filter("external_auth_cache_time", json!(seconds));
        Ok(())
    }

    fn to_json(&mut self, this: Draft) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.draft.to_json(self.shared.rights.second_factors))
    }

    fn drop(&mut self, this: Draft) -> wasmtime::Result<()> {
        self.take_draft(this).map(drop)
    }
}
