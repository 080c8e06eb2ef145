//! The older server's database on a database server. Only questions are asked, and everything is read before anything
//! is looked into.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use tidegate_accounts::ForeignTable;
use tidegate_core::secret::Secret;
use tidegate_migrate::older::{Names, Row, Tables, read_tables};
use tidegate_migrate::{DatabaseKind, MigrateError, Moved};

use crate::config::settings::DatabaseSettings;
use crate::config::{Config, DataProvider, Loaded};
use crate::wire::read_foreign_tables;

/// The names of tables that are looked into end with one of these; of others only the number of rows is told.
const WANTED: [&str; 6] = ["users", "folders", "groups", "roles", "mapping", "admins"];

/// A database and how it is reached.
pub struct DatabaseServer(DatabaseSettings);

impl DatabaseServer {
    /// The database that the older server's configuration names. `kind`: that of its driver.
    pub fn of_provider(kind: DatabaseKind, theirs: &DataProvider, directory: &Path) -> anyhow::Result<Self> {
        // The names of tables are those of the older server, and are looked for in what is found.
        let provider = DataProvider {
            name: theirs.name.clone(),
            host: theirs.host.clone(),
            port: theirs.port,
            username: theirs.username.clone(),
            password: theirs.password.clone(),
            sslmode: theirs.sslmode,
            root_cert: theirs.root_cert.clone(),
            client_cert: theirs.client_cert.clone(),
            client_key: theirs.client_key.clone(),
            connection_string: theirs.connection_string.clone(),
            connectionstring: theirs.connectionstring.clone(),
            ..of_kind(kind)
        };
        Self::of(provider, directory)
    }

    /// The database of a URL.
    pub fn of_url(kind: DatabaseKind, url: &Secret, directory: &Path) -> anyhow::Result<Self> {
        Self::of(DataProvider { connection_string: url.expose().to_owned(), ..of_kind(kind) }, directory)
    }

    fn of(data_provider: DataProvider, directory: &Path) -> anyhow::Result<Self> {
        let settings = Loaded::from_config(Config { data_provider, ..Config::default() }).validate(directory, true);
        Ok(Self(settings.map_err(|error| anyhow!("{error}; {ADVICE}"))?.database))
    }

    /// Reads everything.
    pub fn read(&self, names: &Names) -> anyhow::Result<Moved> {
        let is_wanted = |name: &str| {
            WANTED.iter().any(|ending| name.ends_with(ending))
                || names.users.as_deref().is_some_and(|users| users == name)
        };
        let (DatabaseSettings::Postgresql(settings) | DatabaseSettings::Mysql(settings)) = &self.0 else {
            bail!("the database of the older server is not on a database server; name its file")
        };
        let tables = read_foreign_tables(&self.0, is_wanted).map_err(|error| anyhow!("{error}; {ADVICE}"))?;
        let place = PathBuf::from(format!("the database \"{}\"", settings.database));
        Ok(read_tables(&Found { tables, place: place.clone() }, &place, names)?)
    }
}

/// What to do where a database cannot be read.
const ADVICE: &str =
    "or make a dump with the older server (its REST API: dumpdata), and name the dump with another --from";

fn of_kind(kind: DatabaseKind) -> DataProvider {
    let driver = if kind == DatabaseKind::Mysql { "mysql" } else { "postgresql" };
    DataProvider { driver: driver.to_owned(), ..DataProvider::default() }
}

/// The tables that were read.
struct Found {
    tables: Vec<ForeignTable>,
    place: PathBuf,
}

impl Found {
    fn table(&self, name: &str) -> Result<&ForeignTable, MigrateError> {
        self.tables.iter().find(|table| table.name == name).ok_or_else(|| MigrateError::Unusable {
            path: self.place.clone(),
            problem: format!("it has no table {name}"),
        })
    }
}

impl Tables for Found {
    fn names(&self) -> Result<Vec<String>, MigrateError> {
        Ok(self.tables.iter().map(|table| table.name.clone()).collect())
    }

    fn views(&self) -> Result<Vec<String>, MigrateError> {
        Ok(self.tables.iter().filter(|table| table.is_view).map(|table| table.name.clone()).collect())
    }

    fn columns(&self, table: &str) -> Result<Vec<String>, MigrateError> {
        Ok(self.table(table)?.columns.clone())
    }

    fn rows(&self, table: &str) -> Result<Vec<Row>, MigrateError> {
        Ok(self.table(table)?.rows.clone())
    }

    fn count(&self, table: &str) -> Result<usize, MigrateError> {
        Ok(self.table(table)?.count)
    }
}
