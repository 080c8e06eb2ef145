//! Denies names that no account here has, before any credential is checked.
//! Hook point: login-pre. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Failure, LoginAttempt, LoginPre, Review};

use crate::Plugin;

impl LoginPre for Plugin {
    fn review(attempt: &LoginAttempt) -> Result<Review, Failure> {
        let username = attempt.username();
        let ours = !username.is_empty() && username.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        Ok(if ours { Review::Allow } else { Review::deny("not a name of ours") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_refused() {
        let allowed = |name| Plugin::review(&LoginAttempt::with_password(name, "pw")).unwrap().is_allowed();
        assert!(allowed("alice") && !allowed("Administrator") && !allowed("a b"));
    }
}
