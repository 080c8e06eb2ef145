//! Public keys of accounts and clients.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ssh_key::{Algorithm, HashAlg};

use crate::key_options::KeyOptions;

/// Fewest bits of an RSA key with which a login is accepted.
const MIN_RSA_BITS: u32 = 2048;

/// A public key; two keys are the same when their blobs are (A8-14).
#[derive(Clone)]
pub struct PublicKey {
    key: ssh_key::PublicKey,
    blob: Vec<u8>,
    /// The options of the key's line; most lines have none.
    options: Option<Box<KeyOptions>>,
}

/// Why a text is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a public key in OpenSSH's one-line format: {0}")]
pub struct InvalidPublicKey(String);

impl PublicKey {
    /// Parses a line of an `authorized_keys` file, with the options before the key.
    ///
    /// # Errors
    /// If the line has no key of a known type, has a certificate, or is several lines.
    pub fn parse(line: &str) -> Result<Self, InvalidPublicKey> {
        let line = line.trim();
        if line.contains(['\n', '\r']) {
            return Err(InvalidPublicKey("it has several lines".to_owned()));
        }
        match parse_key(line) {
            Ok(key) => Self::try_from(key),
            Err(error) => match split_options(line) {
                Some((options, rest)) => Ok(Self {
                    options: Some(Box::new(KeyOptions::parse(options))),
                    ..Self::try_from(parse_key(rest)?)?
                }),
                None => Err(error),
            },
        }
    }

    /// What the key's line demands of logins, if it has options.
    pub fn options(&self) -> Option<&KeyOptions> {
        self.options.as_deref()
    }

    /// Whether this is a security key (FIDO) whose signatures count only with a touch or a PIN.
    pub fn needs_presence(&self) -> bool {
        use Algorithm::{SkEcdsaSha2NistP256, SkEd25519};
        matches!(self.key.algorithm(), SkEcdsaSha2NistP256 | SkEd25519)
            && self.options().is_none_or(KeyOptions::needs_presence)
    }

    /// Why no login with the key is accepted, whatever its line says, in words that follow a colon; None: its type and
    /// its size will do.
    pub fn weakness(&self) -> Option<String> {
        match self.key.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => {
                None
            }
            Algorithm::Rsa { .. } => {
                let bits = self.key.key_data().rsa().map_or(0, |rsa| rsa.key_size());
                let is_weak = bits < MIN_RSA_BITS;
                is_weak.then(|| format!("it is an RSA key of {bits} bits, and {MIN_RSA_BITS} are the least"))
            }
            Algorithm::Dsa => Some("DSA keys are too weak".to_owned()),
            other => Some(format!("keys of the type {} are not known here", other.as_str())),
        }
    }

    /// The key as it goes over the wire (RFC 4253 §6.6).
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The name of the key's type: `ssh-ed25519`, `ssh-rsa`, …
    pub fn algorithm(&self) -> String {
        self.key.algorithm().as_str().to_owned()
    }

    /// The text after the key on its line; often empty.
    pub fn comment(&self) -> String {
        self.key.comment().as_str_lossy().to_owned()
    }

    /// The fingerprint as OpenSSH prints it: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The key as `<type> <base64>` with its comment, without options and newline.
    pub fn to_line_with_comment(&self) -> String {
        self.key.to_openssh().unwrap_or_default()
    }

    /// The key as `<type> <base64>`, without options, comment and newline.
    pub fn to_line(&self) -> String {
        let mut key = self.key.clone();
        key.set_comment("");
        key.to_openssh().unwrap_or_default()
    }
}

/// The lines of a text with public keys, such as that of an `authorized_keys` file, with their numbers from 1. Empty lines
/// and comments are left out.
pub fn key_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The keys of a text with which users log in that add them themselves: without options, which administrators set, and
/// such that a login with them is accepted.
///
/// # Errors
/// What is wrong with the first line that has no such key, in words, with the number of the line where there are several.
pub fn keys_of_user(text: &str) -> Result<Vec<PublicKey>, String> {
    let has_several = text.trim().lines().nth(1).is_some();
    let mut keys = Vec::new();
    for (number, line) in key_lines(text) {
        let place = if has_several { format!("line {number}: ") } else { String::new() };
        keys.push(key_of_user(line).map_err(|problem| format!("{place}{problem}"))?);
    }
    if keys.is_empty() {
        return Err("there is none; give the line of the file whose name ends in .pub".to_owned());
    }
    Ok(keys)
}

fn key_of_user(line: &str) -> Result<PublicKey, String> {
    let key = PublicKey::parse(line).map_err(|error| error.to_string())?;
    if key.options().is_some() {
        return Err("options before a key are set by administrators; leave them out".to_owned());
    }
    if let Some(problem) = key.weakness() {
        return Err(format!("no login with it would be accepted: {problem}; use ed25519, ecdsa, or a longer RSA key"));
    }
    if key.needs_presence() {
        let text = "keys on security tokens are refused, because it cannot be seen whether they were touched; an \
                    administrator can add one that need not be";
        return Err(text.to_owned());
    }
    Ok(key)
}

/// `<type> <base64> [comment]`. The ssh-key crate's own line parser refuses tabs and double
/// spaces, and follows nested certificates without a limit; so the type inside the blob is
/// compared before the blob is parsed.
fn parse_key(text: &str) -> Result<ssh_key::PublicKey, InvalidPublicKey> {
    let invalid = |problem: &str| InvalidPublicKey(problem.to_owned());
    let mut words = text.split_ascii_whitespace();
    let (Some(algorithm), Some(base64)) = (words.next(), words.next()) else {
        return Err(invalid("it needs a type and a base64 text"));
    };
    let blob = STANDARD.decode(base64).map_err(|_| invalid("the second word is not base64"))?;
    let mut head = (algorithm.len() as u64 as u32).to_be_bytes().to_vec();
    head.extend_from_slice(algorithm.as_bytes());
    if algorithm.contains("-cert-v01@") {
        return Err(invalid("certificates are not accepted here"));
    }
    if !blob.starts_with(&head) {
        return Err(invalid("the base64 text is not a key of the type named before it"));
    }
    let mut key = ssh_key::PublicKey::from_bytes(&blob).map_err(|error| InvalidPublicKey(error.to_string()))?;
    key.set_comment(words.collect::<Vec<_>>().join(" "));
    Ok(key)
}

/// The options of an `authorized_keys` line, and what follows them; quotes may hold spaces.
fn split_options(line: &str) -> Option<(&str, &str)> {
    let (mut quoted, mut escaped) = (false, false);
    let end = line.find(|character: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match character {
            '\\' => escaped = !was_escaped,
            '"' if !was_escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return true,
            _ => {}
        }
        false
    })?;
    line.split_at_checked(end)
}

impl TryFrom<ssh_key::PublicKey> for PublicKey {
    type Error = InvalidPublicKey;

    fn try_from(key: ssh_key::PublicKey) -> Result<Self, Self::Error> {
        let blob = key.to_bytes().map_err(|error| InvalidPublicKey(error.to_string()))?;
        Ok(Self { key, blob, options: None })
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    #[test]
    fn lines_with_options_and_comments_are_the_same_key() {
        // A8-14
        let bare = PublicKey::parse(LINE).unwrap();
        assert_eq!(PublicKey::parse(&format!("{LINE} alice@example\n")).unwrap(), bare);
        assert_eq!(PublicKey::parse(&format!("no-pty,command=\"x y\" {LINE} c")).unwrap(), bare);
        assert_eq!(bare.to_line(), LINE);
        assert_eq!(bare.fingerprint(), "SHA256:bPGahMcWimQBTdksNSUoI+j8Sfbbx1OSgE7hHiSDBTg");
        // Another blob is another key, whatever its comment says.
        let other = LINE.replace("YLio", "YLip");
        assert_ne!(PublicKey::parse(&format!("{other} alice@example")).unwrap(), bare);
        assert_ne!(PublicKey::parse(RSA).unwrap(), bare);
    }

    #[test]
    fn security_keys_want_a_touch_unless_their_line_says_otherwise() {
        // A8-14
        let ed25519 = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLioAAAABHNzaDo=";
        let ecdsa = "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBGsX0fLhLEJH+Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT+NC4v4af5uO5+tKfA+eFivOM1drMV7Oy7ZAaDe/UfUAAAAEc3NoOg==";
        let check = |line: &str, expected: bool| {
            assert_eq!(PublicKey::parse(line).unwrap().needs_presence(), expected, "{line}");
        };
        check(LINE, false);
        for key in [ed25519, ecdsa] {
            check(key, true);
            check(&format!("no-pty {key}"), true);
            check(&format!("no-touch-required {key}"), false);
            check(&format!("restrict,No-Touch-Required,command=\"a b\" {key} c"), false);
            check(&format!("no-touch-required,verify-required {key}"), true);
            check(&format!("verify-required {key}"), true);
            check(&format!("environment=\"A=b,no-touch-requiredx\" {key}"), true);
        }
    }

    const SHORT_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC3gVhKCOjiZIWpaDYyk+e2m22JUlGx6C9nfjzAyX9kdsrWdOFvLRoWQLuDMJiRm5/U5JddoreRuYfEBBDSF7aDssZV7TOvJyQWjx/8TdSkMsAq6JScGKgqk4mFIiVdkz5VO7aGkwXp45zJLSwPiFyg7BYd+PB5IL5y/XYPPR4hPQ==";
    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCk9s/n+YMYIEeaFdfQISB+h6NyeSiJmPILCfYTg6QtFcgO7QRGAroQsPTxxJDHJ+VKNji6lLjSUVzUqNqt0BeFGH/ESQPpIXtRPI8XEX3jWca1AGwreKVWrw2vwEZR6rxFDgFhO/Si3q99iS/rZ7lfTUWCO6vJD1+QV89cdPd2ZJWs1r8MzTAgvFWNitui2af2x1xBqrgSiLPjnJS323OscAyCd7jV6wgxRnx/5aR9CaCksehoRLsk726eWGYk0aFTQaOP0fzdGkJqGw17jbGF//1RQRBTdNSPpsck/N76wY9ZLDsNzC3CSZ+pmzd/JgM6/8KskRJ42aZQO5X3lUTb";
    const DSA: &str = "ssh-dss AAAAB3NzaC1kc3MAAACBAKO+psLwl2sjyEOvpYrcU7yKd8/9qXndPRyJQC5d+dpNu5B8A91v7OhX39xfpJ+wnPok7SgsucUtesTc1x3MHNzlZ20MK/aWHjPJnJPGdPXee3QB5Lg1GnPA5+7YXpYbRqy9u+V3gRtlI4uKDSemL+JUSDDJltzThcVnP2beFelzAAAAFQDKduxds57iNOqAC6kkzUi6JGwF6QAAAIA46VfhAq5CcWSR2I1IYhuNcPMfahki+kC2EdbAV1INP/6atBPJwC44DyGcEmO7IY0nAIf09qB4WkaaHYsOhqTBFUX2uduQUKUR2nZAsZbzPbk4Oe40PUYueRYfuOxY7y+vDffmFkfAZKSalNevkWerLJbzlinqcRo3LJGC3nkiTgAAAIA/ofb3RiD0AxPL2RO7t2BCj6lS9zgk2bv7SAKJk2vhUOEhkxU8MlYMeJWr+XB/U/KAEvfP9Q+uM0J9YnMlslFgjvgnCntv9W4pVDJkvVXOjvTAUSc1pO0at1tw1P5wbG6YLHKwkYd6FWEMD7GMh3UNR+L+fYic4ojX1ewXFabFUA==";
    const OF_NO_KNOWN_TYPE: &str = "ssh-new@example.com AAAAE3NzaC1uZXdAZXhhbXBsZS5jb20AAAADYWJj";
    const SECURITY_KEY: &str = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLioAAAABHNzaDo=";

    #[test]
    fn users_add_keys_that_log_in_and_all_of_a_text_or_none() {
        // A8-14
        let check = |text: &str, expected: Result<&[&str], &str>| match (keys_of_user(text), expected) {
            (Ok(keys), Ok(expected)) => {
                let lines: Vec<_> = keys.iter().map(PublicKey::to_line_with_comment).collect();
                assert_eq!(lines, expected, "{text}");
            }
            (Err(problem), Err(expected)) => assert!(problem.contains(expected), "{text}: {problem}"),
            (found, expected) => panic!("{text}: {found:?}, {expected:?}"),
        };
        let named = |name: &str| format!("{LINE} {name}");
        let (one, other) = (named("me@laptop"), format!("{RSA} my old key"));
        check(LINE, Ok(&[LINE]));
        check(&one, Ok(&[&one]));
        check(&format!("{LINE}  my \t new   key \n"), Ok(&[&named("my new key")]));
        check(&format!("{one}\n{other}\n"), Ok(&[&one, &other]));
        check(&format!("\r\n# mine\r\n{one}\r\n\r\n{other}\r\n"), Ok(&[&one, &other]));
        for none in ["", "  \n ", "# only a comment"] {
            check(none, Err("there is none"));
        }
        for (line, problem) in [
            ("nonsense", "not a public key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "not a public key"),
            (SHORT_RSA, "1024 bits"),
            (DSA, "DSA"),
            (OF_NO_KNOWN_TYPE, "ssh-new@example.com"),
            (SECURITY_KEY, "touched"),
            (&*format!("no-touch-required {SECURITY_KEY}"), "options"),
            (&*format!("from=\"10.0.0.0/8\" {LINE}"), "options"),
        ] {
            check(line, Err(problem));
            assert!(!keys_of_user(line).unwrap_err().contains("line 1"), "{line}");
            check(&format!("{one}\n\n{line}\n{other}"), Err(problem));
            check(&format!("{one}\n\n{line}\n{other}"), Err("line 3: "));
            check(&format!("{line}\n{one}"), Err("line 1: "));
        }
    }

    #[test]
    fn a_text_of_several_lines_is_not_one_key() {
        // A8-14
        for text in [format!("{LINE} one\n{RSA}"), format!("{LINE}\r{RSA}"), format!("{LINE}\r\n{RSA} two\n")] {
            let problem = PublicKey::parse(&text).unwrap_err().to_string();
            assert!(problem.contains("several lines"), "{problem}");
        }
    }

    #[test]
    fn types_and_sizes_are_judged_for_logins() {
        // A8-14
        let weakness = |line: &str| PublicKey::parse(line).unwrap().weakness();
        for line in [LINE, RSA, SECURITY_KEY] {
            assert_eq!(weakness(line), None, "{line}");
        }
        for line in [SHORT_RSA, DSA, OF_NO_KNOWN_TYPE] {
            assert!(weakness(line).is_some(), "{line}");
        }
        // Of as many bytes as are needed, and of one less.
        let rsa = |bytes: usize| {
            // A zero comes first, since the number would be taken for a negative one (RFC 4251 §5).
            let modulus = [vec![0_u8], vec![0xff; bytes]].concat();
            let mut blob: Vec<u8> = Vec::new();
            for part in [&b"ssh-rsa"[..], &[1, 0, 1], modulus.as_slice()] {
                blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
                blob.extend(part);
            }
            format!("ssh-rsa {}", STANDARD.encode(blob))
        };
        assert_eq!(weakness(&rsa(256)), None);
        assert!(weakness(&rsa(255)).unwrap().contains("2040 bits"));
    }

    #[test]
    fn other_lines_are_refused() {
        // A8-14
        for line in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 !!!",
            "hello world",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio",
        ] {
            assert!(PublicKey::parse(line).is_err(), "{line}");
        }
    }
}
