//! What users change of their own account.

use serde_json::json;
use tidegate_core::admin::LinkWish;
use totp_rs::{Algorithm, Secret as Base32, TOTP};

use super::client::{change, is_log_in, log_in, owner, try_log_in};
use super::{HOSTILE, House};

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
    for (current, new, again, expected) in
        [("pw", "new", "other", 400), ("pw", "", "", 400), ("wrong", "new", "new", 403), ("", "new", "new", 403)]
    {
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
async fn keys_are_added_and_removed() {
    let house = House::new().await;
    house.user("alice").await;
    let alice = log_in(&house, "alice").await;
    let add = async |line: &str| house.post("/web/client/keys/add", &alice, &[("key", line)]).await.status;
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

fn code_of(page: &str) -> (String, String) {
    let secret = page.split("name=\"secret\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let bytes = Base32::Encoded(secret.clone()).to_bytes().unwrap();
    let code = TOTP::new_unchecked(Algorithm::SHA1, 6, 0, 30, bytes).generate_current().unwrap();
    (secret, code)
}

#[tokio::test]
async fn a_second_factor_is_set_up_and_switched_off() {
    let house = House::new().await;
    house.user("alice").await;
    let alice = log_in(&house, "alice").await;
    let post = async |path: &str, fields: &[(&str, &str)]| {
        house.post(&format!("/web/client/codes/{path}"), &alice, fields).await
    };
    let (secret, code) = code_of(&post("make", &[]).await.text);
    assert_eq!(post("confirm", &[("secret", &secret), ("code", "x")]).await.status, 403);
    assert_eq!(post("confirm", &[("secret", "GEZDGNBVGY3TQOJQ"), ("code", &code)]).await.status, 403);
    assert_eq!(try_log_in(&house, "alice", "pw", "").await.status, 303, "nothing has changed yet");
    let page = post("confirm", &[("secret", &secret), ("code", &code)]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let codes = page.text.split("Recovery codes").nth(1).unwrap().split(|sign: char| !sign.is_ascii_alphanumeric());
    let codes: Vec<_> =
        codes.filter(|word| word.len() == 16 && word.chars().any(|sign| sign.is_ascii_digit())).collect();
    let stored = house.store_document("alice").await;
    assert!(codes.len() >= 6 && codes.iter().all(|code| !stored.contains(code)), "{codes:?}");
    for (code, expected) in [("", 401), (code.as_str(), 401), ("000000x", 401), (codes[0], 303), (codes[0], 401)] {
        assert_eq!(try_log_in(&house, "alice", "pw", code).await.status, expected, "{code}");
    }
    assert_eq!(post("make", &[]).await.status, 403, "codes are not replaced without one");
    assert_eq!(post("remove", &[("code", "x")]).await.status, 403);
    change(&house, "alice", json!({"filters": {"two_factor_protocols": ["SSH"]}})).await;
    assert_eq!(post("remove", &[("code", codes[1])]).await.status, 403, "they are demanded");
    change(&house, "alice", json!({"filters": {"two_factor_protocols": []}})).await;
    assert_eq!(post("remove", &[("code", codes[1])]).await.status, 303);
    assert_eq!(try_log_in(&house, "alice", "pw", "").await.status, 303);
}

/// What is said in the place of each form, and that the form is refused.
async fn check_closed(house: &House, cookie: &str, forms: &[&str], expected: &str) {
    for (page, path) in [("password", ""), ("keys", "/add"), ("codes", "/make")] {
        let is_closed = forms.contains(&page);
        let shown = house.get(&format!("/web/client/{page}"), cookie).await.text;
        assert_eq!(shown.contains(expected), is_closed, "{page} {shown}");
        let fields = [("current", "pw"), ("new", ""), ("key", "x")];
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
