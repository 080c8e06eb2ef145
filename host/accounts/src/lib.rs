//! Where accounts and plugins' values are kept. Migrations are in `sql/`.

mod sqlite;

pub use sqlite::{OpenError, SqliteDatabase};
