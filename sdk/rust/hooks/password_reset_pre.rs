//! Denies requests for a new password of an administrator.
//! Hook point: password-reset-pre. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Failure, PasswordResetPre, Review, WebRequest};

use crate::Plugin;

impl PasswordResetPre for Plugin {
    fn review(request: &WebRequest) -> Result<Review, Failure> {
        let administrator = request.username().starts_with("admin");
        Ok(if administrator { Review::deny("an administrator") } else { Review::Allow })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_are_safe() {
        let by = |username: &str| WebRequest { username: username.to_owned(), ..WebRequest::default() };
        assert!(!Plugin::review(&by("admin-1")).unwrap().is_allowed());
        assert!(Plugin::review(&by("alice")).unwrap().is_allowed());
    }
}
