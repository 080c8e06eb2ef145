//! How MySQL and MariaDB write SQL.

use crate::sql::account_references::ListWording;
use crate::sql::{Dialect, TableNames};

/// The SQL of both, with the tables as the configuration names them.
#[derive(Clone)]
pub struct MysqlDialect(pub TableNames);

impl Dialect for MysqlDialect {
    fn table(&self, name: &str) -> String {
        self.0.quoted(name, '`')
    }

    fn known_version(&self) -> i64 {
        super::migrations::known_version()
    }

    fn refuses_writes(&self) -> &'static str {
        "CASE WHEN CAST(@@GLOBAL.read_only AS CHAR) IN ('0', 'OFF') THEN 0 ELSE 1 END"
    }

    fn parameter(&self, _: usize, sql: &mut String) {
        sql.push('?');
    }

    // Not `INSERT IGNORE`, which also stores what was cut off to fit.
    fn leaving_out_existing(&self, insert: &str, key: &str) -> String {
        format!("{insert} ON DUPLICATE KEY UPDATE {key} = {key}")
    }

    fn or_update(&self, insert: &str, _: &[&str], columns: &[&str]) -> String {
        // MariaDB has no other way than VALUES() to name the new values.
        let sets: Vec<String> = columns.iter().map(|column| format!("{column} = VALUES({column})")).collect();
        format!("{insert} ON DUPLICATE KEY UPDATE {}", sets.join(", "))
    }

    fn list_wording(&self) -> ListWording {
        ListWording { join: "STRAIGHT_JOIN", position: "INSTR" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_rendered() {
        let names = TableNames { schema: String::new(), prefix: "tg_".into(), users: "people".into() };
        let dialect = MysqlDialect(names);
        assert_eq!(dialect.render("SELECT 1 FROM {users} WHERE a = ?"), "SELECT 1 FROM `tg_people` WHERE a = ?");
        let updating = dialect.or_update("INSERT INTO {folders} (a, b) VALUES (?, ?)", &["a"], &["b"]);
        let expected = "INSERT INTO `tg_folders` (a, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE b = VALUES(b)";
        assert_eq!(dialect.render(&updating), expected);
    }
}
