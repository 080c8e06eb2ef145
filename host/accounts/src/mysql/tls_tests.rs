//! TLS to the database: what is encrypted, and what of the certificates is checked.

use mysql_async::prelude::Queryable;
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
    let files = Certificates::make("mysql", "tidegate");
    let port = free_port();
    let server = Server::start_with(&[
        format!("--port={port}"),
        format!("--ssl-cert={}", files.server.0.display()),
        format!("--ssl-key={}", files.server.1.display()),
        format!("--ssl-ca={}", files.trusted.display()),
    ]);
    test_cases::the_mode_says_what_is_checked(&server, port, &files);
    let only = "ALTER USER tidegate@'%' REQUIRE X509; ALTER USER tidegate@localhost REQUIRE X509";
    server.raw().await.query_drop(only).await.unwrap();
    test_cases::a_certificate_is_shown(&server, port, &files, ["1045", "1045"]);
    // A socket is never encrypted.
    server.raw().await.query_drop("ALTER USER tidegate@localhost REQUIRE NONE").await.unwrap();
    let root_cert = Some(files.trusted.clone());
    let settings = DatabaseServerSettings { tls: TlsMode::VerifyFull, root_cert, ..server.settings() };
    assert!(MysqlDatabase::open(settings).unwrap().find(&USERS, "alice").await.unwrap().is_none());
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_wanted() {
    // A3-33
    let port = free_port();
    let server = Server::start_with(&[format!("--port={port}"), "--skip-ssl".to_owned()]);
    test_cases::a_server_without_tls_is_refused_where_tls_is_wanted(&server, port);
}
