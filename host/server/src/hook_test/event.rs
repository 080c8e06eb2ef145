//! Makes the events of hooks from made-up cases.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use async_trait::async_trait;
use serde_json::Value;
use tidegate_core::account::{AccountDraft, Audience, CredentialRule, EffectiveAccount, Factors};
use tidegate_core::connection::{Connection, ConnectionId, Credential};
use tidegate_core::guard::Source;
use tidegate_core::hook::check_password::CheckPassword;
use tidegate_core::hook::events::{ActionKind, ActionStatus, FileAction, Protocol};
use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::keyboard_interactive::{
    Conversation, ConversationError, KeyboardInteractive, KeyboardInteractiveVerdict, Round,
};
use tidegate_core::hook::observation::{
    AddressBanned, Change, CredentialChanged, Disconnect, ObjectChange, Offences, OneClickLoginPost, PostAction,
    PostLogin, SessionDestroy, Startup,
};
use tidegate_core::hook::pre_login::PreLogin;
use tidegate_core::hook::review::{Connect, LoginPre, PasswordResetPre, PreAction, SessionCreate, WebRequest};
use tidegate_core::hook::{Comparisons, HookEvent, LastDecision, LoginAttempt};
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::Directory;
use tidegate_core::public_key::PublicKey;
use tidegate_core::secret::Secret;
use tidegate_core::session::{EndReason, KeptPassword, LiveSession, Session, Traffic};

use super::Case;

/// An event that can be made up.
pub trait Testable: HookEvent + Sized {
    fn made_up(case: &Case, stored: Option<&Arc<EffectiveAccount>>) -> anyhow::Result<Self>;

    /// The event of a server that has these groups.
    fn with_groups_of(self, _directory: &Arc<dyn Directory>) -> Self {
        self
    }

    /// The account that the verdict, or the chain so far, gives.
    fn account(&self, _verdict: &Self::Verdict) -> Option<AccountDraft> {
        None
    }
}

fn connection(case: &Case) -> Arc<Connection> {
    let client = OnceLock::new();
    let _ = client.set("SSH-2.0-tidegate_hook_test".to_owned());
    let (remote, local) = (SocketAddr::new(case.ip, 50_000), SocketAddr::from(([127, 0, 0, 1], 2022)));
    Arc::new(Connection { id: ConnectionId::new("SSH_test"), remote, local, client, opened_at: now(), web: None })
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn attempt(case: &Case, stored: Option<&Arc<EffectiveAccount>>) -> anyhow::Result<Arc<LoginAttempt>> {
    let credential = match (&case.public_key, &case.password) {
        (Some(line), _) => {
            let key = PublicKey::parse(line);
            Credential::PublicKey(key.map_err(|error| anyhow::anyhow!("the public key is not valid: {error}"))?)
        }
        (None, Some(password)) => Credential::Password(Secret::new(password.as_str())),
        (None, None) if !case.answers.is_empty() || case.hook == "keyboard-interactive" => {
            Credential::KeyboardInteractive
        }
        (None, None) => Credential::Password(Secret::new("")),
    };
    Ok(Arc::new(LoginAttempt {
        connection: connection(case),
        username: case.user.clone(),
        credential,
        completed_methods: Vec::new(),
        stored: stored.cloned(),
        read_at: Instant::now(),
        number: 1,
        comparisons: Comparisons::default(),
        decision: LastDecision::default(),
    }))
}

/// The session of a case. If no account is stored, one is made up.
fn session(case: &Case, stored: Option<&Arc<EffectiveAccount>>) -> anyhow::Result<Arc<Session>> {
    let account = match stored {
        Some(account) => account.clone(),
        None => {
            let mut draft = AccountDraft::new(&case.user);
            draft.set("home_dir", Value::String(format!("/srv/{}", case.user.replace('/', "_"))));
            draft.set_permissions("/", &["*".to_owned()]);
            Arc::new(EffectiveAccount::ungrouped(draft.validate(CredentialRule::Optional)?.account))
        }
    };
    let attempt = attempt(case, stored)?;
    Ok(Arc::new(Session {
        id: attempt.connection.id.clone(),
        connection: attempt.connection.clone(),
        account: account.clone(),
        username: case.user.clone(),
        method: attempt.method(),
        factors: Factors { methods: vec![attempt.credential.method()], has_code: false },
        password: KeptPassword::new(attempt.password().cloned()),
        opened_at: now(),
        traffic: Traffic::default(),
        live: LiveSession::new(account, attempt.connection.remote.ip(), now()),
    }))
}

fn action(case: &Case, stored: Option<&Arc<EffectiveAccount>>, after: bool) -> anyhow::Result<Arc<FileAction>> {
    let kind = ActionKind::ALL.into_iter().find(|kind| kind.as_str() == case.action).with_context(|| {
        format!(
            "\"{}\" is not an action; there are {}",
            case.action,
            ActionKind::ALL.map(ActionKind::as_str).join(", ")
        )
    })?;
    let session = session(case, stored)?;
    let resolve = |text: &str| VirtualPath::resolve(&VirtualPath::root(), text.as_bytes());
    let home = session.account.home_dir.clone();
    let on_disk = |path: &VirtualPath| format!("{home}{}", path.display());
    let path = resolve(&case.path)?;
    let target = if case.target.is_empty() { None } else { Some(resolve(&case.target)?) };
    let status = if case.failure.is_empty() { ActionStatus::Ok } else { ActionStatus::Failed(case.failure.clone()) };
    Ok(Arc::new(FileAction {
        channel: "SSH_test_0".to_owned(),
        protocol: Protocol::Sftp,
        kind,
        storage_path: on_disk(&path).into(),
        storage_target: target.as_ref().map(|path| on_disk(path).into()),
        path,
        target,
        written_path: None,
        written_target: None,
        storage_kind: "local",
        size: case.size,
        overwritten: None,
        open_flags: (kind == ActionKind::Upload && !after).then_some(512),
        ssh_command: None,
        status: after.then_some(status),
        elapsed_ms: after.then_some(1),
        at: now().saturating_mul(1_000_000),
        contents: None,
        session,
    }))
}

/// A conversation with the case's answers, which ends when there are no more.
struct Scripted {
    rounds: Mutex<VecDeque<Vec<String>>>,
    password: Option<String>,
}

#[async_trait]
impl Conversation for Scripted {
    async fn ask(&self, round: Round) -> Result<Vec<Secret>, ConversationError> {
        if round.prompts.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.rounds.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        Ok(answers.ok_or(ConversationError::Closed)?.into_iter().map(Secret::new).collect())
    }

    async fn verify_password(&self, answer: &Secret) -> bool {
        self.password.as_deref() == Some(answer.expose())
    }

    async fn verify_one_time_code(&self, _answer: &Secret) -> bool {
        false
    }
}

macro_rules! made_up {
    ($($event:ident: |$case:ident, $stored:ident| $make:expr),* $(,)?) => {
        $(impl Testable for $event {
            fn made_up($case: &Case, $stored: Option<&Arc<EffectiveAccount>>) -> anyhow::Result<Self> {
                Ok($make)
            }
        })*
    };
}

made_up! {
    Connect: |case, _stored| Self(connection(case)),
    LoginPre: |case, stored| Self(attempt(case, stored)?),
    SessionCreate: |case, stored| Self(session(case, stored)?),
    PreAction: |case, stored| Self(action(case, stored, false)?),
    PasswordResetPre: |case, _stored| Self(Arc::new(WebRequest {
        username: case.user.clone(),
        address: case.ip,
        referer: String::new(),
        user_agent: "tidegate hook test".to_owned(),
        session_id: "test".to_owned(),
    })),
    CheckPassword: |case, stored| {
        let Some(password) = &case.password else { bail!("check-password needs a password") };
        Self { attempt: attempt(case, stored)?, password: Secret::new(password.as_str()) }
    },
    PostLogin: |case, stored| {
        let outcome = if case.failure.is_empty() { Ok(session(case, stored)?) } else { Err(case.failure.clone()) };
        Self { connection: connection(case), attempt: Some(attempt(case, stored)?), outcome }
    },
    SessionDestroy: |case, stored| {
        Self { session: session(case, stored)?, reason: EndReason::Logout, duration: Duration::from_secs(1) }
    },
    Disconnect: |case, stored| Self {
        connection: connection(case),
        session: Some(session(case, stored)?),
        protocol: "SFTP",
        duration: Duration::from_secs(1),
    },
    PostAction: |case, stored| Self(action(case, stored, true)?),
    ObjectChange: |case, stored| Self {
        kind: "user",
        change: Change::Update,
        name: case.user.clone(),
        actor: None,
        by_itself: false,
        actor_role: None,
        actor_address: Some(case.ip),
        at: now().saturating_mul(1_000_000),
        object: session(case, stored)?.account.to_hook_document(Audience::Redacted),
    },
    CredentialChanged: |case, _stored| {
        Self { username: case.user.clone(), name: "test".to_owned(), ..Self::default() }
    },
    OneClickLoginPost: |case, _stored| Self { username: case.user.clone(), ..Self::default() },
    AddressBanned: |case, _stored| Self {
        address: case.ip,
        network: Source::from(case.ip).to_string(),
        protocol: Some("SSH"),
        score: 16,
        offences: Offences { login_failed: 8, ..Offences::default() },
        at: now(),
        until: now().saturating_add(1_800_000),
    },
    Startup: |_case, _stored| Self { version: crate::version::VERSION },
}

impl Testable for ExternalAuth {
    fn made_up(case: &Case, stored: Option<&Arc<EffectiveAccount>>) -> anyhow::Result<Self> {
        Ok(Self(attempt(case, stored)?))
    }

    fn account(&self, verdict: &ExternalAuthVerdict) -> Option<AccountDraft> {
        match verdict {
            ExternalAuthVerdict::Accept(draft) => draft.as_deref().cloned(),
            ExternalAuthVerdict::Defer | ExternalAuthVerdict::VerifyStored(_) | ExternalAuthVerdict::Reject(_) => None,
        }
    }
}

impl Testable for PreLogin {
    fn made_up(case: &Case, stored: Option<&Arc<EffectiveAccount>>) -> anyhow::Result<Self> {
        Ok(Self::new(attempt(case, stored)?))
    }

    fn with_groups_of(self, directory: &Arc<dyn Directory>) -> Self {
        Self::with_groups_of(self, directory.clone())
    }

    fn account(&self, _verdict: &Self::Verdict) -> Option<AccountDraft> {
        self.changed.clone()
    }
}

impl Testable for KeyboardInteractive {
    fn made_up(case: &Case, stored: Option<&Arc<EffectiveAccount>>) -> anyhow::Result<Self> {
        let attempt = attempt(case, stored)?;
        let rounds = Mutex::new(case.answers.iter().cloned().collect());
        let conversation = Arc::new(Scripted { rounds, password: case.password.clone() });
        Ok(Self { account: attempt.stored.clone(), attempt, conversation })
    }

    fn account(&self, verdict: &KeyboardInteractiveVerdict) -> Option<AccountDraft> {
        match verdict {
            KeyboardInteractiveVerdict::Accept(draft) => draft.as_deref().cloned(),
            KeyboardInteractiveVerdict::Defer | KeyboardInteractiveVerdict::Reject(_) => None,
        }
    }
}
