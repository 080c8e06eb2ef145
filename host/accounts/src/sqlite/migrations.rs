//! Applies the scripts of `sql/sqlite/`, each once, in one transaction. SQLite's `user_version`
//! holds the date of the last script.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{OpenError, SqliteOrigin, account_lists, classify_open};
use crate::older::{FIRST_COLUMNS, LATER_TABLES, listed};

/// The script that makes the table of what accounts refer to.
const REFERENCES: i64 = 20_261_208;

const MIGRATIONS: &[(i64, &str)] = &[
    (20_200_131, include_str!("../../../../sql/sqlite/20200131.sql")),
    (20_261_122, include_str!("../../../../sql/sqlite/20261122.sql")),
    (20_261_123, include_str!("../../../../sql/sqlite/20261123.sql")),
    (20_261_124, include_str!("../../../../sql/sqlite/20261124.sql")),
    (20_261_125, include_str!("../../../../sql/sqlite/20261125.sql")),
    (20_261_128, include_str!("../../../../sql/sqlite/20261128.sql")),
    (20_261_129, include_str!("../../../../sql/sqlite/20261129.sql")),
    (20_261_130, include_str!("../../../../sql/sqlite/20261130.sql")),
    (20_261_201, include_str!("../../../../sql/sqlite/20261201.sql")),
    (20_261_202, include_str!("../../../../sql/sqlite/20261202.sql")),
    (20_261_203, include_str!("../../../../sql/sqlite/20261203.sql")),
    (20_261_205, include_str!("../../../../sql/sqlite/20261205.sql")),
    (20_261_206, include_str!("../../../../sql/sqlite/20261206.sql")),
    (20_261_207, include_str!("../../../../sql/sqlite/20261207.sql")),
    (REFERENCES, include_str!("../../../../sql/sqlite/20261208.sql")),
    (20_261_209, include_str!("../../../../sql/sqlite/20261209.sql")),
];

/// The version that the scripts lead to.
pub fn known_version() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, _)| *version)
}

pub fn apply(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let classify = |error: rusqlite::Error| classify_open(&error, path);
    let known = known_version();
    let current = version(connection).map_err(classify)?;
    if current > known {
        return Err(OpenError::Newer { path: path.to_owned(), found: current, known });
    }
    if current == known {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
    // Another process may have migrated while this one waited for the lock.
    let current = version(&transaction).map_err(classify)?;
    if current == 0 {
        origin(&transaction, path)?;
    }
    for (version, script) in MIGRATIONS.iter().filter(|(version, _)| *version > current) {
        transaction.execute_batch(script).map_err(classify)?;
        if *version == REFERENCES {
            account_lists::fill(&transaction).map_err(classify)?;
        }
        transaction.pragma_update(None, "user_version", version).map_err(classify)?;
    }
    transaction.commit().map_err(classify)
}

/// Which server has made the database.
pub fn origin(connection: &Connection, path: &Path) -> Result<SqliteOrigin, OpenError> {
    let classify = |error: rusqlite::Error| classify_open(&error, path);
    if version(connection).map_err(classify)? != 0 {
        return Ok(SqliteOrigin::Ours);
    }
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(classify);
    // SQLite has tables of its own, whose names begin so.
    if number(r"SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'")? == 0 {
        return Ok(SqliteOrigin::Empty);
    }
    // Beside tables whose names have a prefix, for example, ours would be empty.
    let accounts = number("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND lower(name) = 'users'")?;
    let tables = listed(&LATER_TABLES);
    let later_tables = number(&format!("SELECT count(*) FROM sqlite_master WHERE lower(name) IN ({tables})"))?;
    let columns = listed(&FIRST_COLUMNS);
    let later_columns = "SELECT count(*) FROM pragma_table_info('users') WHERE lower(name) NOT IN";
    if accounts == 0 || later_tables > 0 || number(&format!("{later_columns} ({columns})"))? > 0 {
        return Err(OpenError::Later { path: path.to_owned() });
    }
    Ok(SqliteOrigin::FirstEra)
}

/// The version of the tables in a file; 0: they are not ours.
pub fn version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
