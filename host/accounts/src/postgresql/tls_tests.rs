//! TLS to the database: what is encrypted, and what of the certificates is checked.

use tidegate_core::ports::{Directory, USERS};
use tidegate_tests::processes::free_port;

use super::test_server::Server;
use super::*;
use crate::sql::remote::TlsMode;
use crate::sql::remote::test_cases;
use crate::sql::remote::test_files::Certificates;

#[tokio::test]
async fn the_mode_says_what_is_checked() {
    // A3-33
    let files = Certificates::make("postgres", "postgres");
    let port = free_port();
    let server = Server::start_with(&[
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", files.server.0.display()),
        format!("ssl_key_file={}", files.server.1.display()),
        format!("ssl_ca_file={}", files.trusted.display()),
    ]);
    test_cases::the_mode_says_what_is_checked(&server, port, &files);
    std::fs::write(server.data().join("pg_hba.conf"), "local all all trust\nhostssl all all all cert\n").unwrap();
    server.reload();
    let plain = DatabaseServerSettings { hosts: vec![("localhost".into(), port)], ..server.settings() };
    while PostgresqlDatabase::open(plain.clone()).is_ok() {}
    test_cases::a_certificate_is_shown(&server, port, &files, ["certificate", "28000"]);
    // A socket is never encrypted.
    let socket = vec![(server.settings().hosts[0].0.clone(), port)];
    let root_cert = Some(files.trusted.clone());
    let settings = DatabaseServerSettings { hosts: socket, tls: TlsMode::VerifyFull, root_cert, ..server.settings() };
    assert!(PostgresqlDatabase::open(settings).unwrap().find(&USERS, "alice").await.unwrap().is_none());
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_wanted() {
    // A3-33
    let port = free_port();
    let server = Server::start_with(&["listen_addresses=127.0.0.1".to_owned(), format!("port={port}")]);
    test_cases::a_server_without_tls_is_refused_where_tls_is_wanted(&server, port);
}
