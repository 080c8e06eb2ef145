//! Use cases about accounts, on a store in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::*;
use crate::account::{Dump, LoadOutcome, Loaded, OffsetPage};
use crate::memory::MemoryStore;
use crate::memory::outage::Outage;
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{
    AccountFilter, AuditQuery, Change, Directory, Door, FOLDERS, PageRequest, Passwords, ROLES, SystemClock, USERS,
    Write,
};
use crate::secret::Secret;
use crate::turns::Waiter;

/// Makes hashes that show the password.
pub(super) struct PaperPasswords;

#[async_trait]
impl Passwords for PaperPasswords {
    async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }

    async fn hash(&self, _: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        PasswordHash::recognise(&format!("$1$salt${}", clear.expose())).ok_or(PasswordError::PoolClosed)
    }
}

struct House {
    store: Arc<MemoryStore>,
    users: Arc<UserAdministration>,
    backups: BackupAdministration,
    audit: Audit,
    root: Actor,
}

fn house() -> House {
    let store = Arc::new(MemoryStore::default());
    let accounts = Accounts::new(store.clone(), Arc::new(PaperPasswords), None);
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    let users = Arc::new(UserAdministration { accounts: Arc::new(accounts), audit: audit.clone() });
    let backups = BackupAdministration {
        users: users.clone(),
        directory: store.clone(),
        usages: store.clone(),
        room: BackupRoom::default(),
        spools: Arc::new(crate::ports::SpoolsInMemory),
        audit: audit.clone(),
    };
    House { store, users, backups, audit, root: Actor::local("root", Door::Socket) }
}

pub(super) fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn document(username: &str, more: Value) -> Map<String, Value> {
    let mut document = map(json!({
        "username": username, "status": 1, "home_dir": "/srv/u", "permissions": { "/": ["*"] }, "password": "pw",
    }));
    document.extend(map(more));
    document
}

impl House {
    async fn add_role(&self, name: &str) {
        let write = Write::Add(Map::new());
        let change = Change { collection: &ROLES, name: name.to_owned(), write, announce: false, audit: None };
        self.store.commit(vec![change]).await.unwrap();
    }

    async fn add(&self, username: &str) -> ShownUser {
        self.users.add(&self.root, document(username, json!({})), None).await.unwrap()
    }

    async fn change(&self, patch: Value) -> Result<ShownUser, AdminErrorKind> {
        let change = DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() };
        self.users.update(&self.root, "alice", change, None).await.map_err(|error| error.kind())
    }

    async fn replace(&self, revision: i64, more: Value) -> Result<ShownUser, AdminErrorKind> {
        let change = DocumentChange::Document { document: document("alice", more), revision };
        self.users.update(&self.root, "alice", change, None).await.map_err(|error| error.kind())
    }

    async fn shown(&self, username: &str) -> Map<String, Value> {
        self.users.show(&self.root, username).await.unwrap().document
    }

    async fn names(&self) -> Vec<String> {
        let page = self
            .users
            .list(&self.root, &AccountFilter::default(), PageRequest { limit: 100, ..PageRequest::default() })
            .await
            .unwrap();
        page.accounts.iter().map(|user| user.username.clone()).collect()
    }

    /// `author door action name detail` of each record, the oldest first, but for what was added and deleted.
    async fn records(&self) -> Vec<String> {
        let query = AuditQuery { kinds: vec!["user".to_owned()], limit: 100, ..AuditQuery::default() };
        let mut records = self.audit.list(&self.root, query).await.unwrap();
        records.reverse();
        let line = |stored: crate::ports::StoredAudit| {
            let record = stored.record;
            let author = (record.author.name, record.author.door.as_str());
            let is_whole = matches!(record.action.as_str(), "add" | "delete");
            let detail = if is_whole { "" } else { record.detail.as_str() };
            format!("{} {} {} {} {detail}", author.0, author.1, record.action, record.name).trim_end().to_owned()
        };
        records.into_iter().map(line).collect()
    }

    async fn load(&self, documents: Vec<Map<String, Value>>, is_trial: bool) -> (Vec<String>, bool) {
        let (loaded, applied) =
            self.backups.load(&self.root, Dump { users: documents, ..Dump::default() }, is_trial).await.unwrap();
        let line = |Loaded { name: username, outcome, .. }: Loaded| match outcome {
            LoadOutcome::Added => format!("{username} added"),
            LoadOutcome::Updated(changed) => format!("{username} updated {}", changed.join(",")),
            LoadOutcome::Unchanged => format!("{username} unchanged"),
            LoadOutcome::Failed(problem) => format!("{username} failed: {problem}"),
        };
        (loaded.into_iter().map(line).collect(), applied)
    }

    /// Stores an account that no validation would accept.
    async fn damage(&self, username: &str) {
        let write = Write::Add(map(json!({ "home_dir": "relative", "status": 1 })));
        let name = username.to_owned();
        let change = Change { collection: &USERS, name, write, announce: false, audit: None };
        self.store.commit(vec![change]).await.unwrap();
    }
}

#[tokio::test]
async fn each_change_has_one_record_with_its_author() {
    let house = house();
    let added = house.add("alice").await;
    assert!(!format!("{added:?}").contains("$1$"), "{added:?}");
    house.change(json!({ "max_sessions": 3, "quota_size": 5 })).await.unwrap();
    house.users.delete(&house.root, "alice").await.unwrap();
    assert_eq!(
        house.records().await,
        [
            "root socket add alice",
            "root socket update alice max_sessions: 0 -> 3; quota_size: 0 -> 5",
            "root socket delete alice"
        ]
    );
    for kind in [
        house.change(json!({ "uid": 1 })).await.unwrap_err(),
        house.users.show(&house.root, "alice").await.unwrap_err().kind(),
        house.users.delete(&house.root, "alice").await.unwrap_err().kind(),
    ] {
        assert_eq!(kind, AdminErrorKind::NotFound);
    }
    assert_eq!(house.records().await.len(), 3);
}

#[tokio::test]
async fn a_change_reads_the_account_once() {
    let house = house();
    house.add("alice").await;
    let outage = Outage::of(house.store.clone());
    let accounts = Arc::new(Accounts::new(outage.clone(), Arc::new(PaperPasswords), None));
    let users = UserAdministration { accounts, audit: house.audit.clone() };
    let change = DocumentChange::Fields { patches: vec![map(json!({ "quota_size": 5 }))], replaced: Vec::new() };
    users.update(&house.root, "alice", change, None).await.unwrap();
    assert_eq!(outage.finds.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn of_two_changes_none_is_lost_in_silence() {
    // A9-06
    let house = house();
    let first = house.add("alice").await.revision;
    let second = house.replace(first, json!({ "max_sessions": 1 })).await.unwrap().revision;
    assert_ne!(first, second);
    // A whole document that was made from an outdated revision is refused.
    assert_eq!(house.replace(first, json!({ "max_sessions": 2 })).await.unwrap_err(), AdminErrorKind::Conflict);
    // Single fields are changed in the stored account.
    house.change(json!({ "quota_files": 7 })).await.unwrap();
    let shown = house.shown("alice").await;
    assert_eq!((&shown["max_sessions"], &shown["quota_files"]), (&json!(1), &json!(7)));
    assert_eq!(house.replace(second, json!({})).await.unwrap_err(), AdminErrorKind::Conflict);
}

#[tokio::test]
async fn changes_say_what_they_replace() {
    // A9-06: and the name stays.
    let house = house();
    house.add("alice").await;
    house.change(json!({ "permissions": { "/in": ["upload"] } })).await.unwrap();
    assert_eq!(house.shown("alice").await["permissions"], json!({ "/": ["*"], "/in": ["upload"] }));
    let patches = vec![map(json!({ "permissions": { "/": ["list"] } })), map(json!({ "uid": 7 }))];
    let change = DocumentChange::Fields { patches, replaced: vec!["permissions".to_owned()] };
    house.users.update(&house.root, "alice", change, None).await.unwrap();
    assert_eq!(house.shown("alice").await["permissions"], json!({ "/": ["list"] }));
    assert_eq!(house.change(json!({ "username": "bob" })).await.unwrap_err(), AdminErrorKind::Refused);
    assert_eq!(house.change(json!({ "uid": "7" })).await.unwrap_err(), AdminErrorKind::Invalid);
    assert_eq!(house.change(json!({ "home_dir": "relative" })).await.unwrap_err(), AdminErrorKind::Invalid);
}

#[tokio::test]
async fn an_account_that_is_not_valid_is_in_the_way_of_no_other() {
    // A9-06
    let house = house();
    house.add("alice").await;
    house.damage("broken").await;
    house.add("carol").await;
    assert_eq!(house.names().await, ["alice", "carol"]);
    let dumped = house.backups.dump(&house.root, None, 100).await.unwrap();
    assert_eq!((dumped.accounts.len(), dumped.invalid.len()), (2, 1));
    let shown = house.users.show(&house.root, "broken").await.unwrap();
    assert!(shown.problem.unwrap().contains("home_dir"), "{:?}", shown.document);
    let change = |patch: Value| DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() };
    let still = house.users.update(&house.root, "broken", change(json!({ "uid": 1 })), None).await;
    assert_eq!(still.unwrap_err().kind(), AdminErrorKind::Invalid);
    let mended = change(json!({ "home_dir": "/srv/b", "permissions": { "/": ["*"] } }));
    house.users.update(&house.root, "broken", mended, None).await.unwrap();
    assert_eq!(house.names().await, ["alice", "broken", "carol"]);
    house.damage("other").await;
    house.users.delete(&house.root, "other").await.unwrap();
}

#[tokio::test]
async fn what_the_actor_may_not_do_is_not_done() {
    let house = house();
    house.add("alice").await;
    let viewer = Permissions::Only(BTreeSet::from([AdminPermission::ViewUsers]));
    let viewer = Actor { permissions: viewer, ..Actor::local("viewer", Door::Socket) };
    assert!(house.users.show(&viewer, "alice").await.is_ok());
    let fields = DocumentChange::Fields { patches: vec![map(json!({ "uid": 7 }))], replaced: Vec::new() };
    for error in [
        house.users.add(&viewer, document("bob", json!({})), None).await.unwrap_err(),
        house.users.update(&viewer, "alice", fields, None).await.unwrap_err(),
        house.users.delete(&viewer, "alice").await.unwrap_err(),
        house.backups.dump(&viewer, None, 1).await.unwrap_err(),
        house.backups.load(&viewer, Dump::default(), true).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), AdminErrorKind::Forbidden, "{error}");
    }
    // Each refusal is recorded.
    assert_eq!((house.names().await, house.records().await.len()), (vec!["alice".to_owned()], 4));
    let all = house.audit.list(&house.root, AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(all.len(), 6);
}

#[tokio::test]
async fn a_load_is_all_or_nothing() {
    // A18-11
    let house = house();
    house.add("alice").await;
    let dump = || vec![document("alice", json!({ "uid": 7 })), document("bob", json!({}))];
    let (lines, applied) = house.load(dump(), true).await;
    assert_eq!((lines, applied), (vec!["alice updated password,uid".to_owned(), "bob added".to_owned()], false));
    let broken = [dump(), vec![document("carol", json!({ "home_dir": "relative" })), document("bob", json!({}))]];
    let (lines, applied) = house.load(broken.concat(), false).await;
    assert!(!applied && lines[2].contains("home_dir") && lines[3].contains("twice"), "{lines:?}");
    let (lines, applied) =
        house.load(vec![document("dora", json!({ "uid": "x" })), document("", json!({}))], false).await;
    assert!(!applied && lines[0].contains("\"uid\"") && lines[1].starts_with("users.1 failed"), "{lines:?}");
    assert_eq!((house.names().await, house.records().await.len()), (vec!["alice".to_owned()], 1));
    let (_, applied) = house.load(dump(), false).await;
    assert!(applied);
    assert_eq!(house.names().await, ["alice", "bob"]);
    assert_eq!(
        house.records().await[1..],
        ["root socket update alice uid: 0 -> 7", "root socket add bob", "root socket load  2 documents"]
    );
    // Loading a dump changes nothing, which needs no record.
    let dumped = house.backups.dump(&house.root, None, 100).await.unwrap();
    let recorded = house.records().await;
    let documents = dumped.accounts.iter().map(|user| user.to_document(crate::account::Audience::Trusted));
    let (lines, applied) = house.load(documents.collect(), false).await;
    assert_eq!((lines, applied), (vec!["alice unchanged".to_owned(), "bob unchanged".to_owned()], true));
    assert_eq!(house.load(Vec::new(), false).await, (Vec::new(), true));
    assert_eq!(house.records().await, recorded);
}

#[tokio::test]
async fn accounts_of_a_load_may_share_a_new_folder() {
    // C5-02
    let house = house();
    let mounting = |username: &str, path: &str| {
        document(
            username,
            json!({ "virtual_folders": [{ "name": "team", "mapped_path": path, "virtual_path": "/t" }] }),
        )
    };
    let (lines, applied) = house.load(vec![mounting("alice", "/srv/a"), mounting("bob", "/srv/b")], false).await;
    assert!(!applied && lines[1].contains("\"team\" is /srv/a already"), "{lines:?}");
    let (_, applied) = house.load(vec![mounting("alice", "/srv/a"), mounting("bob", "/srv/a")], false).await;
    let stored = house.store.find(&FOLDERS, "team").await.unwrap().unwrap();
    assert_eq!((applied, &stored.document["mapped_path"]), (true, &json!("/srv/a")));
}

#[tokio::test]
async fn groups_and_roles_that_are_not_there_are_refused() {
    // B9-04
    let house = house();
    house.add("alice").await;
    let groups = |kind: i64| json!({"groups": [{"name": "nopww", "type": kind}]});
    for more in [groups(1), groups(2), json!({"role": "nobody"})] {
        let added = house.users.add(&house.root, document("bob", more.clone()), None).await.unwrap_err();
        assert!(added.to_string().contains("there is no "), "{added}");
        assert_eq!(added.field(), more.as_object().unwrap().keys().next().map(String::as_str));
        assert_eq!(house.change(more.clone()).await.map(drop), Err(AdminErrorKind::Invalid), "{more}");
        let (loaded, applied) = house.load(vec![document("carol", more)], false).await;
        assert!(!applied && loaded[0].contains("there is no "), "{loaded:?}");
    }
    // A name for the selectors of hooks.
    house.change(groups(3)).await.unwrap();
    // What an old row has can be taken away, or left as it is.
    let row = document("old", groups(1));
    let change =
        Change { collection: &USERS, name: "old".into(), write: Write::Add(row), announce: false, audit: None };
    house.store.commit(vec![change]).await.unwrap();
    let change = DocumentChange::Fields { patches: vec![map(json!({"status": 0}))], replaced: Vec::new() };
    house.users.update(&house.root, "old", change, None).await.unwrap();
}

#[tokio::test]
async fn a_role_is_not_crossed() {
    let house = house();
    for name in ["sales", "boss"] {
        house.add_role(name).await;
    }
    let role = |name: &str| Actor { role: Some(name.to_owned()), ..Actor::local(name, Door::Rest) };
    let sales = role("sales");
    let add = async |username: &str, more: Value| {
        house.users.add(&sales, document(username, more), None).await.map_err(|error| error.kind())
    };
    assert_eq!(add("own", json!({})).await.unwrap().document["role"], "sales");
    assert_eq!(add("other", json!({"role": "boss"})).await.map(drop), Err(AdminErrorKind::Forbidden));
    house.add("free").await;
    house.users.add(&house.root, document("theirs", json!({"role": "boss"})), None).await.unwrap();
    let page = house
        .users
        .list(&sales, &AccountFilter::default(), PageRequest { limit: 100, ..PageRequest::default() })
        .await
        .unwrap();
    assert_eq!(page.accounts.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), ["own"]);
    let fields = |patch: Value| DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() };
    for name in ["free", "theirs"] {
        for outcome in [
            house.users.show(&sales, name).await.map(drop),
            house.users.update(&sales, name, fields(json!({"uid": 7})), None).await.map(drop),
            house.users.delete(&sales, name).await,
        ] {
            // As if there were no such account.
            assert_eq!(outcome.unwrap_err().kind(), AdminErrorKind::NotFound, "{name}");
        }
    }
    for patch in [json!({"role": "boss"}), json!({"role": ""})] {
        let outcome = house.users.update(&sales, "own", fields(patch.clone()), None).await;
        assert_eq!(outcome.unwrap_err().kind(), AdminErrorKind::Forbidden, "{patch}");
    }
    house.users.update(&sales, "own", fields(json!({"uid": 7})), None).await.unwrap();
    assert!(house.users.show(&role("boss"), "own").await.is_err());
    house.users.delete(&sales, "own").await.unwrap();
    assert_eq!(house.names().await, ["free", "theirs"]);
}

#[tokio::test]
async fn pages_of_a_role_name_no_other_accounts() {
    let house = house();
    house.add_role("sales").await;
    let sales = Actor { role: Some("sales".to_owned()), ..Actor::local("sales", Door::Rest) };
    for name in ["b", "d", "f"] {
        house.users.add(&sales, document(name, json!({})), None).await.unwrap();
    }
    for name in ["a", "c", "e", "g"] {
        house.add(name).await;
    }
    let check = async |after: Option<&str>, limit: u32, expected: &[&str], next: Option<&str>| {
        let request = PageRequest { after: after.map(str::to_owned), limit, ..PageRequest::default() };
        let page = house.users.list(&sales, &AccountFilter::default(), request).await.unwrap();
        let names: Vec<_> = page.accounts.iter().map(|user| user.username.as_str()).collect();
        assert_eq!((names.as_slice(), page.next.as_deref()), (expected, next), "{after:?} {limit}");
    };
    check(None, 1, &["b"], Some("b")).await;
    check(None, 2, &["b", "d"], Some("d")).await;
    check(Some("d"), 2, &["f"], None).await;
    check(None, 3, &["b", "d", "f"], None).await;
    check(Some("f"), 1, &[], None).await;
    house.damage("ab").await;
    // Accounts of others take no place in pages, and are not counted.
    let check = async |offset: usize, limit: u32, descending: bool, prefix: Option<&str>, expected: &[&str]| {
        let page = OffsetPage { offset, limit, descending, prefix: prefix.map(str::to_owned) };
        let found = house.users.page_at(&sales, &AccountFilter::default(), page.clone()).await.unwrap();
        let names: Vec<_> = found.accounts.iter().map(|user| user.username.as_str()).collect();
        assert_eq!(names, expected, "{page:?}");
        assert!(found.invalid.is_empty(), "{page:?}");
    };
    check(0, 1, false, None, &["b"]).await;
    check(0, 500, false, None, &["b", "d", "f"]).await;
    check(1, 1, false, None, &["d"]).await;
    check(2, 5, false, None, &["f"]).await;
    check(3, 5, false, None, &[]).await;
    check(0, 2, true, None, &["f", "d"]).await;
    check(2, 2, true, None, &["b"]).await;
    check(0, 2, true, Some("d"), &["d"]).await;
    check(0, 2, false, Some("e"), &[]).await;
    check(0, 0, false, None, &[]).await;
}

#[tokio::test]
async fn lists_have_the_accounts_that_are_asked_for() {
    let house = house();
    for name in ["sales", "boss"] {
        house.add_role(name).await;
    }
    for (name, more) in [
        ("a", json!({"role": "sales"})),
        ("b", json!({"role": "boss"})),
        ("c", json!({"role": "sales", "status": 0})),
        ("d", json!({})),
    ] {
        house.users.add(&house.root, document(name, more), None).await.unwrap();
    }
    house.damage("broken").await;
    let text = |text: &str| Some(text.to_owned());
    let none = AccountFilter::default;
    let sales = Actor { role: text("sales"), ..Actor::local("sales", Door::Rest) };
    let check = async |actor: &Actor, filter: AccountFilter, expected: &[&str]| {
        let request = PageRequest { limit: 100, ..PageRequest::default() };
        let page = house.users.list(actor, &filter, request).await.unwrap();
        let offset = OffsetPage { offset: 0, limit: 100, ..OffsetPage::default() };
        let at = house.users.page_at(actor, &filter, offset).await.unwrap();
        for page in [page, at] {
            let valid = page.accounts.iter().map(|user| user.username.as_str());
            let invalid = page.invalid.iter().map(|invalid| invalid.username.as_str());
            assert_eq!(valid.chain(invalid).collect::<Vec<_>>(), expected, "{filter:?}");
        }
    };
    let root = &house.root;
    check(root, none(), &["a", "b", "c", "d", "broken"]).await;
    check(root, AccountFilter { role: text("sales"), ..none() }, &["a", "c"]).await;
    check(root, AccountFilter { role: text("sales"), enabled: Some(true), ..none() }, &["a"]).await;
    check(root, AccountFilter { contains: text("roke"), ..none() }, &["broken"]).await;
    check(root, AccountFilter { role: text("nobody"), ..none() }, &[]).await;
    // No filter gives an administrator with a role accounts of another.
    check(&sales, none(), &["a", "c"]).await;
    check(&sales, AccountFilter { role: text("sales"), ..none() }, &["a", "c"]).await;
    check(&sales, AccountFilter { role: text("boss"), ..none() }, &[]).await;
    check(&sales, AccountFilter { enabled: Some(false), ..none() }, &["c"]).await;
    check(&sales, AccountFilter { contains: text("b"), ..none() }, &[]).await;
}

#[tokio::test]
async fn keys_with_which_no_login_is_accepted_are_stored_and_said() {
    // A8-14
    let house = house();
    house.add("alice").await;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio laptop";
    let weak = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC3gVhKCOjiZIWpaDYyk+e2m22JUlGx6C9nfjzAyX9kdsrWdOFvLRoWQLuDMJiRm5/U5JddoreRuYfEBBDSF7aDssZV7TOvJyQWjx/8TdSkMsAq6JScGKgqk4mFIiVdkz5VO7aGkwXp45zJLSwPiFyg7BYd+PB5IL5y/XYPPR4hPQ== old";
    let shown = house.change(json!({ "public_keys": [format!("{key}\n{weak}")] })).await.unwrap();
    assert_eq!(shown.document["public_keys"], json!([key, weak]));
    assert!(shown.notes.len() == 1 && shown.notes[0].contains("RSA key of 1024 bits"), "{:?}", shown.notes);
}

#[tokio::test]
async fn a_number_is_that_of_one_account() {
    // A18-07
    let house = house();
    let number = |shown: ShownUser| shown.document["id"].as_i64().unwrap();
    let first = number(house.add("alice").await);
    house.users.delete(&house.root, "alice").await.unwrap();
    let second = number(house.add("alice").await);
    let edit = UserEdit::Merge { document: map(json!({"uid": 7})), replaced: Vec::new() };
    for (number, expected) in [(first, false), (second, true)] {
        let of = ExpectedUser::Number(number);
        let edited = house.users.edit(&house.root, "alice", &edit, of).await.map(drop);
        let deleted = house.users.delete_version(&house.root, "alice", of).await;
        for outcome in [edited, deleted] {
            let found = outcome.map_err(|error| error.kind());
            assert_eq!(found, if expected { Ok(()) } else { Err(AdminErrorKind::NotFound) }, "{number}");
        }
    }
}
