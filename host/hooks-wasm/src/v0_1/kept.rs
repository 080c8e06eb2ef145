//! Instances that have no call under way.

use std::any::Any;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tidegate_core::connection::ConnectionId;
use wasmtime::Store;
use wasmtime::component::Instance;

use super::guest::GuestEvent;
use super::state::CallState;

/// Sessions for which a plugin keeps an instance at once; each instance holds a place in the pool.
const MAX_SESSIONS: usize = 16;
/// How long an instance waits for the next file operation of its session.
const WAITING_TIME: Duration = Duration::from_secs(1);
/// Calls of a session on one instance: a guest that forgets to free memory gets a fresh one before a call fails.
const MAX_CALLS: u32 = 1000;

/// An instance that can be called.
pub struct Ready {
    /// The instance's store.
    pub store: Store<CallState>,
    instance: Instance,
    calls: u32,
    /// Functions that were called before: looking one up again takes as long as a short call.
    functions: Vec<Box<dyn Any + Send + Sync>>,
}

impl Ready {
    /// An instance that has had no call yet.
    pub fn new(store: Store<CallState>, instance: Instance) -> Self {
        Self { store, instance, calls: 0, functions: Vec::new() }
    }

    /// The guest's function for an event, looked up once for each instance.
    pub fn function<E: GuestEvent>(&mut self, export: &E::Export) -> wasmtime::Result<E::Function> {
        if let Some(known) = self.functions.iter().find_map(|known| known.downcast_ref::<E::Function>()) {
            return Ok(known.clone());
        }
        let found = E::find(export, &mut self.store, &self.instance)?;
        self.functions.push(Box::new(found.clone()));
        Ok(found)
    }

    /// Counts a call, and tells whether the same session may have another one on this instance.
    /// Half of the memory that the instance may use has to be left.
    fn is_fit_for_more(&mut self) -> bool {
        self.calls += 1;
        let state = self.store.data();
        let max = state.shared.settings.limits.memory_mib << 20;
        self.calls < MAX_CALLS && state.memory.used() <= max / 2
    }
}

struct OfSession {
    session: ConnectionId,
    ready: Ready,
    since: Instant,
}

/// A warm instance, and the account whose calls it serves: it never serves another account's.
struct OfAccount {
    account: String,
    ready: Ready,
}

/// The instances of a plugin that have no call under way.
#[derive(Default)]
pub struct Kept {
    /// Instances that were made ahead of need and have served no call.
    pub ready: Vec<Ready>,
    /// Warm instances, the one that was used last at the end.
    of_accounts: VecDeque<OfAccount>,
    /// Instances that had their last call. The plugin's task takes them down, so that no caller waits for that.
    pub spent: Vec<Ready>,
    /// An instance is being made: its start function may take long, and no spent instance is taken down meanwhile.
    pub is_making: bool,
    /// Instances that wait for the next call of their session, the one that was used last at the end.
    of_sessions: VecDeque<OfSession>,
    /// The plugin's task minds the time of these.
    is_watched: bool,
}

/// What became of an instance that was given back.
pub enum GivenBack {
    /// The instance waits for the next call of its session.
    Kept,
    /// The instance waits, and the plugin's task has to watch the time from now on.
    Unwatched,
    /// The instance is to be taken down.
    Surplus(Ready),
}

impl Kept {
    /// Takes an instance for a call: the one that waits for this session, or one that has served no call.
    pub fn take(&mut self, session: Option<&ConnectionId>) -> Option<Ready> {
        let waiting = session.and_then(|session| self.of_sessions.iter().position(|kept| kept.session == *session));
        match waiting.and_then(|at| self.of_sessions.remove(at)) {
            Some(kept) => Some(kept.ready),
            None => self.ready.pop(),
        }
    }

    /// Takes an instance for a call: the one of this account that was used last, or one that has served no call.
    pub fn take_warm(&mut self, account: &str) -> Option<Ready> {
        let known = self.of_accounts.iter().rposition(|kept| kept.account == account);
        match known.and_then(|at| self.of_accounts.remove(at)) {
            Some(kept) => Some(kept.ready),
            None => self.ready.pop(),
        }
    }

    /// Keeps a warm instance after a call that went well. Returns the one that was unused longest
    /// if there are more than `most`.
    pub fn keep_warm(&mut self, account: &str, ready: Ready, most: usize) -> Option<Ready> {
        self.of_accounts.push_back(OfAccount { account: account.to_owned(), ready });
        let surplus = self.of_accounts.len() > most;
        surplus.then(|| self.of_accounts.pop_front()).flatten().map(|oldest| oldest.ready)
    }

    /// Keeps an instance for its session after a call that went well.
    pub fn give_back(&mut self, mut ready: Ready, session: &ConnectionId) -> GivenBack {
        if !ready.is_fit_for_more() {
            return GivenBack::Surplus(ready);
        }
        self.of_sessions.push_back(OfSession { session: session.clone(), ready, since: Instant::now() });
        if self.of_sessions.len() > MAX_SESSIONS {
            return self.of_sessions.pop_front().map_or(GivenBack::Kept, |oldest| GivenBack::Surplus(oldest.ready));
        }
        if self.is_watched { GivenBack::Kept } else { GivenBack::Unwatched }
    }

    /// When the next instance has waited for its session long enough, for the plugin's task, which looks again then;
    /// None: the task need not look until it is woken for one.
    pub fn watch(&mut self) -> Option<Instant> {
        let next = self.of_sessions.front().map(|oldest| oldest.since + WAITING_TIME);
        self.is_watched = next.is_some();
        next
    }

    /// Removes the instances that are to be taken down now.
    pub fn take_spent(&mut self) -> Vec<Ready> {
        let mut spent = std::mem::take(&mut self.spent);
        while self.of_sessions.front().is_some_and(|oldest| oldest.since.elapsed() >= WAITING_TIME) {
            spent.extend(self.of_sessions.pop_front().map(|oldest| oldest.ready));
        }
        spent
    }
}
