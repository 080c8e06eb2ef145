//! TLS to the database: what is encrypted, and what of the certificates is checked.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tidegate_core::ports::{Directory, USERS};

use super::test_server::{Server, give};
use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn named(common_name: &str, host: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn authority(directory: &Path, name: &str) -> (Authority, PathBuf) {
    let mut params = named(name, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let path = directory.join(format!("{name}.pem"));
    std::fs::write(&path, authority.pem()).unwrap();
    (authority, path)
}

/// Writes the files of a certificate and its key, for the user that runs the server.
fn issued(directory: &Path, name: &str, host: &str, by: &Authority) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let certificate = named(name, host).signed_by(&key, by).unwrap();
    let (at, key_at) = (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
    std::fs::write(&at, certificate.pem()).unwrap();
    std::fs::write(&key_at, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key_at, PermissionsExt::from_mode(0o600)).unwrap();
    give(&key_at);
    (at, key_at)
}

/// A port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn the_mode_says_what_is_checked() {
    // A3-33
    let files = tempfile::tempdir().unwrap();
    std::fs::set_permissions(files.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (own, trusted) = authority(files.path(), "own");
    let (other, untrusted) = authority(files.path(), "other");
    let (certificate, key) = issued(files.path(), "server", "localhost", &own);
    let client = issued(files.path(), "postgres", "client", &own);
    let stranger = issued(files.path(), "stranger", "client", &other);
    let port = free_port();
    let shown = |path: &Path| path.display().to_string();
    let server = Server::start_with(&[
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", shown(&certificate)),
        format!("ssl_key_file={}", shown(&key)),
        format!("ssl_ca_file={}", shown(&trusted)),
    ]);
    let check = |host: &str, tls: TlsMode, root: Option<&PathBuf>, own: Option<&(PathBuf, PathBuf)>, expected: &str| {
        let settings = PostgresqlSettings {
            hosts: vec![(host.to_owned(), port)],
            tls,
            root_cert: root.cloned(),
            client_cert: own.cloned(),
            ..server.settings()
        };
        match PostgresqlDatabase::open(settings) {
            Ok(_) => assert_eq!(expected, "", "{host} {tls:?}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!expected.is_empty() && error.contains(expected), "{host} {tls:?} {expected}: {error}");
            }
        }
    };
    for (host, root, tls, expected) in [
        ("localhost", None, TlsMode::Disable, ""),
        ("localhost", None, TlsMode::Prefer, ""),
        ("localhost", None, TlsMode::Require, ""),
        ("localhost", Some(&untrusted), TlsMode::Require, ""),
        ("localhost", Some(&trusted), TlsMode::VerifyCa, ""),
        ("127.0.0.1", Some(&trusted), TlsMode::VerifyCa, ""),
        ("localhost", Some(&untrusted), TlsMode::VerifyCa, "UnknownIssuer"),
        ("localhost", None, TlsMode::VerifyCa, "data_provider.root_cert"),
        ("localhost", Some(&trusted), TlsMode::VerifyFull, ""),
        ("127.0.0.1", Some(&trusted), TlsMode::VerifyFull, "not valid for name"),
        ("localhost", Some(&untrusted), TlsMode::VerifyFull, "UnknownIssuer"),
        ("localhost", Some(&key), TlsMode::VerifyFull, "data_provider.root_cert"),
    ] {
        check(host, tls, root, None, expected);
    }
    // From here on only who has a certificate of the role's name may come in.
    std::fs::write(server.data().join("pg_hba.conf"), "local all all trust\nhostssl all all all cert\n").unwrap();
    server.reload();
    let plain = PostgresqlSettings { hosts: vec![("localhost".into(), port)], ..server.settings() };
    while PostgresqlDatabase::open(plain.clone()).is_ok() {}
    check("localhost", TlsMode::VerifyFull, Some(&trusted), None, "certificate");
    check("localhost", TlsMode::VerifyFull, Some(&trusted), Some(&client), "");
    check("localhost", TlsMode::Require, None, Some(&client), "");
    check("localhost", TlsMode::Require, None, Some(&stranger), "cannot be reached");
    let no_key = (client.0.clone(), trusted.clone());
    check("localhost", TlsMode::Require, None, Some(&no_key), "data_provider.client_key");
    check("localhost", TlsMode::Disable, None, None, "28000");
    // A socket is never encrypted.
    let socket = vec![(server.settings().hosts[0].0.clone(), port)];
    let settings = PostgresqlSettings { hosts: socket, tls: TlsMode::VerifyFull, ..server.settings() };
    assert!(PostgresqlDatabase::open(settings).unwrap().find(&USERS, "alice").await.unwrap().is_none());
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_wanted() {
    let port = free_port();
    let server = Server::start_with(&["listen_addresses=127.0.0.1".to_owned(), format!("port={port}")]);
    let settings = PostgresqlSettings { hosts: vec![("localhost".into(), port)], ..server.settings() };
    let error =
        PostgresqlDatabase::open(PostgresqlSettings { tls: TlsMode::Require, ..settings.clone() }).err().unwrap();
    assert!(error.to_string().contains("data_provider.sslmode"), "{error}");
    PostgresqlDatabase::open(PostgresqlSettings { tls: TlsMode::Prefer, ..settings }).unwrap();
}
