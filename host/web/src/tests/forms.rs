//! Forms as a browser sends them: copies, secrets, boxes, and what a new object begins with.

use serde_json::json;
use tidegate_core::account::ObjectKind;
use tidegate_core::admin::Actor;
use tidegate_core::ports::Door;

use super::browser::sent;
use super::objects::go_on;
use super::{Answer, House, map};

const EDIT: &str = "/web/users/edit?name=alice";

/// Sends the form of a page with these fields filled in.
async fn send_form(house: &House, cookie: &str, page: &Answer, path: &str, filled: &[(&str, &str)]) -> Answer {
    let mut fields = sent(&page.text);
    fields.retain(|(name, _)| filled.iter().all(|(other, _)| *other != name.as_str()));
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    house.post(path, cookie, &fields.chain(filled.iter().copied()).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_copy_has_no_secrets_and_no_second_factor() {
    let house = House::new().await;
    house.user("alice").await;
    let root = house.log_in("root").await;
    let new = "/web/users/new?from=alice";
    assert!(!house.get(new, &root).await.text.contains("are not copied"));
    let made = house.post("/web/users/codes", &root, &[("name", "alice"), ("do", "make")]).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let page = house.get(new, &root).await;
    assert!(page.text.contains("are not copied") && !page.text.contains("[redacted]"), "{}", page.text);
    let filled = [("username", "bob"), ("password", "pw"), ("step", "preview")];
    let preview = send_form(&house, &root, &page, "/web/users/new", &filled).await;
    let saved = send_form(&house, &root, &preview, "/web/users/new", &[("step", "save")]).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let document = house.document("bob").await;
    assert_eq!(document["home_dir"], "/srv/u");
    let codes = document.get("filters").and_then(|filters| filters.get("totp_config"));
    assert_eq!(codes, None, "{document:?}");
}

#[tokio::test]
async fn a_new_group_gives_nothing_that_nobody_asked_for() {
    let house = House::new().await;
    let (root, owner) = (house.log_in("root").await, Actor::local("owner", Door::Socket));
    for (name, new) in [("staff", "/web/groups/new"), ("others", "/web/groups/new?from=staff")] {
        let page = house.get(new, &root).await;
        let filled = [("name", name), ("step", "preview")];
        let preview = send_form(&house, &root, &page, "/web/groups/new", &filled).await;
        let saved = send_form(&house, &root, &preview, "/web/groups/new", &[("step", "save")]).await;
        assert_eq!(saved.status, 303, "{name} {}", saved.text);
        let (stored, _) = house.web.administration.objects.show(&owner, ObjectKind::Group, name).await.unwrap();
        let given = stored.document.get("user_settings").and_then(|settings| settings.get("permissions"));
        assert_eq!(given, None, "{:?}", stored.document);
    }
}

#[tokio::test]
async fn the_last_box_of_an_object_can_be_emptied() {
    let house = House::new().await;
    let owner = Actor::local("owner", Door::Socket);
    let document = json!({"username": "alice", "password": "pw", "status": 1, "home_dir": "/srv/u", "expiration_date": 4_102_444_800_123_i64,
                          "permissions": {"/": ["*"]}, "filters": {"hooks": {"pre_login_disabled": true}}});
    house.web.administration.users.add(&owner, map(document), None).await.unwrap();
    let root = house.log_in("root").await;
    let page = house.get(EDIT, &root).await;
    let untouched = send_form(&house, &root, &page, EDIT, &[("step", "preview")]).await;
    assert!(untouched.text.contains("Nothing is different."), "{}", untouched.text);
    // An empty value is a box that is not ticked.
    let filled = [("filters.hooks.pre_login_disabled", ""), ("step", "preview")];
    let preview = send_form(&house, &root, &page, EDIT, &filled).await;
    assert!(preview.text.contains("<code>filters.hooks.pre_login_disabled</code>"), "{}", preview.text);
    let saved = send_form(&house, &root, &preview, EDIT, &[("step", "save")]).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let document = house.document("alice").await;
    assert_eq!(document["filters"]["hooks"]["pre_login_disabled"], false);
    assert_eq!(document["expiration_date"], 4_102_444_800_123_i64);
}

#[tokio::test]
async fn a_secret_of_a_change_is_not_shown() {
    let house = House::new().await;
    house.user("alice").await;
    let root = house.log_in("root").await;
    let page = house.get("/web/users/json?name=alice", &root).await;
    let mut document = house.document("alice").await;
    document.insert("password".to_owned(), json!("hush-hush"));
    let text = serde_json::to_string(&document).unwrap();
    let preview = go_on(&house, &root, &page, EDIT, &[("document", &text)]).await;
    let table = preview.text.split("<table>").nth(1).and_then(|rest| rest.split("</table>").next()).unwrap();
    assert!(table.contains("<code>password</code>") && table.contains("a new one"), "{table}");
    assert!(!table.contains("hush-hush"), "{table}");
    let saved = go_on(&house, &root, &preview, EDIT, &[("step", "save")]).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    assert!(house.store_document("alice").await.contains("hush-hush"));
    // What follows from it is said, wherever it was written.
    house.admin("ann", json!({})).await;
    let edit = "/web/admins/edit?name=ann";
    let page = house.get("/web/admins/json?name=ann", &root).await;
    for (password, ends) in [("another one", true), ("[redacted]", false), ("", false)] {
        let owner = Actor::local("owner", Door::Socket);
        let mut document = house.web.administration.admins.show(&owner, "ann").await.unwrap().document;
        document.insert("password".to_owned(), json!(password));
        let text = serde_json::to_string(&document).unwrap();
        let preview = go_on(&house, &root, &page, edit, &[("document", &text)]).await;
        assert_eq!(preview.text.contains("This ends all sessions"), ends, "{password} {}", preview.text);
    }
}

#[tokio::test]
async fn what_was_done_is_said_of_what_it_was_done_with() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    for (path, text) in [
        ("/web/users", "The account was deleted; its files stay."),
        ("/web/folders", "The folder was deleted; its files stay."),
        ("/web/groups", "The group was deleted."),
        ("/web/roles", "The role was deleted."),
        ("/web/admins", "The administrator was deleted."),
    ] {
        let page = house.get(&format!("{path}?done=deleted"), &root).await.text;
        assert!(page.contains(&format!("role=\"status\">{text}</p>")), "{path} {page}");
    }
    let shown = house.get("/web/admins/show?name=root&done=added", &root).await.text;
    assert!(shown.contains("The administrator was added."), "{shown}");
}
