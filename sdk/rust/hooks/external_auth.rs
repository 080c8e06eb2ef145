//! Lets guests in: user names that begin with "guest-" share one password, whose hash is in the plugin's settings.
//! All other names are left to the next hook.
//! Hook point: external-auth. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{AccountDraft, AuthVerdict, ExternalAuth, Failure, LoginAttempt, config};

use crate::Plugin;

impl ExternalAuth for Plugin {
    fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure> {
        let username = attempt.username();
        if !username.starts_with("guest-") {
            return Ok(AuthVerdict::Defer);
        }
        let setting = |name| config::get(name).ok_or_else(|| Failure::new(format!("config.{name} is needed")));
        // The server compares, so the plugin needs neither the password nor a grant.
        if !attempt.password_matches(&setting("password_hash")?).unwrap_or(false) {
            return Ok(AuthVerdict::reject("not the guests' password"));
        }
        let draft = AccountDraft::new(&username);
        draft.set_home_directory(&setting("directory")?).map_err(Failure::new)?;
        draft.set_permissions("/", &["list".to_owned(), "download".to_owned()]).map_err(Failure::new)?;
        Ok(AuthVerdict::Accept(Some(draft)))
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    #[test]
    fn guests_need_the_password() {
        host::set_config(r#"{"password_hash": "HASH", "directory": "/srv/guests"}"#);
        let right = LoginAttempt::with_password("guest-1", "pw").whose_hash_is("HASH");
        let Ok(AuthVerdict::Accept(Some(draft))) = Plugin::authenticate(&right) else { panic!("a guest was refused") };
        assert_eq!(draft.field("home_dir"), "/srv/guests");
        let wrong = LoginAttempt::with_password("guest-1", "pw").whose_hash_is("OTHER");
        assert!(matches!(Plugin::authenticate(&wrong), Ok(AuthVerdict::Reject(_))));
        let other = LoginAttempt::with_password("alice", "pw");
        assert!(matches!(Plugin::authenticate(&other), Ok(AuthVerdict::Defer)));
    }
}
