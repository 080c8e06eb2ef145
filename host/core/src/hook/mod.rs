//! Hooks: typed events, one trait, one chain. Adapters (components, programs, web servers) only
//! translate; deadlines and concurrency live in [`link`], selection and the fail rule in [`chain`].

mod again;
mod attempt;
mod call;
pub mod chain;
pub mod check_password;
pub mod deadline;
mod decision;
pub mod events;
pub mod external_auth;
mod in_order;
pub mod keyboard_interactive;
mod kind;
pub mod link;
pub mod observation;
pub mod observers;
mod own_time;
pub mod pre_login;
mod queue;
pub mod rendering;
pub mod review;
mod selector;
mod telling;
#[cfg(test)]
mod telling_tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use attempt::{Comparisons, LoginAttempt};
pub(crate) use call::kept;
pub use call::{Call, CallPlace, Delivery, Exchange, HookJournal, HookRun, NoJournal, Waiting, WaitsFor};
pub use chain::{Chain, GateFailure};
pub use decision::{DecidingCall, LastDecision};
pub use in_order::Order;
pub use kind::{Family, HookKind};
pub use link::{HookHost, Link, LinkSettings, OnError};
pub use observers::Observers;
pub use own_time::OwnTime;
pub use selector::{Selectable, Selector, Subject};

use self::keyboard_interactive::Asker;
use crate::account::{AccountDraft, AccountRights};
use crate::path::VirtualPath;
use crate::turns::Waiter;

/// An event that hooks are asked about, or told of.
pub trait HookEvent: Send + Sync + 'static {
    /// The answer of a hook; `()` for observers.
    type Verdict: Send + 'static;
    /// The hook point of the event.
    const KIND: HookKind;

    /// What the event is about, for selectors and records.
    fn subject(&self) -> Subject<'_>;

    /// The address and account in whose turn observers get the event.
    fn waiter(&self) -> Waiter<'_> {
        self.subject().waiter()
    }

    /// The time that counts for the deadline of a hook that talks with the client; None: all time counts.
    fn own_time(&self) -> Option<&OwnTime> {
        None
    }

    /// Which earlier events hooks have to get before this one. None: none.
    fn order(&self) -> Option<Order> {
        None
    }

    /// The names of the hooks that an earlier process has told, each as often as it did.
    fn told_before(&self) -> &[String] {
        &[]
    }

    /// The hook of that name has got the event, or will not get it; others are still to get it.
    fn told(&self, _hook: &str) {}

    /// All hooks have got the event, or none has to.
    fn settled(&self) {}

    /// The verdict's name and reason, for records.
    fn label(verdict: &Self::Verdict) -> (&'static str, &str);

    /// What a verdict has the client told.
    fn client_message(_verdict: &Self::Verdict) -> Option<&str> {
        None
    }

    /// A hook is asked next.
    fn next_asks(&self, _asker: &dyn Fn() -> Asker) {}

    /// The account that the verdict makes, if any, to be bound to the rights of the hook.
    fn account(_verdict: &mut Self::Verdict) -> Option<&mut AccountDraft> {
        None
    }
}

/// An event of a gate: the verdict decides.
pub trait GateEvent: HookEvent {
    /// Whether the chain stops at this verdict.
    fn is_final(verdict: &Self::Verdict) -> bool;

    /// The verdict when no link decided.
    fn undecided() -> Self::Verdict;

    /// The verdict of a link that failed, where the operator has set `on_error = "allow"` (B17-01).
    fn allowed() -> Self::Verdict;

    /// Changes the event for the next link by a verdict that is not final.
    ///
    /// # Errors
    /// The verdict cannot be used; the link has failed then.
    fn take_in(&mut self, _verdict: Self::Verdict) -> Result<(), HookError> {
        Ok(())
    }

    /// Completes what the verdicts so far have changed, before the event goes to another link.
    ///
    /// # Errors
    /// The event cannot be completed. The gate refuses then, whatever `on_error` says: the next link would decide
    /// about something else than what is going to be in force.
    fn complete(&mut self) -> impl Future<Output = Result<(), HookError>> + Send {
        std::future::ready(Ok(()))
    }
}

/// One hook: a component, a program or a web server.
#[async_trait]
pub trait Hook<E: HookEvent>: Send + Sync {
    /// The name in logs and records, unique in its chain.
    fn name(&self) -> &str;

    /// `program`, `http` or `plugin`.
    fn adapter(&self) -> &'static str;

    /// The most calls that the hook takes at once, whatever its links say.
    fn calls_at_once(&self) -> usize {
        usize::MAX
    }

    /// Whether the event must hold everything before the call, and not only what the hook asks for: a program
    /// gets everything when it starts.
    fn needs_everything(&self) -> bool {
        true
    }

    /// Whether a call may wait for something outside of the server, such as a process or a network, and not only
    /// compute.
    fn may_wait(&self) -> bool {
        true
    }

    /// Whether the hook is to be given the password that a session began with (D-15).
    fn needs_password(&self) -> bool {
        false
    }

    /// Whether the stored credential decides for a time after the last login, and the hook is not asked, as hooks of the
    /// older server expect (B8-02).
    fn relies_on_last_login(&self) -> bool {
        false
    }

    /// The hook as `tidegate hook list` shows it.
    fn description(&self) -> HookDescription;

    /// What the answers of the hook may make of accounts; None: its link says so.
    fn account_rights(&self) -> Option<Arc<AccountRights>> {
        None
    }

    /// The pause before an event is sent to the hook again, after `tries` times; None: it is not sent again. Observers
    /// ask, after an error, where no operation waits (B0-08a).
    fn pause(&self, _error: &HookError, _tries: u32) -> Option<Duration> {
        None
    }

    /// Asks or tells the hook. The link bounds the time and the number of calls.
    ///
    /// # Errors
    /// The hook could not be called, or gave no answer that can be used.
    async fn call(&self, call: &Call, event: &E) -> Result<E::Verdict, HookError>;
}

/// What `tidegate hook list` shows of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookDescription {
    /// The path, the URL without credentials, or the plugin's name.
    pub target: String,
    /// How long a call may take.
    pub deadline: Duration,
    /// `ready`, or why the hook is not.
    pub health: String,
    /// The digest of a component; None: the hook is no component, or not loaded.
    pub version: Option<String>,
    /// What the operator has granted to the hook, in words.
    pub grants: Vec<String>,
    /// Limits of the hook in words, such as `memory 64 MiB`; may be empty.
    pub limits: String,
}

impl HookDescription {
    /// A description without version, grants and limits.
    pub fn new(target: impl Into<String>, deadline: Duration, health: impl Into<String>) -> Self {
        let (target, health) = (target.into(), health.into());
        Self { target, deadline, health, version: None, grants: Vec::new(), limits: String::new() }
    }
}

/// The span in which the hooks of a point are asked or told.
fn span_of(kind: HookKind) -> tracing::Span {
    tracing::info_span!(target: crate::trace::TARGET, "hook", kind = kind.as_str())
}

/// A decision against the client: a verdict, never an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Denial {
    /// The reason, for the log; at login the client does not see it.
    pub reason: String,
    /// A text for the client, sent where the protocol has room for it; never at login.
    pub client_message: Option<String>,
}

impl Denial {
    /// A denial without a message for the client.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), client_message: None }
    }
}

/// Why a hook could not decide. The server acts on the kind alone; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// The program could not be started, the web server not be reached, or the plugin is missing.
    #[error("could not be reached: {0}")]
    Unavailable(String),
    /// The hook did not answer within its deadline.
    #[error("did not answer within {0:?}")]
    Timeout(Duration),
    /// The deadline passed while the call was waiting for its turn: the hook itself was not slow.
    #[error("was still waiting for {1} after {0:?}")]
    Waited(Duration, WaitsFor),
    /// The hook reported a failure, or broke off.
    #[error("failed: {0}")]
    Failed(String),
    /// The hook reported a failure, and that the same call may succeed later.
    #[error("failed: {0}")]
    Transient(String),
    /// The answer is malformed, or not allowed.
    #[error("gave an answer that cannot be used: {0}")]
    BadOutput(String),
    /// A component exceeded its memory or time, or a hook the size of an answer or the number of rounds.
    #[error("exceeded a limit: {0}")]
    Limit(String),
    /// The event has this path, which is not UTF-8, and the hook gets text: it would decide about another file.
    /// The gate refuses then, whatever `on_error` says, because it is the client that chooses names.
    #[error("cannot take the name {0}, which is not UTF-8")]
    NotText(String),
    /// Too many calls wait for a place already.
    #[error("has too many calls under way")]
    Saturated,
}

impl HookError {
    /// The error of a hook that decides, and cannot take this path.
    pub fn not_text(path: &VirtualPath) -> Self {
        Self::NotText(format!("{:?}", path.as_os_str()))
    }

    /// Whether the hook was not even asked.
    fn comes_before_the_call(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Waited(_, WaitsFor::Place) | Self::Saturated)
    }

    /// The kind, as a label in logs, records and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Timeout(_) => "timeout",
            Self::Waited(..) => "waited",
            Self::Failed(_) | Self::Transient(_) => "failed",
            Self::BadOutput(_) => "bad-output",
            Self::Limit(_) => "limit",
            Self::NotText(_) => "not-text",
            Self::Saturated => "saturated",
        }
    }
}
