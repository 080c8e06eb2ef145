//! An account that was shown is shown again as it was, until anything has changed, and to those alone who may see it.

use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use tidegate_core::ports::{AccountKey, Directory};

use super::super::guard::Caller;
use super::super::shown_again::ShownAgain;
use super::*;

#[tokio::test]
async fn each_change_is_seen_by_the_next_request() {
    let house = House::new();
    let number = house.add("alice").await;
    house.add("bob").await;
    for path in ["/api/v2/users/alice".to_owned(), format!("/api/v1/user/{number}")] {
        let show = async || {
            let first = house.ask("GET", &path, Value::Null).await;
            let second = house.ask("GET", &path, Value::Null).await;
            assert_eq!((first.status, &first.text), (second.status, &second.text), "{path}");
            assert_ne!(first.header("x-request-id"), second.header("x-request-id"), "{path}");
            let headers = [first.headers, second.headers].map(|mut headers| {
                headers.remove("x-request-id");
                headers
            });
            assert_eq!(headers[0], headers[1], "{path}");
            Answer { headers: headers[1].clone(), ..second }
        };
        let before = show().await;
        assert_eq!((before.status, &before.body["username"]), (200, &json!("alice")), "{path}");
        // A change of another account has no effect on what is shown.
        let changed = house.ask("PUT", "/api/v2/users/bob", account("bob")).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_eq!(show().await.text, before.text, "{path}");
        for status in [0, 1] {
            let document =
                json!({"username": "alice", "status": status, "home_dir": "/srv/u", "permissions": {"/": ["*"]}});
            let changed = house.ask("PUT", "/api/v2/users/alice", document).await;
            assert_eq!(changed.status, 200, "{}", changed.text);
            let now = show().await;
            assert_eq!(
                (&now.body["status"], now.header("etag") == before.header("etag")),
                (&json!(status), false),
                "{path}"
            );
        }
        // Others do not see what was shown to one who may.
        for (key, status) in [("none", 403), ("but:user.show", 403), ("role:sales", 404), ("unknown", 401)] {
            let refused = house.send("GET", &path, &[("x-sftpgo-api-key", key)], "").await;
            assert_eq!(refused.status, status, "{path} {key}: {}", refused.text);
        }
    }
    assert_eq!(house.ask("DELETE", "/api/v2/users/alice", Value::Null).await.status, 200);
    for path in ["/api/v2/users/alice".to_owned(), format!("/api/v1/user/{number}")] {
        house.ask("GET", &path, Value::Null).await.refused(404, "");
    }
}

#[tokio::test]
async fn what_was_shown_is_known_until_anything_has_changed() {
    let api = api(RestSettings::default());
    let again = ShownAgain::new(api.administration.clone());
    let question = |method: &str, uri: &str, role: Option<&str>| {
        let mut request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        let actor = Actor { role: role.map(str::to_owned), ..Actor::system() };
        request.extensions_mut().insert(Caller(actor));
        again.question(&request)
    };
    let long = format!("/users/{}", "a".repeat(512));
    for (method, uri, role, expected) in [
        ("GET", "/users/alice", None, true),
        ("HEAD", "/users/alice", None, false),
        ("GET", "/users/alice?confidential_data=1", None, false),
        ("GET", "/users/alice", Some("sales"), false),
        ("GET", long.as_str(), None, false),
    ] {
        assert_eq!(question(method, uri, role).is_some(), expected, "{method} {uri} {role:?}");
    }
    assert!(again.question(&Request::new(Body::empty())).is_none(), "there is no caller");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let (tag, content) = (HeaderValue::from_static("\"1\""), Bytes::from_static(b"{}"));
    let is_known = |uri: &str| again.known(&question("GET", uri, None).unwrap()).is_some();
    let keep = || again.keep(&question("GET", "/users/alice", None).unwrap(), &headers, &tag, &content);
    keep();
    assert!(is_known("/users/alice") && !is_known("/users/bob"));
    let document = account("alice").as_object().cloned().unwrap();
    let late = question("GET", "/users/alice", None).unwrap();
    let added = api.administration.users.add(&Actor::system(), document, None).await.unwrap();
    assert!(!is_known("/users/alice"));
    // It was found before the change, and is written after it.
    again.keep(&late, &headers, &tag, &content);
    assert!(!is_known("/users/alice"));
    keep();
    assert!(is_known("/users/alice"));
    // A login is no change of an administrator's, and shown all the same.
    let key = AccountKey { username: "alice".to_owned(), id: added.document["id"].as_i64().unwrap() };
    let directory: &dyn Directory = &*api.administration.status.directory;
    directory.record_login(&key, 7).await.unwrap();
    assert!(!is_known("/users/alice"));
}
