//! The records of hook calls.

use std::time::Duration;

use tidegate_core::hook::keyboard_interactive::ROUND;
use tidegate_core::hook::rendering::Later;
use tidegate_core::hook::{Exchange, HookRun};
use tidegate_core::ports::{RUNS_KEPT, RunFilter};

use super::Adapter;

fn run(hook: &str, user: &str, outcome: &'static str, microseconds: u64) -> HookRun {
    HookRun {
        at: 5,
        kind: "connect",
        hook: hook.into(),
        adapter: "program",
        connection: None,
        username: Some(user.into()),
        address: "192.0.2.1".parse().ok(),
        about: None,
        outcome,
        detail: "why".into(),
        is_error: outcome == "timeout",
        decided: true,
        duration: Duration::from_micros(microseconds),
        exchange: Exchange { sent: "A=1".into(), ..Exchange::default() },
    }
}

pub async fn the_last_calls_are_kept(adapter: Adapter) {
    let store = adapter.open();
    let batch = vec![run("a", "u", "allow", 60), run("a", "v", "deny", 70), run("b", "u", "timeout", 99_000_000)];
    store.append(batch).await.unwrap();
    store.append(vec![run("a", "u", "allow", 40)]).await.unwrap();
    let filter = RunFilter { limit: 3, ..RunFilter::default() };
    let all = store.runs(filter.clone()).await.unwrap();
    assert_eq!(all.iter().map(|run| run.id).collect::<Vec<_>>(), [2, 3, 4]);
    let of_u = store.runs(RunFilter { username: Some("u".into()), limit: 9, ..filter.clone() }).await.unwrap();
    assert_eq!(of_u.len(), 3);
    let oldest = RunFilter { oldest: true, ..filter.clone() };
    for (after, limit, expected) in
        [(0, 3, &[1, 2, 3][..]), (0, 9, &[1, 2, 3, 4]), (1, 2, &[2, 3]), (3, 9, &[4]), (4, 9, &[])]
    {
        let found = store.runs(RunFilter { after, limit, ..oldest.clone() }).await.unwrap();
        assert_eq!(found.iter().map(|run| run.id).collect::<Vec<_>>(), expected, "{after} {limit}");
    }
    let denied = RunFilter { outcome: Some("deny".into()), hook: Some("a".into()), ..filter };
    assert_eq!(store.runs(denied).await.unwrap()[0].username.as_deref(), Some("v"));
    assert_eq!(adapter.open().run(3).await.unwrap().unwrap().sent, "A=1");
    assert!(store.run(99).await.unwrap().is_none());
    let hurried: Vec<_> = (0..6000).map(|_| run("c", "w", "allow", 1)).collect();
    for _ in 0..3 {
        store.append(hurried.clone()).await.unwrap();
    }
    assert!(store.run(4).await.unwrap().is_none(), "it is a ring");
    let oldest = 18_004 - i64::try_from(RUNS_KEPT).unwrap() + 1;
    assert!(store.run(oldest).await.unwrap().is_some(), "of ten thousand");
    // Texts that are made as the record is stored, and questions to a user.
    let later = Later::new(|| ("made".to_owned(), "later".to_owned()));
    let made = HookRun {
        kind: ROUND,
        exchange: Exchange { later, ..Exchange::default() },
        ..run("d", "x", "answered", 90_000_000)
    };
    store.append(vec![made]).await.unwrap();
    let found = store.run(18_005).await.unwrap().unwrap();
    assert_eq!((found.kind.as_str(), found.sent.as_str(), found.received.as_str()), (ROUND, "made", "later"));
    let newest = RunFilter { after: 18_002, limit: 9, ..RunFilter::default() };
    assert_eq!(
        store.runs(newest).await.unwrap().iter().map(|run| run.id).collect::<Vec<_>>(),
        [18_003, 18_004, 18_005]
    );
    let counters = store.counters().await.unwrap();
    let allow = counters.iter().find(|counter| counter.outcome == "allow" && counter.hook == "a").unwrap();
    assert_eq!((allow.calls, allow.total_us, allow.max_us, &allow.histogram[..2]), (2, 100, 60, &[1, 1][..]));
    assert!(counters.iter().all(|counter| counter.kind != ROUND), "questions are no calls");
    let late = counters.iter().find(|counter| counter.outcome == "timeout").unwrap();
    assert_eq!((late.is_error, late.histogram.last()), (true, Some(&1)));
}
