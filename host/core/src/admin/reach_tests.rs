//! How far changes of administrators reach, on a store in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::user_tests::{PaperPasswords, map};
use super::*;
use crate::account::{Dump, HomeCheck, HomeRule, ObjectKind};
use crate::memory::MemoryStore;
use crate::ports::{Author, Door, HostPaths, SystemClock};

struct NoLinks;

#[async_trait]
impl HostPaths for NoLinks {
    async fn resolve(&self, paths: Vec<String>) -> Vec<Result<String, String>> {
        paths.into_iter().map(Ok).collect()
    }
}

struct House {
    users: Arc<UserAdministration>,
    objects: ObjectAdministration,
    backups: BackupAdministration,
}

async fn house() -> House {
    let store = Arc::new(MemoryStore::default());
    let rule = HomeRule { roots: vec!["/srv/files".into()], own: vec!["/srv/state".into(), "/opt/private".into()] };
    let homes = HomeCheck::new(rule, Arc::new(NoLinks));
    let accounts = Arc::new(Accounts::new(store.clone(), Arc::new(PaperPasswords), None).with_homes(homes));
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    let users = Arc::new(UserAdministration { accounts: accounts.clone(), audit: audit.clone() });
    let backups = BackupAdministration {
        users: users.clone(),
        directory: store.clone(),
        usages: store.clone(),
        room: BackupRoom::default(),
        spools: Arc::new(crate::ports::SpoolsInMemory),
        audit: audit.clone(),
    };
    let house = House { users, objects: ObjectAdministration { directory: store, accounts, audit }, backups };
    let root = Actor::local("root", Door::Socket);
    let add = async |kind, document| house.objects.add(&root, kind, &map(document)).await.unwrap();
    add(ObjectKind::Folder, json!({"name": "shared", "mapped_path": "/srv/files/shared"})).await;
    add(ObjectKind::Group, json!({"name": "admins"})).await;
    add(ObjectKind::Role, json!({"name": "sales"})).await;
    for (name, role) in [("bob", ""), ("own", "sales")] {
        let document = user(name, json!({"home_dir": format!("/srv/files/{name}"), "role": role}));
        house.users.add(&root, document, None).await.unwrap();
    }
    house
}

fn user(name: &str, more: Value) -> serde_json::Map<String, Value> {
    let mut document = map(json!({
        "username": name, "status": 1, "home_dir": "/srv/files/new", "permissions": {"/": ["*"]}, "password": "pw",
    }));
    document.extend(map(more));
    document
}

fn administrator(role: Option<&str>, permissions: &[AdminPermission]) -> Actor {
    let permissions = Permissions::Only(permissions.iter().copied().collect::<BTreeSet<_>>());
    let identity = Identity::Administrator { admin: ("a".into(), 1), credential: String::new(), by_token: true };
    Actor { author: Author::new("a", Door::Rest), permissions, role: role.map(str::to_owned), identity }
}

#[tokio::test]
async fn accounts_reach_as_far_as_their_administrators() {
    use AdminPermission::{AddUsers, EditUsers, ManageFolders, ManageSystem};
    let s3 = |key: &str, secret: &str| json!({"provider": 1, "s3config": {"bucket": "b", "access_key": key, "access_secret": secret}});
    let folder = |name: &str, path: &str| json!([{"name": name, "virtual_path": "/x", "mapped_path": path}]);
    // Whether an administrator may do that: one with the role; one without; and one that may manage folders and the system.
    let check = async |more: Value, expected: [bool; 3]| {
        let actors = [
            administrator(Some("sales"), &[AddUsers, EditUsers, ManageFolders, ManageSystem]),
            administrator(None, &[AddUsers, EditUsers]),
            administrator(None, &[AddUsers, EditUsers, ManageFolders, ManageSystem]),
        ];
        for (actor, expected) in actors.into_iter().zip(expected) {
            let house = house().await;
            let added = house.users.add(&actor, user("new", more.clone()), None).await;
            assert_eq!(added.is_ok(), expected, "added by {:?}: {more} {added:?}", actor.role);
            let patches = vec![map(more.clone())];
            let change = DocumentChange::Fields { patches, replaced: Vec::new() };
            let changed = house.users.update(&actor, "own", change, None).await;
            assert_eq!(changed.is_ok(), expected, "changed by {:?}: {more} {changed:?}", actor.role);
            let mut whole = user("own", json!({"home_dir": "/srv/files/own"}));
            whole.extend(map(more.clone()));
            let edit = UserEdit::Replace(whole);
            let edited = house.users.edit(&actor, "own", &edit, ExpectedUser::Any).await;
            assert_eq!(edited.is_ok(), expected, "replaced by {:?}: {more} {edited:?}", actor.role);
            if !expected {
                let kinds = [added.unwrap_err(), changed.unwrap_err(), edited.unwrap_err()].map(|error| error.kind());
                assert!(kinds.iter().all(|kind| *kind == AdminErrorKind::Forbidden), "{kinds:?}");
            }
        }
    };
    check(json!({"description": "x"}), [true; 3]).await;
    check(json!({"groups": [{"name": "admins", "type": 1}]}), [false, true, true]).await;
    check(json!({"virtual_folders": [{"name": "shared", "virtual_path": "/x"}]}), [false, true, true]).await;
    check(json!({"virtual_folders": folder("made", "/srv/files/made")}), [false, false, true]).await;
    check(json!({"virtual_folders": folder("made", "/srv/state/plugins")}), [false, false, false]).await;
    check(json!({"filesystem": s3("k", "s")}), [false, true, true]).await;
    check(json!({"filesystem": s3("k", "${secret:operator}")}), [false, false, true]).await;
    check(json!({"filesystem": s3("", "")}), [false, false, true]).await;
    check(json!({"home_dir": "/home/elsewhere"}), [false, true, true]).await;
    check(json!({"home_dir": "/srv/files/bob/inside"}), [false, true, true]).await;
    for own in ["/srv/state", "/srv/state/plugins", "/srv"] {
        check(json!({"home_dir": own}), [false; 3]).await;
    }
    for system in
        ["/etc", "/root/.ssh", "/proc", "/sys", "/dev/shm", "/boot", "/usr/bin", "/lib64", "/run", "/var/spool"]
    {
        check(json!({"home_dir": system}), [false, false, true]).await;
        check(json!({"virtual_folders": folder("made", system)}), [false, false, true]).await;
    }
}

#[tokio::test]
async fn names_in_the_paths_of_groups_reach_no_further() {
    use AdminPermission::{AddUsers, EditUsers, ManageFolders, ManageGroups};
    let root = Actor::local("root", Door::Socket);
    let most = administrator(None, &AdminPermission::ALL);
    let few = administrator(None, &[AddUsers, EditUsers, ManageFolders, ManageGroups]);
    let group = |settings: Value| map(json!({"name": "g", "user_settings": settings, "virtual_folders": []}));
    let folder = map(json!({"name": "each", "mapped_path": "/opt/%username%/x"}));
    let mounts = json!([{"name": "each", "virtual_path": "/x"}]);
    let member = |name: &str, kind: i64| user(name, json!({"groups": [{"name": "g", "type": kind}]}));
    // The group's home, the account and its kind of membership; and whether all, most and few may have them together.
    let check = async |home: &str, name: &str, kind: i64, expected: [bool; 3]| {
        for (actor, expected) in [&root, &most, &few].into_iter().zip(expected) {
            let what = format!("{name} of kind {kind} in {home} by {}", actor.author.name);
            // The account comes to the group of the owner, new and by a change.
            let house = house().await;
            house.objects.add(&root, ObjectKind::Folder, &folder).await.unwrap();
            let mut document = group(json!({"home_dir": home}));
            document.insert("virtual_folders".to_owned(), mounts.clone());
            house.objects.add(&root, ObjectKind::Group, &document).await.unwrap();
            let added = house.users.add(actor, member(name, kind), None).await;
            assert_eq!(added.is_ok(), expected, "added: {what}: {added:?}");
            if !expected {
                house.users.add(&root, user(name, json!({})), None).await.unwrap();
                let change = DocumentChange::Fields { patches: vec![member(name, kind)], replaced: Vec::new() };
                let changed = house.users.update(actor, name, change, None).await;
                assert!(changed.is_err_and(|error| error.kind() == AdminErrorKind::Forbidden), "changed: {what}");
            }
            // The group comes to the account.
            let house = self::house().await;
            house.objects.add(&root, ObjectKind::Folder, &folder).await.unwrap();
            house.objects.add(&root, ObjectKind::Group, &group(json!({}))).await.unwrap();
            house.users.add(&root, member(name, kind), None).await.unwrap();
            let change = DocumentChange::Fields { patches: vec![document], replaced: Vec::new() };
            let updated = house.objects.update(actor, ObjectKind::Group, "g", &change).await;
            assert_eq!(updated.is_ok(), expected, "updated: {what}: {updated:?}");
            // What is there stays when something else is changed.
            if expected {
                let patches = vec![map(json!({"description": "x"}))];
                let change = DocumentChange::Fields { patches, replaced: Vec::new() };
                house.users.update(actor, name, change, None).await.unwrap();
            }
        }
    };
    check("/srv/%username%", "alice", 1, [true; 3]).await;
    check("/srv/%username%", "state", 1, [true, false, false]).await;
    check("/srv/%username%/plugins", "state", 1, [true, false, false]).await;
    // A secondary group gives no home, and what is only a member takes nothing.
    check("/srv/%username%", "state", 2, [true; 3]).await;
    check("/%username%", "etc", 1, [true, true, false]).await;
    check("/%username%", "srv", 1, [true, false, false]).await;
    check("/srv/files/%username%", "private", 1, [true, false, false]).await;
    check("/srv/files/%username%", "private", 2, [true, false, false]).await;
    check("/srv/files/%username%", "private", 3, [true; 3]).await;
}

/// Objects, and accounts, of a store or of a dump.
type Documents = (Vec<(ObjectKind, Value)>, Vec<serde_json::Map<String, Value>>);

#[tokio::test]
async fn loads_reach_no_further_than_what_they_make_of_all_accounts() {
    use ObjectKind::{Folder, Group, Role};
    let root = Actor::local("root", Door::Socket);
    let most = administrator(None, &AdminPermission::ALL);
    let home = |home: &str| (Group, json!({"name": "g", "user_settings": {"home_dir": home}}));
    let each = |path: &str| (Folder, json!({"name": "each", "mapped_path": path}));
    let mounts = || (Group, json!({"name": "g", "virtual_folders": [{"name": "each", "virtual_path": "/x"}]}));
    let member = |name: &str, kind: i64| user(name, json!({"groups": [{"name": "g", "type": kind}]}));
    let of_role = || user("new", json!({"groups": [{"name": "g", "type": 1}], "role": "state"}));
    let role = || (Role, json!({"name": "state"}));
    let named = "/srv/%username%";
    let none = || -> Documents { (Vec::new(), Vec::new()) };
    // What the owner has stored before, what is loaded, and whether an administrator may load it.
    let cases: Vec<(Documents, Documents, bool)> = vec![
        (none(), (vec![home(named)], vec![member("alice", 1)]), true),
        (none(), (vec![home(named)], vec![member("state", 1)]), false),
        (none(), (vec![home(named)], vec![member("alice", 1), member("state", 1)]), false),
        (none(), (vec![home("/srv/%username%/plugins")], vec![member("state", 1)]), false),
        (none(), (vec![home(named)], vec![member("state", 2), member("other", 3)]), true),
        (none(), (vec![home("/srv/%role%"), role()], vec![of_role()]), false),
        (none(), (vec![home("/srv/files/%role%"), role()], vec![of_role()]), true),
        (none(), (vec![each("/opt/%username%/x"), mounts()], vec![member("private", 2)]), false),
        (none(), (vec![each("/opt/%username%/x"), mounts()], vec![member("alice", 2)]), true),
        // Either of them is there already, or both are and the folder changes.
        ((vec![home(named)], vec![]), (vec![], vec![member("state", 1)]), false),
        ((vec![home("/srv/files/%username%")], vec![member("state", 1)]), (vec![home(named)], vec![]), false),
        ((vec![home("/srv/files/%username%")], vec![member("alice", 1)]), (vec![home(named)], vec![]), true),
        (
            (vec![each("/srv/files/each"), mounts()], vec![member("private", 2)]),
            (vec![each("/opt/%username%/x")], vec![]),
            false,
        ),
        // What the owner has stored may be loaded again.
        ((vec![home(named)], vec![member("state", 1)]), (vec![home(named)], vec![member("state", 1)]), true),
        // The names of fields are read in any case.
        (none(), (vec![(Folder, json!({"NAME": "f", "Mapped_Path": "/srv/state"}))], vec![]), false),
        (none(), (vec![(Group, json!({"name": "g", "USER_SETTINGS": {"Home_Dir": "/srv/state"}}))], vec![]), false),
    ];
    let dump = |(objects, users): &Documents| {
        Dump::new(users.clone(), objects.iter().map(|(kind, document)| (*kind, vec![map(document.clone())])))
    };
    for (before, loaded, expected) in cases {
        for (actor, expected) in [(&root, true), (&most, expected)] {
            for is_trial in [true, false] {
                let house = house().await;
                let stored = house.backups.load(&root, dump(&before), false).await;
                assert!(stored.is_ok_and(|(_, is_stored)| is_stored), "{before:?}");
                let outcome = house.backups.load(actor, dump(&loaded), is_trial).await;
                let about = format!("{loaded:?} over {before:?} by {}: {outcome:?}", actor.author.name);
                match outcome {
                    Ok((_, is_stored)) => assert!(expected && is_stored != is_trial, "{about}"),
                    Err(error) => assert!(!expected && error.kind() == AdminErrorKind::Forbidden, "{about}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_folder_reaches_no_further_than_the_accounts_of_its_groups() {
    let root = Actor::local("root", Door::Socket);
    let most = administrator(None, &AdminPermission::ALL);
    for (actor, name, kind, expected) in [
        (&root, "private", 2, true),
        (&most, "alice", 2, true),
        (&most, "private", 1, false),
        (&most, "private", 2, false),
        (&most, "private", 3, true),
    ] {
        let house = house().await;
        let folder = map(json!({"name": "each", "mapped_path": "/srv/files/each"}));
        house.objects.add(&root, ObjectKind::Folder, &folder).await.unwrap();
        let group = json!({"name": "g", "virtual_folders": [{"name": "each", "virtual_path": "/x"}]});
        house.objects.add(&root, ObjectKind::Group, &map(group)).await.unwrap();
        let member = user(name, json!({"groups": [{"name": "g", "type": kind}]}));
        house.users.add(&root, member, None).await.unwrap();
        let patches = vec![map(json!({"mapped_path": "/opt/%username%/x"}))];
        let change = DocumentChange::Fields { patches, replaced: Vec::new() };
        let updated = house.objects.update(actor, ObjectKind::Folder, "each", &change).await;
        assert_eq!(updated.is_ok(), expected, "{name} of kind {kind}: {updated:?}");
    }
}

#[tokio::test]
async fn paths_that_are_none_are_wrong_values_and_not_out_of_reach() {
    use AdminPermission::{AddUsers, ManageFolders};
    let folder = json!([{"name": "made", "virtual_path": "/x", "mapped_path": "srv/made"}]);
    for (more, field) in
        [(json!({"home_dir": "files/new"}), "home_dir"), (json!({ "virtual_folders": folder }), "virtual_folders")]
    {
        for role in [Some("sales"), None] {
            // One with a role adds no folders at all.
            if role.is_some() && field == "virtual_folders" {
                continue;
            }
            let actor = administrator(role, &[AddUsers, ManageFolders]);
            let refused = house().await.users.add(&actor, user("new", more.clone()), None).await.unwrap_err();
            assert_eq!(refused.kind(), AdminErrorKind::Invalid, "{more} {refused}");
            assert!(refused.field().unwrap().starts_with(field), "{refused}");
        }
    }
}

#[tokio::test]
async fn what_an_account_has_stays_and_can_be_taken_away() {
    let house = house().await;
    let root = Actor::local("root", Door::Socket);
    let more = json!({
        "role": "sales", "home_dir": "/srv/state/of-root", "groups": [{"name": "admins", "type": 2}],
        "virtual_folders": [{"name": "shared", "virtual_path": "/x"}],
    });
    house.users.add(&root, user("kept", more), None).await.unwrap();
    let actor = administrator(Some("sales"), &[AdminPermission::EditUsers, AdminPermission::ViewUsers]);
    let shown = house.users.show(&actor, "kept").await.unwrap();
    house.users.edit(&actor, "kept", &UserEdit::Replace(shown.document.clone()), ExpectedUser::Any).await.unwrap();
    let mut less = shown.document;
    less.remove("groups");
    less.remove("virtual_folders");
    house.users.edit(&actor, "kept", &UserEdit::Replace(less), ExpectedUser::Any).await.unwrap();
}

#[tokio::test]
async fn only_the_owner_places_files_in_directories_of_the_server() {
    use AdminPermission::{ManageFolders, ManageGroups, ManageSystem};
    let root = Actor::local("root", Door::Socket);
    let most = administrator(None, &AdminPermission::ALL);
    let few = administrator(None, &[ManageFolders, ManageGroups]);
    let s3 = json!({"provider": 1, "s3config": {"bucket": "b"}});
    let check = async |kind: ObjectKind, document: Value, expected: [bool; 3]| {
        for (actor, expected) in [&root, &most, &few].into_iter().zip(expected) {
            let house = house().await;
            let added = house.objects.add(actor, kind, &map(document.clone())).await;
            assert_eq!(added.is_ok(), expected, "{} {document}: {added:?}", actor.author.name);
            let dump = Dump::new(Vec::new(), [(kind, vec![map(document.clone())])]);
            if actor.permissions.have(ManageSystem) {
                let loaded = house.backups.load(actor, dump, false).await;
                assert_eq!(loaded.is_ok_and(|(_, stored)| stored), expected, "{} {document}", actor.author.name);
            }
        }
    };
    check(ObjectKind::Folder, json!({"name": "f", "mapped_path": "/srv/files/f"}), [true; 3]).await;
    check(ObjectKind::Folder, json!({"name": "f", "mapped_path": "/srv/state"}), [true, false, false]).await;
    check(ObjectKind::Folder, json!({"name": "f", "filesystem": s3}), [true, true, false]).await;
    let group = |settings: Value| json!({"name": "g", "user_settings": settings});
    check(ObjectKind::Group, group(json!({"home_dir": "/srv/files/%username%"})), [true; 3]).await;
    check(ObjectKind::Group, group(json!({"home_dir": "/srv/state/%username%"})), [true, false, false]).await;
    check(ObjectKind::Group, group(json!({"filesystem": s3})), [true, true, false]).await;
}
