//! Each use case that changes something leaves one audit record, with its author, and the others leave none.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::use_case_tests::{Inventory, administration_telling, call};
use super::user_tests::map;
use super::web_session_tests::client;
use super::*;
use crate::account::{Dump, ObjectKind};
use crate::connection::ConnectionId;
use crate::hook::Observers;
use crate::password::{PasswordError, PasswordHash};
use crate::ports::storage::{Storage, StorageError, TreeDescription};
use crate::ports::{AuditOutcome, AuditQuery, Door, NodeName, PageRequest, StorageFactory, SystemClock};
use crate::quota::outage_tests::NoFiles;
use crate::quota::{NewUsage, QuotaKeeper, Scope, Tracking, UsedQuota};
use crate::secret::Secret;
use crate::turns::Waiter;

/// Makes hashes that show the password.
struct PaperPasswords;

#[async_trait]
impl Passwords for PaperPasswords {
    async fn matches(&self, _: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError> {
        Ok(hash.expose().ends_with(&format!("${}", clear.expose())))
    }

    async fn hash(&self, _: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        PasswordHash::recognise(&format!("$1$salt${}", clear.expose())).ok_or(PasswordError::PoolClosed)
    }
}

struct Empty;

#[async_trait]
impl StorageFactory for Empty {
    async fn open(&self, _: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(Arc::new(NoFiles))
    }
}

/// Does what it is asked for.
struct Obliging;

#[async_trait]
impl HookInventory for Obliging {
    async fn links(&self) -> Result<Vec<HookLink>, String> {
        Inventory(None).links().await
    }

    async fn plugins(&self) -> Result<Vec<PluginState>, String> {
        Inventory(None).plugins().await
    }

    async fn explain(&self, login: &LoginQuestion) -> Result<LoginExplanation, String> {
        Inventory(None).explain(login).await
    }

    async fn test(&self, _: Map<String, Value>) -> Result<Value, InventoryError> {
        Ok(Value::Null)
    }

    fn may_change(&self) -> Result<(), InventoryError> {
        Ok(())
    }

    async fn install(&self, _: &str, _: SignedPlugin) -> Result<(), InventoryError> {
        Ok(())
    }

    async fn remove(&self, _: &str) -> Result<(), InventoryError> {
        Ok(())
    }

    async fn reload(&self) -> Result<(), String> {
        Ok(())
    }

    async fn forget(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
}

fn administration() -> Administration {
    let mut of = administration_telling(Arc::new(PaperPasswords), Observers::new(Arc::default()));
    let (node, clock) = (NodeName("n".into()), Arc::new(SystemClock));
    let keeper = QuotaKeeper::new(of.backups.usages.clone(), node, clock, Tracking::Always);
    let scans = QuotaScans::new(keeper, of.objects.directory.clone(), Arc::new(Empty));
    of.scans = ScanAdministration { scans: Arc::new(scans), audit: of.audit.clone() };
    of.plugins = PluginAdministration { inventory: Arc::new(Obliging), audit: of.audit.clone() };
    of
}

fn user(name: &str) -> Map<String, Value> {
    map(json!({
        "username": name, "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]}, "password": "pw",
    }))
}

fn described() -> DocumentChange {
    DocumentChange::Fields { patches: vec![map(json!({"description": "another"}))], replaced: Vec::new() }
}

/// What changes nothing leaves no record, unless it is refused.
fn only_looks(case: UseCase) -> bool {
    ["list", "show", "count", "explain"].contains(&case.action())
}

#[tokio::test]
async fn each_use_case_that_changes_something_is_recorded_once() {
    let (of, root, rest) = (administration(), Actor::local("root", Door::Rest), client(Door::Rest));
    let (last, tried) = (Cell::new(0), RefCell::new(BTreeSet::<UseCase>::new()));
    // The records since the last look, `action kind name`; of random names, the beginning of the line is looked at.
    let check = async |cases: &[UseCase], expected: &[&str]| {
        let query = AuditQuery { after: Some(last.get()), oldest_first: true, limit: 100, ..AuditQuery::default() };
        let records = of.audit.list(&root, query).await.unwrap();
        last.set(records.last().map_or(last.get(), |stored| stored.id));
        let line = |record: &crate::ports::AuditRecord| format!("{} {} {}", record.action, record.kind, record.name);
        let lines: Vec<_> = records.iter().map(|stored| line(&stored.record)).collect();
        let are_those = lines.iter().zip(expected).all(|(line, expected)| line.starts_with(expected));
        assert!(are_those && lines.len() == expected.len(), "{cases:?}: {lines:?}, expected {expected:?}");
        for stored in &records {
            let (author, outcome) = (stored.record.author.name.as_str(), stored.record.outcome);
            let has_author = author == "root" || stored.record.action == "login" && author == "ann";
            assert!(has_author && outcome == AuditOutcome::Done, "{cases:?}: {stored:?}");
        }
        tried.borrow_mut().extend(cases);
    };

    of.users.add(&root, user("alice"), None).await.unwrap();
    check(&[UseCase::AddUser], &["add user alice"]).await;
    of.users.update(&root, "alice", described(), None).await.unwrap();
    check(&[UseCase::UpdateUser], &["update user alice"]).await;
    of.storage.check(&root, "alice").await.unwrap();
    check(&[UseCase::CheckStorage], &["check user alice"]).await;
    of.password_resets.hand_out(&root, PasswordOwner::User, "alice").await.unwrap();
    check(&[UseCase::ResetUser], &["reset user alice"]).await;
    let link = of.login_links.add(&root, "alice", LinkWish::default()).await.unwrap().link;
    check(&[UseCase::AddLoginLink], &["add login_link alice"]).await;
    of.login_links.delete(&root, &link.id).await.unwrap();
    check(&[UseCase::DeleteLoginLink], &["delete login_link alice"]).await;
    of.login_links.add_for_portal(&root, "alice", "webmail").await.unwrap();
    check(&[UseCase::OneClickLogin], &["one_click user alice"]).await;
    of.user_sessions.impersonate(&root, "alice", &rest).await.unwrap();
    check(&[UseCase::Impersonate], &["impersonate user alice"]).await;
    of.credentials.forget(&root, Some("alice")).await.unwrap();
    check(&[UseCase::ForgetCredentials], &["forget credentials alice"]).await;

    let scope = Scope::Account("alice".into());
    of.scans.scan(&root, &scope).await.unwrap();
    check(&[UseCase::Scan], &["scan user alice"]).await;
    of.scans.set_usage(&root, &scope, NewUsage::Is(UsedQuota { size: 1, files: 1 })).await.unwrap();
    check(&[UseCase::SetUsage], &["set-usage user alice"]).await;
    of.storage.sweep(&root, None, Duration::ZERO).await.unwrap();
    check(&[UseCase::SweepStorage], &["sweep storage "]).await;

    let connection = ConnectionId::new("c1");
    let place = of.sessions.sessions.admit(&connection, "alice", 0, CancellationToken::new());
    of.sessions.close(&root, &connection).await.unwrap();
    check(&[UseCase::CloseSession], &["close session c1"]).await;
    drop(place);

    // The pages after the first one belong to the same dump, and a trial changes nothing.
    of.backups.dump(&root, None, 1).await.unwrap();
    of.backups.dump(&root, Some("alice".to_owned()), 1).await.unwrap();
    of.backups.dump_one(&root, "alice").await.unwrap();
    check(&[UseCase::Dump], &["dump user ", "dump user alice"]).await;
    let load = async |is_trial: bool| {
        let dump = Dump { users: vec![user("bob")], ..Dump::default() };
        of.backups.load(&root, dump, is_trial).await.unwrap()
    };
    load(true).await;
    check(&[], &[]).await;
    load(false).await;
    check(&[UseCase::Load], &["add user bob", "load user "]).await;

    of.plugins.reload(&root).await.unwrap();
    check(&[UseCase::ReloadPlugins], &["reload plugin "]).await;
    let plugin = SignedPlugin { component: Vec::new(), signature: String::new() };
    of.plugins.install(&root, "p", plugin).await.unwrap();
    check(&[UseCase::InstallPlugin], &["install plugin p"]).await;
    of.plugins.remove(&root, "p").await.unwrap();
    check(&[UseCase::RemovePlugin], &["remove plugin p"]).await;
    of.plugins.forget(&root, "p").await.unwrap();
    check(&[UseCase::ForgetPlugin], &["forget plugin p"]).await;
    of.plugins.test(&root, map(json!({"hook": "login-pre"}))).await.unwrap();
    check(&[UseCase::TestHooks], &["test hook login-pre"]).await;

    of.bans.add(&root, "192.0.2.1", None).await.unwrap();
    check(&[UseCase::AddBan], &["add ban 192.0.2.1"]).await;
    of.bans.remove(&root, "192.0.2.1").await.unwrap();
    check(&[UseCase::RemoveBan], &["remove ban 192.0.2.1"]).await;
    of.bans.exempt(&root, "198.51.100.0/24").await.unwrap();
    check(&[UseCase::AddExemption], &["add exemption 198.51.100.0/24"]).await;
    of.bans.exempt_no_longer(&root, "198.51.100.0/24").await.unwrap();
    check(&[UseCase::RemoveExemption], &["remove exemption 198.51.100.0/24"]).await;

    let ann = map(json!({"username": "ann", "password": "pw", "permissions": ["*"]}));
    of.admins.add(&root, &ann, None).await.unwrap();
    check(&[UseCase::AddAdmin], &["add admin ann"]).await;
    let actor = of.authentication.basic("ann", &Secret::new("pw"), None, &rest).await.unwrap();
    of.authentication.issue_token(&actor).await.unwrap();
    check(&[], &["login admin ann"]).await;
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    let tokens = of.tokens.list(&root, page).await.unwrap();
    let token = tokens.iter().find(|token| token.admin == "ann").unwrap();
    of.tokens.revoke_by_id(&root, &token.id).await.unwrap();
    check(&[UseCase::RevokeToken], &[&format!("delete token {}", token.id)]).await;
    of.admins.update(&root, "ann", &described(), None).await.unwrap();
    of.admins.make_codes(&root, "ann").await.unwrap();
    of.admins.remove_codes(&root, "ann").await.unwrap();
    check(&[UseCase::UpdateAdmin], &["update admin ann"; 3]).await;
    of.password_resets.hand_out(&root, PasswordOwner::Administrator, "ann").await.unwrap();
    check(&[UseCase::ResetAdmin], &["reset admin ann"]).await;

    let key = |text: &str| map(json!({"name": "nightly", "description": text}));
    of.api_keys.add(&root, &key("")).await.unwrap();
    check(&[UseCase::AddApiKey], &["add api_key "]).await;
    of.api_keys.replace(&root, "nightly", &key("another"), None).await.unwrap();
    check(&[UseCase::UpdateApiKey], &["update api_key "]).await;
    of.api_keys.rotate(&root, "nightly").await.unwrap();
    check(&[UseCase::RotateApiKey], &["rotate api_key "]).await;
    of.api_keys.delete(&root, "nightly").await.unwrap();
    check(&[UseCase::DeleteApiKey], &["delete api_key "]).await;

    for (kind, document, [add, update, delete]) in [
        (
            ObjectKind::Folder,
            json!({"name": "x", "mapped_path": "/srv/x"}),
            [UseCase::AddFolder, UseCase::UpdateFolder, UseCase::DeleteFolder],
        ),
        (ObjectKind::Group, json!({"name": "x"}), [UseCase::AddGroup, UseCase::UpdateGroup, UseCase::DeleteGroup]),
        (ObjectKind::Role, json!({"name": "x"}), [UseCase::AddRole, UseCase::UpdateRole, UseCase::DeleteRole]),
    ] {
        let of_kind = kind.collection().kind;
        of.objects.add(&root, kind, &map(document)).await.unwrap();
        check(&[add], &[&format!("add {of_kind} x")]).await;
        of.objects.update(&root, kind, "x", &described()).await.unwrap();
        check(&[update], &[&format!("update {of_kind} x")]).await;
        of.objects.delete(&root, kind, "x").await.unwrap();
        check(&[delete], &[&format!("delete {of_kind} x")]).await;
    }
    of.admins.delete(&root, "ann").await.unwrap();
    check(&[UseCase::DeleteAdmin], &["delete admin ann"]).await;
    of.users.delete(&root, "alice").await.unwrap();
    check(&[UseCase::DeleteUser], &["delete user alice"]).await;

    for case in UseCase::ALL {
        assert!(only_looks(*case) || tried.borrow().contains(case), "{case:?} was not tried");
        if only_looks(*case) {
            // Whether there is what it asks for.
            let _ = call(&of, &root, *case).await;
            check(&[*case], &[]).await;
        }
    }
}
