//! The values that plugins keep.

use std::time::Duration;

use async_trait::async_trait;

/// The most keys of one plugin.
pub const MAX_KEYS: usize = 10_000;
/// The most bytes of all values of one plugin together.
pub const MAX_VALUE_BYTES: usize = 16 << 20;
/// The longest key, in bytes.
pub const MAX_KEY_LENGTH: usize = 512;
/// The longest value, in bytes.
pub const MAX_VALUE_LENGTH: usize = 64 << 10;

/// What is known of a value that a plugin keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginValueFacts {
    /// The key.
    pub key: String,
    /// The size of the value, in bytes.
    pub size: u64,
    /// When it was stored last, in milliseconds since 1970; None: by a version that did not note it.
    pub stored_at: Option<i64>,
}

/// A small store for each plugin, kept over restarts. Plugins do not see each other's values; a value whose
/// time to live is over is not there.
///
/// # Errors
/// All methods may give `Unavailable`; those that store a value also `Full` and `TooLarge`.
#[async_trait]
pub trait PluginStore: Send + Sync {
    /// The value of the key, if there is one.
    async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, PluginStoreError>;

    /// Stores a value; without `ttl` it stays until it is removed.
    async fn set(&self, plugin: &str, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), PluginStoreError>;

    /// Removes the key; it need not be there.
    async fn remove(&self, plugin: &str, key: &str) -> Result<(), PluginStoreError>;

    /// At most `limit` keys that begin with `prefix` and come after `after`, in the order of their bytes.
    async fn list_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PluginStoreError>;

    /// What is known of the first values, in the order of their keys; at most `limit`.
    async fn list_values(&self, plugin: &str, limit: u32) -> Result<Vec<PluginValueFacts>, PluginStoreError>;

    /// Adds `delta` to a counter in one step and gives the sum; a key that is not there counts from 0. `ttl`
    /// holds only for a key that this call makes.
    ///
    /// # Errors
    /// `NotACounter` if the value is not a decimal number of 64 bits.
    async fn increment(
        &self,
        plugin: &str,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PluginStoreError>;

    /// Stores `new` if the value is still `expected` (none: there is no such key); returns whether it did.
    async fn compare_and_set(
        &self,
        plugin: &str,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, PluginStoreError>;
}

/// Why a plugin's store did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginStoreError {
    /// [`MAX_KEYS`] or [`MAX_VALUE_BYTES`] would be exceeded.
    #[error("the plugin's quota of keys or bytes is used up")]
    Full,
    /// [`MAX_KEY_LENGTH`] or [`MAX_VALUE_LENGTH`] is exceeded.
    #[error("the key or value is longer than the limit")]
    TooLarge,
    /// Only for increments: the value is not a decimal number.
    #[error("the value under this key is not a counter")]
    NotACounter,
    /// The store failed; its message.
    #[error("{0}")]
    Unavailable(String),
}

/// A counter after `delta` was added, limited to the range of `i64`. `value`: as it is stored; none for a new
/// counter.
///
/// # Errors
/// `NotACounter`
pub fn counted(value: Option<&[u8]>, delta: i64) -> Result<i64, PluginStoreError> {
    let Some(value) = value else { return Ok(delta) };
    let number: Option<i64> = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    Ok(number.ok_or(PluginStoreError::NotACounter)?.saturating_add(delta))
}
