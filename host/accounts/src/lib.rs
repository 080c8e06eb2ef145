//! Stores for accounts, and for the values of plugins: SQLite, PostgreSQL, MySQL and MariaDB, whose migrations are in
//! `sql/`, and a file of key/value tables.

#[cfg(test)]
mod conformance;
mod hook_records;
mod mysql;
mod older;
mod own_tables;
mod postgresql;
mod read_only;
mod redb;
mod sql;
mod sqlite;

pub use self::mysql::{MysqlDatabase, read_mysql_tables, read_only_mysql};
pub use self::older::Decrypt;
pub use self::own_tables::is_other_table;
pub use self::postgresql::{PostgresqlDatabase, read_only_postgresql, read_postgresql_tables};
pub use self::redb::{OpenError as RedbOpenError, RedbDatabase};
pub use self::sql::TableNames;
pub use self::sql::remote::{DatabaseServerSettings, ForeignTable, TlsMode};
pub use self::sqlite::{OpenError, SqliteDatabase, SqliteOrigin, read_only_sqlite};
