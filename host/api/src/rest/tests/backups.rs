//! Dumps that are loaded and made at the same time.

use tidegate_api_types::{LoadDump, Operation, path_of};

use super::*;
use crate::control::{AdminApi, control};

#[tokio::test(start_paused = true)]
async fn large_dumps_at_once_are_bounded() {
    // A18-10, A18-11
    let api = RestApi { authentication: Arc::new(ByName), ..api(RestSettings::default()) };
    let room = api.administration.backups.room.clone();
    let house = House::of(api);
    let dump = json!({"users": [account("alice")]}).to_string();
    let loads = async || {
        let key = [("x-sftpgo-api-key", "all")];
        [
            house.send("POST", "/api/v2/loaddata", &key, dump.clone()).await,
            house.send("GET", "/api/v2/loaddata?input-file=a.json", &key, Body::empty()).await,
            house.send("GET", "/api/v1/loaddata?input_file=a.json", &key, Body::empty()).await,
        ]
    };
    let dumps = async || {
        [
            house.ask("GET", "/api/v2/dumpdata?output-file=a.json", Value::Null).await,
            house.ask("GET", "/api/v2/dumpdata?output-data=1", Value::Null).await,
            house.ask("GET", "/api/v1/dumpdata?output_file=a.json", Value::Null).await,
        ]
    };
    let is_done =
        |answers: [Answer; 3]| answers.into_iter().for_each(|answer| assert_eq!(answer.status, 200, "{answer:?}"));
    is_done(dumps().await);
    is_done(loads().await);
    let loaded = room.to_load(u64::MAX).await.unwrap();
    loads().await.iter().for_each(|answer| answer.refused(503, "other large documents are being loaded"));
    is_done(dumps().await);
    drop(loaded);
    // A short text may have many values.
    let parsed = room.to_parse(["{".repeat(4 << 20).as_bytes()]).await.unwrap();
    loads().await.iter().for_each(|answer| answer.refused(503, "other large documents are being loaded"));
    drop(parsed);
    is_done(loads().await);
    let mut made = Vec::new();
    while let Ok(place) = room.to_make().await {
        made.push(place);
    }
    dumps().await.iter().for_each(|answer| answer.refused(503, "other large documents are being made"));
    is_done(loads().await);
    drop(made);
    is_done(dumps().await);
    // What is left out gives its room back.
    let partial = room.to_load(u64::MAX).await.unwrap();
    drop(partial);
    house.send("POST", "/api/v2/loaddata", &[("x-sftpgo-api-key", "all")], "no JSON").await.refused(400, "body");
    drop(room.to_load(u64::MAX).await.unwrap());
}

#[tokio::test]
async fn a_body_that_is_no_dump_changes_nothing() {
    // A18-11
    let house = House::new();
    let check = async |body: String, status: u16, expected: &str, field: Option<&str>| {
        let key = [("x-sftpgo-api-key", "all")];
        let refused = house.send("POST", "/api/v2/loaddata", &key, body).await;
        refused.refused(status, expected);
        assert_eq!(refused.body["field"].as_str(), field, "{}", refused.text);
        assert_eq!(house.ask("GET", "/api/v2/users", Value::Null).await.body, json!([]));
    };
    let users = |others: &str| format!("{{\"users\":[{},\n{others}]}}", account("alice"));
    check(String::new(), 400, "no JSON object", None).await;
    check("[]".to_owned(), 400, "no JSON object", None).await;
    check("{\"users\":[".to_owned(), 400, "breaks off (EOF) at line 1 column 11", None).await;
    check(users("{"), 400, "line 2", None).await;
    check(users("7"), 400, "users.1 is no object", Some("users.1")).await;
    check(users("{\"uid\":}"), 400, "line 2", None).await;
    check(users("{\"uid\":1e999}"), 400, "line 2", Some("users.1")).await;
    check(users(&format!("{}{}", "[".repeat(5000), "]".repeat(5000))), 400, "users.1 is no object", Some("users.1"))
        .await;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    check(users(&deep), 400, "recursion limit", Some("users.1")).await;
    check(users(&format!("{{\"a\":\"{}\"}}", "x".repeat(9 << 20))), 400, "users.1 is longer", Some("users.1")).await;
    check("{\"roles\":7}".to_owned(), 400, "list of objects", Some("roles")).await;
    for other in ["{}", "{\"username\":\"alice\"}", "{\"admins\":[],\"version\":17}"] {
        check(other.to_owned(), 400, "the body is no dump: it has none of the lists", None).await;
    }
    check(format!("{{\"users\":[{0},{0}]}}", account("alice")), 400, "nothing was changed", None).await;
    // One of the two would be left out.
    let twice = format!("{{\"users\":[],\"users\":[{}]}}", account("alice"));
    check(twice, 400, "the name \"users\" comes twice", None).await;
}

#[tokio::test]
async fn a_command_that_cannot_be_read_loads_nothing() {
    // A18-11
    let api = api(RestSettings::default());
    let commands = AdminApi { administration: api.administration.clone(), version: "1.0", client_pages: None };
    let house = House::of(RestApi { authentication: Arc::new(ByName), ..api });
    let client = Client { entrance: Entrance::Control, address: None, uid: Some(0), ..house.client.clone() };
    let socket = House { router: site(control(commands)), client, backups: tempfile::tempdir().unwrap() };
    let load = async |more: &str| {
        let body = format!("{{\"users\":[{}]{more}}}", account("alice"));
        let answer = socket.send("POST", &path_of(LoadDump::NAME), &[], body).await;
        (answer.status, answer.text)
    };
    for (more, expected) in [
        (",\"admins\":7", "list of objects"),
        (",\"admins\":[7]", "admins.0 is no object"),
        (",\"admins\":[{},{\"a\":1e999}]", "admins.1 cannot be read"),
        (",\"dry_run\":1", "must be true or false"),
        (",\"others\":[]", "there is no field"),
        (",\"folders\":[{}", "expected `,` or `]`"),
    ] {
        let (status, text) = load(more).await;
        assert!(status == 400 && text.contains(expected), "{more}: {status} {text}");
        assert_eq!(house.ask("GET", "/api/v2/users", Value::Null).await.body, json!([]), "{more}");
    }
    assert_eq!(load(",\"admins\":[]").await.0, 200);
    assert_eq!(house.ask("GET", "/api/v2/users/alice", Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_dump_of_several_pages_has_every_account_once_and_is_sent_as_it_is_read() {
    // A18-10
    let house = House::new();
    let names: Vec<String> = (0..1_010).map(|number| format!("u{number:04}")).collect();
    for name in &names {
        house.add(name).await;
    }
    let has_all = |dump: &Value| {
        let users = dump["users"].as_array().unwrap();
        assert_eq!(users.iter().map(|user| user["username"].as_str().unwrap()).collect::<Vec<_>>(), names);
        assert!(users.iter().all(|user| user["password"] == "$1$salt$pw"));
    };
    let given = house.ask("GET", "/api/v2/dumpdata?output-data=1", Value::Null).await;
    has_all(&given.body);
    // Its length is not known before it is read.
    assert_eq!(given.header("content-length"), "");
    let saved = house.ask("GET", "/api/v1/dumpdata?output_file=all.json", Value::Null).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let file = std::fs::read_to_string(house.backups.path().join("backups/all.json")).unwrap();
    has_all(&serde_json::from_str(&file).unwrap());
}
