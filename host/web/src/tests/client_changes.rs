//! What users change of their own account.

use serde_json::json;
use tidegate_core::admin::LinkWish;

use super::client::{change, is_log_in, log_in, owner, try_log_in};
use super::{HOSTILE, House, map};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

#[tokio::test]
async fn a_password_is_changed_with_the_old_one() {
    let house = House::new().await;
    house.user("alice").await;
    change(&house, "alice", json!({"filters": {"require_password_change": true}})).await;
    let alice = log_in(&house, "alice").await;
    assert!(house.get("/web/client", &alice).await.text.contains("has to be changed"));
    let set = async |current: &str, new: &str, again: &str| {
        let fields = [("current", current), ("new", new), ("again", again)];
        house.post("/web/client/password", &alice, &fields).await.status
    };
    for (current, new, again, expected) in [
        ("pw", "new", "other", 400),
        ("pw", "", "", 400),
        ("wrong", "new", "new", 403),
        ("", "new", "new", 403),
        // The demand for another password is not met by the same one.
        ("pw", "pw", "pw", 422),
    ] {
        assert_eq!(set(current, new, again).await, expected, "{current} {new} {again}");
    }
    assert_eq!(set("pw", "new", "new").await, 303);
    assert!(is_log_in(&house.get("/web/client", &alice).await), "its sessions have ended");
    assert_eq!(try_log_in(&house, "alice", "pw", "").await.status, 401);
    let alice = try_log_in(&house, "alice", "new", "").await.cookie();
    assert!(!house.get("/web/client", &alice).await.text.contains("has to be changed"));
    let mut said = String::new();
    for _ in 0..7 {
        let fields = [("current", "guess"), ("new", "n"), ("again", "n")];
        said = house.post("/web/client/password", &alice, &fields).await.text;
        assert!(said.contains("is another") || said.contains("too often"), "{said}");
    }
    assert!(said.contains("too often"), "{said}");
}

#[tokio::test]
async fn a_new_password_is_hard_enough_to_guess() {
    // C3-01
    let house = House::new().await;
    house.user("alice").await;
    change(&house, "alice", json!({"filters": {"password_strength": 50}})).await;
    let alice = log_in(&house, "alice").await;
    let set = async |new: &str| {
        house.post("/web/client/password", &alice, &[("current", "pw"), ("new", new), ("again", new)]).await
    };
    let weak = set("weak").await;
    assert!(weak.status == 422 && weak.text.contains("too easy to guess"), "{}", weak.text);
    assert_eq!(set("kR7!vq2-Zp0x").await.status, 303);
    // The brake counts no tries that are right.
    let alice = try_log_in(&house, "alice", "kR7!vq2-Zp0x", "").await.cookie();
    for _ in 0..7 {
        let fields = [("current", "kR7!vq2-Zp0x"), ("new", "weak"), ("again", "weak")];
        assert_eq!(house.post("/web/client/password", &alice, &fields).await.status, 422);
    }
}

#[tokio::test]
async fn keys_are_added_and_removed() {
    let house = House::new().await;
    house.user("alice").await;
    let alice = log_in(&house, "alice").await;
    let add_with = async |line: &str, current: &str| {
        house.post("/web/client/keys/add", &alice, &[("key", line), ("current", current)]).await
    };
    let add = async |line: &str| add_with(line, "pw").await.status;
    let page = house.get("/web/client/keys", &alice).await.text;
    assert!(page.contains("name=\"current\"") && !page.contains("name=\"code\""), "{page}");
    for current in ["", "wrong"] {
        let refused = add_with(KEY, current).await;
        assert!(refused.status == 403 && refused.text.contains("is another"), "{}", refused.text);
    }
    for wrong in ["", "x", "ssh-ed25519 AAAA", &format!("command=\"id\" {KEY}"), &format!("no-touch-required {KEY}")] {
        assert_eq!(add(wrong).await, 422, "{wrong}");
    }
    assert_eq!(add(&format!("{KEY} {HOSTILE}")).await, 303);
    let page = house.get("/web/client/keys?done=added", &alice).await.text;
    assert!(page.contains("SHA256:") && page.contains("The key was added") && !page.contains("<img src=x"), "{page}");
    let fingerprint = page.split("name=\"fingerprint\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fingerprint = fingerprint.replace("&#43;", "+").replace("&#47;", "/");
    let remove = async |fingerprint: &str| {
        house.post("/web/client/keys/remove", &alice, &[("fingerprint", fingerprint)]).await.status
    };
    assert!(page.contains("&#60;img src=x"), "the comment stays: {page}");
    assert_eq!(remove("SHA256:x").await, 404);
    assert_eq!(remove(&fingerprint).await, 303);
    assert!(house.get("/web/client/keys", &alice).await.text.contains("There are no keys"));
    // A8-14: all lines, or none.
    let other = KEY.replace("YLio", "YLip");
    assert_eq!(add(&format!("{KEY} one\r\nnonsense")).await, 422);
    let problem = house.post("/web/client/keys/add", &alice, &[("key", &format!("{KEY} one\r\nnonsense"))]).await.text;
    assert!(problem.contains("line 2: not a public key"), "{problem}");
    assert!(house.get("/web/client/keys", &alice).await.text.contains("There are no keys"));
    assert_eq!(add(&format!("{KEY} the first\r\n\r\n{other} the second")).await, 303);
    let page = house.get("/web/client/keys", &alice).await.text;
    assert!(page.contains("the first") && page.contains("the second"), "{page}");
    // A key without options would undo what those of another one demand.
    change(&house, "alice", json!({"public_keys": [format!("restrict,command=\"x\" {KEY}")]})).await;
    assert_eq!(add(KEY).await, 403);
    assert!(house.get("/web/client/keys", &alice).await.text.contains("has options"));
}

/// What is said in the place of each form, and that the form is refused.
async fn check_closed(house: &House, cookie: &str, forms: &[&str], expected: &str) {
    for (page, path) in [("password", ""), ("keys", "/add"), ("codes", "")] {
        let is_closed = forms.contains(&page);
        let shown = house.get(&format!("/web/client/{page}"), cookie).await.text;
        assert_eq!(shown.contains(expected), is_closed, "{page} {shown}");
        let fields = [("current", "pw"), ("do", "make"), ("key", KEY)];
        let fields = if page == "password" { &[("current", "pw"), ("new", "n"), ("again", "n")] } else { &fields };
        if is_closed {
            assert_eq!(house.post(&format!("/web/client/{page}{path}"), cookie, fields).await.status, 403, "{page}");
        }
    }
}

#[tokio::test]
async fn what_the_administrator_keeps_is_not_changed() {
    let house = House::new().await;
    for (word, page) in [
        ("password-change-disabled", "password"),
        ("publickey-change-disabled", "keys"),
        ("mfa-disabled", "codes"),
        ("write-disabled", ""),
    ] {
        house.user(word).await;
        change(&house, word, json!({"filters": {"web_client": [word]}})).await;
        let cookie = log_in(&house, word).await;
        check_closed(&house, &cookie, &[page], "the administrator of the account keeps it").await;
    }
}

#[tokio::test]
async fn accounts_that_are_kept_elsewhere_are_not_changed_here() {
    let all = ["password", "keys", "codes"];
    for (hook, is_managed, forms, expected) in [
        ("login-pre", false, all.as_slice(), "only read here"),
        ("external-auth", true, &all, "come from a hook"),
        ("pre-login", true, &all, "come from a hook"),
        ("check-password", true, &all[..1], "decides about the passwords"),
        ("check-password", true, &all[1..], "confirmed with the password"),
    ] {
        let house = House::made(hook, is_managed).await;
        house.user("alice").await;
        let made = house.web.administration.login_links.add(&owner(), "alice", LinkWish::default()).await.unwrap();
        let used = house.post("/web/client/login-link", "", &[("code", made.text.expose())]).await;
        check_closed(&house, &used.cookie(), forms, expected).await;
        // The stored password proves nothing where hooks decide about it.
        let page = house.get("/web/client/login", "").await.text;
        let answer = try_log_in(&house, "alice", "pw", "").await.status;
        let expected = if hook == "login-pre" { (303, true) } else { (403, false) };
        assert_eq!((answer, page.contains("type=\"password\"")), expected, "{hook}");
    }
}

#[tokio::test]
async fn a_session_alone_changes_nothing_that_opens_the_account() {
    let house = House::new().await;
    house.user("alice").await;
    let made = house.web.administration.login_links.add(&owner(), "alice", LinkWish::default()).await.unwrap();
    let session = house.post("/web/client/login-link", "", &[("code", made.text.expose())]).await.cookie();
    let before = house.document("alice").await;
    let mut said = String::new();
    for number in 0..7 {
        let (path, fields) = match number % 2 {
            0 => ("/web/client/keys/add", [("key", KEY), ("current", "guess")]),
            _ => ("/web/client/codes", [("do", "make"), ("current", "guess")]),
        };
        let answer = house.post(path, &session, &fields).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        said = answer.text;
    }
    // The brake is on, and does not say whether the password is right.
    let right = house.post("/web/client/keys/add", &session, &[("key", KEY), ("current", "pw")]).await;
    assert!(right.status == 403 && right.text.contains("too often") && said.contains("too often"), "{}", right.text);
    assert_eq!(house.document("alice").await, before);
    // Without a password there is nothing that could confirm it.
    let document = json!({"username": "bob", "public_keys": [KEY], "status": 1, "home_dir": "/srv/b",
                          "permissions": {"/": ["*"]}});
    house.web.administration.users.add(&owner(), map(document), None).await.unwrap();
    let made = house.web.administration.login_links.add(&owner(), "bob", LinkWish::default()).await.unwrap();
    let session = house.post("/web/client/login-link", "", &[("code", made.text.expose())]).await.cookie();
    check_closed(&house, &session, &["keys", "codes"], "confirmed with the password").await;
}
