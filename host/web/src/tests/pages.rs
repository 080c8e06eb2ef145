//! Dumps, one-time codes, what is in force, plots, and what holds for every page.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_core::admin::DoorClient;
use tidegate_core::connection::WebVisit;
use tidegate_core::history::Reading;
use tidegate_core::metrics::{Counts, Logins};
use tidegate_core::ports::Door;
use tokio::time::sleep;

use super::{Answer, HOSTILE, House, map, texts_of};
use crate::guard::Need;
use crate::route::routes;

impl House {
    /// Sends a file as a browser does.
    async fn upload(&self, path: &str, cookie: &str, text: &str) -> Answer {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"dump\"; filename=\"d.json\"\r\n\
             Content-Type: application/json\r\n\r\n{text}\r\n--b--\r\n"
        );
        let kind = ("content-type", "multipart/form-data; boundary=b");
        self.send("POST", path, &[("cookie", cookie), ("sec-fetch-site", "same-origin"), kind], &body).await
    }
}

#[tokio::test]
async fn a_dump_is_tried_before_it_is_loaded() {
    let house = House::new().await;
    house.user("alice").await;
    let root = house.log_in("root").await;
    let dump = house.post("/web/dump/download", &root, &[]).await;
    assert_eq!((dump.status, dump.header("content-type")), (200, "application/json"));
    assert!(dump.header("content-disposition").contains("dump.json"));
    let mut document: Value = serde_json::from_str(&dump.text).unwrap();
    document["users"][0]["uid"] = json!(7);
    document["groups"] = json!([{"name": "g"}]);
    document["shares"] = json!([{}]);
    let tried = house.upload("/web/dump/try", &root, &document.to_string()).await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    for text in ["Load 2 documents", "alice", "changed", "not loaded: shares"] {
        assert!(tried.text.contains(text), "{text} {}", tried.text);
    }
    assert_eq!(house.document("alice").await.get("uid"), Some(&json!(0)));
    // A dump is loaded in the session that has uploaded it, and once.
    let other = house.log_in("root").await;
    assert_eq!(house.post("/web/dump/load", &other, &[]).await.status, 400);
    house.upload("/web/dump/try", &root, &document.to_string()).await;
    let loaded = house.post("/web/dump/load", &root, &[]).await;
    assert_eq!((loaded.status, loaded.header("location")), (303, "/web/dump?done=loaded"), "{}", loaded.text);
    assert_eq!(house.document("alice").await["uid"], 7);
    assert_eq!(house.post("/web/dump/load", &root, &[]).await.status, 400);
    let broken = json!({"users": [{"username": HOSTILE, "status": 5}]}).to_string();
    let refused = house.upload("/web/dump/try", &root, &broken).await;
    assert!(refused.text.contains("cannot be loaded") && !refused.text.contains("id=\"load\""), "{}", refused.text);
    assert!(!refused.text.contains("<img src=x"));
    assert_eq!(house.upload("/web/dump/try", &root, "no dump").await.status, 400);
    assert_eq!(house.post("/web/dump/try", &root, &[]).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn an_uploaded_dump_is_let_go_of_when_its_time_is_over() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let upload = async || {
        let tried = house.upload("/web/dump/try", &root, r#"{"groups":[{"name":"g"}]}"#).await;
        assert!(tried.text.contains("Load 1 documents"), "{}", tried.text);
    };
    let is_kept_after = async |seconds: u64| {
        sleep(Duration::from_secs(seconds)).await;
        house.web.uploaded.lock().unwrap().is_some()
    };
    upload().await;
    assert!(is_kept_after(400).await);
    // Another one has a time of its own.
    upload().await;
    assert!(is_kept_after(400).await);
    assert!(!is_kept_after(201).await);
    assert_eq!(house.post("/web/dump/load", &root, &[]).await.status, 400);
}

#[tokio::test]
async fn one_time_codes_are_shown_once() {
    let house = House::new().await;
    house.user("alice").await;
    house.admin("ann", json!({"permissions": ["view_users"]})).await;
    let (root, ann) = (house.log_in("root").await, house.log_in("ann").await);
    let made = house.post("/web/users/codes", &root, &[("name", "alice"), ("do", "make")]).await;
    assert!(made.text.contains("otpauth://totp/") && made.text.contains("class=\"qr\""), "{}", made.text);
    assert_eq!(house.document("alice").await["filters"]["totp_config"]["enabled"], true);
    assert_eq!(house.post("/web/users/codes", &ann, &[("name", "alice"), ("do", "make")]).await.status, 403);
    let removed = house.post("/web/users/codes", &root, &[("name", "alice"), ("do", "remove")]).await;
    assert_eq!(removed.status, 303, "{}", removed.text);
    // One's own, with the password, whatever the permissions.
    let own = |password, what| [("current", password), ("do", what)];
    assert_eq!(house.post("/web/account/codes", &ann, &own("wrong", "make")).await.status, 403);
    let made = house.post("/web/account/codes", &ann, &own("pw", "make")).await;
    assert!(made.status == 200 && made.text.contains("Recovery codes"), "{}", made.text);
    let page = house.get("/web/account", &ann).await;
    assert!(page.text.contains("Remove the one-time codes"), "{}", page.text);
    assert_eq!(house.post("/web/account/codes", &ann, &own("pw", "remove")).await.status, 303);
    house.log_in("ann").await;
    let made = house.post("/web/admins/codes", &root, &[("name", "ann"), ("do", "make")]).await;
    assert!(made.text.contains("Recovery codes"), "{}", made.text);
    assert_eq!(house.post("/web/login", "", &[("username", "ann"), ("password", "pw")]).await.status, 401);
}

#[tokio::test]
async fn login_links_are_shown_once_and_revoked() {
    // D-08
    let house = House::new().await;
    house.user("alice").await;
    house.admin("ann", json!({"permissions": ["view_users"]})).await;
    let (root, ann) = (house.log_in("root").await, house.log_in("ann").await);
    let page = house.get("/web/users/show?name=alice", &root).await.text;
    assert!(page.contains("href=\"/web/users/link?name=alice\""), "{page}");
    assert!(!house.get("/web/users/show?name=alice", &ann).await.text.contains("/web/users/link"));
    let make = async |more: &[(&str, &str)]| {
        house.post("/web/users/link", &root, &[&[("name", "alice")][..], more].concat()).await
    };
    for (field, value) in [("uses", "0"), ("uses", "many"), ("hours", "0"), ("ips", "here")] {
        let refused = make(&[(field, value)]).await;
        assert!(matches!(refused.status, 400 | 422), "{field} {} {}", refused.status, refused.text);
    }
    let made =
        make(&[("label", "for the phone"), ("uses", "2"), ("hours", "1"), ("ips", "127.0.0.0/8\r\n::1/128")]).await;
    assert!(made.status == 200 && made.text.contains("shown this once"), "{}", made.text);
    let code = made.text.split("<code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap().to_owned();
    let list = house.get("/web/users/link?name=alice", &root).await.text;
    assert!(list.contains("for the phone") && list.contains("0 of 2") && !list.contains(&code), "{list}");
    let address = "127.0.0.1".parse().ok();
    let client = DoorClient { door: Door::Rest, address, visit: WebVisit::default() };
    house.web.administration.login_links.redeem(&code, None, &client).await.unwrap();
    let list = house.get("/web/users/link?name=alice", &root).await.text;
    assert!(list.contains("1 of 2"), "{list}");
    let id = list.split("id=\"revoke-").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let fields = [("name", "alice"), ("id", id.as_str())];
    assert_eq!(house.post("/web/users/link/revoke", &ann, &fields).await.status, 403);
    let revoked = house.post("/web/users/link/revoke", &root, &fields).await;
    assert_eq!(revoked.header("location"), "/web/users/link?name=alice&done=revoked");
    assert!(house.web.administration.login_links.redeem(&code, None, &client).await.is_err());
    assert!(!house.get("/web/users/link?name=alice", &root).await.text.contains("for the phone"));
    assert_eq!(house.get("/web/users/link?name=none", &root).await.status, 404);
}

#[tokio::test]
async fn values_that_a_plugin_keeps_have_sizes_and_ages() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let path = crate::request::address("/web/plugins/show", &[("name", HOSTILE)]);
    let page = house.get(&path, &root).await.text;
    let table = page.split("id=\"kept\"").nth(1).unwrap();
    assert!(table.contains("5 B") && table.contains("1 h 5 min"), "{table}");
}

#[tokio::test]
async fn what_is_in_force_says_where_it_comes_from() {
    let house = House::new().await;
    let owner = tidegate_core::admin::Actor::local("owner", tidegate_core::ports::Door::Socket);
    let of = &house.web.administration;
    let group =
        json!({"name": "staff", "user_settings": {"quota_files": 9, "filters": {"denied_ip": ["192.0.2.0/24"]}}});
    of.objects.add(&owner, tidegate_core::account::ObjectKind::Group, &map(group)).await.unwrap();
    let user = json!({"username": "alice", "password": "pw", "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]},
                      "groups": [{"name": "staff", "type": 1}]});
    of.users.add(&owner, map(user), None).await.unwrap();
    let root = house.log_in("root").await;
    let page = house.get("/web/users/effective?name=alice", &root).await.text;
    for text in ["<code>quota_files</code>", "staff, its primary group", "<code>filters.denied_ip</code>"] {
        assert!(page.contains(text), "{text} {page}");
    }
    assert!(!page.contains("<code>home_dir</code>"), "{page}");
    assert_eq!(house.get("/web/users/effective?name=none", &root).await.status, 404);
}

#[tokio::test]
async fn groups_are_deleted_several_at_once() {
    let house = House::new().await;
    let owner = tidegate_core::admin::Actor::local("owner", tidegate_core::ports::Door::Socket);
    for name in ["g1", "g2", "g3"] {
        let group = map(json!({"name": name}));
        let kind = tidegate_core::account::ObjectKind::Group;
        house.web.administration.objects.add(&owner, kind, &group).await.unwrap();
    }
    let root = house.log_in("root").await;
    let list = house.get("/web/groups", &root).await.text;
    assert!(list.contains("Delete…") && !list.contains("Disable…") && !list.contains("Count files…"), "{list}");
    let fields = [("name", "g1"), ("name", "g2"), ("action", "delete")];
    assert!(house.post("/web/groups/bulk", &root, &fields).await.text.contains("Delete 2 group(s)?"));
    assert_eq!(house.post("/web/groups/bulk/do", &root, &fields).await.header("location"), "/web/groups?done=bulk");
    let list = house.get("/web/groups", &root).await.text;
    assert!(!list.contains(">g1</a>") && list.contains(">g3</a>"), "{list}");
    assert_eq!(house.post("/web/groups/bulk/do", &root, &[("name", "g3"), ("action", "disable")]).await.status, 400);
}

#[tokio::test]
async fn the_last_hour_is_drawn_and_stands_in_a_table() {
    let house = House::new().await;
    for minute in 0..3_u64 {
        let logins = Logins { attempts: minute * 4, accepted: minute, refused: minute * 3 };
        let counts = Counts { logins, ..Counts::default() };
        let at = i64::try_from(minute).unwrap() * 60_000;
        house.web.history.record(&Reading { at, counts, running: (0, 0), hooks: Some(Vec::new()) });
    }
    let root = house.log_in("root").await;
    let page = house.get("/web", &root).await.text;
    for text in
        ["<title id=\"plot-logins-title\">", "refused: 3 at the end, at most 3", "<polyline class=\"second\" points="]
    {
        assert!(page.contains(text), "{text} {page}");
    }
    assert!(page.contains("Attempts to log in as a table") && page.contains("is nearly full"), "{page}");
    house.admin("viewer", json!({"permissions": ["view_users"]})).await;
    let viewer = house.log_in("viewer").await;
    assert!(!house.get("/web", &viewer).await.text.contains("<svg"));
}

#[tokio::test]
async fn the_configuration_says_where_its_values_come_from() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let page = house.get("/web/configuration", &root).await.text;
    let cells = |key: &str| {
        let row = page.split("<tr>").find(|row| row.contains(&format!("<code>{key}</code>"))).unwrap();
        row.split("</td>").skip(1).take(2).map(texts_of).collect::<Vec<_>>()
    };
    assert_eq!(cells("sftpd.bindings.port"), ["2022", "default"], "{page}");
    let shown = HOSTILE.replace(['\u{202e}', '\u{200f}'], "\u{fffd}");
    assert_eq!(cells("sftpd.banner"), [shown.as_str(), &shown], "{page}");
    // The warnings of `tidegate config check`.
    let warning = page.split("<p class=\"note warning\" role=\"status\">").nth(1).unwrap();
    assert_eq!(texts_of(warning.split("</p>").next().unwrap()), format!("{shown}."), "{page}");
    assert!(!page.split_once("<main").unwrap().1.contains("<form"), "{page}");
}

/// With everything that it needs; lists are as long as a page of them can be.
#[tokio::test]
async fn the_first_visit_of_any_page_is_small() {
    const MOST: usize = 60_000;
    let house = House::new().await;
    for number in 0..120 {
        house.user(&format!("someone-with-a-usual-name-{number}")).await;
        house.admin(&format!("admin-{number}"), json!({})).await;
    }
    house.user("alice").await;
    let root = house.log_in("root").await;
    let files = crate::assets::size_of_all();
    let mut checked = 0;
    for route in routes().iter().filter(|route| route.method == "GET" && !route.path.contains('{')) {
        let path = format!("{}?name=alice&username=alice&who=alice", route.path);
        let answer = house.send("GET", &path, &[("cookie", &root), ("accept-encoding", "gzip")], "").await;
        if answer.header("content-type").starts_with("text/html") {
            assert!(answer.size + files <= MOST, "{path}: {} + {files}", answer.size);
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

/// A screen reader says what is seen, and something after it (WCAG 2.5.3).
#[tokio::test]
async fn the_names_of_buttons_begin_with_their_texts() {
    let house = House::new().await;
    house.user("alice").await;
    let root = house.log_in("root").await;
    house.post("/web/keys/new", &root, &[("name", "nightly"), ("allow", "user.list")]).await;
    house.post("/web/bans/add", &root, &[("address", "192.0.2.9")]).await;
    let mut checked = 0;
    for route in routes() {
        if route.method != "GET" || route.path.contains('{') || route.need == Need::Nothing {
            continue;
        }
        let page = house.get(&format!("{}?name=alice", route.path), &root).await.text;
        for button in page.split("<button").skip(1) {
            let (head, rest) = button.split_once('>').unwrap();
            let Some(label) = head.split("aria-label=\"").nth(1) else { continue };
            let (label, text) = (label.split('"').next().unwrap(), rest.split('<').next().unwrap());
            assert!(label.starts_with(text) && !text.is_empty(), "{} {label} {text}", route.path);
            checked += 1;
        }
        let mut ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{} has an id twice", route.path);
    }
    assert!(checked > 3, "{checked}");
}
