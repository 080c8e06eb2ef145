//! Pages of lists.

use super::*;

async fn house() -> House {
    let house = House::new();
    for name in ["bob", "alice", "carol", "boc"] {
        house.add(name).await;
    }
    house
}

fn names(answer: &Answer, field: &str) -> String {
    let items = answer.body.as_array().unwrap_or_else(|| panic!("{}", answer.text));
    items.iter().map(|item| item[field].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn accounts_are_listed_a_page_at_a_time() {
    // A18-06
    let house = house().await;
    let check = async |path: &str, expected: &str, next: &str| {
        let answer = house.ask("GET", path, Value::Null).await;
        assert_eq!(names(&answer, "username"), expected, "{path}");
        assert_eq!(answer.header("link"), next, "{path}");
        assert!(!answer.text.contains("$1$"), "{}", answer.text);
    };
    check("/api/v1/user", "alice bob boc carol", "").await;
    check("/api/v1/user?limit=2&offset=1", "bob boc", "").await;
    check("/api/v1/user?limit=3&order=DESC", "carol boc bob", "").await;
    check("/api/v1/user?limit=3&offset=3&order=DESC", "alice", "").await;
    check("/api/v1/user?limit=0", "", "").await;
    check("/api/v1/user?limit=9999", "alice bob boc carol", "").await;
    check("/api/v1/user?username=boc", "boc", "").await;
    check("/api/v1/user?username=BOC", "", "").await;
    check("/api/v1/user?unknown=1", "alice bob boc carol", "").await;
    check("/api/v2/users", "alice bob boc carol", "").await;
    let link = |query: &str| format!("</api/v2/users?{query}>; rel=\"next\"");
    check("/api/v2/users?limit=2", "alice bob", &link("limit=2&after=bob")).await;
    check("/api/v2/users?limit=2&after=bob", "boc carol", "").await;
    check("/api/v2/users?limit=2&after=carol", "", "").await;
    check("/api/v2/users?prefix=bo&limit=1", "bob", &link("prefix=bo&limit=1&after=bob")).await;
    check("/api/v2/users?prefix=bo&after=bob", "boc", "").await;
    check("/api/v2/users?offset=2", "boc carol", "").await;
    check("/api/v2/users?prefix=bo&order=DESC", "boc bob", "").await;
}

#[tokio::test]
async fn pages_of_the_older_interface_have_a_hundred_accounts_unless_told_and_five_hundred_at_most() {
    // A18-06
    let house = House::new();
    for number in 0..502 {
        house.add(&format!("u{number:03}")).await;
    }
    for (query, count) in [
        ("", 100),
        ("?limit=", 100),
        ("?offset=450", 52),
        ("?limit=499", 499),
        ("?limit=500", 500),
        ("?limit=501", 500),
        ("?limit=9999", 500),
    ] {
        let page = house.ask("GET", &format!("/api/v1/user{query}"), Value::Null).await;
        assert_eq!(page.body.as_array().map(Vec::len), Some(count), "{query}");
    }
}

#[tokio::test]
async fn accounts_are_listed_by_what_they_have() {
    let house = House::new();
    for (path, name) in [("roles", "sales"), ("groups", "staff")] {
        let added = house.ask("POST", &format!("/api/v2/{path}"), json!({"name": name})).await;
        assert_eq!(added.status, 201, "{}", added.text);
    }
    for (name, more) in [
        ("alice", json!({"role": "sales"})),
        ("bob", json!({"role": "sales", "status": 0, "groups": [{"name": "staff", "type": 2}]})),
        ("boc", json!({"role": "sales"})),
        ("carol", json!({"groups": [{"name": "staff", "type": 2}]})),
    ] {
        let mut account = json!({"username": name, "password": "pw", "status": 1, "home_dir": "/srv/u",
                                 "permissions": {"/": ["*"]}});
        account.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let added = house.ask("POST", "/api/v2/users", account).await;
        assert_eq!(added.status, 201, "{}", added.text);
    }
    let check = async |query: &str, expected: &str, next: &str| {
        let answer = house.ask("GET", &format!("/api/v2/users?{query}"), Value::Null).await;
        assert_eq!(names(&answer, "username"), expected, "{query}");
        assert_eq!(answer.header("link"), next, "{query}");
    };
    let link = |query: &str| format!("</api/v2/users?{query}>; rel=\"next\"");
    check("role=&group=&status=&search=", "alice bob boc carol", "").await;
    check("role=sales", "alice bob boc", "").await;
    check("role=sales&limit=1", "alice", &link("role=sales&limit=1&after=alice")).await;
    check("role=sales&limit=2&after=alice", "bob boc", "").await;
    check("role=sales&prefix=bo&status=1", "boc", "").await;
    check("role=sales&order=DESC&limit=2", "boc bob", "").await;
    check("role=sales&offset=1", "bob boc", "").await;
    check("role=other", "", "").await;
    check("group=staff", "bob carol", "").await;
    check("group=staff&status=0", "bob", "").await;
    check("status=0", "bob", "").await;
    check("search=o", "bob boc carol", "").await;
    check("search=c&role=sales", "alice boc", "").await;
    for status in ["2", "enabled", "-1"] {
        let refused = house.ask("GET", &format!("/api/v2/users?status={status}"), Value::Null).await;
        refused.refused(400, "status");
    }
}

#[tokio::test]
async fn objects_are_listed_a_page_at_a_time() {
    let house = House::new();
    for name in ["b", "a", "c"] {
        let folder = json!({"name": name, "mapped_path": format!("/srv/{name}")});
        assert_eq!(house.ask("POST", "/api/v2/folders", folder).await.status, 201);
        assert_eq!(house.ask("POST", "/api/v2/roles", json!({"name": name})).await.status, 201);
        assert_eq!(house.ask("POST", "/api/v2/groups", json!({"name": name})).await.status, 201);
    }
    for path in ["/api/v2/folders", "/api/v2/groups", "/api/v2/roles"] {
        let all = house.ask("GET", path, Value::Null).await;
        assert_eq!(names(&all, "name"), "a b c", "{path}");
        let page = house.ask("GET", &format!("{path}?limit=1&after=a"), Value::Null).await;
        assert_eq!((names(&page, "name").as_str(), page.headers.contains_key("link")), ("b", true), "{path}");
        let end = house.ask("GET", &format!("{path}?limit=1&after=b"), Value::Null).await;
        assert_eq!((names(&end, "name").as_str(), end.headers.contains_key("link")), ("c", false), "{path}");
        let last = house.ask("GET", &format!("{path}?offset=1&order=DESC"), Value::Null).await;
        assert_eq!(names(&last, "name"), "b a", "{path}");
    }
}

#[tokio::test]
async fn audit_records_are_listed() {
    let house = house().await;
    house.ask("DELETE", "/api/v2/users/bob", Value::Null).await;
    let answer = house.ask("GET", "/api/tidegate/audit?name=bob&limit=1", Value::Null).await;
    let entry = &answer.body["entries"][0];
    assert_eq!((&entry["action"], &entry["actor"], &entry["door"]), (&json!("delete"), &json!("all"), &json!("rest")));
    assert_eq!(entry["address"], "192.0.2.9");
    let answer = house.ask("GET", "/api/tidegate/audit?actor=nobody", Value::Null).await;
    assert_eq!(answer.body["entries"], json!([]));
}

#[tokio::test]
async fn parameters_are_utf_8() {
    let house = House::new();
    house.ask("GET", "/api/v2/users?prefix=%ff", Value::Null).await.refused(400, "UTF-8");
    house.ask("GET", "/api/v2/users?limit=1&after=a%c3", Value::Null).await.refused(400, "UTF-8");
    for query in ["prefix=%c3%a9", "prefix=%EF%BF%BD", "prefix=", "limit=1&"] {
        assert_eq!(house.ask("GET", &format!("/api/v2/users?{query}"), Value::Null).await.status, 200, "{query}");
    }
}

#[tokio::test]
async fn the_longest_page_says_whether_there_is_more() {
    let house = House::new();
    for number in 0..501 {
        let added = house.ask("POST", "/api/v2/roles", json!({"name": format!("r{number:03}")})).await;
        assert_eq!(added.status, 201, "{}", added.text);
    }
    for (query, count, has_more) in [
        ("limit=500", 500, true),
        ("limit=9999", 500, true),
        ("limit=500&after=r000", 500, false),
        ("limit=499&after=r000", 499, true),
    ] {
        let page = house.ask("GET", &format!("/api/v2/roles?{query}"), Value::Null).await;
        assert_eq!(page.body.as_array().unwrap().len(), count, "{query}");
        assert_eq!(page.headers.contains_key("link"), has_more, "{query}");
    }
}

#[tokio::test]
async fn lists_in_memory_are_whole_or_paged() {
    let house = House::new();
    house.add("alice").await;
    // The ban of the last one ends first.
    for (address, seconds) in [("192.0.2.2", 300), ("192.0.2.1", 200), ("198.51.100.1", 100)] {
        let banned = house.ask("POST", "/api/tidegate/bans", json!({"ip": address, "seconds": seconds})).await;
        assert_eq!(banned.status, 201, "{}", banned.text);
        let link = house.ask("POST", "/api/v2/users/alice/login-links", Value::Null).await;
        assert_eq!(link.status, 201, "{}", link.text);
    }
    let items = |answer: &Answer| match &answer.body {
        Value::Array(items) => items.clone(),
        body => body["bans"].as_array().unwrap_or_else(|| panic!("{}", answer.text)).clone(),
    };
    let bans = async |query: &str| {
        let answer = house.ask("GET", &format!("/api/tidegate/bans{query}"), Value::Null).await;
        items(&answer).iter().map(|ban| ban["ip"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(bans("").await, "198.51.100.1 192.0.2.1 192.0.2.2");
    assert_eq!(bans("?prefix=192.").await, "192.0.2.1 192.0.2.2");
    assert_eq!(bans("?limit=500").await, "192.0.2.1 192.0.2.2 198.51.100.1");
    assert_eq!(bans("?prefix=192.&limit=1&after=192.0.2.1").await, "192.0.2.2");
    // The end of a ban moves no other.
    assert_eq!(house.ask("DELETE", "/api/tidegate/bans?ip=192.0.2.1", Value::Null).await.status, 200);
    assert_eq!(bans("?limit=1&after=192.0.2.1").await, "192.0.2.2");
    house.ask("POST", "/api/tidegate/bans", json!({"ip": "192.0.2.1"})).await;
    for (path, key) in [
        ("/api/tidegate/bans", "ip"),
        ("/api/v2/defender/hosts", "id"),
        ("/api/v2/users/alice/login-links", "id"),
        ("/api/v2/connections", "connection_id"),
        ("/api/tidegate/connections", "connection_id"),
    ] {
        let ask = async |query: &str| house.ask("GET", &format!("{path}{query}"), Value::Null).await;
        let whole = ask("").await;
        assert_eq!((whole.status, whole.header("link")), (200, ""), "{path}: {}", whole.text);
        let keys = |answer: &Answer| {
            items(answer).iter().map(|item| item[key].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let mut all = keys(&whole);
        all.sort();
        let (mut paged, mut next) = (Vec::new(), Some("?limit=2".to_owned()));
        while let Some(query) = next {
            let page = ask(&query).await;
            let found = keys(&page);
            assert!(found.len() <= 2, "{path}: {}", page.text);
            next =
                found.last().filter(|_| !page.header("link").is_empty()).map(|last| format!("?limit=2&after={last}"));
            assert!(next.is_none() || page.header("link").contains("rel=\"next\""), "{path}");
            paged.extend(found);
        }
        assert_eq!(paged, all, "{path}");
        ask("?limit=0").await.refused(400, "limit");
        ask("?offset=1").await.refused(400, "offset");
    }
}
