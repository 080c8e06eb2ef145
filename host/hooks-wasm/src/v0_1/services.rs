//! The interfaces `log`, `config`, `secrets` and `kv`.

use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;
use tidegate_core::ports::PluginStoreError;

use super::bindings::tidegate::hooks::types::AccessError;
use super::bindings::tidegate::hooks::{config, kv, log, secrets};
use super::state::CallState;

const MAX_MESSAGE: usize = 4096;

impl log::Host for CallState {
    fn log(&mut self, level: log::Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        if !self.lines.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(());
        }
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        let fields: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        let fields: String = Value::Object(fields).to_string().chars().take(MAX_MESSAGE).collect();
        let (plugin, connection_id) = (self.shared.name.as_str(), self.connection_text());
        match level {
            log::Level::Trace => {
                tracing::trace!(sender = "plugin", plugin, message, fields, connection_id)
            }
            log::Level::Debug => {
                tracing::debug!(sender = "plugin", plugin, message, fields, connection_id)
            }
            log::Level::Info => {
                tracing::info!(sender = "plugin", plugin, message, fields, connection_id)
            }
            log::Level::Warn => {
                tracing::warn!(sender = "plugin", plugin, message, fields, connection_id)
            }
            log::Level::Error => {
                tracing::error!(sender = "plugin", plugin, message, fields, connection_id)
            }
        }
        Ok(())
    }
}

impl config::Host for CallState {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let found = key.split('.').try_fold(&self.shared.settings.config, |value, part| value.get(part));
        Ok(found.map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }))
    }

    fn to_json(&mut self) -> wasmtime::Result<String> {
        Ok(match &self.shared.settings.config {
            Value::Null => "{}".to_owned(),
            config => config.to_string(),
        })
    }
}

impl secrets::Host for CallState {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, AccessError>> {
        let secret = self.shared.secrets.get(&name);
        Ok(secret.map(|secret| secret.expose().to_owned()).ok_or(AccessError::NotGranted(name)))
    }
}

impl kv::Host for CallState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, kv::KvError>> {
        let shared = self.shared.clone();
        Ok(shared.store.get(&shared.name, &key).await.map_err(kv_error))
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl: Option<u32>,
    ) -> wasmtime::Result<Result<(), kv::KvError>> {
        let shared = self.shared.clone();
        Ok(shared.store.set(&shared.name, &key, &value, duration(ttl)).await.map_err(kv_error))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), kv::KvError>> {
        let shared = self.shared.clone();
        Ok(shared.store.remove(&shared.name, &key).await.map_err(kv_error))
    }

    async fn list_keys(
        &mut self,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, kv::KvError>> {
        let shared = self.shared.clone();
        let keys = shared.store.list_keys(&shared.name, &prefix, cursor.as_deref(), limit);
        Ok(keys.await.map_err(kv_error))
    }

    async fn increment(
        &mut self,
        key: String,
        delta: i64,
        ttl: Option<u32>,
    ) -> wasmtime::Result<Result<i64, kv::KvError>> {
        let shared = self.shared.clone();
        Ok(shared.store.increment(&shared.name, &key, delta, duration(ttl)).await.map_err(kv_error))
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        new: Vec<u8>,
        ttl: Option<u32>,
    ) -> wasmtime::Result<Result<bool, kv::KvError>> {
        let shared = self.shared.clone();
        let outcome = shared.store.compare_and_set(&shared.name, &key, expected.as_deref(), &new, duration(ttl));
        Ok(outcome.await.map_err(kv_error))
    }
}

fn duration(seconds: Option<u32>) -> Option<Duration> {
    seconds.map(|seconds| Duration::from_secs(u64::from(seconds)))
}

fn kv_error(error: PluginStoreError) -> kv::KvError {
    match error {
        PluginStoreError::Full => kv::KvError::Full,
        PluginStoreError::TooLarge => kv::KvError::TooLarge,
        other => kv::KvError::Unavailable(other.to_string()),
    }
}
