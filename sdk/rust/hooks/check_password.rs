//! Lets a password end in a hyphen and a code of six characters, which it takes off before the server compares.
//! Needs the grant `credentials`.
//! Hook point: check-password. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{CheckPassword, Failure, LoginAttempt, PasswordVerdict};

use crate::Plugin;

impl CheckPassword for Plugin {
    fn check(attempt: &LoginAttempt) -> Result<PasswordVerdict, Failure> {
        let typed = attempt.password().map_err(|error| Failure::new(format!("{error:?}")))?;
        Ok(match typed.rsplit_once('-') {
            Some((password, code)) if code.len() == 6 => PasswordVerdict::Verify(password.to_owned()),
            _ => PasswordVerdict::Defer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_taken_off() {
        let attempt = LoginAttempt::with_password("alice", "secret-123456");
        assert!(Plugin::check(&attempt).is_err(), "without the grant");
        let verdict = Plugin::check(&attempt.with_credentials_granted()).unwrap();
        assert!(matches!(verdict, PasswordVerdict::Verify(password) if password == "secret"));
    }
}
