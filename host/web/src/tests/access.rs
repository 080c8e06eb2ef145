//! Which pages are for whom, and what all answers have.

use std::collections::BTreeSet;

use serde_json::json;
use tidegate_core::account::ObjectKind;
use tidegate_core::admin::{Actor, AdminPermission, Reach};
use tidegate_core::ports::Door;

use super::{House, map};
use crate::guard::Need;
use crate::route::{Route, routes};

/// An administrator with that permission alone.
async fn only(house: &House, permission: AdminPermission) -> String {
    let name = permission.as_str();
    house.admin(name, serde_json::json!({"permissions": [name]})).await;
    house.log_in(name).await
}

/// The permissions that a page needs, all of them.
fn needed(route: &Route) -> BTreeSet<AdminPermission> {
    let Need::For(case) = route.need else { return BTreeSet::new() };
    let more = match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/web/connections/ban") => vec![AdminPermission::ViewConnections, AdminPermission::ManageDefender],
        ("GET", "/web/admins/edit") => Vec::new(),
        // To edit what is stored, one has to see it.
        ("GET", path) if path.ends_with("/edit") => vec![AdminPermission::ViewUsers],
        _ => Vec::new(),
    };
    more.into_iter().chain([case.permission()]).collect()
}

/// Each page with each permission: without the one that it needs there is neither the page nor an entry for it.
#[tokio::test]
async fn pages_are_for_those_who_may_see_them() {
    let house = House::new().await;
    house.user("alice").await;
    let mut checked = 0;
    for permission in AdminPermission::ALL {
        let cookie = only(&house, permission).await;
        let menu = house.get("/web", &cookie).await.text;
        for route in routes().iter().filter(|route| route.need != Need::Nothing && !route.path.contains('{')) {
            let may = needed(route).into_iter().all(|needed| needed == permission);
            let answer = match route.method.as_str() {
                "GET" => house.get(&format!("{}?name=alice", route.path), &cookie).await,
                _ => house.post(&format!("{}?name=alice", route.path), &cookie, &[]).await,
            };
            let shown = format!("{} {} {permission:?}: {}", route.method, route.path, answer.status);
            let is_refused = answer.status == 403 && answer.text.contains("lacks the permission");
            assert_ne!(is_refused, may, "{shown}");
            assert!(may || !answer.text.contains("alice"), "{shown}");
            let has_entry = menu.contains(&format!("href=\"{}\"", route.path));
            assert!(may || !has_entry, "{shown}");
            checked += 1;
            // Some of them have ended the session.
            if route.path.contains("revoke") || route.path.contains("password") {
                continue;
            }
            let without = match route.method.as_str() {
                "GET" => house.get(&route.path, "").await,
                _ => house.post(&route.path, "", &[]).await,
            };
            assert!(without.status == 303 && without.header("location").starts_with("/web/login"), "{shown}");
        }
    }
    assert!(checked > 50, "{checked}");
}

/// Each page with an administrator of a role, who may do everything: there are no accounts but those of the role, and
/// no pages about the whole server.
#[tokio::test]
async fn administrators_with_a_role_see_its_accounts_alone() {
    let house = House::new().await;
    let (owner, of) = (Actor::local("owner", Door::Socket), &house.web.administration);
    of.objects.add(&owner, ObjectKind::Role, &map(json!({"name": "sales"}))).await.unwrap();
    for (name, role) in [("alice", ""), ("sally", "sales")] {
        let document = json!({"username": name, "password": "pw", "status": 1, "home_dir": "/srv/u", "role": role,
                              "permissions": {"/": ["*"]}, "email": format!("{name}@example.org")});
        of.users.add(&owner, map(document), None).await.unwrap();
    }
    house.admin("seller", json!({"role": "sales"})).await;
    let cookie = house.log_in("seller").await;
    let mut checked = 0;
    for route in routes().iter().filter(|route| route.need != Need::Nothing && !route.path.contains('{')) {
        let may = match route.need {
            Need::Nothing | Need::Administrator => true,
            // A ban is for the whole server.
            Need::For(_) if route.path == "/web/connections/ban" => false,
            Need::For(case) => case.reach() == Reach::OwnAccounts,
        };
        let fields = [("name", "alice"), ("from", "alice"), ("action", "delete")];
        let path = crate::request::address(&route.path, &fields);
        let answer = match route.method.as_str() {
            "GET" => house.get(&path, &cookie).await,
            _ => house.post(&path, &cookie, &fields).await,
        };
        let shown = format!("{} {path}: {}", route.method, answer.status);
        assert_eq!(answer.status != 403, may, "{shown}");
        assert!(answer.status < 500 && !answer.text.contains("alice@example.org"), "{shown}");
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
    assert_eq!(house.document("alice").await["status"], 1);
    let list = house.get("/web/users", &cookie).await.text;
    assert!(list.contains("sally") && !list.contains("alice"), "{list}");
    let own = house.get("/web/users/show?name=sally", &cookie).await;
    assert!(own.status == 200 && own.text.contains("sally@example.org"), "{}", own.text);
}

/// With these permissions alone, the form is refused for the lack of one, or not.
async fn check(house: &House, held: &[&str], path: &str, fields: &[(&str, &str)], may: bool) {
    let name = held.join(" and ");
    let owner = Actor::local("owner", Door::Socket);
    if house.web.administration.admins.show(&owner, &name).await.is_err() {
        house.admin(&name, json!({"permissions": held})).await;
    }
    let cookie = house.log_in(&name).await;
    let answer = house.post(path, &cookie, fields).await;
    let is_refused = answer.status == 403 && answer.text.contains("lacks the permission");
    assert_ne!(is_refused, may, "{held:?} {path} {fields:?}: {} {}", answer.status, answer.text);
}

#[tokio::test]
async fn several_objects_are_changed_by_those_who_may() {
    let house = House::new().await;
    house.user("alice").await;
    for (held, kind, action, may) in [
        (["view_users", "close_conns"], "users", "delete", false),
        (["view_users", "del_users"], "users", "delete", true),
        (["view_users", "del_users"], "users", "disable", false),
        (["view_users", "edit_users"], "users", "disable", true),
        (["view_users", "edit_users"], "users", "enable", true),
        (["view_users", "edit_users"], "users", "delete", false),
        (["view_users", "edit_users"], "users", "scan", false),
        (["view_users", "quota_scans"], "users", "scan", true),
        // An administrator that may not list them ticks none.
        (["edit_users", "del_users"], "users", "delete", false),
        (["view_users", "manage_groups"], "groups", "delete", true),
        (["view_users", "manage_groups"], "roles", "delete", false),
        (["view_users", "manage_folders"], "folders", "delete", true),
        (["view_users", "manage_folders"], "groups", "delete", false),
        (["view_users", "manage_roles"], "roles", "delete", true),
        (["view_users", "manage_roles"], "folders", "delete", false),
    ] {
        let name = if may { "nobody" } else { "alice" };
        for step in ["bulk", "bulk/do"] {
            let fields = [("action", action), ("name", name)];
            check(&house, &held, &format!("/web/{kind}/{step}"), &fields, may).await;
        }
    }
    assert_eq!(house.document("alice").await["status"], 1);
}

#[tokio::test]
async fn a_connection_is_closed_and_banned_by_those_who_may_do_both() {
    let house = House::new().await;
    for held in [
        vec!["close_conns"],
        vec!["manage_defender"],
        vec!["view_conns", "close_conns"],
        vec!["close_conns", "manage_defender"],
        vec!["view_conns", "manage_defender"],
    ] {
        check(&house, &held, "/web/connections/ban", &[("id", "c1")], false).await;
    }
    let all = ["view_conns", "close_conns", "manage_defender"];
    check(&house, &all, "/web/connections/ban", &[("id", "c1")], true).await;
}

#[tokio::test]
async fn buttons_are_for_those_who_may_press_them() {
    let house = House::new().await;
    house.user("alice").await;
    house.admin("viewer", serde_json::json!({"permissions": ["view_users"]})).await;
    let (viewer, root) = (house.log_in("viewer").await, house.log_in("root").await);
    let (seen, all) = (house.get("/web/users", &viewer).await.text, house.get("/web/users", &root).await.text);
    for text in ["Add a user", "Disable…", "Delete…", "type=\"checkbox\""] {
        assert!(all.contains(text) && !seen.contains(text), "{text}");
    }
    assert!(seen.contains("alice"));
}

#[tokio::test]
async fn refusals_name_the_object_of_the_form() {
    let house = House::new().await;
    house.admin("viewer", serde_json::json!({"permissions": ["view_users"]})).await;
    let (viewer, root) = (house.log_in("viewer").await, house.log_in("root").await);
    for (path, field, name) in [
        ("/web/bans/add", "address", "192.0.2.71"),
        ("/web/bans/add", "address", "192.0.2.72"),
        ("/web/bans/exempt", "network", "198.51.100.0"),
    ] {
        assert_eq!(house.post(path, &viewer, &[("x", "y"), (field, name)]).await.status, 403, "{path}");
        let records = house.get("/web/audit", &root).await.text;
        assert!(records.contains(name), "{path} {name}: {records}");
    }
}

#[tokio::test]
async fn every_answer_has_the_headers() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    for path in ["/", "/web", "/web/login", "/web/none", "/web/static/none.css", "/web/users"] {
        let answer = house.get(path, &root).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        // Neither script nor style inside a page.
        assert!(!answer.text.contains(" style=") && !answer.text.contains("<style"), "{path}");
        assert!(!answer.text.contains("<script>") && !answer.text.contains(" onclick"), "{path}");
    }
    assert_eq!(house.get("/web/none", &root).await.status, 404);
    let page = house.get("/web", &root).await.text;
    let style = page.split("href=\"").find_map(|rest| rest.split('"').next().filter(|path| path.ends_with(".css")));
    let answer = house.send("GET", style.unwrap(), &[("accept-encoding", "gzip")], "").await;
    assert_eq!((answer.status, answer.header("content-encoding")), (200, "gzip"));
    assert!(answer.header("cache-control").contains("immutable"));
    let zipped = house.send("GET", "/web/users", &[("accept-encoding", "gzip"), ("cookie", &root)], "").await;
    assert_eq!((zipped.status, zipped.header("content-encoding")), (200, "gzip"));
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    // A19-04
    let house = House::new().await;
    let root = house.log_in("root").await;
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example"), ("x-none", "")] {
        let answer = house.send("POST", "/web/logout", &[("cookie", &root), (name, value)], "").await;
        assert_eq!(answer.status, 403, "{name}");
    }
    assert_eq!(house.get("/web", &root).await.status, 200);
}

#[tokio::test]
async fn accounts_are_listed_by_pages() {
    // A19-01
    let house = House::new().await;
    for number in 0..7 {
        house.user(&format!("u{number}")).await;
    }
    house.user("other").await;
    let root = house.log_in("root").await;
    let (mut path, mut seen) = ("/web/users?search=u&qlimit=3".to_owned(), Vec::new());
    loop {
        let page = house.get(&path, &root).await.text;
        seen.extend((0..7).filter(|number| page.contains(&format!(">u{number}</a>"))));
        assert!(!page.contains(">other</a>"));
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
}

/// Names that were stored before may begin or end with blanks.
#[tokio::test]
async fn names_with_blanks_at_their_ends_are_those_of_other_accounts() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    for (name, description) in [("a", "the first"), ("a ", "the second"), ("b", "the third")] {
        let document = json!({"username": name, "password": "pw", "status": 1, "home_dir": "/srv/u",
                              "permissions": {"/": ["*"]}, "description": description});
        house.restore(vec![map(document)], Vec::new()).await;
    }
    let (mut path, mut seen) = ("/web/users?qlimit=1".to_owned(), 0);
    for _ in 0..5 {
        let page = house.get(&path, &root).await.text;
        seen += page.matches("href=\"/web/users/show?name=").count();
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    }
    assert_eq!(seen, 3);
    let copy = house.get("/web/users/new?from=a+", &root).await.text;
    assert!(copy.contains("the second"), "{copy}");
}

#[tokio::test]
async fn accounts_are_listed_by_what_they_have() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    for name in ["a1", "a2", "b1", "b2"] {
        house.user(name).await;
    }
    let fields = [("name", "a2"), ("name", "b2"), ("action", "disable")];
    assert_eq!(house.post("/web/users/bulk/do", &root, &fields).await.header("location"), "/web/users?done=bulk");
    let check = async |query: &str, expected: &[&str]| {
        let page = house.get(&format!("/web/users?{query}"), &root).await.text;
        let seen: Vec<_> =
            ["a1", "a2", "b1", "b2"].into_iter().filter(|name| page.contains(&format!(">{name}</a>"))).collect();
        assert_eq!(seen, expected, "{query}");
        page
    };
    check("search=&role=&group=&status=", &["a1", "a2", "b1", "b2"]).await;
    let page = check("status=disabled", &["a2", "b2"]).await;
    assert!(page.contains("<option value=\"disabled\" selected>"), "{page}");
    check("status=enabled&search=b", &["b1"]).await;
    check("role=sales", &[]).await;
    let page = check("group=%22%3E%3Cb%3E", &[]).await;
    assert!(!page.contains("<b>"), "{page}");
    // The next page has the same accounts.
    let page = check("status=disabled&qlimit=1", &["a2"]).await;
    let next = page.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let next = next.replace("&#38;", "&").replace("&amp;", "&");
    check(next.split_once('?').unwrap().1, &["b2"]).await;
}

/// Without what was asked for, a list would look like the answer to it.
#[tokio::test]
async fn filters_that_a_list_does_not_know_are_refused() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    for (path, name, known, unknown) in [
        ("/web/users", "status", &["", "enabled", "disabled"][..], &["none", "1", "Enabled"][..]),
        ("/web/users", "qlimit", &["", "0", "7", "99999999999"], &["x", "-1", "7.5"]),
        ("/web/runs", "kind", &["", "login", "accept", "round", "login-pre"], &["none", "Login"]),
        ("/web/runs", "before", &["", "0", "7"], &["x", "-1"]),
        ("/web/audit", "before", &["", "0", "7"], &["x", "-1"]),
        ("/web/audit/export", "before", &["", "0", "7"], &["x", "-1"]),
        ("/web/refused?who=ann", "all", &["", "1"], &["2"]),
        ("/web/refused?who=ann", "before", &["", "0", "7"], &["x", "-1"]),
        ("/web/explain?username=ann", "method", &["", "password", "publickey"], &["none"]),
    ] {
        let between = if path.contains('?') { '&' } else { '?' };
        let values = known.iter().map(|value| (value, true)).chain(unknown.iter().map(|value| (value, false)));
        for (value, is_known) in values {
            let answer = house.get(&format!("{path}{between}{name}={value}"), &root).await;
            let is_said = answer.text.contains(&format!("“{value}” as “{name}”"));
            let expected = if is_known { (200, false) } else { (400, true) };
            assert_eq!((answer.status, is_said), expected, "{path} {name}={value} {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_page_that_is_asked_for_in_another_way_is_a_page() {
    let house = House::new().await;
    for (method, path) in [("GET", "/web/logout"), ("GET", "/web/client/logout"), ("PUT", "/web/login")] {
        let answer = house.send(method, path, &[], "").await;
        assert!(answer.header("content-type").starts_with("text/html"), "{path} {:?}", answer.headers);
        assert!(answer.status == 405 || answer.status == 303 || answer.status == 404, "{path} {}", answer.status);
    }
}
