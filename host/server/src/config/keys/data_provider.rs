//! The section `data_provider`: where accounts are, and the hooks of logins.

use serde::{Deserialize, Serialize};

use super::{Actions, HookValue};

/// Where accounts are stored, and which hooks decide logins.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct DataProvider {
    /// Where accounts are: `sqlite`; `bolt`, a file of key/value tables that one process has open; or `memory`.
    pub driver: String,
    /// With `sqlite` and `bolt` the file of the database, with `memory` a dump to begin with; relative to
    /// the configuration directory.
    pub name: String,
    /// Not used by `sqlite`, `bolt` and `memory`; a warning if it is set.
    pub host: String,
    /// Not used by `sqlite`, `bolt` and `memory`; a warning if it is set.
    pub port: u16,
    /// Not used by `sqlite`, `bolt` and `memory`; a warning if it is set.
    pub username: String,
    /// Not used by `sqlite`, `bolt` and `memory`; a warning if it is set.
    pub password: String,
    /// Not used by `sqlite`, `bolt` and `memory`; a warning if it is set.
    pub sslmode: i32,
    /// With `sqlite` `file:PATH`, which is used instead of `name`.
    pub connection_string: String,
    /// Another name of `connection_string`.
    pub connectionstring: String,
    /// Only the default is understood.
    pub users_table: String,
    /// Only the default is understood.
    pub manage_users: i32,
    /// Which usages are counted. 0: none. 1: all accounts'. 2: those of accounts with a quota.
    pub track_quota: i32,
    /// Not used by `sqlite`, `bolt` and `memory`; a warning if it is set.
    pub pool_size: i32,
    /// Where homes of accounts without one are: `users_base_dir/USERNAME`. An absolute path.
    pub users_base_dir: String,
    /// Roots below which plugins, and programs and web servers with `restrict`, may place homes. Empty:
    /// `users_base_dir`, and without that anywhere but in the system's directories and the server's own.
    pub homes: Vec<String>,
    pub actions: Actions,
    /// Another name of `external_auth_hook`.
    pub external_auth_program: String,
    /// The hook `external-auth`: decides a login from its credentials.
    /// Old name: `data_provider.external_auth_program`
    pub external_auth_hook: HookValue,
    /// The methods that `external-auth` hooks are asked about, as a sum. 0: all. 1: password. 2: public
    /// key. 4: keyboard-interactive.
    pub external_auth_scope: i32,
    /// Another name of `pre_login_hook`.
    pub pre_login_program: String,
    /// The hook `pre-login`: makes or changes the account before credentials are checked.
    /// Old name: `data_provider.pre_login_program`
    pub pre_login_hook: HookValue,
    /// The hook `post-login`: a login has succeeded or failed.
    pub post_login_hook: HookValue,
    /// What `post_login_hook` is told of. 0: all logins. 1: those that failed. 2: those that succeeded.
    pub post_login_scope: i32,
    /// The hook `check-password`: before the stored hash is compared.
    pub check_password_hook: HookValue,
    /// The protocols that `check_password_hook` is asked about, as a sum: 0: all. 1: SSH. Other
    /// numbers stand for protocols that this server does not have.
    pub check_password_scope: i32,
}

impl Default for DataProvider {
    fn default() -> Self {
        Self {
            driver: "sqlite".to_owned(),
            name: "tidegate.db".to_owned(),
            host: String::new(),
            port: 5432,
            username: String::new(),
            password: String::new(),
            sslmode: 0,
            connection_string: String::new(),
            connectionstring: String::new(),
            users_table: "users".to_owned(),
            manage_users: 1,
            track_quota: 2,
            pool_size: 0,
            users_base_dir: String::new(),
            homes: Vec::new(),
            actions: Actions::default(),
            external_auth_program: String::new(),
            external_auth_hook: HookValue::default(),
            external_auth_scope: 0,
            pre_login_program: String::new(),
            pre_login_hook: HookValue::default(),
            post_login_hook: HookValue::default(),
            post_login_scope: 0,
            check_password_hook: HookValue::default(),
            check_password_scope: 0,
        }
    }
}
