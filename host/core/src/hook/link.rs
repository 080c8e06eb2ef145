//! One hook in a chain: its selector, its limits, and the record of its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::deadline::in_time_of;
use super::{Call, Hook, HookDescription, HookError, HookEvent, HookJournal, HookRun, NoJournal, Selector};
use crate::connection::ConnectionId;
use crate::ports::{Clock, SystemClock};

/// What happens when a link cannot decide. There is no "accept".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The gate refuses.
    #[default]
    Deny,
    /// The next link is asked.
    Skip,
}

impl OnError {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Skip => "skip",
        }
    }
}

/// What all chains of a server share.
pub struct HookHost {
    pub journal: Arc<dyn HookJournal>,
    pub clock: Arc<dyn Clock>,
}

impl Default for HookHost {
    fn default() -> Self {
        Self { journal: Arc::new(NoJournal), clock: Arc::new(SystemClock) }
    }
}

#[derive(Debug, Clone)]
pub struct LinkSettings {
    pub deadline: Duration,
    pub on_error: OnError,
    /// Calls that may be under way at once, at least one.
    pub concurrency: usize,
    /// Calls that may wait for one of those to end.
    pub queue: usize,
    pub selector: Selector,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            on_error: OnError::Deny,
            concurrency: 64,
            queue: 1024,
            selector: Selector::default(),
        }
    }
}

pub struct Link<E: HookEvent> {
    hook: Arc<dyn Hook<E>>,
    name: Arc<str>,
    settings: LinkSettings,
    calls: Semaphore,
    waiting: AtomicUsize,
}

/// What a link said, and its record, which lacks only whether it decided.
pub(super) struct Answer<E: HookEvent> {
    pub outcome: Result<E::Verdict, HookError>,
    pub run: HookRun,
}

impl<E: HookEvent> Link<E> {
    pub fn new(hook: Arc<dyn Hook<E>>, settings: LinkSettings) -> Self {
        let calls = Semaphore::new(settings.concurrency.max(1));
        let name = hook.name().into();
        Self { hook, name, settings, calls, waiting: AtomicUsize::new(0) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn adapter(&self) -> &'static str {
        self.hook.adapter()
    }

    pub(super) fn needs_everything(&self) -> bool {
        self.hook.needs_everything()
    }

    pub(super) fn needs_password(&self) -> bool {
        self.hook.needs_password()
    }

    pub fn on_error(&self) -> OnError {
        self.settings.on_error
    }

    pub fn selector(&self) -> &Selector {
        &self.settings.selector
    }

    pub fn description(&self) -> HookDescription {
        let description = self.hook.description();
        HookDescription { deadline: description.deadline.min(self.settings.deadline), ..description }
    }

    pub(super) async fn ask(&self, host: &HookHost, event: &E) -> Answer<E> {
        let (call, at, started) = (Call::default(), host.clock.now(), Instant::now());
        let outcome = self.bounded(&call, event).await;
        let (label, detail) = match &outcome {
            Ok(verdict) => {
                let (label, reason) = E::label(verdict);
                (label, reason.to_owned())
            }
            Err(error) => (error.kind(), error.to_string()),
        };
        let subject = event.subject();
        let run = HookRun {
            at,
            kind: E::KIND.as_str(),
            hook: self.name.clone(),
            adapter: self.hook.adapter(),
            connection: subject.connection.map(|connection| connection.id.clone()),
            username: subject.username.map(str::to_owned),
            address: subject.remote(),
            about: subject.about().map(str::to_owned),
            outcome: label,
            detail,
            is_error: outcome.is_err(),
            decided: false,
            duration: started.elapsed(),
            exchange: call.finish(),
        };
        if let Err(error) = &outcome {
            tracing::warn!(
                sender = "hook",
                hook = self.name(),
                kind = E::KIND.as_str(),
                error_kind = error.kind(),
                message = format!("the {} hook \"{}\" {error}", E::KIND, self.name()),
                connection_id = run.connection.as_ref().map(ConnectionId::as_str),
            );
        }
        Answer { outcome, run }
    }

    /// Waiting for a free place is part of the deadline.
    async fn bounded(&self, call: &Call, event: &E) -> Result<E::Verdict, HookError> {
        let deadline = self.settings.deadline;
        let work = async {
            let _permit = match self.calls.try_acquire() {
                Ok(permit) => permit,
                Err(_) => self.wait_for_place().await?,
            };
            self.hook.call(call, event).await
        };
        in_time_of(event, deadline, work).await.unwrap_or(Err(HookError::Timeout(deadline)))
    }

    async fn wait_for_place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, HookError> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.settings.queue {
            return Err(HookError::Saturated);
        }
        self.calls.acquire().await.map_err(|_| HookError::Saturated)
    }
}
