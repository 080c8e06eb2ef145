//! Host keys: loaded, or made on the first start (A4-02).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey, decode_secret_key};

/// A private key of the server.
pub type HostKey = PrivateKey;

/// The keys of a server that configures none.
pub const DEFAULT_FILES: [&str; 2] = ["id_ed25519", "id_rsa"];

#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("the host key {path} could not be read: {error}", path = path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("the host key {path} has mode {mode:04o}, so others can read it; run: chmod 600 {path}", path = path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the host key {path} is not a private key that can be used: {problem}", path = path.display())]
    Invalid { path: PathBuf, problem: String },
    #[error("the host key {path} does not exist; make it with: ssh-keygen -t ed25519 -N '' -f {path}", path = path.display())]
    Missing { path: PathBuf },
    #[error("the host key {path} could not be made: {problem}; give this user write permission to the directory, or configure sftpd.keys", path = path.display())]
    NotMade { path: PathBuf, problem: String },
}

/// Loads a key; makes it if it is missing and its name says of which kind it should be.
pub fn load_or_make(path: &Path) -> Result<PrivateKey, HostKeyError> {
    match load(path) {
        Err(HostKeyError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => make(path),
        outcome => outcome,
    }
}

/// A key that lives as long as the process, for portable servers.
pub fn ephemeral() -> Result<PrivateKey, HostKeyError> {
    generate(Algorithm::Ed25519, Path::new("in memory"))
}

fn load(path: &Path) -> Result<PrivateKey, HostKeyError> {
    let unreadable = |error| HostKeyError::Unreadable { path: path.to_owned(), error };
    let mut file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(HostKeyError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    decode_secret_key(&text, None)
        .map_err(|error| HostKeyError::Invalid { path: path.to_owned(), problem: error.to_string() })
}

fn make(path: &Path) -> Result<PrivateKey, HostKeyError> {
    let algorithm = match path.file_name().and_then(|name| name.to_str()) {
        Some("id_ed25519") => Algorithm::Ed25519,
        // 4096 bits
        Some("id_rsa") => Algorithm::Rsa { hash: None },
        Some("id_ecdsa") => Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        _ => {
            return Err(HostKeyError::Missing { path: path.to_owned() });
        }
    };
    tracing::info!(sender = "sftpd", message = format!("making the host key {}", path.display()));
    let key = generate(algorithm, path)?;
    store(path, &key).map_err(|problem| HostKeyError::NotMade { path: path.to_owned(), problem })?;
    Ok(key)
}

fn generate(algorithm: Algorithm, path: &Path) -> Result<PrivateKey, HostKeyError> {
    let mut random = russh::keys::key::safe_rng();
    PrivateKey::random(&mut random, algorithm)
        .map_err(|error| HostKeyError::NotMade { path: path.to_owned(), problem: error.to_string() })
}

/// Written beside and renamed, so that a start that is cut off leaves no half key.
fn store(path: &Path, key: &PrivateKey) -> Result<(), String> {
    let text = key.to_openssh(LineEnding::LF).map_err(|error| error.to_string())?;
    let beside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_missing_key_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("id_ed25519");
        let made = load_or_make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(load_or_make(&path).unwrap().public_key(), made.public_key());
    }

    #[test]
    fn unusable_keys_are_explained() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("id_ed25519");
        load_or_make(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load_or_make(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "hello").unwrap();
        assert!(load_or_make(&path).unwrap_err().to_string().contains("not a private key"));
        assert!(load_or_make(&directory.path().join("mine")).unwrap_err().to_string().contains("ssh-keygen"));
    }
}
