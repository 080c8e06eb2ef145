//! Changes of accounts and credentials, bans, and requests to the web pages, as guests see them.

use tidegate_core::account::compact_json;
use tidegate_core::hook::observation::Change;
use wasmtime::component::Resource;

use super::bindings::tidegate::hooks::types;
use super::connection::seconds;
use super::state::{AddressBanHandle, CallState, CredentialChangeHandle, ObjectChangeHandle, WebRequestHandle};

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

impl types::HostAddressBan for CallState {
    fn network(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.network.clone())
    }

    fn remote_ip(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.address.to_string())
    }

    fn protocol(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&this)?.protocol.map(str::to_owned))
    }

    fn score(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&this)?.score)
    }

    fn login_failed(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&this)?.offences.login_failed.into())
    }

    fn user_not_found(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&this)?.offences.user_not_found.into())
    }

    fn no_login_tried(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&this)?.offences.no_login_tried.into())
    }

    fn limit_exceeded(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&this)?.offences.limit_exceeded.into())
    }

    fn at(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<u64> {
        Ok(seconds(self.table.get(&this)?.at))
    }

    fn until(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<u64> {
        Ok(seconds(self.table.get(&this)?.until))
    }

    fn drop(&mut self, this: Resource<AddressBanHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
