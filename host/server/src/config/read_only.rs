//! `manage_users = 0`: the database has accounts that another program keeps, and the server only reads them.

use std::path::Path;

use tidegate_accounts::{DatabaseServerSettings, TableNames};

use super::database_server::check_name;
use super::keys::DataProvider;
use super::settings::{DatabaseSettings, ReadOnly};
use super::validate::Check;

/// The file of what the server keeps itself.
const OWN: &str = "tidegate.db";

/// The settings for a `database` whose accounts are only read.
pub fn settings(
    provider: &DataProvider,
    database: DatabaseSettings,
    directory: &Path,
    check: &mut Check<'_>,
) -> DatabaseSettings {
    if provider.track_quota != 0 {
        let problem = "must be 0 where manage_users is 0: there is no place for what accounts use";
        check.problem("data_provider.track_quota", problem);
    }
    let own = directory.join(OWN);
    let accounts = match database {
        DatabaseSettings::Sqlite(file) => {
            check_name("users_table", &provider.users_table, check);
            if file == own {
                let problem = format!("must be another file than {OWN}, in which the server keeps its own data");
                check.problem("data_provider.name", problem);
            }
            ReadOnly::Sqlite(file, TableNames { users: provider.users_table.clone(), ..TableNames::default() })
        }
        DatabaseSettings::Postgresql(settings) => ReadOnly::Postgresql(of_standby(settings, provider)),
        DatabaseSettings::Mysql(settings) => ReadOnly::Mysql(of_standby(settings, provider)),
        other @ (DatabaseSettings::Bolt(_) | DatabaseSettings::Memory(_) | DatabaseSettings::ReadOnly { .. }) => {
            // With another problem, accounts are in memory whatever the driver is.
            if ["bolt", "memory"].contains(&provider.driver.as_str()) {
                let problem = format!("can be 0 with sqlite, postgresql and mysql, and not with {}", provider.driver);
                check.problem("data_provider.manage_users", problem);
            }
            return other;
        }
    };
    DatabaseSettings::ReadOnly { accounts, own }
}

/// A standby is as good, unless the configuration wants another server.
fn of_standby(mut settings: Box<DatabaseServerSettings>, provider: &DataProvider) -> Box<DatabaseServerSettings> {
    settings.only_writable &= !provider.target_session_attrs.is_empty();
    settings
}
