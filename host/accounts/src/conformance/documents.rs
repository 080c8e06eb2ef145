//! Documents, and single changes of them.

use serde_json::{Value, json};
use tidegate_core::account::{find_user, list_users, user_of};
use tidegate_core::ports::{AccountKey, PageRequest, StoreError, USERS, Version, Write};
use tidegate_core::quota::{Scope, UsedQuota};

use super::{Adapter, add, author, change, commit, document, find, user};

pub async fn documents_are_kept_as_they_are(adapter: Adapter) {
    // A9-01, C1-01
    let (accounts, other) = (adapter.accounts(), adapter.open());
    let added = accounts.add(tidegate_core::account::AccountDraft::of(&user("alice")), &author()).await.unwrap();
    assert!(added.id > 0);
    let found = find_user(&*other, "alice").await.unwrap().unwrap();
    assert_eq!(found, added);
    assert_eq!(found.other.get("email"), Some(&json!("a@b")));
    // Also a document with any other content.
    let mut odd = document("/srv/ü\u{1f980}\n");
    odd.insert("additional_info".into(), json!("a\u{0}b \\ ' \" %_"));
    odd.insert("filters".into(), json!({"denied_ip": [], "nested": {"a": [1, -2, 3.5, null, true]}}));
    odd.insert("expiration_date".into(), json!(i64::MAX));
    odd.insert("quota_size".into(), json!(i64::MIN));
    commit(&*other, "odd", Write::Add(odd.clone())).await.unwrap();
    let stored = find(&*adapter.open(), "odd").await;
    for (field, value) in &odd {
        assert_eq!(stored.document.get(field), Some(value), "{field}");
    }
    assert_eq!(stored.document.get("username"), Some(&json!("odd")));
    assert_eq!(stored.document.get("id"), Some(&json!(stored.version.id)));
    assert_eq!(other.find_by_id(&USERS, stored.version.id).await.unwrap(), Some(stored));
    assert_eq!(other.find_by_id(&USERS, i64::MAX).await.unwrap(), None);
    assert_eq!(other.find(&USERS, "bob").await.unwrap(), None);
    assert_eq!(other.texts(&USERS, "home_dir").await.unwrap().len(), 2);
}

pub async fn names_differ_by_any_byte(adapter: Adapter) {
    // A8-10
    let store = adapter.open();
    let names =
        ["a", "A", "á", "a\u{301}", "a ", " a", "a\u{a0}", "ａ", "ß", "ss", "%", "_", "a\u{0}", "'", "\u{10ffff}"];
    for (number, name) in names.iter().enumerate() {
        commit(&*store, name, Write::Add(document(&format!("/srv/{number}")))).await.unwrap();
    }
    for (number, name) in names.iter().enumerate() {
        let home = find(&*store, name).await.document.get("home_dir").cloned();
        assert_eq!(home, Some(json!(format!("/srv/{number}"))), "{name:?}");
        let again = commit(&*store, name, Write::Add(document("/srv/other"))).await;
        assert_eq!(again, Err(StoreError::Exists(USERS.object(name))));
    }
    let mut sorted = names.map(str::to_owned);
    sorted.sort();
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    let listed = store.list(&USERS, page).await.unwrap();
    assert_eq!(listed.into_iter().map(|stored| stored.name).collect::<Vec<_>>(), sorted);
    commit(&*store, "a ", Write::Delete { expected: None }).await.unwrap();
    assert!(store.find(&USERS, "a").await.unwrap().is_some() && store.find(&USERS, "a ").await.unwrap().is_none());
}

pub async fn long_names_and_documents_are_kept_whole(adapter: Adapter) {
    // A8-10, C1-01
    let store = adapter.open();
    let mut long = document(&format!("/srv/{}", "h".repeat(4_000)));
    long.insert("description".into(), json!("\u{1f980}".repeat(1 << 18)));
    long.insert("public_keys".into(), json!(vec!["k".repeat(500); 100]));
    let names = ["x".repeat(2_000), "\u{1f980}".repeat(255)];
    for name in &names {
        let version = commit(&*store, name, Write::Add(long.clone())).await.unwrap();
        let replaced = Write::Replace { document: long.clone(), expected: version, reset: Vec::new() };
        commit(&*store, name, replaced).await.unwrap();
        let stored = find(&*adapter.open(), name).await;
        for (field, value) in &long {
            assert!(stored.document.get(field) == Some(value), "{field}");
        }
    }
    let listed = store.list(&USERS, PageRequest { limit: 10, ..PageRequest::default() }).await.unwrap();
    assert!(listed.iter().map(|stored| &stored.name).eq(&names));
}

pub async fn pages_follow_names(adapter: Adapter) {
    let store = adapter.open();
    for name in ["alice", "bob", "bobby", "boc", "carol"] {
        add(&*store, name).await;
    }
    let check = async |after: Option<&str>, prefix: Option<&str>, limit: u32, expected: &[&str]| {
        let request = PageRequest { after: after.map(str::to_owned), prefix: prefix.map(str::to_owned), limit };
        let page = list_users(&*store, request.clone()).await.unwrap();
        let names: Vec<_> = page.accounts.iter().map(|account| account.username.as_str()).collect();
        assert_eq!(names, expected, "{request:?}");
        assert_eq!(page.next.as_deref(), expected.last().copied(), "{request:?}");
    };
    check(None, None, 10, &["alice", "bob", "bobby", "boc", "carol"]).await;
    check(None, None, 2, &["alice", "bob"]).await;
    check(Some("bob"), None, 2, &["bobby", "boc"]).await;
    check(Some("carol"), None, 2, &[]).await;
    check(Some("b"), None, 1, &["bob"]).await;
    check(None, Some("bob"), 10, &["bob", "bobby"]).await;
    check(Some("bob"), Some("bob"), 10, &["bobby"]).await;
    check(Some("a"), Some("bob"), 1, &["bob"]).await;
    check(Some("bobby"), Some("bob"), 10, &[]).await;
    check(None, Some("x"), 10, &[]).await;
}

pub async fn ids_are_never_used_again(adapter: Adapter) {
    let store = adapter.open();
    let mut ids = Vec::new();
    for _ in 0..3 {
        for name in ["alice", "bob"] {
            ids.push(add(&*store, name).await.id);
        }
        for name in ["bob", "alice"] {
            commit(&*store, name, Write::Delete { expected: None }).await.unwrap();
        }
    }
    // Also after a restart.
    ids.push(add(&*adapter.open(), "carol").await.id);
    assert!(ids.iter().all(|id| *id > 0) && ids.is_sorted(), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), 7, "{ids:?}");
}

pub async fn what_the_server_maintains_is_not_written_over(adapter: Adapter) {
    // A4-12, A9-06
    let store = adapter.open();
    let mut given = document("/srv/home");
    let maintained = [
        "last_login",
        "used_quota_size",
        "used_quota_files",
        "last_quota_update",
        "used_upload_data_transfer",
        "used_download_data_transfer",
        "first_upload",
        "first_download",
    ];
    for field in maintained {
        given.insert(field.into(), json!(99));
    }
    let version = commit(&*store, "alice", Write::Add(given.clone())).await.unwrap();
    let number = async |field: &str| find(&*store, "alice").await.document.get(field).and_then(Value::as_i64);
    assert_eq!((number("last_login").await, number("used_quota_size").await), (Some(0), Some(0)));
    for field in maintained {
        assert_eq!(number(field).await.unwrap_or(0), 0, "{field}");
    }

    let key = AccountKey { username: "alice".into(), id: version.id };
    store.record_login(&key, 1234).await.unwrap();
    // Both before and after the time is stored.
    assert_eq!(number("last_login").await, Some(1234));
    assert!(store.record_first_transfer(&key, true, 5).await.unwrap());
    assert!(!store.record_first_transfer(&key, true, 6).await.unwrap());
    assert!(store.record_first_transfer(&key, false, 7).await.unwrap());
    store.replace_usage(&Scope::Account("alice".into()), UsedQuota { size: 50, files: 2 }, 8).await.unwrap();
    let reset = vec!["last_quota_update"];
    let kept = Write::Replace { document: given.clone(), expected: version, reset: Vec::new() };
    let version = commit(&*store, "alice", kept).await.unwrap();
    assert_eq!((number("first_upload").await, number("first_download").await), (Some(5), Some(7)));
    assert_eq!((number("used_quota_size").await, number("last_quota_update").await), (Some(50), Some(8)));
    assert_eq!((number("last_login").await, number("used_quota_files").await), (Some(1234), Some(2)));
    for field in ["used_upload_data_transfer", "used_download_data_transfer"] {
        assert_eq!(number(field).await.unwrap_or(0), 0, "{field}");
    }
    commit(&*store, "alice", Write::Replace { document: given, expected: version, reset }).await.unwrap();
    assert_eq!((number("used_quota_size").await, number("last_quota_update").await), (Some(50), Some(0)));

    // Values of a deleted account do not pass on to a new one of its name.
    commit(&*store, "alice", Write::Delete { expected: None }).await.unwrap();
    add(&*store, "alice").await;
    store.record_login(&key, 77).await.unwrap();
    assert!(!store.record_first_transfer(&key, true, 5).await.unwrap());
    assert_eq!((number("last_login").await, number("first_upload").await), (Some(0), Some(0)));
}

pub async fn nothing_but_what_was_read_is_changed(adapter: Adapter) {
    let store = adapter.open();
    let first = add(&*store, "alice").await;
    assert_eq!(first.revision, 0);
    let replace = |expected| Write::Replace { document: document("/srv/new"), expected, reset: Vec::new() };
    let second = commit(&*store, "alice", replace(first)).await.unwrap();
    assert_eq!(second, Version { id: first.id, revision: 1 });
    assert_eq!(find(&*store, "alice").await.version, second);
    let conflict = Err(StoreError::Conflict(USERS.object("alice")));
    let missing = Err(StoreError::NotFound(USERS.object("bob")));
    assert_eq!(commit(&*store, "alice", replace(first)).await, conflict);
    assert_eq!(commit(&*store, "alice", Write::Delete { expected: Some(first) }).await, conflict);
    assert_eq!(commit(&*store, "alice", Write::Require { expected: first }).await, conflict);
    assert_eq!(commit(&*store, "alice", Write::Require { expected: second }).await, Ok(second));
    for write in [replace(first), Write::Delete { expected: None }, Write::Require { expected: first }] {
        assert_eq!(commit(&*store, "bob", write).await, missing);
    }
    assert_eq!(commit(&*store, "alice", Write::Delete { expected: Some(second) }).await, Ok(second));
    // The same name and revision, but another account.
    add(&*store, "alice").await;
    assert_eq!(commit(&*store, "alice", replace(first)).await, conflict);
}

pub async fn all_changes_or_none(adapter: Adapter) {
    // A9-06
    let store = adapter.open();
    let alice = add(&*store, "alice").await;
    let begin = store.changes(None).await.unwrap().next;
    let record = author().did("load", "user", "alice", 1);
    let changes = |last| {
        let mut first =
            change("alice", Write::Replace { document: document("/srv/x"), expected: alice, reset: vec![] });
        first.audit = Some(record.clone());
        vec![first, change("bob", Write::Add(document("/srv/b"))), change("carol", last)]
    };
    let failed = store.commit(changes(Write::Delete { expected: None })).await;
    assert_eq!(failed, Err(StoreError::NotFound(USERS.object("carol"))));
    assert_eq!(find(&*store, "alice").await.document.get("home_dir"), Some(&json!("/srv/home")));
    assert_eq!(store.find(&USERS, "bob").await.unwrap(), None);
    assert!(store.changes(Some(&begin)).await.unwrap().is_empty());
    assert_eq!(store.audit(Default::default()).await.unwrap(), []);
    let done = store.commit(changes(Write::Add(document("/srv/c")))).await.unwrap();
    assert_eq!(done.iter().map(|version| version.revision).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(store.texts(&USERS, "home_dir").await.unwrap().len(), 3);
    // Changes are made one after the other, in the given order.
    let twice = vec![change("dave", Write::Add(document("/d"))), change("dave", Write::Delete { expected: None })];
    assert_eq!(store.commit(twice).await.unwrap().len(), 2);
    assert_eq!(store.find(&USERS, "dave").await.unwrap(), None);
}

pub async fn an_invalid_document_is_in_the_way_of_no_other(adapter: Adapter) {
    let store = adapter.open();
    for name in ["alice", "bob", "carol"] {
        add(&*store, name).await;
    }
    for (field, value, expected) in [
        ("permissions", json!([]), "permissions"),
        ("permissions", json!({}), "permissions"),
        ("filters", json!({"denied_protocols": ["ssh"]}), "filters.denied_protocols"),
        ("filesystem", json!({"provider": 2}), "filesystem.provider"),
        ("password", json!("$7$a$b"), "password"),
        ("public_keys", json!(["nonsense"]), "public_keys"),
        ("uid", json!(-1), "uid"),
        ("status", json!(7), "status"),
        ("home_dir", json!("relative"), "home_dir"),
    ] {
        let stored = find(&*store, "bob").await;
        let mut broken = document("/srv/home");
        broken.insert(field.into(), value.clone());
        let write = Write::Replace { document: broken, expected: stored.version, reset: Vec::new() };
        commit(&*store, "bob", write).await.unwrap();
        let page = list_users(&*store, PageRequest { limit: 10, ..Default::default() }).await.unwrap();
        let names: Vec<_> = page.accounts.iter().map(|account| account.username.as_str()).collect();
        assert_eq!((names, page.next.as_deref()), (vec!["alice", "carol"], Some("carol")), "{field} {value}");
        let [invalid] = page.invalid.as_slice() else { panic!("{field} {value}: {:?}", page.invalid) };
        assert!(
            invalid.username == "bob" && invalid.problem.contains(expected),
            "{field} {value}: {}",
            invalid.problem
        );
        let error = find_user(&*store, "bob").await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }) && error.to_string().contains("\"bob\""), "{error}");
        // The document can be shown, repaired and deleted.
        let stored = tidegate_core::account::find_stored(&*store, "bob").await.unwrap().unwrap();
        assert_eq!(stored.document.get("username"), Some(&json!("bob")));
        assert!(user_of(stored.clone()).is_err());
        let mended = Write::Replace { document: document("/srv/home"), expected: stored.version, reset: Vec::new() };
        let version = commit(&*store, "bob", mended).await.unwrap();
        assert_eq!(find_user(&*store, "bob").await.unwrap().unwrap().username, "bob", "{field} {value}");
        commit(&*store, "bob", Write::Delete { expected: Some(version) }).await.unwrap();
        add(&*store, "bob").await;
    }
}
