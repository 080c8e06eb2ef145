//! Events about a user or a thing of a given name.

use anyhow::Context;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tidegate_core::account::{AccountDraft, Audience, CredentialRule, EffectiveAccount, Factors};
use tidegate_core::connection::{Connection, ConnectionId, Credential, LoginMethod, WebVisit};
use tidegate_core::hook::check_password::CheckPassword;
use tidegate_core::hook::events::{ActionKind, ActionStatus, FileAction, Protocol};
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::hook::keyboard_interactive::{Conversation, ConversationError, KeyboardInteractive, Round};
use tidegate_core::hook::observation::{
    AddressBanned, Change, CredentialChanged, Disconnect, ObjectChange, Offences, OneClickLoginPost, PostAction,
    PostLogin, SessionDestroy, Startup,
};
use tidegate_core::hook::pre_login::PreLogin;
use tidegate_core::hook::review::{Connect, LoginPre, PasswordResetPre, PreAction, SessionCreate, WebRequest};
use tidegate_core::hook::{Comparisons, LastDecision, LoginAttempt};
use tidegate_core::path::VirtualPath;
use tidegate_core::secret::Secret;
use tidegate_core::session::{EndReason, KeptPassword, LiveSession, Session, Traffic};

/// Where something comes from that has no name yet.
pub fn address(what: &str) -> IpAddr {
    let last = match what {
        "deny" => 2,
        "fail" => 3,
        "trap" => 4,
        "loop" => 5,
        _ => 1,
    };
    Ipv4Addr::new(192, 0, 2, last).into()
}

pub fn connection(what: &str) -> Arc<Connection> {
    let client = OnceLock::new();
    let _ = client.set("SSH-2.0-contract".to_owned());
    Arc::new(Connection {
        id: ConnectionId::new("SSH_contract"),
        remote: SocketAddr::new(address(what), 50_000),
        local: SocketAddr::from((Ipv4Addr::LOCALHOST, 2022)),
        client,
        opened_at: 1_000,
        web: None,
    })
}

/// An account as it would be stored, with the password hash `$1$…` of nothing in particular.
pub fn account(name: &str) -> anyhow::Result<Arc<EffectiveAccount>> {
    let mut draft = AccountDraft::new(name);
    draft.set("home_dir", "/srv/contract".into());
    draft.set("password", "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/".into());
    draft.set_permissions("/", &["*".to_owned()]);
    Ok(Arc::new(EffectiveAccount::ungrouped(draft.validate(CredentialRule::Optional)?.account)))
}

pub fn attempt(name: &str) -> anyhow::Result<Arc<LoginAttempt>> {
    attempt_with(name, Credential::Password(Secret::new("typed")))
}

pub fn attempt_with(name: &str, credential: Credential) -> anyhow::Result<Arc<LoginAttempt>> {
    Ok(Arc::new(LoginAttempt {
        connection: connection("allow"),
        username: name.to_owned(),
        credential,
        completed_methods: Vec::new(),
        stored: Some(account(name)?),
        read_at: Instant::now(),
        number: 1,
        comparisons: Comparisons::default(),
        decision: LastDecision::default(),
    }))
}

pub fn session(name: &str) -> anyhow::Result<Arc<Session>> {
    session_of(name, None)
}

/// A session of a client of the doors over HTTP, if it has a visit.
pub fn session_of(name: &str, web: Option<Box<WebVisit>>) -> anyhow::Result<Arc<Session>> {
    let account = account(name)?;
    let connection = Arc::new(Connection { web, ..(*connection("allow")).clone() });
    Ok(Arc::new(Session {
        id: ConnectionId::new("SSH_contract"),
        connection: connection.clone(),
        account: account.clone(),
        username: name.to_owned(),
        method: LoginMethod::Password,
        factors: Factors { methods: vec![LoginMethod::Password], has_code: false },
        password: KeptPassword::new(Some(Secret::new("typed"))),
        opened_at: 2_000,
        traffic: Traffic::default(),
        live: LiveSession::new(account, connection.remote.ip(), 2_000),
    }))
}

pub fn action(what: &str, status: Option<ActionStatus>) -> anyhow::Result<Arc<FileAction>> {
    let path = VirtualPath::resolve(&VirtualPath::root(), format!("/in/{what}").as_bytes())?;
    Ok(Arc::new(FileAction {
        session: session("alice")?,
        channel: "SSH_contract_1".to_owned(),
        protocol: Protocol::Sftp,
        kind: ActionKind::Upload,
        storage_path: format!("/srv/contract/in/{what}").into(),
        path,
        target: None,
        storage_target: None,
        written_path: None,
        written_target: None,
        storage_kind: "local",
        size: Some(3),
        open_flags: Some(512),
        overwritten: None,
        ssh_command: None,
        status,
        elapsed_ms: Some(4),
        at: 1_700_000_000_000_000_000,
        contents: None,
    }))
}

/// As [`action`], in a session of another connection.
pub fn action_on(connection_id: &str, what: &str) -> anyhow::Result<Arc<FileAction>> {
    let action = (*action(what, None)?).clone();
    let connection = Connection { id: ConnectionId::new(connection_id), ..(*connection("allow")).clone() };
    let session = Arc::into_inner(session("alice")?).context("the session is shared")?;
    let session = Arc::new(Session { id: connection.id.clone(), connection: Arc::new(connection), ..session });
    Ok(Arc::new(FileAction { session, ..action }))
}

/// Answers `1`, `2`, `3` and so on, or nothing at all.
pub struct Answers {
    given: std::sync::atomic::AtomicUsize,
    goes_away: bool,
}

impl Answers {
    pub fn new(goes_away: bool) -> Arc<Self> {
        Arc::new(Self { given: std::sync::atomic::AtomicUsize::new(0), goes_away })
    }
}

#[async_trait]
impl Conversation for Answers {
    async fn ask(&self, round: Round) -> Result<Vec<Secret>, ConversationError> {
        if self.goes_away {
            return Err(ConversationError::Closed);
        }
        let next = || self.given.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        Ok(round.prompts.iter().map(|_| Secret::new(next().to_string())).collect())
    }

    async fn verify_password(&self, answer: &Secret) -> bool {
        answer.expose() == "1"
    }

    async fn verify_one_time_code(&self, answer: &Secret) -> bool {
        answer.expose() == "1"
    }
}

/// One event of a kind, about `what`.
pub trait About: Sized {
    fn about(what: &str) -> anyhow::Result<Self>;
}

macro_rules! about {
    ($($event:ident: |$what:ident| $make:expr),* $(,)?) => {
        $(impl About for $event {
            fn about($what: &str) -> anyhow::Result<Self> {
                Ok($make)
            }
        })*
    };
}

about! {
    Connect: |what| Self(connection(what)),
    LoginPre: |what| Self(attempt(what)?),
    ExternalAuth: |what| Self(attempt(what)?),
    PreLogin: |what| Self::new(attempt(what)?),
    CheckPassword: |what| Self { attempt: attempt(what)?, password: Secret::new("typed") },
    KeyboardInteractive: |what| {
        let attempt = attempt_with(what, Credential::KeyboardInteractive)?;
        Self { account: attempt.stored.clone(), attempt, conversation: Answers::new(["gone", "never-stops"].contains(&what)) }
    },
    SessionCreate: |what| Self(session(what)?),
    PreAction: |what| Self(action(what, None)?),
    PasswordResetPre: |what| Self(Arc::new(WebRequest {
        username: what.to_owned(),
        address: address("allow"),
        referer: "https://example.org/".to_owned(),
        user_agent: "contract".to_owned(),
        session_id: "web".to_owned(),
    })),
    PostLogin: |what| Self {
        connection: connection("allow"),
        attempt: Some(attempt(what)?),
        outcome: Ok(session(what)?),
    },
    SessionDestroy: |what| Self {
        session: session(what)?,
        reason: EndReason::Logout,
        duration: Duration::from_millis(1500),
    },
    Disconnect: |what| Self {
        connection: connection(what),
        session: None,
        protocol: "SFTP",
        duration: Duration::from_millis(1500),
    },
    PostAction: |what| Self(action(what, Some(ActionStatus::Ok))?),
    ObjectChange: |what| Self {
        kind: "user",
        change: Change::Add,
        name: what.to_owned(),
        actor: None,
        by_itself: false,
        actor_role: None,
        actor_address: None,
        at: 1_700_000_000_000_000_000,
        object: account(what)?.to_document(Audience::Redacted),
    },
    CredentialChanged: |what| Self { username: what.to_owned(), name: "key".to_owned(), ..Self::default() },
    OneClickLoginPost: |what| Self { username: what.to_owned(), ..Self::default() },
    AddressBanned: |what| Self {
        address: address(what),
        network: address(what).to_string(),
        protocol: Some("SSH"),
        score: 16,
        offences: Offences { login_failed: 7, user_not_found: 1, ..Offences::default() },
        at: 1_700_000_000_000,
        until: 1_700_001_800_000,
    },
    Startup: |_what| Self { version: "0" },
}
