//! Observers of logins get those of users at the doors over HTTP as well as those over SSH (A14-01). Those of
//! administrators are in the audit log alone, since they are no accounts.

use std::sync::Arc;
use std::time::Instant;

use super::credential_text::new_key_id;
use super::web_sessions::web_connection;
use super::{AuthenticationError, DoorClient, UserSessions};
use crate::account::EffectiveAccount;
use crate::connection::{Connection, Credential, WebVisit};
use crate::hook::observation::PostLogin;
use crate::hook::{Comparisons, LastDecision, LoginAttempt};
use crate::presented;
use crate::secret::Secret;
use crate::session::Session;

impl UserSessions {
    /// Tells observers of the login that began the session. `password`: None: a login link took its place.
    pub(super) fn tell_of_login(&self, session: &Arc<Session>, password: Option<Secret>) {
        let Some(observers) = &self.observers else { return };
        let (connection, password) = (session.connection.clone(), password.unwrap_or_else(|| Secret::new("")));
        let attempt = attempt(&connection, &session.username, password, Some(session.account.clone()));
        observers.notify(PostLogin { connection, attempt: Some(attempt), outcome: Ok(session.clone()) });
    }

    /// Tells observers of a name and a password that were refused. `stored`: the account, if one was found.
    pub(super) fn tell_of_refusal(
        &self,
        (username, password): (&str, Secret),
        stored: Option<Arc<EffectiveAccount>>,
        client: &DoorClient,
        error: &AuthenticationError,
    ) {
        let Some(observers) = self.observers.as_ref().filter(|_| is_failed_login(error)) else { return };
        let Ok(id) = new_key_id() else {
            let message = format!("post-login hooks are not told of \"{username}\": there are no random numbers");
            tracing::warn!(sender = "post_login_hook", message);
            return;
        };
        let visit = WebVisit { login_key: String::new(), impersonator: String::new(), ..client.visit.clone() };
        let connection = web_connection(&format!("HTTP_{id}"), client.address, visit, self.clock.now());
        let attempt = attempt(&connection, presented::shortened(username), password, stored);
        observers.notify(PostLogin { connection, attempt: Some(attempt), outcome: Err(error.to_string()) });
    }
}

fn attempt(
    connection: &Arc<Connection>,
    username: &str,
    password: Secret,
    stored: Option<Arc<EffectiveAccount>>,
) -> Arc<LoginAttempt> {
    Arc::new(LoginAttempt {
        connection: connection.clone(),
        username: username.to_owned(),
        credential: Credential::Password(password),
        completed_methods: Vec::new(),
        stored,
        read_at: Instant::now(),
        number: 1,
        comparisons: Comparisons::default(),
        decision: LastDecision::default(),
    })
}

/// Whether the login was refused, and not left half done or undecided, as while the store is away or too many come.
fn is_failed_login(error: &AuthenticationError) -> bool {
    match error {
        AuthenticationError::Denied | AuthenticationError::Paused(_) | AuthenticationError::Hook => true,
        AuthenticationError::SecondFactorNeeded
        | AuthenticationError::SecondFactorMissing
        | AuthenticationError::PasswordElsewhere
        | AuthenticationError::TooOften(_)
        | AuthenticationError::Store(_)
        | AuthenticationError::Password(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use async_trait::async_trait;
    use serde_json::json;

    use super::super::author_tests::ShownPasswords;
    use super::super::use_case_tests::administration_observed;
    use super::super::user_tests::map;
    use super::super::web_session_tests::client;
    use super::super::{Actor, LinkWish};
    use super::*;
    use crate::hook::observers::ObserverWork as _;
    use crate::hook::{Call, Hook, HookDescription, HookError, Link, LinkSettings, Observers};
    use crate::ports::Door;

    /// Notes what it is told.
    #[derive(Default)]
    struct Witness(Mutex<Vec<String>>);

    #[async_trait]
    impl Hook<PostLogin> for Witness {
        fn name(&self) -> &str {
            "witness"
        }
        fn adapter(&self) -> &'static str {
            "test"
        }
        fn description(&self) -> HookDescription {
            HookDescription::new("", Duration::ZERO, "ready")
        }
        async fn call(&self, _: &Call, event: &PostLogin) -> Result<(), HookError> {
            let attempt = event.attempt.as_ref().unwrap();
            let is_known = if attempt.stored.is_some() { "known" } else { "unknown" };
            let outcome = if event.outcome.is_ok() { "in" } else { "refused" };
            let (origin, method) = (event.connection.origin(), attempt.method().as_str());
            let line = format!("{} {is_known} {outcome} {origin} {method}", attempt.username);
            self.0.lock().unwrap().push(line);
            Ok(())
        }
    }

    #[tokio::test]
    async fn observers_are_told_of_users_who_log_in_over_http() {
        // A14-01, A14-02, A14-08
        let (witness, observers) = (Arc::new(Witness::default()), Observers::<PostLogin>::new(Arc::default()));
        let link = Link::new(witness.clone() as Arc<dyn Hook<PostLogin>>, LinkSettings::default());
        observers.chain().replace(vec![Arc::new(link)]);
        let changes = Observers::new(Arc::default());
        let of = administration_observed(Arc::new(ShownPasswords), changes, Some(observers.clone()));
        let (root, web) = (Actor::local("root", Door::Socket), client(Door::Web));
        let document = json!({
            "username": "alice", "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]}, "password": "pw",
        });
        of.users.add(&root, map(document), None).await.unwrap();
        of.own.log_in("alice", Secret::new("pw"), None, &web).await.unwrap();
        for (name, password) in [("alice", "no"), ("nobody", "pw"), ("al\0ice", "pw")] {
            of.own.log_in(name, Secret::new(password), None, &web).await.unwrap_err();
        }
        let link = of.login_links.add(&root, "alice", LinkWish::default()).await.unwrap().text;
        of.login_links.redeem(link.expose(), None, &client(Door::Rest)).await.unwrap();
        // An administrator that acts as a user is no login of the user.
        of.user_sessions.impersonate(&root, "alice", &web).await.unwrap();
        observers.close();
        observers.work().await;
        let mut told = std::mem::take(&mut *witness.0.lock().unwrap());
        told.sort();
        let expected = [
            "al\0ice unknown refused web password",
            "alice known in web password",
            "alice known in web password",
            "alice known refused web password",
            "nobody unknown refused web password",
        ];
        assert_eq!(told, expected);
    }
}
