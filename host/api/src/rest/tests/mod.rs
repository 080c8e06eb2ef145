//! The interfaces in one process, over a store in memory.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod access;
mod backups;
mod bans;
mod descriptions;
mod events;
mod first_administrator;
mod hooks;
mod input;
mod lists;
mod passwords;
mod real;
mod second;
mod seed;
mod shown_again;
mod storage;
mod versions;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tidegate_core::account::Accounts;
use tidegate_core::admin::{
    Actor, AdminError, AdminPermission, Administration, AdministrationPorts, AuthenticationError, DoorClient,
    ExplainedPoint, HookInventory, HookLink, Identity, InventoryError, IssuedToken, KeyScope, LoginExplanation,
    LoginPreScope, LoginQuestion, Permissions, PluginDetails, PluginState, SignedPlugin,
};
use tidegate_core::guard::{Defender, DefenderSettings};
use tidegate_core::login::ExternalAuthCache;
use tidegate_core::memory::MemoryStore;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::storage::{Storage, StorageError, StorageErrorKind, TreeDescription};
use tidegate_core::ports::{Author, Door, NodeName, Passwords, StorageFactory, StoreError, SystemClock};
use tidegate_core::quota::{QuotaKeeper, QuotaScans, Tracking};
use tidegate_core::secret::Secret;
use tidegate_core::session::SessionRegistry;
use tidegate_core::turns::Waiter;

use super::{AuthUsers, Authenticate, BackupDirectory, RestApi, RestSettings, ServerFacts, rest};
use crate::http::{Client, Entrance};
use crate::site::site;

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

struct NoStorage;

#[async_trait]
impl StorageFactory for NoStorage {
    async fn open(&self, _: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "there are no files here".to_owned()))
    }
}

struct NoHooks;

#[async_trait]
impl HookInventory for NoHooks {
    async fn links(&self) -> Result<Vec<HookLink>, String> {
        Ok(Vec::new())
    }

    async fn plugins(&self) -> Result<Vec<PluginState>, String> {
        Ok(vec![PluginState {
            name: "guarded".to_owned(),
            digest: Some("0a1b".to_owned()),
            hooks: vec!["login-pre".to_owned()],
            grants: vec!["credentials".to_owned()],
            closed_gates: vec!["external-auth".to_owned()],
            error: Some("no trusted key has signed it".to_owned()),
            details: PluginDetails {
                contract: Some("0.1.0".to_owned()),
                wants: vec![("clear passwords".to_owned(), true), ("requests".to_owned(), false)],
                signer: Some("SHA256:signer".to_owned()),
                config: json!({"secret": "hush"}),
                ..PluginDetails::default()
            },
        }])
    }

    async fn explain(&self, login: &LoginQuestion) -> Result<LoginExplanation, String> {
        let link = HookLink {
            hook: "login-pre",
            adapter: "program",
            target: format!("/{}/{}/{}", login.username, login.method.as_str(), login.address),
            deadline: std::time::Duration::from_secs(1),
            on_error: "deny",
            selectors: Vec::new(),
            limits: String::new(),
            version: None,
            grants: Vec::new(),
            health: "ready".to_owned(),
        };
        let links = vec![(link.clone(), None), (link, Some("its \"users\" do not match".to_owned()))];
        let point = ExplainedPoint { hook: "login-pre", composition: "all must allow", not_asked: None, links };
        Ok(LoginExplanation { is_stored: false, points: vec![point] })
    }

    async fn test(&self, event: Map<String, Value>) -> Result<Value, InventoryError> {
        match event.get("hook") {
            Some(hook) => Ok(json!({"hook": hook, "verdict": "allow"})),
            None => Err(InventoryError::Invalid("the event says no hook point".to_owned())),
        }
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
        Err(format!("no gate waits for \"{plugin}\""))
    }
}

/// What a store says that is away: it has the place of the database.
fn away() -> AuthenticationError {
    AuthenticationError::Store(StoreError::Unavailable("the database at db.internal is away".to_owned()))
}

/// Administrators whose name is their only permission; `all` has each, and `none` has none. `only:CASE` and `but:CASE` are
/// keys with such a scope, `role:NAME` has a role. The password is `pw`, and tokens and keys are the names. Hooks deny
/// `none-may`, and fail for `hook-fails`. The store is away for `away`.
struct ByName;

impl ByName {
    fn actor(name: &str, client: &DoorClient) -> Result<Actor, AuthenticationError> {
        let author = Author { address: client.address, ..Author::new(name, Door::Rest) };
        if let Some((kind, of)) = name.split_once(':') {
            let scope = |allow: &[&str], deny: &[&str]| {
                let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
                Identity::ApiKey { admin: None, scope: KeyScope { allow: texts(allow), deny: texts(deny) } }
            };
            return match kind {
                "only" => Ok(Actor { author, identity: scope(&[of], &[]), ..Actor::system() }),
                "but" => Ok(Actor { author, identity: scope(&[], &[of]), ..Actor::system() }),
                "role" => Ok(Actor { author, role: Some(of.to_owned()), ..Actor::system() }),
                _ => Err(AuthenticationError::Denied),
            };
        }
        let permissions = match name {
            "away" => return Err(away()),
            "all" => Permissions::All,
            "none" => Permissions::Only(BTreeSet::new()),
            name => {
                let permission = AdminPermission::ALL.into_iter().find(|permission| permission.as_str() == name);
                Permissions::Only(BTreeSet::from([permission.ok_or(AuthenticationError::Denied)?]))
            }
        };
        Ok(Actor { author, permissions, ..Actor::system() })
    }
}

#[async_trait]
impl Authenticate for ByName {
    async fn ask(&self, username: &str, _: &Secret, _: &DoorClient) -> Result<(), AuthenticationError> {
        match username {
            "none-may" => Err(AuthenticationError::Denied),
            "hook-fails" => Err(AuthenticationError::Hook),
            _ => Ok(()),
        }
    }

    async fn judge(
        &self,
        username: &str,
        password: &Secret,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<Actor, AuthenticationError> {
        match (password.expose(), one_time_code) {
            ("pw", _) | ("pw2", Some("123456")) => Self::actor(username, client),
            ("pw2", _) => Err(AuthenticationError::SecondFactorNeeded),
            ("fast", _) => Err(AuthenticationError::Paused(30)),
            ("away", _) => Err(away()),
            _ => Err(AuthenticationError::Denied),
        }
    }

    async fn token(&self, token: &str, client: &DoorClient) -> Result<Actor, AuthenticationError> {
        Self::actor(token, client)
    }

    async fn api_key(&self, key: &str, client: &DoorClient) -> Result<Actor, AuthenticationError> {
        Self::actor(key, client)
    }

    async fn issue_token(&self, actor: &Actor) -> Result<IssuedToken, AdminError> {
        Ok(IssuedToken { text: Secret::new(actor.author.name.clone()), expires_at: 1_700_000_000_000 })
    }

    async fn revoke(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A server in this process.
pub struct House {
    router: Router,
    pub client: Client,
    pub backups: TempDir,
}

/// An answer, with its body read as JSON where it is JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

fn no_decisions() -> ExternalAuthCache {
    ExternalAuthCache::new(Duration::ZERO, Arc::default(), Arc::new(SystemClock)).unwrap()
}

/// What the interfaces stand on, over a store in memory.
fn api(settings: RestSettings) -> RestApi {
    let store = Arc::new(MemoryStore::default());
    let node = NodeName("here".to_owned());
    let keeper = QuotaKeeper::new(store.clone(), node, Arc::new(SystemClock), Tracking::Always);
    let defence = DefenderSettings { enabled: true, ..DefenderSettings::default() };
    let administration = Administration::new(AdministrationPorts {
        accounts: Arc::new(Accounts::new(store.clone(), Arc::new(PaperPasswords), None)),
        directory: store.clone(),
        usages: store.clone(),
        sessions: Arc::new(SessionRegistry::default()),
        external_auth_cache: Arc::new(no_decisions()),
        one_time_codes: Arc::default(),
        defender: Arc::new(Defender::new(defence, Arc::default(), Arc::new(SystemClock))),
        scans: Arc::new(QuotaScans::new(keeper, store.clone(), Arc::new(NoStorage))),
        hook_runs: store.clone(),
        file_history: Arc::new(tidegate_core::file_history::FileHistory::new(
            Arc::new(SystemClock),
            Arc::new(tidegate_core::ports::NoFileLog),
        )),
        inventory: Arc::new(NoHooks),
        audit: store.clone(),
        passwords: Arc::new(PaperPasswords),
        credential_changes: None,
        one_click_logins: None,
        login_pre: None,
        post_login: None,
        login_pre_scope: LoginPreScope::Logins,
        session_hooks: None,
        password_resets: None,
        spools: Arc::new(tidegate_core::ports::SpoolsInMemory),
        address_rule: tidegate_core::account::AddressRule::default(),
        clock: Arc::new(SystemClock),
    });
    let facts = ServerFacts {
        version: "1.0",
        commit: "abc",
        build_date: "2026-01-01",
        driver: "memory".to_owned(),
        configuration: json!({"sftpd": {"bind_port": 2022}}),
        ..ServerFacts::default()
    };
    let administration = Arc::new(administration);
    RestApi {
        authentication: administration.clone(),
        administration,
        passwords: Arc::new(PaperPasswords),
        backups: Arc::new(BackupDirectory("/nonexistent".into())),
        settings: Arc::new(settings),
        facts: Arc::new(facts),
    }
}

impl House {
    pub fn new() -> Self {
        Self::with(RestSettings::default())
    }

    /// With administrators that are their permissions.
    pub fn with(settings: RestSettings) -> Self {
        Self::of(RestApi { authentication: Arc::new(ByName), ..api(settings) })
    }

    /// Two doors to one house, with the administrators of its store.
    pub fn twice(settings: RestSettings) -> (Self, Self) {
        let api = api(settings);
        (Self::of(api.clone()), Self::of(api))
    }

    fn of(api: RestApi) -> Self {
        let backups = tempfile::tempdir().unwrap();
        let api = RestApi { backups: Arc::new(BackupDirectory(backups.path().join("backups"))), ..api };
        let address = Some("192.0.2.9".parse().unwrap());
        let entrance = Entrance::Tcp { is_local: false };
        let client = Client { entrance, address, peer: None, uid: None, is_encrypted: false };
        Self { router: site(rest(api)), client, backups }
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "files.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(self.client.clone());
        let response = TowerToHyperService::new(self.router.clone()).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, body, text }
    }

    /// Asks with a key that has all permissions.
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.based(method, path, &[], body).await
    }

    pub async fn based(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut all = vec![("x-sftpgo-api-key", "all")];
        all.extend_from_slice(headers);
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(method, path, &all, body).await
    }

    pub async fn add(&self, name: &str) -> i64 {
        let answer = self.ask("POST", "/api/v2/users", account(name)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["id"].as_i64().unwrap()
    }
}

impl Answer {
    /// Checks status and error, and that the error has the shape of all errors.
    pub fn refused(&self, status: u16, error: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.body["status"], status, "{}", self.text);
        assert!(self.body["error"].as_str().unwrap().contains(error), "{} {error}", self.text);
        assert!(self.body["message"].is_string() && self.body["code"].is_string(), "{}", self.text);
        assert_eq!(self.body["request_id"].as_str(), self.headers["x-request-id"].to_str().ok());
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// The revision in the tag of an object: what is shown of it has the content behind that.
pub fn revision(tag: &str) -> String {
    tag.trim_matches('"').split('-').take(2).collect::<Vec<_>>().join("-")
}

pub fn account(name: &str) -> Value {
    json!({"username": name, "password": "pw", "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]}})
}

pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}
