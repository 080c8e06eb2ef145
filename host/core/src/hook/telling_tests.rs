//! How many events are told at once, and in whose turn.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::observers::{ObserverWork, Untold};
use super::{
    Call, Hook, HookDescription, HookError, HookEvent, HookHost, HookJournal, HookKind, HookRun, Link, LinkSettings,
    Observers, Subject,
};

/// What a hook takes for a call.
const CALL: Duration = Duration::from_millis(500);

/// An event about an account.
struct Upload(&'static str);

impl HookEvent for Upload {
    type Verdict = ();
    const KIND: HookKind = HookKind::PostAction;

    fn subject(&self) -> Subject<'_> {
        Subject { username: Some(self.0), address: "192.0.2.1".parse().ok(), ..Subject::default() }
    }
    fn label(_: &()) -> (&'static str, &str) {
        ("told", "")
    }
}

#[derive(Default)]
struct Slow {
    now: AtomicUsize,
    most: AtomicUsize,
    told: Mutex<Vec<&'static str>>,
    takes: Option<usize>,
}

#[async_trait]
impl Hook<Upload> for Arc<Slow> {
    fn name(&self) -> &str {
        "slow"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    fn calls_at_once(&self) -> usize {
        self.takes.unwrap_or(usize::MAX)
    }
    async fn call(&self, _: &Call, event: &Upload) -> Result<(), HookError> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(CALL).await;
        self.now.fetch_sub(1, Ordering::Relaxed);
        self.told.lock().unwrap().push(event.0);
        Ok(())
    }
}

/// Counts failed calls, and events for which there was no room.
#[derive(Default)]
struct Lost {
    failed: AtomicUsize,
    dropped: AtomicUsize,
}

impl Lost {
    fn all(&self) -> (usize, usize) {
        (self.failed.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}

impl HookJournal for Lost {
    fn record(&self, run: HookRun) {
        self.failed.fetch_add(usize::from(run.is_error), Ordering::Relaxed);
    }

    fn event_dropped(&self, _: HookKind) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn observers(hook: &Arc<Slow>, settings: LinkSettings) -> (Arc<Observers<Upload>>, Arc<Lost>) {
    let lost = Arc::new(Lost::default());
    let observers = Observers::new(Arc::new(HookHost { journal: lost.clone(), ..HookHost::default() }));
    let hook = Arc::new(hook.clone()) as Arc<dyn Hook<Upload>>;
    observers.chain().replace(vec![Arc::new(Link::new(hook, settings))]);
    (observers, lost)
}

#[tokio::test(start_paused = true)]
async fn as_many_are_told_at_once_as_the_link_allows_and_none_is_lost() {
    // B0-10, B0-10a
    let check = async |(concurrency, queue, takes): (usize, usize, Option<usize>), tasks: usize, most: usize| {
        let slow = Arc::new(Slow { takes, ..Slow::default() });
        // The deadline is for the calls, and not for the wait.
        let settings = LinkSettings { concurrency, queue, deadline: 2 * CALL, ..LinkSettings::default() };
        let (observers, lost) = observers(&slow, settings);
        let mut work = JoinSet::new();
        for _ in 0..tasks {
            let working = observers.clone();
            work.spawn(async move { working.work().await });
        }
        (0..1000).for_each(|_| observers.notify(Upload("u")));
        observers.notify(Upload("v"));
        observers.close();
        while let Some(ended) = work.join_next().await {
            ended.unwrap();
        }
        let told = std::mem::take(&mut *slow.told.lock().unwrap());
        assert_eq!((told.len(), lost.all(), observers.untold()), (1001, (0, 0), None));
        assert_eq!(slow.most.load(Ordering::Relaxed), most, "{concurrency} {takes:?}");
        // v's only event comes with the first ones of u.
        assert!(told.iter().position(|name| *name == "v").is_some_and(|at| at <= most), "{concurrency}");
    };
    check((64, 1024, None), 16, 33).await;
    check((64, 1024, None), 1, 33).await;
    check((2, 10, None), 16, 2).await;
    check((0, 0, None), 2, 1).await;
    check((256, 1024, Some(20)), 2, 11).await;
}

#[tokio::test(start_paused = true)]
async fn events_for_a_full_hook_are_counted() {
    // B0-10: where operations wait, no more of them wait than the link allows.
    let slow = Arc::new(Slow::default());
    let (observers, lost) = observers(&slow, LinkSettings { concurrency: 1, queue: 1, ..LinkSettings::default() });
    let tell = || observers.tell(&Upload("u"));
    let (first, second, third) = tokio::join!(tell(), tell(), tell());
    assert_eq!([first, second, third].iter().filter(|outcome| outcome.is_err()).count(), 1);
    assert_eq!(lost.all(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn events_for_which_there_is_no_room_are_dropped_and_counted() {
    // B0-10
    let slow = Arc::new(Slow::default());
    let (observers, lost) = observers(&slow, LinkSettings::default());
    let links = observers.chain().links().to_vec();
    // What no link is for takes no room.
    observers.chain().replace(Vec::new());
    (0..20_001).for_each(|_| observers.notify(Upload("u")));
    assert_eq!((observers.untold(), lost.all()), (None, (0, 0)));
    observers.chain().replace(links);
    for (more, waiting, dropped) in [(20_000, 20_000, 0), (1, 20_000, 1), (2, 20_000, 3)] {
        (0..more).for_each(|_| observers.notify(Upload("u")));
        let untold = Some(Untold { kind: HookKind::PostAction, events: waiting });
        assert_eq!((observers.untold(), lost.all()), (untold, (0, dropped)));
    }
    observers.close();
    observers.work().await;
    assert_eq!((observers.untold(), lost.all()), (None, (0, 3)));
}

/// An event that notes which hooks have got it.
#[derive(Default)]
struct OnRecord {
    told_before: Vec<String>,
    noted: Arc<Mutex<Vec<String>>>,
}

impl HookEvent for OnRecord {
    type Verdict = ();
    const KIND: HookKind = HookKind::SessionDestroy;

    fn subject(&self) -> Subject<'_> {
        Subject::default()
    }
    fn told_before(&self) -> &[String] {
        &self.told_before
    }
    fn told(&self, hook: &str) {
        self.noted.lock().unwrap().push(hook.to_owned());
    }
    fn settled(&self) {
        self.noted.lock().unwrap().push("all".to_owned());
    }
    fn label(_: &()) -> (&'static str, &str) {
        ("told", "")
    }
}

/// A hook that fails so often before it succeeds.
struct Works {
    name: &'static str,
    /// Whether it has got the event before its work is done.
    begins: bool,
    failures: AtomicUsize,
}

#[async_trait]
impl Hook<OnRecord> for Works {
    fn name(&self) -> &str {
        self.name
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    fn pause(&self, _: &HookError, _: u32) -> Option<Duration> {
        Some(CALL)
    }
    async fn call(&self, call: &Call, _: &OnRecord) -> Result<(), HookError> {
        if self.begins {
            call.delivery().note();
        }
        tokio::time::sleep(CALL).await;
        let left = self.failures.load(Ordering::Relaxed);
        self.failures.store(left.saturating_sub(1), Ordering::Relaxed);
        if left > 0 { Err(HookError::Failed("broken".into())) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_settled_as_soon_as_all_hooks_have_got_it() {
    // D-04: each hook, whether it has got the event before its work is done, and how often it fails; the hooks that were
    // told before; what is noted while the hooks work, when they are done, and after the tries that follow.
    let check = async |hooks: &[(&'static str, bool, usize)], before: &[&str], expected: [&[&str]; 3]| {
        let observers = Observers::new(Arc::default());
        let links = hooks.iter().map(|(name, begins, failures)| {
            let works = Works { name, begins: *begins, failures: AtomicUsize::new(*failures) };
            Arc::new(Link::new(Arc::new(works) as Arc<dyn Hook<OnRecord>>, LinkSettings::default()))
        });
        observers.chain().replace(links.collect());
        let mut work = JoinSet::new();
        let working = observers.clone();
        work.spawn(async move { working.work().await });
        let told_before = before.iter().map(|hook| (*hook).to_owned()).collect();
        let event = OnRecord { told_before, ..OnRecord::default() };
        let noted = event.noted.clone();
        let so_far = || noted.lock().unwrap().clone();
        let mut delivering = pin!(observers.deliver(event));
        let is_over = tokio::time::timeout(CALL / 2, &mut delivering).await.is_ok();
        let meanwhile = so_far();
        if !is_over {
            delivering.await;
        }
        let done = so_far();
        tokio::time::sleep(10 * CALL).await;
        assert_eq!([meanwhile, done, so_far()], expected, "{hooks:?} {before:?}");
        observers.close();
        assert!(work.join_next().await.unwrap().is_ok());
    };
    check(&[("a", false, 0)], &[], [&[], &["all"], &["all"]]).await;
    check(&[("a", true, 0)], &[], [&["all"]; 3]).await;
    check(&[("a", true, 0), ("b", false, 0)], &[], [&["a"], &["a", "all"], &["a", "all"]]).await;
    check(&[("a", true, 0), ("b", true, 0)], &[], [&["a", "all"]; 3]).await;
    // One that has got the event is not told again, though it fails.
    check(&[("a", true, 1)], &[], [&["all"]; 3]).await;
    check(&[("a", false, 2)], &[], [&[], &[], &["all"]]).await;
    check(&[("a", false, 1), ("b", false, 0)], &[], [&[], &["b"], &["b", "all"]]).await;
    // Each gets it as often as it is a link.
    check(&[("a", true, 0)], &["a"], [&["all"]; 3]).await;
    check(&[("a", false, 0), ("b", true, 0)], &["a", "gone"], [&["all"]; 3]).await;
    check(&[("a", false, 0), ("b", false, 0)], &["b"], [&[], &["all"], &["all"]]).await;
    check(&[("a", true, 0), ("a", true, 0)], &["a"], [&["all"]; 3]).await;
    check(&[("a", true, 0), ("a", true, 0)], &[], [&["a", "all"]; 3]).await;
}
