//! Certificates that tests make.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use tidegate_tests::processes::give;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn named(common_name: &str, host: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// An authority, and the file of its certificate.
fn authority(directory: &Path, name: &str) -> (Authority, PathBuf) {
    let mut params = named(name, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let path = directory.join(format!("{name}.pem"));
    std::fs::write(&path, authority.pem()).unwrap();
    (authority, path)
}

/// Writes the files of a certificate and its key, for the user that runs the server.
fn issued(directory: &Path, name: &str, host: &str, by: &Authority, user: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let certificate = named(name, host).signed_by(&key, by).unwrap();
    let (at, key_at) = (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
    std::fs::write(&at, certificate.pem()).unwrap();
    std::fs::write(&key_at, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key_at, PermissionsExt::from_mode(0o600)).unwrap();
    give(&key_at, user);
    (at, key_at)
}

/// What a test of TLS needs.
pub struct Certificates {
    /// The authority of the server and of the client.
    pub trusted: PathBuf,
    /// Another one.
    pub untrusted: PathBuf,
    /// The server's certificate, for `localhost`, and its key.
    pub server: (PathBuf, PathBuf),
    /// A certificate in the name of `role`, and its key.
    pub client: (PathBuf, PathBuf),
    /// One of the other authority.
    pub stranger: (PathBuf, PathBuf),
    _directory: tempfile::TempDir,
}

impl Certificates {
    /// `user`: the system's user that runs the server.
    pub fn make(user: &str, role: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        let (own, trusted) = authority(path, "own");
        let (other, untrusted) = authority(path, "other");
        let server = issued(path, "server", "localhost", &own, user);
        let client = issued(path, role, "client", &own, user);
        let stranger = issued(path, "stranger", "client", &other, user);
        Self { trusted, untrusted, server, client, stranger, _directory: directory }
    }
}
