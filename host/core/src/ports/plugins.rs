//! What plugins keep.

use std::time::Duration;

use async_trait::async_trait;

/// Limits for one plugin.
pub const MAX_KEYS: usize = 10_000;
pub const MAX_VALUE_BYTES: usize = 16 << 20;
/// Bytes.
pub const MAX_KEY_LENGTH: usize = 512;
pub const MAX_VALUE_LENGTH: usize = 64 << 10;

/// A plugin's own small store, kept over restarts.
#[async_trait]
pub trait PluginStore: Send + Sync {
    async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, PluginStoreError>;

    async fn set(&self, plugin: &str, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), PluginStoreError>;

    async fn remove(&self, plugin: &str, key: &str) -> Result<(), PluginStoreError>;

    async fn list_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PluginStoreError>;

    /// Adds to a counter in one step; the time to live is set when the key is made.
    async fn increment(
        &self,
        plugin: &str,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PluginStoreError>;

    /// Stores `new` if the value is still `expected`; says whether it did.
    async fn compare_and_set(
        &self,
        plugin: &str,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, PluginStoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginStoreError {
    #[error("the plugin's quota of keys or bytes is used up")]
    Full,
    #[error("the key or value is longer than the limit")]
    TooLarge,
    #[error("the value under this key is not a counter")]
    NotACounter,
    #[error("{0}")]
    Unavailable(String),
}

/// A counter after `delta` was added; `value`: as it is stored, none for a new one.
pub fn counted(value: Option<&[u8]>, delta: i64) -> Result<i64, PluginStoreError> {
    let Some(value) = value else { return Ok(delta) };
    let number: Option<i64> = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    Ok(number.ok_or(PluginStoreError::NotACounter)?.saturating_add(delta))
}
