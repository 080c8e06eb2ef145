//! What was changed, searched.

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
    assert_eq!(ask("object_name=alice&object_types=user&username=all&ip=192.0.2.9").await, ["add alice"]);
    assert!(ask("ip=192.0.2.10").await.is_empty() && ask("object_types=folder").await.is_empty());
    assert!(ask("end_timestamp=1000000000").await.is_empty());
    assert_eq!(ask("start_timestamp=1000000000").await.len(), 4);
    let second = house.ask("GET", "/api/v2/events/provider?limit=2", Value::Null).await.body[1]["id"].clone();
    assert_eq!(ask(&format!("from_id={}", second.as_str().unwrap())).await, ["add bob", "add alice"]);
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
