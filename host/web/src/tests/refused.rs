//! "Why was X refused?": which attempts are found among others, and what is said of them.

use std::time::Duration;

use tidegate_core::connection::ConnectionId;
use tidegate_core::hook::{Exchange, HookRun};
use tidegate_core::ports::HookRunStore;

use super::House;

/// A record about a user from an address of the test network.
fn run(connection: &str, kind: &'static str, outcome: &'static str, about: &str) -> HookRun {
    HookRun {
        at: 1_800_000_000_000,
        kind,
        hook: "gate".into(),
        adapter: "program",
        connection: Some(ConnectionId::new(connection)),
        username: Some("alice".to_owned()),
        address: Some("192.0.2.7".parse().unwrap()),
        about: Some(about.to_owned()),
        outcome,
        detail: format!("{outcome} on {connection}"),
        is_error: false,
        decided: outcome != "allow",
        duration: Duration::from_millis(5),
        exchange: Exchange::default(),
    }
}

/// A client that offers a key which is refused, and then logs in by password.
fn accepted(connection: &str) -> [HookRun; 2] {
    [run(connection, "login", "refused", "publickey"), run(connection, "login", "accepted", "password")]
}

impl House {
    async fn with(runs: Vec<HookRun>) -> (Self, String) {
        let house = Self::new().await;
        house.store.append(runs).await.unwrap();
        let root = house.log_in("root").await;
        (house, root)
    }
}

#[tokio::test]
async fn a_refusal_is_found_among_many_accepted_connections() {
    let mut runs = vec![run("old", "login-pre", "allow", "password"), run("old", "login", "refused", "password")];
    runs.extend((0..600).flat_map(|number| accepted(&format!("c{number}"))));
    let (house, root) = House::with(runs).await;
    for who in ["alice", "192.0.2.7", "::ffff:192.0.2.7"] {
        let page = house.get(&format!("/web/refused?who={who}"), &root).await.text;
        for text in ["It was refused by the server: refused (refused on old)", "login-pre", "Accepted ones as well"] {
            assert!(page.contains(text), "{who} {text} {page}");
        }
        assert!(!page.contains("connection=c599") && !page.contains("Older ones"), "{page}");
        let page = house.get(&format!("/web/refused?who={who}&all=1"), &root).await.text;
        for text in ["connection=c599", "connection=c595", "The log-in was accepted, after", "Older ones"] {
            assert!(page.contains(text), "{who} {text} {page}");
        }
        assert!(!page.contains("It was refused") && !page.contains("connection=c594"), "{page}");
    }
}

#[tokio::test]
async fn the_search_has_the_focus_at_first() {
    let (house, root) = House::with(Vec::new()).await;
    // Once there is an answer, it is read from its beginning.
    for (path, has_focus) in [("/web/refused", true), ("/web/refused?who=alice", false), ("/web/users", false)] {
        assert_eq!(house.get(path, &root).await.text.contains(" autofocus"), has_focus, "{path}");
    }
}

#[tokio::test]
async fn accepted_log_ins_are_shown_where_none_was_refused() {
    let (house, root) = House::with(accepted("c").into()).await;
    let page = house.get("/web/refused?who=alice", &root).await.text;
    assert!(
        page.contains("No log-in over SFTP was refused lately") && page.contains("The log-in was accepted, after"),
        "{page}"
    );
    assert!(!page.contains("It was refused"), "{page}");
    // Asked again is what was accepted, and not the key before it.
    assert!(page.contains("method=password") && !page.contains("method=publickey"), "{page}");
}

#[tokio::test]
async fn a_long_session_keeps_the_steps_of_its_login() {
    let mut runs = vec![run("c", "login-pre", "allow", "password"), run("c", "login", "accepted", "password")];
    runs.extend((0..600).map(|_| run("c", "pre-download", "allow", "download")));
    runs.push(run("c", "pre-upload", "deny", "upload"));
    let (house, root) = House::with(runs).await;
    for who in ["c", "alice"] {
        let page = house.get(&format!("/web/refused?who={who}"), &root).await.text;
        for text in ["login-pre", "The log-in was accepted.", "by the hook gate at pre-upload: deny (deny on c)"] {
            assert!(page.contains(text), "{who} {text} {page}");
        }
    }
}

#[tokio::test]
async fn the_steps_of_an_attempt_stand_in_their_order() {
    let kinds = [
        "connect",
        "login-pre",
        "external-auth",
        "pre-login",
        "round",
        "round",
        "keyboard-interactive",
        "check-password",
        "session-create",
        "login",
        "post-login",
        "pre-action",
    ];
    let outcome = |kind: &'static str| match kind {
        "login" => "accepted",
        "round" => "answered",
        _ => "allow",
    };
    let (house, root) = House::with(kinds.map(|kind| run("c", kind, outcome(kind), "password")).into()).await;
    let page = house.get("/web/refused?who=c", &root).await.text;
    let titles = page.split("<h3>").skip(1).map(|rest| rest.split(" <").next().unwrap());
    let expected = kinds.map(|kind| match kind {
        "login" => "Outcome of the attempt",
        "round" => "Questions to the user",
        _ => kind,
    });
    assert_eq!(titles.collect::<Vec<_>>(), expected, "{page}");
}

#[tokio::test]
async fn older_refusals_are_on_further_pages() {
    let runs = (0..7).map(|number| run(&format!("c{number}"), "login", "refused", "password"));
    let (house, root) = House::with(runs.collect()).await;
    let shown =
        |page: &str| (0..7).filter(|number| page.contains(&format!("connection=c{number}"))).collect::<Vec<_>>();
    let page = house.get("/web/refused?who=alice", &root).await.text;
    assert_eq!(shown(&page), [2, 3, 4, 5, 6], "{page}");
    let before = page.split("before=").nth(1).unwrap();
    let before: String = before.chars().take_while(char::is_ascii_digit).collect();
    let page = house.get(&format!("/web/refused?who=alice&before={before}"), &root).await.text;
    assert_eq!(shown(&page), [0, 1], "{page}");
    let page = house.get("/web/refused?who=alice&before=1", &root).await.text;
    assert!(page.contains("There are no older ones") && shown(&page).is_empty(), "{page}");
}

#[tokio::test]
async fn refused_log_ins_of_other_doors_are_shown_as_well() {
    let house = House::new().await;
    house.post("/web/login", "", &[("username", "root"), ("password", "wrong")]).await;
    let root = house.log_in("root").await;
    let page = house.get("/web/refused?who=root", &root).await.text;
    assert!(page.contains("Refused log-ins over the web") && !page.contains("No hook was asked"), "{page}");
    assert!(page.contains("the password is wrong"), "{page}");
    // They are no contradiction to what is said of other connections.
    let over_sftp = accepted("c").map(|run| HookRun { username: Some("root".to_owned()), ..run });
    house.store.append(over_sftp.into()).await.unwrap();
    let page = house.get("/web/refused?who=root", &root).await.text;
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} {page}"));
    assert!(at("Refused log-ins over the web") < at("No log-in over SFTP was refused lately"), "{page}");
    assert_eq!(page.matches("<caption>Refused log-ins over the web").count(), 1, "{page}");
    house.admin("ann", serde_json::json!({"permissions": ["view_users"]})).await;
    let ann = house.log_in("ann").await;
    assert_eq!(house.get("/web/refused?who=root", &ann).await.status, 403);
}

#[tokio::test]
async fn refusals_by_hooks_over_the_web_are_found_among_accepted_connections() {
    let failed = HookRun { is_error: true, ..run("HTTP_2", "login-pre", "timeout", "password") };
    let mut runs = vec![
        run("HTTP_1", "login-pre", "deny", "password"),
        failed,
        run("HTTP_3", "session-create", "deny", ""),
        // Passed over, and no refusal.
        HookRun { is_error: true, decided: false, ..run("HTTP_4", "login-pre", "timeout", "password") },
        run("HTTP_5", "login-pre", "allow", "password"),
    ];
    runs.extend((0..200).flat_map(|number| accepted(&format!("c{number}"))));
    let (house, root) = House::with(runs).await;
    for who in ["alice", "192.0.2.7"] {
        let page = house.get(&format!("/web/refused?who={who}"), &root).await.text;
        for text in [
            "It was refused by the hook gate at login-pre: deny (deny on HTTP_1)",
            "It was refused because the hook gate failed at login-pre: timeout (timeout on HTTP_2)",
            "It was refused by the hook gate at session-create: deny (deny on HTTP_3)",
            "Accepted ones as well",
        ] {
            assert!(page.contains(text), "{who} {text} {page}");
        }
        assert!(!page.contains("HTTP_4") && !page.contains("HTTP_5") && !page.contains("lately"), "{who} {page}");
    }
}

#[tokio::test]
async fn connections_that_were_closed_as_they_arrived_are_found_by_their_address() {
    let closed = HookRun { connection: None, username: None, about: None, ..run("", "accept", "refused", "") };
    let limit = HookRun { detail: "too many connections".to_owned(), ..closed.clone() };
    let ban = HookRun { detail: "the address is banned".to_owned(), ..closed };
    let (house, root) = House::with(vec![limit, ban, run("c", "login", "refused", "password")]).await;
    let page = house.get("/web/refused?who=192.0.2.7", &root).await.text;
    for text in [
        "It was refused by the server as it connected: refused (too many connections)",
        "It was refused by the server as it connected: refused (the address is banned)",
        "It was refused by the server: refused (refused on c)",
    ] {
        assert!(page.contains(text), "{text} {page}");
    }
    let page = house.get("/web/refused?who=alice", &root).await.text;
    assert!(page.contains("refused on c") && !page.contains("as it connected"), "{page}");
}
