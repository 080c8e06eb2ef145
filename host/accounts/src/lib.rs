//! Where accounts and plugins' values are kept. Migrations are in `sql/`.

#[cfg(test)]
mod conformance;
mod sqlite;

pub use sqlite::{OpenError, SqliteDatabase};
