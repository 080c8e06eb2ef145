//! Bad input: clear errors, and nothing changed.

use std::convert::Infallible;

use axum::body::Bytes;
use futures_util::stream;

use super::super::route::Interface;
use super::*;

#[tokio::test]
async fn bodies_that_are_no_document_are_refused() {
    // A18-07, A18-08
    let house = House::new();
    house.add("alice").await;
    let check = async |method: &str, path: &str, body: String, status: u16, error: &str, field: Option<&str>| {
        let answer = house.send(method, path, &[("x-sftpgo-api-key", "all")], body).await;
        answer.refused(status, error);
        assert_eq!(answer.body["field"].as_str(), field, "{}", answer.text);
    };
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    let huge = format!("{{\"username\":\"{}\"}}", "x".repeat(3 << 20));
    for (method, path) in
        [("POST", "/api/v1/user"), ("POST", "/api/v2/users"), ("PUT", "/api/v2/users/alice"), ("PUT", "/api/v1/user/1")]
    {
        check(method, path, String::new(), 400, "EOF", None).await;
        for body in ["[]", " [1]", "7", "\"x\"", "null"] {
            check(method, path, body.to_owned(), 400, "must be a JSON object", None).await;
        }
        check(method, path, "{\"a\":1}x".to_owned(), 400, "trailing", None).await;
        check(method, path, "{\"a\":1".to_owned(), 400, "EOF", None).await;
        check(method, path, deep.clone(), 400, "recursion", None).await;
        check(method, path, huge.clone(), 413, "larger", None).await;
    }
    let wrong = |field: &str, value: Value| {
        let mut document = account("alice");
        document[field] = value;
        document.to_string()
    };
    for (method, path) in [("PUT", "/api/v2/users/alice"), ("PUT", "/api/v1/user/1"), ("POST", "/api/v2/users")] {
        check(method, path, wrong("uid", json!("1")), 400, "expected an integer", Some("uid")).await;
        check(method, path, wrong("uid", json!(1.5)), 400, "expected an integer", Some("uid")).await;
        check(method, path, wrong("status", json!(7)), 400, "status", Some("status")).await;
        check(method, path, wrong("permissions", json!([])), 400, "permissions", Some("permissions./")).await;
        check(method, path, wrong("home_dir", json!("relative")), 400, "home_dir", Some("home_dir")).await;
    }
    // Unknown fields are passed over, as hooks' are (B15-02).
    assert_eq!(
        house.ask("PUT", "/api/v2/users/alice", serde_json::from_str(&wrong("nobody", json!(1))).unwrap()).await.status,
        200
    );
    check("POST", "/api/v2/users", account("alice").to_string(), 409, "alice", None).await;
    let renamed = account("bob").to_string();
    check("PUT", "/api/v2/users/alice", renamed.clone(), 403, "renamed", Some("username")).await;
    check("PUT", "/api/v1/user/1", renamed, 403, "renamed", Some("username")).await;
    let shown = house.ask("GET", "/api/v2/users/alice", Value::Null).await;
    assert_eq!((&shown.body["uid"], &shown.body["home_dir"]), (&json!(0), &json!("/srv/u")));
}

#[tokio::test(start_paused = true)]
async fn bodies_that_do_not_arrive_are_waited_for_so_long() {
    // A3-54: longer for loads.
    let house = House::new();
    for (method, path, seconds) in [
        ("POST", "/api/v1/user", 60),
        ("PUT", "/api/v2/users/alice", 60),
        ("POST", "/api/tidegate/bans", 60),
        ("POST", "/api/v2/loaddata", 600),
    ] {
        let began = tokio::time::Instant::now();
        let silent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let answer = house.send(method, path, &[("x-sftpgo-api-key", "all")], silent).await;
        answer.refused(408, &format!("within {seconds} seconds"));
        assert_eq!(began.elapsed().as_secs(), seconds, "{method} {path}");
    }
}

#[tokio::test]
async fn bodies_whose_fields_are_all_optional_may_be_left_out() {
    let house = House::new();
    house.add("alice").await;
    let mut optional = 0;
    for route in Interface::ALL.into_iter().flat_map(Interface::routes).filter(|route| route.is_body_optional) {
        let path = format!("/api/v2{}", route.path.replace("{username}", "alice"));
        for body in ["", "{}"] {
            let answer = house.send(route.method.as_str(), &path, &[("x-sftpgo-api-key", "all")], body).await;
            assert_eq!(answer.status, 201, "{path} {body:?} {}", answer.text);
        }
        let answer = house.send(route.method.as_str(), &path, &[("x-sftpgo-api-key", "all")], " ").await;
        answer.refused(400, "EOF");
        optional += 1;
    }
    assert_eq!(optional, 2);
}

#[tokio::test]
async fn fields_that_are_not_known_are_refused() {
    let house = House::new();
    house.add("alice").await;
    for (method, path, body, field) in [
        ("POST", "/api/tidegate/bans", json!({"ip": "192.0.2.1", "minutes": -1}), "minutes"),
        ("POST", "/api/tidegate/bans/exempt", json!({"network": "192.0.2.0/24", "x": 1}), "x"),
        ("POST", "/api/v2/users/alice/login-links", json!({"max_use": 1}), "max_use"),
        ("POST", "/api/v2/users/alice/one-click-login", json!({"names": "a"}), "names"),
        ("POST", "/api/v2/users/alice/reset-password", json!({"code": "c", "password": "p", "x": 1}), "x"),
        ("POST", "/api/v2/user/token", json!({"code": "c", "x": 1}), "x"),
        ("PUT", "/api/v2/quotas/users/alice/usage", json!({"used_quota_sizes": 1}), "used_quota_sizes"),
        ("PUT", "/api/v2/admin/changepwd", json!({"current_password": "a", "new_password": "b", "x": 1}), "x"),
    ] {
        let answer = house.ask(method, path, body).await;
        answer.refused(400, field);
    }
    assert_eq!(house.ask("GET", "/api/tidegate/bans", Value::Null).await.body["bans"], json!([]));
}

#[tokio::test]
async fn parameters_are_checked() {
    let house = House::new();
    let check = async |path: &str, status: u16, error: &str, field: Option<&str>| {
        let answer = house.ask("GET", path, Value::Null).await;
        answer.refused(status, error);
        assert_eq!(answer.body["field"].as_str(), field, "{}", answer.text);
    };
    // A18-06, A18-11, A18-12, A18-17: with the field, and in the same shape where there is no such route or method.
    check("/api/v1/user?limit=x", 400, "Invalid limit", Some("limit")).await;
    check("/api/v1/user?limit=-1", 400, "Invalid limit", Some("limit")).await;
    check("/api/v1/user?offset=1.5", 400, "Invalid offset", Some("offset")).await;
    check("/api/v1/user?order=asc", 400, "Invalid order", Some("order")).await;
    check("/api/v1/user?limit=1&limit=2", 400, "twice", Some("limit")).await;
    check("/api/v1/user/x", 400, "whole number", Some("id")).await;
    check("/api/v1/user/99999999999999999999", 400, "whole number", Some("id")).await;
    check("/api/v1/user/77", 404, "number 77", None).await;
    check("/api/v2/users?limit=0", 400, "from 1 to 500", Some("limit")).await;
    check("/api/v2/users?prefx=a", 400, "there are: limit, after", Some("prefx")).await;
    check("/api/v2/users?after=a&offset=1", 400, "neither", Some("after")).await;
    check("/api/v2/users?order=up", 400, "ASC or DESC", Some("order")).await;
    check("/api/v2/users/none", 404, "none", None).await;
    check("/api/v2/users/%ff", 400, "path", None).await;
    check("/api/v2/dumpdata?output-data=7", 400, "0 or 1", Some("output-data")).await;
    check("/api/v2/loaddata?input-file=a&mode=1", 400, "mode 0", Some("mode")).await;
    check("/api/v2/loaddata?scan-quota=3&input-file=a", 404, "among the backups", None).await;
    check("/api/v1/loaddata?scan_quota=3&input_file=a", 400, "0, 1 or 2", Some("scan_quota")).await;
    check("/api/tidegate/hooks/runs?since=x", 400, "whole number", Some("since")).await;
    check("/api/tidegate/hooks/runs/7", 404, "no record 7", None).await;
    check("/api/tidegate/plugins/none", 404, "no plugin", None).await;
    check("/api/v3/users", 404, "no such page", None).await;
    house.ask("PATCH", "/api/v2/users", Value::Null).await.refused(405, "not allowed");
    house.ask("DELETE", "/api/v1/user", Value::Null).await.refused(405, "not allowed");
}

#[tokio::test]
async fn no_path_of_a_backup_leads_out() {
    // A18-10, A18-11
    let house = House::new();
    std::fs::write(house.backups.path().join("secret"), "{}").unwrap();
    for path in ["../secret", "a/../../secret", "/etc/passwd", "", ".", "a%00b", "a//../b"] {
        for (route, parameter) in [
            ("/api/v1/dumpdata", "output_file"),
            ("/api/v1/loaddata", "input_file"),
            ("/api/v2/dumpdata", "output-file"),
            ("/api/v2/loaddata", "input-file"),
        ] {
            let answer = house.ask("GET", &format!("{route}?{parameter}={path}"), Value::Null).await;
            answer.refused(400, parameter);
        }
    }
    assert_eq!(std::fs::read_to_string(house.backups.path().join("secret")).unwrap(), "{}");
}
