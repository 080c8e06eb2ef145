//! Each object has a version, and what changes it minds the version.

use super::super::route::{Interface, Need, Route};
use super::*;

/// What reads and shows no object: lists, what is searched or asked, and what older clients do by reading.
const NO_OBJECTS: &[(&str, &str)] = &[
    ("v1", "get_provider_status"),
    ("v1", "get_connections"),
    ("v1", "get_quota_scans"),
    ("v1", "dumpdata"),
    ("v1", "loaddata"),
    ("v1", "get_users"),
    ("v2", "get_token"),
    ("v2", "logout"),
    ("v2", "user_logout"),
    ("v2", "dumpdata"),
    ("v2", "loaddata_from_file"),
    ("v2", "get_users"),
    ("v2", "get_folders"),
    ("v2", "get_groups"),
    ("v2", "get_roles"),
    ("v2", "get_admins"),
    ("v2", "get_api_keys"),
    ("v2", "get_connections"),
    ("v2", "get_defender_hosts"),
    ("v2", "get_provider_events"),
    ("v2", "get_log_events"),
    ("v2", "get_fs_events"),
    ("v2", "get_users_quota_scans"),
    ("v2", "get_folders_quota_scans"),
    ("v2", "get_login_links"),
    ("tidegate", "list_hook_links"),
    ("tidegate", "explain_login"),
    ("tidegate", "list_hook_runs"),
    ("tidegate", "list_hook_counters"),
    ("tidegate", "list_plugins"),
    ("tidegate", "list_bans"),
    ("tidegate", "list_exempt_networks"),
    ("tidegate", "list_file_events"),
    ("tidegate", "list_connections"),
    ("tidegate", "list_audit"),
    ("tidegate", "export_audit"),
    ("tidegate", "list_tokens"),
];

/// What changes something below a name, and is based on no version: sessions change by themselves; usages are counted,
/// not edited; codes and new passwords are minded by what they prove; and the rest makes something.
const NO_VERSIONS: &[(&str, &str)] = &[
    ("v1", "close_connection"),
    ("v2", "close_connection"),
    ("v2", "start_user_quota_scan"),
    ("v2", "user_quota_update_usage"),
    ("v2", "start_folder_quota_scan"),
    ("v2", "folder_quota_update_usage"),
    ("v2", "admin_forgot_password"),
    ("v2", "admin_reset_password"),
    ("v2", "make_admin_reset_code"),
    ("v2", "user_forgot_password"),
    ("v2", "user_reset_password"),
    ("v2", "make_user_reset_code"),
    ("v2", "add_login_link"),
    ("v2", "one_click_login"),
    ("v2", "impersonate_user"),
];

/// What older clients change by reading: kept answers to others are not given again after it.
const CHANGES: &[(&str, &str)] =
    &[("v1", "loaddata"), ("v2", "loaddata_from_file"), ("v2", "logout"), ("v2", "user_logout")];

fn routes() -> impl Iterator<Item = (Interface, Route)> {
    Interface::ALL.into_iter().flat_map(|of| of.routes().into_iter().map(move |route| (of, route)))
}

#[test]
fn each_object_has_a_version_that_changes_mind() {
    // A18-17
    let has_no = |list: &[(&str, &str)], of: Interface, route: &Route| list.contains(&(of.name(), route.operation));
    for (of, route) in routes() {
        let what = format!("{} {}{}", route.method, of.path(), route.path);
        if route.method == "GET" {
            assert_eq!(route.shows_version(), !has_no(NO_OBJECTS, of, &route), "{what}");
        } else if route.path_parameters().next().is_some() {
            assert_eq!(route.takes_version(), !has_no(NO_VERSIONS, of, &route), "{what}");
        }
    }
    for (interface, operation) in NO_OBJECTS.iter().chain(NO_VERSIONS) {
        let mut known = routes().map(|(of, route)| (of.name(), route.operation));
        assert!(known.any(|known| known == (*interface, *operation)), "{interface} has no {operation}");
    }
}

#[test]
fn what_changes_by_get_says_so() {
    for (of, route) in routes() {
        let expected = CHANGES.contains(&(of.name(), route.operation));
        assert_eq!(route.changes_by_get, expected, "{} {}{}", route.method, of.path(), route.path);
    }
    assert!(CHANGES.iter().all(|operation| NO_OBJECTS.contains(operation)));
}

#[tokio::test]
async fn the_answer_to_a_log_out_by_get_tells_that_it_changed_something() {
    let house = House::new();
    let check = async |path: &str, expected: bool| {
        let request = Request::builder().uri(path).header("host", "files.example");
        let mut request = request.header("authorization", "Bearer all").body(Body::empty()).unwrap();
        request.extensions_mut().insert(house.client.clone());
        let response = TowerToHyperService::new(house.router.clone()).call(request).await.unwrap();
        let has_changed = response.extensions().get::<crate::http::Changed>().is_some();
        assert_eq!((response.status().as_u16(), has_changed), (200, expected), "{path}");
    };
    check("/api/v2/logout", true).await;
    check("/api/v2/status", false).await;
}

/// A house with one object of each kind that can be made here, and their paths.
async fn objects(house: &House) -> Vec<String> {
    let (number, _) = (house.add("bob").await, house.add("alice").await);
    let mut paths = vec![format!("/api/v1/user/{number}"), "/api/v2/users/alice".to_owned()];
    for (kind, document) in [
        ("folders", json!({"name": "a", "mapped_path": "/srv/a"})),
        ("groups", json!({"name": "a"})),
        ("roles", json!({"name": "a"})),
        ("admins", json!({"username": "a", "password": "a-long-password", "permissions": ["*"]})),
    ] {
        let added = house.ask("POST", &format!("/api/v2/{kind}"), document).await;
        assert_eq!(added.status, 201, "{}", added.text);
        paths.push(format!("/api/v2/{kind}/a"));
    }
    let key = house.ask("POST", "/api/v2/apikeys", json!({"name": "k", "admin": "a"})).await;
    assert_eq!(key.status, 201, "{}", key.text);
    paths.push(key.header("location").to_owned());
    house.ask("POST", "/api/tidegate/bans", json!({"ip": "192.0.2.1"})).await;
    let hosts = house.ask("GET", "/api/v2/defender/hosts", Value::Null).await;
    paths.push(format!("/api/v2/defender/hosts/{}", hosts.body[0]["id"].as_str().unwrap()));
    paths
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    // A18-17
    let house = House::new();
    let mut paths = objects(&house).await;
    paths.extend(
        ["/api/v1/version", "/api/v2/version", "/api/v2/status", "/api/tidegate/configuration"].map(String::from),
    );
    for path in &paths {
        let shown = house.ask("GET", path, Value::Null).await;
        let tag = shown.header("etag").to_owned();
        assert_eq!((shown.status, tag.is_empty()), (200, false), "{path}: {}", shown.text);
        assert_eq!(tag.starts_with("W/"), path == "/api/v2/status", "{path}");
        let head = house.ask("HEAD", path, Value::Null).await;
        assert_eq!((head.header("etag"), head.text.as_str()), (tag.as_str(), ""), "{path}");
        let get = async |known: &str| house.based("GET", path, &[("if-none-match", known)], Value::Null).await;
        for known in [tag.as_str(), "*", &format!("\"x\", {tag}")] {
            let same = get(known).await;
            assert_eq!(
                (same.status, same.text.as_str(), same.header("etag")),
                (304, "", tag.as_str()),
                "{path} {known}"
            );
        }
        for known in ["\"x\"", "", "x"] {
            assert_eq!(get(known).await.text, shown.text, "{path} {known}");
        }
    }
    let refused = house.based("GET", "/api/v2/users/none", &[("if-none-match", "*")], Value::Null).await;
    refused.refused(404, "none");
}

#[tokio::test]
async fn what_has_no_revision_is_another_version_too() {
    // A18-17
    let house = House::new();
    house.add("alice").await;
    let path = "/api/v2/users/alice";
    let before = house.ask("GET", path, Value::Null).await.header("etag").to_owned();
    let usage = json!({"used_quota_size": 5, "used_quota_files": 1});
    assert_eq!(house.ask("PUT", "/api/v2/quotas/users/alice/usage", usage).await.status, 200);
    let now = house.based("GET", path, &[("if-none-match", &before)], Value::Null).await;
    assert_eq!((now.status, &now.body["used_quota_size"]), (200, &json!(5)), "{}", now.text);
    // A change to the document overwrites nothing by it.
    let changed = house.based("PUT", path, &[("if-match", &before)], account("alice")).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
}

#[tokio::test]
async fn what_has_no_version_passes_with_any_alone() {
    // A18-17
    let house = House::new();
    house.add("alice").await;
    let usage = json!({"used_quota_size": 5, "used_quota_files": 1});
    for (method, path, body, expected) in [
        ("DELETE", "/api/v1/connection/none", Value::Null, 404),
        ("DELETE", "/api/v2/connections/none", Value::Null, 404),
        ("PUT", "/api/v2/quotas/users/alice/usage", usage.clone(), 200),
        ("PUT", "/api/v2/quotas/folders/none/usage", usage, 404),
        ("GET", "/api/v2/users", Value::Null, 200),
    ] {
        for line in ["\"9-9\"", "W/\"x\"", "nope"] {
            let refused = house.based(method, path, &[("if-match", line)], body.clone()).await;
            refused.refused(412, "not based on a version");
        }
        for line in ["", "*, \"x\""] {
            house.based(method, path, &[("if-match", line)], body.clone()).await.refused(400, "If-Match");
        }
        let answer = house.based(method, path, &[("if-match", "*")], body.clone()).await;
        assert_eq!(answer.status, expected, "{method} {path} {}", answer.text);
    }
}

#[tokio::test]
async fn no_object_is_deleted_by_a_stale_version() {
    // A18-17
    let house = House::new();
    for path in objects(&house).await.into_iter().rev() {
        let tag = house.ask("GET", &path, Value::Null).await.header("etag").to_owned();
        let delete = async |tag: &str| house.based("DELETE", &path, &[("if-match", tag)], Value::Null).await;
        for stale in ["\"9-9\"", "nope", &format!("W/{tag}")] {
            delete(stale).await.refused(412, "changed");
        }
        let deleted = delete(&tag).await;
        assert_eq!(deleted.status, 200, "{path}: {}", deleted.text);
    }
}

#[tokio::test]
async fn login_links_and_tokens_are_shown() {
    // D-08
    let house = House::new();
    house.add("alice").await;
    let made = house.ask("POST", "/api/v2/users/alice/login-links", json!({"max_uses": 2})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.body;
    let path = format!("/api/v2/login-links/{}", made["link"]["id"].as_str().unwrap());
    let shown = house.ask("GET", &path, Value::Null).await;
    assert_eq!((shown.status, &shown.body), (200, &made["link"]), "{}", shown.text);
    let first = shown.header("etag").to_owned();
    let used = house.send("POST", "/api/v2/user/token", &[], json!({"code": made["code"]}).to_string()).await;
    assert_eq!(used.status, 200, "{}", used.text);
    let delete = async |tag: &str| house.based("DELETE", &path, &[("if-match", tag)], Value::Null).await;
    delete(&first).await.refused(412, "changed");
    let now = house.ask("GET", &path, Value::Null).await;
    assert_eq!(now.body["uses"], 1, "{}", now.text);
    // The token of its user.
    let tokens = house.ask("GET", "/api/tidegate/tokens", Value::Null).await.body["tokens"].clone();
    let token = format!("/api/tidegate/tokens/{}", tokens[0]["id"].as_str().unwrap());
    let shown = house.ask("GET", &token, Value::Null).await;
    assert_eq!((shown.status, &shown.body), (200, &tokens[0]), "{}", shown.text);
    house
        .ask("GET", &format!("/api/tidegate/tokens/{}", made["link"]["id"].as_str().unwrap()), Value::Null)
        .await
        .refused(404, "");
    let end = async |tag: &str| house.based("DELETE", &token, &[("if-match", tag)], Value::Null).await;
    end("\"x\"").await.refused(412, "changed");
    assert_eq!(end(shown.header("etag")).await.status, 200);
    house.ask("GET", &token, Value::Null).await.refused(404, "");
    assert_eq!(delete(now.header("etag")).await.status, 200);
    for missing in [path.as_str(), "/api/v2/login-links/x", "/api/tidegate/tokens/x", "/api/tidegate/connections/x"] {
        house.ask("GET", missing, Value::Null).await.refused(404, "");
    }
}

/// The objects, and a login link and a token of a user.
async fn all_objects(house: &House) -> Vec<String> {
    let mut paths = objects(house).await;
    let made = house.ask("POST", "/api/v2/users/alice/login-links", json!({"max_uses": 2})).await.body;
    paths.push(format!("/api/v2/login-links/{}", made["link"]["id"].as_str().unwrap()));
    let used = house.send("POST", "/api/v2/user/token", &[], json!({"code": made["code"]}).to_string()).await;
    assert_eq!(used.status, 200, "{}", used.text);
    let tokens = house.ask("GET", "/api/tidegate/tokens", Value::Null).await.body["tokens"].clone();
    paths.push(format!("/api/tidegate/tokens/{}", tokens[0]["id"].as_str().unwrap()));
    paths
}

/// The path of a route that is about one of the objects, and the path of that object.
fn about<'o>(objects: &'o [String], path: &str) -> Option<(String, &'o str)> {
    objects.iter().find_map(|object| {
        let (parts, wanted): (Vec<&str>, Vec<&str>) = (object.split('/').collect(), path.split('/').collect());
        let is_same = parts.iter().zip(&wanted).all(|(part, wanted)| wanted.starts_with('{') || part == wanted);
        let is_its = is_same && parts.len() <= wanted.len();
        is_its.then(|| ([&parts[..], &wanted[parts.len()..]].concat().join("/"), object.as_str()))
    })
}

#[tokio::test]
async fn each_route_that_changes_something_minds_if_none_match() {
    // A18-17
    let shown: Vec<_> =
        routes().filter(|(_, route)| route.method == "GET").map(|(of, route)| (of, route.path)).collect();
    let mut of_objects = 0;
    for (of, route) in routes().filter(|(_, route)| route.method != "GET") {
        // Those of users and of passwords have the same guard, and no object.
        if matches!(route.need, Need::User | Need::Password) {
            assert!(!route.takes_version(), "{}", route.path);
            continue;
        }
        // What is not refused may change it.
        let house = House::new();
        let objects = all_objects(&house).await;
        let (method, path) = (route.method.as_str(), format!("{}{}", of.path(), route.path));
        let (path, object) = match about(&objects, &path).filter(|_| route.takes_version()) {
            Some((path, object)) => (path, Some(object)),
            None => (
                path.split('/')
                    .map(|part| if part.starts_with('{') { "1" } else { part })
                    .collect::<Vec<_>>()
                    .join("/"),
                None,
            ),
        };
        let ask = async |headers: &[(&str, &str)]| house.based(method, &path, headers, json!({})).await;
        for line in ["", "nope", "*, \"x\""] {
            ask(&[("if-none-match", line)]).await.refused(400, "If-None-Match");
        }
        let passes = async |headers: &[(&str, &str)]| {
            let answer = ask(headers).await;
            assert!(!answer.text.contains("If-None-Match"), "{method} {path} {headers:?}: {}", answer.text);
        };
        let Some(object) = object else {
            match shown.contains(&(of, route.path)) && !route.takes_version() {
                true => ask(&[("if-none-match", "*")]).await.refused(412, "leave the header If-None-Match out"),
                false => passes(&[("if-none-match", "*")]).await,
            }
            passes(&[("if-none-match", "\"x\"")]).await;
            continue;
        };
        of_objects += 1;
        let tag = house.ask("GET", object, Value::Null).await.header("etag").to_owned();
        for line in ["*", tag.as_str(), &format!("W/{tag}"), &format!("\"x\", {tag}")] {
            ask(&[("if-none-match", line)]).await.refused(412, "If-None-Match");
            ask(&[("if-match", &tag), ("if-none-match", line)]).await.refused(412, "If-None-Match");
            ask(&[("if-match", "\"9-9\""), ("if-none-match", line)]).await.refused(412, "If-Match");
        }
        passes(&[("if-none-match", "\"9-9\", W/\"x\"")]).await;
    }
    assert_eq!(of_objects, 20);
}

#[tokio::test]
async fn lists_are_given_whatever_a_client_has() {
    let house = House::new();
    for line in ["*", "", "x", "\"x\""] {
        let listed = house.based("GET", "/api/v2/users", &[("if-none-match", line)], Value::Null).await;
        assert_eq!(listed.status, 200, "{line}: {}", listed.text);
    }
}
