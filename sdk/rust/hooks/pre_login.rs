//! Limits the bandwidth of clients that do not come from the office, just before the login.
//! Hook point: pre-login. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Account, AccountDraft, Failure, LoginAttempt, PreLogin, PreLoginVerdict};

use crate::Plugin;

impl PreLogin for Plugin {
    fn prepare(attempt: &LoginAttempt, account: Option<&Account>) -> Result<PreLoginVerdict, Failure> {
        let Some(account) = account else { return Ok(PreLoginVerdict::Unchanged) };
        let draft = AccountDraft::of(account);
        let limit = if attempt.connection().remote_ip().starts_with("192.0.2.") { 0 } else { 512 };
        draft.set_bandwidth_kb(limit, limit);
        Ok(PreLoginVerdict::Replace(draft))
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::Connection;

    use super::*;

    #[test]
    fn others_are_slower() {
        let alice = Account::from_json(r#"{"username": "alice", "home_dir": "/srv/alice"}"#);
        let attempt = LoginAttempt::with_password("alice", "pw").from(Connection::from_ip("198.51.100.7"));
        let Ok(PreLoginVerdict::Replace(draft)) = Plugin::prepare(&attempt, Some(&alice)) else { panic!("unchanged") };
        assert_eq!(draft.field("upload_bandwidth"), 512);
        assert!(matches!(Plugin::prepare(&attempt, None), Ok(PreLoginVerdict::Unchanged)));
    }
}
