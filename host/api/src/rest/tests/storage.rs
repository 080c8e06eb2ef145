//! File systems that are tried, and what is remembered of credentials.

use super::*;

#[tokio::test]
async fn file_systems_of_accounts_are_tried() {
    let house = House::new();
    house.add("alice").await;
    let check =
        async |query: &str| house.ask("POST", &format!("/api/tidegate/storage/check{query}"), Value::Null).await;
    let report = check("?username=alice").await;
    assert_eq!((report.status, &report.body["username"]), (200, &json!("alice")), "{}", report.text);
    let [home] = report.body["file_systems"].as_array().unwrap().as_slice() else { panic!("{}", report.text) };
    let seen = ["path", "kind", "location", "usable"].map(|field| &home[field]);
    assert_eq!(seen, [&json!("/"), &json!("local"), &json!("/srv/u"), &json!(false)]);
    let opened = &home["steps"][0];
    assert_eq!((&opened["step"], &opened["outcome"]), (&json!("open"), &json!("failed")));
    assert!(opened["problem"].as_str().unwrap().contains("there are no files here"), "{opened}");
    assert_eq!(home["steps"][1]["outcome"], "skipped");
    check("").await.refused(400, "username");
    check("?username=none").await.refused(404, "none");
    let records = house.ask("GET", "/api/tidegate/audit?kind=user&action=check&outcome=done", Value::Null).await;
    assert_eq!(records.body["entries"][0]["name"], "alice", "{}", records.text);
}

#[tokio::test]
async fn what_uploads_have_left_is_removed() {
    let house = House::new();
    house.add("alice").await;
    let sweep =
        async |query: &str| house.ask("POST", &format!("/api/tidegate/storage/sweep{query}"), Value::Null).await;
    for query in ["", "?username=alice", "?older_than=0", "?username=alice&older_than=4294967295"] {
        let swept = sweep(query).await;
        // It has no object storage.
        assert_eq!((swept.status, &swept.body), (200, &json!({"file_systems": []})), "{query}: {}", swept.text);
    }
    sweep("?username=none").await.refused(404, "none");
    for hours in ["-1", "x", "1.5", "4294967296"] {
        sweep(&format!("?older_than={hours}")).await.refused(400, "older_than");
    }
}

#[tokio::test]
async fn what_external_authentication_has_decided_is_forgotten() {
    // B8-05
    let house = House::new();
    for (query, name) in [("", ""), ("?username=", ""), ("?username=ann", "ann")] {
        let forgotten = house.ask("POST", &format!("/api/tidegate/hooks/forget-credentials{query}"), Value::Null).await;
        assert_eq!((forgotten.status, &forgotten.body), (200, &json!({"forgotten": 0})), "{}", forgotten.text);
        let newest = house.ask("GET", "/api/tidegate/audit?kind=credentials&limit=1", Value::Null).await;
        let entry = &newest.body["entries"][0];
        assert_eq!((&entry["action"], &entry["name"]), (&json!("forget"), &json!(name)), "{query}");
    }
}
