//! Host keys: loaded, or generated on the first start (A4-02).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey, decode_secret_key};

use crate::algorithms::Algorithms;

/// A private key of the server.
pub type HostKey = PrivateKey;

/// The key files of a server whose configuration names none.
const DEFAULT_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Where the host keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyFiles {
    /// The files with the usual names in this directory.
    Usual(PathBuf),
    Named(Vec<PathBuf>),
}

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

impl HostKeyFiles {
    /// What would keep the server from starting; generates no key.
    pub fn problems(&self) -> Vec<HostKeyError> {
        let paths = match self {
            Self::Named(paths) => paths.clone(),
            Self::Usual(directory) => DEFAULT_FILES.map(|name| directory.join(name)).to_vec(),
        };
        let problem = |path: &PathBuf| match load(path) {
            Ok(_) => None,
            Err(HostKeyError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                kind_by_name(path).is_none().then(|| HostKeyError::Missing { path: path.clone() })
            }
            Err(error) => Some(error),
        };
        paths.iter().filter_map(problem).collect()
    }

    /// Loads the keys, and generates those that are missing. In a directory that cannot be written
    /// to, one of the usual keys is enough.
    pub fn load(&self, algorithms: &Algorithms) -> Result<Vec<PrivateKey>, HostKeyError> {
        let directory = match self {
            Self::Named(paths) => return paths.iter().map(|path| load_or_make(path)).collect(),
            Self::Usual(directory) => directory,
        };
        let (mut keys, mut not_made) = (Vec::new(), Vec::new());
        for name in DEFAULT_FILES {
            match load_or_make(&directory.join(name)) {
                Ok(key) if key.algorithm().is_ecdsa() && !algorithms.takes_ecdsa_host_keys() => {}
                Ok(key) => keys.push(key),
                Err(error @ HostKeyError::NotMade { .. }) => not_made.push(error),
                Err(error) => return Err(error),
            }
        }
        if keys.is_empty()
            && let Some(error) = not_made.pop()
        {
            return Err(error);
        }
        for error in not_made {
            tracing::warn!(sender = "sftpd", message = format!("{error}; the server starts without it"));
        }
        Ok(keys)
    }
}

/// Loads a key. If the file is missing and its name says of which kind the key should be, generates it.
fn load_or_make(path: &Path) -> Result<PrivateKey, HostKeyError> {
    match load(path) {
        Err(HostKeyError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => make(path),
        outcome => outcome,
    }
}

/// Keys that live as long as the process, for portable servers. No RSA key, because generating one takes seconds.
pub fn ephemeral() -> Result<Vec<PrivateKey>, HostKeyError> {
    let kinds = [Algorithm::Ed25519, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }];
    kinds.into_iter().map(|kind| generate(kind, Path::new("in memory"))).collect()
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

/// The kind of key to generate for a missing file.
fn kind_by_name(path: &Path) -> Option<Algorithm> {
    match path.file_name()?.to_str()? {
        "id_ed25519" => Some(Algorithm::Ed25519),
        // 4096 bits
        "id_rsa" => Some(Algorithm::Rsa { hash: None }),
        "id_ecdsa" => Some(Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }),
        _ => None,
    }
}

fn make(path: &Path) -> Result<PrivateKey, HostKeyError> {
    let algorithm = kind_by_name(path).ok_or_else(|| HostKeyError::Missing { path: path.to_owned() })?;
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

/// Writes the key beside its place and renames it, so that an interrupted start leaves no partial key.
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
    use crate::algorithms::AlgorithmPolicy;

    /// `found`: the keys that exist before the start.
    fn check_usual(found: &[&str], policy: AlgorithmPolicy, expected: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        for name in found {
            load_or_make(&directory.path().join(name)).unwrap();
        }
        // Generating a key of 4096 bits takes too long, so a directory of that name prevents it.
        if !found.contains(&"id_rsa") {
            std::fs::create_dir(directory.path().join("id_rsa.new")).unwrap();
        }
        let files = HostKeyFiles::Usual(directory.path().to_owned());
        let keys = files.load(&Algorithms::of_policy(policy)).unwrap();
        let names: Vec<String> = keys.iter().map(|key| key.algorithm().to_string()).collect();
        assert_eq!(names, expected);
        assert_eq!(directory.path().join("id_ecdsa").metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_usual_keys_are_found_or_made() {
        // A4-02
        let (ed25519, ecdsa) = ("ssh-ed25519", "ecdsa-sha2-nistp256");
        check_usual(&[], AlgorithmPolicy::Compatible, &[ed25519, ecdsa]);
        check_usual(&["id_ecdsa"], AlgorithmPolicy::Legacy, &[ed25519, ecdsa]);
        check_usual(&["id_ed25519"], AlgorithmPolicy::Modern, &[ed25519]);
    }

    #[test]
    fn a_server_without_any_key_does_not_start() {
        // A4-02
        let directory = tempfile::tempdir().unwrap();
        let files = HostKeyFiles::Usual(directory.path().join("missing"));
        let error = files.load(&Algorithms::of_policy(AlgorithmPolicy::Compatible)).unwrap_err();
        assert!(error.to_string().contains("could not be made"), "{error}");
        let named = HostKeyFiles::Named(vec![directory.path().join("id_ecdsa"), directory.path().join("mine")]);
        let error = named.load(&Algorithms::of_policy(AlgorithmPolicy::Modern)).unwrap_err();
        assert!(error.to_string().contains("mine does not exist"), "{error}");
        // Keys that are named are offered whatever the policy is, each of them (A4-03).
        let named = HostKeyFiles::Named(["id_ecdsa", "id_ed25519"].map(|name| directory.path().join(name)).to_vec());
        let keys = named.load(&Algorithms::of_policy(AlgorithmPolicy::Modern)).unwrap();
        let kinds: Vec<bool> = keys.iter().map(|key| key.algorithm().is_ecdsa()).collect();
        assert_eq!(kinds, [true, false]);
    }

    #[test]
    fn a_missing_key_is_made_once_and_private() {
        // A4-02
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("id_ed25519");
        let made = load_or_make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(load_or_make(&path).unwrap().public_key(), made.public_key());
    }

    #[test]
    fn a_check_makes_no_key() {
        let directory = tempfile::tempdir().unwrap();
        let named = |name: &str| HostKeyFiles::Named(vec![directory.path().join(name)]).problems().len();
        assert_eq!((named("id_ed25519"), named("mine")), (0, 1));
        assert_eq!(HostKeyFiles::Usual(directory.path().to_owned()).problems().len(), 0);
        std::fs::write(directory.path().join("id_rsa"), "nonsense").unwrap();
        assert_eq!(HostKeyFiles::Usual(directory.path().to_owned()).problems().len(), 1);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn unusable_keys_are_explained() {
        // A4-02
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
