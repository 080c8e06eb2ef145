//! One call of one link: what its adapter notes, and the record of it.

use core::net::IpAddr;
use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::keyboard_interactive::ROUND;
use super::rendering::Later;
use super::{HookError, HookKind};
use crate::connection::ConnectionId;
use crate::trace::trace_of;
use crate::turns::Place;

/// Longest text that is kept of each part of an exchange, in characters; what is received in several parts has
/// as many bytes in all.
const MAX_KEPT: usize = 4096;

/// Passed to an adapter with the event, for notes on what was sent and received. The adapter leaves out
/// secrets, because only it knows where they are.
#[derive(Debug, Default)]
pub struct Call {
    exchange: Mutex<Exchange>,
    waiting: Waiting,
    place: Mutex<Option<Place>>,
    /// The header `traceparent` of requests that the call makes.
    trace_parent: OnceLock<String>,
    only_tells: bool,
    delivery: Delivery,
}

/// What a call waits for before the hook can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// A place among the calls of the hook that may be under way at once.
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

/// What a call waits for at the moment, shared with the task that does its work.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<AtomicU8>);

impl Waiting {
    /// Notes `what` while `work` runs. If the wait is broken off, the note stays, so that the error can say what
    /// the call was waiting for.
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

    /// What the call waits for; None: nothing.
    pub fn now(&self) -> Option<WaitsFor> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(WaitsFor::Place),
            2 => Some(WaitsFor::Passwords),
            _ => None,
        }
    }
}

/// A place among the calls that a link may have under way, taken until it is dropped. Work that goes on after
/// its caller has left, such as a program, keeps it.
#[derive(Debug, Clone, Default)]
pub struct CallPlace {
    _taken: Option<Arc<Place>>,
}

/// Says while a call goes on that the hook has got the event: what the hook does with it, it does even if the server is
/// killed from then on (D-04). Of a call that never says so, it is known when the call has ended.
#[derive(Debug, Clone, Default)]
pub struct Delivery(Arc<Notify>);

impl Delivery {
    /// The hook has got the event.
    pub fn note(&self) {
        self.0.notify_one();
    }

    /// Waits until the hook has got the event. One task waits.
    pub async fn noted(&self) {
        self.0.notified().await;
    }
}

/// What one call sent, received and used; texts are cut at 4096 characters, and hold no secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// What was sent to the hook, if the adapter has noted it.
    pub sent: String,
    /// What the hook answered, if the adapter has noted it.
    pub received: String,
    /// Makes both, if the adapter has noted neither; see [`texts`](Self::texts).
    pub later: Later,
    /// What a program wrote to its standard error.
    pub standard_error: String,
    /// The digest of the component that answered; None: the hook is no component.
    pub version: Option<Arc<str>>,
    /// Largest memory of the component during the call, in bytes.
    pub memory: Option<usize>,
    /// Time for which the component computed, as far as the host counts it.
    pub cpu: Option<Duration>,
    /// The trace that the call was part of, as 32 hexadecimal digits (W3C Trace Context).
    pub trace: Option<String>,
}

impl Exchange {
    /// What was sent and what was received. Called where a record is stored: making them may take longer than the call.
    pub fn texts(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        match self.later.texts() {
            Some((sent, received)) => (kept(&sent).into(), kept(&received).into()),
            None => (self.sent.as_str().into(), self.received.as_str().into()),
        }
    }

    /// The exchange with its texts, for those who store nothing.
    #[must_use]
    pub fn rendered(self) -> Self {
        match self.later.texts() {
            Some((sent, received)) => {
                Self { sent: kept(&sent), received: kept(&received), later: Later::default(), ..self }
            }
            None => self,
        }
    }
}

impl Call {
    /// A call that is part of a trace. `parent`: the header `traceparent` of requests that it makes.
    pub fn in_trace(parent: Option<String>) -> Self {
        let call = Self::default();
        if let Some(parent) = parent {
            call.trace_parent(|| Some(parent));
        }
        call
    }

    /// A call after which nothing depends on the hook. Names that are not UTF-8 can then be sent approximately.
    #[must_use]
    pub fn that_only_tells(self) -> Self {
        Self { only_tells: true, ..self }
    }

    /// A call whose caller waits for this.
    #[must_use]
    pub fn delivering(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    /// Where an adapter notes that the hook has got the event, if that is before the end of the call.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Whether the hook can refuse something.
    pub fn decides(&self) -> bool {
        !self.only_tells
    }

    /// The header `traceparent` of requests that the call makes. `new`: that of a new trace, if it is part of none.
    pub fn trace_parent(&self, new: impl FnOnce() -> Option<String>) -> Option<&str> {
        if self.trace_parent.get().is_none()
            && let Some(parent) = new()
        {
            self.lock().trace = trace_of(&parent).map(str::to_owned);
            // Another request of the call may have begun the trace meanwhile.
            let _ = self.trace_parent.set(parent);
        }
        self.trace_parent.get().map(String::as_str)
    }

    /// The error of a call that has not ended at its deadline.
    pub fn late(&self, deadline: Duration) -> HookError {
        match self.waiting.now() {
            Some(what) => HookError::Waited(deadline, what),
            None => HookError::Timeout(deadline),
        }
    }

    /// What the call waits for.
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    pub(super) fn occupy(&self, place: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// Takes the place of this call over, which otherwise is free at the end of the call.
    pub fn take_place(&self) -> CallPlace {
        let taken = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        CallPlace { _taken: taken.map(Arc::new) }
    }

    /// Notes what was sent; a later note replaces it.
    pub fn sent(&self, text: impl AsRef<str>) {
        self.lock().sent = kept(text.as_ref());
    }

    /// Adds to what was received, while there is room.
    pub fn received(&self, text: impl AsRef<str>) {
        let mut exchange = self.lock();
        let before = exchange.received.chars().count();
        if before <= MAX_KEPT {
            let received = kept(&(std::mem::take(&mut exchange.received) + text.as_ref()));
            exchange.received = received;
        }
    }

    /// Notes what a program wrote to its standard error.
    pub fn standard_error(&self, text: impl AsRef<str>) {
        self.lock().standard_error = kept(text.as_ref());
    }

    /// Notes the digest of the component that answers.
    pub fn version(&self, version: &Arc<str>) {
        self.lock().version = Some(version.clone());
    }

    /// Notes what a component used. `memory`: bytes.
    pub fn used(&self, memory: usize, cpu: Duration) {
        let mut exchange = self.lock();
        exchange.memory = Some(memory);
        exchange.cpu = Some(cpu);
    }

    /// Takes the notes, at the end of the call.
    pub fn finish(&self) -> Exchange {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As much of the text as records keep.
pub(crate) fn kept(text: &str) -> String {
    match text.char_indices().nth(MAX_KEPT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The record of one call, for `tidegate hook runs` and the counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// When the call began, in milliseconds since 1970.
    pub at: i64,
    /// The name of the hook point, or `login` for the outcome of a login, `accept` for a connection that was closed as it
    /// arrived, or [`ROUND`](super::keyboard_interactive::ROUND) for questions to a user.
    pub kind: &'static str,
    /// The name of the hook.
    pub hook: Arc<str>,
    /// `program`, `http` or `plugin`; `server` for what no hook was asked about.
    pub adapter: &'static str,
    /// The connection that the event was about, if any.
    pub connection: Option<ConnectionId>,
    /// The user that the event was about, if any: as the client named it, or the changed object.
    pub username: Option<String>,
    /// The address of the client, if any.
    pub address: Option<IpAddr>,
    /// The login method or the file action that the event was about, if any.
    pub about: Option<String>,
    /// The verdict's name, or the kind of the error.
    pub outcome: &'static str,
    /// The reason of a denial, or the text of an error.
    pub detail: String,
    /// Whether the hook failed.
    pub is_error: bool,
    /// Whether the gate ended with this link.
    pub decided: bool,
    /// How long the call took, waiting included.
    pub duration: Duration,
    /// What was sent, received and used.
    pub exchange: Exchange,
}

impl HookRun {
    /// Whether the record is that of a call, or of an outcome, and is counted. How long a user takes to answer says nothing
    /// about a hook.
    pub fn is_counted(&self) -> bool {
        self.kind != ROUND
    }
}

/// Stores the records of hook calls. It never waits, and drops records that it has no room for.
pub trait HookJournal: Send + Sync {
    /// Queues a record.
    fn record(&self, run: HookRun);

    /// Counts an event for observers that was dropped because too many waited (B0-10).
    fn event_dropped(&self, _kind: HookKind) {}
}

/// A journal that stores nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoJournal;

impl HookJournal for NoJournal {
    fn record(&self, _run: HookRun) {}
}
