//! The values that plugins keep, each in a space of its own with a quota.

use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use tidegate_core::ports::{
    MAX_KEY_LENGTH, MAX_KEYS, MAX_VALUE_BYTES, MAX_VALUE_LENGTH, PluginStore, PluginStoreError, PluginValueFacts,
    StoreError, counted,
};

use super::RedbDatabase;
use super::failure::Failure;
use super::tables::{SPACES, VALUE_TIMES, VALUES, opened};

/// The time at which a value without a time to live expires.
const NEVER: i64 = i64::MAX;

type Values<'txn> = Table<'txn, (&'static [u8], &'static [u8]), (i64, &'static [u8])>;
/// What a plugin's store refuses is an answer for the plugin, and no failure of the transaction.
type Answer<T> = Result<Result<T, PluginStoreError>, Failure>;

impl RedbDatabase {
    async fn change_values<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction, i64) -> Answer<T> + Send + 'static,
    ) -> Result<T, PluginStoreError> {
        let clock = self.clock.clone();
        unavailable(self.engine.note(move |transaction| work(transaction, clock.now())).await)?
    }

    async fn read_values<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction, i64) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, PluginStoreError> {
        let clock = self.clock.clone();
        unavailable(self.engine.read(move |transaction| work(transaction, clock.now())).await)
    }
}

fn unavailable<T>(outcome: Result<T, StoreError>) -> Result<T, PluginStoreError> {
    outcome.map_err(|error| PluginStoreError::Unavailable(error.to_string()))
}

#[async_trait]
impl PluginStore for RedbDatabase {
    async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, PluginStoreError> {
        let (plugin, key) = (plugin.to_owned(), key.to_owned());
        let found = self.read_values(move |transaction, now| {
            let Some(values) = opened(transaction, VALUES)? else { return Ok(None) };
            Ok(current(&values, &plugin, &key, now)?.map(|(_, value)| value))
        });
        found.await
    }

    async fn set(&self, plugin: &str, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), PluginStoreError> {
        let (plugin, key, value) = (plugin.to_owned(), key.to_owned(), value.to_vec());
        let stored = self
            .change_values(move |transaction, now| store(transaction, &plugin, &key, &value, expiry(now, ttl), now));
        stored.await
    }

    async fn remove(&self, plugin: &str, key: &str) -> Result<(), PluginStoreError> {
        let (plugin, key) = (plugin.to_owned(), key.to_owned());
        let removed = self.change_values(move |transaction, _| {
            let mut values = transaction.open_table(VALUES)?;
            let removed = values.remove((plugin.as_bytes(), key.as_bytes()))?.map(|found| length(found.value()));
            if let Some(bytes) = removed {
                let space = Space::of(transaction, &plugin)?.without(1, bytes);
                space.store(transaction, &plugin)?;
                transaction.open_table(VALUE_TIMES)?.remove((plugin.as_bytes(), key.as_bytes()))?;
            }
            Ok(Ok(()))
        });
        removed.await
    }

    async fn list_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PluginStoreError> {
        let (plugin, prefix, after) = (plugin.to_owned(), prefix.to_owned(), after.map(str::to_owned));
        let found = self.read_values(move |transaction, now| {
            let Some(values) = opened(transaction, VALUES)? else { return Ok(Vec::new()) };
            let (space, prefix) = (plugin.as_bytes(), prefix.as_bytes());
            let begin = match after.as_deref().map(str::as_bytes) {
                Some(after) if after >= prefix => Bound::Excluded((space, after)),
                Some(_) | None => Bound::Included((space, prefix)),
            };
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let mut keys = Vec::new();
            for row in values.range::<(&[u8], &[u8])>((begin, Bound::Unbounded))? {
                let (key, value) = row?;
                let (of, key) = key.value();
                if keys.len() >= limit || of != space || !key.starts_with(prefix) {
                    break;
                }
                if value.value().0 > now {
                    keys.push(String::from_utf8_lossy(key).into_owned());
                }
            }
            Ok(keys)
        });
        found.await
    }

    async fn list_values(&self, plugin: &str, limit: u32) -> Result<Vec<PluginValueFacts>, PluginStoreError> {
        let plugin = plugin.to_owned();
        let found = self.read_values(move |transaction, now| {
            let Some(values) = opened(transaction, VALUES)? else { return Ok(Vec::new()) };
            let times = opened(transaction, VALUE_TIMES)?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let (space, mut facts) = (plugin.as_bytes(), Vec::new());
            for row in values.range::<(&[u8], &[u8])>((space, [].as_slice())..)? {
                let (key, value) = row?;
                let (of, key) = key.value();
                if facts.len() >= limit || of != space {
                    break;
                }
                if value.value().0 <= now {
                    continue;
                }
                let stored_at = times.as_ref().map(|times| times.get((space, key))).transpose()?.flatten();
                facts.push(PluginValueFacts {
                    key: String::from_utf8_lossy(key).into_owned(),
                    size: length(value.value()),
                    stored_at: stored_at.map(|at| at.value()),
                });
            }
            Ok(facts)
        });
        found.await
    }

    async fn increment(
        &self,
        plugin: &str,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PluginStoreError> {
        let (plugin, key) = (plugin.to_owned(), key.to_owned());
        let sum = self.change_values(move |transaction, now| {
            let found = current(&transaction.open_table(VALUES)?, &plugin, &key, now)?;
            let sum = match counted(found.as_ref().map(|(_, value)| value.as_slice()), delta) {
                Ok(sum) => sum,
                Err(refused) => return Ok(Err(refused)),
            };
            let expires_at = found.map_or_else(|| expiry(now, ttl), |(expires_at, _)| expires_at);
            let stored = store(transaction, &plugin, &key, sum.to_string().as_bytes(), expires_at, now)?;
            Ok(stored.map(|()| sum))
        });
        sum.await
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
        let stored = self.change_values(move |transaction, now| {
            let found = current(&transaction.open_table(VALUES)?, &plugin, &key, now)?;
            if found.map(|(_, value)| value) != expected {
                return Ok(Ok(false));
            }
            Ok(store(transaction, &plugin, &key, &new, expiry(now, ttl), now)?.map(|()| true))
        });
        stored.await
    }
}

fn expiry(now: i64, ttl: Option<Duration>) -> i64 {
    ttl.map_or(NEVER, |ttl| now.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)))
}

fn length((_, value): (i64, &[u8])) -> u64 {
    u64::try_from(value.len()).unwrap_or(u64::MAX)
}

/// When the value expires, and the value, unless its time is over.
fn current(
    values: &impl ReadableTable<(&'static [u8], &'static [u8]), (i64, &'static [u8])>,
    plugin: &str,
    key: &str,
    now: i64,
) -> Result<Option<(i64, Vec<u8>)>, Failure> {
    let found = values.get((plugin.as_bytes(), key.as_bytes()))?;
    let found = found.map(|found| (found.value().0, found.value().1.to_vec()));
    Ok(found.filter(|(expires_at, _)| *expires_at > now))
}

/// How much a plugin keeps.
#[derive(Clone, Copy)]
struct Space {
    keys: u64,
    bytes: u64,
}

impl Space {
    fn of(transaction: &WriteTransaction, plugin: &str) -> Result<Self, Failure> {
        let spaces = transaction.open_table(SPACES)?;
        let (keys, bytes) = spaces.get(plugin.as_bytes())?.map_or((0, 0), |space| space.value());
        Ok(Self { keys, bytes })
    }

    fn store(self, transaction: &WriteTransaction, plugin: &str) -> Result<(), Failure> {
        transaction.open_table(SPACES)?.insert(plugin.as_bytes(), (self.keys, self.bytes))?;
        Ok(())
    }

    fn without(self, keys: u64, bytes: u64) -> Self {
        Self { keys: self.keys.saturating_sub(keys), bytes: self.bytes.saturating_sub(bytes) }
    }

    fn with(self, bytes: u64) -> Self {
        Self { keys: self.keys.saturating_add(1), bytes: self.bytes.saturating_add(bytes) }
    }

    fn is_within_quota(self) -> bool {
        let within = |used: u64, limit: usize| usize::try_from(used).is_ok_and(|used| used <= limit);
        within(self.keys, MAX_KEYS) && within(self.bytes, MAX_VALUE_BYTES)
    }
}

fn store(
    transaction: &WriteTransaction,
    plugin: &str,
    key: &str,
    value: &[u8],
    expires_at: i64,
    now: i64,
) -> Answer<()> {
    if key.len() > MAX_KEY_LENGTH || value.len() > MAX_VALUE_LENGTH {
        return Ok(Err(PluginStoreError::TooLarge));
    }
    let mut values = transaction.open_table(VALUES)?;
    let row = (plugin.as_bytes(), key.as_bytes());
    let before = values.get(row)?.map(|found| length(found.value()));
    let mut others = Space::of(transaction, plugin)?;
    if let Some(bytes) = before {
        others = others.without(1, bytes);
    }
    let bytes = length((expires_at, value));
    if !others.with(bytes).is_within_quota() {
        let (keys, expired) = forget_expired(transaction, &mut values, plugin, key, now)?;
        others = others.without(keys, expired);
        if !others.with(bytes).is_within_quota() {
            // The expired values are gone, whether or not there is room by that.
            before.map_or(others, |bytes| others.with(bytes)).store(transaction, plugin)?;
            return Ok(Err(PluginStoreError::Full));
        }
    }
    values.insert(row, (expires_at, value))?;
    transaction.open_table(VALUE_TIMES)?.insert(row, now)?;
    others.with(bytes).store(transaction, plugin)?;
    Ok(Ok(()))
}

/// Removes the plugin's expired values but that of `kept`; returns how many keys and bytes they were.
fn forget_expired(
    transaction: &WriteTransaction,
    values: &mut Values<'_>,
    plugin: &str,
    kept: &str,
    now: i64,
) -> Result<(u64, u64), Failure> {
    // The first name after the plugin's.
    let end = [plugin.as_bytes(), b"\0"].concat();
    let (begin, end) = ((plugin.as_bytes(), [].as_slice()), (end.as_slice(), [].as_slice()));
    let (mut keys, mut bytes, mut gone) = (0, 0, Vec::new());
    values.retain_in(begin..end, |(_, key), value| {
        let stays = value.0 > now || key == kept.as_bytes();
        if !stays {
            keys += 1;
            bytes += length(value);
            gone.push(key.to_vec());
        }
        stays
    })?;
    let mut times = transaction.open_table(VALUE_TIMES)?;
    for key in gone {
        times.remove((plugin.as_bytes(), key.as_slice()))?;
    }
    Ok((keys, bytes))
}
