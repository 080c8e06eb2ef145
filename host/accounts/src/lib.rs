//! Stores for accounts, and for the values of plugins. Migrations are in `sql/`.

#[cfg(test)]
mod conformance;
mod hook_records;
mod sqlite;

pub use sqlite::{OpenError, SqliteDatabase};
