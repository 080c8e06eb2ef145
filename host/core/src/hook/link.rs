//! One hook in a chain: its selector, its limits, and the record of its calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{Instrument as _, Span};

use super::deadline::{Late, in_time_of};
use super::keyboard_interactive::Asker;
use super::rendering::Rendering;
use super::{
    Call, Delivery, Hook, HookDescription, HookError, HookEvent, HookJournal, HookRun, NoJournal, Selector, WaitsFor,
};
use crate::account::AccountRights;
use crate::connection::ConnectionId;
use crate::ports::{Clock, SystemClock};
use crate::trace::{self, NoTraces, TraceContext};
use crate::turns::{Place, Places};

/// What happens when a link cannot decide (B17-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The gate refuses.
    #[default]
    Deny,
    /// The next link is asked.
    Skip,
    /// The link counts as if it had allowed. Gates of logins need another word in configuration (B17-02).
    Allow,
}

impl OnError {
    /// The name in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Skip => "skip",
            Self::Allow => "allow",
        }
    }
}

/// Services that all chains of a server share.
pub struct HookHost {
    /// Stores the records of calls.
    pub journal: Arc<dyn HookJournal>,
    /// Gives the times of records.
    pub clock: Arc<dyn Clock>,
    /// Knows the traces that calls are part of.
    pub traces: Arc<dyn TraceContext>,
}

impl Default for HookHost {
    fn default() -> Self {
        Self { journal: Arc::new(NoJournal), clock: Arc::new(SystemClock), traces: Arc::new(NoTraces) }
    }
}

/// What the operator has set for a link.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// How long a call may take, waiting for a place included.
    pub deadline: Duration,
    /// What happens when the hook cannot decide.
    pub on_error: OnError,
    /// Calls that may be under way at once; 0 counts as 1.
    pub concurrency: usize,
    /// Calls that may wait for a place; further ones fail with `Saturated`. Events for observers wait in their
    /// own queue.
    pub queue: usize,
    /// Which events the link is for.
    pub selector: Selector,
    /// Whether rsync and git may run although this file hook cannot be asked about their files (`programs`).
    pub programs_go_unasked: bool,
    /// Of a hook that vouches for users: their password is stored with the account (A11-22).
    pub stores_passwords: bool,
    /// What the answers of the hook may make of accounts, if the hook does not bring rights of its own.
    pub account_rights: Arc<AccountRights>,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            on_error: OnError::Deny,
            concurrency: 64,
            queue: 1024,
            selector: Selector::default(),
            programs_go_unasked: false,
            stores_passwords: true,
            account_rights: Arc::default(),
        }
    }
}

impl LinkSettings {
    /// As many places as calls may be under way at once.
    pub fn places(&self) -> Places {
        Places::with_shares(self.concurrency)
    }
}

/// One entry of a chain: a hook with its settings, and its places.
pub struct Link<E: HookEvent> {
    hook: Arc<dyn Hook<E>>,
    name: Arc<str>,
    settings: LinkSettings,
    calls: Places,
    rendering: Option<Rendering<E>>,
}

/// The answer of a link, and its record, in which only `decided` is still to be set.
pub(super) struct Answer<E: HookEvent> {
    pub outcome: Result<E::Verdict, HookError>,
    pub run: HookRun,
}

impl<E: HookEvent> Link<E> {
    /// A link to this hook.
    pub fn new(hook: Arc<dyn Hook<E>>, settings: LinkSettings) -> Self {
        let calls = settings.places();
        Self::with_places(hook, settings, calls)
    }

    /// A link to this hook with the places of an earlier link of these settings, whose calls may still be under way.
    pub fn with_places(hook: Arc<dyn Hook<E>>, settings: LinkSettings, calls: Places) -> Self {
        let name = hook.name().into();
        Self { hook, name, settings, calls, rendering: None }
    }

    /// The link with records that tell its calls in this way, since its hook has no text of them.
    #[must_use]
    pub fn rendered(self, rendering: Rendering<E>) -> Self {
        Self { rendering: Some(rendering), ..self }
    }

    /// The name of the hook.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `program`, `http` or `plugin`.
    pub fn adapter(&self) -> &'static str {
        self.hook.adapter()
    }

    /// The places of its calls.
    pub fn places(&self) -> &Places {
        &self.calls
    }

    /// The most calls that may be under way at once.
    pub(super) fn calls_at_once(&self) -> usize {
        self.settings.concurrency.max(1).min(self.hook.calls_at_once())
    }

    pub(super) fn may_wait(&self) -> bool {
        self.hook.may_wait()
    }

    pub(super) fn needs_everything(&self) -> bool {
        self.hook.needs_everything()
    }

    pub(super) fn needs_password(&self) -> bool {
        self.hook.needs_password()
    }

    pub(super) fn relies_on_last_login(&self) -> bool {
        self.hook.relies_on_last_login()
    }

    /// What happens when the hook cannot decide.
    pub fn on_error(&self) -> OnError {
        self.settings.on_error
    }

    /// Which events the link is for.
    pub fn selector(&self) -> &Selector {
        &self.settings.selector
    }

    /// Whether rsync and git may run although the hook cannot be asked about their files.
    pub fn programs_go_unasked(&self) -> bool {
        self.settings.programs_go_unasked
    }

    /// The hook as `tidegate hook list` shows it, with the shorter of both deadlines.
    pub fn description(&self) -> HookDescription {
        let description = self.hook.description();
        HookDescription { deadline: description.deadline.min(self.settings.deadline), ..description }
    }

    fn account_rights(&self) -> Arc<AccountRights> {
        self.hook.account_rights().unwrap_or_else(|| self.settings.account_rights.clone())
    }

    pub(super) fn pause(&self, error: &HookError, tries: u32) -> Option<Duration> {
        self.hook.pause(error, tries)
    }

    /// Calls the hook and makes the record. `decides`: whether the hook can refuse something.
    pub(super) async fn ask(&self, host: &HookHost, event: &E, decides: bool) -> Answer<E> {
        self.answer(host, event, None, decides, Delivery::default()).await
    }

    /// As [`ask`](Self::ask), where no operation waits for the answer: the wait for a place does not count for the deadline.
    /// `delivery`: says when the hook has got the event, if that is before the answer.
    pub(super) async fn tell(&self, host: &HookHost, event: &E, delivery: Delivery) -> Answer<E> {
        let waiter = event.waiter();
        let place = match self.calls.try_enter(waiter) {
            Some(place) => Some(place),
            // Without a bound, no call is turned away.
            None => self.calls.enter(waiter, usize::MAX).await.ok(),
        };
        self.answer(host, event, place, false, delivery).await
    }

    /// `place`: that of the call, if it has one already.
    async fn answer(
        &self,
        host: &HookHost,
        event: &E,
        place: Option<Place>,
        decides: bool,
        delivery: Delivery,
    ) -> Answer<E> {
        let (span, at, started) = (self.span(event), host.clock.now(), Instant::now());
        let call = Call::in_trace(host.traces.trace_parent(&span)).delivering(delivery);
        let call = if decides { call } else { call.that_only_tells() };
        let mut outcome = self.bounded(&call, event, place).instrument(span.clone()).await;
        if let Some(draft) = outcome.as_mut().ok().and_then(E::account) {
            draft.bind(&self.account_rights());
            if !self.settings.stores_passwords {
                draft.forget_presented_password();
            }
        }
        let (label, detail) = match &outcome {
            Ok(verdict) => {
                let (label, reason) = E::label(verdict);
                (label, reason.to_owned())
            }
            Err(error) => (error.kind(), error.to_string()),
        };
        span.record("outcome", label);
        let (duration, mut exchange) = (started.elapsed(), call.finish());
        if let Some(rendering) = &self.rendering {
            exchange.later = rendering.of(event, &mut outcome);
        }
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
            duration,
            exchange,
        };
        if let Err(error) = &outcome {
            trace::failed(&span, error);
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

    fn as_asker(&self) -> Asker {
        let digest = self.hook.description().version;
        let version = digest.as_deref().and_then(|digest| digest.get(..12)).map(Arc::from);
        Asker { hook: self.name.clone(), adapter: self.hook.adapter(), version }
    }

    fn span(&self, event: &E) -> Span {
        let connection = || event.subject().connection.map(|connection| connection.id.as_str().to_owned());
        tracing::info_span!(
            target: trace::TARGET,
            "link",
            hook = self.name(),
            kind = E::KIND.as_str(),
            adapter = self.hook.adapter(),
            connection_id = connection(),
            outcome = tracing::field::Empty,
            error = tracing::field::Empty,
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
        )
    }

    /// Calls the hook within the deadline, which includes the wait for a free place.
    async fn bounded(&self, call: &Call, event: &E, place: Option<Place>) -> Result<E::Verdict, HookError> {
        let deadline = self.settings.deadline;
        let work = async {
            let waiter = event.subject().waiter();
            let place = match place.or_else(|| self.calls.try_enter(waiter)) {
                Some(place) => place,
                None => {
                    let entering = self.calls.enter(waiter, self.settings.queue);
                    call.waiting().during(WaitsFor::Place, entering).await.map_err(|_| HookError::Saturated)?
                }
            };
            call.occupy(place);
            event.next_asks(&|| self.as_asker());
            let outcome = self.hook.call(call, event).await;
            drop(call.take_place());
            outcome
        };
        in_time_of(event, deadline, work).await.unwrap_or_else(|Late| Err(call.late(deadline)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::super::CallPlace;
    use super::super::observation::Startup;
    use super::*;

    /// A hook whose work goes on after its caller has left, as that of programs does, and keeps its place.
    #[derive(Default)]
    struct GoesOn(Mutex<Vec<CallPlace>>);

    #[async_trait]
    impl Hook<Startup> for GoesOn {
        fn name(&self) -> &str {
            "goes on"
        }
        fn adapter(&self) -> &'static str {
            "test"
        }
        fn description(&self) -> HookDescription {
            HookDescription::new("", Duration::ZERO, "ready")
        }
        async fn call(&self, call: &Call, _: &Startup) -> Result<(), HookError> {
            self.0.lock().unwrap().push(call.take_place());
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_kept_by_work_that_goes_on() {
        // B0-13
        let hook = Arc::new(GoesOn::default());
        let deadline = Duration::from_secs(1);
        let settings = LinkSettings { deadline, concurrency: 4, ..LinkSettings::default() };
        let link = Link::<Startup>::new(hook.clone(), settings);
        let (host, event) = (HookHost::default(), Startup { version: "0" });
        let under_way = || hook.0.lock().unwrap().len();
        // Callers that time out, and callers that leave at once: the work of each goes on.
        for _ in 0..2 {
            assert_eq!(link.ask(&host, &event, false).await.run.outcome, "timeout");
        }
        for _ in 0..20 {
            let given_up = tokio::time::timeout(Duration::from_millis(1), link.ask(&host, &event, false)).await;
            assert!(given_up.is_err());
        }
        assert_eq!(under_way(), 4);
        // B0-10a: all places are taken, so that the hook was not late.
        let waited = link.ask(&host, &event, false).await.run;
        assert!(waited.is_error && waited.outcome == "waited", "{} {}", waited.outcome, waited.detail);
        hook.0.lock().unwrap().pop();
        assert!(link.ask(&host, &event, false).await.outcome.is_err());
        assert_eq!(under_way(), 4);
    }
}
