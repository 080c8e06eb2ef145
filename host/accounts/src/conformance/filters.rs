//! Lists of accounts that a filter lets through.

use serde_json::{Value, json};
use tidegate_core::ports::{AccountFilter, PageRequest, StoredDocument, Stores, Write};

use super::{Adapter, change, commit, document, find};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn names(found: &[StoredDocument]) -> Vec<&str> {
    found.iter().map(|stored| stored.name.as_str()).collect()
}

/// Adds an account with some fields more.
pub async fn add_with(store: &dyn Stores, name: &str, more: Value) {
    let mut document = document("/srv/home");
    document.extend(more.as_object().unwrap().clone());
    commit(store, name, Write::Add(document)).await.unwrap();
}

/// Adds accounts of which each ninety have a role.
pub async fn add_of_roles(store: &dyn Stores, count: usize) {
    let changes = (0..count).map(|number| {
        let mut document = document("/srv/home");
        document.insert("role".to_owned(), json!(format!("sales{}", number / 90)));
        change(&format!("bob{number}"), Write::Add(document))
    });
    store.commit(changes.collect()).await.unwrap();
}

/// The accounts with that role.
pub async fn of_role(store: &dyn Stores, role: &str) -> Vec<String> {
    let filter = AccountFilter { role: text(role), ..AccountFilter::default() };
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    let found = store.list_accounts(&filter, page).await.unwrap();
    found.into_iter().map(|stored| stored.name).collect()
}

/// Another program has given the account "bob0" of [`add_of_roles`] another role, and has not noted it.
pub async fn check_changed_elsewhere(store: &dyn Stores) {
    assert_eq!(of_role(store, "sales0").await.len(), 89);
    // Pages are full all the same: a shorter one would be the last.
    let filter = AccountFilter { role: text("sales0"), ..AccountFilter::default() };
    let page = PageRequest { limit: 1, ..PageRequest::default() };
    assert_eq!(names(&store.list_accounts(&filter, page).await.unwrap()), ["bob1"]);
    // The next change of the account notes it.
    let mut changed = document("/srv/home");
    changed.insert("role".to_owned(), json!("boss"));
    let expected = find(store, "bob0").await.version;
    commit(store, "bob0", Write::Replace { document: changed, expected, reset: Vec::new() }).await.unwrap();
    assert_eq!(of_role(store, "boss").await, ["bob0"]);
}

/// The filter gives these accounts: at once, and a page of one account after the other.
async fn check(store: &dyn Stores, filter: AccountFilter, expected: &[&str]) {
    let page = |after: Option<&str>, prefix: Option<&str>, limit| PageRequest {
        after: after.map(str::to_owned),
        prefix: prefix.map(str::to_owned),
        limit,
    };
    let found = store.list_accounts(&filter, page(None, None, 100)).await.unwrap();
    assert_eq!(names(&found), expected, "{filter:?}");
    for stored in &found {
        assert!(filter.lets_through(stored), "{filter:?} {stored:?}");
        assert_eq!(find(store, &stored.name).await, *stored, "{filter:?}");
    }
    let mut after = None;
    for name in expected {
        let found = store.list_accounts(&filter, page(after, None, 1)).await.unwrap();
        assert_eq!(names(&found), [*name], "{filter:?} after {after:?}");
        after = Some(*name);
    }
    assert!(store.list_accounts(&filter, page(after, None, 1)).await.unwrap().is_empty());
    assert!(store.list_accounts(&filter, page(None, None, 0)).await.unwrap().is_empty());
    for prefix in ["b", "bo", "x", "é"] {
        let expected: Vec<_> = expected.iter().copied().filter(|name| name.starts_with(prefix)).collect();
        let found = store.list_accounts(&filter, page(None, Some(prefix), 100)).await.unwrap();
        assert_eq!(names(&found), expected, "{filter:?} {prefix}");
        let found = store.list_accounts(&filter, page(Some("boa"), Some(prefix), 100)).await.unwrap();
        let expected: Vec<_> = expected.into_iter().filter(|name| *name > "boa").collect();
        assert_eq!(names(&found), expected, "{filter:?} {prefix} after boa");
    }
}

pub async fn accounts_are_found_by_what_they_have(adapter: Adapter) {
    let (store, other) = (adapter.open(), adapter.open());
    let groups = |names: &[&str]| {
        let groups: Vec<_> = names.iter().map(|name| json!({"name": name, "type": 2})).collect();
        json!(groups)
    };
    for (name, more) in [
        ("alice", json!({"role": "sales"})),
        ("bo", json!({"role": "Sales", "groups": groups(&["staff"])})),
        ("bob", json!({"role": "sales", "groups": groups(&["staff", "guests"]), "status": 0})),
        ("bob ", json!({"role": "sales ", "groups": groups(&["staff "])})),
        ("boz", json!({"groups": groups(&["guests", "guests"])})),
        ("carol", json!({"role": "", "groups": [], "status": 0})),
        ("d%_\\'", json!({"role": "a'b%", "groups": groups(&["Staff", "st\u{e4}ff"])})),
        ("\u{e9}ve", json!({"role": "sales", "groups": [7, {"type": 1}, {"name": "staff"}]})),
    ] {
        add_with(&*store, name, more).await;
    }
    let none = AccountFilter::default;
    let role = |role: &str| AccountFilter { role: text(role), ..none() };
    let group = |group: &str| AccountFilter { group: text(group), ..none() };
    let status = |enabled| AccountFilter { enabled: Some(enabled), ..none() };
    let contains = |part: &str| AccountFilter { contains: text(part), ..none() };
    for (filter, expected) in [
        (none(), &["alice", "bo", "bob", "bob ", "boz", "carol", "d%_\\'", "\u{e9}ve"][..]),
        (role("sales"), &["alice", "bob", "\u{e9}ve"]),
        (role("Sales"), &["bo"]),
        (role("sales "), &["bob "]),
        (role("a'b%"), &["d%_\\'"]),
        (role("%"), &[]),
        (role(""), &[]),
        (role(&"x".repeat(3_000)), &[]),
        (group("staff"), &["bo", "bob", "\u{e9}ve"]),
        (group("guests"), &["bob", "boz"]),
        (group("st\u{e4}ff"), &["d%_\\'"]),
        (group("sales"), &[]),
        (status(false), &["bob", "carol"]),
        (status(true), &["alice", "bo", "bob ", "boz", "d%_\\'", "\u{e9}ve"]),
        (contains("o"), &["bo", "bob", "bob ", "boz", "carol"]),
        (contains("B"), &[]),
        (contains("%"), &["d%_\\'"]),
        (contains("\\'"), &["d%_\\'"]),
        (contains("\u{e9}"), &["\u{e9}ve"]),
        (contains(""), &["alice", "bo", "bob", "bob ", "boz", "carol", "d%_\\'", "\u{e9}ve"]),
        (AccountFilter { group: text("staff"), ..role("sales") }, &["bob", "\u{e9}ve"]),
        (AccountFilter { enabled: Some(true), group: text("staff"), ..role("sales") }, &["\u{e9}ve"]),
        (AccountFilter { enabled: Some(false), contains: text("ob"), ..none() }, &["bob"]),
        (AccountFilter { contains: text("li"), ..role("sales") }, &["alice"]),
    ] {
        check(&*other, filter, expected).await;
    }
}

pub async fn filters_follow_changes(adapter: Adapter) {
    let store = adapter.open();
    for name in ["alice", "bob"] {
        add_with(&*store, name, json!({"role": "sales", "groups": [{"name": "staff", "type": 1}]})).await;
    }
    let group = |group: &str| AccountFilter { group: text(group), ..AccountFilter::default() };
    let disabled = || AccountFilter { enabled: Some(false), ..AccountFilter::default() };
    assert_eq!(of_role(&*store, "sales").await, ["alice", "bob"]);
    let mut changed = document("/srv/home");
    changed.extend([("role".to_owned(), json!("boss")), ("status".to_owned(), json!(0))]);
    let expected = find(&*store, "alice").await.version;
    let replace = |document, expected| Write::Replace { document, expected, reset: Vec::new() };
    let version = commit(&*store, "alice", replace(changed, expected)).await.unwrap();
    assert_eq!(of_role(&*store, "sales").await, ["bob"]);
    assert_eq!(of_role(&*store, "boss").await, ["alice"]);
    check(&*store, group("staff"), &["bob"]).await;
    check(&*store, disabled(), &["alice"]).await;
    // What is refused changes nothing.
    let refused =
        vec![change("bob", Write::Delete { expected: None }), change("carol", Write::Delete { expected: None })];
    assert!(store.commit(refused).await.is_err());
    check(&*store, group("staff"), &["bob"]).await;
    commit(&*store, "alice", replace(document("/srv/home"), version)).await.unwrap();
    commit(&*store, "bob", Write::Delete { expected: None }).await.unwrap();
    for role in ["sales", "boss"] {
        assert!(of_role(&*store, role).await.is_empty(), "{role}");
    }
    check(&*store, group("staff"), &[]).await;
    check(&*store, disabled(), &[]).await;
    // A new account of the name has nothing of the old one.
    add_with(&*store, "bob", json!({"groups": [{"name": "guests", "type": 1}]})).await;
    check(&*store, group("staff"), &[]).await;
    check(&*store, group("guests"), &["bob"]).await;
}
