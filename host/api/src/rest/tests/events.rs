//! What was changed, searched.

use tidegate_core::connection::ConnectionId;
use tidegate_core::hook::events::Protocol;
use tidegate_core::ports::{FileEvent, FileEventKind, FileLog, TransferEnd};

use super::*;

#[tokio::test]
async fn changes_are_searched() {
    let house = House::new();
    house.add("alice").await;
    house.add("bob").await;
    assert_eq!(house.ask("PUT", "/api/v2/users/bob", account("bob")).await.status, 200);
    assert_eq!(house.ask("DELETE", "/api/v2/users/bob", Value::Null).await.status, 200);
    let ask = async |query: &str| {
        let answer = house.ask("GET", &format!("/api/v2/events/provider?{query}"), Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let events = answer.body.as_array().unwrap().clone();
        let line = |event: &Value| {
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("action"), text("object_name"))
        };
        events.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(ask("").await, ["delete bob", "update bob", "add bob", "add alice"]);
    assert_eq!(ask("actions=add&limit=1").await, ["add bob"]);
    assert_eq!(ask("actions=update,add&object_types=folder,user").await, ["update bob", "add bob", "add alice"]);
    assert_eq!(ask("actions=delete,,delete,none").await, ["delete bob"]);
    assert_eq!(ask("object_name=alice&object_types=user&username=all&ip=192.0.2.9").await, ["add alice"]);
    assert!(ask("ip=192.0.2.10").await.is_empty() && ask("object_types=folder").await.is_empty());
    assert!(ask("end_timestamp=1000000000").await.is_empty());
    assert_eq!(ask("start_timestamp=1000000000").await.len(), 4);
    let second = house.ask("GET", "/api/v2/events/provider?limit=2", Value::Null).await.body[1]["id"].clone();
    assert_eq!(ask(&format!("from_id={}", second.as_str().unwrap())).await, ["add bob", "add alice"]);
    assert_eq!(ask("order=DESC&limit=1").await, ["delete bob"]);
    assert_eq!(ask("order=ASC").await, ["add alice", "add bob", "update bob", "delete bob"]);
    assert_eq!(ask("order=ASC&limit=1&object_name=bob").await, ["add bob"]);
    let third = house.ask("GET", "/api/v2/events/provider?limit=3&order=ASC", Value::Null).await.body[2]["id"].clone();
    assert_eq!(ask(&format!("order=ASC&from_id={}", third.as_str().unwrap())).await, ["delete bob"]);
    for events in ["provider", "logs", "fs"] {
        let path = format!("/api/v2/events/{events}?order=");
        house.ask("GET", &format!("{path}down"), Value::Null).await.refused(400, "order");
        assert_eq!(house.ask("GET", &format!("{path}ASC"), Value::Null).await.status, 200, "{events}");
    }
    let audit = house.ask("GET", "/api/tidegate/audit?action=update&outcome=done&address=192.0.2.9", Value::Null).await;
    assert_eq!(audit.body["entries"].as_array().unwrap().len(), 1);
    house.ask("GET", "/api/tidegate/audit?outcome=perhaps", Value::Null).await.refused(400, "refused");
    house.ask("GET", "/api/v2/events/logs?ip=here&limit=0", Value::Null).await.refused(400, "limit");
    assert_eq!(house.ask("GET", "/api/v2/events/logs", Value::Null).await.body, json!([]));
}

#[tokio::test]
async fn all_changes_are_exported_a_page_at_a_time() {
    let house = House::new();
    let names: Vec<String> = (0..510).map(|number| format!("u{number:03}")).collect();
    for name in &names {
        house.add(name).await;
    }
    let entries = async |query: &str| {
        let answer = house.ask("GET", &format!("/api/tidegate/audit{query}"), Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json");
        let entries = answer.body["entries"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let newest_first: Vec<_> = names.iter().rev().cloned().collect();
    assert_eq!(entries("/export").await, newest_first);
    assert_eq!(entries("?limit=4000000000").await, newest_first[..500]);
    assert_eq!(entries("/export?name=u007&kind=user&action=add&actor=all").await, ["u007"]);
    assert!(entries("/export?name=nobody").await.is_empty());
    let whole = house.ask("GET", "/api/tidegate/audit/export", Value::Null).await;
    assert_eq!(whole.text.lines().count(), names.len() + 2, "one record a line");
    assert_eq!(
        house.ask("GET", "/api/tidegate/audit?name=u007", Value::Null).await.body["entries"][0]["id"],
        whole.body["entries"][502]["id"]
    );
    house.ask("GET", "/api/tidegate/audit/export?limit=1", Value::Null).await.refused(400, "no parameter");
    house.ask("GET", "/api/tidegate/audit/export?outcome=perhaps", Value::Null).await.refused(400, "refused");
}

#[tokio::test]
async fn what_sessions_did_to_files_is_searched() {
    let api = RestApi { authentication: Arc::new(ByName), ..api(RestSettings::default()) };
    let history = api.administration.file_events.history.clone();
    let house = House::of(api);
    let note = |username: &str, channel: &str, path: &str, what: FileEventKind<'_>| {
        let (channel, address) = (ConnectionId::new(channel), "192.0.2.7".parse().unwrap());
        let protocol = Protocol::Sftp;
        history.record(&FileEvent { channel: &channel, username, address, protocol, path, what });
    };
    let end = |failure| TransferEnd { bytes: 5, elapsed: Duration::from_millis(7), failure };
    note("alice", "SSH_1_1", "/srv/a", FileEventKind::Upload(end(None)));
    note("alice", "SSH_1_2", "/srv/b", FileEventKind::Download(end(Some("the client left"))));
    note("bob", "SSH_12_1", "/srv/c", FileEventKind::Rename { target: "/srv/d" });
    let ask = async |path: &str| {
        let answer = house.ask("GET", path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body
    };
    let check = async |query: &str, expected: &[&str]| {
        let shown = ask(&format!("/api/tidegate/files/events?{query}")).await;
        let found = shown["events"].as_array().unwrap();
        assert_eq!(found.iter().map(|one| one["path"].as_str().unwrap()).collect::<Vec<_>>(), expected, "{query}");
    };
    check("", &["/srv/c", "/srv/b", "/srv/a"]).await;
    check("limit=1", &["/srv/c"]).await;
    check("username=alice", &["/srv/b", "/srv/a"]).await;
    check("connection=SSH_1", &["/srv/b", "/srv/a"]).await;
    check("connection=SSH_1_2", &["/srv/b"]).await;
    check("action=upload,rename&outcome=done", &["/srv/c", "/srv/a"]).await;
    check("outcome=failed&address=192.0.2.7&protocol=SFTP", &["/srv/b"]).await;
    check("address=192.0.2.8", &[]).await;
    check("path=/srv/d", &["/srv/c"]).await;
    check("until=1000", &[]).await;
    let older =
        ask("/api/v2/events/fs?username=alice&session_id=SSH_1&actions=download&statuses=2,1&protocols=SFTP").await;
    let failed = &older[0];
    assert_eq!(
        (&failed["fs_path"], &failed["status"], &failed["file_size"], &failed["elapsed"], &failed["ip"]),
        (&json!("/srv/b"), &json!(2), &json!(5), &json!(7), &json!("192.0.2.7")),
    );
    let id = failed["id"].as_str().unwrap();
    assert_eq!(ask(&format!("/api/v2/events/fs?from_id={id}")).await[0]["fs_path"], "/srv/a");
    let oldest = ask("/api/v2/events/fs?order=ASC&limit=2").await;
    assert_eq!((&oldest[0]["fs_path"], &oldest[1]["fs_path"]), (&json!("/srv/a"), &json!("/srv/b")));
    assert_eq!(ask(&format!("/api/v2/events/fs?order=ASC&from_id={id}")).await[0]["fs_path"], "/srv/c");
    assert_eq!(ask("/api/v2/events/fs?start_timestamp=9000000000000000000").await, json!([]));
    house.ask("GET", "/api/v2/events/fs?statuses=3", Value::Null).await.refused(400, "statuses");
    house.ask("GET", "/api/tidegate/files/events?outcome=perhaps", Value::Null).await.refused(400, "outcome");
}
