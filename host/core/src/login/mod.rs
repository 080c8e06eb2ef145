//! The login use case. One [`Login`] follows one connection through its attempts. Only a [`Login`] makes
//! an [`AuthenticatedAccount`], and only that opens a session's files.

mod admission;
mod checks;
mod conversation;
mod credentials;
mod external_auth_cache;
mod hooks;
mod one_time_code;
mod outcome;
mod public_keys;
mod refusal;
mod rounds;
mod scoring;
mod session_records;
mod store_probe;
mod turned_away;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

pub use admission::AuthenticatedAccount;
pub use checks::{AccountCheck, account_checks};
pub use conversation::Step;
pub use external_auth_cache::ExternalAuthCache;
pub use hooks::LoginHooks;
pub use one_time_code::{CodeRefusal, OneTimeCodes, RightCode};
pub use outcome::{Offer, Outcome};
pub use refusal::{Refusal, RefusalReason};

use self::checks::comes_before;
use self::conversation::{ConversationStep, Exchange};
use self::credentials::{PreLoginHooks, Resolved};
use self::public_keys::OfferedKey;
use self::store_probe::StoreProbe;
use self::turned_away::TurnedAway;
use crate::account::{AccountRule, Accounts, AddressRule, EffectiveAccount, Factors};
use crate::connection::{Connection, Credential, LoginMethod};
use crate::files::FileContext;
use crate::guard::{Defender, Offence};
use crate::hook::observation::PostLogin;
use crate::hook::{Comparisons, DecidingCall, LastDecision, LoginAttempt};
use crate::metrics::Metrics;
use crate::password::PasswordHash;
use crate::ports::{Clock, Passwords, StorageFactory};
use crate::presented;
use crate::secret::Secret;
use crate::session::SessionRegistry;
use crate::trace;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

/// The ports and services that logins work on.
pub struct LoginPorts {
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// Compares and hashes passwords.
    pub passwords: Arc<dyn Passwords>,
    /// The hooks of logins.
    pub hooks: LoginHooks,
    /// Shared by the files of all sessions.
    pub files: Arc<FileContext>,
    /// Counts logins.
    pub metrics: Arc<Metrics>,
    /// The open sessions of this server.
    pub sessions: Arc<SessionRegistry>,
    /// Scores denied logins.
    pub defender: Arc<Defender>,
    /// What external authentication has decided a short time ago.
    pub external_auth_cache: Arc<ExternalAuthCache>,
    /// Opens file trees.
    pub storage: Arc<dyn StorageFactory>,
    /// Decides about addresses in both lists of an account (J-02).
    pub address_rule: AddressRule,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The logins of a server; there is one for all connections.
pub struct LoginService {
    ports: LoginPorts,
    /// A hash that the passwords of unknown users are compared with, so that they take as long as those of known
    /// ones.
    decoy: PasswordHash,
    codes: Arc<OneTimeCodes>,
    probe: StoreProbe,
    turned_away: TurnedAway,
}

impl LoginService {
    /// The open sessions of this server.
    pub fn sessions(&self) -> &Arc<SessionRegistry> {
        &self.ports.sessions
    }

    /// Checks the one-time codes of users, and counts the wrong ones of each.
    pub fn one_time_codes(&self) -> &Arc<OneTimeCodes> {
        &self.codes
    }

    /// Scores offences, and knows the banned addresses.
    pub fn defender(&self) -> &Arc<Defender> {
        &self.ports.defender
    }

    /// Whether there is a keyboard-interactive hook.
    pub fn has_conversations(&self) -> bool {
        !self.ports.hooks.keyboard_interactive.is_empty()
    }

    /// Logins on these ports.
    pub fn new(ports: LoginPorts) -> Self {
        Self {
            ports,
            decoy: PasswordHash::decoy(),
            codes: Arc::default(),
            probe: StoreProbe::default(),
            turned_away: TurnedAway::default(),
        }
    }
}

/// An attempt, after the `login-pre` hooks were asked.
enum Attempted {
    Admitted(Arc<LoginAttempt>),
    Refused(Arc<LoginAttempt>, Refusal),
}

/// The account whose credential was right.
struct Proved {
    account: Arc<EffectiveAccount>,
    /// Whether a one-time code was given.
    has_code: bool,
}

impl Proved {
    fn without_code(account: Arc<EffectiveAccount>) -> Self {
        Self { account, has_code: false }
    }
}

/// The steps that a user has passed so far.
struct Passed {
    username: String,
    methods: Vec<LoginMethod>,
    next: Vec<LoginMethod>,
    /// The account whose password was right; what a hook made of it is stored once the code is right.
    resolved: Option<Resolved>,
    /// When the account was read for the first step: what is changed from then on is followed.
    read_at: Instant,
    /// The account that a hook has made in the step; it is stored with the next step.
    made: Option<Arc<EffectiveAccount>>,
    /// The hook that has decided about the step.
    decision: Option<Arc<DecidingCall>>,
    /// The `command=` of the line of the key among the steps.
    forced_command: Option<String>,
}

/// The attempts of one connection.
pub struct Login {
    service: Arc<LoginService>,
    connection: Arc<Connection>,
    close: CancellationToken,
    /// On the heap: sessions keep the login, and most have one step.
    passed: Option<Box<Passed>>,
    attempts: u32,
    /// Verdicts on offered keys: a hook is asked about each key once (C6-09).
    offers: HashMap<(String, Vec<u8>), OfferedKey>,
    /// A conversation under way.
    exchange: Option<Exchange>,
    /// The `command=` of the line of the key that is one of the steps.
    forced_command: Option<String>,
    /// Of the attempts, until one succeeds.
    span: Span,
    /// What refused keys score, unless the client logs in or is denied by another method (B14-03).
    key_offence: Option<Offence>,
    /// Whether a try of this connection is on record as not accepted.
    has_refusals: bool,
}

impl Login {
    /// The login of a connection. `close`: ends the connection from outside, once a session exists.
    pub fn new(service: Arc<LoginService>, connection: Arc<Connection>, close: CancellationToken) -> Self {
        let (offers, span) = (HashMap::new(), trace::login_span(&connection));
        Self {
            service,
            connection,
            close,
            passed: None,
            attempts: 0,
            offers,
            exchange: None,
            forced_command: None,
            span,
            key_offence: None,
            has_refusals: false,
        }
    }

    /// The connection of the client.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The `command=` of the key that logged in, which runs in the session whatever the client asks for.
    pub fn forced_command(&self) -> Option<&str> {
        self.forced_command.as_deref()
    }

    /// The methods that may follow; None: the user has passed no step.
    pub fn next_steps(&self, username: &str) -> Option<&[LoginMethod]> {
        self.passed_by(username).map(|passed| passed.next.as_slice())
    }

    fn passed_by(&self, username: &str) -> Option<&Passed> {
        self.passed.as_deref().filter(|passed| passed.username == username)
    }

    /// Ends a conversation under way that the client has left, as a refused attempt. False: there was none.
    pub fn give_up(&mut self) -> bool {
        let Some(exchange) = self.exchange.take() else { return false };
        let attempt = exchange.attempt().clone();
        self.refused(&attempt, &exchange.give_up());
        true
    }

    /// The first question of a client, which proves nothing (RFC 4252 §5.2). While the store of accounts is away it is
    /// not decided: some clients do not read what follows the refusal of a credential.
    pub async fn nothing_proved(&self, username: &str) -> Offer {
        let LoginService { ports, probe, .. } = &*self.service;
        if !ports.metrics.is_store_away() && !probe.finds_it_away(&ports.accounts, username, ports.clock.now()).await {
            return Offer::Refused;
        }
        ports.metrics.login_unavailable();
        refusal::log_unavailable(&self.connection, username, refusal::NO_AUTH_TRIED, "the store of accounts is away");
        Offer::Unavailable
    }

    /// An attempt with the password method (RFC 4252 §8).
    pub async fn password(&mut self, username: &str, password: Secret) -> Outcome {
        let span = self.span.clone();
        self.try_password(username, password).instrument(span).await
    }

    async fn try_password(&mut self, username: &str, password: Secret) -> Outcome {
        self.give_up();
        let attempt = match self.attempt(username, Credential::Password(password.clone())).await {
            Attempted::Admitted(attempt) => attempt,
            Attempted::Refused(attempt, refusal) => return self.conclude(&attempt, Err(refusal)).await,
        };
        let resolved = self.service.try_password(&attempt, &password, PreLoginHooks::Ask).await;
        let outcome = match resolved {
            Ok(resolved) => match self.missing_factor(&attempt, &resolved) {
                Ok(next) if next.is_empty() => self.service.commit(resolved).await.map(Proved::without_code),
                Ok(next) => return self.passed(&attempt, next, Some(resolved)),
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        };
        self.conclude(&attempt, outcome).await
    }

    /// The methods that have to follow a right password. The account's restrictions are checked first: a client
    /// that they refuse must not learn that the password was right.
    fn missing_factor(&self, attempt: &LoginAttempt, resolved: &Resolved) -> Result<Vec<LoginMethod>, Refusal> {
        let methods = proved(attempt);
        let next = resolved.account.next_steps(&methods);
        if !next.is_empty() {
            let factors = Factors { methods, has_code: false };
            self.service.check_rules(&AccountRule::AFTER_CREDENTIAL, &resolved.account, attempt, &factors)?;
        }
        Ok(next)
    }

    fn passed(&mut self, attempt: &LoginAttempt, next: Vec<LoginMethod>, resolved: Option<Resolved>) -> Outcome {
        let (username, methods, read_at) = (attempt.username.clone(), proved(attempt), attempt.read_at);
        let (decision, made, forced_command) = (attempt.decision.call(), None, self.forced_command.clone());
        let passed =
            Passed { username, methods, next: next.clone(), resolved, read_at, made, decision, forced_command };
        self.passed = Some(Box::new(passed));
        Outcome::NextStep(next)
    }

    /// An attempt with the keyboard-interactive method (RFC 4256). A conversation under way is given up.
    pub async fn keyboard_interactive(&mut self, username: &str) -> Step {
        let span = self.span.clone();
        self.begin_conversation(username).instrument(span).await
    }

    async fn begin_conversation(&mut self, username: &str) -> Step {
        self.give_up();
        let attempt = match self.attempt(username, Credential::KeyboardInteractive).await {
            Attempted::Admitted(attempt) => attempt,
            Attempted::Refused(attempt, refusal) => return Step::Done(self.conclude(&attempt, Err(refusal)).await),
        };
        let resolved = self.passed_by(username).and_then(|passed| passed.resolved.clone());
        self.exchange = Some(Exchange::begin(self.service.clone(), attempt, resolved));
        self.next_step().await
    }

    /// The client's answers to the round before.
    pub async fn answers(&mut self, answers: Vec<Secret>) -> Step {
        if let Some(exchange) = &mut self.exchange {
            exchange.answer(answers);
        }
        let span = self.span.clone();
        self.next_step().instrument(span).await
    }

    async fn next_step(&mut self) -> Step {
        // The exchange stays in its place during the wait, so that `give_up` finds it if the wait is cancelled.
        let Some(exchange) = &mut self.exchange else {
            return Step::Done(Outcome::Refused);
        };
        match exchange.next().await {
            ConversationStep::Ask(round) => Step::Ask(round),
            ConversationStep::Finished(ended) => {
                let attempt = exchange.attempt().clone();
                self.exchange = None;
                Step::Done(self.conclude(&attempt, ended).await)
            }
        }
    }

    /// The connection ended without an attempt to log in (A4-01). `reason`: for the log and for observers.
    pub fn abandoned(&self, reason: &str) {
        self.service.ports.metrics.no_auth();
        self.span.record("outcome", "no_attempt");
        // A connection that the server has cut off had no time for an attempt.
        if !self.close.is_cancelled() {
            self.service.ports.defender.score(self.connection.remote.ip(), Offence::NoLoginTried);
        }
        refusal::log_connection_failed(&self.connection, "", refusal::NO_AUTH_TRIED, reason, "no_attempt");
        self.service.ports.hooks.post_login.notify(PostLogin {
            connection: self.connection.clone(),
            attempt: None,
            outcome: Err(reason.to_owned()),
        });
    }

    /// Begins an attempt: counts it, reads the account and asks the `login-pre` hooks.
    async fn attempt(&mut self, username: &str, credential: Credential) -> Attempted {
        self.attempts = self.attempts.saturating_add(1);
        // A key comes before a password, and both before a conversation. A step that is repeated counts once.
        let passed = self.passed_by(username).map(|passed| passed.methods.as_slice()).unwrap_or_default();
        let method = credential.method();
        let completed_methods: Vec<_> =
            passed.iter().copied().filter(|earlier| comes_before(*earlier, method)).collect();
        // A key that is offered between the steps, or another user that is tried, takes nothing from the key that was
        // passed.
        let passed_key = self.passed_by(username).filter(|_| completed_methods.contains(&LoginMethod::PublicKey));
        self.forced_command = passed_key.and_then(|passed| passed.forced_command.clone());
        let decision = self.passed_by(username).filter(|_| !completed_methods.is_empty());
        let decision = LastDecision::after(decision.and_then(|passed| passed.decision.clone()));
        let passed = self.passed_by(username).map(|passed| (passed.read_at, passed.made.clone()));
        let (passed_at, made) = passed.unzip();
        let made = made.flatten().filter(|_| comes_before(LoginMethod::PublicKey, method));
        let (stored, read_at, failure) = match (presented::check_login(username, &credential), made, passed_at) {
            // A denial, and not the failure of a hook that cannot be asked: it scores.
            (Err(unfit), _, _) => (None, Instant::now(), Some(Refusal::new(RefusalReason::Denied, unfit.to_string()))),
            (Ok(()), Some(account), Some(passed_at)) => (Some(account), passed_at, None),
            (Ok(()), _, passed_at) => {
                let (stored, read_at, failure) = self.service.read(username).await;
                (stored, passed_at.unwrap_or(read_at), failure)
            }
        };
        let attempt = Arc::new(LoginAttempt {
            connection: self.connection.clone(),
            username: presented::shortened(username).to_owned(),
            credential,
            completed_methods,
            stored,
            read_at,
            number: self.attempts,
            comparisons: Comparisons::default(),
            decision,
        });
        if let Some(refusal) = failure {
            return Attempted::Refused(attempt, refusal);
        }
        match self.service.before_credentials(&attempt).await {
            Ok(()) => Attempted::Admitted(attempt),
            Err(refusal) => Attempted::Refused(attempt, refusal),
        }
    }

    /// Ends an attempt: checks the rules that come after the credential, takes a place for the session, logs the
    /// outcome and tells observers.
    async fn conclude(&mut self, attempt: &Arc<LoginAttempt>, outcome: Result<Proved, Refusal>) -> Outcome {
        let admitted = match outcome {
            Ok(proved) => self.service.admit(proved, attempt, self.close.clone()).await,
            Err(refusal) => Err(refusal),
        };
        match admitted {
            Ok(authenticated) => {
                self.service.succeeded(attempt, &authenticated, self.has_refusals).await;
                self.trace(attempt, "accepted");
                self.span = Span::none();
                // The offers are not needed in the session, which may last long.
                self.offers = HashMap::new();
                self.key_offence = None;
                Outcome::Accepted(authenticated)
            }
            Err(refusal) => self.refused(attempt, &refusal),
        }
    }

    /// Counts and logs an attempt that was refused or not decided, and tells observers. An outage is no failed login:
    /// it has a metric and a line in the log of its own, and hooks that count failed logins are not told of it.
    fn refused(&mut self, attempt: &Arc<LoginAttempt>, refusal: &Refusal) -> Outcome {
        let (text, login_type) = (refusal.to_string(), attempt.method().login_type());
        self.trace(attempt, refusal.reason.as_str());
        self.has_refusals = true;
        if refusal.reason == RefusalReason::Unavailable {
            self.service.ports.metrics.login_unavailable();
            refusal::log_unavailable(&self.connection, &attempt.username, login_type, &text);
            self.service.journal_login(attempt, "unavailable", &text);
            return Outcome::Unavailable;
        }
        self.service.ports.metrics.login(attempt.method(), false);
        self.score(attempt, refusal.reason);
        let reason = refusal.reason.as_str();
        refusal::log_connection_failed(&self.connection, &attempt.username, login_type, &text, reason);
        self.service.journal_login(attempt, "refused", &text);
        self.service.ports.hooks.post_login.notify(PostLogin {
            connection: self.connection.clone(),
            attempt: Some(attempt.clone()),
            outcome: Err(text),
        });
        Outcome::Refused
    }
}

impl Login {
    /// Notes in the span what has become of the last attempt.
    fn trace(&self, attempt: &LoginAttempt, outcome: &'static str) {
        self.span.record("username", attempt.username.as_str());
        self.span.record("method", attempt.method().as_str());
        self.span.record("outcome", outcome);
    }
}

/// The steps of the login, with the one that has just passed.
fn proved(attempt: &LoginAttempt) -> Vec<LoginMethod> {
    [attempt.completed_methods.as_slice(), &[attempt.credential.method()]].concat()
}

#[cfg(test)]
mod code_tests;
#[cfg(test)]
mod conversation_tests;
#[cfg(test)]
mod decision_tests;
#[cfg(test)]
mod defender_tests;
#[cfg(test)]
mod external_auth_cache_tests;
#[cfg(test)]
mod external_auth_tests;
#[cfg(test)]
mod factor_tests;
#[cfg(test)]
mod forced_command_tests;
#[cfg(test)]
mod hook_tests;
#[cfg(test)]
mod only_read_tests;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod record_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod session_record_tests;
#[cfg(test)]
mod subject_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdict_tests;
