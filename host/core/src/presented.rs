//! The names and passwords that clients present: texts that a hook of any kind can be given. A program gets them as
//! variables of its environment, which hold no NUL and are not of any length (A11-03, C1-05). One rule for all doors
//! makes such a name or password a wrong one; to the hook it would be a failure, which no guard counts.

use crate::connection::Credential;
use crate::secret::Secret;

/// Longest name, in bytes. No account has one that long; with escapes, in a document, it still is one variable.
pub const MAX_NAME: usize = 4096;
/// Longest password, in bytes. In Base64 it still is one variable.
pub const MAX_PASSWORD: usize = 64 << 10;

/// Why a text can be no name or password; the sentence is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It has the character NUL; the text says what it would be, such as a name.
    #[error("the {0} contains the character NUL, which cannot be passed to programs")]
    Nul(&'static str),
    /// It has more than that many bytes.
    #[error("the {0} is longer than {1} bytes")]
    TooLong(&'static str, usize),
}

/// Checks a name.
///
/// # Errors
/// It cannot be passed to every kind of hook.
pub fn check_name(name: &str) -> Result<(), Unfit> {
    check("name", name, MAX_NAME)
}

/// Checks a password.
///
/// # Errors
/// It cannot be passed to every kind of hook.
pub fn check_password(password: &Secret) -> Result<(), Unfit> {
    check("password", password.expose(), MAX_PASSWORD)
}

/// Checks what a client tries to log in with.
///
/// # Errors
/// The name or the password cannot be passed to every kind of hook.
pub fn check_login(name: &str, credential: &Credential) -> Result<(), Unfit> {
    check_name(name)?;
    match credential {
        Credential::Password(password) => check_password(password),
        Credential::PublicKey(_) | Credential::KeyboardInteractive => Ok(()),
    }
}

/// As much of a name as observers of refused logins get.
pub fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or_default()
}

fn check(what: &'static str, text: &str, longest: usize) -> Result<(), Unfit> {
    if text.contains('\0') {
        return Err(Unfit::Nul(what));
    }
    if text.len() > longest {
        return Err(Unfit::TooLong(what, longest));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_no_variable_can_hold_are_no_names_and_no_passwords() {
        // A11-03, C1-05
        let check = |text: &str, name: Result<(), Unfit>, password: Result<(), Unfit>| {
            let shown: String = text.chars().take(20).collect();
            assert_eq!(check_name(text), name, "{shown:?}");
            assert_eq!(check_password(&Secret::new(text)), password, "{shown:?}");
            let with_password = check_login("alice", &Credential::Password(Secret::new(text)));
            assert_eq!(with_password, password, "{shown:?}");
            assert_eq!(check_login(text, &Credential::KeyboardInteractive), name, "{shown:?}");
        };
        assert_eq!(shortened(&"é".repeat(MAX_NAME)).len(), MAX_NAME);
        assert_eq!(shortened("alice\0"), "alice\0");
        check("", Ok(()), Ok(()));
        check("al ice\n$(id) \u{1}\u{7f}é\u{200b}", Ok(()), Ok(()));
        check("\0", Err(Unfit::Nul("name")), Err(Unfit::Nul("password")));
        check("alice\0", Err(Unfit::Nul("name")), Err(Unfit::Nul("password")));
        let too_long_a_name = || Err(Unfit::TooLong("name", 4096));
        check(&"x".repeat(4096), Ok(()), Ok(()));
        check(&"x".repeat(4097), too_long_a_name(), Ok(()));
        check(&"x".repeat(65_536), too_long_a_name(), Ok(()));
        check(&"x".repeat(65_537), too_long_a_name(), Err(Unfit::TooLong("password", 65_536)));
    }
}
