//! Changes of accounts and credentials, and requests to the web pages, as guests see them.

use tidegate_core::account::compact_json;
use tidegate_core::hook::observation::Change;
use wasmtime::component::Resource;

use super::bindings::tidegate::hooks::types;
use super::connection::seconds;
use super::state::{CallState, CredentialChangeHandle, ObjectChangeHandle, WebRequestHandle};

impl types::HostObjectChange for CallState {
    fn kind(&mut self, this: Resource<ObjectChangeHandle>) -> wasmtime::Result<types::ObjectKind> {
        Ok(match self.table.get(&this)?.kind {
            "user" => types::ObjectKind::Account,
            "group" => types::ObjectKind::Group,
            "folder" => types::ObjectKind::Folder,
            "admin" => types::ObjectKind::Admin,
            "api_key" => types::ObjectKind::ApiKey,
            other => types::ObjectKind::Other(other.to_owned()),
        })
    }

    fn change(&mut self, this: Resource<ObjectChangeHandle>) -> wasmtime::Result<types::ChangeKind> {
        Ok(match self.table.get(&this)?.change {
            Change::Add => types::ChangeKind::Add,
            Change::Update => types::ChangeKind::Update,
            Change::Delete => types::ChangeKind::Delete,
        })
    }

    fn name(&mut self, this: Resource<ObjectChangeHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.name.clone())
    }

    fn actor(&mut self, this: Resource<ObjectChangeHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&this)?.actor.clone())
    }

    fn actor_ip(&mut self, this: Resource<ObjectChangeHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&this)?.actor_address.map(|address| address.to_string()))
    }

    fn at(&mut self, this: Resource<ObjectChangeHandle>) -> wasmtime::Result<u64> {
        Ok(seconds(self.table.get(&this)?.at / 1_000_000))
    }

    fn to_json(&mut self, this: Resource<ObjectChangeHandle>) -> wasmtime::Result<String> {
        Ok(compact_json(&self.table.get(&this)?.object))
    }

    fn drop(&mut self, this: Resource<ObjectChangeHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl types::HostWebRequest for CallState {
    fn username(&mut self, this: Resource<WebRequestHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.username.clone())
    }

    fn remote_ip(&mut self, this: Resource<WebRequestHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.address.to_string())
    }

    fn session_id(&mut self, this: Resource<WebRequestHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.session_id.clone())
    }

    fn referer(&mut self, this: Resource<WebRequestHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.referer.clone())
    }

    fn user_agent(&mut self, this: Resource<WebRequestHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.user_agent.clone())
    }

    fn drop(&mut self, this: Resource<WebRequestHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl types::HostCredentialChange for CallState {
    fn name(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.name.clone())
    }

    fn username(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.username.clone())
    }

    fn is_login_url(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&this)?.is_login_url)
    }

    fn is_modification(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&this)?.modifying)
    }

    fn expires_at(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<Option<u64>> {
        let expires = self.table.get(&this)?.expires_at;
        Ok(u64::try_from(expires).ok().filter(|expires| *expires > 0))
    }

    fn max_uses(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&this)?.max_uses)
    }

    fn allowed(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.table.get(&this)?.allow.clone())
    }

    fn denied(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.table.get(&this)?.deny.clone())
    }

    fn ips(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.table.get(&this)?.ips.clone())
    }

    fn drop(&mut self, this: Resource<CredentialChangeHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
