//! Forms of objects: the difference before saving, conflicts, copies, and what is refused.

use serde_json::{Value, json};

use super::browser::unescaped;
use super::{Answer, House, map};

/// The value of a hidden input, as a browser sends it.
fn hidden(answer: &Answer, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let text = answer.text.split(&mark).nth(1).unwrap_or_else(|| panic!("{name} {}", answer.text));
    unescaped(text.split('"').next().unwrap())
}

/// Sends what the page holds in hidden inputs, with these fields.
pub async fn go_on(house: &House, cookie: &str, page: &Answer, path: &str, fields: &[(&str, &str)]) -> Answer {
    let names = ["revision", "base", "rest", "document", "password"];
    let held: Vec<_> = names
        .into_iter()
        .filter(|name| page.text.contains(&format!("type=\"hidden\" name=\"{name}\"")))
        .map(|name| (name, hidden(page, name)))
        .collect();
    let mut all: Vec<_> = held.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend_from_slice(fields);
    house.post(path, cookie, &all).await
}

const EDIT: &str = "/web/users/edit?name=alice";

#[tokio::test]
async fn an_account_is_added_by_a_form() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let page = house.get("/web/users/new", &root).await;
    assert!(page.text.contains("name=\"permissions.0.directory\" value=\"/\""), "{}", page.text);
    let fields = [
        ("form", "1"),
        ("username", "bob"),
        ("password", "secret"),
        ("home_dir", "/srv/bob"),
        ("permissions.0.directory", "/"),
        ("permissions.0.may", "list"),
    ];
    let preview = go_on(&house, &root, &page, "/web/users/new", &fields).await;
    assert_eq!(preview.status, 200, "{}", preview.text);
    assert!(preview.text.contains("/srv/bob") && preview.text.contains("a new one"), "{}", preview.text);
    let saved = go_on(&house, &root, &preview, "/web/users/new", &[("step", "save")]).await;
    assert_eq!(
        (saved.status, saved.header("location")),
        (303, "/web/users/show?name=bob&done=added"),
        "{}",
        saved.text
    );
    let shown = house.get(saved.header("location"), &root).await;
    assert!(shown.text.contains("The account was added.") && shown.text.contains("permissions./"), "{}", shown.text);
    let again = go_on(&house, &root, &preview, "/web/users/new", &[("step", "save")]).await;
    assert!(again.status == 409 && again.text.contains("role=\"alert\""), "{}", again.text);
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_field_and_nothing_is_lost() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let page = house.get("/web/users/new", &root).await;
    let fields = [("form", "1"), ("username", "bob"), ("quota_size", "much"), ("home_dir", "/srv/bob")];
    let refused = go_on(&house, &root, &page, "/web/users/new", &fields).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.text.contains("no whole number") && refused.text.contains("value=\"/srv/bob\""),
        "{}",
        refused.text
    );
    let fields = [("form", "1"), ("username", "bob"), ("home_dir", "srv"), ("permissions.0.directory", "/")];
    let preview = go_on(&house, &root, &page, "/web/users/new", &fields).await;
    let refused = go_on(&house, &root, &preview, "/web/users/new", &[("step", "save")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("class=\"error\"") && refused.text.contains("value=\"srv\""), "{}", refused.text);
    let hash = [("form", "1"), ("username", "bob"), ("password", "$2a$10$xxxxxxxxxxxxxxxxxxxxxx")];
    assert!(go_on(&house, &root, &page, "/web/users/new", &hash).await.text.contains("This is a hash"));
}

#[tokio::test]
async fn of_two_who_edit_at_once_none_is_lost() {
    let house = House::new().await;
    house.user("alice").await;
    let root = house.log_in("root").await;
    let (one, other) = (house.get(EDIT, &root).await, house.get(EDIT, &root).await);
    let change =
        async |page: &Answer, field: (&str, &str)| go_on(&house, &root, page, EDIT, &[("form", "1"), field]).await;
    let (one, other) = (change(&one, ("uid", "7")).await, change(&other, ("gid", "8")).await);
    let save = async |page: &Answer| go_on(&house, &root, page, EDIT, &[("step", "save")]).await;
    assert_eq!(save(&one).await.status, 303);
    let conflict = save(&other).await;
    assert_eq!(conflict.status, 409);
    assert!(conflict.text.contains("saved meanwhile") && conflict.text.contains("uid"), "{}", conflict.text);
    let merged = go_on(&house, &root, &conflict, EDIT, &[("step", "preview")]).await;
    assert!(merged.text.contains("<code>gid</code>") && !merged.text.contains("<code>uid</code>"), "{}", merged.text);
    assert_eq!(save(&merged).await.status, 303);
    let document = house.document("alice").await;
    assert_eq!((&document["uid"], &document["gid"]), (&json!(7), &json!(8)));
}

#[tokio::test]
async fn of_two_who_add_to_a_list_both_entries_stay() {
    let house = House::new().await;
    house.user("alice").await;
    let root = house.log_in("root").await;
    let (one, other) = (house.get(EDIT, &root).await, house.get(EDIT, &root).await);
    let deny = async |page: &Answer, network: &str| {
        go_on(&house, &root, page, EDIT, &[("form", "1"), ("filters.denied_ip", network)]).await
    };
    let (one, other) = (deny(&one, "192.0.2.0/24").await, deny(&other, "198.51.100.0/24").await);
    let save = async |page: &Answer| go_on(&house, &root, page, EDIT, &[("step", "save")]).await;
    assert_eq!(save(&one).await.status, 303);
    let conflict = save(&other).await;
    assert_eq!(conflict.status, 409);
    let merged = go_on(&house, &root, &conflict, EDIT, &[("step", "preview")]).await;
    assert_eq!(save(&merged).await.status, 303);
    let mut denied: Vec<String> =
        serde_json::from_value(house.document("alice").await["filters"]["denied_ip"].clone()).unwrap();
    denied.sort_unstable();
    assert_eq!(denied, ["192.0.2.0/24", "198.51.100.0/24"]);
}

#[tokio::test]
async fn fields_without_an_input_stay_and_passwords_too() {
    let house = House::new().await;
    house.user("alice").await;
    let root = house.log_in("root").await;
    let page = house.get("/web/users/json?name=alice", &root).await;
    let mut document = house.document("alice").await;
    document.insert("additional_info".to_owned(), json!("for others"));
    let text = serde_json::to_string(&document).unwrap();
    let preview = go_on(&house, &root, &page, EDIT, &[("document", &text)]).await;
    assert!(preview.text.contains("additional_info"), "{}", preview.text);
    assert_eq!(go_on(&house, &root, &preview, EDIT, &[("step", "save")]).await.status, 303);
    let page = house.get(EDIT, &root).await;
    let preview = go_on(&house, &root, &page, EDIT, &[("form", "1"), ("description", "a note"), ("status", "0")]).await;
    assert!(!preview.text.contains("<code>additional_info</code>"), "{}", preview.text);
    assert_eq!(go_on(&house, &root, &preview, EDIT, &[("step", "save")]).await.status, 303);
    let document = house.document("alice").await;
    assert_eq!((&document["additional_info"], &document["has_password"]), (&json!("for others"), &json!(true)));
    let back = house.get("/web/user/1", &root).await;
    assert!(back.status == 303 && back.header("location").contains("/web/users/show?name=alice"), "{back:?}");
    // A19-01: the other addresses of the older server.
    for (path, leads_to) in [("/", "/web"), ("/web/user", "/web/users/new")] {
        let there = house.get(path, &root).await;
        assert_eq!((there.status, there.header("location")), (303, leads_to), "{path}");
    }
}

/// What the JSON tab makes of a field: it is kept, it stays as it was and the page says so, or the document is refused
/// with the field's name and nothing of it is lost.
enum Fate {
    Kept,
    Stays,
    Refused,
}

fn put(document: &mut Value, path: &[&str], value: Value) {
    match path {
        [] => *document = value,
        [first, rest @ ..] => {
            if !document[*first].is_object() && !rest.is_empty() {
                document[*first] = json!({});
            }
            put(&mut document[*first], rest, value);
        }
    }
}

#[tokio::test]
async fn no_field_of_a_document_is_dropped_in_silence() {
    use Fate::{Kept, Refused, Stays};
    let house = House::new().await;
    house.user("n").await;
    house.admin("n", json!({})).await;
    let owner = tidegate_core::admin::Actor::local("owner", tidegate_core::ports::Door::Socket);
    for kind in tidegate_core::account::ObjectKind::ALL {
        let document = super::map(json!({"name": "n", "mapped_path": "/srv/n"}));
        house.web.administration.objects.add(&owner, kind, &document).await.unwrap();
    }
    let root = house.log_in("root").await;
    let text_of = |page: &Answer| {
        let text = page.text.split("<textarea").nth(1).and_then(|rest| rest.split_once('>')).unwrap().1;
        unescaped(text.split("</textarea>").next().unwrap())
    };
    let check = async |kind: &str, path: &[&str], value: Value, fate: Fate| {
        let shown = format!("{kind} {path:?}");
        let (tab, edit) = (format!("/web/{kind}/json?name=n"), format!("/web/{kind}/edit?name=n"));
        let page = house.get(&tab, &root).await;
        let mut document: Value = serde_json::from_str(&text_of(&page)).unwrap();
        put(&mut document, path, value.clone());
        let text = document.to_string();
        let preview = go_on(&house, &root, &page, &edit, &[("document", &text)]).await;
        if matches!(fate, Refused) {
            assert_eq!(preview.status, 422, "{shown}");
            let name = format!("does not know {}", path.join("."));
            assert!(preview.text.contains(&name) && text_of(&preview).trim() == text, "{shown} {}", preview.text);
            // Nor without the preview.
            let saved = go_on(&house, &root, &page, &edit, &[("document", &text), ("step", "save")]).await;
            assert_eq!(saved.status, 422, "{shown}");
            return;
        }
        assert_eq!(preview.status, 200, "{shown} {}", preview.text);
        let says = preview.text.contains("stay as they are: ");
        assert_eq!(says, matches!(fate, Stays), "{shown} {}", preview.text);
        let saved = go_on(&house, &root, &preview, &edit, &[("step", "save")]).await;
        assert_eq!(saved.status, 303, "{shown} {}", saved.text);
        let document: Value = serde_json::from_str(&text_of(&house.get(&tab, &root).await)).unwrap();
        let pointer = format!("/{}", path.join("/"));
        assert_eq!(document.pointer(&pointer) == Some(&value), matches!(fate, Kept), "{shown} {document}");
    };
    let patterns = json!([{"path": "/a", "denied_patterns": ["*.exe"], "later": "kept"}]);
    check("users", &["additional_info"], json!("{\"panel\":7}"), Kept).await;
    check("users", &["filters", "web_client"], json!(["shares-disabled"]), Kept).await;
    check("users", &["filters", "file_patterns"], patterns, Kept).await;
    check("users", &["quota_siez"], json!(1), Refused).await;
    check("users", &["later"], json!({"than": "this server"}), Refused).await;
    check("users", &["filters", "later"], json!(true), Refused).await;
    check("users", &["id"], json!(77), Stays).await;
    check("users", &["used_quota_size"], json!(77), Stays).await;
    check("groups", &["user_settings", "later"], json!({"a": 1}), Kept).await;
    check("groups", &["later"], json!(1), Refused).await;
    check("groups", &["id"], json!(77), Stays).await;
    check("folders", &["description"], json!("a note"), Kept).await;
    check("folders", &["later"], json!(1), Refused).await;
    check("folders", &["used_quota_files"], json!(77), Stays).await;
    check("roles", &["later"], json!(1), Refused).await;
    check("admins", &["description"], json!("a note"), Kept).await;
    check("admins", &["later"], json!(1), Refused).await;
    check("admins", &["filters", "later"], json!(1), Refused).await;
    check("admins", &["last_login"], json!(77), Stays).await;
    let page = house.get("/web/users/json?name=n", &root).await;
    let refused = go_on(&house, &root, &page, "/web/users/edit?name=n", &[("document", "{\"username\": ")]).await;
    assert!(refused.status == 422 && refused.text.contains("not a JSON object"), "{}", refused.text);
    assert_eq!(text_of(&refused).trim(), "{\"username\":");
}

#[tokio::test]
async fn several_accounts_are_changed_after_a_question() {
    let house = House::new().await;
    for name in ["a", "b", "c"] {
        house.user(name).await;
    }
    let root = house.log_in("root").await;
    let fields = [("name", "a"), ("name", "b"), ("action", "disable")];
    let question = house.post("/web/users/bulk", &root, &fields).await;
    assert!(question.text.contains("Disable 2 account(s)?"), "{}", question.text);
    assert_eq!(house.document("a").await["status"], 1);
    assert_eq!(house.post("/web/users/bulk/do", &root, &fields).await.header("location"), "/web/users?done=bulk");
    let states = [house.document("a").await, house.document("b").await, house.document("c").await];
    assert_eq!(states.map(|document| document["status"].as_i64()), [Some(0), Some(0), Some(1)]);
    let enable = [("name", "b"), ("action", "enable")];
    let question = house.post("/web/users/bulk", &root, &enable).await;
    assert!(question.text.contains("Enable 1 account(s)?"), "{}", question.text);
    assert_eq!(house.post("/web/users/bulk/do", &root, &enable).await.header("location"), "/web/users?done=bulk");
    assert_eq!((&house.document("a").await["status"], &house.document("b").await["status"]), (&json!(0), &json!(1)));
    let failed = house.post("/web/users/bulk/do", &root, &[("name", "none"), ("action", "delete")]).await;
    assert!(failed.text.contains("was not done with 1 account(s)"), "{}", failed.text);
    house.admin("viewer", json!({"permissions": ["view_users"]})).await;
    let viewer = house.log_in("viewer").await;
    assert_eq!(house.post("/web/users/bulk/do", &viewer, &fields).await.status, 403);
}

#[tokio::test]
async fn other_objects_have_the_same_pages() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let check = async |path: &str, fields: &[(&str, &str)]| {
        let new = format!("{path}/new");
        let page = house.get(&new, &root).await;
        let preview = go_on(&house, &root, &page, &new, fields).await;
        let saved = go_on(&house, &root, &preview, &new, &[("step", "save")]).await;
        assert_eq!(saved.status, 303, "{path} {}", saved.text);
        assert_eq!(house.get(saved.header("location"), &root).await.status, 200);
        let list = house.get(path, &root).await.text;
        assert!(list.contains(">n1</a>"), "{list}");
        let edit = format!("{path}/edit?name=n1");
        let page = house.get(&edit, &root).await;
        let preview = go_on(&house, &root, &page, &edit, &[("form", "1"), ("description", "a note")]).await;
        let saved = go_on(&house, &root, &preview, &edit, &[("step", "save")]).await;
        assert_eq!(saved.status, 303, "{path} {}", saved.text);
        assert!(house.get(&format!("{path}/delete?name=n1"), &root).await.text.contains("Delete"));
        let gone = house.post(&format!("{path}/delete"), &root, &[("name", "n1")]).await;
        assert_eq!(gone.header("location"), format!("{path}?done=deleted"), "{}", gone.text);
    };
    check("/web/folders", &[("form", "1"), ("name", "n1"), ("mapped_path", "/srv/n1")]).await;
    check("/web/groups", &[("form", "1"), ("name", "n1")]).await;
    check("/web/roles", &[("form", "1"), ("name", "n1")]).await;
    check("/web/admins", &[("form", "1"), ("username", "n1"), ("password", "pw"), ("permissions", "view_users")]).await;
}

#[tokio::test]
async fn folders_of_a_group_are_rows() {
    use tidegate_core::account::ObjectKind::{Folder, Group};

    let house = House::new().await;
    let owner = tidegate_core::admin::Actor::local("owner", tidegate_core::ports::Door::Socket);
    let objects = &house.web.administration.objects;
    for name in ["team", "other"] {
        let folder = map(json!({"name": name, "mapped_path": format!("/srv/{name}")}));
        objects.add(&owner, Folder, &folder).await.unwrap();
    }
    let folders = json!([
        {"name": "team", "virtual_path": "/team", "quota_size": 2048, "quota_files": 10},
        {"name": "other", "virtual_path": "/counted", "quota_size": -1, "quota_files": -1},
    ]);
    objects.add(&owner, Group, &map(json!({"name": "staff", "virtual_folders": folders}))).await.unwrap();
    let root = house.log_in("root").await;
    let shows = async |texts: &[&str]| {
        let page = house.get("/web/groups/show?name=staff", &root).await.text;
        for text in texts {
            assert!(page.contains(text), "{text} {page}");
        }
        assert!(!page.contains("virtual_path"), "{page}");
    };
    shows(&["at most 2.0 KiB", "at most 10", "count for the account", ">/counted<", "/web/folders/show?name=team"])
        .await;
    let edit = "/web/groups/edit?name=staff";
    let page = house.get(edit, &root).await;
    for (path, value) in [("0.virtual_path", "/team"), ("1.quota_size", "-1"), ("2.name", "")] {
        let input = format!("name=\"virtual_folders.{path}\" value=\"{value}\"");
        assert!(page.text.contains(&input), "{input} {}", page.text);
    }
    let fields = [
        ("form", "1"),
        ("virtual_folders.0.name", "team"),
        ("virtual_folders.0.virtual_path", "/team"),
        ("virtual_folders.0.quota_size", "0"),
        ("virtual_folders.0.quota_files", "10"),
        ("virtual_folders.1.name", ""),
        ("virtual_folders.2.name", "other"),
        ("virtual_folders.2.virtual_path", "/new"),
    ];
    let preview = go_on(&house, &root, &page, edit, &fields).await;
    assert!(preview.text.contains("<code>virtual_folders</code>"), "{}", preview.text);
    let saved = go_on(&house, &root, &preview, edit, &[("step", "save")]).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let (stored, _) = objects.show(&owner, Group, "staff").await.unwrap();
    let expected = json!([
        {"name": "team", "virtual_path": "/team", "quota_size": 0, "quota_files": 10},
        {"name": "other", "virtual_path": "/new"},
    ]);
    assert_eq!(stored.document["virtual_folders"], expected);
    shows(&["without limit", "at most 10", ">/new<"]).await;
    // What a row says wrongly is said at its input.
    let page = house.get(edit, &root).await;
    let wrong = [("form", "1"), ("virtual_folders.0.name", "team"), ("virtual_folders.0.quota_size", "much")];
    let refused = go_on(&house, &root, &page, edit, &wrong).await;
    assert!(refused.status == 422 && refused.text.contains("no whole number"), "{}", refused.text);
}

#[tokio::test]
async fn usages_are_shown_with_the_limits_in_force() {
    use tidegate_core::account::ObjectKind::{Folder, Group};
    use tidegate_core::ports::UsageStore;
    use tidegate_core::quota::{Scope, UsedQuota};

    let house = House::new().await;
    let owner = tidegate_core::admin::Actor::local("owner", tidegate_core::ports::Door::Socket);
    let of = &house.web.administration;
    let group = map(json!({"name": "staff", "user_settings": {"quota_size": 4096}}));
    of.objects.add(&owner, Group, &group).await.unwrap();
    let folder = map(json!({"name": "team", "mapped_path": "/srv/team"}));
    of.objects.add(&owner, Folder, &folder).await.unwrap();
    let user = async |name: &str, more: Value| {
        let mut document = map(json!({"username": name, "password": "pw", "status": 1, "home_dir": "/srv/u",
                                      "permissions": {"/": ["*"]}}));
        document.extend(map(more));
        of.users.add(&owner, document, None).await.unwrap();
    };
    let own = json!({"name": "team", "virtual_path": "/team", "quota_size": 2048, "quota_files": 10});
    let groups = json!([{"name": "staff", "type": 1}]);
    user("alice", json!({"groups": groups, "virtual_folders": [own], "total_data_transfer": 5})).await;
    let counted = json!({"name": "team", "virtual_path": "/t", "quota_size": -1, "quota_files": -1});
    user("bob", json!({"virtual_folders": [counted]})).await;
    let uses = async |scope: Scope, files| {
        house.store.replace_usage(&scope, UsedQuota { size: 1024, files }, 1).await.unwrap();
    };
    uses(Scope::Account("alice".to_owned()), 1).await;
    uses(Scope::Folder("team".to_owned()), 2).await;
    let root = house.log_in("root").await;
    let check = async |path: &str, texts: &[&str]| {
        let page = house.get(path, &root).await.text;
        for text in texts {
            assert!(page.contains(text), "{path} {text} {page}");
        }
    };
    let of_alice = ["1.0 KiB of 4.0 KiB", "1.0 KiB of 2.0 KiB", "2 of 10", "0 B of 5.0 MiB", ">/team<"];
    check("/web/users/show?name=alice", &of_alice).await;
    check("/web/users", &["1.0 KiB of 4.0 KiB"]).await;
    let of_team = ["1.0 KiB of 2.0 KiB", "2 of 10", "count for the account", "/web/users/show?name=bob"];
    check("/web/folders/show?name=team", &of_team).await;
}
