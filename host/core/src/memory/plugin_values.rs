//! The values that plugins keep.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;

use super::{MemoryStore, PluginValue};
use crate::ports::{
    MAX_KEY_LENGTH, MAX_KEYS, MAX_VALUE_BYTES, MAX_VALUE_LENGTH, PluginStore, PluginStoreError, PluginValueFacts,
    counted,
};

type Values = BTreeMap<String, PluginValue>;

impl MemoryStore {
    fn with_values<T>(&self, plugin: &str, work: impl FnOnce(&mut Values, i64) -> T) -> T {
        let mut state = self.state();
        work(state.values.entry(plugin.to_owned()).or_default(), self.clock.now())
    }
}

#[async_trait]
impl PluginStore for MemoryStore {
    async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, PluginStoreError> {
        Ok(self.with_values(plugin, |values, now| current(values, key, now).map(|value| value.value.clone())))
    }

    async fn set(&self, plugin: &str, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), PluginStoreError> {
        self.with_values(plugin, |values, now| store(values, key, value, expiry(now, ttl), now))
    }

    async fn remove(&self, plugin: &str, key: &str) -> Result<(), PluginStoreError> {
        self.with_values(plugin, |values, _| drop(values.remove(key)));
        Ok(())
    }

    async fn list_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PluginStoreError> {
        let begin = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        Ok(self.with_values(plugin, |values, now| {
            let found = values.range::<str, _>((begin, Bound::Unbounded));
            let found = found.take_while(|(key, _)| key.starts_with(prefix)).filter(|(_, value)| value.is_current(now));
            found.take(usize::try_from(limit).unwrap_or(usize::MAX)).map(|(key, _)| key.clone()).collect()
        }))
    }

    async fn list_values(&self, plugin: &str, limit: u32) -> Result<Vec<PluginValueFacts>, PluginStoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let facts = |(key, value): (&String, &PluginValue)| PluginValueFacts {
            key: key.clone(),
            size: value.value.len() as u64,
            stored_at: Some(value.stored_at),
        };
        Ok(self.with_values(plugin, |values, now| {
            values.iter().filter(|(_, value)| value.is_current(now)).take(limit).map(facts).collect()
        }))
    }

    async fn increment(
        &self,
        plugin: &str,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PluginStoreError> {
        self.with_values(plugin, |values, now| {
            let found = current(values, key, now);
            let sum = counted(found.map(|found| &*found.value), delta)?;
            let expires_at = found.map_or_else(|| expiry(now, ttl), |found| found.expires_at);
            store(values, key, sum.to_string().as_bytes(), expires_at, now)?;
            Ok(sum)
        })
    }

    async fn compare_and_set(
        &self,
        plugin: &str,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, PluginStoreError> {
        self.with_values(plugin, |values, now| {
            if current(values, key, now).map(|found| &*found.value) != expected {
                return Ok(false);
            }
            store(values, key, new, expiry(now, ttl), now)?;
            Ok(true)
        })
    }
}

impl PluginValue {
    fn is_current(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

fn current<'a>(values: &'a Values, key: &str, now: i64) -> Option<&'a PluginValue> {
    values.get(key).filter(|value| value.is_current(now))
}

fn expiry(now: i64, ttl: Option<Duration>) -> Option<i64> {
    ttl.map(|ttl| now.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)))
}

fn store(
    values: &mut Values,
    key: &str,
    value: &[u8],
    expires_at: Option<i64>,
    now: i64,
) -> Result<(), PluginStoreError> {
    if key.len() > MAX_KEY_LENGTH || value.len() > MAX_VALUE_LENGTH {
        return Err(PluginStoreError::TooLarge);
    }
    let fits = |values: &Values| {
        let others = values.iter().filter(|(other, _)| *other != key);
        let (keys, bytes) = others.fold((0, 0), |(keys, bytes), (_, value)| (keys + 1, bytes + value.value.len()));
        keys < MAX_KEYS && bytes + value.len() <= MAX_VALUE_BYTES
    };
    if !fits(values) {
        values.retain(|_, value| value.is_current(now));
        if !fits(values) {
            return Err(PluginStoreError::Full);
        }
    }
    values.insert(key.to_owned(), PluginValue { value: value.to_vec(), expires_at, stored_at: now });
    Ok(())
}
