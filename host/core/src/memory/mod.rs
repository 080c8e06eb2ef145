//! A store in memory, lost when dropped: for servers that keep nothing (`driver = "memory"`) and for tests.
//! It does only what the ports demand, so it is also their reference.

mod account_lists;
mod directory;
mod hook_runs;
#[cfg(test)]
pub(crate) mod outage;
mod plugin_values;
mod usages;
mod writing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ports::{AddedBatches, Clock, HookCounter, NodeName, StoredAudit, StoredRun, SystemClock};
use crate::quota::Scope;

/// The most changes that are kept for servers to read.
const CHANGES_KEPT: usize = 10_000;

/// All the stores of a server, in memory.
pub struct MemoryStore {
    /// Held for as long as one method works, and never across an `.await`.
    state: Mutex<State>,
    changed: Notify,
    /// Says when plugins' values expire.
    clock: Arc<dyn Clock>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }
}

#[derive(Default)]
struct State {
    /// Counts how often it may have been changed.
    changed: i64,
    /// By the kind of the collection.
    collections: BTreeMap<&'static str, Rows>,
    changes: VecDeque<(String, String)>,
    /// The number of changes before the oldest one in `changes`.
    changes_forgotten: usize,
    audit: VecDeque<StoredAudit>,
    marks: BTreeMap<Scope, NodeName>,
    /// By their writer.
    batches: BTreeMap<String, AddedBatches>,
    values: BTreeMap<String, BTreeMap<String, PluginValue>>,
    runs: VecDeque<StoredRun>,
    runs_so_far: i64,
    /// By kind, hook, version and outcome.
    counters: BTreeMap<[String; 4], HookCounter>,
}

/// The state for one method. It counts as changed where it is not only read.
struct Locked<'a>(MutexGuard<'a, State>);

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.0.changed += 1;
        &mut self.0
    }
}

#[derive(Default)]
struct Rows {
    last_id: i64,
    by_name: BTreeMap<Box<str>, Row>,
    /// The names of accounts by their keys.
    by_key: BTreeMap<Key, BTreeSet<Box<str>>>,
}

/// What an account is found by: the kind and the name of one of its [keys](crate::ports::account_keys).
type Key = (&'static str, Box<str>);

/// A document as text, which takes a tenth of the memory of a tree.
struct Row {
    id: i64,
    revision: i64,
    /// A JSON object, without what the server maintains.
    text: Box<str>,
    /// Of an account: as many as it has groups, and few others.
    keys: Box<[Key]>,
    /// In the order of [`Collection::maintained`](crate::ports::Collection::maintained); empty: all are 0.
    maintained: Box<[i64]>,
    last_code_step: i64,
}

struct PluginValue {
    value: Vec<u8>,
    /// Milliseconds since 1970.
    expires_at: Option<i64>,
    /// Milliseconds since 1970.
    stored_at: i64,
}

impl MemoryStore {
    /// An empty store, whose values of plugins expire by `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), changed: Notify::default(), clock }
    }

    fn state(&self) -> Locked<'_> {
        Locked(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
impl MemoryStore {
    /// Adds or replaces an account, as an administrator would.
    pub fn put(&self, user: &crate::account::User) {
        use futures_util::FutureExt;

        use crate::account::Audience;
        use crate::ports::{Change, Directory, USERS, Write};

        let (name, document) = (user.username.clone(), user.to_document(Audience::Trusted));
        let found = self.find(&USERS, &name).now_or_never().unwrap().unwrap();
        let write = match found {
            Some(stored) => Write::Replace { document, expected: stored.version, reset: Vec::new() },
            None => Write::Add(document),
        };
        let change = Change { collection: &USERS, name, write, announce: true, audit: None };
        self.commit(vec![change]).now_or_never().unwrap().unwrap();
    }

    /// Deletes an account, as an administrator would.
    pub async fn remove(&self, username: &str) {
        use crate::ports::{Change, Directory, USERS, Write};

        let write = Write::Delete { expected: None };
        let change = Change { collection: &USERS, name: username.to_owned(), write, announce: true, audit: None };
        self.commit(vec![change]).await.unwrap();
    }

    /// The account as it is stored now.
    pub async fn user(&self, username: &str) -> Option<crate::account::User> {
        crate::account::find_user(self, username).await.unwrap()
    }
}
