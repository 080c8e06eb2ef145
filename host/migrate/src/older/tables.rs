//! Tables of a database, whatever kind it is of: what a reader for another kind has to implement.

use serde_json::{Map, Value};

use crate::{MigrateError, Moved, NoteKind, ObjectKind};

/// The cells of one row by their columns, which are in lower case. Texts are not looked into. One that is not UTF-8 has
/// U+FFFD where it is none, and its column is in the list [`NOT_UTF8`].
pub type Row = Map<String, Value>;

/// A key that no column has: the columns of the row whose texts are not UTF-8.
pub const NOT_UTF8: &str = "\0not UTF-8";
/// Columns that name nothing and grant nothing.
const HARMLESS: [&str; 5] = ["description", "additional_info", "email", "password", "public_keys"];

/// A database that can be read.
pub trait Tables {
    /// The names of all tables and views.
    ///
    /// # Errors
    /// The database cannot be read.
    fn names(&self) -> Result<Vec<String>, MigrateError>;

    /// Which of these names are of views.
    ///
    /// # Errors
    /// The database cannot be read.
    fn views(&self) -> Result<Vec<String>, MigrateError>;

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

/// Whether a row can move as far as its texts are concerned; notes those that are not UTF-8. A name or a path with
/// U+FFFD would be another one. `index`: of the row, from 0.
pub(super) fn is_text(row: &mut Row, index: usize, kind: ObjectKind, about: &str, moved: &mut Moved) -> bool {
    let broken = row.remove(NOT_UTF8);
    let columns = broken.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let (harmless, others): (Vec<&str>, Vec<&str>) = columns.partition(|column| HARMLESS.contains(column));
    let row = index + 1;
    if !others.is_empty() {
        let text = format!("row {row}: its {} is not UTF-8; it stays behind", others.join(", "));
        moved.leave(kind, about, text);
        return false;
    }
    if !harmless.is_empty() {
        let text =
            format!("row {row}: its {} is not UTF-8, and moves with U+FFFD where it is none", harmless.join(", "));
        moved.note(NoteKind::Changed, about, text);
    }
    true
}

/// A name in a note.
pub(super) fn printable_name(name: &str) -> String {
    crate::account::printable(name)
}
