//! Detached signatures of components, in the format of `ssh-keygen -Y sign`: an operator of an SFTP
//! server has such keys and tools already.

use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

/// The namespace of signatures of plugins: a signature of something else is not accepted for a plugin.
pub const NAMESPACE: &str = "tidegate-plugin";

/// Why a signature cannot be made or is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The line, which is the text, is not an ed25519 public key.
    #[error("\"{0}\" is not an ed25519 public key in one line, as in a .pub file")]
    Key(String),
    /// The private key cannot be read, is not of type ed25519, or could not sign.
    #[error("the private key cannot be used: {0}")]
    PrivateKey(String),
    /// The private key has a passphrase.
    #[error(
        "the private key has a passphrase; sign with the agent: ssh-keygen -Y sign -n {NAMESPACE} -f KEY.pub PLUGIN.wasm"
    )]
    Encrypted,
    /// The text is not an SSH signature.
    #[error("it is not a signature made by ssh-keygen -Y sign or tidegate plugin sign")]
    NotASignature,
    /// The signature does not match the bytes.
    #[error("it is the signature of another file, or the file was changed after it was signed")]
    Wrong,
    /// The signer is no trusted key; the text is the signer's SHA-256 fingerprint.
    #[error("it was signed by {0}, which is none of the trusted keys")]
    Stranger(String),
    /// The signature was made for this other namespace.
    #[error("it was signed for \"{0}\", not for \"{NAMESPACE}\"; sign with: ssh-keygen -Y sign -n {NAMESPACE} …")]
    Namespace(String),
}

/// Public keys whose signatures are accepted. Without any key, plugins are loaded unsigned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// Reads ed25519 public keys, each one line, as in a `.pub` file.
    ///
    /// # Errors
    /// [`SignatureError::Key`] for the first line that is not such a key.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, SignatureError> {
        let key = |line: &str| match PublicKey::from_openssh(line.trim()) {
            Ok(key) if key.key_data().is_ed25519() => Ok(key),
            _ => Err(SignatureError::Key(line.to_owned())),
        };
        lines.into_iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is no key, so that signatures are not checked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks a signature of the bytes. Returns the SHA-256 fingerprint of the key that made it.
    ///
    /// # Errors
    /// If the signature is not an SSH signature, is for another namespace, was made by a key that
    /// is not trusted, or does not match the bytes.
    pub fn verify(&self, bytes: &[u8], signature: &str) -> Result<String, SignatureError> {
        let signature = SshSig::from_pem(signature).map_err(|_| SignatureError::NotASignature)?;
        if signature.namespace() != NAMESPACE {
            return Err(SignatureError::Namespace(signature.namespace().to_owned()));
        }
        let fingerprint = signature.public_key().fingerprint(HashAlg::Sha256).to_string();
        let trusted = self.0.iter().find(|key| key.key_data() == signature.public_key());
        let key = trusted.ok_or_else(|| SignatureError::Stranger(fingerprint.clone()))?;
        key.verify(NAMESPACE, bytes, &signature).map_err(|_| SignatureError::Wrong)?;
        Ok(fingerprint)
    }
}

/// Signs the bytes; returns the text of a `.sig` file. `key`: an OpenSSH private key of type
/// ed25519, without passphrase.
///
/// # Errors
/// If the key is not such a key.
pub fn sign(bytes: &[u8], key: &str) -> Result<String, SignatureError> {
    let key = PrivateKey::from_openssh(key).map_err(|error| SignatureError::PrivateKey(error.to_string()))?;
    if key.is_encrypted() {
        return Err(SignatureError::Encrypted);
    }
    if !key.key_data().is_ed25519() {
        return Err(SignatureError::PrivateKey("it is not of type ed25519".to_owned()));
    }
    let signature = key.sign(NAMESPACE, HashAlg::Sha512, bytes);
    let text = signature.and_then(|signature| signature.to_pem(LineEnding::LF));
    text.map_err(|error| SignatureError::PrivateKey(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with ssh-keygen for these tests.
    const PRIVATE: &str = include_str!("testdata/key");
    const PUBLIC: &str = include_str!("testdata/key.pub");
    const OTHER: &str = include_str!("testdata/other.pub");
    const BY_SSH_KEYGEN: &str = include_str!("testdata/hello.sig");

    #[test]
    fn signatures_of_both_tools_are_taken() {
        let keys = TrustedKeys::parse([OTHER, PUBLIC]).unwrap();
        let ours = sign(b"hello\n", PRIVATE).unwrap();
        for signature in [ours.as_str(), BY_SSH_KEYGEN] {
            assert!(keys.verify(b"hello\n", signature).unwrap().starts_with("SHA256:"));
            assert_eq!(keys.verify(b"hello!", signature), Err(SignatureError::Wrong));
            let strangers = TrustedKeys::parse([OTHER]).unwrap();
            assert!(matches!(strangers.verify(b"hello\n", signature), Err(SignatureError::Stranger(_))));
        }
        assert_eq!(keys.verify(b"hello\n", "nonsense"), Err(SignatureError::NotASignature));
        assert!(matches!(TrustedKeys::parse(["ssh-rsa AAAA"]), Err(SignatureError::Key(_))));
        assert!(matches!(sign(b"", "nonsense"), Err(SignatureError::PrivateKey(_))));
    }
}
