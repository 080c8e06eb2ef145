//! What is asked before credentials at the doors over HTTP are looked at: limits on the rate of log-ins (B14-05), and the
//! `login-pre` hooks (D-05).

use std::sync::Arc;
use std::time::Instant;

use super::credential_text::new_key_id;
use super::web_sessions::web_connection;
use super::{Audit, AuthenticationError, DoorClient};
use crate::connection::Credential;
use crate::guard::{Defender, Offence};
use crate::hook::review::{LoginPre, Review};
use crate::hook::{Chain, Comparisons, LastDecision, LoginAttempt};
use crate::ports::{Door, StoreError};
use crate::presented::{check_name, check_password};
use crate::secret::Secret;

/// Why a log-in of an administrator or of a user was denied.
pub(super) const WRONG_PASSWORD: &str = "the password is wrong";
/// Why a log-in with the right password or link was denied.
pub(super) const WRONG_CODE: &str = "the one-time code is wrong";

/// What `login-pre` hooks are asked about at the doors over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoginPreScope {
    /// Log-ins: names with passwords, and login links.
    #[default]
    Logins,
    /// Each request of a program as well, with a token or an API key.
    All,
}

/// Asks `login-pre` hooks, and scores what is denied.
#[derive(Clone)]
pub struct BeforeLogins {
    /// None: this process asks no hooks.
    pub hooks: Option<Arc<Chain<LoginPre>>>,
    /// The requests that the hooks are asked about.
    pub scope: LoginPreScope,
    /// Scores the addresses of what is denied.
    pub defender: Arc<Defender>,
    /// Records what is denied.
    pub audit: Audit,
}

impl BeforeLogins {
    /// Refuses a log-in that comes too soon after others (B14-05), before anything is looked at.
    pub(super) fn limit(&self, client: &DoorClient) -> Result<(), AuthenticationError> {
        let wait = client.address.and_then(|address| self.defender.exceeds_http_rate(address));
        wait.map_or(Ok(()), |seconds| Err(AuthenticationError::TooOften(seconds)))
    }

    /// Asks about a log-in. A denial is a failed login, whatever the password is (D-05), as is a name or a password that
    /// no hook could be given. `kind`: whose log-in it is, an administrator's or a user's.
    pub(super) async fn login(
        &self,
        kind: &'static str,
        username: &str,
        password: &Secret,
        client: &DoorClient,
    ) -> Result<(), AuthenticationError> {
        if check_name(username).and_then(|()| check_password(password)).is_err() {
            let why = "the name or the password is too long or has a character that none may have";
            return Err(self.deny(kind, username, client, why).await);
        }
        let Some(hooks) = self.hooks.as_ref().filter(|hooks| !hooks.is_empty()) else { return Ok(()) };
        let id = format!("HTTP_{}", new_key_id().map_err(|error| StoreError::Failed(error.to_string()))?);
        let attempt = Arc::new(LoginAttempt {
            connection: web_connection(&id, client.address, client.visit.clone(), self.audit.clock.now()),
            username: username.to_owned(),
            credential: Credential::Password(password.clone()),
            completed_methods: Vec::new(),
            stored: None,
            read_at: Instant::now(),
            number: 1,
            comparisons: Comparisons::default(),
            decision: LastDecision::default(),
        });
        match hooks.decide(&mut LoginPre(attempt)).await.map(|decision| (decision.verdict, decision.decided_by)) {
            Ok((Review::Allow | Review::Done, _)) => Ok(()),
            Ok((Review::Deny(denial), hook)) => {
                tracing::warn!(sender = "login_pre_hook", message = denial.reason, username, connection_id = id);
                let why = format!("the hook {} refused: {}", hook.unwrap_or_default(), denial.reason);
                Err(self.deny(kind, username, client, &why).await)
            }
            Err(failure) => {
                let message = format!("the hook {} failed: {}", failure.hook, failure.error);
                tracing::error!(sender = "login_pre_hook", message, username, connection_id = id);
                Err(AuthenticationError::Hook)
            }
        }
    }

    /// Asks about a request with a token or an API key, which hooks are not given, if that is wanted. `name`: the actor.
    /// A browser's log-in was asked about, and its requests are not. The answer: whether hooks may have been asked, which
    /// takes its time.
    pub(super) async fn request(
        &self,
        kind: &'static str,
        name: &str,
        client: &DoorClient,
    ) -> Result<bool, AuthenticationError> {
        let are_asked = self.scope == LoginPreScope::All && client.door == Door::Rest;
        if are_asked {
            self.login(kind, name, &Secret::new(""), client).await?;
        }
        Ok(are_asked)
    }

    /// Scores the denial of a login, whether the name exists or not, and records it, once in a while for each name and
    /// address. `why`: for administrators alone.
    pub(super) async fn deny(
        &self,
        kind: &'static str,
        username: &str,
        client: &DoorClient,
        why: &str,
    ) -> AuthenticationError {
        if let Some(address) = client.address {
            self.defender.score_http(address, Offence::LoginFailed);
        }
        self.audit.denied_login(kind, username, client, why).await;
        AuthenticationError::Denied
    }
}
