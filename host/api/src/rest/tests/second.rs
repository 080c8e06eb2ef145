//! `/api/v2`.

use super::*;

#[tokio::test]
async fn changes_are_based_on_versions() {
    // A18-12, A18-17
    let house = House::new();
    for (path, mut document, change) in [
        ("/api/v2/users/a", account("a"), ("uid", json!(7))),
        ("/api/v2/folders/a", json!({"name": "a", "mapped_path": "/srv/a"}), ("description", json!("d"))),
        ("/api/v2/groups/a", json!({"name": "a"}), ("description", json!("d"))),
        ("/api/v2/roles/a", json!({"name": "a"}), ("description", json!("d"))),
    ] {
        let added = house.ask("POST", path.strip_suffix("/a").unwrap(), document.clone()).await;
        assert_eq!(added.status, 201, "{}", added.text);
        let first = added.header("etag").to_owned();
        let shown = house.ask("GET", path, Value::Null).await;
        assert_eq!(revision(shown.header("etag")), revision(&first), "{path}");
        document[change.0] = change.1.clone();
        let put = async |tag: &str| house.based("PUT", path, &[("if-match", tag)], document.clone()).await;
        put("\"9-9\"").await.refused(412, change.0);
        let answer = put(&first).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["error"], "");
        let second = house.ask("GET", path, Value::Null).await;
        assert_eq!(revision(answer.header("etag")), revision(second.header("etag")), "{path}");
        assert_ne!(revision(second.header("etag")), revision(&first), "{path}");
        assert_eq!(second.body[change.0], change.1, "{path}");
        document[change.0] = json!(second.body[change.0].as_i64().map_or(json!("e"), |_| json!(8)));
        let refused = house.based("PUT", path, &[("if-match", &first)], document.clone()).await;
        refused.refused(412, "differs");
        assert!(refused.body["differs"].as_array().unwrap().contains(&json!(change.0)), "{}", refused.text);
        house.based("DELETE", path, &[("if-match", &first)], Value::Null).await.refused(412, "changed");
        assert_eq!(house.ask("PUT", path, document.clone()).await.status, 200, "without a version");
        assert_eq!(house.based("DELETE", path, &[("if-match", "*")], Value::Null).await.status, 200);
        house.ask("GET", path, Value::Null).await.refused(404, "a");
        // An object that is added again has other versions.
        let again = house.ask("POST", path.strip_suffix("/a").unwrap(), document.clone()).await;
        assert_ne!(revision(again.header("etag")), revision(&first), "{path}");
    }
}

#[tokio::test]
async fn what_clients_are_not_shown_stays() {
    // A18-09
    let house = House::new();
    house.add("alice").await;
    let shown = house.ask("GET", "/api/v2/users/alice", Value::Null).await;
    assert_eq!((shown.body.get("password"), &shown.body["has_password"]), (None, &json!(true)));
    // What was read can be sent back, and a field that is left out has its default.
    let mut document = shown.body.clone();
    document["uid"] = json!(5);
    assert_eq!(house.ask("PUT", "/api/v2/users/alice", document).await.status, 200);
    let shown = house.ask("GET", "/api/v2/users/alice", Value::Null).await;
    assert_eq!((&shown.body["uid"], &shown.body["has_password"]), (&json!(5), &json!(true)));
    let mut document = account("alice");
    document.as_object_mut().unwrap().remove("password");
    assert_eq!(house.ask("PUT", "/api/v2/users/alice", document).await.status, 200);
    let shown = house.ask("GET", "/api/v2/users/alice", Value::Null).await;
    assert_eq!((&shown.body["uid"], &shown.body["has_password"]), (&json!(0), &json!(true)));
    let dump = house.ask("GET", "/api/v2/dumpdata?output-data=1", Value::Null).await;
    assert!(dump.text.contains("$1$salt$pw"), "{}", dump.text);
}

#[tokio::test]
async fn dumps_are_loaded_whole_or_not_at_all() {
    // A18-10, A18-11
    let house = House::new();
    for name in ["alice", "bob"] {
        house.add(name).await;
    }
    house.ask("POST", "/api/v2/folders", json!({"name": "f", "mapped_path": "/srv/f"})).await;
    let dump = house.ask("GET", "/api/v2/dumpdata?output-data=1", Value::Null).await;
    assert_eq!(dump.body["users"].as_array().unwrap().len(), 2, "{}", dump.text);
    assert_eq!(dump.body["folders"][0]["name"], "f");
    assert_eq!(house.ask("GET", "/api/v2/dumpdata?output-file=d/all.json", Value::Null).await.status, 200);
    let other = House { backups: house.backups, ..House::new() };
    let mut broken = dump.body.clone();
    broken["users"][1]["home_dir"] = json!("relative");
    let refused = other.ask("POST", "/api/v2/loaddata", broken).await;
    refused.refused(400, "nothing was changed");
    assert!(refused.body["message"].as_str().unwrap().contains("\"bob\""), "{}", refused.text);
    assert_eq!(other.ask("GET", "/api/v2/users", Value::Null).await.body, json!([]));
    let mut more = dump.body;
    more["admins"] = json!([{"username": "root"}]);
    let loaded = other.ask("POST", "/api/v2/loaddata?mode=0&scan-quota=0", more).await;
    assert_eq!(loaded.status, 200, "{}", loaded.text);
    assert!(loaded.body["message"].as_str().unwrap().contains("admins"), "{}", loaded.text);
    assert_eq!(other.ask("GET", "/api/v2/users", Value::Null).await.body.as_array().unwrap().len(), 2);
    other.ask("POST", "/api/v2/loaddata", json!({"users": {}})).await.refused(400, "list of objects");
}

#[tokio::test]
async fn usages_are_set() {
    // A10-07, A18-17
    let house = House::new();
    house.add("alice").await;
    house.ask("POST", "/api/v2/folders", json!({"name": "f", "mapped_path": "/srv/f"})).await;
    let check = async |path: &str, size: i64, expected: Result<i64, u16>| {
        let usage = json!({"used_quota_size": size, "used_quota_files": 1});
        let answer = house.ask("PUT", path, usage).await;
        let shown = if path.contains("/users/") { "/api/v2/users/alice" } else { "/api/v2/folders/f" };
        match expected {
            Ok(size) => {
                assert_eq!(answer.status, 200, "{}", answer.text);
                assert_eq!(house.ask("GET", shown, Value::Null).await.body["used_quota_size"], size, "{path}");
            }
            Err(status) => assert_eq!(answer.status, status, "{path} {}", answer.text),
        }
    };
    for of in ["users/alice", "folders/f"] {
        let path = format!("/api/v2/quotas/{of}/usage");
        check(&path, 10, Ok(10)).await;
        check(&format!("{path}?mode=add"), 5, Ok(15)).await;
        check(&format!("{path}?mode=add"), -7, Ok(8)).await;
        check(&format!("{path}?mode=reset"), 3, Ok(3)).await;
        check(&format!("{path}?mode=add"), -70, Ok(0)).await;
        check(&path, -1, Err(400)).await;
        check(&format!("{path}?mode=x"), 1, Err(400)).await;
    }
    check("/api/v2/quotas/users/none/usage", 1, Err(404)).await;
    check("/api/v2/quotas/folders/none/usage", 1, Err(404)).await;
}

#[tokio::test]
async fn the_state_of_the_server_is_shown() {
    let house = House::new();
    let token = house.send("GET", "/api/v2/token", &[("authorization", &basic("all", "pw"))], "").await;
    assert_eq!(token.body, json!({"access_token": "all", "expires_at": "2023-11-14T22:13:20Z"}));
    let status = house.ask("GET", "/api/v2/status", Value::Null).await;
    assert_eq!(status.body["data_provider"], json!({"is_active": true, "driver": "memory", "error": ""}));
    assert_eq!(house.ask("GET", "/api/v2/version", Value::Null).await.body["version"], "1.0");
    assert_eq!(house.ask("GET", "/api/v2/connections", Value::Null).await.body, json!([]));
    let configuration = house.ask("GET", "/api/tidegate/configuration", Value::Null).await;
    assert_eq!(configuration.body["sftpd"]["bind_port"], 2022);
    let logout = house.send("GET", "/api/v2/logout", &[("authorization", "Bearer all")], "").await;
    assert_eq!(logout.status, 200);
    house.ask("GET", "/api/v2/logout", Value::Null).await.refused(409, "no token");
    house.ask("DELETE", "/api/v2/connections/x", Value::Null).await.refused(404, "no such connection");
}
