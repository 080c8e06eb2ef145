//! Stored accounts, as guests see them: without secrets.

use serde_json::Value;
use tidegate_core::account::{Audience, compact_json};
use tidegate_core::path::VirtualPath;
use wasmtime::component::Resource;

use super::bindings::tidegate::hooks::types;
use super::connection::seconds;
use super::state::{AccountHandle, CallState};

impl types::HostAccount for CallState {
    fn username(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.username.clone())
    }

    fn enabled(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&this)?.enabled)
    }

    fn expires_at(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<Option<u64>> {
        let expires = self.table.get(&this)?.expiration_date;
        Ok((expires > 0).then(|| seconds(expires)))
    }

    fn home_directory(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.home_dir.clone())
    }

    fn groups(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.table.get(&this)?.group_names())
    }

    fn role(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<Option<String>> {
        self.other_text(&this, "role")
    }

    fn email(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<Option<String>> {
        self.other_text(&this, "email")
    }

    fn permissions(&mut self, this: Resource<AccountHandle>, virtual_path: String) -> wasmtime::Result<Vec<String>> {
        let account = self.table.get(&this)?;
        let Ok(path) = VirtualPath::resolve(&VirtualPath::root(), virtual_path.as_bytes()) else {
            return Ok(Vec::new());
        };
        Ok(account.permissions.at(&path).tokens().into_iter().map(str::to_owned).collect())
    }

    fn quota(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<types::Quota> {
        let account = self.table.get(&this)?;
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(types::Quota {
            max_bytes: unsigned(account.quota_size),
            used_bytes: unsigned(account.usage.used_quota_size),
            max_files: unsigned(account.quota_files),
            used_files: unsigned(account.usage.used_quota_files),
        })
    }

    fn last_login(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<Option<u64>> {
        let last = self.table.get(&this)?.last_login;
        Ok((last > 0).then(|| seconds(last)))
    }

    fn has_password(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&this)?.password.is_some())
    }

    fn public_keys(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.table.get(&this)?.public_key_lines.clone())
    }

    fn to_json(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<String> {
        Ok(compact_json(&self.table.get(&this)?.to_document(Audience::Redacted)))
    }

    fn drop(&mut self, this: Resource<AccountHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl CallState {
    fn other_text(&mut self, this: &Resource<AccountHandle>, field: &str) -> wasmtime::Result<Option<String>> {
        let text = self.table.get(this)?.other.get(field).and_then(Value::as_str);
        Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
    }
}
