//! Tables of a database, whatever kind it is of: what a reader for another kind has to implement.

use serde_json::{Map, Value};

use crate::MigrateError;

/// The cells of one row by their columns, which are in lower case. Texts are not looked into.
pub type Row = Map<String, Value>;

/// A database that can be read.
pub trait Tables {
    /// The names of all tables and views.
    ///
    /// # Errors
    /// The database cannot be read.
    fn names(&self) -> Result<Vec<String>, MigrateError>;

    /// The names of the columns, in lower case.
    ///
    /// # Errors
    /// The database cannot be read.
    fn columns(&self, table: &str) -> Result<Vec<String>, MigrateError>;

    /// All rows, in the order of their numbers. A cell that is no text where one should be is given as it is.
    ///
    /// # Errors
    /// The database cannot be read.
    fn rows(&self, table: &str) -> Result<Vec<Row>, MigrateError>;

    /// The number of rows.
    ///
    /// # Errors
    /// The database cannot be read.
    fn count(&self, table: &str) -> Result<usize, MigrateError>;
}

/// A name in a note.
pub(super) fn printable_name(name: &str) -> String {
    crate::account::printable(name)
}
