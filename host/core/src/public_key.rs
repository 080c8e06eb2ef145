//! Public keys of accounts and clients.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ssh_key::HashAlg;

/// A public key; two keys are the same when their blobs are (A8-14).
#[derive(Clone)]
pub struct PublicKey {
    key: ssh_key::PublicKey,
    blob: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a public key in OpenSSH's one-line format: {0}")]
pub struct InvalidPublicKey(String);

impl PublicKey {
    /// From a line of an `authorized_keys` file. Options before the key are tolerated and
    /// have no effect.
    pub fn parse(line: &str) -> Result<Self, InvalidPublicKey> {
        let line = line.trim();
        match parse_key(line) {
            Ok(key) => Self::try_from(key),
            Err(error) => match after_options(line) {
                Some(rest) => Self::try_from(parse_key(rest)?),
                None => Err(error),
            },
        }
    }

    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// `ssh-ed25519`, `ssh-rsa`, …
    pub fn algorithm(&self) -> String {
        self.key.algorithm().as_str().to_owned()
    }

    pub fn comment(&self) -> String {
        self.key.comment().as_str_lossy().to_owned()
    }

    /// `SHA256:…` as OpenSSH prints it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// `<type> <base64>`: no comment, no newline.
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

/// What follows the options of an `authorized_keys` line; quotes may hold spaces.
fn after_options(line: &str) -> Option<&str> {
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
    line.get(end..)
}

impl TryFrom<ssh_key::PublicKey> for PublicKey {
    type Error = InvalidPublicKey;

    fn try_from(key: ssh_key::PublicKey) -> Result<Self, Self::Error> {
        let blob = key.to_bytes().map_err(|error| InvalidPublicKey(error.to_string()))?;
        Ok(Self { key, blob })
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
