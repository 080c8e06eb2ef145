//! Configuration, store, secrets and log of a native test. Each thread has its own, and so has each test.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::AccessError;
use crate::kv::KvError;
use crate::log::Level;

#[derive(Default)]
struct Host {
    config: Value,
    secrets: BTreeMap<String, String>,
    values: BTreeMap<String, Vec<u8>>,
    lines: Vec<(Level, String)>,
    now: Option<u64>,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// Clears everything that the test has set and the hook has stored or logged.
pub fn reset() {
    HOST.take();
}

/// Sets the plugin's table `config`, as JSON.
///
/// # Panics
///
/// If the text is not JSON: the test is wrong then.
pub fn set_config(json: &str) {
    let config = serde_json::from_str(json).expect("the configuration of a test is JSON");
    HOST.with_borrow_mut(|host| host.config = config);
}

/// Sets a secret, as if the operator had given it to the plugin.
pub fn set_secret(name: &str, value: &str) {
    HOST.with_borrow_mut(|host| host.secrets.insert(name.to_owned(), value.to_owned()));
}

/// Stops the clock at this time, in seconds since 1970.
pub fn set_time(seconds: u64) {
    HOST.with_borrow_mut(|host| host.now = Some(seconds));
}

/// Stands in for `clock::now`.
#[doc(hidden)]
pub fn now() -> u64 {
    let real = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    HOST.with_borrow(|host| host.now).unwrap_or_else(real)
}

/// The messages that the hook has logged so far.
pub fn logged() -> Vec<String> {
    HOST.with_borrow(|host| host.lines.iter().map(|(_, message)| message.clone()).collect())
}

/// Stands in for `config::get`.
#[doc(hidden)]
pub fn config(key: &str) -> Option<String> {
    HOST.with_borrow(|host| {
        let found = key.split('.').try_fold(&host.config, |value, part| value.get(part))?;
        Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
    })
}

/// Stands in for `config::to_json`.
#[doc(hidden)]
pub fn config_json() -> String {
    HOST.with_borrow(|host| if host.config.is_null() { "{}".to_owned() } else { host.config.to_string() })
}

/// Stands in for `secrets::get`.
///
/// # Errors
/// [`AccessError::NotGranted`] if the test has not set the secret.
#[doc(hidden)]
pub fn secret(name: &str) -> Result<String, AccessError> {
    HOST.with_borrow(|host| host.secrets.get(name).cloned()).ok_or_else(|| AccessError::NotGranted(name.to_owned()))
}

/// Stands in for `log::log`; the fields are dropped.
#[doc(hidden)]
pub fn log(level: Level, message: &str, _fields: &[(String, String)]) {
    HOST.with_borrow_mut(|host| host.lines.push((level, message.to_owned())));
}

/// Stands in for `kv::get`.
///
/// # Errors
/// Never in a test; on the server if the store is unavailable.
#[doc(hidden)]
pub fn get(key: &str) -> Result<Option<Vec<u8>>, KvError> {
    Ok(HOST.with_borrow(|host| host.values.get(key).cloned()))
}

/// Stands in for `kv::set`; nothing expires in a test.
///
/// # Errors
/// Never in a test; on the server if the quota is full, the key or value too large, or the store unavailable.
#[doc(hidden)]
pub fn set(key: &str, value: &[u8], _ttl_seconds: Option<u32>) -> Result<(), KvError> {
    HOST.with_borrow_mut(|host| host.values.insert(key.to_owned(), value.to_vec()));
    Ok(())
}

/// Stands in for `kv::delete`.
///
/// # Errors
/// Never in a test; on the server if the store is unavailable.
#[doc(hidden)]
pub fn delete(key: &str) -> Result<(), KvError> {
    HOST.with_borrow_mut(|host| host.values.remove(key));
    Ok(())
}

/// Stands in for `kv::list_keys`.
///
/// # Errors
/// Never in a test; on the server if the store is unavailable.
#[doc(hidden)]
pub fn list_keys(prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Vec<String>, KvError> {
    let after = cursor.unwrap_or_default();
    Ok(HOST.with_borrow(|host| {
        let keys = host.values.keys().filter(|key| key.starts_with(prefix) && key.as_str() > after);
        keys.take(limit as usize).cloned().collect()
    }))
}

/// Stands in for `kv::increment`; the store keeps counters as decimal text.
///
/// # Errors
/// [`KvError::Unavailable`] if the value under the key is not a counter.
#[doc(hidden)]
pub fn increment(key: &str, delta: i64, _ttl_seconds: Option<u32>) -> Result<i64, KvError> {
    HOST.with_borrow_mut(|host| {
        let value = host.values.entry(key.to_owned()).or_insert_with(|| b"0".to_vec());
        let count: i64 = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| KvError::Unavailable("the value under this key is not a counter".to_owned()))?;
        *value = (count + delta).to_string().into_bytes();
        Ok(count + delta)
    })
}

/// Stands in for `kv::compare_and_set`; nothing expires in a test.
///
/// # Errors
/// Never in a test; on the server as for `kv::set`.
#[doc(hidden)]
pub fn compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    new: &[u8],
    _ttl_seconds: Option<u32>,
) -> Result<bool, KvError> {
    HOST.with_borrow_mut(|host| {
        if host.values.get(key).map(Vec::as_slice) != expected {
            return Ok(false);
        }
        host.values.insert(key.to_owned(), new.to_vec());
        Ok(true)
    })
}
