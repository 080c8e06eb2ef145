//! Observers: they get events afterwards, from a bounded queue, and change nothing.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Mutex;
use tokio::task::coop::consume_budget;
use tracing::Instrument as _;

use super::again::{self, Again, PutOff, Try};
use super::queue::{self, EventQueue, Next, Pushed, Turn};
use super::telling::{Telling, concerned};
use super::{Chain, Delivery, GateFailure, HookError, HookEvent, HookHost, HookKind, Link, OnError, Subject, span_of};

/// How long more events are gathered after the first one. Events that are sent together find the hook's code and
/// memory in the caches, and the operations that cause them need not wake a task each.
const GATHERING_TIME: Duration = Duration::from_millis(20);
/// Dropped events for which one line is logged.
const DROPS_A_LINE: u64 = 1000;

/// The observers of one hook point.
pub struct Observers<E: HookEvent> {
    chain: Chain<E>,
    queue: EventQueue<E>,
    /// Held by the task that takes events from the queue.
    taking: Mutex<()>,
    /// Calls that failed and are made again later; they delay no other event (B0-08a).
    again: Again<E>,
    dropped: AtomicU64,
    /// Tries for which there was no room.
    dropped_tries: AtomicU64,
}

/// Background work of observers, which the server runs without knowing the events.
#[async_trait]
pub trait ObserverWork: Send + Sync {
    /// Tells one event after another until the queue is closed and empty. Several tasks may run it at once.
    async fn work(&self);

    /// Closes the queue: later events are only counted.
    fn close(&self);

    /// The events that not all hooks have got, for the log at the end of the server; None: there are none.
    fn untold(&self) -> Option<Untold> {
        None
    }

    /// Failed calls that were to be made again, but were not, for the same log; None: there are none.
    fn not_told_again(&self) -> Option<Untold> {
        None
    }
}

/// Lost events of one hook point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untold {
    /// The hook point.
    pub kind: HookKind,
    /// The number of lost events.
    pub events: u64,
}

impl<E: HookEvent<Verdict = ()>> Observers<E> {
    /// Observers without links.
    pub fn new(host: Arc<HookHost>) -> Arc<Self> {
        Self::of(Chain::new(host, Vec::new()))
    }

    /// Observers with the links to the hook of that name alone.
    pub fn only(&self, name: &str) -> Arc<Self> {
        Self::of(self.chain.only(name))
    }

    fn of(chain: Chain<E>) -> Arc<Self> {
        Arc::new(Self {
            chain,
            queue: EventQueue::new(),
            taking: Mutex::new(()),
            again: Again::new(),
            dropped: AtomicU64::new(0),
            dropped_tries: AtomicU64::new(0),
        })
    }

    /// The links.
    pub fn chain(&self) -> &Chain<E> {
        &self.chain
    }

    /// Whether any link is for events about the subject.
    pub fn concerns(&self, subject: &Subject<'_>) -> bool {
        self.chain.concerns(subject)
    }

    /// Queues the event if a link is for it. Never waits.
    pub fn notify(&self, event: E) {
        if !self.chain.concerns(&event.subject()) {
            return event.settled();
        }
        match self.queue.push(event) {
            Pushed::Full => self.count_dropped(&self.dropped, |dropped| {
                let (kind, most) = (E::KIND, queue::MOST);
                format!("the {kind} hooks are too slow: {dropped} events were dropped because {most} wait already")
            }),
            // The log at the end of the server counts those that came after it.
            Pushed::Waits | Pushed::Closed => {}
        }
    }

    /// Counts a dropped event, and says so in the log once in a while. `message`: of that many.
    fn count_dropped(&self, counter: &AtomicU64, message: impl FnOnce(u64) -> String) {
        self.chain.host().journal.event_dropped(E::KIND);
        let before = counter.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(DROPS_A_LINE) {
            let message = message(before + 1);
            tracing::error!(sender = "hook", kind = E::KIND.as_str(), message);
        }
    }

    /// Tells all links that the event is for at the same time, and waits for them (A15-07). An operation waits,
    /// so that each gets the event once.
    ///
    /// # Errors
    /// The first failure of a link with `on_error = "deny"` (B10-08). All failures are in the records.
    pub async fn tell(&self, event: &E) -> Result<(), GateFailure> {
        let links = self.chain.links();
        match concerned(&links, event).as_slice() {
            [] => Ok(()),
            [link] => self.tell_link(link, event).instrument(span_of(E::KIND)).await,
            links => {
                let mut all = Vec::with_capacity(links.len());
                for link in links {
                    all.push(self.tell_link(link, event));
                }
                join_all(all).instrument(span_of(E::KIND)).await.into_iter().collect()
            }
        }
    }

    async fn tell_link(&self, link: &Link<E>, event: &E) -> Result<(), GateFailure> {
        let host = self.chain.host();
        let answer = link.ask(host, event, link.on_error() == OnError::Deny).await;
        host.journal.record(answer.run);
        self.count_refused(&answer.outcome);
        match (answer.outcome, link.on_error()) {
            (Err(error), OnError::Deny) => Err(GateFailure { hook: link.name().to_owned(), error }),
            (Err(_), OnError::Skip | OnError::Allow) | (Ok(()), _) => Ok(()),
        }
    }

    /// Counts an event that a hook had no room for.
    fn count_refused(&self, outcome: &Result<(), HookError>) {
        if matches!(outcome, Err(HookError::Saturated)) {
            self.chain.host().journal.event_dropped(E::KIND);
        }
    }

    /// As [`tell`](Self::tell), where no operation waits: a link gets the event when it has a place, however long that
    /// takes, and one that failed, and may succeed later, gets it again. Failures are in the records.
    pub async fn deliver(&self, event: E) {
        let chained = self.chain.links();
        let links = concerned(&chained, &event);
        let telling = Telling::new(event, links.len());
        let failed: Vec<_> = match links.as_slice() {
            [] => return telling.event.settled(),
            [link] => self.try_link(link, &telling, 1).instrument(span_of(E::KIND)).await.into_iter().collect(),
            links => {
                let mut all = Vec::with_capacity(links.len());
                for link in links {
                    all.push(self.try_link(link, &telling, 1));
                }
                join_all(all).instrument(span_of(E::KIND)).await.into_iter().flatten().collect()
            }
        };
        if failed.is_empty() {
            return;
        }
        let telling = Arc::new(telling);
        for (link, pause) in failed {
            self.put_off(Try { link, telling: telling.clone(), before: 1 }, pause);
        }
    }

    /// Tells a link for the `tries`th time. The link, and the pause before the next try, if there is one.
    async fn try_link(
        &self,
        link: &Arc<Link<E>>,
        telling: &Telling<E>,
        tries: u32,
    ) -> Option<(Arc<Link<E>>, Duration)> {
        let (host, delivery) = (self.chain.host(), Delivery::default());
        let mut answering = pin!(link.tell(host, &telling.event, delivery.clone()));
        let (answer, has_it) = tokio::select! {
            biased;
            answer = &mut answering => (answer, false),
            () = delivery.noted() => {
                telling.is_done(link.name());
                (answering.await, true)
            }
        };
        host.journal.record(answer.run);
        if has_it {
            return None;
        }
        let pause = answer.outcome.as_ref().err().and_then(|error| link.pause(error, tries));
        if pause.is_none() {
            self.count_refused(&answer.outcome);
            telling.is_done(link.name());
        }
        Some((link.clone(), pause?))
    }

    /// What is not told again is not settled either: if the event is on record, the next start tells the link.
    fn put_off(&self, again: Try<E>, pause: Duration) {
        match self.again.put_off(again, pause) {
            PutOff::Full => self.count_dropped(&self.dropped_tries, |dropped| {
                let (kind, most) = (E::KIND, again::MOST);
                format!("the {kind} hooks fail too often: {dropped} tries were dropped because {most} wait already")
            }),
            // The log at the end of the server counts those that came after it.
            PutOff::Waits | PutOff::Closed => {}
        }
    }

    /// Makes the tries that wait, each at its time.
    async fn tell_again(&self) {
        while let Some(Try { link, telling, before }) = self.again.next().await {
            let tries = before + 1;
            if let Some((link, pause)) = self.try_link(&link, &telling, tries).await {
                self.put_off(Try { link, telling, before: tries }, pause);
            }
            self.again.made();
        }
    }

    /// Tells events until the queue is closed and empty.
    async fn tell_queue(&self) {
        let mut telling = FuturesUnordered::<BoxFuture<'_, ()>>::new();
        loop {
            tokio::select! {
                Some(()) = telling.next() => {}
                begun = self.begin() => match begun {
                    Some(waits) => telling.push(waits),
                    // Events that are being sent may be the ones that others wait for.
                    None => if telling.next().await.is_none() { return },
                },
            }
        }
    }

    /// Tells one event after another, until a hook does not answer at once: its call is returned, and the next task takes the
    /// queue over. None: the queue is closed and empty. Can be dropped at any time.
    async fn begin(&self) -> Option<BoxFuture<'_, ()>> {
        let _taking = self.taking.lock().await;
        loop {
            // Components answer at once, and other tasks have to come in between.
            consume_budget().await;
            match self.queue.next(self.chain.calls_at_once()) {
                Next::Event(event, turn) => {
                    let mut telling: BoxFuture<'_, ()> = Box::pin(self.deliver_in_turn(event, turn));
                    if poll_fn(|cx| Poll::Ready(telling.as_mut().poll(cx))).await.is_pending() {
                        return Some(telling);
                    }
                }
                Next::Later { is_empty } => {
                    self.queue.changed().await;
                    if is_empty && self.queue.may_gather() {
                        tokio::time::sleep(GATHERING_TIME).await;
                    }
                }
                Next::End => return None,
            }
        }
    }

    async fn deliver_in_turn(&self, event: E, turn: Turn<'_, E>) {
        self.deliver(event).await;
        turn.told();
    }
}

#[async_trait]
impl<E: HookEvent<Verdict = ()>> ObserverWork for Observers<E> {
    async fn work(&self) {
        join(self.tell_queue(), self.tell_again()).await;
    }

    fn close(&self) {
        self.queue.close();
        self.again.close();
    }

    fn untold(&self) -> Option<Untold> {
        let events = self.queue.untold();
        (events > 0).then_some(Untold { kind: E::KIND, events })
    }

    fn not_told_again(&self) -> Option<Untold> {
        let events = self.again.left();
        (events > 0).then_some(Untold { kind: E::KIND, events })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{Barrier, Notify};

    use super::super::in_order::Order;
    use super::super::observation::Startup;
    use super::super::{Call, Hook, HookDescription, HookError, LinkSettings};
    use super::*;
    use crate::path::VirtualPath;

    /// With a barrier, it answers when as many calls run as the barrier has; else at once.
    struct Told {
        together: Option<Arc<Barrier>>,
        fails: bool,
    }

    #[async_trait]
    impl Hook<Startup> for Told {
        fn name(&self) -> &str {
            "told"
        }
        fn adapter(&self) -> &'static str {
            "test"
        }
        fn description(&self) -> HookDescription {
            HookDescription::new("", Duration::ZERO, "ready")
        }
        async fn call(&self, _: &Call, _: &Startup) -> Result<(), HookError> {
            if let Some(together) = &self.together {
                together.wait().await;
            }
            if self.fails { Err(HookError::Failed("broken".into())) } else { Ok(()) }
        }
    }

    fn observers(links: Vec<(Told, OnError)>) -> Arc<Observers<Startup>> {
        let observers = Observers::new(Arc::default());
        let links = links.into_iter().map(|(hook, on_error)| {
            let settings = LinkSettings { on_error, ..LinkSettings::default() };
            Arc::new(Link::new(Arc::new(hook) as Arc<dyn Hook<Startup>>, settings))
        });
        observers.chain().replace(links.collect());
        observers
    }

    /// The events of sessions that were told, each as its session and its number.
    #[derive(Default)]
    struct Steps {
        told: std::sync::Mutex<Vec<(u64, usize)>>,
        second_is_told: Notify,
        all_are_told: Notify,
    }

    const STEPS: usize = 40;

    struct Step(u64, usize);

    impl HookEvent for Step {
        type Verdict = ();
        const KIND: HookKind = HookKind::PostAction;

        fn subject(&self) -> Subject<'_> {
            Subject::default()
        }
        fn order(&self) -> Option<Order> {
            Some(Order { session: self.0, path: VirtualPath::root(), target: None })
        }
        fn label(_: &()) -> (&'static str, &str) {
            ("told", "")
        }
    }

    #[async_trait]
    impl Hook<Step> for Arc<Steps> {
        fn name(&self) -> &str {
            "steps"
        }
        fn adapter(&self) -> &'static str {
            "test"
        }
        fn description(&self) -> HookDescription {
            HookDescription::new("", Duration::ZERO, "ready")
        }
        async fn call(&self, _: &Call, step: &Step) -> Result<(), HookError> {
            let Step(session, number) = *step;
            // The first session waits for all of the second one; its later events would come first if they were sent at
            // the same time.
            if (session, number) == (1, 0) {
                self.second_is_told.notified().await;
            }
            let mut told = self.told.lock().unwrap();
            told.push((session, number));
            if (session, number) == (2, STEPS - 1) {
                self.second_is_told.notify_one();
            }
            if told.len() == 2 * STEPS {
                self.all_are_told.notify_one();
            }
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn events_of_one_session_are_told_in_their_order() {
        // B10-15
        let steps = Arc::new(Steps::default());
        let observers = Observers::<Step>::new(Arc::default());
        let hook = Arc::new(steps.clone()) as Arc<dyn Hook<Step>>;
        observers.chain().replace(vec![Arc::new(Link::new(hook, LinkSettings::default()))]);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let working = observers.clone();
            tasks.spawn(async move { working.work().await });
        }
        for number in 0..STEPS {
            observers.notify(Step(1, number));
            observers.notify(Step(2, number));
        }
        steps.all_are_told.notified().await;
        observers.close();
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        let told = steps.told.lock().unwrap();
        for session in [1, 2] {
            let numbers = told.iter().filter(|(of, _)| *of == session).map(|(_, number)| *number);
            assert_eq!(numbers.collect::<Vec<_>>(), (0..STEPS).collect::<Vec<_>>(), "{session}");
        }
        assert_eq!(observers.untold(), None);
    }

    const EVENT: Startup = Startup { version: "0" };

    #[tokio::test]
    async fn links_are_told_side_by_side() {
        // A15-07
        let together = Arc::new(Barrier::new(3));
        let told = || (Told { together: Some(together.clone()), fails: false }, OnError::Deny);
        observers(vec![told(), told(), told()]).tell(&EVENT).await.unwrap();
    }

    #[tokio::test]
    async fn only_links_that_may_refuse_fail_an_operation() {
        // B10-08, B17-01
        use OnError::{Allow, Deny, Skip};
        let check = async |links: &[(bool, OnError)], refuses: bool| {
            let links = links.iter().map(|(fails, on_error)| (Told { together: None, fails: *fails }, *on_error));
            let outcome = observers(links.collect()).tell(&EVENT).await;
            assert_eq!(outcome.is_err(), refuses);
        };
        check(&[], false).await;
        check(&[(false, Deny)], false).await;
        check(&[(true, Deny)], true).await;
        check(&[(true, Skip)], false).await;
        check(&[(true, Allow)], false).await;
        check(&[(false, Deny), (true, Skip)], false).await;
        check(&[(true, Skip), (false, Deny), (true, Deny)], true).await;
    }

    #[tokio::test]
    async fn events_that_were_not_sent_are_counted() {
        // B0-10
        let never = Told { together: Some(Arc::new(Barrier::new(2))), fails: false };
        let observers = observers(vec![(never, OnError::Deny)]);
        assert_eq!(observers.untold(), None);
        let working = observers.clone();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { working.work().await });
        observers.notify(EVENT);
        observers.notify(EVENT);
        observers.close();
        observers.notify(EVENT);
        task.abort_all();
        assert!(task.join_next().await.unwrap().is_err());
        // One event may be with the hook, one waits, and one came after the queue was closed.
        assert_eq!(observers.untold(), Some(Untold { kind: HookKind::Startup, events: 3 }));
    }
}
