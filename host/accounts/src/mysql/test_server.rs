//! A MariaDB server of its own for a test.

use std::sync::Arc;

use mysql_async::{Conn, OptsBuilder};
use tidegate_core::ports::Stores;
use tidegate_core::secret::Secret;
use tidegate_tests::databases::{Database, Kind};

use super::*;
use crate::sql::remote::step_cases::{Life, Mortal};
use crate::sql::remote::test_cases::TestServer;

const PORT: u16 = 3306;

/// A running server. It is stopped, and its files are removed, with the value.
pub struct Server(Database);

impl Server {
    /// Starts a server that is reached only by its socket.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more arguments.
    pub fn start_with(arguments: &[String]) -> Self {
        let database = Database::start_with(Kind::Mariadb, arguments);
        database.sql(
            "CREATE USER tidegate@'%' IDENTIFIED BY 'tide'; CREATE USER tidegate@localhost IDENTIFIED BY 'tide'; \
             GRANT ALL ON tidegate.* TO tidegate@'%'; GRANT ALL ON tidegate.* TO tidegate@localhost",
        );
        Self(database)
    }

    pub fn settings(&self) -> DatabaseServerSettings {
        DatabaseServerSettings {
            hosts: vec![(self.0.socket().display().to_string(), PORT)],
            database: "tidegate".into(),
            username: "tidegate".into(),
            password: Some(Secret::new("tide")),
            ..DatabaseServerSettings::default()
        }
    }

    pub fn open(&self) -> MysqlDatabase {
        MysqlDatabase::open(self.settings()).unwrap()
    }

    /// A connection without the store, with all rights.
    pub async fn raw(&self) -> Conn {
        let socket = options::socket(&self.0.socket().display().to_string());
        let options = OptsBuilder::default().socket(Some(socket)).user(Some("root")).db_name(Some("tidegate"));
        Conn::new(options.init(vec!["SET SESSION autocommit = 1"])).await.unwrap()
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
        Ok(Arc::new(MysqlDatabase::open(settings)?))
    }

    fn mortal(settings: DatabaseServerSettings, life: Arc<Life>) -> Arc<dyn Stores> {
        let connector = Connector::new(Mysql::new(&settings).unwrap(), settings);
        Arc::new(SqlStore::new(Mortal::new(Remote::new(connector).unwrap(), life)))
    }

    fn database(&mut self) -> &mut Database {
        &mut self.0
    }
}
