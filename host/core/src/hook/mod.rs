//! Hooks: typed events, one trait, one chain. Adapters (components, programs, web servers)
//! only translate; deadlines, concurrency, selection and the fail rule live in [`chain`].

mod attempt;
mod call;
pub mod chain;
pub mod check_password;
pub mod deadline;
pub mod events;
pub mod external_auth;
pub mod keyboard_interactive;
mod kind;
pub mod link;
pub mod observation;
pub mod observers;
mod own_time;
pub mod pre_login;
pub mod review;
mod selector;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use attempt::{Comparisons, LoginAttempt};
pub use call::{Call, CallPlace, Exchange, HookJournal, HookRun, NoJournal, Waiting, WaitsFor};
pub use chain::{Chain, GateFailure};
pub use kind::{Family, HookKind};
pub use link::{HookHost, Link, LinkSettings, OnError};
pub use observers::{Delivery, Observers};
pub use own_time::OwnTime;
pub use selector::{Selectable, Selector, Subject};

use crate::account::{AccountDraft, AccountRights};

/// Something hooks are asked about, or told of.
pub trait HookEvent: Send + Sync + 'static {
    type Verdict: Send + 'static;
    const KIND: HookKind;

    /// For selectors and records.
    fn subject(&self) -> Subject<'_>;

    /// Of an event that the hook talks with the client about: what its deadline counts.
    fn own_time(&self) -> Option<&OwnTime> {
        None
    }

    /// The verdict's name and reason, for records.
    fn label(verdict: &Self::Verdict) -> (&'static str, &str);

    /// The account that the verdict makes, if it makes one: what it may be depends on the hook.
    fn account(_verdict: &mut Self::Verdict) -> Option<&mut AccountDraft> {
        None
    }
}

/// An event whose answer decides.
pub trait GateEvent: HookEvent {
    /// Whether the chain stops at this verdict.
    fn is_final(verdict: &Self::Verdict) -> bool;

    /// The verdict when no link decided.
    fn undecided() -> Self::Verdict;

    /// What stands for the verdict of a link that failed, where the operator wants that to be a
    /// yes (B17-01).
    fn allowed() -> Self::Verdict;

    /// What a verdict that is not final changes for the next link.
    fn take_in(&mut self, _verdict: Self::Verdict) -> Result<(), HookError> {
        Ok(())
    }
}

/// One hook, whatever it is made of.
#[async_trait]
pub trait Hook<E: HookEvent>: Send + Sync {
    /// Unique in its chain; the name in logs.
    fn name(&self) -> &str;

    /// `program`, `http` or `plugin`.
    fn adapter(&self) -> &'static str;

    /// Whether an event must hold all that there is to know, not only what asks for it: a program
    /// is told everything before it starts.
    fn needs_everything(&self) -> bool {
        true
    }

    /// Whether it is to be given the password that a session began with (D-15).
    fn needs_password(&self) -> bool {
        false
    }

    fn description(&self) -> HookDescription;

    /// What its answers may make of accounts; none: what its link says.
    fn account_rights(&self) -> Option<Arc<AccountRights>> {
        None
    }

    async fn call(&self, call: &Call, event: &E) -> Result<E::Verdict, HookError>;
}

/// What `tidegate hook list` shows of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookDescription {
    /// The path, the URL without credentials, or the plugin's name.
    pub target: String,
    pub deadline: Duration,
    /// `ready`, or why it is not.
    pub health: String,
    /// Of a component: its digest.
    pub version: Option<String>,
    pub grants: Vec<String>,
    /// In words, such as `memory 64 MiB`.
    pub limits: String,
}

impl HookDescription {
    pub fn new(target: impl Into<String>, deadline: Duration, health: impl Into<String>) -> Self {
        let (target, health) = (target.into(), health.into());
        Self { target, deadline, health, version: None, grants: Vec::new(), limits: String::new() }
    }
}

/// A decision against the client: a verdict, never an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Denial {
    /// For the log; the client sees none of it at login.
    pub reason: String,
    /// Sent to the client where the protocol has room for it; never at login.
    pub client_message: Option<String>,
}

impl Denial {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), client_message: None }
    }
}

/// The hook could not decide. Only the kind counts for policy; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    #[error("could not be reached: {0}")]
    Unavailable(String),
    #[error("did not answer within {0:?}")]
    Timeout(Duration),
    /// The deadline passed before the hook had its turn: it is not the one that was slow.
    #[error("was still waiting for {1} after {0:?}")]
    Waited(Duration, WaitsFor),
    #[error("failed: {0}")]
    Failed(String),
    #[error("gave an answer that cannot be used: {0}")]
    BadOutput(String),
    #[error("exceeded a limit: {0}")]
    Limit(String),
    #[error("has too many calls under way")]
    Saturated,
}

impl HookError {
    /// The label in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Timeout(_) => "timeout",
            Self::Waited(..) => "waited",
            Self::Failed(_) => "failed",
            Self::BadOutput(_) => "bad-output",
            Self::Limit(_) => "limit",
            Self::Saturated => "saturated",
        }
    }
}
