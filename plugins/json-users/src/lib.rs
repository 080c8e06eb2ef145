//! Accounts from a list in the plugin's own configuration. See README.md.

mod users;

use tidegate_hook::{AccountDraft, AuthVerdict, ExternalAuth, Failure, LoginAttempt, LoginMethod, config};

use crate::users::{Others, Settings, User};

struct JsonUsers;

impl ExternalAuth for JsonUsers {
    fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure> {
        let settings = Settings::parse(&config::to_json()).map_err(failure)?;
        let Some(user) = settings.find(&attempt.username()) else {
            return Ok(match settings.others {
                Others::Defer => AuthVerdict::Defer,
                Others::Reject => reject("the user is not in the list"),
            });
        };
        if !proves(attempt, user)? {
            return Ok(reject("the credential does not match"));
        }
        let document = settings.document_of(user);
        let draft = AccountDraft::from_json(&document)
            .map_err(|problem| failure(format!("user {}: {problem}", user.username())))?;
        Ok(AuthVerdict::Accept(Some(draft)))
    }
}

/// Whether the client's credential is one of the user's.
fn proves(attempt: &LoginAttempt, user: &User) -> Result<bool, Failure> {
    match attempt.method() {
        LoginMethod::Password => match user.password_hash() {
            Some(hash) => attempt.password_matches(hash).map_err(|error| failure(format!("{error:?}"))),
            None => Ok(false),
        },
        LoginMethod::PublicKey => {
            let key = attempt.public_key().map_err(|error| failure(format!("{error:?}")))?;
            Ok(user.has_key(&key))
        }
        _ => Ok(false),
    }
}

fn reject(reason: &str) -> AuthVerdict {
    AuthVerdict::reject(reason)
}

fn failure(message: String) -> Failure {
    Failure { message, transient: false }
}

tidegate_hook::export!(JsonUsers: ExternalAuth);
