//! Applies the scripts of `sql/postgresql/`, each once, all in one transaction under a lock: of several servers
//! that start at once, one does it. The table `tidegate_version` holds the date of the last script.

use std::time::Duration;

use tidegate_core::ports::StoreError;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::connect::Postgresql;
use super::dialect::PostgresqlDialect;
use super::{cells, errors};
use crate::older::{ADVICE, Decrypt, FIRST_COLUMNS, LATER_TABLES, listed};
use crate::sql::remote::{Connected, Connector, stalled};
use crate::sql::{Cell, Dialect, Row, TableNames, account_references};

/// The time for all scripts; those of other servers are waited for as well.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// The script that makes the table of what accounts refer to.
const REFERENCES: i64 = 20_261_208;

pub const MIGRATIONS: &[(i64, &str)] = &[
    (20_200_131, include_str!("../../../../sql/postgresql/20200131.sql")),
    (20_261_204, include_str!("../../../../sql/postgresql/20261204.sql")),
    (20_261_205, include_str!("../../../../sql/postgresql/20261205.sql")),
    (20_261_206, include_str!("../../../../sql/postgresql/20261206.sql")),
    (20_261_207, include_str!("../../../../sql/postgresql/20261207.sql")),
    (REFERENCES, include_str!("../../../../sql/postgresql/20261208.sql")),
];

/// The version to which the scripts bring the tables.
pub fn known_version() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, _)| *version)
}

/// Connects to a host, checks whether its database can be used, and brings the tables up to date. `decrypt`: for secrets
/// in tables of the older server.
pub async fn apply(connector: &Connector<Postgresql>, decrypt: Decrypt) -> Result<(), StoreError> {
    let answer_limit = connector.settings().answer_timeout.max(Duration::from_secs(10));
    let connection = timeout(answer_limit, connector.connect()).await;
    let connection = connection.map_err(|_| stalled(&connector.hosts()))??;
    let (dialect, database) = (&connector.driver.dialect, connector.settings().database.as_str());
    let session = Session { connection: &connection, dialect, database };
    let begun = timeout(answer_limit, async {
        session.check_encoding().await?;
        Ok::<_, StoreError>(session.has_version().await? && session.is_current().await?)
    });
    if begun.await.map_err(|_| stalled(&connection.host))?? {
        return Ok(());
    }
    let done = timeout(LIMIT, session.migrate(decrypt)).await;
    done.map_err(|_| stalled(&connection.host))?
}

/// Checks whether [`apply`] would refuse the tables, and changes nothing.
pub async fn look(connector: &Connector<Postgresql>) -> Result<(), StoreError> {
    let answer_limit = connector.settings().answer_timeout.max(Duration::from_secs(10));
    let looked = timeout(answer_limit, async {
        let connection = connector.connect().await?;
        let (dialect, database) = (&connector.driver.dialect, connector.settings().database.as_str());
        let session = Session { connection: &connection, dialect, database };
        session.check_encoding().await?;
        if session.has_version().await? {
            session.is_current().await?;
            return Ok(());
        }
        session.check_older().await
    });
    looked.await.map_err(|_| stalled(&connector.hosts()))?
}

/// The scripts on one connection.
struct Session<'a> {
    connection: &'a Connected<Client>,
    dialect: &'a PostgresqlDialect,
    database: &'a str,
}

impl Session<'_> {
    fn names(&self) -> &TableNames {
        &self.dialect.0
    }

    async fn check_encoding(&self) -> Result<(), StoreError> {
        let encoding = self.text("SELECT current_setting('server_encoding')", &[]).await?.unwrap_or_default();
        if encoding == "UTF8" {
            return Ok(());
        }
        Err(StoreError::Refused(format!(
            "the database \"{}\" at {} has the encoding {encoding}, which cannot hold all names; make one with: createdb --encoding UTF8 --template template0",
            self.database, self.connection.host
        )))
    }

    /// Whether there is nothing to do.
    async fn is_current(&self) -> Result<bool, StoreError> {
        let known = known_version();
        let current = self.stored_version().await?;
        if current > known {
            let (database, host) = (self.database, &self.connection.host);
            return Err(StoreError::Refused(format!(
                "the tables in the database \"{database}\" at {host} are of version {current}, made by a newer release; this one knows up to {known}: install that release, or restore a backup"
            )));
        }
        Ok(current == known)
    }

    async fn has_version(&self) -> Result<bool, StoreError> {
        self.has_table("tidegate_version").await
    }

    /// Refuses the tables of a later version of the older server.
    async fn check_older(&self) -> Result<(), StoreError> {
        let mut is_later = false;
        for name in LATER_TABLES {
            is_later |= self.has_table(name).await?;
        }
        let columns = format!(
            "SELECT count(*)::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 \
             AND NOT attisdropped AND lower(attname) NOT IN ({})",
            listed(&FIRST_COLUMNS)
        );
        let later = self.text(&columns, &[self.dialect.table("users").into()]).await?;
        if is_later || later.is_some_and(|later| later != "0") {
            let (database, host) = (self.database, &self.connection.host);
            return Err(StoreError::Refused(format!("the database \"{database}\" at {host} {ADVICE}")));
        }
        Ok(())
    }

    async fn has_table(&self, name: &str) -> Result<bool, StoreError> {
        let table = self.dialect.table(name);
        Ok(self.text("SELECT to_regclass($1)::text", &[table.into()]).await?.is_some())
    }

    async fn stored_version(&self) -> Result<i64, StoreError> {
        let table = self.dialect.table("tidegate_version");
        let version = self.text(&format!("SELECT max(version)::text FROM {table}"), &[]).await?;
        Ok(version.and_then(|version| version.parse().ok()).unwrap_or(0))
    }

    /// Secrets of the older server that have their key beside them are stored clear. They are sealed with the next change
    /// of their account.
    async fn decrypt_secrets(&self, decrypt: Decrypt) -> Result<(), StoreError> {
        let table = self.dialect.table("users");
        let column = "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'filesystem' \
                      AND NOT attisdropped";
        if self.text(column, &[table.clone().into()]).await?.is_none() {
            return Ok(());
        }
        let sql = format!("SELECT id::text, filesystem::text FROM {table} WHERE filesystem::text LIKE '%$aes$%'");
        for mut row in self.rows(&sql, &[]).await? {
            let (id, text) = (row.text(0)?, row.text(1)?);
            if let Some(clear) = decrypt(&text) {
                let update = format!("UPDATE {table} SET filesystem = $1 WHERE id::text = $2");
                self.rows(&update, &[clear.into(), id.into()]).await?;
            }
        }
        Ok(())
    }

    async fn migrate(&self, decrypt: Decrypt) -> Result<(), StoreError> {
        self.batch("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let lock = format!("tidegate {}", self.dialect.table("tidegate_version"));
        self.text("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))::text", &[lock.into()]).await?;
        // The table is made before it is looked for: what this session knows of tables that do not exist may be
        // older than the lock.
        self.make_schema().await?;
        let table = self.dialect.table("tidegate_version");
        self.batch(&format!("CREATE TABLE IF NOT EXISTS {table} (version BIGINT NOT NULL)")).await?;
        // Another server may have done the rest while this one waited.
        if !self.is_current().await? {
            let current = self.stored_version().await?;
            if current == 0 {
                self.check_older().await?;
                self.decrypt_secrets(decrypt).await?;
            }
            let mut last = current;
            for (version, script) in MIGRATIONS.iter().filter(|(version, _)| *version > current) {
                self.batch(&self.dialect.render(script)).await?;
                if *version == REFERENCES {
                    self.fill_references().await?;
                }
                last = *version;
            }
            self.batch(&format!("DELETE FROM {table}; INSERT INTO {table} VALUES ({last})")).await?;
        }
        self.batch("COMMIT").await
    }

    /// Fills the table of what accounts refer to.
    async fn fill_references(&self) -> Result<(), StoreError> {
        // Numbers go as texts in both directions.
        let read = format!(
            "SELECT id::text AS number, username, other FROM {{users}} WHERE id > CAST(? AS BIGINT) ORDER BY id \
             LIMIT {}",
            account_references::ACCOUNTS_AT_ONCE
        );
        let (read, mut last) = (self.dialect.render(&read), "0".to_owned());
        loop {
            let mut references = Vec::new();
            let accounts = self.rows(&read, &[last.as_str().into()]).await?;
            let is_last = accounts.is_empty();
            for mut row in accounts {
                last = row.text(0)?;
                references.append(&mut account_references::rows_of_stored(row.take(1), row.take(2)));
            }
            for (insert, values) in account_references::additions(self.dialect, &references) {
                self.rows(&insert, &values).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn make_schema(&self) -> Result<(), StoreError> {
        let schema = self.names().schema.as_str();
        if schema.is_empty() {
            return Ok(());
        }
        let sql = "SELECT nspname::text FROM pg_namespace WHERE nspname = $1";
        if self.text(sql, &[schema.into()]).await?.is_some() {
            return Ok(());
        }
        self.batch(&format!("CREATE SCHEMA \"{schema}\"")).await
    }

    /// The first column of the first row, if it is a text.
    async fn text(&self, sql: &str, values: &[Cell]) -> Result<Option<String>, StoreError> {
        let row = self.rows(sql, values).await?.into_iter().next();
        row.map(|mut row| row.optional_text(0)).transpose().map(Option::flatten)
    }

    async fn rows(&self, sql: &str, values: &[Cell]) -> Result<Vec<Row>, StoreError> {
        let parameters: Vec<_> = values.iter().map(|cell| (cell as _, Type::TEXT)).collect();
        let rows = self.connection.connection.query_typed(sql, &parameters).await;
        let rows = rows.map_err(|error| self.classify(&error))?;
        rows.iter().map(cells::row).collect::<Result<_, _>>().map_err(|error| self.classify(&error))
    }

    async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.connection.batch_execute(sql).await.map_err(|error| self.classify(&error))
    }

    fn classify(&self, error: &tokio_postgres::Error) -> StoreError {
        errors::of_statement(error, &self.connection.host).failure.error
    }
}
