//! Explanations and tests of hooks.

use tidegate_core::connection::ConnectionId;
use tidegate_core::hook::{Exchange, HookRun};

use super::*;

#[tokio::test]
async fn a_login_is_explained() {
    let house = House::new();
    let ask = async |query: &str| house.ask("GET", &format!("/api/tidegate/hooks/explain{query}"), Value::Null).await;
    let answer = ask("?username=ann&method=publickey&address=2001:db8::1").await;
    assert_eq!((answer.status, &answer.body["is_stored"]), (200, &json!(false)), "{}", answer.text);
    let links = answer.body["points"][0]["links"].as_array().unwrap();
    assert_eq!((&links[0]["target"], &links[0]["runs"]), (&json!("/ann/publickey/2001:db8::1"), &json!(true)));
    assert_eq!((&links[1]["runs"], &links[1]["reason"]), (&json!(false), &json!("its \"users\" do not match")));
    assert_eq!(ask("?username=ann").await.body["points"][0]["links"][0]["target"], "/ann/password/127.0.0.1");
    for (query, field) in
        [("", "username"), ("?username=a&method=telepathy", "method"), ("?username=a&address=here", "address")]
    {
        let refused = ask(query).await;
        refused.refused(400, field);
        assert_eq!(refused.body["field"], field);
    }
}

#[tokio::test]
async fn hooks_are_asked_about_made_up_events() {
    let house = House::new();
    let ask = async |event: Value| house.ask("POST", "/api/tidegate/hooks/test", event).await;
    let answer = ask(json!({"hook": "login-pre"})).await;
    assert_eq!((answer.status, &answer.body["verdict"]), (200, &json!("allow")), "{}", answer.text);
    ask(json!({})).await.refused(400, "no hook point");
    ask(json!([])).await.refused(400, "body");
}

#[tokio::test]
async fn calls_of_hooks_are_searched() {
    let api = RestApi { authentication: Arc::new(ByName), ..api(RestSettings::default()) };
    let store = api.administration.hook_runs.runs.clone();
    let house = House::of(api);
    let run = |at, hook: &str, username: &str, address: &str, connection: &str, outcome| HookRun {
        at,
        kind: if hook == "/opt/a" { "login-pre" } else { "external-auth" },
        hook: hook.into(),
        adapter: "program",
        connection: Some(ConnectionId::new(connection)),
        username: Some(username.to_owned()),
        address: address.parse().ok(),
        about: Some("password".to_owned()),
        outcome,
        detail: "why".to_owned(),
        is_error: outcome == "timeout",
        decided: true,
        duration: Duration::from_micros(7),
        exchange: Exchange { sent: "A=1".to_owned(), trace: Some("0f".repeat(16)), ..Exchange::default() },
    };
    let runs = vec![
        run(1_000, "/opt/a", "ann", "192.0.2.1", "SSH_1", "allow"),
        run(2_000, "/opt/b", "ann", "192.0.2.2", "SSH_2", "deny"),
        run(3_000, "/opt/b", "bob", "2001:db8::1", "SSH_3", "timeout"),
    ];
    store.append(runs).await.unwrap();
    let check = async |query: &str, expected: &[i64]| {
        let answer = house.ask("GET", &format!("/api/tidegate/hooks/runs{query}"), Value::Null).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        let found = answer.body["runs"].as_array().unwrap();
        assert_eq!(found.iter().map(|run| run["at"].as_i64().unwrap()).collect::<Vec<_>>(), expected, "{query}");
    };
    check("", &[1_000, 2_000, 3_000]).await;
    check("?username=ann", &[1_000, 2_000]).await;
    check("?address=192.0.2.2", &[2_000]).await;
    check("?address=2001:DB8:0::1", &[3_000]).await;
    check("?connection=SSH_1", &[1_000]).await;
    check("?hook=/opt/b", &[2_000, 3_000]).await;
    check("?kind=login-pre", &[1_000]).await;
    check("?outcome=timeout", &[3_000]).await;
    check("?since=2000", &[2_000, 3_000]).await;
    check("?until=2000", &[1_000]).await;
    check("?since=2000&until=3000&username=ann", &[2_000]).await;
    check("?limit=1", &[3_000]).await;
    check("?after=2", &[3_000]).await;
    check("?username=&address=&connection=&hook=&kind=&outcome=", &[1_000, 2_000, 3_000]).await;
    check("?username=nobody", &[]).await;
    for (query, field) in [("?limit=0", "limit"), ("?address=here", "address"), ("?until=x", "until")] {
        let refused = house.ask("GET", &format!("/api/tidegate/hooks/runs{query}"), Value::Null).await;
        refused.refused(400, field);
        assert_eq!(refused.body["field"], field);
    }
    let one = house.ask("GET", "/api/tidegate/hooks/runs/3", Value::Null).await.body;
    let seen = ["hook", "username", "address", "connection", "outcome", "detail", "sent"].map(|field| &one[field]);
    assert_eq!(seen, ["/opt/b", "bob", "2001:db8::1", "SSH_3", "timeout", "why", "A=1"]);
    assert_eq!(
        (&one["is_error"], &one["duration_us"], &one["trace"]),
        (&json!(true), &json!(7), &json!("0f".repeat(16)))
    );
    let counted = house.ask("GET", "/api/tidegate/hooks/counters", Value::Null).await.body;
    let calls = counted["counters"].as_array().unwrap().iter().map(|one| one["calls"].as_i64().unwrap()).sum::<i64>();
    assert_eq!(calls, 3, "{counted}");
}

#[tokio::test]
async fn plugins_are_shown_with_what_they_want_and_why_they_are_refused() {
    let house = House::new();
    let shown = house.ask("GET", "/api/tidegate/plugins/guarded", Value::Null).await;
    let expected = json!({
        "name": "guarded",
        "sha256": "0a1b",
        "hooks": ["login-pre"],
        "grants": ["credentials"],
        "closed_gates": ["external-auth"],
        "error": "no trusted key has signed it",
        "contract": "0.1.0",
        "signer": "SHA256:signer",
        "wants": [{"what": "clear passwords", "is_granted": true}, {"what": "requests", "is_granted": false}],
    });
    assert_eq!((shown.status, &shown.body), (200, &expected), "its settings are for it alone: {}", shown.text);
    let listed = house.ask("GET", "/api/tidegate/plugins", Value::Null).await;
    assert_eq!(listed.body, json!({ "plugins": [expected] }));
    assert_eq!(house.ask("POST", "/api/tidegate/plugins/reload", Value::Null).await.status, 200);
}

#[tokio::test]
async fn plugins_are_changed_where_the_settings_allow_it() {
    let house = House::new();
    let put = async |body: Value| house.ask("PUT", "/api/tidegate/plugins/guard", body).await;
    put(json!({"component": "AGFzbQ==", "signature": "x"})).await.refused(403, "not changed over the network");
    put(json!({"component": "!", "signature": "x"})).await.refused(400, "Base64");
    put(json!({"component": "AGFzbQ=="})).await.refused(400, "signature");
    put(json!({"component": "AGFzbQ==", "signature": "x", "grants": ["*"]})).await.refused(400, "grants");
    house.ask("DELETE", "/api/tidegate/plugins/guard", Value::Null).await.refused(404, "no such plugin");
    // No version is that of a plugin that is not there (RFC 9110 section 13.1.1).
    for line in ["*", "\"x\""] {
        let body = json!({"component": "AGFzbQ==", "signature": "x"});
        let refused = house.based("PUT", "/api/tidegate/plugins/guard", &[("if-match", line)], body).await;
        refused.refused(412, "there is no object");
    }
}
