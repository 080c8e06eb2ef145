//! Changes, and the sessions that they would end, on a store in memory.

use core::net::SocketAddr;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::user_tests::{PaperPasswords, map};
use super::super::{AdminPermission, DocumentChange, ObjectAdministration, Permissions, SessionAdministration};
use super::*;
use crate::account::{Accounts, Audience, Factors};
use crate::connection::{Connection, ConnectionId, LoginMethod};
use crate::memory::MemoryStore;
use crate::ports::{Door, SystemClock};
use crate::session::{KeptPassword, LiveSession, Session, SessionSlot, Traffic};

struct House {
    store: Arc<MemoryStore>,
    objects: ObjectAdministration,
    forecasts: SessionForecasts,
    root: Actor,
}

fn house() -> House {
    let store = Arc::new(MemoryStore::default());
    let accounts = Arc::new(Accounts::new(store.clone(), Arc::new(PaperPasswords), None));
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    let objects = ObjectAdministration { directory: store.clone(), accounts: accounts.clone(), audit: audit.clone() };
    let forecasts = SessionForecasts {
        users: Arc::new(UserAdministration { accounts, audit: audit.clone() }),
        directory: store.clone(),
        sessions: Arc::default(),
        audit,
        address_rule: AddressRule::default(),
        clock: Arc::new(SystemClock),
    };
    House { store, objects, forecasts, root: Actor::local("root", Door::Socket) }
}

fn merge(document: Value) -> UserEdit {
    UserEdit::Merge { document: map(document), replaced: Vec::new() }
}

impl House {
    async fn add_user(&self, username: &str, more: Value) {
        let mut document = map(json!({
            "username": username, "status": 1, "home_dir": "/srv/u", "permissions": { "/": ["*"] }, "password": "pw",
        }));
        document.extend(map(more));
        self.forecasts.users.add(&self.root, document, None).await.unwrap();
    }

    async fn add(&self, kind: ObjectKind, document: Value) {
        self.objects.add(&self.root, kind, &map(document)).await.unwrap();
    }

    /// Opens a session from an address. `by_hook`: a hook has made the account for it.
    async fn open(&self, username: &str, address: &str, by_hook: bool) -> SessionSlot {
        let user = self.store.user(username).await.unwrap();
        let account = in_force(&*self.store, user).await.unwrap();
        let account = Arc::new(if by_hook { account.of_session() } else { account });
        let remote: SocketAddr = format!("{address}:5").parse().unwrap();
        let id = ConnectionId::new(format!("{username} {address} {by_hook}"));
        let connection =
            Connection { id: id.clone(), remote, local: remote, client: Default::default(), opened_at: 0, web: None };
        let session = Session {
            id: id.clone(),
            connection: Arc::new(connection),
            account: account.clone(),
            username: username.into(),
            method: LoginMethod::Password,
            factors: Factors { methods: vec![LoginMethod::Password], has_code: false },
            password: KeptPassword::default(),
            opened_at: 0,
            traffic: Traffic::default(),
            live: LiveSession::new(account, remote.ip(), 0),
        };
        let slot = self.forecasts.sessions.admit(&id, username, 0, CancellationToken::new()).unwrap();
        slot.begin(Arc::new(session));
        slot
    }
}

fn forecast(end: &[(&'static str, usize)], go_on: usize) -> SessionForecast {
    SessionForecast { end: end.iter().copied().collect(), go_on, ..SessionForecast::default() }
}

#[tokio::test]
async fn changes_of_accounts_end_sessions_that_could_not_log_in() {
    let house = house();
    house.add_user("alice", json!({})).await;
    house.add_user("bob", json!({})).await;
    let _near = house.open("alice", "192.0.2.1", false).await;
    let _far = house.open("alice", "198.51.100.1", false).await;
    let _other = house.open("bob", "192.0.2.1", false).await;
    let check = async |edit: UserEdit, end: &[(&'static str, usize)], go_on: usize| {
        let found = house.forecasts.of_edit(&house.root, "alice", &edit).await;
        assert_eq!(found, Ok(forecast(end, go_on)), "{edit:?}");
    };
    check(merge(json!({"status": 0})), &[("it was disabled", 2)], 0).await;
    check(merge(json!({"expiration_date": 1})), &[("it has expired", 2)], 0).await;
    check(merge(json!({"upload_bandwidth": 7})), &[], 2).await;
    check(merge(json!({"home_dir": "/srv/elsewhere"})), &[("its files are in another place now", 2)], 0).await;
    let denied = merge(json!({"filters": {"denied_ip": ["192.0.2.0/24"]}}));
    check(denied, &[("it may not be used from this address any more", 1)], 1).await;
    let protocols = merge(json!({"filters": {"denied_protocols": ["SSH"]}}));
    check(protocols, &[("it may not use SSH any more", 2)], 0).await;
    let shown = house.store.user("alice").await.unwrap().to_document(Audience::Redacted);
    check(UserEdit::Replace(shown), &[], 2).await;
    assert!(house.store.user("alice").await.unwrap().enabled, "nothing was stored");
    let names = ["alice", "bob", "nobody"].map(str::to_owned);
    let disabled = house.forecasts.of_edits(&house.root, &names, &merge(json!({"status": 0}))).await;
    assert_eq!(disabled, Ok(forecast(&[("it was disabled", 3)], 0)));
    assert_eq!(house.forecasts.of_deletions(&house.root, &names).await, Ok(forecast(&[("it was deleted", 3)], 0)));
    let _by_hook = house.open("alice", "192.0.2.1", true).await;
    let found = house.forecasts.of_deletions(&house.root, &names).await;
    assert_eq!(found, Ok(SessionForecast { of_hooks: 1, ..forecast(&[("it was deleted", 3)], 0) }));
}

#[tokio::test]
async fn changes_of_groups_and_folders_reach_the_sessions_of_those_who_have_them() {
    let house = house();
    house.add(ObjectKind::Group, json!({"name": "g"})).await;
    house.add(ObjectKind::Folder, json!({"name": "f", "mapped_path": "/srv/f"})).await;
    house.add_user("alice", json!({"groups": [{"name": "g", "type": 1}]})).await;
    house.add_user("bob", json!({"virtual_folders": [{"name": "f", "virtual_path": "/f"}]})).await;
    let _alice = house.open("alice", "192.0.2.1", false).await;
    let _bob = house.open("bob", "192.0.2.1", false).await;
    let check = async |kind, document: Value, end: &[(&'static str, usize)], go_on: usize| {
        let name = document["name"].as_str().unwrap().to_owned();
        let found = house.forecasts.of_object(&house.root, kind, &name, &map(document)).await;
        assert_eq!(found, Ok(forecast(end, go_on)), "{name}");
    };
    let group = |settings: Value| json!({"name": "g", "user_settings": settings});
    check(ObjectKind::Group, group(json!({"upload_bandwidth": 7})), &[], 1).await;
    let denied = group(json!({"filters": {"denied_ip": ["192.0.2.0/24"]}}));
    check(ObjectKind::Group, denied, &[("it may not be used from this address any more", 1)], 0).await;
    let folder = |path: &str| json!({"name": "f", "mapped_path": path});
    check(ObjectKind::Folder, folder("/srv/f"), &[], 1).await;
    check(ObjectKind::Folder, folder("/srv/g"), &[("its files are in another place now", 1)], 0).await;
}

#[tokio::test]
async fn what_would_be_refused_has_no_forecast() {
    let house = house();
    house.add_user("alice", json!({})).await;
    let _session = house.open("alice", "192.0.2.1", false).await;
    let check = async |actor: &Actor, name: &str, edit: Value, expected: AdminErrorKind| {
        let found = house.forecasts.of_edit(actor, name, &merge(edit)).await;
        assert_eq!(found.map_err(|error| error.kind()), Err(expected), "{name}");
    };
    check(&house.root, "alice", json!({"home_dir": "srv"}), AdminErrorKind::Invalid).await;
    check(&house.root, "nobody", json!({}), AdminErrorKind::NotFound).await;
    let only = |permission| Actor {
        permissions: Permissions::Only(BTreeSet::from([permission])),
        ..Actor::local("viewer", Door::Socket)
    };
    for permission in [AdminPermission::ViewConnections, AdminPermission::EditUsers] {
        check(&only(permission), "alice", json!({}), AdminErrorKind::Forbidden).await;
    }
}

#[tokio::test]
async fn a_session_is_for_the_role_that_its_account_has_now() {
    // D-09
    let house = house();
    for role in ["north", "south"] {
        house.add(ObjectKind::Role, json!({ "name": role })).await;
    }
    house.add_user("alice", json!({"role": "south"})).await;
    let _slot = house.open("alice", "192.0.2.1", false).await;
    let (sessions, audit) = (house.forecasts.sessions.clone(), house.forecasts.audit.clone());
    let session = sessions.sessions().remove(0);
    let administration = SessionAdministration { sessions, audit };
    let (north, south) = (of_role("north"), of_role("south"));
    let check = async |actor: &Actor, expected: bool| {
        let listed = administration.list(actor).await.unwrap();
        assert_eq!(listed.len(), usize::from(expected), "{:?}", actor.role);
        let found = house.forecasts.of_edit(actor, "alice", &merge(json!({"status": 0}))).await;
        assert_eq!(found.is_ok_and(|found| !found.end.is_empty()), expected, "{:?}", actor.role);
    };
    check(&north, false).await;
    check(&south, true).await;
    house.forecasts.users.update(&house.root, "alice", in_role("north"), None).await.unwrap();
    // As the watch of sessions does.
    let user = house.store.user("alice").await.unwrap();
    session.live.replace_account(Arc::new(in_force(&*house.store, user).await.unwrap()));
    check(&north, true).await;
    check(&south, false).await;
    assert!(administration.close(&south, &session.id).await.is_err());
    assert!(administration.close(&north, &session.id).await.is_ok());
}

fn of_role(role: &str) -> Actor {
    Actor { role: Some(role.to_owned()), ..Actor::local("keeper", Door::Socket) }
}

fn in_role(role: &str) -> DocumentChange {
    DocumentChange::Fields { patches: vec![map(json!({ "role": role }))], replaced: Vec::new() }
}
