//! Instances that have no call under way.

use std::any::Any;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tidegate_core::connection::ConnectionId;
use wasmtime::Store;
use wasmtime::component::Instance;

use super::guest::GuestEvent;
use super::state::CallState;

/// Sessions that have an instance of a plugin at once; each holds a place in the pool.
const MAX_SESSIONS: usize = 16;
/// How long an instance waits for the next file operation of its session.
pub const WAITING_TIME: Duration = Duration::from_secs(1);
/// Calls of a session on one instance: what a guest forgets to free must not end in a refusal.
const MAX_CALLS: u32 = 1000;

/// An instance that can be called.
pub struct Ready {
    pub store: Store<CallState>,
    instance: Instance,
    calls: u32,
    /// That were called before: looking one up again takes as long as a short call.
    functions: Vec<Box<dyn Any + Send + Sync>>,
}

impl Ready {
    pub fn new(store: Store<CallState>, instance: Instance) -> Self {
        Self { store, instance, calls: 0, functions: Vec::new() }
    }

    pub fn function<E: GuestEvent>(&mut self, export: &E::Export) -> wasmtime::Result<E::Function> {
        if let Some(known) = self.functions.iter().find_map(|known| known.downcast_ref::<E::Function>()) {
            return Ok(known.clone());
        }
        let found = E::find(export, &mut self.store, &self.instance)?;
        self.functions.push(Box::new(found.clone()));
        Ok(found)
    }

    /// After a call: whether the same session may have another one. Half of the memory that it
    /// may use has to be left.
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

/// Whose calls an instance has served: it never serves another account's.
struct OfAccount {
    account: String,
    ready: Ready,
}

#[derive(Default)]
pub struct Kept {
    /// Made ahead of need, for no session yet.
    pub ready: Vec<Ready>,
    /// Warm ones, the one that was used last at the end.
    of_accounts: VecDeque<OfAccount>,
    /// Had their call: taking them down is not the caller's business.
    pub spent: Vec<Ready>,
    /// A start function may take its time, and nothing spent is taken down meanwhile.
    pub is_making: bool,
    /// The one that was used last at the end.
    of_sessions: VecDeque<OfSession>,
}

/// What became of an instance that was given back.
pub enum GivenBack {
    Kept,
    /// It is the only one that waits for its session: somebody has to look after the time.
    First,
    /// To be taken down.
    Surplus(Ready),
}

impl Kept {
    /// For a call, of this session if it says so.
    pub fn take(&mut self, session: Option<&ConnectionId>) -> Option<Ready> {
        let waiting = session.and_then(|session| self.of_sessions.iter().position(|kept| kept.session == *session));
        match waiting.and_then(|at| self.of_sessions.remove(at)) {
            Some(kept) => Some(kept.ready),
            None => self.ready.pop(),
        }
    }

    /// For a call about this account.
    pub fn take_warm(&mut self, account: &str) -> Option<Ready> {
        let known = self.of_accounts.iter().rposition(|kept| kept.account == account);
        match known.and_then(|at| self.of_accounts.remove(at)) {
            Some(kept) => Some(kept.ready),
            None => self.ready.pop(),
        }
    }

    /// After a call that went well; what there is no room for is given back.
    pub fn keep_warm(&mut self, account: &str, ready: Ready, most: usize) -> Option<Ready> {
        self.of_accounts.push_back(OfAccount { account: account.to_owned(), ready });
        let surplus = self.of_accounts.len() > most;
        surplus.then(|| self.of_accounts.pop_front()).flatten().map(|oldest| oldest.ready)
    }

    /// After a call that went well.
    pub fn give_back(&mut self, mut ready: Ready, session: &ConnectionId) -> GivenBack {
        if !ready.is_fit_for_more() {
            return GivenBack::Surplus(ready);
        }
        let was_empty = self.of_sessions.is_empty();
        self.of_sessions.push_back(OfSession { session: session.clone(), ready, since: Instant::now() });
        if self.of_sessions.len() > MAX_SESSIONS {
            return self.of_sessions.pop_front().map_or(GivenBack::Kept, |oldest| GivenBack::Surplus(oldest.ready));
        }
        if was_empty { GivenBack::First } else { GivenBack::Kept }
    }

    pub fn waits_for_sessions(&self) -> bool {
        !self.of_sessions.is_empty()
    }

    /// What is to be taken down now.
    pub fn take_spent(&mut self) -> Vec<Ready> {
        let mut spent = std::mem::take(&mut self.spent);
        while self.of_sessions.front().is_some_and(|oldest| oldest.since.elapsed() >= WAITING_TIME) {
            spent.extend(self.of_sessions.pop_front().map(|oldest| oldest.ready));
        }
        spent
    }
}
