//! A PostgreSQL server of its own for a test, and a pooler before it.

use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;

use tidegate_core::ports::Stores;
use tidegate_tests::databases::{Database, Kind};
use tidegate_tests::processes::{as_user, give, started};
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::sql::remote::step_cases::{Life, Mortal};
use crate::sql::remote::test_cases::TestServer;

const PORT: u16 = 5432;

/// A running server. It is stopped, and its files are removed, with the value.
pub struct Server(Database);

impl Server {
    /// Starts a server that is reached only by its socket.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more settings, such as `ssl=on`.
    pub fn start_with(settings: &[String]) -> Self {
        Self(Database::start_with(Kind::Postgresql, settings))
    }

    /// The directory of the server's data.
    pub fn data(&self) -> PathBuf {
        self.0.data()
    }

    /// Lets the server read its configuration again.
    pub fn reload(&self) {
        self.0.reload();
    }

    pub fn settings(&self) -> DatabaseServerSettings {
        DatabaseServerSettings {
            hosts: vec![(self.0.socket().display().to_string(), PORT)],
            database: "postgres".into(),
            username: "postgres".into(),
            ..DatabaseServerSettings::default()
        }
    }

    pub fn open(&self) -> PostgresqlDatabase {
        PostgresqlDatabase::open(self.settings()).unwrap()
    }

    /// A connection without the store.
    pub async fn raw(&self) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.0.socket()).user("postgres").dbname("postgres");
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl TestServer for Server {
    fn start() -> Self {
        Self::start()
    }

    fn settings(&self) -> DatabaseServerSettings {
        self.settings()
    }

    fn try_open(settings: DatabaseServerSettings) -> Result<Arc<dyn Stores>, StoreError> {
        Ok(Arc::new(PostgresqlDatabase::open(settings)?))
    }

    fn mortal(settings: DatabaseServerSettings, life: Arc<Life>) -> Arc<dyn Stores> {
        let connector = Connector::new(Postgresql::new(&settings).unwrap(), settings);
        Arc::new(SqlStore::new(Mortal::new(Remote::new(connector).unwrap(), life)))
    }

    fn database(&mut self) -> &mut Database {
        &mut self.0
    }
}

/// PgBouncer before a server, with fewer connections than its clients have.
pub struct Pooler(Child);

impl Pooler {
    /// Starts a pooler that lends connections for one transaction each.
    pub fn start(server: &Server) -> (Self, DatabaseServerSettings) {
        let directory = server.data().with_file_name("pooler");
        std::fs::create_dir(&directory).unwrap();
        give(&directory, Kind::Postgresql.user());
        let shown = directory.display();
        let text = format!(
            "[databases]\npostgres = host={} port={PORT} user=postgres\n[pgbouncer]\npool_mode = transaction\n\
             auth_type = any\ndefault_pool_size = 3\nlisten_addr =\nunix_socket_dir = {shown}\n",
            server.0.socket().display()
        );
        let file = directory.join("pgbouncer.ini");
        std::fs::write(&file, text).unwrap();
        let mut command = as_user(Kind::Postgresql.user(), "/usr/sbin/pgbouncer".as_ref(), "QUIT");
        let process = started(command.arg(&file), "process up");
        let hosts = vec![(shown.to_string(), 6432)];
        (Self(process), DatabaseServerSettings { hosts, ..server.settings() })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
