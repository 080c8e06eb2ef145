//! Sessions and what they do to files, as guests see them.

use tidegate_core::hook::events::{ActionKind, ActionStatus, Protocol};
use wasmtime::component::Resource;

use super::bindings::tidegate::hooks::types;
use super::connection::{method, seconds};
use super::state::{AccountHandle, ActionHandle, CallState, ConnectionHandle, SessionHandle};
use crate::settings::Grant;

const MAX_FIRST_BYTES: usize = 64 << 10;

impl types::HostSession for CallState {
    fn id(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.id.to_string())
    }

    fn connection(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<Resource<ConnectionHandle>> {
        let connection = self.table.get(&this)?.connection.clone();
        Ok(self.table.push(connection)?)
    }

    fn account(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<Resource<AccountHandle>> {
        let account = self.table.get(&this)?.account.clone();
        Ok(self.table.push(account)?)
    }

    fn username(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.username.clone())
    }

    fn method(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<types::LoginMethod> {
        Ok(method(self.table.get(&this)?.method))
    }

    fn opened_at(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<u64> {
        Ok(seconds(self.table.get(&this)?.opened_at))
    }

    fn bytes_received(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.traffic.received())
    }

    fn bytes_sent(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.traffic.sent())
    }

    fn impersonator(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<Option<String>> {
        let web = self.table.get(&this)?.connection.web.as_ref();
        Ok(web.map(|web| web.impersonator.clone()).filter(|name| !name.is_empty()))
    }

    fn login_link(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<Option<String>> {
        let web = self.table.get(&this)?.connection.web.as_ref();
        Ok(web.map(|web| web.login_key.clone()).filter(|name| !name.is_empty()))
    }

    fn drop(&mut self, this: Resource<SessionHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

type Action = Resource<ActionHandle>;

impl types::HostFileAction for CallState {
    fn id(&mut self, this: Action) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.channel.clone())
    }

    fn session(&mut self, this: Action) -> wasmtime::Result<Resource<SessionHandle>> {
        let session = self.table.get(&this)?.session.clone();
        Ok(self.table.push(session)?)
    }

    fn protocol(&mut self, this: Action) -> wasmtime::Result<types::Protocol> {
        Ok(match self.table.get(&this)?.protocol {
            Protocol::Sftp => types::Protocol::Sftp,
            Protocol::Scp => types::Protocol::Scp,
            Protocol::Ssh => types::Protocol::SshCommand,
        })
    }

    fn kind(&mut self, this: Action) -> wasmtime::Result<types::ActionKind> {
        Ok(match self.table.get(&this)?.kind {
            ActionKind::Download => types::ActionKind::Download,
            ActionKind::FirstDownload => types::ActionKind::FirstDownload,
            ActionKind::Upload => types::ActionKind::Upload,
            ActionKind::FirstUpload => types::ActionKind::FirstUpload,
            ActionKind::Delete => types::ActionKind::Delete,
            ActionKind::Rename => types::ActionKind::Rename,
            ActionKind::Copy => types::ActionKind::Copy,
            ActionKind::Mkdir => types::ActionKind::Mkdir,
            ActionKind::Rmdir => types::ActionKind::Rmdir,
            ActionKind::SshCommand => types::ActionKind::SshCommand,
        })
    }

    fn virtual_path(&mut self, this: Action) -> wasmtime::Result<String> {
        let action = self.table.get(&this)?.clone();
        Ok(self.told(&action, action.path.as_os_str()))
    }

    fn virtual_target(&mut self, this: Action) -> wasmtime::Result<Option<String>> {
        let action = self.table.get(&this)?.clone();
        Ok(action.target.as_ref().map(|path| self.told(&action, path.as_os_str())))
    }

    fn storage_path(&mut self, this: Action) -> wasmtime::Result<Result<String, types::AccessError>> {
        let action = self.table.get(&this)?.clone();
        Ok(self.granted(Grant::StoragePaths).map(|()| self.told(&action, &action.storage_path)))
    }

    fn storage_target(&mut self, this: Action) -> wasmtime::Result<Result<String, types::AccessError>> {
        let action = self.table.get(&this)?.clone();
        if let Err(error) = self.granted(Grant::StoragePaths) {
            return Ok(Err(error));
        }
        let target = action.storage_target.as_deref().map(|target| self.told(&action, target));
        Ok(target.ok_or(types::AccessError::Absent))
    }

    fn storage_kind(&mut self, this: Action) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.storage_kind.to_owned())
    }

    async fn first_bytes(&mut self, this: Action, max: u32) -> wasmtime::Result<Result<Vec<u8>, types::AccessError>> {
        let action = self.table.get(&this)?.clone();
        if let Err(error) = self.granted(Grant::FileContents) {
            return Ok(Err(error));
        }
        let max = (max as usize).min(MAX_FIRST_BYTES);
        Ok(action.first_bytes(max).await.map_err(|_| types::AccessError::Absent))
    }

    async fn size(&mut self, this: Action) -> wasmtime::Result<Option<u64>> {
        let action = self.table.get(&this)?.clone();
        Ok(action.size_and_open_flags().await.0)
    }

    async fn open_flags(&mut self, this: Action) -> wasmtime::Result<Option<u32>> {
        let action = self.table.get(&this)?.clone();
        Ok(action.size_and_open_flags().await.1)
    }

    fn ssh_command(&mut self, this: Action) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&this)?.ssh_command.clone())
    }

    fn status(&mut self, this: Action) -> wasmtime::Result<Option<types::ActionStatus>> {
        Ok(self.table.get(&this)?.status.as_ref().map(|status| match status {
            ActionStatus::Ok => types::ActionStatus::Ok,
            ActionStatus::Failed(_) => types::ActionStatus::Failed,
            ActionStatus::QuotaExceeded => types::ActionStatus::QuotaExceeded,
        }))
    }

    fn error_message(&mut self, this: Action) -> wasmtime::Result<Option<String>> {
        Ok(match &self.table.get(&this)?.status {
            Some(ActionStatus::Failed(message)) => Some(message.clone()),
            Some(ActionStatus::Ok | ActionStatus::QuotaExceeded) | None => None,
        })
    }

    fn elapsed_milliseconds(&mut self, this: Action) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&this)?.elapsed_ms)
    }

    fn drop(&mut self, this: Action) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
