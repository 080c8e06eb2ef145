//! Connections and login attempts, as guests see them.

use tidegate_core::connection::{Credential, LoginMethod};
use tidegate_core::hook::{Comparisons, LoginAttempt, WaitsFor};
use tidegate_core::password::{PasswordHash, Unfit};
use wasmtime::component::Resource;

use super::bindings::tidegate::hooks::types;
use super::state::{AccountHandle, AttemptHandle, CallState, ConnectionHandle};
use crate::settings::Grant;

impl types::Host for CallState {}

impl types::HostConnection for CallState {
    fn id(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.id.to_string())
    }

    fn protocol(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<types::Protocol> {
        let is_web = self.table.get(&this)?.web.is_some();
        Ok(if is_web { types::Protocol::Http } else { types::Protocol::Sftp })
    }

    fn remote_ip(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.remote.ip().to_string())
    }

    fn remote_port(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&this)?.remote.port())
    }

    fn local_address(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.local.to_string())
    }

    fn client_software(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&this)?.client_software().map(str::to_owned))
    }

    fn opened_at(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<u64> {
        Ok(seconds(self.table.get(&this)?.opened_at))
    }

    fn drop(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl types::HostLoginAttempt for CallState {
    fn connection(&mut self, this: Resource<AttemptHandle>) -> wasmtime::Result<Resource<ConnectionHandle>> {
        let connection = self.table.get(&this)?.connection.clone();
        Ok(self.table.push(connection)?)
    }

    fn username(&mut self, this: Resource<AttemptHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.username.clone())
    }

    fn method(&mut self, this: Resource<AttemptHandle>) -> wasmtime::Result<types::LoginMethod> {
        Ok(method(self.table.get(&this)?.credential.method()))
    }

    fn completed_methods(&mut self, this: Resource<AttemptHandle>) -> wasmtime::Result<Vec<types::LoginMethod>> {
        Ok(self.table.get(&this)?.completed_methods.iter().copied().map(method).collect())
    }

    fn number(&mut self, this: Resource<AttemptHandle>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&this)?.number)
    }

    fn stored_account(&mut self, this: Resource<AttemptHandle>) -> wasmtime::Result<Option<Resource<AccountHandle>>> {
        let stored = self.table.get(&this)?.stored.clone();
        Ok(stored.map(|account| self.table.push(account)).transpose()?)
    }

    /// The password of the attempt: needs the grant `credentials`, and every use is logged.
    fn password(&mut self, this: Resource<AttemptHandle>) -> wasmtime::Result<Result<String, types::AccessError>> {
        let attempt = self.table.get(&this)?.clone();
        if let Err(error) = self.granted(Grant::Credentials) {
            return Ok(Err(error));
        }
        let Credential::Password(password) = &attempt.credential else {
            return Ok(Err(types::AccessError::Absent));
        };
        tracing::info!(
            sender = "audit",
            plugin = self.shared.name,
            username = attempt.username,
            connection_id = self.connection_text(),
            message = "the plugin read the password of a login attempt",
        );
        Ok(Ok(password.expose().to_owned()))
    }

    async fn password_matches(
        &mut self,
        this: Resource<AttemptHandle>,
        hash: String,
    ) -> wasmtime::Result<Result<bool, types::AccessError>> {
        let attempt = self.table.get(&this)?.clone();
        let Credential::Password(password) = &attempt.credential else {
            return Ok(Err(types::AccessError::Absent));
        };
        let Some(hash) = PasswordHash::recognise(&hash) else {
            return Ok(Ok(false));
        };
        if let Err(problem) = self.may_compare(&attempt, &hash) {
            tracing::warn!(
                sender = "audit",
                plugin = self.shared.name,
                username = attempt.username,
                connection_id = self.connection_text(),
                message =
                    format!("a hash of the plugin was not compared with the password of a login attempt: {problem}"),
            );
            return Ok(Err(types::AccessError::NotGranted(problem)));
        }
        let shared = self.shared.clone();
        let comparing = shared.passwords.matches_for_plugin(attempt.waiter(), &hash, password);
        let matches = self.waiting.during(WaitsFor::Passwords, comparing).await;
        Ok(Ok(matches.map_err(|error| wasmtime::Error::msg(error.to_string()))?))
    }

    fn public_key(&mut self, this: Resource<AttemptHandle>) -> wasmtime::Result<Result<String, types::AccessError>> {
        Ok(match &self.table.get(&this)?.credential {
            Credential::PublicKey(key) => Ok(key.to_line()),
            Credential::Password(_) | Credential::KeyboardInteractive => Err(types::AccessError::Absent),
        })
    }

    fn public_key_fingerprint(
        &mut self,
        this: Resource<AttemptHandle>,
    ) -> wasmtime::Result<Result<String, types::AccessError>> {
        Ok(match &self.table.get(&this)?.credential {
            Credential::PublicKey(key) => Ok(key.fingerprint()),
            Credential::Password(_) | Credential::KeyboardInteractive => Err(types::AccessError::Absent),
        })
    }

    /// User certificates are not accepted yet, so there is never one.
    fn certificate(&mut self, _this: Resource<AttemptHandle>) -> wasmtime::Result<Result<String, types::AccessError>> {
        Ok(Err(types::AccessError::Absent))
    }

    fn drop(&mut self, this: Resource<AttemptHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl CallState {
    /// Counts and logs a comparison: a guest learns no more of the password than a few answers of
    /// yes or no. A plugin with the grant `credentials` may also ask with hashes that have no salt.
    fn may_compare(&self, attempt: &LoginAttempt, hash: &PasswordHash) -> Result<(), String> {
        match hash.is_for_plugins() {
            Err(Unfit::NoSalt) if self.shared.settings.grants(Grant::Credentials) => {}
            fit => fit.map_err(|problem| problem.to_string())?,
        }
        let too_many = || format!("plugins had {} hashes compared with this password already", Comparisons::MAX);
        let number = attempt.comparisons.next().ok_or_else(too_many)?;
        tracing::info!(
            sender = "audit",
            plugin = self.shared.name,
            username = attempt.username,
            connection_id = self.connection_text(),
            comparison = number,
            message = "the plugin had a hash compared with the password of a login attempt",
        );
        Ok(())
    }
}

/// A login method, in the contract's words.
pub fn method(method: LoginMethod) -> types::LoginMethod {
    match method {
        LoginMethod::Password => types::LoginMethod::Password,
        LoginMethod::PublicKey => types::LoginMethod::PublicKey,
        LoginMethod::KeyboardInteractive => types::LoginMethod::KeyboardInteractive,
        other => types::LoginMethod::Other(other.as_str().to_owned()),
    }
}

/// Seconds of a time in milliseconds; 0 for a time before 1970.
pub fn seconds(milliseconds: i64) -> u64 {
    u64::try_from(milliseconds / 1000).unwrap_or(0)
}
