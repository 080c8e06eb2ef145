//! Stores for accounts, and for the values of plugins: SQLite, whose migrations are in `sql/`, and a file of
//! key/value tables.

#[cfg(test)]
mod conformance;
mod hook_records;
mod postgresql;
mod redb;
mod sql;
mod sqlite;

pub use self::postgresql::{PostgresqlDatabase, PostgresqlSettings, TlsMode};
pub use self::redb::{OpenError as RedbOpenError, RedbDatabase};
pub use self::sql::TableNames;
pub use self::sqlite::{OpenError, SqliteDatabase};
