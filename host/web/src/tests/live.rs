//! What a browser is sent: scripts where there is something for them to do, and parts that are asked for again.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use tidegate_core::connection::ConnectionId;
use tidegate_core::hook::{Exchange, HookRun};
use tidegate_core::ports::HookRunStore;
use tokio::time::advance;

use super::client::log_in;
use super::{Answer, House};
use crate::client::{Who, places};

impl House {
    async fn call(&self, hook: &str) {
        let run = HookRun {
            at: 1_800_000_000_000,
            kind: "login-pre",
            hook: hook.into(),
            adapter: "program",
            connection: Some(ConnectionId::new("c1")),
            username: Some("alice".to_owned()),
            address: None,
            about: None,
            outcome: "allow",
            detail: String::new(),
            is_error: false,
            decided: true,
            duration: Duration::from_millis(5),
            exchange: Exchange::default(),
        };
        self.store.append(vec![run]).await.unwrap();
    }

    async fn part(&self, path: &str, cookie: &str, tag: &str) -> Answer {
        let mut headers = vec![("cookie", cookie), ("hx-request", "true"), ("accept-encoding", "gzip")];
        headers.extend((!tag.is_empty()).then_some(("if-none-match", tag)));
        self.send("GET", path, &headers, "").await
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_is_made_once_for_all_who_ask_for_it_and_sent_once_to_each() {
    const ALL: &str = "/web/runs?part=table";
    let house = House::new().await;
    house.admin("ann", json!({})).await;
    house.admin("guest", json!({"permissions": ["view_users"]})).await;
    let (root, ann, guest) = (house.log_in("root").await, house.log_in("ann").await, house.log_in("guest").await);
    for number in 0..20 {
        house.call(&format!("first-{number}")).await;
    }
    let first = house.part(ALL, &root, "").await;
    assert_eq!(
        (first.status, first.header("content-encoding"), first.header("cache-control")),
        (200, "gzip", "no-store")
    );
    assert_eq!(first.header("vary"), "Accept-Encoding, Cookie, HX-Request");
    let tag = first.header("etag").to_owned();
    let again = house.part(ALL, &ann, &tag).await;
    assert_eq!((again.status, again.size, again.header("etag")), (304, 0, tag.as_str()));
    assert!(again.header("content-security-policy").contains("default-src 'none'"));
    // For a moment, all see what the first one was shown; another filter, and the whole page, are as it is now.
    house.call("second").await;
    assert_eq!(house.part(ALL, &root, &tag).await.status, 304);
    let plain = house.send("GET", ALL, &[("cookie", &root), ("hx-request", "true")], "").await.text;
    assert!(plain.contains(">first-0<") && !plain.contains(">second<") && !plain.contains("<html"), "{plain}");
    assert_eq!(house.part("/web/runs?hook=second&part=table", &root, &tag).await.status, 200);
    assert!(house.get("/web/runs", &root).await.text.contains(">second<"));
    advance(Duration::from_secs(1)).await;
    let fresh = house.part(ALL, &root, &tag).await;
    assert!(fresh.status == 200 && fresh.header("etag") != tag, "{fresh:?}");
    // The answer for a client that may not see it does not reveal that it is unchanged.
    for (cookie, expected) in [(guest.as_str(), 403), ("", 401), ("tidegate=x", 401)] {
        let refused = house.part(ALL, cookie, &tag).await;
        assert_eq!((refused.status, refused.header("etag")), (expected, ""), "{cookie}");
    }
}

#[tokio::test]
async fn scripts_are_loaded_where_there_is_something_to_do_for_them() {
    let house = House::new().await;
    house.user("alice").await;
    let (root, alice) = (house.log_in("root").await, log_in(&house, "alice").await);
    for (path, expected) in [
        ("/web/login", false),
        ("/web/account", false),
        ("/web/users/edit?name=alice", false),
        ("/web/users", true),
        ("/web/connections", true),
        ("/web/connections?live=0", true),
        ("/web/quota", true),
        ("/web/quota?live=0", false),
        ("/web/runs", true),
    ] {
        let page = house.get(path, &root).await.text;
        let needs = page.contains(" hx-get=") || page.contains(" data-all");
        assert_eq!((page.contains("<script"), needs), (expected, expected), "{path}");
    }
    for place in places().iter().filter(|place| place.method == Method::GET) {
        let cookie = if place.who != Who::Anyone { &alice } else { "" };
        let page = house.get(place.path, cookie).await;
        assert!(page.status == 200 && !page.text.contains("<script"), "{} {}", place.path, page.text);
    }
}
