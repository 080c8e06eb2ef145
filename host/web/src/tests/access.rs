//! Which pages are for whom, and what all answers have.

use tidegate_core::admin::AdminPermission;

use super::House;
use crate::guard::Need;
use crate::route::routes;

/// An administrator with that permission alone.
async fn only(house: &House, permission: AdminPermission) -> String {
    let name = permission.as_str();
    house.admin(name, serde_json::json!({"permissions": [name]})).await;
    house.log_in(name).await
}

fn need_of(need: Need, permission: AdminPermission) -> bool {
    match need {
        Need::Nothing | Need::Administrator => true,
        Need::For(case) => case.permission() == permission,
    }
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
            let may = need_of(route.need, permission);
            let answer = match route.method.as_str() {
                "GET" => house.get(&format!("{}?name=alice", route.path), &cookie).await,
                _ => house.post(&format!("{}?name=alice", route.path), &cookie, &[]).await,
            };
            let shown = format!("{} {} {permission:?}: {}", route.method, route.path, answer.status);
            let is_refused = answer.status == 403 && answer.text.contains("lacks the permission");
            // To edit what is stored, one has to see it.
            let needs_more = ["/edit", "/bulk", "/ban"].iter().any(|part| route.path.contains(part));
            assert!(is_refused != may || needs_more && may, "{shown}");
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

#[tokio::test]
async fn a_page_that_is_asked_for_in_another_way_is_a_page() {
    let house = House::new().await;
    for (method, path) in [("GET", "/web/logout"), ("GET", "/web/client/logout"), ("PUT", "/web/login")] {
        let answer = house.send(method, path, &[], "").await;
        assert!(answer.header("content-type").starts_with("text/html"), "{path} {:?}", answer.headers);
        assert!(answer.status == 405 || answer.status == 303 || answer.status == 404, "{path} {}", answer.status);
    }
}
