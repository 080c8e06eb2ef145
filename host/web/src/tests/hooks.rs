//! Pages about hooks: what they did lately, and their records.

use std::time::Duration;

use tidegate_core::history::Reading;
use tidegate_core::hook::{Exchange, HookKind, HookRun};
use tidegate_core::metrics::Counts;
use tidegate_core::ports::HookRunStore;

use super::{HOSTILE, House};

/// A call of the hook that is configured, so many minutes after 1970.
fn run(minute: i64, kind: &'static str, duration: Duration) -> HookRun {
    HookRun {
        at: minute * 60_000,
        kind,
        hook: format!("/opt/{HOSTILE}").as_str().into(),
        adapter: "program",
        connection: None,
        username: None,
        address: None,
        about: None,
        outcome: "allow",
        detail: String::new(),
        is_error: false,
        decided: true,
        duration,
        exchange: Exchange::default(),
    }
}

impl House {
    async fn count_hooks(&self, minute: i64) {
        let hooks = self.store.counters().await.unwrap();
        let (at, counts) = (minute * 60_000, Counts::default());
        self.web.history.record(&Reading { at, counts, running: (0, 0), hooks: Some(hooks) });
    }
}

#[tokio::test]
async fn the_slowest_hook_is_that_of_the_last_hour() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let calls = |count: usize, duration| -> Vec<HookRun> { vec![run(0, "login-pre", duration); count] };
    house.store.append(calls(2_000, Duration::from_micros(10))).await.unwrap();
    house.count_hooks(0).await;
    let page = house.get("/web/hooks", &root).await.text;
    assert!(page.contains("no hook was called in the last hour") && page.contains(">2000<"), "{page}");
    house.store.append(calls(3, Duration::from_secs(1))).await.unwrap();
    // Before and after the minute is over.
    for minute in 1..3 {
        let page = house.get("/web/hooks", &root).await.text;
        assert!(page.contains("at login-pre, ≤ 2.0 s for 99 of 100 calls in the last hour"), "{minute} {page}");
        assert!(page.contains(">3<") && page.contains(">2003<"), "{minute} {page}");
        house.count_hooks(minute).await;
    }
    assert!(house.get("/web/hooks", &root).await.text.contains("id=\"plot-login-pre-times\""));
    // What an hour ago was slow is not slow now, but is in the last day.
    for minute in 3..90 {
        house.count_hooks(minute).await;
    }
    assert!(house.get("/web/hooks", &root).await.text.contains("no hook was called in the last hour"));
    assert!(house.get("/web/hooks?span=day", &root).await.text.contains("for 99 of 100 calls in the last day"));
}

#[tokio::test]
async fn each_hook_point_is_there() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let page = house.get("/web/hooks", &root).await.text;
    let (chains, without) = page.split_once("Hook points at which no hook is asked").unwrap();
    for point in HookKind::ALL {
        let has_chain = chains.contains(&format!("id=\"chain-{point}\""));
        assert_eq!(has_chain, point == HookKind::LoginPre, "{point}");
        assert_eq!(without.contains(&format!(">{point}<")), !has_chain, "{point}");
    }
}

#[tokio::test]
async fn a_hook_is_asked_beside_all_of_its_point() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let one = format!("login-pre /opt/{HOSTILE}");
    let form = house.get("/web/hooks/test?username=ann", &root).await.text;
    assert!(form.contains("login-pre: all hooks") && form.contains("beside all hooks"), "{form}");
    assert!(form.contains("value=\"ann\"") && form.contains("name=\"public_key\""), "{form}");
    let file = house.get("/web/hooks/test?about=file", &root).await.text;
    assert!(file.contains("No hook is configured that could be asked"), "{file}");
    let check = async |fields: &[(&str, &str)], has: &[&str], lacks: &[&str]| {
        let page = house.post("/web/hooks/test", &root, fields).await.text;
        has.iter().for_each(|part| assert!(page.contains(part), "{fields:?} {part} {page}"));
        lacks.iter().for_each(|part| assert!(!page.contains(part), "{fields:?} {part} {page}"));
        assert!(super::hostile::is_text(&page), "{page}");
    };
    let password = ("password", "guess");
    check(
        &[("hook", "login-pre"), ("username", "ann"), password],
        &["All hooks of login-pre", "about.user"],
        &["about.only", " alone"],
    )
    .await;
    check(&[("hook", one.as_str()), ("username", "ann")], &["All hooks of login-pre", " alone", "about.only"], &[])
        .await;
    check(
        &[("hook", one.as_str()), ("username", "of-nobody")],
        &[
            "its selectors do not match",
            "no hook was asked: the selectors of all hooks exclude the event",
            "Not asked: its",
        ],
        &[],
    )
    .await;
    let event = ("event", "{\"only\": \"a\", \"ip\": \"::1\"}");
    check(&[("hook", "login-pre"), event], &["a alone", "about.ip", "about.only"], &[]).await;
    let wrong = house.post("/web/hooks/test", &root, &[("hook", "login-pre"), ("event", "{")]).await;
    assert_eq!((wrong.status, wrong.text.contains("no JSON object")), (400, true), "{}", wrong.text);
}

#[tokio::test]
async fn calls_are_selected_by_point_and_time_and_come_by_page() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let took = Duration::from_millis(1);
    let runs = (1..=230).map(|minute| run(minute, if minute % 2 == 0 { "login-pre" } else { "login" }, took));
    house.store.append(runs.collect()).await.unwrap();
    let ids = |page: &str| -> Vec<u64> {
        let ids = page.split("<tr id=\"run-").skip(1);
        ids.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
    };
    let check = async |query: &str, expected: Vec<u64>| {
        let page = house.get(&format!("/web/runs?{query}"), &root).await.text;
        assert_eq!(ids(&page), expected, "{query} {page}");
    };
    check("since=1970-01-01+03:48", vec![230, 229, 228]).await;
    check("since=1970-01-01+03:48&until=1970-01-01+03:50&kind=login-pre", vec![228]).await;
    check("kind=login&until=1970-01-01+00:04", vec![3, 1]).await;
    check("until=1970-01-01", vec![]).await;
    check("until=soon", vec![]).await;
    assert!(house.get("/web/runs?until=soon", &root).await.text.contains("A time cannot be read"));
    // All of one point, page by page.
    let (mut path, mut seen, mut pages) = ("/web/runs?kind=login-pre".to_owned(), Vec::new(), 0);
    loop {
        let page = house.get(&path, &root).await.text;
        assert!(page.contains("<option value=\"login-pre\" selected>"), "{page}");
        assert_eq!(page.contains("To the newest"), pages > 0, "{path}");
        (seen, pages) = ([seen, ids(&page)].concat(), pages + 1);
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    }
    assert_eq!((pages, seen), (2, (1..=115).rev().map(|half| half * 2).collect::<Vec<u64>>()));
}
