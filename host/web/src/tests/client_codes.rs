//! The second factor of users, on their pages.

use serde_json::json;
use tidegate_core::admin::{LinkWish, PasswordOwner};
use totp_rs::{Algorithm, Secret as Base32, TOTP};

use super::client::{change, is_log_in, log_in, owner, try_log_in};
use super::{Answer, House};

const CODES: &str = "/web/client/codes";

/// The secret that a page shows, and its code now.
fn code_of(page: &str) -> (String, String) {
    let url = page.split("secret=").nth(1).unwrap();
    let secret: String = url.chars().take_while(char::is_ascii_alphanumeric).collect();
    let bytes = Base32::Encoded(secret.clone()).to_bytes().unwrap();
    let code = TOTP::new_unchecked(Algorithm::SHA1, 6, 0, 30, bytes).generate_current().unwrap();
    (secret, code)
}

fn recovery_codes(page: &str) -> Vec<String> {
    let codes = page.split("Recovery codes").nth(1).unwrap().split(|sign: char| !sign.is_ascii_alphanumeric());
    let codes = codes.filter(|word| word.len() == 16 && word.chars().any(|sign| sign.is_ascii_digit()));
    codes.map(str::to_owned).collect()
}

async fn ask(house: &House, cookie: &str, what: &str, current: &str, code: &str) -> Answer {
    house.post(CODES, cookie, &[("do", what), ("current", current), ("code", code)]).await
}

async fn confirm(house: &House, cookie: &str, code: &str) -> Answer {
    house.post("/web/client/codes/confirm", cookie, &[("code", code)]).await
}

/// Gives `alice` codes; the recovery codes.
async fn set_up(house: &House, cookie: &str) -> Vec<String> {
    let (_, code) = code_of(&ask(house, cookie, "make", "pw", "").await.text);
    let page = confirm(house, cookie, &code).await;
    assert_eq!(page.status, 200, "{}", page.text);
    recovery_codes(&page.text)
}

#[tokio::test]
async fn a_second_factor_is_set_up_and_switched_off() {
    let house = House::new().await;
    house.user("alice").await;
    let (alice, other) = (log_in(&house, "alice").await, log_in(&house, "alice").await);
    assert_eq!(ask(&house, &alice, "make", "wrong", "").await.status, 403);
    let offered = ask(&house, &alice, "make", "pw", "").await;
    let (secret, code) = code_of(&offered.text);
    assert!(!offered.text.contains("type=\"hidden\" name=\"secret\""), "{}", offered.text);
    assert_eq!(confirm(&house, &alice, "x").await.status, 403);
    assert_eq!(confirm(&house, &other, &code).await.status, 403, "the secret is another session's");
    assert_eq!(try_log_in(&house, "alice", "pw", "").await.status, 303, "nothing has changed yet");
    let page = confirm(&house, &alice, &code).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let codes = recovery_codes(&page.text);
    let stored = house.store_document("alice").await;
    assert!(
        stored.contains(&secret) && codes.len() >= 6 && codes.iter().all(|code| !stored.contains(code)),
        "{codes:?}"
    );
    assert!(is_log_in(&house.get("/web/client", &other).await), "the other sessions have ended");
    assert_eq!(confirm(&house, &alice, &code).await.status, 403, "an offer is good once");
    for (code, expected) in
        [("", 401), (code.as_str(), 401), ("000000x", 401), (codes[0].as_str(), 303), (codes[0].as_str(), 401)]
    {
        assert_eq!(try_log_in(&house, "alice", "pw", code).await.status, expected, "{code}");
    }
    let needs = house.get("/web/client/keys", &alice).await.text;
    assert!(needs.contains("name=\"current\"") && needs.contains("name=\"code\""), "{needs}");
    for what in ["make", "recovery", "remove"] {
        assert_eq!(ask(&house, &alice, what, "pw", "").await.status, 403, "{what} without a code");
    }
    assert_eq!(ask(&house, &alice, "remove", "wrong", &codes[1]).await.status, 403);
    change(&house, "alice", json!({"filters": {"2fa_protocols": ["SSH"]}})).await;
    assert_eq!(ask(&house, &alice, "remove", "pw", &codes[1]).await.status, 403, "they are demanded");
    change(&house, "alice", json!({"filters": {"2fa_protocols": []}})).await;
    assert_eq!(ask(&house, &alice, "remove", "pw", &codes[1]).await.status, 303);
    assert_eq!(house.get(CODES, &alice).await.status, 200, "the session outlasts its own change");
    assert_eq!(try_log_in(&house, "alice", "pw", "").await.status, 303);
}

#[tokio::test]
async fn codes_and_recovery_codes_are_replaced() {
    let house = House::new().await;
    house.user("alice").await;
    let alice = log_in(&house, "alice").await;
    let first = set_up(&house, &alice).await;
    let page = ask(&house, &alice, "recovery", "pw", &first[0]).await;
    let second = recovery_codes(&page.text);
    assert!(second.len() >= 6 && first.iter().all(|code| !second.contains(code)), "{page:?}");
    assert_eq!(try_log_in(&house, "alice", "pw", &first[1]).await.status, 401);
    let cookie = try_log_in(&house, "alice", "pw", &second[0]).await.cookie();
    let offered = ask(&house, &cookie, "make", "pw", &second[1]).await;
    let (secret, code) = code_of(&offered.text);
    assert!(!house.store_document("alice").await.contains(&secret));
    assert_eq!(confirm(&house, &cookie, &code).await.status, 200);
    assert!(house.store_document("alice").await.contains(&secret));
    assert!(is_log_in(&house.get(CODES, &alice).await), "the other sessions have ended");
}

#[tokio::test]
async fn a_link_and_a_reset_do_not_pass_over_the_second_factor() {
    // D-08, D-10
    let house = House::new().await;
    house.user("alice").await;
    let codes = set_up(&house, &log_in(&house, "alice").await).await;
    let links = &house.web.administration.login_links;
    let link = links.add(&owner(), "alice", LinkWish::default()).await.unwrap().text;
    let use_link = async |code: &str| {
        let fields = [("code", link.expose()), ("one_time_code", code)];
        house.post("/web/client/login-link", "", &fields).await
    };
    for code in ["", "000000x"] {
        let asked = use_link(code).await;
        assert_eq!((asked.status, asked.header("set-cookie")), (401, ""), "{code}");
        assert!(asked.text.contains("name=\"one_time_code\"") && asked.text.contains(link.expose()), "{}", asked.text);
    }
    assert_eq!(links.list(&owner(), "alice").await.unwrap()[0].uses, 0, "it has not been used");
    assert_eq!(use_link(&codes[0]).await.header("location"), "/web/client");
    assert_eq!(use_link(&codes[1]).await.status, 401);
    let resets = &house.web.administration.password_resets;
    let made = resets.hand_out(&owner(), PasswordOwner::User, "alice").await.unwrap();
    let fields = [("username", "alice"), ("code", made.text.expose()), ("new", "new"), ("again", "new")];
    assert_eq!(house.post("/web/client/reset", "", &fields).await.status, 303);
    let asked = try_log_in(&house, "alice", "new", "").await;
    assert!(asked.status == 401 && asked.text.contains("one-time code is needed"), "{}", asked.text);
    assert_eq!(try_log_in(&house, "alice", "new", &codes[1]).await.status, 303);
}

#[tokio::test]
async fn where_a_second_factor_is_demanded_it_is_set_up_first() {
    // C3-01
    let house = House::new().await;
    house.user("alice").await;
    change(&house, "alice", json!({"filters": {"two_factor_protocols": ["HTTP"]}})).await;
    let alice = log_in(&house, "alice").await;
    for path in ["/web/client", "/web/client/keys", "/web/client/password"] {
        let answer = house.get(path, &alice).await;
        assert_eq!((answer.status, answer.header("location")), (303, CODES), "{path}");
    }
    let key = [
        ("key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio"),
        ("current", "pw"),
    ];
    assert_eq!(house.post("/web/client/keys/add", &alice, &key).await.header("location"), CODES);
    assert!(!house.store_document("alice").await.contains("ssh-ed25519"));
    assert!(house.get(CODES, &alice).await.text.contains("demands a second factor"));
    set_up(&house, &alice).await;
    assert_eq!(house.get("/web/client", &alice).await.status, 200);
    assert_eq!(house.post("/web/client/keys/add", &alice, &key).await.status, 403, "with a code as well");
}

#[tokio::test]
async fn a_brake_on_codes_does_not_say_whether_a_password_is_right() {
    // B4-02
    let house = House::new().await;
    house.user("alice").await;
    set_up(&house, &log_in(&house, "alice").await).await;
    for _ in 0..5 {
        assert_eq!(try_log_in(&house, "alice", "pw", "000000x").await.status, 401);
    }
    let mut said = Vec::new();
    for (password, code) in [("pw", ""), ("wrong", ""), ("pw", "000000x"), ("wrong", "000000x")] {
        let answer = try_log_in(&house, "alice", password, code).await;
        assert_eq!(answer.status, 429, "{password} {code}");
        assert!(!answer.header("retry-after").is_empty());
        said.push(
            answer
                .text
                .split("role=\"alert\"")
                .nth(1)
                .unwrap()
                .split('<')
                .next()
                .unwrap()
                .replace(char::is_numeric, ""),
        );
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
}
