//! Applies the scripts of `sql/mysql/`, each once, under a lock: of several servers that start at once, one does it.
//! The table `tidegate_version` has a row with the date of each script that was applied.
//!
//! Statements about tables commit by themselves. So each statement of a script can be repeated after a crash, and a
//! statement after a line `-- done: QUESTION` is left out where the question can be asked.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use tidegate_core::ports::StoreError;
use tokio::time::timeout;

use super::connect::{Connection, Mysql};
use super::dialect::MysqlDialect;
use super::{cells, errors};
use crate::older::{ADVICE, Decrypt, FIRST_COLUMNS, LATER_TABLES, listed};
use crate::sql::remote::{Connected, Connector, stalled};
use crate::sql::{Cell, Dialect, Row, account_references};

/// The time for all scripts; those of other servers are waited for as well.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// The first versions that have what is used: rows whose keys are long, and locks beside each other.
const FIRST_MYSQL: (u16, u16) = (5, 7);
const FIRST_MARIADB: (u16, u16) = (10, 3);
const IS_DONE: &str = "-- done: ";

/// The script that makes the table of what accounts refer to.
const REFERENCES: i64 = 20_261_208;

pub const MIGRATIONS: &[(i64, &str)] = &[
    (20_200_131, include_str!("../../../../sql/mysql/20200131.sql")),
    (20_261_204, include_str!("../../../../sql/mysql/20261204.sql")),
    (20_261_205, include_str!("../../../../sql/mysql/20261205.sql")),
    (20_261_206, include_str!("../../../../sql/mysql/20261206.sql")),
    (20_261_207, include_str!("../../../../sql/mysql/20261207.sql")),
    (REFERENCES, include_str!("../../../../sql/mysql/20261208.sql")),
];

/// The version to which the scripts bring the tables.
pub fn known_version() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, _)| *version)
}

/// Connects to a host, checks whether its database can be used, and brings the tables up to date. `decrypt`: for secrets
/// in tables of the older server.
pub async fn apply(connector: &Connector<Mysql>, decrypt: Decrypt) -> Result<(), StoreError> {
    let answer_limit = connector.settings().answer_timeout.max(Duration::from_secs(10));
    let connected = timeout(answer_limit, connector.connect()).await;
    let mut connected = connected.map_err(|_| stalled(&connector.hosts()))??;
    let host = connected.host.clone();
    let (dialect, database) = (&connector.driver.dialect, connector.settings().database.as_str());
    let mut session = Session { connected: &mut connected, dialect, database };
    let begun = timeout(answer_limit, async {
        session.check_server()?;
        session.is_current().await
    });
    if begun.await.map_err(|_| stalled(&host))?? {
        return Ok(());
    }
    timeout(LIMIT, session.migrate(decrypt)).await.map_err(|_| stalled(&host))?
}

/// Checks whether [`apply`] would refuse the tables, and changes nothing.
pub async fn look(connector: &Connector<Mysql>) -> Result<(), StoreError> {
    let answer_limit = connector.settings().answer_timeout.max(Duration::from_secs(10));
    let looked = timeout(answer_limit, async {
        let mut connected = connector.connect().await?;
        let (dialect, database) = (&connector.driver.dialect, connector.settings().database.as_str());
        let mut session = Session { connected: &mut connected, dialect, database };
        session.check_server()?;
        session.is_current().await?;
        if session.has_table("tidegate_version").await? { Ok(()) } else { session.check_older().await }
    });
    looked.await.map_err(|_| stalled(&connector.hosts()))?
}

/// One statement of a script.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// A query that succeeds only after the statement was executed.
    is_done: Option<String>,
    pub sql: String,
}

/// The statements of a script, without comments.
pub fn steps(script: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut sql, mut is_done) = (String::new(), None);
    for line in script.lines() {
        if let Some(question) = line.strip_prefix(IS_DONE) {
            is_done = Some(question.to_owned());
        } else if !line.trim_start().starts_with("--") {
            let (text, ends) = line.strip_suffix(';').map_or((line, false), |text| (text, true));
            sql.push_str(text);
            sql.push('\n');
            if ends {
                steps.push(Step { is_done: is_done.take(), sql: std::mem::take(&mut sql).trim().to_owned() });
            }
        }
    }
    steps
}

/// The scripts on one connection.
struct Session<'a> {
    connected: &'a mut Connected<Connection>,
    dialect: &'a MysqlDialect,
    database: &'a str,
}

impl Session<'_> {
    fn check_server(&self) -> Result<(), StoreError> {
        let Connection { conn, is_mariadb } = &self.connected.connection;
        let (name, first) = if *is_mariadb { ("MariaDB", FIRST_MARIADB) } else { ("MySQL", FIRST_MYSQL) };
        let (major, minor, _) = conn.server_version();
        if (major, minor) >= first {
            return Ok(());
        }
        Err(StoreError::Refused(format!(
            "the database at {} is {name} {major}.{minor}, which is too old; use {name} {}.{} or newer",
            self.connected.host, first.0, first.1
        )))
    }

    /// Whether there is nothing to do.
    async fn is_current(&mut self) -> Result<bool, StoreError> {
        let known = known_version();
        let current = self.stored_version().await?;
        if current > known {
            let (database, host) = (self.database, &self.connected.host);
            return Err(StoreError::Refused(format!(
                "the tables in the database \"{database}\" at {host} are of version {current}, made by a newer release; this one knows up to {known}: install that release, or restore a backup"
            )));
        }
        Ok(current == known)
    }

    /// The date of the last script that was applied.
    async fn stored_version(&mut self) -> Result<i64, StoreError> {
        if !self.has_table("tidegate_version").await? {
            return Ok(0);
        }
        let sql = self.dialect.render("SELECT COALESCE(MAX(version), 0) FROM {tidegate_version}");
        self.number(&sql, &[]).await
    }

    async fn has_table(&mut self, name: &str) -> Result<bool, StoreError> {
        let name = self.dialect.table(name).replace('`', "");
        let sql = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?";
        Ok(self.number(sql, &[name.into()]).await? > 0)
    }

    /// Refuses the tables of a later version of the older server.
    async fn check_older(&mut self) -> Result<(), StoreError> {
        let mut is_later = false;
        for name in LATER_TABLES {
            is_later |= self.has_table(name).await?;
        }
        let users = self.dialect.table("users").replace('`', "");
        let columns = format!(
            "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? \
             AND LOWER(column_name) NOT IN ({})",
            listed(&FIRST_COLUMNS)
        );
        if is_later || self.number(&columns, &[users.into()]).await? > 0 {
            let (database, host) = (self.database, &self.connected.host);
            return Err(StoreError::Refused(format!("the database \"{database}\" at {host} {ADVICE}")));
        }
        Ok(())
    }

    /// Secrets of the older server that have their key beside them are stored clear. They are sealed with the next change
    /// of their account.
    async fn decrypt_secrets(&mut self, decrypt: Decrypt) -> Result<(), StoreError> {
        let table = self.dialect.table("users");
        let column = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? \
                      AND column_name = 'filesystem'";
        if self.number(column, &[table.replace('`', "").into()]).await? == 0 {
            return Ok(());
        }
        let sql = format!("SELECT id, CAST(filesystem AS CHAR) FROM {table} WHERE filesystem LIKE '%$aes$%'");
        for mut row in self.rows(&sql, &[]).await? {
            let (id, text) = (row.integer(0)?, row.text(1)?);
            if let Some(clear) = decrypt(&text) {
                let update = format!("UPDATE {table} SET filesystem = ? WHERE id = ?");
                self.rows(&update, &[clear.into(), id.into()]).await?;
            }
        }
        Ok(())
    }

    async fn migrate(&mut self, decrypt: Decrypt) -> Result<(), StoreError> {
        // The lock is that of the server, so its name has the database's; it ends with the connection at the latest.
        let table = self.dialect.table("tidegate_version");
        let lock: Cell = format!("{}.{table}", self.database).into();
        let take = "SELECT COALESCE(GET_LOCK(CONCAT('tidegate ', SHA1(?)), ?), 0)";
        let seconds = i64::try_from(LIMIT.as_secs()).unwrap_or(i64::MAX);
        if self.number(take, &[lock.clone(), seconds.into()]).await? != 1 {
            return Err(stalled(&self.connected.host));
        }
        if !self.has_table("tidegate_version").await? {
            self.check_older().await?;
        }
        // Statements about tables wait for programs that use them.
        self.run(&format!("SET SESSION lock_wait_timeout = {seconds}")).await?;
        self.run(&format!("CREATE TABLE IF NOT EXISTS {table} (version BIGINT NOT NULL PRIMARY KEY) ENGINE = InnoDB"))
            .await?;
        // Another server may have done the rest while this one waited.
        if !self.is_current().await? {
            let current = self.stored_version().await?;
            if current == 0 {
                self.decrypt_secrets(decrypt).await?;
            }
            for (version, script) in MIGRATIONS.iter().filter(|(version, _)| *version > current) {
                for Step { is_done, sql } in steps(script) {
                    let is_done = match is_done {
                        Some(question) => {
                            self.connected.connection.conn.query_drop(self.dialect.render(&question)).await.is_ok()
                        }
                        None => false,
                    };
                    if !is_done {
                        self.run(&self.dialect.render(&sql)).await?;
                    }
                }
                if *version == REFERENCES {
                    self.fill_references().await?;
                }
                self.run(&format!("INSERT INTO {table} VALUES ({version})")).await?;
            }
        }
        self.number("SELECT COALESCE(RELEASE_LOCK(CONCAT('tidegate ', SHA1(?))), 0)", &[lock]).await?;
        Ok(())
    }

    /// Fills the table of what accounts refer to. A server that died here may have filled it before others changed the
    /// accounts.
    async fn fill_references(&mut self) -> Result<(), StoreError> {
        self.run(&self.dialect.render(&format!("DELETE FROM {}", account_references::TABLE))).await?;
        let read = format!(
            "SELECT id, username, other FROM {{users}} WHERE id > ? ORDER BY id LIMIT {}",
            account_references::ACCOUNTS_AT_ONCE
        );
        let (read, mut last) = (self.dialect.render(&read), 0);
        loop {
            let mut references = Vec::new();
            let accounts = self.rows(&read, &[Cell::Integer(last)]).await?;
            let is_last = accounts.is_empty();
            for mut row in accounts {
                last = row.integer(0)?;
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

    async fn number(&mut self, sql: &str, values: &[Cell]) -> Result<i64, StoreError> {
        self.rows(sql, values).await?.into_iter().next().map_or(Ok(0), |mut row| row.integer(0))
    }

    async fn rows(&mut self, sql: &str, values: &[Cell]) -> Result<Vec<Row>, StoreError> {
        let conn = &mut self.connected.connection.conn;
        let rows = conn.exec_map(sql, cells::parameters(values), cells::row).await;
        rows.map_err(|error| errors::of_statement(&error, &self.connected.host).failure.error)
    }

    async fn run(&mut self, sql: &str) -> Result<(), StoreError> {
        let done = self.connected.connection.conn.query_drop(sql).await;
        done.map_err(|error| errors::of_statement(&error, &self.connected.host).failure.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_cut_into_statements() {
        let script =
            "-- a; b?\nCREATE TABLE {a} (\n    -- c;\n    id INT\n);\n-- done: SELECT b FROM {a}\nALTER TABLE {a};\n";
        let step = |is_done: Option<&str>, sql: &str| Step { is_done: is_done.map(str::to_owned), sql: sql.to_owned() };
        let expected =
            [step(None, "CREATE TABLE {a} (\n    id INT\n)"), step(Some("SELECT b FROM {a}"), "ALTER TABLE {a}")];
        assert_eq!(steps(script), expected);
    }
}
