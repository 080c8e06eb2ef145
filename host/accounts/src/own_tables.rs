//! The names of the server's own tables in databases that are reached over a connection.

use crate::{mysql, postgresql};

/// Tables that no script makes: where the scripts note that they have run, and where the older server notes its own.
const WITHOUT_SCRIPT: [&str; 2] = ["tidegate_version", "schema_version"];

/// Whether the table of accounts must not be called so, because another table is. Some databases do not tell upper case
/// from lower case.
pub fn is_other_table(name: &str) -> bool {
    let scripts = mysql::MIGRATIONS.iter().chain(postgresql::MIGRATIONS);
    let tables = scripts.flat_map(|(_, script)| tables_of(script)).filter(|table| *table != "users");
    tables.chain(WITHOUT_SCRIPT).any(|table| table.eq_ignore_ascii_case(name))
}

/// The tables in a script, where they are written `{name}`.
fn tables_of(script: &str) -> impl Iterator<Item = &str> {
    script.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use tidegate_core::ports::{ADMINS, API_KEYS, FOLDERS, GROUPS, ROLES, TOKENS, USERS};

    use super::*;

    #[test]
    fn the_tables_of_all_collections_and_scripts_are_taken() {
        // A3-35
        for collection in [&FOLDERS, &ROLES, &GROUPS, &ADMINS, &API_KEYS, &TOKENS] {
            assert!(is_other_table(collection.table), "{}", collection.table);
        }
        for name in ["changes", "change_horizon", "unsettled_usages", "plugin_values", "hook_run_batches", "audit"] {
            assert!(is_other_table(name), "{name}");
        }
        for name in ["locks", "hook_counters", "tidegate_version", "schema_version", "API_Keys"] {
            assert!(is_other_table(name), "{name}");
        }
        for name in [USERS.table, "Users", "people", "admins", "sftpgo_folders", ""] {
            assert!(!is_other_table(name), "{name}");
        }
    }
}
