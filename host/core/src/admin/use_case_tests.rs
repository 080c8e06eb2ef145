//! Each use case, called by each kind of actor: nothing is reached without its permission.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value, json};

use super::user_tests::{PaperPasswords, map};
use super::*;
use crate::account::{Dump, ObjectKind};
use crate::connection::{ConnectionId, LoginMethod, WebVisit};
use crate::guard::{Defender, DefenderSettings};
use crate::hook::Observers;
use crate::hook::observation::{ObjectChange, PostLogin};
use crate::login::ExternalAuthCache;
use crate::memory::MemoryStore;
use crate::ports::storage::{Storage, StorageError, StorageErrorKind, TreeDescription};
use crate::ports::{
    AccountFilter, AuditOutcome, AuditQuery, Door, NodeName, PageRequest, RunFilter, StorageFactory, SystemClock,
};
use crate::quota::{NewUsage, QuotaKeeper, Scope, Tracking, UsedQuota};

/// A server with one hook, of that point, or with none.
pub(super) struct Inventory(pub Option<&'static str>);

#[async_trait]
impl HookInventory for Inventory {
    async fn links(&self) -> Result<Vec<HookLink>, String> {
        let link = |hook| HookLink {
            hook,
            adapter: "program",
            target: "/opt/hook".to_owned(),
            deadline: Duration::from_secs(5),
            on_error: "deny",
            selectors: Vec::new(),
            limits: String::new(),
            version: None,
            grants: Vec::new(),
            health: String::new(),
        };
        Ok(self.0.into_iter().map(link).collect())
    }

    async fn plugins(&self) -> Result<Vec<PluginState>, String> {
        Ok(Vec::new())
    }

    async fn explain(&self, _: &LoginQuestion) -> Result<LoginExplanation, String> {
        Ok(LoginExplanation { is_stored: false, points: Vec::new() })
    }

    async fn test(&self, _: Map<String, Value>) -> Result<Value, InventoryError> {
        Err(InventoryError::Invalid("the event says no hook point".to_owned()))
    }

    async fn install(&self, _: &str, _: SignedPlugin) -> Result<(), InventoryError> {
        Err(InventoryError::Refused("plugins are not changed over the network".to_owned()))
    }

    async fn remove(&self, _: &str) -> Result<(), InventoryError> {
        Err(InventoryError::Missing("there is no such plugin".to_owned()))
    }

    async fn reload(&self) -> Result<(), String> {
        Ok(())
    }

    async fn forget(&self, plugin: &str) -> Result<(), String> {
        Err(format!("no gate waits for {plugin}"))
    }
}

struct NoStorage;

#[async_trait]
impl StorageFactory for NoStorage {
    async fn open(&self, _: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "there is none"))
    }
}

fn administration() -> Administration {
    administration_telling(Arc::new(PaperPasswords), Observers::new(Arc::default()))
}

/// All use cases; the observers are told of changes.
pub(super) fn administration_telling(
    passwords: Arc<dyn Passwords>,
    changes: Arc<Observers<ObjectChange>>,
) -> Administration {
    administration_observed(passwords, changes, None)
}

/// All use cases; the observers are told of changes and of logins.
pub(super) fn administration_observed(
    passwords: Arc<dyn Passwords>,
    changes: Arc<Observers<ObjectChange>>,
    post_login: Option<Arc<Observers<PostLogin>>>,
) -> Administration {
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(SystemClock);
    let keeper = QuotaKeeper::new(store.clone(), NodeName("n".into()), clock.clone(), Tracking::WhereLimited);
    Administration::new(AdministrationPorts {
        accounts: Arc::new(Accounts::new(store.clone(), passwords.clone(), None).with_observers(changes)),
        directory: store.clone(),
        usages: store.clone(),
        sessions: Arc::default(),
        defender: Arc::new(Defender::new(DefenderSettings::default(), Arc::default(), clock.clone())),
        external_auth_cache: Arc::new(ExternalAuthCache::new(Duration::ZERO, Arc::default(), clock.clone()).unwrap()),
        one_time_codes: Arc::default(),
        scans: Arc::new(QuotaScans::new(keeper, store.clone(), Arc::new(NoStorage))),
        hook_runs: store.clone(),
        file_history: Arc::new(crate::file_history::FileHistory::new(
            Arc::new(SystemClock),
            Arc::new(crate::ports::NoFileLog),
        )),
        inventory: Arc::new(Inventory(None)),
        audit: store,
        passwords,
        credential_changes: None,
        one_click_logins: None,
        login_pre: None,
        post_login,
        login_pre_scope: LoginPreScope::Logins,
        session_hooks: None,
        password_resets: None,
        spools: Arc::new(crate::ports::SpoolsInMemory),
        address_rule: crate::account::AddressRule::default(),
        clock,
    })
}

/// Calls the use case about what there is not.
pub(super) async fn call(of: &Administration, actor: &Actor, case: UseCase) -> Result<(), AdminError> {
    let page = || PageRequest { limit: 1, ..PageRequest::default() };
    let fields = || DocumentChange::Fields { patches: Vec::new(), replaced: Vec::new() };
    let empty = map(json!({}));
    let runs = RunFilter { limit: 1, ..RunFilter::default() };
    let (folder, group, role) = (ObjectKind::Folder, ObjectKind::Group, ObjectKind::Role);
    match case {
        UseCase::ListUsers => of.users.list(actor, &AccountFilter::default(), page()).await.map(drop),
        UseCase::ShowUser => of.users.show(actor, "none").await.map(drop),
        UseCase::AddUser => of.users.add(actor, empty, None).await.map(drop),
        UseCase::UpdateUser => of.users.update(actor, "none", fields(), None).await.map(drop),
        UseCase::DeleteUser => of.users.delete(actor, "none").await,
        UseCase::CheckStorage => of.storage.check(actor, "none").await.map(drop),
        UseCase::ResetUser => of.password_resets.hand_out(actor, PasswordOwner::User, "none").await.map(drop),
        UseCase::ResetAdmin => of.password_resets.hand_out(actor, PasswordOwner::Administrator, "none").await.map(drop),
        UseCase::ListFolders => of.objects.list(actor, folder, page()).await.map(drop),
        UseCase::ShowFolder => of.objects.show(actor, folder, "none").await.map(drop),
        UseCase::AddFolder => of.objects.add(actor, folder, &empty).await.map(drop),
        UseCase::UpdateFolder => of.objects.update(actor, folder, "none", &fields()).await.map(drop),
        UseCase::DeleteFolder => of.objects.delete(actor, folder, "none").await,
        UseCase::ListGroups => of.objects.list(actor, group, page()).await.map(drop),
        UseCase::ShowGroup => of.objects.show(actor, group, "none").await.map(drop),
        UseCase::AddGroup => of.objects.add(actor, group, &empty).await.map(drop),
        UseCase::UpdateGroup => of.objects.update(actor, group, "none", &fields()).await.map(drop),
        UseCase::DeleteGroup => of.objects.delete(actor, group, "none").await,
        UseCase::ListRoles => of.objects.list(actor, role, page()).await.map(drop),
        UseCase::ShowRole => of.objects.show(actor, role, "none").await.map(drop),
        UseCase::AddRole => of.objects.add(actor, role, &empty).await.map(drop),
        UseCase::UpdateRole => of.objects.update(actor, role, "none", &fields()).await.map(drop),
        UseCase::DeleteRole => of.objects.delete(actor, role, "none").await,
        UseCase::ListSessions => of.sessions.list(actor).await.map(drop),
        UseCase::CloseSession => of.sessions.close(actor, &ConnectionId::new("none")).await,
        UseCase::ListScans => of.scans.list(actor).await.map(drop),
        UseCase::Scan => of.scans.scan(actor, &Scope::Account("none".into())).await.map(drop),
        UseCase::SetUsage => {
            let usage = NewUsage::Is(UsedQuota { size: 1, files: 1 });
            of.scans.set_usage(actor, &Scope::Account("none".into()), usage).await.map(drop)
        }
        UseCase::ReloadPlugins => of.plugins.reload(actor).await.map(drop),
        // Their answers are made outside of the core.
        UseCase::ShowStatus | UseCase::ShowConfiguration => of.audit.allow(actor, case, "").await,
        UseCase::ListHooks => of.plugins.links(actor).await.map(drop),
        UseCase::ExplainHooks => {
            let address = core::net::IpAddr::from([127, 0, 0, 1]);
            let login = LoginQuestion { username: "none".to_owned(), method: LoginMethod::Password, address };
            of.plugins.explain(actor, &login).await.map(drop)
        }
        UseCase::TestHooks => of.plugins.test(actor, empty).await.map(drop),
        UseCase::ListPlugins => of.plugins.list(actor).await.map(drop),
        UseCase::InstallPlugin => {
            let plugin = SignedPlugin { component: Vec::new(), signature: String::new() };
            match of.plugins.install(actor, "none", plugin).await {
                Err(AdminError::RefusedForPlugins(_)) => Ok(()),
                outcome => outcome,
            }
        }
        UseCase::RemovePlugin => of.plugins.remove(actor, "none").await,
        UseCase::ForgetPlugin => of.plugins.forget(actor, "none").await,
        UseCase::ListRuns => of.hook_runs.list(actor, runs).await.map(drop),
        UseCase::ShowRun => of.hook_runs.show(actor, 7).await.map(drop),
        UseCase::ListCounters => of.hook_runs.counters(actor).await.map(drop),
        UseCase::Dump => {
            let objects = of.backups.dump_objects(actor, role, page()).await.map(drop);
            let one = of.backups.dump_one(actor, "none").await.map(drop);
            of.backups.dump(actor, None, 1).await.map(drop).and(objects).and(one)
        }
        UseCase::Load => of.backups.load(actor, Dump::default(), true).await.map(drop),
        UseCase::SweepStorage => of.storage.sweep(actor, None, Duration::ZERO).await.map(drop),
        UseCase::ForgetCredentials => of.credentials.forget(actor, None).await.map(drop),
        UseCase::ListFileEvents => of.file_events.list(actor, &Default::default(), 1).await.map(drop),
        UseCase::ListAudit => of.audit.list(actor, AuditQuery::default()).await.map(drop),
        UseCase::ListBans => of.bans.list(actor).await.map(drop),
        UseCase::AddBan => of.bans.add(actor, "none", None).await.map(drop),
        UseCase::RemoveBan => of.bans.remove(actor, "none").await.map(drop),
        UseCase::AddExemption => of.bans.exempt(actor, "none").await.map(drop),
        UseCase::RemoveExemption => of.bans.exempt_no_longer(actor, "none").await.map(drop),
        UseCase::ListAdmins => of.admins.list(actor, page()).await.map(drop),
        UseCase::ShowAdmin => of.admins.show(actor, "none").await.map(drop),
        UseCase::AddAdmin => of.admins.add(actor, &empty, None).await.map(drop),
        UseCase::UpdateAdmin => {
            let made = of.admins.make_codes(actor, "none").await.map(drop);
            let removed = of.admins.remove_codes(actor, "none").await.map(drop);
            of.admins.update(actor, "none", &fields(), None).await.map(drop).and(made).and(removed)
        }
        UseCase::DeleteAdmin => of.admins.delete(actor, "none").await,
        UseCase::AddLoginLink => of.login_links.add(actor, "none", LinkWish::default()).await.map(drop),
        UseCase::ListLoginLinks => of.login_links.list(actor, "none").await.map(drop),
        UseCase::DeleteLoginLink => of.login_links.delete(actor, "none").await,
        UseCase::OneClickLogin => of.login_links.add_for_portal(actor, "none", "").await.map(drop),
        UseCase::Impersonate => {
            let client = DoorClient { door: Door::Rest, address: None, visit: WebVisit::default() };
            of.user_sessions.impersonate(actor, "none", &client).await.map(drop)
        }
        UseCase::ListApiKeys => of.api_keys.list(actor, page()).await.map(drop),
        UseCase::ShowApiKey => of.api_keys.show(actor, "none").await.map(drop),
        UseCase::AddApiKey => of.api_keys.add(actor, &empty).await.map(drop),
        UseCase::UpdateApiKey => of.api_keys.replace(actor, "none", &empty, None).await.map(drop),
        UseCase::RotateApiKey => of.api_keys.rotate(actor, "none").await.map(drop),
        UseCase::DeleteApiKey => of.api_keys.delete(actor, "none").await.map(drop),
        UseCase::ListTokens => of.tokens.list(actor, page()).await.map(drop),
        UseCase::RevokeToken => of.tokens.revoke_by_id(actor, "none").await,
    }
}

/// Whether the use case was refused to the actor, or carried out as far as there was anything.
async fn is_refused(of: &Administration, actor: &Actor, case: UseCase) -> bool {
    let outcome = call(of, actor, case).await;
    outcome.is_err_and(|error| error.kind() == AdminErrorKind::Forbidden)
}

#[tokio::test]
async fn each_use_case_is_reached_by_those_that_may() {
    // D-09
    let all = Actor::local("one", Door::Rest);
    let scope =
        |texts: &[&str]| KeyScope { allow: texts.iter().map(|text| (*text).to_owned()).collect(), deny: Vec::new() };
    for case in UseCase::ALL {
        let of = administration();
        assert!(!is_refused(&of, &all, *case).await, "{case:?}");
        for permission in AdminPermission::ALL {
            let permissions = Permissions::Only(BTreeSet::from([permission]));
            let actor = Actor { permissions, ..all.clone() };
            let expected = permission != case.permission();
            assert_eq!(is_refused(&of, &actor, *case).await, expected, "{case:?} {permission:?}");
        }
        let in_role = Actor { role: Some("sales".to_owned()), ..all.clone() };
        assert_eq!(is_refused(&of, &in_role, *case).await, case.reach() != Reach::OwnAccounts, "{case:?}");
        for (texts, is_in) in [(vec![case.name()], true), (vec!["no_such.case"], false)] {
            let identity = Identity::ApiKey { admin: None, scope: scope(&texts) };
            let expected = !is_in || case.reach() == Reach::People;
            let key = Actor { identity, ..all.clone() };
            assert_eq!(is_refused(&of, &key, *case).await, expected, "{case:?} {texts:?}");
        }
        // The refusals are recorded, once each, by what was asked for.
        let query = AuditQuery { limit: 100, ..AuditQuery::default() };
        let records = of.audit.list(&all, query).await.unwrap();
        let refused = records.iter().filter(|stored| stored.record.outcome == AuditOutcome::Refused);
        let (kind, action) = (case.kind(), case.action());
        let refused = refused.filter(|stored| stored.record.kind == kind && stored.record.action == action).count();
        assert!((1..=2).contains(&refused), "{case:?} {records:?}");
    }
}

#[tokio::test]
async fn a_client_that_asks_again_and_again_does_not_fill_the_store() {
    let of = administration();
    let nothing = Actor { permissions: Permissions::Only(BTreeSet::new()), ..Actor::local("one", Door::Rest) };
    for number in 0..3_000 {
        assert!(of.users.list(&nothing, &AccountFilter::default(), PageRequest::default()).await.is_err());
        assert!(of.users.show(&nothing, &number.to_string()).await.is_err());
    }
    let root = Actor::local("root", Door::Cli);
    let pages: Vec<_> = of.audit.pages(root.clone(), AuditQuery::default()).try_collect().await.unwrap();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500]);
    // One page has no more, whatever is asked for.
    let query = AuditQuery { limit: 10_000, ..AuditQuery::default() };
    assert_eq!(of.audit.list(&root, query).await.unwrap(), pages[0]);
}
