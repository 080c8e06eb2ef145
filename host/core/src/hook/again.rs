//! Tries that wait: a hook was told of an event, failed, and is to be told again after a pause (B0-08a).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::telling::Telling;
use super::{HookEvent, Link};

/// Tries that may wait for one hook point; further ones are dropped and counted.
pub(super) const MOST: usize = 1000;
/// A longer pause, which configuration may ask for, is cut to this: no clock reaches as far as numbers do.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// A link that is to get an event again.
pub(super) struct Try<E: HookEvent> {
    pub link: Arc<Link<E>>,
    pub telling: Arc<Telling<E>>,
    /// How often the link got the event before.
    pub before: u32,
}

/// What became of a try that was to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PutOff {
    Waits,
    /// The queue of tries is full.
    Full,
    /// The server ends.
    Closed,
}

/// The tries of one hook point, the earliest first.
pub(super) struct Again<E: HookEvent> {
    tries: Mutex<Tries<E>>,
    /// Wakes a task that waits in [`next`](Self::next).
    changed: Notify,
}

struct Tries<E: HookEvent> {
    /// By their time, and the order in which they came.
    waiting: BTreeMap<(Instant, u64), Try<E>>,
    came: u64,
    under_way: u64,
    /// Tries that came after the end.
    late: u64,
    is_closed: bool,
}

enum Next<E: HookEvent> {
    Now(Try<E>),
    /// When the first try that waits is due; None: no try waits.
    At(Option<Instant>),
    Never,
}

impl<E: HookEvent> Again<E> {
    pub fn new() -> Self {
        let tries = Tries { waiting: BTreeMap::new(), came: 0, under_way: 0, late: 0, is_closed: false };
        Self { tries: Mutex::new(tries), changed: Notify::new() }
    }

    /// Lets a try wait for its time.
    pub fn put_off(&self, again: Try<E>, pause: Duration) -> PutOff {
        let put_off = self.lock().put_off(again, pause);
        self.changed.notify_one();
        put_off
    }

    /// The next try, at its time; None: there will be no more. Several tasks may wait for it. Each try ends with
    /// [`made`](Self::made).
    pub async fn next(&self) -> Option<Try<E>> {
        loop {
            // Before the look, so that no change is missed.
            let changed = self.changed.notified();
            let next = self.lock().next(Instant::now());
            match next {
                Next::Now(again) => {
                    // While this task tells the hook, another one looks after the rest.
                    self.changed.notify_one();
                    return Some(again);
                }
                Next::At(Some(time)) => {
                    // After the time as after a change, there may be a try to make.
                    let _ = tokio::time::timeout_at(time, changed).await;
                }
                Next::At(None) => changed.await,
                Next::Never => return None,
            }
        }
    }

    /// A try from [`next`](Self::next) has ended.
    pub fn made(&self) {
        self.lock().under_way -= 1;
    }

    /// Ends the waiting: no further try is made.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    /// Tries that were not made, or have not ended.
    pub fn left(&self) -> u64 {
        let tries = self.lock();
        tries.waiting.len() as u64 + tries.under_way + tries.late
    }

    fn lock(&self) -> MutexGuard<'_, Tries<E>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: HookEvent> Tries<E> {
    fn put_off(&mut self, again: Try<E>, pause: Duration) -> PutOff {
        if self.is_closed {
            self.late += 1;
            return PutOff::Closed;
        }
        if self.waiting.len() >= MOST {
            return PutOff::Full;
        }
        self.came += 1;
        self.waiting.insert((Instant::now() + pause.min(LONGEST_PAUSE), self.came), again);
        PutOff::Waits
    }

    fn next(&mut self, now: Instant) -> Next<E> {
        if self.is_closed {
            return Next::Never;
        }
        let Some(first) = self.waiting.first_entry() else { return Next::At(None) };
        let (time, _) = *first.key();
        if time > now {
            return Next::At(Some(time));
        }
        self.under_way += 1;
        Next::Now(first.remove())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;

    use super::super::observation::Startup;
    use super::super::observers::{ObserverWork, Untold};
    use super::super::{
        Call, Hook, HookDescription, HookError, HookHost, HookJournal, HookKind, HookRun, LinkSettings, Observers,
    };
    use super::*;

    const EVENT: Startup = Startup { version: "0" };

    /// What a hook does after its failures.
    enum Then {
        Answers,
        Hangs,
    }

    /// Fails so often, with this error.
    struct Flaky {
        failures: u32,
        error: HookError,
        then: Then,
        told: AtomicU32,
    }

    impl Flaky {
        fn new(failures: u32) -> Self {
            let error = HookError::Transient("later".into());
            Self { failures, error, then: Then::Answers, told: AtomicU32::new(0) }
        }
    }

    #[async_trait]
    impl Hook<Startup> for Flaky {
        fn name(&self) -> &str {
            "flaky"
        }
        fn adapter(&self) -> &'static str {
            "test"
        }
        fn description(&self) -> HookDescription {
            HookDescription::new("", Duration::ZERO, "ready")
        }
        fn pause(&self, error: &HookError, tries: u32) -> Option<Duration> {
            let pauses = [1, 5, 25].map(Duration::from_secs);
            let may_pass = matches!(error, HookError::Transient(_));
            pauses.get(tries as usize - 1).copied().filter(|_| may_pass)
        }
        async fn call(&self, _: &Call, _: &Startup) -> Result<(), HookError> {
            if self.told.fetch_add(1, Ordering::Relaxed) < self.failures {
                return Err(self.error.clone());
            }
            match self.then {
                Then::Answers => Ok(()),
                Then::Hangs => std::future::pending().await,
            }
        }
    }

    /// The seconds after which hooks were told, and their answers.
    struct Noted {
        since: Instant,
        runs: Mutex<Vec<(u64, &'static str)>>,
        dropped: AtomicU32,
    }

    impl HookJournal for Noted {
        fn record(&self, run: HookRun) {
            self.runs.lock().unwrap().push((self.since.elapsed().as_secs(), run.outcome));
        }

        fn event_dropped(&self, _: HookKind) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct World {
        observers: Arc<Observers<Startup>>,
        noted: Arc<Noted>,
        work: tokio::task::JoinSet<()>,
    }

    impl World {
        /// With two tasks.
        fn new(hooks: Vec<Flaky>) -> Self {
            let (runs, dropped) = (Mutex::default(), AtomicU32::new(0));
            let noted = Arc::new(Noted { since: Instant::now(), runs, dropped });
            let observers = Observers::new(Arc::new(HookHost { journal: noted.clone(), ..HookHost::default() }));
            let link =
                |hook: Flaky| Arc::new(Link::new(Arc::new(hook) as Arc<dyn Hook<Startup>>, LinkSettings::default()));
            observers.chain().replace(hooks.into_iter().map(link).collect());
            let mut work = tokio::task::JoinSet::new();
            for _ in 0..2 {
                let working = observers.clone();
                work.spawn(async move { working.work().await });
            }
            Self { observers, noted, work }
        }

        async fn tell(&self, events: usize) {
            (0..events).for_each(|_| self.observers.notify(EVENT));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }

        /// Ends after so many seconds more: what hooks were told, and how much they were not told again.
        async fn end_after(mut self, seconds: u64) -> (Vec<(u64, &'static str)>, Option<u64>) {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            self.observers.close();
            while let Some(ended) = self.work.join_next().await {
                ended.unwrap();
            }
            let runs = std::mem::take(&mut *self.noted.runs.lock().unwrap());
            (runs, self.observers.not_told_again().map(|left: Untold| left.events))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_may_pass_is_tried_again_three_times() {
        // B0-08a
        let check = async |hook: Flaky, seconds: u64, expected: &[(u64, &'static str)], left: Option<u64>| {
            let world = World::new(vec![hook]);
            world.tell(1).await;
            assert_eq!(world.end_after(seconds).await, (expected.to_vec(), left));
        };
        check(Flaky::new(0), 100, &[(0, "told")], None).await;
        check(Flaky::new(1), 100, &[(0, "failed"), (1, "told")], None).await;
        let failed: [(u64, &'static str); 4] = [(0, "failed"), (1, "failed"), (6, "failed"), (31, "failed")];
        check(Flaky::new(3), 100, &[&failed[..3], &[(31, "told")]].concat(), None).await;
        check(Flaky::new(9), 1000, &failed, None).await;
        let lasting = Flaky { error: HookError::Failed("broken".into()), ..Flaky::new(9) };
        check(lasting, 100, &failed[..1], None).await;
        // The server ends before the next try.
        check(Flaky::new(9), 3, &failed[..2], Some(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_is_sent_again_delays_no_other() {
        // B0-08a
        let hanging = Flaky { then: Then::Hangs, ..Flaky::new(5) };
        let world = World::new(vec![hanging, Flaky::new(0)]);
        // More tries than tasks, which all hang after a second.
        world.tell(5).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.tell(1).await;
        let (runs, _) = world.end_after(0).await;
        assert_eq!(runs.iter().filter(|run| **run == (0, "failed")).count(), 5);
        assert!(runs.contains(&(2, "told")), "{runs:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_tries_wait() {
        // B0-08a
        let world = World::new(vec![Flaky::new(u32::MAX)]);
        world.tell(1_005).await;
        assert_eq!(world.noted.dropped.load(Ordering::Relaxed), 5);
        let (runs, left) = world.end_after(0).await;
        assert_eq!((runs.len(), left), (1_005, Some(1_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn where_an_operation_waits_hooks_are_told_once() {
        // B10-08
        let world = World::new(vec![Flaky::new(1)]);
        assert!(world.observers.tell(&EVENT).await.is_err());
        assert_eq!(world.end_after(100).await, (vec![(0, "failed")], None));
    }
}
