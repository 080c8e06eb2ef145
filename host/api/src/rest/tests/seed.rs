//! `/api/v1`, as the older server's clients know it.

use tidegate_core::quota::Scope;

use super::*;

#[tokio::test]
async fn accounts_are_kept_by_number() {
    // A18-07, A18-08, A18-09
    let house = House::new();
    let added = house.ask("POST", "/api/v1/user", account("alice")).await;
    assert_eq!((added.status, &added.body["username"]), (200, &json!("alice")), "{}", added.text);
    assert_eq!(added.body.get("password"), None);
    let path = format!("/api/v1/user/{}", added.body["id"]);
    house.ask("POST", "/api/v1/user", account("alice")).await.refused(409, "alice");
    let done = |message: &str| json!({"error": "", "message": message, "status": 200});
    let patch = json!({"uid": 7, "permissions": {"/": ["list"], "/in": ["upload"]}});
    assert_eq!(house.ask("PUT", &path, patch).await.body, done("User updated"));
    let shown = house.ask("GET", &path, Value::Null).await.body;
    assert_eq!((&shown["uid"], &shown["home_dir"]), (&json!(7), &json!("/srv/u")));
    assert_eq!(shown["permissions"], json!({"/": ["list"], "/in": ["upload"]}));
    // Permissions are replaced as a whole, and stay where they are not given.
    house.ask("PUT", &path, json!({"permissions": {"/": ["*"]}})).await;
    house.ask("PUT", &path, json!({"uid": 8, "id": added.body["id"]})).await;
    let shown = house.ask("GET", &path, Value::Null).await.body;
    assert_eq!(
        (&shown["permissions"], &shown["uid"], &shown["has_password"]),
        (&json!({"/": ["*"]}), &json!(8), &json!(true))
    );
    house.ask("PUT", &path, json!({"id": 77})).await.refused(400, "in the path");
    house.ask("PUT", "/api/v1/user/77", json!({"id": 77})).await.refused(404, "number 77");
    assert_eq!(house.ask("DELETE", &path, Value::Null).await.body, done("User deleted"));
    house.ask("DELETE", &path, Value::Null).await.refused(404, "number");
    house.ask("GET", &path, Value::Null).await.refused(404, "number");
}

#[tokio::test]
async fn a_part_of_the_second_factor_leaves_the_rest_as_it_is() {
    // A18-08, B3-01
    let house = House::new();
    let config = json!({"enabled": true, "config_name": "Default", "protocols": ["SSH"],
        "secret": {"status": "Plain", "payload": "GEZDGNBVGY3TQOJQ"}});
    let mut document = account("alice");
    document["filters"] = json!({"totp_config": config});
    let id = house.ask("POST", "/api/v2/users", document).await.body["id"].as_i64().unwrap();
    let paths = [format!("/api/v1/user/{id}"), "/api/v2/users/alice".to_owned()];
    let shown =
        async || house.ask("GET", "/api/v2/users/alice", Value::Null).await.body["filters"]["totp_config"].clone();
    let expected = json!({"enabled": true, "config_name": "Default", "protocols": ["SSH"], "secret": "[redacted]"});
    for part in [
        json!({"protocols": ["SSH"]}),
        json!({"enabled": true, "protocols": ["SSH"]}),
        json!({"enabled": true, "secret": {"status": "Redacted"}}),
        expected.clone(),
    ] {
        for path in &paths {
            let mut document = account("alice");
            document["filters"] = json!({"totp_config": part});
            assert_eq!(house.ask("PUT", path, document).await.status, 200, "{path} {part}");
            assert_eq!(shown().await, expected, "{path} {part}");
        }
    }
    for path in &paths {
        let mut document = account("alice");
        document["filters"] = json!({"totp_config": config});
        house.ask("PUT", path, document.clone()).await;
        assert_eq!(shown().await, expected, "{path}");
        document["filters"] = json!({"totp_config": null});
        house.ask("PUT", path, document).await;
        assert_eq!(shown().await, Value::Null, "{path}");
    }
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    // A18-01, A18-02, A18-03, A18-04
    let house = House::new();
    let version = json!({"version": "1.0", "build_date": "2026-01-01", "commit_hash": "abc"});
    assert_eq!(house.ask("GET", "/api/v1/version", Value::Null).await.body, version);
    let alive = json!({"error": "", "message": "Alive", "status": 200});
    assert_eq!(house.ask("GET", "/api/v1/providerstatus", Value::Null).await.body, alive);
    assert_eq!(house.ask("GET", "/api/v1/connection", Value::Null).await.body, json!([]));
    house.ask("DELETE", "/api/v1/connection/x", Value::Null).await.refused(404, "no such connection");
}

#[tokio::test]
async fn scans_are_begun() {
    // A10-06, A18-05
    let api = RestApi { authentication: Arc::new(ByName), ..api(RestSettings::default()) };
    let keeper = api.administration.scans.scans.keeper.clone();
    let house = House::of(api);
    assert_eq!(house.ask("GET", "/api/v1/quota_scan", Value::Null).await.body, json!([]));
    house.ask("POST", "/api/v1/quota_scan", json!({"username": "none"})).await.refused(404, "none");
    house.ask("POST", "/api/v1/quota_scan", json!({})).await.refused(400, "username");
    let answer = house.send("POST", "/api/v1/quota_scan", &[("x-sftpgo-api-key", "all")], "x").await;
    answer.refused(400, "cannot be read");
    house.add("alice").await;
    let under_way = keeper.begin_scan(&Scope::Account("alice".to_owned())).unwrap();
    let listed = house.ask("GET", "/api/v1/quota_scan", Value::Null).await.body;
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["username"]), (Some(1), &json!("alice")), "{listed}");
    // In milliseconds.
    assert!(listed[0]["start_time"].as_i64().is_some_and(|at| at > 1_700_000_000_000), "{listed}");
    let again = house.ask("POST", "/api/v1/quota_scan", json!({"username": "alice"})).await;
    again.refused(409, "another scan is already in progress");
    drop(under_way);
    assert_eq!(house.ask("GET", "/api/v1/quota_scan", Value::Null).await.body, json!([]));
}

#[tokio::test]
async fn backups_are_written_and_read() {
    // A18-10, A18-11
    let house = House::new();
    house.add("alice").await;
    let saved = house.ask("GET", "/api/v1/dumpdata?output_file=a/b.json", Value::Null).await;
    assert_eq!(saved.body, json!({"error": "", "message": "Data saved", "status": 200}), "{}", saved.text);
    let file = house.backups.path().join("backups/a/b.json");
    let dump: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(dump["users"][0]["password"], "$1$salt$pw");
    house.ask("PUT", "/api/v2/users/alice", account("alice")).await;
    let before = house.ask("GET", "/api/v2/users/alice", Value::Null).await.body["id"].clone();
    for path in ["a/b.json", file.to_str().unwrap()] {
        let loaded = house.ask("GET", &format!("/api/v1/loaddata?input_file={path}"), Value::Null).await;
        assert_eq!(loaded.body["message"], "Data restored", "{}", loaded.text);
    }
    assert_eq!(house.ask("GET", "/api/v2/users/alice", Value::Null).await.body["id"], before);
    house.ask("GET", "/api/v1/loaddata?input_file=none", Value::Null).await.refused(404, "none");
    std::fs::write(&file, "{\"users\":[{\"username\":\"x\"}]}").unwrap();
    house.ask("GET", "/api/v1/loaddata?input_file=a/b.json", Value::Null).await.refused(400, "nothing was changed");
}
