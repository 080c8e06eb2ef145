//! The end of a login, after the credential: restrictions, the session's place, the `session-create`
//! hooks, and the proof that everything passed (B1, steps 17 to 26).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{LoginService, Proved, Refusal, RefusalReason, proved};
use crate::account::{AccountRule, EffectiveAccount, Factors};
use crate::connection::{ConnectionId, Credential, LoginMethod};
use crate::files::{FileContext, FileService};
use crate::hook::observation::{PostLogin, SessionDestroy};
use crate::hook::review::{Review, SessionCreate};
use crate::hook::{Exchange, HookRun, LoginAttempt, Observers};
use crate::metrics::Metrics;
use crate::ports::StorageFactory;
use crate::ports::storage::StorageError;
use crate::session::{EndReason, KeptPassword, LiveSession, Session, SessionSlot, Traffic};
use tokio_util::sync::CancellationToken;

/// Proof that every check of the login passed. It holds the session's place (A4-10), and tells the hooks of the
/// session's end when it is dropped.
pub struct AuthenticatedAccount {
    session: Arc<Session>,
    storage: Arc<dyn StorageFactory>,
    files: Arc<FileContext>,
    metrics: Arc<Metrics>,
    // Fields are dropped in this order: hooks are told of the end before the place is free again.
    _created: Created,
    _slot: SessionSlot,
}

/// A session that hooks may have created. When it is dropped, the hooks are told of the session's end, exactly once
/// (D-03, D-04), even if the login failed after they were asked.
struct Created {
    session: Arc<Session>,
    observers: Arc<Observers<SessionDestroy>>,
    started: Instant,
    /// Whether the hooks are being asked. A hook that answers too late may have created the session all the same.
    is_asked: bool,
}

impl Drop for Created {
    fn drop(&mut self) {
        if self.is_asked || self.session.live.is_created() {
            self.observers.notify(SessionDestroy {
                session: self.session.clone(),
                reason: self.session.live.end_reason().unwrap_or_default(),
                duration: self.started.elapsed(),
            });
        } else {
            self.session.is_settled();
        }
    }
}

impl AuthenticatedAccount {
    /// The account as it was at the login.
    pub fn account(&self) -> &EffectiveAccount {
        &self.session.account
    }

    /// The session.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The login method; of several steps, the combined one.
    pub fn method(&self) -> LoginMethod {
        self.session.method
    }

    /// Opens the account's files for one channel. `channel`: its number in log lines.
    ///
    /// # Errors
    /// The home or a folder is missing or cannot be reached.
    pub async fn open_files(&self, channel: u32) -> Result<FileService, StorageError> {
        let tree = self.session.live.account().file_tree()?;
        let storage = self.storage.open(&tree).await?;
        let id = ConnectionId::new(format!("{}_{channel}", self.session.id));
        Ok(FileService::new(self.session.clone(), storage, self.files.clone(), id))
    }

    /// Notes why the session is about to end; without a note, the client has left. The first reason stays.
    pub fn ends_because(&self, reason: EndReason) {
        self.session.live.ends_because(reason);
    }
}

impl Drop for AuthenticatedAccount {
    fn drop(&mut self) {
        self.metrics.session_ended();
    }
}

impl LoginService {
    pub(super) async fn admit(
        &self,
        Proved { account, has_code }: Proved,
        attempt: &LoginAttempt,
        close: CancellationToken,
    ) -> Result<AuthenticatedAccount, Refusal> {
        let (ports, method) = (&self.ports, attempt.method());
        let factors = Factors { methods: proved(attempt), has_code };
        self.check_rules(&AccountRule::AT_ADMISSION, &account, attempt, &factors)?;
        let slot = ports
            .sessions
            .admit(&attempt.connection.id, &account.username, account.max_sessions, close)
            .ok_or_else(|| Refusal::new(RefusalReason::Session, "the account has its maximum of sessions"))?;
        let now = ports.clock.now();
        let session = Arc::new(Session {
            id: attempt.connection.id.clone(),
            connection: attempt.connection.clone(),
            traffic: Traffic::of(&account),
            live: LiveSession::new(account.clone(), attempt.connection.remote.ip(), now),
            account,
            username: attempt.username.clone(),
            method,
            factors,
            password: KeptPassword::new(attempt.password().cloned()),
            opened_at: now,
        });
        session.live.login_was_decided(attempt.decision.call());
        let hooks = &ports.hooks;
        if !hooks.session_create.needs_password(&session.subject()) {
            self.forget_password(&session);
        }
        let mut created = Created {
            session: session.clone(),
            observers: hooks.session_destroy.clone(),
            started: Instant::now(),
            is_asked: hooks.session_create.concerns(&session.subject()),
        };
        self.put_on_record(&session);
        let decision = hooks.session_create.decide(&mut SessionCreate(session.clone())).await;
        created.is_asked = false;
        let verdict = decision.inspect_err(|_| session.live.ends_because(EndReason::Error))?.verdict;
        if let Review::Deny(denial) = verdict {
            session.live.ends_because(EndReason::Error);
            // D-01: the client is not told the reason, so that the log has to have it.
            let message = format!("a session of \"{}\" was refused by a hook: {}", session.username, denial.reason);
            tracing::error!(sender = "session_create_hook", message, connection_id = session.id.as_str());
            return Err(Refusal::new(RefusalReason::Session, denial.reason));
        }
        slot.begin(session.clone());
        let followed = self.follow_change(&session, attempt).await;
        followed.inspect_err(|_| session.live.ends_because(EndReason::AdminClosed))?;
        self.forget_password(&session);
        session.live.note_created();
        ports.metrics.session_began();
        Ok(AuthenticatedAccount {
            session,
            storage: ports.storage.clone(),
            files: ports.files.clone(),
            metrics: ports.metrics.clone(),
            _created: created,
            _slot: slot,
        })
    }

    /// Wipes the password, unless a hook is to be given it when the session ends.
    fn forget_password(&self, session: &Session) {
        if !self.ports.hooks.session_destroy.chain().needs_password(&session.subject()) {
            session.password.forget();
        }
    }

    /// Reads the account again and checks it, if an administrator has changed it, or something that it may have, since it
    /// was read.
    async fn follow_change(&self, session: &Arc<Session>, attempt: &LoginAttempt) -> Result<(), Refusal> {
        let username = &session.account.username;
        if session.account.is_of_session() || !self.ports.sessions.changed_since(username, attempt.read_at) {
            return Ok(());
        }
        // An account that was added meanwhile under the same name is another one.
        let stored = self.stored(username).await?.filter(|stored| stored.id == session.account.id);
        let account = stored.ok_or_else(super::credentials::unknown_user)?;
        self.policy().check(&AccountRule::ALL, &account, &session.facts())?;
        session.live.replace_account(account);
        Ok(())
    }

    /// `follows_refusal`: whether an earlier try of the connection is on record as not accepted.
    pub(super) async fn succeeded(
        &self,
        attempt: &Arc<LoginAttempt>,
        authenticated: &AuthenticatedAccount,
        follows_refusal: bool,
    ) {
        let account = authenticated.account();
        self.ports.metrics.login(attempt.method(), true);
        // B8-03: what the stored credential decided does not put off the next call of the hook.
        if !self.external_auth_is_recent(attempt)
            && let Err(error) = self.ports.accounts.record_login(&account.key(), self.ports.clock.now()).await
        {
            tracing::warn!(sender = "login", message = format!("the time of the login could not be stored: {error}"));
        }
        tracing::info!(
            sender = "login",
            ip = %attempt.connection.remote.ip(),
            username = attempt.username,
            account = account.username,
            method = authenticated.method().as_str(),
            protocol = "SSH",
            connection_id = attempt.connection.id.as_str(),
            client = attempt.connection.client_software(),
            // A21-08: over SSH each is.
            encrypted = true,
            // A8-14
            info = match &attempt.credential {
                Credential::PublicKey(key) => key.fingerprint(),
                Credential::Password(_) | Credential::KeyboardInteractive => String::new(),
            },
        );
        // A record that says that a key was refused is followed by one that says that the login was accepted.
        if follows_refusal || self.asks_hooks() {
            self.journal_login(attempt, "accepted", "");
        }
        self.ports.hooks.post_login.notify(PostLogin {
            connection: attempt.connection.clone(),
            attempt: Some(attempt.clone()),
            outcome: Ok(authenticated.session.clone()),
        });
    }

    /// Whether logins are decided by hooks as well.
    pub(super) fn asks_hooks(&self) -> bool {
        let hooks = &self.ports.hooks;
        !hooks.login_pre.is_empty()
            || !hooks.external_auth.is_empty()
            || !hooks.pre_login.is_empty()
            || !hooks.keyboard_interactive.is_empty()
            || !hooks.check_password.is_empty()
            || !hooks.session_create.is_empty()
    }

    /// Adds the outcome of the attempt to the records of hook calls. Administrators look there for the reason of a
    /// refusal, so that each refused attempt is recorded; accepted ones only beside the calls of the login's hooks, and
    /// after a refusal on the same connection.
    pub(super) fn journal_login(&self, attempt: &LoginAttempt, outcome: &'static str, detail: &str) {
        self.ports.hooks.host.journal.record(HookRun {
            at: self.ports.clock.now(),
            kind: "login",
            hook: "tidegate".into(),
            adapter: "server",
            connection: Some(attempt.connection.id.clone()),
            username: Some(attempt.username.clone()),
            address: Some(attempt.connection.remote.ip()),
            about: Some(attempt.method().as_str().to_owned()),
            outcome,
            detail: detail.to_owned(),
            is_error: false,
            decided: true,
            duration: Duration::ZERO,
            exchange: Exchange::default(),
        });
    }
}
