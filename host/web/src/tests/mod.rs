//! The pages in one process, over a store in memory.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod access;
mod away;
pub mod browser;
mod browser_tables;
mod client;
mod client_changes;
mod client_codes;
mod first_administrator;
mod forms;
mod glance;
mod hooks;
mod hostile;
mod hostile_client;
mod lists;
mod live;
mod objects;
mod pages;
mod plugins;
mod refused;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tidegate_api::{Client, ClientPages, Entrance, ServerFacts};
use tidegate_core::account::{Accounts, Dump, ObjectKind};
use tidegate_core::admin::{
    Actor, Administration, AdministrationPorts, ExplainedPoint, HookInventory, HookLink, InventoryError, KeptValue,
    LoginExplanation, LoginPreScope, LoginQuestion, PluginDetails, PluginState, SignedPlugin,
};
use tidegate_core::guard::{Defender, DefenderSettings};
use tidegate_core::login::ExternalAuthCache;
use tidegate_core::memory::MemoryStore;
use tidegate_core::metrics::Metrics;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::storage::{Storage, StorageError, StorageErrorKind, TreeDescription};
use tidegate_core::ports::{Door, NodeName, Passwords, StorageFactory, SystemClock};
use tidegate_core::quota::{QuotaKeeper, QuotaScans, Tracking};
use tidegate_core::secret::Secret;
use tidegate_core::session::SessionRegistry;
use tidegate_core::turns::Waiter;

use self::away::Outage;
use crate::{DiskUsage, Disks, Pages, WebAdmin, web};

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

struct PaperDisks;

#[async_trait]
impl Disks for PaperDisks {
    async fn usages(&self) -> Vec<DiskUsage> {
        vec![DiskUsage { what: "the state of the server", path: format!("/srv/{HOSTILE}"), used: 95, size: 100 }]
    }
}

struct NoStorage;

#[async_trait]
impl StorageFactory for NoStorage {
    async fn open(&self, _: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "there are no files here".to_owned()))
    }
}

/// One hook and one plugin with names full of markup, and two usual plugins.
struct HostileHooks(&'static str);

#[async_trait]
impl HookInventory for HostileHooks {
    async fn links(&self) -> Result<Vec<HookLink>, String> {
        Ok(vec![HookLink {
            hook: self.0,
            adapter: "program",
            target: format!("/opt/{HOSTILE}"),
            deadline: std::time::Duration::from_secs(5),
            on_error: "deny",
            selectors: vec![format!("users: {HOSTILE}")],
            limits: HOSTILE.to_owned(),
            version: Some("abcdef".to_owned()),
            grants: vec![HOSTILE.to_owned()],
            health: HOSTILE.to_owned(),
        }])
    }

    async fn plugins(&self) -> Result<Vec<PluginState>, String> {
        let hostile = PluginState {
            name: HOSTILE.to_owned(),
            digest: None,
            hooks: vec!["login-pre".to_owned()],
            grants: vec![HOSTILE.to_owned()],
            closed_gates: vec!["login-pre".to_owned()],
            error: Some(HOSTILE.to_owned()),
            details: PluginDetails {
                contract: Some(HOSTILE.to_owned()),
                wants: vec![(HOSTILE.to_owned(), false)],
                signer: Some(HOSTILE.to_owned()),
                limits: vec![("Calls at once", "1".to_owned())],
                config: json!({HOSTILE: HOSTILE}),
                left_of_schema: Some(vec![HOSTILE.to_owned()]),
            },
        };
        Ok([vec![hostile], plugins::usual()].concat())
    }

    async fn explain(&self, _: &LoginQuestion) -> Result<LoginExplanation, String> {
        let links = self.links().await?.into_iter().map(|link| (link, Some(HOSTILE.to_owned()))).collect();
        let not_asked = Some(HOSTILE.to_owned());
        let point = ExplainedPoint { hook: "login-pre", composition: "all must allow", not_asked, links };
        Ok(LoginExplanation { is_stored: false, points: vec![point] })
    }

    async fn test(&self, event: Map<String, Value>) -> Result<Value, InventoryError> {
        match event.get("hook") {
            Some(hook) if event.get("user").is_some_and(|user| user == "of-nobody") => {
                Ok(json!({"hook": hook, "verdict": "allow", "runs": [], "about": event}))
            }
            Some(hook) => Ok(json!({"hook": hook, "verdict": HOSTILE, "about": event})),
            None => Err(InventoryError::Invalid("the event says no hook point".to_owned())),
        }
    }

    async fn kept(&self, _: &str, _: u32) -> Result<Vec<KeptValue>, String> {
        Ok(vec![KeptValue { key: HOSTILE.to_owned(), size: 5, age: Some(3_900_000) }])
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

/// A text that becomes an element where it is not escaped.
pub const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&\u{202e}\u{200f}--><script>x</script>";

/// A server in this process, with the administrator `root`, who may do everything.
pub struct House {
    router: Router,
    pub web: WebAdmin,
    pub store: Arc<MemoryStore>,
    /// Between the use cases and `store`, for all but accounts.
    pub outage: Arc<Outage>,
    pub client: Client,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Bytes of the body as they were sent.
    pub size: usize,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The cookie that the answer sets, as a browser sends it.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

/// What stands beside a name on a page, without markup; None: the name is not there.
pub fn fact(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("<dt>{name}</dt><dd>"))?;
    Some(texts_of(rest.split("</dd>").next()?))
}

/// The texts of a piece of HTML, with blanks between them.
pub fn texts_of(html: &str) -> String {
    let texts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text).trim());
    browser::unescaped(&texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" "))
}

pub fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn no_decisions() -> ExternalAuthCache {
    ExternalAuthCache::new(Duration::ZERO, Arc::default(), Arc::new(SystemClock)).unwrap()
}

impl House {
    pub async fn new() -> Self {
        Self::made("login-pre", true).await
    }

    /// With a hook of that point. `is_managed`: whether accounts are changed here.
    pub async fn made(hook: &'static str, is_managed: bool) -> Self {
        let house = Self::without_administrators(hook, is_managed);
        house.admin("root", json!({})).await;
        house
    }

    /// As [`made`](Self::made), before the first administrator is added.
    pub fn without_administrators(hook: &'static str, is_managed: bool) -> Self {
        let store = Arc::new(MemoryStore::default());
        let outage = Arc::new(Outage::of(store.clone()));
        let node = NodeName("here".to_owned());
        let keeper = QuotaKeeper::new(store.clone(), node, Arc::new(SystemClock), Tracking::Always);
        let accounts = Accounts::new(store.clone(), Arc::new(PaperPasswords), None);
        let administration = Administration::new(AdministrationPorts {
            accounts: Arc::new(if is_managed { accounts } else { accounts.only_read() }),
            directory: outage.clone(),
            usages: store.clone(),
            sessions: Arc::new(SessionRegistry::default()),
            external_auth_cache: Arc::new(no_decisions()),
            one_time_codes: Arc::default(),
            defender: Arc::new(Defender::new(DefenderSettings::default(), Arc::default(), Arc::new(SystemClock))),
            scans: Arc::new(QuotaScans::new(keeper, store.clone(), Arc::new(NoStorage))),
            hook_runs: store.clone(),
            file_history: Arc::new(tidegate_core::file_history::FileHistory::new(
                Arc::new(SystemClock),
                Arc::new(tidegate_core::ports::NoFileLog),
            )),
            inventory: Arc::new(HostileHooks(hook)),
            audit: outage.clone(),
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
            driver: "memory".to_owned(),
            configuration: json!({"values": {"sftpd": {"banner": HOSTILE, "bindings": {"port": 2022}}},
                                  "origins": {"sftpd.banner": HOSTILE}}),
            remarks: vec![HOSTILE.to_owned()],
            client_pages: Some(ClientPages::default()),
            ..ServerFacts::default()
        };
        let web_admin = WebAdmin {
            administration: Arc::new(administration),
            metrics: Arc::new(Metrics::default()),
            history: Arc::default(),
            disks: Arc::new(PaperDisks),
            uploaded: Arc::default(),
            live_parts: Arc::default(),
            facts: Arc::new(facts),
            allowed_hosts: Arc::from([]),
        };
        let entrance = Entrance::Tcp { is_local: true };
        let address = Some("127.0.0.1".parse().unwrap());
        let client = Client { entrance, address, peer: None, uid: None, is_encrypted: false };
        Self {
            router: web(web_admin.clone(), Pages { has_admin: true, has_client: true }),
            web: web_admin,
            store,
            outage,
            client,
        }
    }

    /// The same house with other pages.
    pub fn with_pages(&self, pages: Pages) -> Self {
        let (web_admin, store, outage) = (self.web.clone(), self.store.clone(), self.outage.clone());
        let client = self.client.clone();
        Self { router: web(web_admin.clone(), pages), web: web_admin, store, outage, client }
    }

    pub async fn admin(&self, name: &str, more: Value) {
        let mut document = map(json!({"username": name, "password": "pw", "permissions": ["*"]}));
        document.extend(map(more));
        let owner = Actor::local("owner", Door::Socket);
        self.web.administration.admins.add(&owner, &document, None).await.unwrap();
    }

    pub async fn user(&self, name: &str) {
        let document = json!({"username": name, "password": "pw", "status": 1, "home_dir": "/srv/u",
                              "permissions": {"/": ["*"]}});
        if name.chars().any(tidegate_core::terminal::is_unseen) {
            return self.restore(vec![map(document)], Vec::new()).await;
        }
        let owner = Actor::local("owner", Door::Socket);
        self.web.administration.users.add(&owner, map(document), None).await.unwrap();
    }

    /// Stores objects as they were stored before: their names may have characters that those of new ones may not.
    pub async fn restore(&self, users: Vec<Map<String, Value>>, objects: Vec<(ObjectKind, Map<String, Value>)>) {
        let owner = Actor::local("owner", Door::Socket);
        let dump = Dump { users, objects, restores: true, keeps_names: true, ..Dump::default() };
        let (loaded, is_stored) = self.web.administration.backups.load(&owner, dump, false).await.unwrap();
        assert!(is_stored, "{loaded:?}");
    }

    /// The account as it is stored, with its secrets.
    pub async fn store_document(&self, name: &str) -> String {
        use tidegate_core::ports::{Directory, USERS};
        json!(self.store.find(&USERS, name).await.unwrap().unwrap().document).to_string()
    }

    pub async fn document(&self, name: &str) -> Map<String, Value> {
        let owner = Actor::local("owner", Door::Socket);
        self.web.administration.users.show(&owner, name).await.unwrap().document
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:8080");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request.extensions_mut().insert(self.client.clone());
        let response = TowerToHyperService::new(self.router.clone()).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, size: bytes.len(), text }
    }

    pub async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send("GET", path, &[("cookie", cookie)], "").await
    }

    pub async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", path, &[("cookie", cookie), ("sec-fetch-site", "same-origin")], &body).await
    }

    pub async fn log_in(&self, name: &str) -> String {
        let answer = self.post("/web/login", "", &[("username", name), ("password", "pw")]).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/web"), "{}", answer.text);
        answer.cookie()
    }
}
