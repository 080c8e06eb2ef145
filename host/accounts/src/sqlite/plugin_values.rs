//! The values that plugins keep, each in a space of its own with a quota.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tidegate_core::ports::{
    MAX_KEY_LENGTH, MAX_KEYS, MAX_VALUE_BYTES, MAX_VALUE_LENGTH, PluginStore, PluginStoreError, PluginValueFacts,
    StoreError, counted,
};

use super::SqliteDatabase;

impl SqliteDatabase {
    /// Runs one transaction on the values of a plugin.
    async fn plugin_values<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, i64) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, PluginStoreError> {
        let clock = self.clock.clone();
        let outcome = self
            .note(move |connection| {
                let run = |connection: &mut Connection| {
                    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                    let value = work(&transaction, clock.now())?;
                    transaction.commit()?;
                    Ok(value)
                };
                match run(connection) {
                    Ok(value) => Ok(Ok(value)),
                    Err(Failure::Refused(error)) => Ok(Err(error)),
                    Err(Failure::Database(error)) => Err(super::classify(error)),
                }
            })
            .await;
        outcome.map_err(|error: StoreError| PluginStoreError::Unavailable(error.to_string()))?
    }
}

enum Failure {
    Refused(PluginStoreError),
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<PluginStoreError> for Failure {
    fn from(error: PluginStoreError) -> Self {
        Self::Refused(error)
    }
}

#[async_trait]
impl PluginStore for SqliteDatabase {
    async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, PluginStoreError> {
        let (plugin, key) = (plugin.to_owned(), key.to_owned());
        self.plugin_values(move |connection, now| Ok(read(connection, &plugin, &key, now)?)).await
    }

    async fn set(&self, plugin: &str, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), PluginStoreError> {
        let (plugin, key, value) = (plugin.to_owned(), key.to_owned(), value.to_vec());
        self.plugin_values(move |connection, now| store(connection, &plugin, &key, &value, expiry(now, ttl), now)).await
    }

    async fn remove(&self, plugin: &str, key: &str) -> Result<(), PluginStoreError> {
        let (plugin, key) = (plugin.to_owned(), key.to_owned());
        self.plugin_values(move |connection, _| {
            connection.execute("DELETE FROM plugin_values WHERE plugin = ?1 AND key = ?2", params![plugin, key])?;
            Ok(())
        })
        .await
    }

    async fn list_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PluginStoreError> {
        let (plugin, prefix, after) = (plugin.to_owned(), prefix.to_owned(), after.unwrap_or_default().to_owned());
        self.plugin_values(move |connection, now| {
            let sql = "SELECT key FROM plugin_values WHERE plugin = ?1 AND substr(key, 1, length(?2)) = ?2 AND key > ?3 \
                 AND (expires_at IS NULL OR expires_at > ?4) ORDER BY key LIMIT ?5";
            let mut statement = connection.prepare_cached(sql)?;
            let keys = statement.query_map(params![plugin, prefix, after, now, limit], |row| row.get(0))?;
            Ok(keys.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn list_values(&self, plugin: &str, limit: u32) -> Result<Vec<PluginValueFacts>, PluginStoreError> {
        let plugin = plugin.to_owned();
        self.plugin_values(move |connection, now| {
            let sql = "SELECT key, length(value), stored_at FROM plugin_values WHERE plugin = ?1 \
                 AND (expires_at IS NULL OR expires_at > ?2) ORDER BY key LIMIT ?3";
            let facts = |row: &rusqlite::Row<'_>| {
                let size = u64::from(row.get::<_, u32>(1)?);
                Ok(PluginValueFacts { key: row.get(0)?, size, stored_at: row.get(2)? })
            };
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_map(params![plugin, now, limit], facts)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn increment(
        &self,
        plugin: &str,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PluginStoreError> {
        let (plugin, key) = (plugin.to_owned(), key.to_owned());
        self.plugin_values(move |connection, now| {
            let current = read(connection, &plugin, &key, now)?;
            let sum = counted(current.as_deref(), delta)?;
            let expires_at = match current {
                None => expiry(now, ttl),
                Some(_) => expires_at(connection, &plugin, &key)?,
            };
            store(connection, &plugin, &key, sum.to_string().as_bytes(), expires_at, now)?;
            Ok(sum)
        })
        .await
    }

    async fn compare_and_set(
        &self,
        plugin: &str,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, PluginStoreError> {
        let (plugin, key, expected, new) =
            (plugin.to_owned(), key.to_owned(), expected.map(<[u8]>::to_vec), new.to_vec());
        self.plugin_values(move |connection, now| {
            if read(connection, &plugin, &key, now)? != expected {
                return Ok(false);
            }
            store(connection, &plugin, &key, &new, expiry(now, ttl), now)?;
            Ok(true)
        })
        .await
    }
}

fn expiry(now: i64, ttl: Option<Duration>) -> Option<i64> {
    ttl.map(|ttl| now.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)))
}

fn read(connection: &Connection, plugin: &str, key: &str, now: i64) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    let sql =
        "SELECT value FROM plugin_values WHERE plugin = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)";
    connection.prepare_cached(sql)?.query_row(params![plugin, key, now], |row| row.get(0)).optional()
}

fn expires_at(connection: &Connection, plugin: &str, key: &str) -> Result<Option<i64>, rusqlite::Error> {
    let sql = "SELECT expires_at FROM plugin_values WHERE plugin = ?1 AND key = ?2";
    Ok(connection.prepare_cached(sql)?.query_row(params![plugin, key], |row| row.get(0)).optional()?.flatten())
}

fn store(
    connection: &Connection,
    plugin: &str,
    key: &str,
    value: &[u8],
    expires_at: Option<i64>,
    now: i64,
) -> Result<(), Failure> {
    if key.len() > MAX_KEY_LENGTH || value.len() > MAX_VALUE_LENGTH {
        return Err(PluginStoreError::TooLarge.into());
    }
    let sql = "SELECT count(*), coalesce(sum(length(value)), 0) FROM plugin_values WHERE plugin = ?1 AND key <> ?2";
    let usage = |connection: &Connection| {
        connection
            .prepare_cached(sql)?
            .query_row(params![plugin, key], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?)))
    };
    let fits = |(keys, bytes): (u32, u32)| {
        let (keys, bytes) = (keys as usize, bytes as usize);
        keys < MAX_KEYS && bytes + value.len() <= MAX_VALUE_BYTES
    };
    if !fits(usage(connection)?) {
        connection.execute("DELETE FROM plugin_values WHERE plugin = ?1 AND expires_at <= ?2", params![plugin, now])?;
        if !fits(usage(connection)?) {
            return Err(PluginStoreError::Full.into());
        }
    }
    let sql = "INSERT INTO plugin_values (plugin, key, value, expires_at, stored_at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at, \
         stored_at = excluded.stored_at";
    connection.prepare_cached(sql)?.execute(params![plugin, key, value, expires_at, now])?;
    Ok(())
}
