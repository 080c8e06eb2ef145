//! Which hook has decided: kept with a session, so that administrators who look at it need no record of the call.

use std::sync::{Arc, Mutex, PoisonError};

use super::HookRun;

/// A call of a hook with which a gate has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidingCall {
    /// The name of the hook point.
    pub kind: &'static str,
    /// The name of the hook.
    pub hook: Arc<str>,
    /// The login method or the file action, if any.
    pub about: Option<String>,
    /// The verdict's name, or the kind of the error.
    pub outcome: &'static str,
}

/// The call that has decided last. A clone shares the call with the original.
#[derive(Debug, Clone, Default)]
pub struct LastDecision(Arc<Mutex<Option<Arc<DecidingCall>>>>);

impl LastDecision {
    /// Begins with the call that decided earlier; None: no hook has decided yet.
    pub fn after(earlier: Option<Arc<DecidingCall>>) -> Self {
        Self(Arc::new(Mutex::new(earlier)))
    }

    /// The call; None: no hook has decided.
    pub fn call(&self) -> Option<Arc<DecidingCall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts an earlier decision in force again.
    pub(crate) fn holds_again(&self, earlier: Option<Arc<DecidingCall>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = earlier;
    }

    pub(super) fn note(&self, run: &HookRun) {
        let (hook, about) = (run.hook.clone(), run.about.clone());
        let call = DecidingCall { kind: run.kind, hook, about, outcome: run.outcome };
        self.holds_again(Some(Arc::new(call)));
    }
}
