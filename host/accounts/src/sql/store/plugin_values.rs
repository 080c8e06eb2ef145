//! The values that plugins keep, each in a space of its own with a quota.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tidegate_core::ports::{
    MAX_KEY_LENGTH, MAX_KEYS, MAX_VALUE_BYTES, MAX_VALUE_LENGTH, PluginStore, PluginStoreError, PluginValueFacts,
    StoreError, counted,
};

use super::{SqlStore, first, limit, lock};
use crate::sql::text::end_of;
use crate::sql::{Cell, Database, Dialect, Failure, Patience, Row, Transaction, transact};

const IS_ALIVE: &str = "(expires_at IS NULL OR expires_at > ?)";

#[async_trait]
impl<D: Database> PluginStore for SqlStore<D> {
    async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, PluginStoreError> {
        let sql = format!("SELECT value FROM {{plugin_values}} WHERE plugin = ? AND name = ? AND {IS_ALIVE}");
        let values = vec![plugin.into(), key.into(), self.clock.now().into()];
        let rows = self.database.query(Patience::Short, &sql, values).await.map_err(unavailable)?;
        first(rows, |mut row| row.bytes(0)).map_err(unavailable)
    }

    async fn set(&self, plugin: &str, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), PluginStoreError> {
        let value = Arc::new(value.to_vec());
        self.in_space(plugin, key, move |transaction, space| {
            let value = value.clone();
            Box::pin(async move {
                let expires_at = expiry(space.now, ttl);
                space.store(transaction, &value, expires_at).await
            })
        })
        .await
    }

    async fn remove(&self, plugin: &str, key: &str) -> Result<(), PluginStoreError> {
        let key = Arc::new([Cell::from(plugin), Cell::from(key)]);
        let removed = transact(&*self.database, Patience::Short, move |transaction| {
            let key = key.clone();
            Box::pin(async move {
                transaction.execute("DELETE FROM {plugin_values} WHERE plugin = ? AND name = ?", key.to_vec()).await
            })
        });
        removed.await.map(drop).map_err(unavailable)
    }

    async fn list_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit_to: u32,
    ) -> Result<Vec<String>, PluginStoreError> {
        let mut sql = "SELECT name FROM {plugin_values} WHERE plugin = ? AND name >= ? AND name > ?".to_owned();
        let mut values = vec![plugin.into(), prefix.into(), after.unwrap_or_default().into()];
        if let Some(end) = end_of(prefix) {
            sql.push_str(" AND name < ?");
            values.push(end.into());
        }
        sql.push_str(&format!(" AND {IS_ALIVE} ORDER BY name LIMIT ?"));
        values.extend([self.clock.now().into(), limit(limit_to)]);
        let rows = self.database.query(Patience::Short, &sql, values).await.map_err(unavailable)?;
        rows.into_iter().map(|mut row| row.text(0).map_err(unavailable)).collect()
    }

    async fn list_values(&self, plugin: &str, limit_to: u32) -> Result<Vec<PluginValueFacts>, PluginStoreError> {
        let sql = format!(
            "SELECT name, length(value), stored_at FROM {{plugin_values}} WHERE plugin = ? AND {IS_ALIVE} ORDER BY name \
             LIMIT ?"
        );
        let values = vec![plugin.into(), self.clock.now().into(), limit(limit_to)];
        let rows = self.database.query(Patience::Short, &sql, values).await.map_err(unavailable)?;
        let facts = |mut row: Row| {
            let (key, size) = (row.text(0)?, row.integer(1)?.unsigned_abs());
            Ok(PluginValueFacts { key, size, stored_at: row.optional_integer(2)? })
        };
        rows.into_iter().map(|row| facts(row).map_err(unavailable)).collect()
    }

    async fn increment(
        &self,
        plugin: &str,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PluginStoreError> {
        self.in_space(plugin, key, move |transaction, space| {
            Box::pin(async move {
                let current = space.read(transaction).await?;
                let (value, expires_at) = match current {
                    None => (None, expiry(space.now, ttl)),
                    Some((value, expires_at)) => (Some(value), expires_at),
                };
                let sum = match counted(value.as_deref(), delta) {
                    Ok(sum) => sum,
                    Err(error) => return Ok(Err(error)),
                };
                let stored = space.store(transaction, sum.to_string().as_bytes(), expires_at).await?;
                Ok(stored.map(|()| sum))
            })
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
        let values = Arc::new((expected.map(<[u8]>::to_vec), new.to_vec()));
        self.in_space(plugin, key, move |transaction, space| {
            let values = values.clone();
            Box::pin(async move {
                let (expected, new) = &*values;
                let current = space.read(transaction).await?.map(|(value, _)| value);
                if current != *expected {
                    return Ok(Ok(false));
                }
                let expires_at = expiry(space.now, ttl);
                Ok(space.store(transaction, new, expires_at).await?.map(|()| true))
            })
        })
        .await
    }
}

/// What a plugin's request came to; the outer error ends the transaction.
type Outcome<T> = Result<Result<T, PluginStoreError>, Failure>;

impl<D: Database> SqlStore<D> {
    /// Runs work on one key while no other server changes values of the plugin.
    async fn in_space<T: Send + 'static>(
        &self,
        plugin: &str,
        key: &str,
        work: impl for<'t> Fn(&'t mut dyn Transaction, Arc<Space<D>>) -> BoxFuture<'t, Outcome<T>> + Send + Sync + 'static,
    ) -> Result<T, PluginStoreError> {
        let database = self.database.clone();
        let now = self.clock.now();
        let space = Arc::new(Space { database, plugin: plugin.to_owned(), key: key.to_owned(), now });
        let work = Arc::new(work);
        let done = transact(&*self.database, Patience::Short, move |transaction| {
            let (space, work) = (space.clone(), work.clone());
            Box::pin(async move {
                let name = format!("plugin {}", space.plugin);
                lock(transaction, space.database.dialect(), &name).await?;
                work(transaction, space).await
            })
        });
        done.await.map_err(unavailable)?
    }
}

/// One key of a plugin.
struct Space<D> {
    database: Arc<D>,
    plugin: String,
    key: String,
    now: i64,
}

impl<D: Database> Space<D> {
    fn cells(&self) -> Vec<Cell> {
        vec![self.plugin.as_str().into(), self.key.as_str().into()]
    }

    /// The value, and when it expires.
    async fn read(&self, transaction: &mut dyn Transaction) -> Result<Option<(Vec<u8>, Option<i64>)>, Failure> {
        let sql =
            format!("SELECT value, expires_at FROM {{plugin_values}} WHERE plugin = ? AND name = ? AND {IS_ALIVE}");
        let values = self.cells().into_iter().chain([self.now.into()]).collect();
        let rows = transaction.query(&sql, values).await?;
        Ok(first(rows, |mut row| Ok((row.bytes(0)?, row.optional_integer(1)?)))?)
    }

    async fn store(&self, transaction: &mut dyn Transaction, value: &[u8], expires_at: Option<i64>) -> Outcome<()> {
        if self.key.len() > MAX_KEY_LENGTH || value.len() > MAX_VALUE_LENGTH {
            return Ok(Err(PluginStoreError::TooLarge));
        }
        if !self.has_room(transaction, value.len()).await? {
            let sql = "DELETE FROM {plugin_values} WHERE plugin = ? AND expires_at <= ?";
            transaction.execute(sql, vec![self.plugin.as_str().into(), self.now.into()]).await?;
            if !self.has_room(transaction, value.len()).await? {
                return Ok(Err(PluginStoreError::Full));
            }
        }
        let dialect: &dyn Dialect = self.database.dialect();
        let insert = "INSERT INTO {plugin_values} (plugin, name, value, expires_at, stored_at) VALUES (?, ?, ?, ?, ?)";
        let sql = dialect.or_update(insert, &["plugin", "name"], &["value", "expires_at", "stored_at"]);
        let stored = [Cell::Bytes(value.to_vec()), expires_at.into(), self.now.into()];
        let values = self.cells().into_iter().chain(stored).collect();
        transaction.execute(&sql, values).await?;
        Ok(Ok(()))
    }

    async fn has_room(&self, transaction: &mut dyn Transaction, bytes: usize) -> Result<bool, Failure> {
        let sql =
            "SELECT count(*), coalesce(sum(length(value)), 0) FROM {plugin_values} WHERE plugin = ? AND name <> ?";
        let rows = transaction.query(sql, self.cells()).await?;
        let used = first(rows, |mut row: Row| Ok((row.integer(0)?, row.integer(1)?)))?.unwrap_or_default();
        let [keys, stored] = [used.0, used.1].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        Ok(keys < MAX_KEYS && stored.saturating_add(bytes) <= MAX_VALUE_BYTES)
    }
}

fn expiry(now: i64, ttl: Option<Duration>) -> Option<i64> {
    ttl.map(|ttl| now.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)))
}

fn unavailable(error: StoreError) -> PluginStoreError {
    PluginStoreError::Unavailable(error.to_string())
}
