//! Detached signatures of components, in the format of `ssh-keygen -Y sign`: who runs an SFTP
//! server has such keys and tools already.

use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

/// Keeps a signature of something else from being taken for one of a plugin.
pub const NAMESPACE: &str = "tidegate-plugin";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("\"{0}\" is not an ed25519 public key in one line, as in a .pub file")]
    Key(String),
    #[error("the private key cannot be used: {0}")]
    PrivateKey(String),
    #[error(
        "the private key has a passphrase; sign with the agent: ssh-keygen -Y sign -n {NAMESPACE} -f KEY.pub PLUGIN.wasm"
    )]
    Encrypted,
    #[error("it is not a signature made by ssh-keygen -Y sign or tidegate plugin sign")]
    NotASignature,
    #[error("it is the signature of another file, or the file was changed after it was signed")]
    Wrong,
    #[error("it was signed by {0}, which is none of the trusted keys")]
    Stranger(String),
    #[error("it was signed for \"{0}\", not for \"{NAMESPACE}\"; sign with: ssh-keygen -Y sign -n {NAMESPACE} …")]
    Namespace(String),
}

/// Keys whose owners' plugins are loaded; with none, every plugin is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// Each one line, as in a `.pub` file.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, SignatureError> {
        let key = |line: &str| match PublicKey::from_openssh(line.trim()) {
            Ok(key) if key.key_data().is_ed25519() => Ok(key),
            _ => Err(SignatureError::Key(line.to_owned())),
        };
        lines.into_iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fingerprint of the key that signed the bytes.
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

/// `key`: an OpenSSH private key of type ed25519, without passphrase.
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
