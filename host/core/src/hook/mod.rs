//! Hooks: typed events, one trait, one chain. Adapters (components, programs, web servers)
//! only translate; deadlines, concurrency and the fail rule live in [`chain`].

pub mod chain;
pub mod external_auth;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

pub use chain::{Chain, GateFailure, Link, OnError};

/// The points at which the server asks or tells hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookKind {
    ExternalAuth,
}

impl HookKind {
    pub const ALL: [Self; 1] = [Self::ExternalAuth];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExternalAuth => "external-auth",
        }
    }
}

impl fmt::Display for HookKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something hooks are asked about.
pub trait HookEvent: Send + Sync + 'static {
    type Verdict: Send + 'static;
    const KIND: HookKind;
}

/// An event whose answer decides. Observers will have a trait of their own.
pub trait GateEvent: HookEvent {
    /// Whether the chain stops at this verdict.
    fn is_final(verdict: &Self::Verdict) -> bool;
    /// The verdict when no link decided.
    fn undecided() -> Self::Verdict;
}

/// One hook, whatever it is made of.
#[async_trait]
pub trait Hook<E: HookEvent>: Send + Sync {
    /// Unique in its chain; the name in logs.
    fn name(&self) -> &str;

    fn description(&self) -> HookDescription;

    async fn call(&self, event: &E) -> Result<E::Verdict, HookError>;
}

/// What `tidegate hook list` shows of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookDescription {
    /// `program`, `http` or `plugin`.
    pub adapter: &'static str,
    /// The path, the URL without credentials, or the plugin's name.
    pub target: String,
    pub deadline: Duration,
    /// `ready`, or why it is not.
    pub health: String,
}

/// A decision against the client: a verdict, never an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// For the log; the client sees none of it at login.
    pub reason: String,
}

/// The hook could not decide. Only the kind counts for policy; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    #[error("could not be reached: {0}")]
    Unavailable(String),
    #[error("did not answer within {0:?}")]
    Timeout(Duration),
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
            Self::Failed(_) => "failed",
            Self::BadOutput(_) => "bad-output",
            Self::Limit(_) => "limit",
            Self::Saturated => "saturated",
        }
    }
}
