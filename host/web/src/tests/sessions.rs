//! Log-in, log-out and sessions.

use serde_json::json;
use tidegate_api::{Client, Entrance, TrustedProxies};

use super::House;

#[tokio::test]
async fn a_session_begins_with_a_log_in_and_ends_with_a_log_out() {
    let house = House::new().await;
    let page = house.get("/web/users?search=a%20b", "").await;
    assert_eq!((page.status, page.header("location")), (303, "/web/login?next=%2Fweb%2Fusers%3Fsearch%3Da%2520b"));
    let login = house.get(page.header("location"), "").await;
    assert_eq!(login.status, 200);
    assert!(login.text.contains("value=\"/web/users?search=a%20b\""), "{}", login.text);
    for (name, password) in [("root", "wrong"), ("none", "pw"), ("", "")] {
        let fields = [("username", name), ("password", password)];
        let answer = house.post("/web/login", "", &fields).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (401, ""), "{name}");
        assert!(answer.text.contains("role=\"alert\"") && !answer.text.contains("value=\"wrong\""), "{}", answer.text);
    }
    // The server does not accept a cookie afterwards that was planted there.
    let first = house.log_in("root").await;
    let again = house.post("/web/login", &first, &[("username", "root"), ("password", "pw")]).await;
    let second = again.cookie();
    assert_ne!(first, second);
    assert_eq!(house.get("/web", &first).await.status, 303);
    assert_eq!(house.get("/web", &second).await.status, 200);
    // A browser's token is refused over REST; tests of the core try the reverse.
    assert!(again.header("set-cookie").ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{again:?}");
    let out = house.post("/web/logout", &second, &[]).await;
    assert_eq!((out.status, out.header("location")), (303, "/web/login?done=logged-out"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(house.get("/web", &second).await.status, 303);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let house = House::new().await;
    let (one, other) = (house.log_in("root").await, house.log_in("root").await);
    let page = house.get("/web/account", &one).await;
    let ids: Vec<_> = page.text.split("id=\"end-").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), 2, "{}", page.text);
    assert_eq!(page.text.matches("(this one)").count(), 1);
    for id in ids {
        house.post("/web/account/revoke", &one, &[("id", id)]).await;
    }
    assert_eq!(house.get("/web", &one).await.status, 303);
    house.admin("ann", json!({})).await;
    let ann = house.log_in("ann").await;
    let page = house.get("/web/account", &ann).await.text;
    let id = page.split("id=\"end-").nth(1).unwrap().split('"').next().unwrap();
    let root = house.log_in("root").await;
    assert_eq!(house.post("/web/account/revoke", &root, &[("id", id)]).await.status, 404);
    // Whichever of the two was ended first, the other could not be ended with it.
    let _ = other;
    let fields = [("current", "pw"), ("new", "pw2"), ("again", "pw2")];
    assert_eq!(house.post("/web/account/password", &ann, &fields).await.status, 303);
    assert_eq!(house.get("/web", &ann).await.status, 303);
}

#[tokio::test]
async fn all_sessions_are_listed_by_pages_and_ended() {
    let house = House::new().await;
    house.admin("keeper", json!({"permissions": ["manage_admins"]})).await;
    house.admin("ann", json!({})).await;
    let keeper = house.log_in("keeper").await;
    let mut sessions = Vec::new();
    for _ in 0..120 {
        sessions.push(house.log_in("ann").await);
    }
    assert!(house.get("/web", &keeper).await.text.contains("href=\"/web/tokens\""));
    let (mut path, mut ids) = ("/web/tokens".to_owned(), Vec::new());
    loop {
        let page = house.get(&path, &keeper).await.text;
        let buttons: Vec<_> = page.split("id=\"revoke-").skip(1).collect();
        assert!(buttons.len() <= 100, "{}", buttons.len());
        let of_ann = buttons.iter().filter(|button| button.contains("the session of ann from"));
        ids.extend(of_ann.map(|button| button.split('"').next().unwrap().to_owned()));
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().unwrap().to_owned();
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 120);
    for id in &ids {
        let ended = house.post("/web/tokens/revoke", &keeper, &[("id", id)]).await;
        assert_eq!((ended.status, ended.header("location")), (303, "/web/tokens?done=ended"), "{}", ended.text);
    }
    for session in sessions {
        assert_eq!(house.get("/web", &session).await.status, 303);
    }
}

#[tokio::test]
async fn passwords_are_not_taken_in_the_clear_from_elsewhere() {
    let mut house = House::new().await;
    let local = house.log_in("root").await;
    house.client.address = Some("192.0.2.1".parse().unwrap());
    let page = house.get("/web/login", "").await;
    assert!(page.text.contains("not encrypted") && !page.text.contains("type=\"password\""), "{}", page.text);
    let answer = house.post("/web/login", "", &[("username", "root"), ("password", "pw")]).await;
    assert_eq!(answer.status, 403);
    assert_eq!(house.get("/web", &local).await.status, 303);
    house.client.is_encrypted = true;
    let fields = [("username", "root"), ("password", "pw")];
    let answer = house.post("/web/login", "", &fields).await;
    assert!(answer.header("set-cookie").starts_with("__Host-tidegate="), "{answer:?}");
    assert!(answer.header("set-cookie").contains("; Secure"));
    assert_eq!(house.get("/web", &answer.cookie()).await.status, 200);
}

#[tokio::test]
async fn a_log_in_behind_a_proxy_is_encrypted_where_the_proxy_is_trusted_and_says_so() {
    let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
    // `peer`: None: over a unix socket. `told`: lines of X-Forwarded-Proto.
    let check = async |peer: Option<&str>, told: &[&str], is_encrypted: bool| {
        let shown = format!("{peer:?} {told:?}");
        let mut house = House::new().await;
        let mut headers = vec![("host", "files.example"), ("x-forwarded-for", "198.51.100.7")];
        headers.extend(told.iter().map(|line| ("x-forwarded-proto", *line)));
        let request =
            headers.iter().fold(axum::http::Request::builder(), |request, (name, value)| request.header(*name, *value));
        let peer = peer.map(|peer| peer.parse().unwrap());
        let entrance = if peer.is_some() { Entrance::Tcp { is_local: false } } else { Entrance::Unix };
        let direct = Client { entrance, address: None, peer, uid: None, is_encrypted: false };
        house.client = proxies.told(direct, request.headers_ref().unwrap());
        let page = house.send("GET", "/web/login", &headers, "").await;
        assert_eq!(page.text.contains("type=\"password\""), is_encrypted, "{shown} {}", page.text);
        let form = [&headers[..], &[("sec-fetch-site", "same-origin")]].concat();
        let answer = house.send("POST", "/web/login", &form, "username=root&password=pw").await;
        if !is_encrypted {
            assert_eq!((answer.status, answer.header("set-cookie")), (403, ""), "{shown}");
            for text in [page.text, answer.text] {
                assert!(text.contains("the connection is not encrypted"), "{shown} {text}");
                assert!(text.contains("a proxy in httpd.proxy_allowed"), "{shown} {text}");
            }
            return;
        }
        let (name, rest) = answer.header("set-cookie").split_once('=').unwrap();
        assert_eq!((answer.status, name), (303, "__Host-tidegate"), "{shown} {}", answer.text);
        assert!(rest.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{shown} {rest}");
        let cookie = answer.cookie();
        let with_cookie = [&headers[..], &[("cookie", cookie.as_str())]].concat();
        assert_eq!(house.send("GET", "/web", &with_cookie, "").await.status, 200, "{shown}");
        // In the clear the cookie is not taken, even if a browser sent it.
        house.client.is_encrypted = false;
        assert_eq!(house.send("GET", "/web", &with_cookie, "").await.status, 303, "{shown}");
    };
    check(Some("10.0.0.1:4711"), &["https"], true).await;
    check(Some("[::ffff:10.0.0.1]:4711"), &["HTTPS, https"], true).await;
    check(None, &["https"], true).await;
    check(Some("10.0.0.1:4711"), &[], false).await;
    check(Some("10.0.0.1:4711"), &["http"], false).await;
    check(Some("10.0.0.1:4711"), &["https, http"], false).await;
    check(Some("10.0.0.1:4711"), &["https", "https"], false).await;
    check(Some("192.0.2.1:4711"), &["https"], false).await;
    check(Some("127.0.0.1:4711"), &["https"], false).await;
    check(None, &["http"], false).await;
}

#[tokio::test]
async fn a_second_factor_is_asked_for() {
    let house = House::new().await;
    let owner = tidegate_core::admin::Actor::local("owner", tidegate_core::ports::Door::Socket);
    let codes = house.web.administration.admins.make_codes(&owner, "root").await.unwrap();
    let answer = house.post("/web/login", "", &[("username", "root"), ("password", "pw")]).await;
    assert_eq!(answer.status, 401);
    assert!(answer.text.contains("A one-time code is needed as well") && answer.text.contains("value=\"root\""));
    let wrong = [("username", "root"), ("password", "pw"), ("code", "x")];
    assert_eq!(house.post("/web/login", "", &wrong).await.status, 401);
    let right = [("username", "root"), ("password", "pw"), ("code", codes.recovery_codes[0].expose())];
    assert_eq!(house.post("/web/login", "", &right).await.status, 303);
    assert_eq!(house.post("/web/login", "", &right).await.status, 401);
}
