//! What the text of a password in an import or a hook's answer is. A text that looks like a hash, or like the
//! mark of a locked password, is never taken as a clear password: the text itself would then open the
//! account.

use super::{PREFIXES, PasswordHash};
use crate::secret::Secret;

/// A password as a document has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordText {
    /// The text is empty: no password is given.
    Absent,
    /// A hash in a known format, without the spaces around it.
    Hash(PasswordHash),
    /// A mark as in `/etc/shadow`: the account is to have no password.
    Locked,
    /// A hash in a format that the server cannot check; the name of the format.
    Unknown(String),
    /// A password in clear, with any spaces around it.
    Clear(Secret),
}

/// Names with which the hashes of web frameworks begin, before a dollar sign.
const FRAMEWORK_NAMES: [&str; 12] = [
    "pbkdf2",
    "argon2",
    "bcrypt",
    "scrypt",
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "unsalted_",
    "crypt",
];

impl PasswordText {
    /// Sorts a text into one of these kinds (A8-11).
    pub fn of(text: &str) -> Self {
        let trimmed = text.trim();
        if text.is_empty() {
            Self::Absent
        } else if let Some(hash) = PasswordHash::recognise(trimmed) {
            Self::Hash(hash)
        } else if is_locked(trimmed) {
            Self::Locked
        } else if let Some(name) = unknown(trimmed) {
            Self::Unknown(name.to_owned())
        } else {
            Self::Clear(Secret::new(text))
        }
    }
}

/// shadow(5): a text that begins with `!` is locked, and no hash begins with `*`. In `/etc/passwd`, `x`
/// stands for an entry elsewhere; Solaris writes `NP` for no password.
fn is_locked(text: &str) -> bool {
    text.starts_with(['!', '*']) || matches!(text, "x" | "NP")
}

/// The name of the hash that the text seems to be.
fn unknown(text: &str) -> Option<&str> {
    modular(text).or_else(|| scheme(text)).or_else(|| framework(text))
}

/// `$id$…`, with parameters after the name as in `$md5,rounds=904$`.
fn modular(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('$')?.split_once('$')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,=+".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_name)).then(|| text.get(..name.len() + 2)).flatten()
}

/// `{SCHEME}…` of directories (RFC 2307 §5.3), with parameters after the name as in `{x-issha, 1024}`.
fn scheme(text: &str) -> Option<&str> {
    let (head, _) = text.strip_prefix('{')?.split_once('}')?;
    let (name, parameters) = head.split_once(',').unwrap_or((head, "0"));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let is_scheme = !name.is_empty() && name.bytes().all(is_name);
    let has_numbers = parameters.split(',').all(|number| number.trim().parse::<u32>().is_ok());
    (is_scheme && has_numbers).then(|| text.get(..head.len() + 2)).flatten()
}

/// `pbkdf2_sha256$1000$salt$…`, `scrypt:32768:8:1$salt$…`
fn framework(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once('$')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte);
    let is_known = FRAMEWORK_NAMES.iter().any(|known| name.to_ascii_lowercase().starts_with(known));
    (is_known && rest.contains('$') && name.bytes().all(is_name)).then_some(name)
}

/// The prefixes of all formats that can be checked, with spaces between them, for messages.
pub fn known_prefixes() -> String {
    PREFIXES.map(|(prefix, _)| prefix).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hash`, `locked`, `clear`, or the name of an unknown kind.
    fn check(text: &str, expected: &str) {
        let found = match PasswordText::of(text) {
            PasswordText::Absent => "absent".to_owned(),
            PasswordText::Hash(_) => "hash".to_owned(),
            PasswordText::Locked => "locked".to_owned(),
            PasswordText::Unknown(name) => name,
            PasswordText::Clear(clear) => {
                assert_eq!(clear.expose(), text);
                "clear".to_owned()
            }
        };
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn what_looks_like_a_hash_is_no_clear_password() {
        // A8-11
        check("", "absent");
        // Written out, so that none is missed.
        let prefixes = [
            "$argon2id$",
            "$2a$",
            "$2b$",
            "$2y$",
            "$pbkdf2-sha1$",
            "$pbkdf2-sha256$",
            "$pbkdf2-sha512$",
            "$pbkdf2-b64salt-sha256$",
            "$1$",
            "$apr1$",
            "$5$",
            "$6$",
            "$y$",
            "{MD5}",
            "{SHA256}",
            "{SHA512}",
        ];
        assert_eq!(prefixes.len(), PREFIXES.len());
        for prefix in prefixes {
            check(&format!("{prefix}rest"), "hash");
            check(&format!(" {prefix}rest\n"), "hash");
            check(&format!("!{prefix}rest"), "locked");
            check(&format!("!!{prefix}rest"), "locked");
            check(&format!("*{prefix}rest"), "locked");
        }
        for locked in
            ["!", "!!", "*", "!*", "*!", "*LK*", "*NP*", "*LOCKED*", "!ab01FAX.bQRSU", "x", "NP", " ! ", "*2470C0C0"]
        {
            check(locked, "locked");
        }
        check("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "{SHA}");
        check("{SSHA}x", "{SSHA}");
        check("{CRYPT}$6$salt$x", "{CRYPT}");
        check("{md5}x", "{md5}");
        check("{PBKDF2-SHA512}10000$x$y", "{PBKDF2-SHA512}");
        check("{x-issha, 1024}x", "{x-issha, 1024}");
        check("{x-issha,1024}x", "{x-issha,1024}");
        check("$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$iWh0", "$argon2i$");
        check("$argon2d$v=19$x", "$argon2d$");
        check("$2$10$x", "$2$");
        check("$2x$10$x", "$2x$");
        check("$3$$8846f7eaee8fb117", "$3$");
        check("$7$x$y", "$7$");
        check("$gy$j9T$x$y", "$gy$");
        check("$P$984478476IagS59wHZvyQMArzfx58u.", "$P$");
        check("$sha1$40000$salt$x", "$sha1$");
        check("$md5,rounds=904$salt$x", "$md5,rounds=904$");
        check("\t$7$x\n", "$7$");
        check("pbkdf2_sha256$1000$salt$YWJj", "pbkdf2_sha256");
        check("argon2$argon2id$v=19$m=1$x$y", "argon2");
        check("bcrypt_sha256$$2b$12$x", "bcrypt_sha256");
        check("sha1$salt$x", "sha1");
        check("scrypt:32768:8:1$salt$x", "scrypt:32768:8:1");
        check("pbkdf2:sha256:260000$salt$x", "pbkdf2:sha256:260000");
    }

    #[test]
    fn clear_passwords_stay_what_they_are() {
        // A8-11
        for text in [
            "secret", "$", "$$", "a$b$c", "$ecret", "{", "{}", "{ }x", "{a, b}c", "a!", "b*", "xx", " pw ", "sha256",
            "me$you",
        ] {
            check(text, "clear");
        }
    }
}
