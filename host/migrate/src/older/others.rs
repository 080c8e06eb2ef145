//! What other programs keep in an SQLite file of the older server.

use std::path::Path;

use super::database::{Names, prefix_of};
use super::sqlite::{failed, with_copy};
use super::tables::printable_name;
use crate::MigrateError;

/// The tables of the older server, of all its versions, without their prefix.
const OF_OLDER_SERVER: [&str; 27] = [
    "active_transfers",
    "admins",
    "admins_groups_mapping",
    "api_keys",
    "configs",
    "defender_events",
    "defender_hosts",
    "event_actions",
    "event_rules",
    "events_actions",
    "events_rules",
    "folders",
    "folders_mapping",
    "groups",
    "groups_folders_mapping",
    "ip_lists",
    "nodes",
    "roles",
    "rules_actions_mapping",
    "schema_version",
    "shared_sessions",
    "shares",
    "shares_groups_mapping",
    "tasks",
    "users",
    "users_folders_mapping",
    "users_groups_mapping",
];

/// The names of tables, views and triggers in the file that are not the older server's. `names`: of its tables.
///
/// # Errors
/// The file cannot be read.
pub fn of_other_programs(path: &Path, names: &Names) -> Result<Vec<String>, MigrateError> {
    const SQL: &str = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view', 'trigger') \
                       AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name";
    with_copy(path, |connection| {
        let found = connection.prepare(SQL).and_then(|mut statement| {
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            rows.collect::<Result<Vec<_>, _>>()
        });
        let found = found.map_err(|error| failed(path, error))?;
        let tables: Vec<String> =
            found.iter().filter(|(_, kind)| kind != "trigger").map(|(name, _)| name.clone()).collect();
        let prefix = prefix_of(&tables, names);
        let is_other = |name: &str| match &names.users {
            Some(users) if users == name => false,
            Some(_) if name.strip_prefix(prefix.as_str()) == Some("users") => true,
            _ => name.strip_prefix(prefix.as_str()).is_none_or(|plain| !OF_OLDER_SERVER.contains(&plain)),
        };
        // The older server makes tables alone, so that a view with the name of one is another program's.
        let others = found.iter().filter(|(name, kind)| kind != "table" || is_other(name));
        Ok(others.map(|(name, _)| printable_name(name)).collect())
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// `sql`: makes what is in the file. `users`, `prefix`: the names of the older server's tables.
    fn check(sql: &str, users: Option<&str>, prefix: &str, expected: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("old.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let names = Names { users: users.map(str::to_owned), prefix: prefix.to_owned() };
        assert_eq!(of_other_programs(&path, &names).unwrap(), expected, "{sql}");
    }

    #[test]
    fn what_is_not_the_older_servers_is_named() {
        let users = "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE admins (a);
            CREATE TABLE schema_version (a);";
        check(users, None, "", &[]);
        let more = "CREATE TABLE invoices (a); CREATE VIEW paid AS SELECT a FROM invoices;
            CREATE TRIGGER watch AFTER INSERT ON users BEGIN SELECT 1; END; CREATE INDEX seek ON users (id);";
        check(&format!("{users}{more}"), None, "", &["invoices", "paid", "watch"]);
        check(&format!("{users}CREATE VIEW groups AS SELECT a FROM admins;"), None, "", &["groups"]);
        // Tables without the prefix are of another server.
        let prefixed = "CREATE TABLE x_users (a); CREATE TABLE x_folders (a); CREATE TABLE roles (a);";
        check(prefixed, None, "x_", &["roles"]);
        check(prefixed, None, "", &["roles"]);
        check("CREATE TABLE people (a); CREATE TABLE users (a);", Some("people"), "", &["users"]);
    }
}
