//! Documents that are not valid, in every collection: they are listed with their errors, can be shown, changed and
//! deleted, and do not affect other documents.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tidegate_core::account::{Accounts, Dump, LoadOutcome, ObjectKind, user_of};
use tidegate_core::memory::MemoryStore;
use tidegate_core::ports::{
    ADMINS, API_KEYS, Change, Collection, FOLDERS, GROUPS, PageRequest, ROLES, StoredDocument, Stores, TOKENS, USERS,
    Write,
};

use super::{Adapter, NoPasswords, author};

/// A collection, a valid document, and documents that are not valid, each with a part of its error; none: the
/// collection has a reader of its own, which judges it.
type Case = (&'static Collection, Value, Vec<(Value, &'static str)>);

fn cases() -> Vec<Case> {
    let account = |more: Value| {
        let mut account = json!({"status": 1, "home_dir": "/srv/home", "permissions": {"/": ["*"]}});
        account.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        account
    };
    vec![
        (
            &USERS,
            account(json!({})),
            vec![
                (account(json!({"permissions": "all"})), "permissions"),
                (account(json!({"filters": [7]})), "filters"),
                (account(json!({"home_dir": "relative"})), "home_dir"),
                (account(json!({"filters": {"brand_new": ["x"]}})), "filters.brand_new"),
            ],
        ),
        (
            &FOLDERS,
            json!({"mapped_path": "/srv/f", "description": ""}),
            vec![
                (json!({"mapped_path": "relative", "description": ""}), "mapped_path"),
                (
                    json!({"mapped_path": "", "description": "", "filesystem": {"provider": 1}}),
                    "filesystem.s3config.bucket",
                ),
            ],
        ),
        (
            &GROUPS,
            json!({"description": "", "user_settings": {"max_sessions": 3}}),
            vec![
                (json!({"description": "", "user_settings": "many"}), "user_settings"),
                (json!({"description": "", "user_settings": {"max_sessions": -3}}), "max_sessions"),
                (json!({"description": "", "virtual_folders": [7]}), "virtual_folders"),
            ],
        ),
        (&ROLES, json!({"description": "d"}), vec![(json!({"description": "d"}), "name")]),
        (
            &ADMINS,
            json!({"password": "$1$salt$hash", "status": 1, "permissions": ["*"]}),
            vec![(json!({"password": "$1$salt$hash", "permissions": {"a": [null]}, "filters": 7}), "")],
        ),
        (&API_KEYS, json!({"digest": "d", "name": "k"}), vec![(json!({"digest": "", "ips": "x", "allow": 7}), "")]),
        (&TOKENS, json!({"admin": "root", "expires_at": 5}), vec![(json!({"admin": "", "id_of_admin": []}), "")]),
    ]
}

/// What is wrong with the stored document.
fn problem_of(collection: &Collection, stored: &StoredDocument) -> Option<String> {
    match ObjectKind::ALL.into_iter().find(|kind| kind.collection() == collection) {
        Some(kind) => kind.problem_of(stored),
        None if *collection == USERS => user_of(stored.clone()).err().map(|error| error.to_string()),
        None => stored.problem.clone(),
    }
}

async fn list(store: &dyn Stores, collection: &'static Collection) -> Vec<StoredDocument> {
    store.list(collection, PageRequest { limit: 100, ..PageRequest::default() }).await.unwrap()
}

fn change(collection: &'static Collection, name: &str, write: Write) -> Change {
    Change { collection, name: name.to_owned(), write, announce: true, audit: None }
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// Checks that the second of three documents is not valid, for a reason with that part, and that the others are.
async fn check_listed(store: &dyn Stores, collection: &'static Collection, name: &str, part: &str) -> StoredDocument {
    let listed = list(store, collection).await;
    assert_eq!(
        listed.iter().map(|stored| stored.name.as_str()).collect::<Vec<_>>(),
        ["a", name, "z"],
        "{collection:?}"
    );
    for stored in &listed {
        let problem = problem_of(collection, stored);
        let is_expected = problem.as_ref().map_or(part.is_empty(), |problem| problem.contains(part));
        assert!(if stored.name == name { is_expected } else { problem.is_none() }, "{}: {problem:?}", stored.name);
        assert_eq!(store.find(collection, &stored.name).await.unwrap().as_ref(), Some(stored));
        assert_eq!(store.find_by_id(collection, stored.version.id).await.unwrap().as_ref(), Some(stored));
    }
    let names = vec!["z".to_owned(), name.to_owned()];
    assert_eq!(store.find_all(collection, names).await.unwrap().len(), 2);
    listed.into_iter().find(|stored| stored.name == name).unwrap()
}

pub async fn an_invalid_document_of_any_kind_is_in_the_way_of_no_other(adapter: Adapter) {
    // A9-06
    let store = adapter.open();
    for (collection, valid, invalid) in cases() {
        // Of a role only the name can be wrong.
        let name = if *collection == ROLES { "b\n" } else { "b" };
        for name in ["a", "z"] {
            store.commit(vec![change(collection, name, Write::Add(map(&valid)))]).await.unwrap();
        }
        for (document, part) in &invalid {
            store.commit(vec![change(collection, name, Write::Add(map(document)))]).await.unwrap();
            let stored = check_listed(&*store, collection, name, part).await;
            let write = Write::Replace { document: map(&valid), expected: stored.version, reset: Vec::new() };
            store.commit(vec![change(collection, name, write)]).await.unwrap();
            let mended = store.find(collection, name).await.unwrap().unwrap();
            assert_eq!(problem_of(collection, &mended).is_some(), *collection == ROLES, "{document}");
            let write = Write::Delete { expected: Some(mended.version) };
            store.commit(vec![change(collection, name, write)]).await.unwrap();
            assert_eq!(list(&*store, collection).await.len(), 2, "{document}");
        }
    }
}

/// All accounts, folders, groups and roles, as a dump of this server has them.
async fn dumped(store: &dyn Stores) -> Dump {
    let mut objects = Vec::new();
    for kind in ObjectKind::ALL {
        let documents = list(store, kind.collection()).await.into_iter().map(|stored| (kind, stored.document));
        objects.extend(documents);
    }
    let users = list(store, &USERS).await.into_iter().map(|stored| stored.document).collect();
    Dump { users, objects, restores: true, skips_invalid: true, ..Dump::default() }
}

pub async fn a_dump_with_invalid_documents_gives_the_others(adapter: Adapter) {
    // A18-10, A18-11
    let store = adapter.open();
    let mut left = Vec::new();
    for (collection, valid, invalid) in cases().into_iter().take(4) {
        for name in ["a", "z"] {
            store.commit(vec![change(collection, name, Write::Add(map(&valid)))]).await.unwrap();
        }
        for (number, (document, _)) in invalid.iter().enumerate() {
            let name = if *collection == ROLES { "b\n".to_owned() } else { format!("b{number}") };
            store.commit(vec![change(collection, &name, Write::Add(map(document)))]).await.unwrap();
            left.push((collection.kind, name));
        }
    }
    // What refers to such a document would be another without it.
    let of = |field: &str, name: &str| {
        let entry = json!([{"name": name, "type": 1, "virtual_path": "/v", "mapped_path": "/srv/other"}]);
        let mut account = json!({"status": 1, "home_dir": "/srv/home", "permissions": {"/": ["*"]}});
        account.as_object_mut().unwrap().insert(field.to_owned(), entry);
        Write::Add(map(&account))
    };
    for (name, write) in
        [("grouped", of("groups", "a")), ("mounted", of("virtual_folders", "b0")), ("restricted", of("groups", "b1"))]
    {
        store.commit(vec![change(&USERS, name, write)]).await.unwrap();
    }
    left.extend([("user", "mounted".to_owned()), ("user", "restricted".to_owned())]);
    // These are stored, and refused when they are used.
    left.retain(|(kind, name)| !matches!((*kind, name.as_str()), ("user", "b3") | ("folder", "b1")));

    let dump = dumped(&*store).await;
    let into: Arc<dyn Stores> = Arc::new(MemoryStore::default());
    for (target, is_new) in [(into, true), (store.clone(), false)] {
        let accounts = Accounts::new(target.clone(), Arc::new(NoPasswords), None);
        let (refused, is_stored) =
            accounts.load(Dump { skips_invalid: false, ..dump.clone() }, false, &author()).await.unwrap();
        assert!(!is_stored && refused.len() == dump.users.len() + dump.objects.len());
        if is_new {
            assert_eq!(list(&*target, &USERS).await, []);
        }
        let before = list(&*target, &FOLDERS).await;
        let (loaded, is_stored) = accounts.load(dump.clone(), false, &author()).await.unwrap();
        assert!(is_stored);
        let failed = |outcome: &LoadOutcome| matches!(outcome, LoadOutcome::Failed(_));
        let kind = |kind: Option<ObjectKind>| kind.map_or("user", |kind| kind.collection().kind);
        let mut found: Vec<_> = loaded.iter().filter(|loaded| failed(&loaded.outcome)).collect();
        found.sort_by_key(|loaded| (kind(loaded.kind), loaded.name.clone()));
        let found: Vec<_> = found.into_iter().map(|loaded| (kind(loaded.kind), loaded.name.clone())).collect();
        left.sort();
        assert_eq!(found, left, "{loaded:?}");
        let others = loaded.iter().filter(|loaded| !failed(&loaded.outcome)).map(|loaded| &loaded.outcome);
        let expected = |outcome: &LoadOutcome| match is_new {
            true => *outcome == LoadOutcome::Added,
            false => !matches!(outcome, LoadOutcome::Added),
        };
        assert!(others.clone().count() == 11 && others.clone().all(expected), "{loaded:?}");
        if is_new {
            let names = list(&*target, &USERS).await.into_iter().map(|stored| stored.name).collect::<Vec<_>>();
            assert_eq!(names, ["a", "b3", "grouped", "z"]);
            // Its logins were refused, and would not be without the restriction that is not known.
            let disabled = target.find(&USERS, "b3").await.unwrap().unwrap();
            assert_eq!(disabled.document.get("status"), Some(&json!(0)));
        } else {
            assert_eq!(list(&*target, &FOLDERS).await, before);
        }
    }
}

/// A statement that breaks a cell of the document `b`, for databases with columns.
pub fn broken_cells() -> Vec<(&'static Collection, String)> {
    let cell = |collection: &'static Collection, column: &str| {
        let Collection { table, name_field, .. } = collection;
        (collection, format!("UPDATE {table} SET {column} = '{{\"a\":' WHERE {name_field} = 'b'"))
    };
    let with_other = [&USERS, &FOLDERS, &GROUPS, &ROLES, &ADMINS, &API_KEYS, &TOKENS];
    let others = with_other.map(|collection| cell(collection, "other"));
    others.into_iter().chain([cell(&USERS, "permissions"), cell(&GROUPS, "user_settings")]).collect()
}

/// Checks one of these cells; `break_it` runs its statement.
pub async fn check_broken_cell(store: &dyn Stores, collection: &'static Collection, break_it: impl AsyncFnOnce()) {
    // A9-06
    let (_, valid, _) = cases().into_iter().find(|(of, ..)| *of == collection).unwrap();
    for name in ["a", "b", "z"] {
        store.commit(vec![change(collection, name, Write::Add(map(&valid)))]).await.unwrap();
    }
    break_it().await;
    let stored = check_listed(store, collection, "b", "column").await;
    assert!(stored.problem.is_some());
    let mount = json!({
        "status": 1, "home_dir": "/srv/home", "permissions": {"/": ["*"]},
        "virtual_folders": [{"name": "b", "virtual_path": "/v"}],
    });
    if *collection == FOLDERS {
        // It is not known where its files are.
        store.commit(vec![change(&USERS, "mounted", Write::Add(map(&mount)))]).await.unwrap();
        let error = tidegate_core::account::find_user(store, "mounted").await.unwrap_err().to_string();
        assert!(error.contains("the folder \"b\""), "{error}");
        store.commit(vec![change(&USERS, "mounted", Write::Delete { expected: None })]).await.unwrap();
    }
    for name in ["a", "b", "z"] {
        store.commit(vec![change(collection, name, Write::Delete { expected: None })]).await.unwrap();
    }
}
