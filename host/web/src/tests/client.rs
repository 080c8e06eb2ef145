//! The pages of users.

use axum::http::Method;
use serde_json::{Value, json};
use tidegate_core::account::ObjectKind;
use tidegate_core::admin::{Actor, DocumentChange, LinkWish, PasswordOwner, UseCase};
use tidegate_core::ports::{AuditOutcome, AuditQuery, AuditStore, Door, UsageStore};
use tidegate_core::quota::{Scope, UsedQuota};

use super::{Answer, House, fact, map, texts_of};
use crate::Pages;
use crate::client::{Place, Who, places};
use crate::guard::door_client;

pub fn owner() -> Actor {
    Actor::local("owner", Door::Socket)
}

pub async fn try_log_in(house: &House, name: &str, password: &str, code: &str) -> Answer {
    let fields = [("username", name), ("password", password), ("code", code)];
    house.post("/web/client/login", "", &fields).await
}

pub async fn log_in(house: &House, name: &str) -> String {
    let answer = try_log_in(house, name, "pw", "").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/web/client"), "{}", answer.text);
    answer.cookie()
}

pub async fn change(house: &House, name: &str, patch: Value) {
    let change = DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() };
    house.web.administration.users.update(&owner(), name, change, None).await.unwrap();
}

async fn ask(house: &House, place: &Place, cookie: &str) -> Answer {
    if place.method == Method::GET {
        house.get(place.path, cookie).await
    } else {
        house.post(place.path, cookie, &[]).await
    }
}

pub fn is_log_in(answer: &Answer) -> bool {
    answer.status == 303 && answer.header("location") == "/web/client/login"
}

#[tokio::test]
async fn a_user_logs_in_and_out() {
    let house = House::new().await;
    house.user("alice").await;
    for (name, password) in [("alice", "wrong"), ("alice", ""), ("none", "pw"), ("root", "pw"), ("", "")] {
        let answer = try_log_in(&house, name, password, "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (401, ""), "{name}");
        assert!(answer.text.contains("role=\"alert\"") && !answer.text.contains("value=\"wrong\""), "{}", answer.text);
    }
    let first = log_in(&house, "alice").await;
    let again = house.post("/web/client/login", &first, &[("username", "alice"), ("password", "pw")]).await;
    let second = again.cookie();
    assert!(again.header("set-cookie").ends_with("; Path=/web/client; HttpOnly; SameSite=Strict"), "{again:?}");
    assert!(is_log_in(&house.get("/web/client", &first).await), "the server accepted a session that was planted");
    let page = house.get("/web/client", &second).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("(this one)") && page.text.contains("with the password"), "{}", page.text);
    // The pages of administrators refuse the tokens of users, and those of users the tokens of administrators.
    let token = |cookie: &str| cookie.split_once('=').unwrap().1.to_owned();
    let root = house.log_in("root").await;
    assert_eq!(house.get("/web", &format!("tidegate={}", token(&second))).await.status, 303);
    assert!(is_log_in(&house.get("/web/client", &format!("tidegate-client={}", token(&root))).await));
    let out = house.post("/web/client/logout", &second, &[]).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert!(is_log_in(&house.get("/web/client", &second).await));
}

#[tokio::test]
async fn refused_log_ins_are_recorded_as_those_of_users() {
    let house = House::new().await;
    house.user("alice").await;
    try_log_in(&house, "alice", "wrong", "").await;
    house.post("/web/login", "", &[("username", "root"), ("password", "wrong")]).await;
    house.post("/web/client/login-link", "", &[("code", "x")]).await;
    house.post("/web/client/reset", "", &[("username", "bob"), ("code", "x"), ("new", "n"), ("again", "n")]).await;
    let query = AuditQuery { actions: vec!["login".to_owned()], limit: 100, ..AuditQuery::default() };
    let records = house.store.audit(query).await.unwrap();
    let refused = records.iter().filter(|stored| stored.record.outcome == AuditOutcome::Refused);
    let refused: Vec<_> = refused.map(|stored| &stored.record).rev().collect();
    let expected = [
        ("user", "alice", "the password is wrong"),
        ("admin", "root", "the password is wrong"),
        ("user", "", "the login link does not exist"),
        ("user", "bob", "the code for a lost password is not valid"),
    ];
    assert_eq!(refused.len(), expected.len(), "{refused:?}");
    for (record, (kind, name, why)) in refused.into_iter().zip(expected) {
        assert_eq!((record.kind.as_str(), record.name.as_str()), (kind, name));
        assert!(record.detail.starts_with(why), "{record:?}");
    }
}

#[tokio::test]
async fn an_account_that_may_not_come_by_browser_does_not_log_in() {
    let house = House::new().await;
    for (number, patch) in [
        json!({"status": 0}),
        json!({"expiration_date": 1}),
        json!({"filters": {"denied_protocols": ["HTTP"]}}),
        json!({"filters": {"denied_login_methods": ["password"]}}),
        json!({"filters": {"denied_ip": ["127.0.0.0/8"]}}),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("u{number}");
        house.user(&name).await;
        let cookie = log_in(&house, &name).await;
        change(&house, &name, patch.clone()).await;
        assert_eq!(try_log_in(&house, &name, "pw", "").await.status, 401, "{patch}");
        // How one has logged in is not asked again.
        let is_of_log_in = patch.to_string().contains("denied_login_methods");
        assert_eq!(is_log_in(&house.get("/web/client", &cookie).await), !is_of_log_in, "{patch}");
    }
}

/// Each page with each kind of visitor: a user reaches its own account alone.
#[tokio::test]
async fn pages_are_for_the_user_alone() {
    let house = House::new().await;
    house.user("alice").await;
    house.user("bob").await;
    let (root, bob) = (house.log_in("root").await, log_in(&house, "bob").await);
    let page = house.get("/web/client", &bob).await.text;
    let of_bob = page.split("id=\"end-").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let before = house.document("bob").await;
    for place in places().iter().filter(|place| place.who != Who::Anyone) {
        let alice = log_in(&house, "alice").await;
        let answer = ask(&house, place, &alice).await;
        assert!(!is_log_in(&answer) && !answer.text.contains("bob"), "{} {}", place.path, answer.text);
        for cookie in ["", &root, "tidegate-client=x"] {
            assert!(is_log_in(&ask(&house, place, cookie).await), "{} {cookie}", place.path);
        }
    }
    let alice = log_in(&house, "alice").await;
    assert_eq!(house.post("/web/client/sessions/end", &alice, &[("id", &of_bob)]).await.status, 404);
    assert_eq!(house.get("/web/client", &bob).await.status, 200);
    assert_eq!(house.document("bob").await, before);
    let token = alice.split_once('=').unwrap().1;
    let person = house.web.administration.own.of_token(token, &door_client(&house.client)).await.unwrap();
    assert!(UseCase::ALL.iter().all(|case| person.actor.require(*case).is_err()));
    let own = house.get("/web/client", &alice).await.text;
    let own = own.split("id=\"end-").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    for id in own {
        house.post("/web/client/sessions/end", &alice, &[("id", &id)]).await;
    }
    assert!(is_log_in(&house.get("/web/client", &alice).await));
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let house = House::new().await;
    house.user("alice").await;
    let alice = log_in(&house, "alice").await;
    for place in places().iter().filter(|place| place.method == Method::POST) {
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example"), ("x-none", "")] {
            let answer = house.send("POST", place.path, &[("cookie", &alice), (name, value)], "").await;
            assert_eq!(answer.status, 403, "{} {name}", place.path);
        }
    }
    assert_eq!(house.get("/web/client", &alice).await.status, 200);
}

#[tokio::test]
async fn pages_that_are_off_are_not_found() {
    let house = House::new().await;
    house.user("alice").await;
    let alice = log_in(&house, "alice").await;
    for has_admin in [true, false] {
        let house = house.with_pages(Pages { has_admin, has_client: false });
        for place in places() {
            let answer = ask(&house, &place, &alice).await;
            assert_eq!((answer.status, answer.header("set-cookie")), (404, ""), "{}", place.path);
        }
    }
    let house = house.with_pages(Pages { has_admin: false, has_client: true });
    assert_eq!(house.get("/web/client", &alice).await.status, 200);
    assert_eq!(house.get("/web", &alice).await.status, 404);
    assert_eq!(house.get("/web/client/none", &alice).await.status, 404);
    assert_eq!(house.get("/", "").await.header("location"), "/web/client");
}

#[tokio::test]
async fn passwords_are_not_taken_in_the_clear() {
    let mut house = House::new().await;
    house.user("alice").await;
    house.client.address = Some("192.0.2.1".parse().unwrap());
    for path in ["/web/client/login", "/web/client/login-link?code=x", "/web/client/reset"] {
        let page = house.get(path, "").await.text;
        assert!(page.contains("not encrypted") && !page.contains("<form"), "{page}");
        assert_eq!(house.post(path, "", &[("username", "alice"), ("password", "pw")]).await.status, 403, "{path}");
    }
    house.client.is_encrypted = true;
    let answer = try_log_in(&house, "alice", "pw", "").await;
    assert!(answer.header("set-cookie").starts_with("__Host-tidegate-client="), "{answer:?}");
    assert!(answer.header("set-cookie").contains("Path=/; ") && answer.header("set-cookie").contains("; Secure"));
}

#[tokio::test]
async fn a_link_is_used_by_its_button_alone() {
    // D-08
    let house = House::new().await;
    house.user("alice").await;
    let made = house.web.administration.login_links.add(&owner(), "alice", LinkWish::default()).await.unwrap();
    let code = made.text.expose();
    let path = format!("/web/client/login-link?code={code}");
    for _ in 0..3 {
        let page =
            house.send("GET", &path, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], "").await;
        assert!(page.status == 200 && page.text.contains(code) && page.header("set-cookie").is_empty(), "{page:?}");
        assert_eq!(house.send("HEAD", &path, &[], "").await.status, 200);
    }
    let used = house.post("/web/client/login-link", "", &[("code", code)]).await;
    assert_eq!((used.status, used.header("location")), (303, "/web/client"), "{}", used.text);
    let page = house.get("/web/client", &used.cookie()).await.text;
    assert!(page.contains("alice") && page.contains("with a login link"), "{page}");
    for code in [code, "x", ""] {
        let again = house.post("/web/client/login-link", "", &[("code", code)]).await;
        assert_eq!((again.status, again.header("set-cookie")), (401, ""), "{code}");
    }
}

#[tokio::test]
async fn a_user_sees_what_it_uses_of_its_limits_and_its_last_log_ins() {
    let house = House::new().await;
    let group = map(json!({"name": "staff", "user_settings": {"quota_size": 4096, "total_data_transfer": 5}}));
    house.web.administration.objects.add(&owner(), ObjectKind::Group, &group).await.unwrap();
    house.user("alice").await;
    let groups = json!([{"name": "staff", "type": 1}]);
    change(&house, "alice", json!({"groups": groups, "quota_files": 10, "upload_data_transfer": 2})).await;
    let scope = Scope::Account("alice".to_owned());
    house.store.replace_usage(&scope, UsedQuota { size: 1024, files: 3 }, 1).await.unwrap();
    log_in(&house, "alice").await;
    try_log_in(&house, "alice", "wrong", "").await;
    let made = house.web.administration.login_links.add(&owner(), "alice", LinkWish::default()).await.unwrap();
    let alice = house.post("/web/client/login-link", "", &[("code", made.text.expose())]).await.cookie();
    let page = house.get("/web/client", &alice).await.text;
    for (name, value) in [
        ("Bytes stored", "1.0 KiB of 4.0 KiB"),
        ("Files stored", "3 of 10"),
        ("Uploaded", "0 B of 2.0 MiB"),
        ("Downloaded", "0 B"),
        ("Uploaded and downloaded", "0 B of 5.0 MiB"),
        ("Account expires", "never"),
    ] {
        assert_eq!(fact(&page, name).as_deref(), Some(value), "{name} {page}");
    }
    assert!(page.contains("<progress aria-label=\"Bytes\" max=\"1000\" value=\"250\">"), "{page}");
    let (_, logins) = page.split_once("id=\"logins\"").unwrap();
    let rows = logins.split("<tr>").skip(2).map(|row| texts_of(row.split("</tr>").next().unwrap()));
    let rows: Vec<_> = rows.map(|row| row.split_once("127.0.0.1 ").unwrap().1.to_owned()).collect();
    assert_eq!(rows, ["with a login link", "with the password"], "{page}");
}

#[tokio::test]
async fn a_lost_password_is_set_with_a_code() {
    // D-10
    let house = House::new().await;
    house.user("alice").await;
    let resets = &house.web.administration.password_resets;
    let made = resets.hand_out(&owner(), PasswordOwner::User, "alice").await.unwrap();
    let code = made.text.expose();
    assert!(house.get(&format!("/web/client/reset?code={code}"), "").await.text.contains(code));
    let reset = async |name: &str, code: &str, again: &str| {
        let fields = [("username", name), ("code", code), ("new", "new"), ("again", again)];
        house.post("/web/client/reset", "", &fields).await.status
    };
    assert_eq!(reset("alice", code, "other").await, 400);
    assert_eq!(reset("root", code, "new").await, 403);
    assert_eq!(reset("alice", code, "new").await, 303);
    assert_eq!(reset("alice", code, "new").await, 403);
    assert_eq!(try_log_in(&house, "alice", "pw", "").await.status, 401);
    assert_eq!(try_log_in(&house, "alice", "new", "").await.status, 303);
}

#[tokio::test]
async fn a_slash_at_the_end_leads_to_the_same_page() {
    let house = House::new().await;
    house.user("alice").await;
    let (alice, root) = (log_in(&house, "alice").await, house.log_in("root").await);
    let check = async |house: &House, path: &str, cookie: &str, expected: Result<&str, u16>| {
        let answer = house.get(path, cookie).await;
        let found = if answer.status == 303 { Ok(answer.header("location")) } else { Err(answer.status) };
        assert_eq!(found, expected, "{path}");
    };
    for cookie in ["", &alice, &root] {
        check(&house, "/web/client/", cookie, Ok("/web/client")).await;
        check(&house, "/web/client//", cookie, Ok("/web/client")).await;
        check(&house, "/web/client/login/", cookie, Ok("/web/client/login")).await;
        check(&house, "/web/client/keys/", cookie, Ok("/web/client/keys")).await;
        check(&house, "/web/client/login-link/?code=a%26b", cookie, Ok("/web/client/login-link?code=a%26b")).await;
        check(&house, "/web/client/none/", cookie, Err(404)).await;
        check(&house, "/web/client/keys/add/", cookie, Err(404)).await;
        check(&house, "/web/", cookie, Ok("/web")).await;
        check(&house, "/web/login/", cookie, Ok("/web/login")).await;
    }
    assert_eq!(house.post("/web/client/login/", "", &[("username", "alice"), ("password", "pw")]).await.status, 404);
    check(&house, "/web/users/", &root, Ok("/web/users")).await;
    check(&house, "/web/users/?prefix=a", &root, Ok("/web/users?prefix=a")).await;
    check(&house, "/web/users/", "", Ok("/web/login?next=%2Fweb%2Fusers%2F")).await;
    check(&house, "/web/none", &root, Err(404)).await;
    // Where the pages of users are off, they are nowhere.
    for has_admin in [true, false] {
        let house = house.with_pages(Pages { has_admin, has_client: false });
        for path in ["/web/client", "/web/client/", "/web/client/login", "/web/client/login/"] {
            check(&house, path, "", Err(404)).await;
        }
    }
    let house = house.with_pages(Pages { has_admin: false, has_client: true });
    check(&house, "/web/client/", "", Ok("/web/client")).await;
    check(&house, "/web/client/login/", "", Ok("/web/client/login")).await;
    check(&house, "/web/users/", "", Err(404)).await;
}
