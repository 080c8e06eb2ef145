//! Use cases about folders, groups and roles, on a store in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::user_tests::{PaperPasswords, map};
use super::*;
use crate::account::ObjectKind::{self, Folder, Group, Role};
use crate::account::{Dump, LoadOutcome};
use crate::memory::MemoryStore;
use crate::ports::{AuditQuery, Door, PageRequest, SystemClock};

struct House {
    users: Arc<UserAdministration>,
    objects: ObjectAdministration,
    backups: BackupAdministration,
    audit: Audit,
    root: Actor,
}

fn house() -> House {
    let store = Arc::new(MemoryStore::default());
    let accounts = Arc::new(Accounts::new(store.clone(), Arc::new(PaperPasswords), None));
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    let users = Arc::new(UserAdministration { accounts: accounts.clone(), audit: audit.clone() });
    let objects = ObjectAdministration { directory: store.clone(), accounts, audit: audit.clone() };
    let backups = BackupAdministration {
        users: users.clone(),
        directory: store.clone(),
        usages: store,
        room: BackupRoom::default(),
        spools: Arc::new(crate::ports::SpoolsInMemory),
        audit: audit.clone(),
    };
    House { users, objects, backups, audit, root: Actor::local("root", Door::Socket) }
}

fn fields(patch: Value) -> DocumentChange {
    DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() }
}

impl House {
    async fn add(&self, kind: ObjectKind, document: Value) -> Result<ShownObject, AdminError> {
        self.objects.add(&self.root, kind, &map(document)).await
    }

    async fn update(&self, kind: ObjectKind, name: &str, change: DocumentChange) -> Result<ShownObject, AdminError> {
        self.objects.update(&self.root, kind, name, &change).await
    }

    async fn names(&self, kind: ObjectKind) -> Vec<String> {
        let request = PageRequest { limit: 100, ..PageRequest::default() };
        let page = self.objects.list(&self.root, kind, request).await.unwrap();
        page.iter().map(|object| object.document["name"].as_str().unwrap().to_owned()).collect()
    }

    async fn add_user(&self, username: &str, more: Value) {
        let mut document = map(json!({
            "username": username, "status": 1, "home_dir": "/srv/u", "permissions": { "/": ["*"] },
            "public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJsW0kKTtEnwjfBi1C2g4bcc9Yh5NqMJbM8ZFgUYjcjS"],
        }));
        document.extend(map(more));
        self.users.add(&self.root, document, None).await.unwrap();
    }

    /// `action kind name detail` of each record, the oldest first.
    async fn records(&self) -> Vec<String> {
        let query = AuditQuery { limit: 100, ..AuditQuery::default() };
        let records = self.audit.list(&self.root, query).await.unwrap().into_iter().rev();
        let line = |record: crate::ports::AuditRecord| {
            format!("{} {} {} {}", record.action, record.kind, record.name, record.detail).trim_end().to_owned()
        };
        records.map(|stored| line(stored.record)).collect()
    }
}

#[tokio::test]
async fn objects_are_added_changed_and_deleted() {
    // C5-01, B9-04
    let house = house();
    let added = house.add(Folder, json!({"name": "team", "mapped_path": "/srv/team/"})).await.unwrap();
    assert_eq!((&added.document["mapped_path"], added.problem), (&json!("/srv/team"), None));
    house.add(Role, json!({"name": "sales"})).await.unwrap();
    let group = json!({
        "name": "staff", "user_settings": {"max_sessions": 3}, "virtual_folders": [{"name": "team", "virtual_path": "/t"}],
    });
    house.add(Group, group).await.unwrap();
    let again = house.add(Folder, json!({"name": "team", "mapped_path": "/srv/other"})).await.unwrap_err();
    assert_eq!(
        (again.kind(), &*again.to_string()),
        (AdminErrorKind::Exists, "there is already a folder named \"team\"")
    );
    let changed = house.update(Group, "staff", fields(json!({"description": "People"}))).await.unwrap();
    assert_eq!(changed.document["user_settings"], json!({"max_sessions": 3}));
    let renamed = house.update(Group, "staff", fields(json!({"name": "people"}))).await.unwrap_err();
    assert_eq!(renamed.kind(), AdminErrorKind::Refused);
    house.objects.delete(&house.root, Role, "sales").await.unwrap();
    assert_eq!(house.objects.delete(&house.root, Role, "sales").await.unwrap_err().kind(), AdminErrorKind::NotFound);
    for (kind, expected) in [(Folder, vec!["team"]), (Group, vec!["staff"]), (Role, vec![])] {
        assert_eq!(house.names(kind).await, expected);
    }
    assert_eq!(
        house.records().await,
        [
            "add folder team name: none -> \"team\"; mapped_path: none -> \"/srv/team\"",
            "add role sales name: none -> \"sales\"",
            "add group staff name: none -> \"staff\"; user_settings.max_sessions: none -> 3; \
             virtual_folders: none -> [{\"name\":\"team\",\"virtual_path\":\"/t\"}]",
            "update group staff description: \"\" -> \"People\"",
            "delete role sales name: \"sales\" -> none"
        ]
    );
}

#[tokio::test]
async fn a_whole_document_is_refused_when_another_change_came_first() {
    // A9-06
    let house = house();
    let added = house.add(Group, json!({"name": "g", "description": "a"})).await.unwrap();
    house.update(Group, "g", fields(json!({"description": "b"}))).await.unwrap();
    let change = |revision| DocumentChange::Document { document: map(json!({"name": "g"})), revision };
    let refused = house.update(Group, "g", change(added.revision)).await.unwrap_err();
    assert_eq!(refused.kind(), AdminErrorKind::Conflict);
    let replaced = house.update(Group, "g", change(added.revision + 1)).await.unwrap();
    assert!(replaced.document.get("description").is_none_or(|text| text == ""), "{replaced:?}");
}

#[tokio::test]
async fn what_is_referred_to_is_not_deleted() {
    let house = house();
    house.add(Folder, json!({"name": "team", "mapped_path": "/srv/team"})).await.unwrap();
    house
        .add(Group, json!({"name": "staff", "virtual_folders": [{"name": "team", "virtual_path": "/t"}]}))
        .await
        .unwrap();
    house.add(Role, json!({"name": "sales"})).await.unwrap();
    let folders = json!([{"name": "team", "virtual_path": "/x"}]);
    house
        .add_user(
            "alice",
            json!({"groups": [{"name": "staff", "type": 1}], "role": "sales", "virtual_folders": folders}),
        )
        .await;
    for (kind, name, used_by) in [
        (Folder, "team", "the account \"alice\" and the group \"staff\""),
        (Group, "staff", "the account \"alice\""),
        (Role, "sales", "the account \"alice\""),
    ] {
        let refused = house.objects.delete(&house.root, kind, name).await.unwrap_err();
        assert_eq!(refused.kind(), AdminErrorKind::Conflict);
        assert!(refused.to_string().contains(used_by), "{refused}");
        let (_, references) = house.objects.show(&house.root, kind, name).await.unwrap();
        assert_eq!(references.users, ["alice"]);
    }
    house.users.delete(&house.root, "alice").await.unwrap();
    for (kind, name) in [(Group, "staff"), (Folder, "team"), (Role, "sales")] {
        house.objects.delete(&house.root, kind, name).await.unwrap();
    }
}

#[tokio::test]
async fn documents_that_are_not_valid_change_nothing() {
    let house = house();
    for (kind, document, field) in [
        (Folder, json!({"name": "f"}), "mapped_path"),
        (Folder, json!({"name": "f", "mapped_path": "relative"}), "mapped_path"),
        (Group, json!({"name": "g", "user_settings": {"quota_size": -7}}), "user_settings.quota_size"),
        (Group, json!({"name": "g", "user_settings": []}), "user_settings"),
        (Role, json!({"name": ""}), "name"),
    ] {
        let refused = house.add(kind, document).await.unwrap_err();
        assert_eq!((refused.kind(), refused.field()), (AdminErrorKind::Invalid, Some(field)), "{refused}");
    }
    house.add(Folder, json!({"name": "team", "mapped_path": "/srv/team"})).await.unwrap();
    for (folder, problem) in [
        (json!({"name": "none", "virtual_path": "/t"}), "no folder named \"none\""),
        (json!({"mapped_path": "/etc", "virtual_path": "/t"}), "no folder named \"/etc\""),
        (json!({"name": "team", "mapped_path": "/etc", "virtual_path": "/t"}), "\"team\" is /srv/team already"),
    ] {
        let refused = house.add(Group, json!({"name": "g", "virtual_folders": [folder]})).await.unwrap_err();
        let found = (refused.kind(), refused.field());
        assert_eq!(found, (AdminErrorKind::Invalid, Some("virtual_folders")));
        assert!(refused.to_string().contains(problem), "{refused}");
    }
    assert_eq!(house.records().await, ["add folder team name: none -> \"team\"; mapped_path: none -> \"/srv/team\""]);
}

#[tokio::test]
async fn groups_follow_the_paths_of_their_folders() {
    let house = house();
    house.add(Folder, json!({"name": "team", "mapped_path": "/srv/team"})).await.unwrap();
    let folder = json!({"name": "team", "mapped_path": "/srv/team/", "virtual_path": "/t"});
    let group = house.add(Group, json!({"name": "g", "virtual_folders": [folder]})).await.unwrap();
    assert_eq!(group.document["virtual_folders"], json!([{"name": "team", "virtual_path": "/t"}]));
    house.update(Folder, "team", fields(json!({"mapped_path": "/srv/moved"}))).await.unwrap();
    house.update(Group, "g", fields(json!({"description": "d"}))).await.unwrap();
}

#[tokio::test]
async fn each_kind_needs_its_permission() {
    let house = house();
    for (kind, allowed) in [
        (Folder, AdminPermission::ManageFolders),
        (Group, AdminPermission::ManageGroups),
        (Role, AdminPermission::ManageRoles),
    ] {
        for permission in AdminPermission::ALL {
            let permissions = Permissions::Only(BTreeSet::from([permission]));
            let actor = Actor { permissions, ..Actor::local("one", Door::Socket) };
            let outcome = house.objects.delete(&actor, kind, "none").await.unwrap_err().kind();
            let expected = if permission == allowed { AdminErrorKind::NotFound } else { AdminErrorKind::Forbidden };
            assert_eq!(outcome, expected, "{kind:?} {permission:?}");
            let is_seen =
                house.objects.show(&actor, kind, "none").await.unwrap_err().kind() == AdminErrorKind::NotFound;
            assert_eq!(is_seen, permission == AdminPermission::ViewUsers, "{kind:?} {permission:?}");
        }
    }
}

#[tokio::test]
async fn a_dump_holds_them_and_loads_whole() {
    // A18-11
    let house = house();
    let dump = |path: &str, sessions: i64| Dump {
        users: vec![map(json!({
            "username": "alice", "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]}, "password": "$1$x$y",
            "virtual_folders": [{"name": "team", "mapped_path": path, "virtual_path": "/t"}],
        }))],
        objects: vec![
            (
                Group,
                map(
                    json!({"name": "g", "user_settings": {"max_sessions": sessions}, "virtual_folders": [{"name": "team", "virtual_path": "/x"}]}),
                ),
            ),
            (Folder, map(json!({"name": "team", "mapped_path": path}))),
            (Role, map(json!({"name": "r"}))),
        ],
        ..Dump::default()
    };
    let load = async |dump: Dump| {
        let (loaded, applied) = house.backups.load(&house.root, dump, false).await.unwrap();
        let outcomes: Vec<_> = loaded.into_iter().map(|loaded| (loaded.name, loaded.outcome)).collect();
        (outcomes, applied)
    };
    let named = |outcome: LoadOutcome, names: [&str; 4]| names.map(|name| (name.to_owned(), outcome.clone())).to_vec();
    let broken = Dump {
        objects: [dump("/srv/a", 1).objects, vec![(Folder, map(json!({"name": "x"})))]].concat(),
        ..dump("/srv/a", 1)
    };
    let (outcomes, applied) = load(broken).await;
    assert!(
        !applied && outcomes.iter().any(|(name, outcome)| name == "x" && matches!(outcome, LoadOutcome::Failed(_)))
    );
    assert!(house.names(Folder).await.is_empty() && house.records().await.is_empty());
    let order = ["team", "g", "r", "alice"];
    assert_eq!(load(dump("/srv/a", 1)).await, (named(LoadOutcome::Added, order), true));
    let (outcomes, _) = load(dump("/srv/a", 1)).await;
    assert_eq!(outcomes[..3], named(LoadOutcome::Unchanged, order)[..3]);
    // The folder moves together with the account that names its path.
    let (outcomes, applied) = load(dump("/srv/b", 2)).await;
    assert_eq!(
        (&outcomes[0].1, &outcomes[1].1),
        (
            &LoadOutcome::Updated(vec!["mapped_path".to_owned()]),
            &LoadOutcome::Updated(vec!["user_settings".to_owned()]),
        )
    );
    assert!(applied, "{outcomes:?}");
    let request = PageRequest { limit: 10, ..PageRequest::default() };
    let dumped = house.backups.dump_objects(&house.root, Folder, request).await.unwrap();
    assert_eq!(dumped[0].document["mapped_path"], json!("/srv/b"));
}

#[tokio::test]
async fn fields_have_the_order_of_their_table() {
    let house = house();
    let page = || PageRequest { limit: 10, ..PageRequest::default() };
    let check = async |kind: ObjectKind, document: Value, expected: &[&str]| {
        let added = house.add(kind, document).await.unwrap().document;
        let name = added["name"].as_str().unwrap();
        let shown = house.objects.show(&house.root, kind, name).await.unwrap().0.document;
        let listed = house.objects.list(&house.root, kind, page()).await.unwrap().remove(0).document;
        let dumped = house.backups.dump_objects(&house.root, kind, page()).await.unwrap().remove(0).document;
        for document in [&added, &shown, &listed, &dumped] {
            assert_eq!(document.keys().collect::<Vec<_>>(), expected, "{kind:?}");
        }
    };
    let usage = ["used_quota_size", "used_quota_files", "last_quota_update"];
    let folder = json!({"filesystem": {"provider": 0}, "mapped_path": "/srv/f", "name": "f", "description": "x"});
    let fields = [&["id", "name", "mapped_path", "description"][..], &usage, &["filesystem"]].concat();
    check(Folder, folder, &fields).await;
    let group = json!({"virtual_folders": [], "user_settings": {}, "description": "x", "name": "g"});
    check(Group, group, &["id", "name", "description", "user_settings", "virtual_folders"]).await;
    check(Role, json!({"description": "x", "name": "r"}), &["id", "name", "description"]).await;
}

#[tokio::test]
async fn a_copy_of_one_account_is_recorded_as_that() {
    // A18-10
    let house = house();
    for name in ["al", "alice", "bob"] {
        house.add_user(name, json!({})).await;
    }
    let mut records = house.records().await;
    for (name, expected) in [("al", &["al"][..]), ("alice", &["alice"]), ("a", &[]), ("zz", &[]), ("", &[])] {
        let page = house.backups.dump_one(&house.root, name).await.unwrap();
        let names: Vec<_> = page.accounts.iter().map(|user| user.username.as_str()).collect();
        assert_eq!((names.as_slice(), page.next), (expected, None), "{name}");
        records.extend(expected.iter().map(|name| format!("dump user {name}")));
        assert_eq!(house.records().await, records, "{name}");
    }
}

fn bucket(secret: Option<&str>) -> Value {
    let mut config = json!({"bucket": "b", "access_key": "k"});
    config.as_object_mut().unwrap().extend(secret.map(|secret| ("access_secret".to_owned(), json!(secret))));
    json!({"provider": 1, "s3config": config})
}

#[tokio::test]
async fn what_show_prints_can_be_stored_again_and_keeps_the_secrets() {
    // A8-15, C5-01
    let house = house();
    let secret_in = |filesystem: &Value| filesystem["s3config"]["access_secret"].as_str().map(str::to_owned);
    let stored = async |kind: ObjectKind, name: &str| {
        house.objects.directory.find(kind.collection(), name).await.unwrap().unwrap().document
    };
    house.add(Folder, json!({"name": "f", "filesystem": bucket(Some("hush"))})).await.unwrap();
    house.add(Group, json!({"name": "g", "user_settings": {"filesystem": bucket(Some("quiet"))}})).await.unwrap();
    for (kind, name) in [(Folder, "f"), (Group, "g")] {
        let (shown, _) = house.objects.show(&house.root, kind, name).await.unwrap();
        assert!(!format!("{shown:?}").contains("hush") && !format!("{shown:?}").contains("quiet"), "{shown:?}");
        let mut document = shown.document;
        document.insert("description".to_owned(), json!("d"));
        let change = DocumentChange::Document { document, revision: shown.revision };
        house.update(kind, name, change).await.unwrap();
    }
    assert_eq!(secret_in(&stored(Folder, "f").await["filesystem"]).as_deref(), Some("hush"));
    assert_eq!(secret_in(&stored(Group, "g").await["user_settings"]["filesystem"]).as_deref(), Some("quiet"));
    // Another bucket with the same keys, and no keys at all.
    house.update(Folder, "f", fields(json!({"filesystem": bucket(None)}))).await.unwrap();
    assert_eq!(secret_in(&stored(Folder, "f").await["filesystem"]).as_deref(), Some("hush"));
    let without = json!({"provider": 1, "s3config": {"bucket": "b", "access_secret": null}});
    house.update(Folder, "f", fields(json!({"filesystem": without}))).await.unwrap();
    assert_eq!(secret_in(&stored(Folder, "f").await["filesystem"]), None);
    // A mark is no secret.
    let marked = house.add(Folder, json!({"name": "h", "filesystem": bucket(Some("[redacted]"))})).await.unwrap_err();
    assert_eq!(marked.field(), Some("filesystem.s3config.access_secret"));
}

#[tokio::test]
async fn accounts_keep_the_secrets_of_their_file_systems_and_folders() {
    // A8-15, C5-01
    let house = house();
    house.add(Folder, json!({"name": "f", "filesystem": bucket(Some("hush"))})).await.unwrap();
    let folders = json!([{"name": "f", "virtual_path": "/f"}]);
    house.add_user("u", json!({"filesystem": bucket(Some("quiet")), "virtual_folders": folders})).await;
    let stored = async || {
        let user = house.users.accounts.find("u").await.unwrap().unwrap();
        let folder = user.folders.iter().next().unwrap().filesystem["s3config"]["access_secret"].clone();
        (user.filesystem["s3config"]["access_secret"].clone(), folder)
    };
    let shown = house.users.show(&house.root, "u").await.unwrap();
    assert!(!format!("{shown:?}").contains("hush") && !format!("{shown:?}").contains("quiet"), "{shown:?}");
    let dumped = |document| Dump { users: vec![document], ..Dump::default() };
    let (loaded, is_stored) = house.backups.load(&house.root, dumped(shown.document.clone()), false).await.unwrap();
    assert!(is_stored && loaded[0].outcome == LoadOutcome::Unchanged, "{loaded:?}");
    let mut document = shown.document;
    document.insert("max_sessions".to_owned(), json!(3));
    let change = DocumentChange::Document { document, revision: shown.revision };
    house.users.update(&house.root, "u", change, None).await.unwrap();
    assert_eq!(stored().await, (json!("quiet"), json!("hush")));
    house.users.update(&house.root, "u", fields(json!({"filesystem": bucket(Some("new"))})), None).await.unwrap();
    assert_eq!(stored().await, (json!("new"), json!("hush")));
    // The account's own document has no copy of the folder's secrets.
    let document = house.objects.directory.find(&crate::ports::USERS, "u").await.unwrap().unwrap().document;
    assert!(!serde_json::to_string(&document["virtual_folders"]).unwrap().contains("hush"), "{document:?}");
}

#[tokio::test]
async fn names_that_cannot_be_seen_are_those_of_stored_objects_only() {
    let house = house();
    let hidden = "a\u{200b}b\u{202e}";
    let account =
        json!({"username": hidden, "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]}, "password": "pw"});
    let objects = [Folder, Group, Role].map(|kind| (kind, json!({"name": hidden, "mapped_path": "/srv/f"})));
    let objects = objects.map(|(kind, mut document)| {
        if kind != Folder {
            document.as_object_mut().unwrap().remove("mapped_path");
        }
        (kind, map(document))
    });
    for (kind, document) in &objects {
        let refused = house.objects.add(&house.root, *kind, document).await.unwrap_err();
        assert_eq!((refused.kind(), refused.field()), (AdminErrorKind::Invalid, Some("name")), "{kind:?}");
    }
    let refused = house.users.add(&house.root, map(account.clone()), None).await.unwrap_err();
    assert_eq!((refused.kind(), refused.field()), (AdminErrorKind::Invalid, Some("username")));
    let folders = json!({"virtual_folders": [{"name": hidden, "virtual_path": "/f", "mapped_path": "/srv/f"}]});
    let mut with_folder = map(account.clone());
    with_folder.extend(map(folders));
    with_folder.insert("username".to_owned(), json!("bob"));
    let refused = house.users.add(&house.root, with_folder, None).await.unwrap_err();
    assert_eq!(refused.field(), Some("virtual_folders"));
    // A dump can say what it likes of its maker: what it has is new here, if it is not stored already.
    for (restores, keeps_names) in [(false, false), (true, false), (true, true), (true, false), (false, false)] {
        let stored_before = house.users.show(&house.root, hidden).await.is_ok();
        let users = vec![map(account.clone())];
        let dump = Dump { users, objects: objects.to_vec(), restores, keeps_names, ..Dump::default() };
        let (loaded, is_stored) = house.backups.load(&house.root, dump, false).await.unwrap();
        assert_eq!(is_stored, keeps_names || stored_before, "{restores} {keeps_names} {loaded:?}");
    }
    // A group that is not there gives nothing, and its name is a new one.
    let mut member = map(account.clone());
    member.insert("username".to_owned(), json!("carol"));
    member.insert("groups".to_owned(), json!([{"name": "a\u{202e}\u{200b}\nb", "type": 3}]));
    let refused = house.users.add(&house.root, member.clone(), None).await.unwrap_err();
    assert_eq!(refused.field(), Some("groups"));
    for name in [hidden, "nowhere"] {
        member.insert("groups".to_owned(), json!([{"name": name, "type": 3}]));
        member.insert("username".to_owned(), json!(format!("of {}", name.len())));
        house.users.add(&house.root, member.clone(), None).await.unwrap();
        house.users.delete(&house.root, &format!("of {}", name.len())).await.unwrap();
    }
    for (kind, _) in objects {
        house.update(kind, hidden, fields(json!({"description": "x"}))).await.unwrap();
        house.objects.delete(&house.root, kind, hidden).await.unwrap();
    }
    let change = fields(json!({"description": "x"}));
    house.users.update(&house.root, hidden, change, None).await.unwrap();
    house.users.delete(&house.root, hidden).await.unwrap();
}
