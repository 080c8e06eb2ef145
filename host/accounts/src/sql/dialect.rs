//! Where databases write the same thing differently. Statements are written with `{table}` for the name of a
//! table and `?` for a parameter, and rendered for one database.

use std::fmt::Write;

use super::account_references::ListWording;

/// How one database writes SQL.
pub trait Dialect: Send + Sync {
    /// The name of a table as it stands in statements.
    fn table(&self, name: &str) -> String;

    /// The version to which the scripts of this release bring the tables.
    fn known_version(&self) -> i64;

    /// An expression that is 1 where the server refuses writes, and 0 elsewhere.
    fn refuses_writes(&self) -> &'static str;

    /// Writes the parameter of this number, which begins at 1.
    fn parameter(&self, number: usize, sql: &mut String);

    /// `insert`, an `INSERT … VALUES …`, such that a row whose `key` exists is left as it is.
    fn leaving_out_existing(&self, insert: &str, key: &str) -> String;

    /// `insert` such that a row whose `key` exists gets the new values of `columns` instead.
    fn or_update(&self, insert: &str, key: &[&str], columns: &[&str]) -> String;

    /// How statements about lists of accounts are written.
    fn list_wording(&self) -> ListWording;

    /// The statement as the database takes it.
    fn render(&self, sql: &str) -> String {
        let mut rendered = String::with_capacity(sql.len() + 64);
        let (mut rest, mut parameters) = (sql, 0);
        while let Some(at) = rest.find(['{', '?']) {
            let (before, found) = rest.split_at(at);
            rendered.push_str(before);
            if let Some((name, after)) = found.strip_prefix('{').and_then(|found| found.split_once('}')) {
                rendered.push_str(&self.table(name));
                rest = after;
            } else {
                parameters += 1;
                self.parameter(parameters, &mut rendered);
                rest = found.get(1..).unwrap_or_default();
            }
        }
        rendered.push_str(rest);
        rendered
    }
}

/// The names of the tables, as the configuration wants them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNames {
    /// The schema; empty: the first one of the role's search path. MySQL has none.
    pub schema: String,
    /// What the name of each table begins with.
    pub prefix: String,
    /// The name of the table of accounts, without the prefix.
    pub users: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self { schema: String::new(), prefix: String::new(), users: "users".to_owned() }
    }
}

impl TableNames {
    /// The name of a table with its schema, each part between two `quote`.
    pub fn quoted(&self, name: &str, quote: char) -> String {
        let name = if name == "users" { &self.users } else { name };
        let mut quoted = String::new();
        if !self.schema.is_empty() {
            let _ = write!(quoted, "{quote}{}{quote}.", self.schema);
        }
        let _ = write!(quoted, "{quote}{}{name}{quote}", self.prefix);
        quoted
    }
}

/// `(?, ?), (?, ?)` for two rows of two columns.
pub fn placeholders(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row.as_str(); rows].join(", ")
}
