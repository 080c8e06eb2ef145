//! One call of one link: what adapters say of it, and what is kept.

use core::net::IpAddr;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{HookError, HookKind};
use crate::connection::ConnectionId;
use crate::turns::Place;

/// Longest text that is kept of each side of an exchange, in characters.
const MAX_KEPT: usize = 4096;

/// Given to an adapter with the event; it notes here what went over the wire. Secrets are
/// left out by the adapter, which alone knows where they are.
#[derive(Debug, Default)]
pub struct Call {
    exchange: Mutex<Exchange>,
    waiting: Waiting,
    place: Mutex<Option<Place>>,
    is_awaited: bool,
}

/// What a call waits for that is not the hook's own doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Among the calls of the hook that may be under way at once.
    Place,
    /// Its turn to have a password compared.
    Passwords,
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Place => "a place among the hook's calls (concurrency)",
            Self::Passwords => "its turn to have a password compared",
        })
    }
}

/// What the call waits for at the moment; shared with the task that does its work.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<AtomicU8>);

impl Waiting {
    /// A wait that is broken off stays noted, for the error that says what was waited for.
    pub async fn during<T>(&self, what: WaitsFor, work: impl Future<Output = T>) -> T {
        let code = match what {
            WaitsFor::Place => 1,
            WaitsFor::Passwords => 2,
        };
        self.0.store(code, Ordering::Relaxed);
        let done = work.await;
        self.0.store(0, Ordering::Relaxed);
        done
    }

    pub fn now(&self) -> Option<WaitsFor> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(WaitsFor::Place),
            2 => Some(WaitsFor::Passwords),
            _ => None,
        }
    }
}

/// One of the calls that a link may have under way: taken until it is dropped. Work that goes on
/// when its caller has gone, such as a program, keeps it.
#[derive(Debug, Clone, Default)]
pub struct CallPlace {
    _taken: Option<Arc<Place>>,
}

/// What one call sent, got and used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    pub sent: String,
    pub received: String,
    pub standard_error: String,
    /// Of a component: the version that answered (its digest).
    pub version: Option<Arc<str>>,
    /// Largest memory of a component, in bytes.
    pub memory: Option<usize>,
    /// Time that a component computed, as far as the host counts it.
    pub cpu: Option<Duration>,
}

impl Call {
    /// What a call that had not ended at its deadline comes to.
    pub fn late(&self, deadline: Duration) -> HookError {
        match self.waiting.now() {
            Some(what) => HookError::Waited(deadline, what),
            None => HookError::Timeout(deadline),
        }
    }

    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// For an operation that waits for it: it is not to be tried again later.
    pub fn awaited(is_awaited: bool) -> Self {
        Self { is_awaited, ..Self::default() }
    }

    pub fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    pub(super) fn occupy(&self, place: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// The place of this call, which else is free when the call is over.
    pub fn take_place(&self) -> CallPlace {
        let taken = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        CallPlace { _taken: taken.map(Arc::new) }
    }

    pub fn sent(&self, text: impl AsRef<str>) {
        self.lock().sent = kept(text.as_ref());
    }

    pub fn received(&self, text: impl AsRef<str>) {
        let mut exchange = self.lock();
        let text = kept(text.as_ref());
        if exchange.received.len() + text.len() <= MAX_KEPT {
            exchange.received.push_str(&text);
        }
    }

    pub fn standard_error(&self, text: impl AsRef<str>) {
        self.lock().standard_error = kept(text.as_ref());
    }

    pub fn version(&self, version: &Arc<str>) {
        self.lock().version = Some(version.clone());
    }

    pub fn used(&self, memory: usize, cpu: Duration) {
        let mut exchange = self.lock();
        exchange.memory = Some(memory);
        exchange.cpu = Some(cpu);
    }

    pub fn finish(&self) -> Exchange {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kept(text: &str) -> String {
    match text.char_indices().nth(MAX_KEPT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The record of one call, for `tidegate hook runs` and the counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// Milliseconds since 1970.
    pub at: i64,
    /// A hook point, or `login` for what the login came to.
    pub kind: &'static str,
    pub hook: Arc<str>,
    pub adapter: &'static str,
    pub connection: Option<ConnectionId>,
    pub username: Option<String>,
    pub address: Option<IpAddr>,
    /// The login method or the file action.
    pub about: Option<String>,
    /// The verdict's name, or the kind of the error.
    pub outcome: &'static str,
    /// A denial's reason or an error's text.
    pub detail: String,
    pub is_error: bool,
    /// Whether the gate ended with this link.
    pub decided: bool,
    pub duration: Duration,
    pub exchange: Exchange,
}

/// Keeps records; never waits, and drops what it has no room for.
pub trait HookJournal: Send + Sync {
    fn record(&self, run: HookRun);

    /// An event for observers was dropped because too many waited (B0-10).
    fn event_dropped(&self, _kind: HookKind) {}
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoJournal;

impl HookJournal for NoJournal {
    fn record(&self, _run: HookRun) {}
}
