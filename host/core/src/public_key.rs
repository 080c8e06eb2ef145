//! Public keys of accounts and clients.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ssh_key::HashAlg;

use crate::key_options::KeyOptions;

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
    /// If the line has no key of a known type, or has a certificate.
    pub fn parse(line: &str) -> Result<Self, InvalidPublicKey> {
        let line = line.trim();
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
        use ssh_key::Algorithm::{SkEcdsaSha2NistP256, SkEd25519};
        matches!(self.key.algorithm(), SkEcdsaSha2NistP256 | SkEd25519)
            && self.options().is_none_or(KeyOptions::needs_presence)
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

    /// The key as `<type> <base64>`, without options, comment and newline.
    pub fn to_line(&self) -> String {
        let mut key = self.key.clone();
        key.set_comment("");
        key.to_openssh().unwrap_or_default()
    }
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
        let bare = PublicKey::parse(LINE).unwrap();
        assert_eq!(PublicKey::parse(&format!("{LINE} alice@example\n")).unwrap(), bare);
        assert_eq!(PublicKey::parse(&format!("no-pty,command=\"x y\" {LINE} c")).unwrap(), bare);
        assert_eq!(bare.to_line(), LINE);
        assert!(bare.fingerprint().starts_with("SHA256:"));
    }

    #[test]
    fn security_keys_want_a_touch_unless_their_line_says_otherwise() {
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

    #[test]
    fn other_lines_are_refused() {
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
