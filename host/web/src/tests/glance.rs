//! What the server does now: the overview, open sessions, scans, and what sessions have that a new one would not have.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegate_core::account::{Factors, find_user, in_force};
use tidegate_core::connection::{Connection, ConnectionId, LoginMethod};
use tidegate_core::history::Reading;
use tidegate_core::hook::{DecidingCall, Exchange, HookRun};
use tidegate_core::metrics::Counts;
use tidegate_core::ports::{Clock, HookRunStore, SystemClock};
use tidegate_core::quota::Scope;
use tidegate_core::session::{ActiveTransfer, KeptPassword, LiveSession, Session, SessionSlot, Traffic};

use super::client::change;
use super::{House, fact};

impl House {
    /// Opens a session of the account as it is stored now. `by_hook`: a hook has made the account for it.
    async fn open(&self, name: &str, by_hook: bool) -> (SessionSlot, Arc<Session>) {
        let user = find_user(&*self.store, name).await.unwrap().unwrap();
        let account = in_force(&*self.store, user).await.unwrap();
        let account = Arc::new(if by_hook { account.of_session() } else { account });
        let remote: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let id = ConnectionId::new(format!("c-{name}"));
        let client = "SSH-2.0-Test_1".to_owned().into();
        let connection = Connection { id: id.clone(), remote, local: remote, client, opened_at: 0, web: None };
        let session = Arc::new(Session {
            id: id.clone(),
            connection: Arc::new(connection),
            account: account.clone(),
            username: name.to_owned(),
            method: LoginMethod::Password,
            factors: Factors { methods: vec![LoginMethod::Password], has_code: false },
            password: KeptPassword::default(),
            opened_at: 0,
            traffic: Traffic::default(),
            live: LiveSession::new(account, remote.ip(), 0),
        });
        let registry = &self.web.administration.sessions.sessions;
        let slot = registry.admit(&id, name, 0, Default::default()).unwrap();
        slot.begin(session.clone());
        (slot, session)
    }

    async fn calls(&self, outcome: &'static str, is_error: bool, count: usize) {
        let run = HookRun {
            at: 0,
            kind: "login-pre",
            hook: "gate".into(),
            adapter: "program",
            connection: None,
            username: None,
            address: None,
            about: None,
            outcome,
            detail: String::new(),
            is_error,
            decided: true,
            duration: Duration::from_millis(1),
            exchange: Exchange::default(),
        };
        self.store.append(vec![run; count]).await.unwrap();
    }
}

#[tokio::test]
async fn the_overview_shows_the_server_at_a_glance() {
    let house = House::new().await;
    house.user("alice").await;
    let (_slot, session) = house.open("alice", false).await;
    for (is_upload, path) in [(true, "/a"), (true, "/b"), (false, "/c")] {
        session.live.transfer_began(Arc::new(ActiveTransfer::new(is_upload, path.to_owned(), 0)));
    }
    for (is_accepted, count) in [(true, 3), (false, 2)] {
        (0..count).for_each(|_| house.web.metrics.login(LoginMethod::Password, is_accepted));
    }
    house.web.metrics.transfer(true, 2048, true);
    house.web.metrics.transfer(false, 0, false);
    // What was called before the first reading is not of the last hour.
    house.calls("allow", false, 100).await;
    let hooks = Some(house.store.counters().await.unwrap());
    house.web.history.record(&Reading { at: 0, counts: Counts::default(), running: (0, 0), hooks });
    for (outcome, is_error, count) in [("allow", false, 5), ("deny", false, 2), ("timeout", true, 1)] {
        house.calls(outcome, is_error, count).await;
    }
    let root = house.log_in("root").await;
    house.post("/web/bans/add", &root, &[("address", "192.0.2.9")]).await;
    let page = house.get("/web", &root).await.text;
    let expected = [
        ("Version", "1.0"),
        ("Database", "memory, answers"),
        ("Sessions", "1"),
        ("Uploads under way", "2, 0 B/s"),
        ("Downloads under way", "1, 0 B/s"),
        ("Attempts to log in, accepted", "3"),
        ("Attempts to log in, refused", "2"),
        ("Uploads", "1 done, 0 failed, 2.0 KiB"),
        ("Downloads", "0 done, 1 failed, 0 B"),
        ("Disk with the state of the server", "95 B of 100 B"),
        ("Calls of hooks in the last hour", "8, 2 denied, 1 failed"),
        ("Banned addresses", "1"),
    ];
    for (name, value) in expected {
        assert_eq!(fact(&page, name).as_deref(), Some(value), "{name} {page}");
    }
    let (_, changes) = page.split_once("<caption>The last changes</caption>").unwrap();
    let newest = changes.split("<tr>").nth(2).unwrap();
    assert!(newest.contains("root") && newest.contains("add ban 192.0.2.9") && newest.contains("done"), "{newest}");
    // The rest is for those who may see it where it comes from.
    for (permission, known) in [
        ("view_users", &[] as &[&str]),
        ("view_conns", &["Sessions", "Uploads under way", "Downloads under way"]),
        ("view_defender", &["Banned addresses"]),
        ("view_events", &["Calls of hooks in the last hour"]),
    ] {
        house.admin(permission, json!({"permissions": [permission]})).await;
        let page = house.get("/web", &house.log_in(permission).await).await.text;
        let shown: Vec<_> = expected.iter().map(|(name, _)| *name).filter(|name| fact(&page, name).is_some()).collect();
        assert_eq!(shown, [&["Version", "Database"][..], known].concat(), "{permission}");
        assert_eq!(page.contains("The last changes"), permission == "view_events", "{permission}");
    }
}

#[tokio::test]
async fn an_open_session_is_shown_with_its_transfers_and_the_hook_that_decided() {
    let house = House::new().await;
    house.user("alice").await;
    let (_slot, session) = house.open("alice", false).await;
    session.live.channel_opened("SFTP", "");
    let about = Some("password".to_owned());
    let call = DecidingCall { kind: "external-auth", hook: "ldap".into(), about, outcome: "accept" };
    session.live.login_was_decided(Some(Arc::new(call)));
    let now = SystemClock.now();
    let transfer = Arc::new(ActiveTransfer::new(false, "/report.pdf".to_owned(), now));
    transfer.expects(8192);
    transfer.moved(4096, now);
    session.live.transfer_began(transfer);
    let root = house.log_in("root").await;
    let page = house.get("/web/connections", &root).await.text;
    let decided = "ldap: accept, external-auth (password)";
    for text in [
        ">alice</a>",
        "192.0.2.7:4711",
        "SSH-2.0-Test_1",
        "SFTP",
        "download /report.pdf",
        "max=\"1000\" value=\"500\"",
        "4.0 KiB of 8.0 KiB",
        decided,
        "href=\"/web/runs?connection=c-alice\"",
        "id=\"close-c-alice\"",
        "id=\"ban-c-alice\"",
        "hx-trigger=\"every 2s\"",
    ] {
        assert!(page.contains(text), "{text} {page}");
    }
    for (search, shown) in
        [("ALI", true), ("192.0.2.7", true), ("test_1", true), ("c-al", true), (".pdf", true), ("bob", false)]
    {
        let page = house.get(&format!("/web/connections?search={search}"), &root).await.text;
        assert_eq!(page.contains("id=\"session-c-alice\""), shown, "{search} {page}");
    }
    // Calls of hooks are for those who may see calls, and buttons for those who may press them.
    house.admin("watcher", json!({"permissions": ["view_conns"]})).await;
    let page = house.get("/web/connections", &house.log_in("watcher").await).await.text;
    assert!(page.contains("192.0.2.7:4711") && page.contains("4.0 KiB of 8.0 KiB"), "{page}");
    for text in [decided, "/web/runs", "id=\"close-c-alice\"", "id=\"ban-c-alice\"", ">alice</a>"] {
        assert!(!page.contains(text), "{text} {page}");
    }
}

#[tokio::test]
async fn what_a_session_alone_has_says_who_made_it() {
    for (by_hook, from) in [(true, "a hook, for this session"), (false, "a hook, or an earlier state")] {
        let house = House::new().await;
        house.user("alice").await;
        let (_slot, _) = house.open("alice", by_hook).await;
        let root = house.log_in("root").await;
        let same = house.get("/web/users/effective?name=alice", &root).await.text;
        assert!(!same.contains("that a new session would not have"), "{same}");
        change(&house, "alice", json!({"quota_files": 7})).await;
        let page = house.get("/web/users/effective?name=alice", &root).await.text;
        let (_, table) =
            page.split_once("Values of the open session c-alice that a new session would not have").unwrap();
        let row = table.split("<tr>").find(|row| row.contains("<code>quota_files</code>")).unwrap();
        assert!(row.contains("<td>7</td>") && row.contains("<td>0</td>") && row.contains(from), "{row}");
    }
}

#[tokio::test]
async fn scans_are_listed_as_long_as_they_are_under_way() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let keeper = &house.web.administration.scans.scans.keeper;
    let scan = keeper.begin_scan(&Scope::Account("alice".to_owned())).unwrap();
    let page = house.get("/web/quota?live=0", &root).await.text;
    let row = page.split("<tr>").nth(2).unwrap();
    for text in ["account", "alice", "<span class=\"number\">0</span>"] {
        assert!(row.contains(text), "{text} {page}");
    }
    drop(scan);
    let page = house.get("/web/quota?live=0", &root).await.text;
    assert!(page.contains("No scan is under way.") && !page.contains("alice"), "{page}");
}
