//! How PostgreSQL writes SQL.

use std::fmt::Write;

use crate::sql::account_references::ListWording;
use crate::sql::{Dialect, TableNames};

/// PostgreSQL's SQL, with the tables as the configuration names them.
#[derive(Clone)]
pub struct PostgresqlDialect(pub TableNames);

impl Dialect for PostgresqlDialect {
    fn table(&self, name: &str) -> String {
        self.0.quoted(name, '"')
    }

    fn known_version(&self) -> i64 {
        super::migrations::known_version()
    }

    fn refuses_writes(&self) -> &'static str {
        "CASE current_setting('transaction_read_only') WHEN 'on' THEN 1 ELSE 0 END"
    }

    fn parameter(&self, number: usize, sql: &mut String) {
        let _ = write!(sql, "${number}");
    }

    fn leaving_out_existing(&self, insert: &str, _: &str) -> String {
        format!("{insert} ON CONFLICT DO NOTHING")
    }

    fn or_update(&self, insert: &str, key: &[&str], columns: &[&str]) -> String {
        let sets: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), sets.join(", "))
    }

    fn list_wording(&self) -> ListWording {
        ListWording { join: "JOIN", position: "strpos" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_rendered() {
        let check = |names: TableNames, sql: &str, expected: &str| {
            assert_eq!(PostgresqlDialect(names).render(sql), expected);
        };
        let sql = "SELECT 1 FROM {users} WHERE a = ? AND b IN (?, ?)";
        check(TableNames::default(), sql, r#"SELECT 1 FROM "users" WHERE a = $1 AND b IN ($2, $3)"#);
        let names = TableNames { schema: "s".into(), prefix: "tg_".into(), users: "people".into() };
        check(names.clone(), "DELETE FROM {users}", r#"DELETE FROM "s"."tg_people""#);
        check(names, "DELETE FROM {folders}", r#"DELETE FROM "s"."tg_folders""#);
    }
}
