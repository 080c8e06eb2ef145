//! The section `data_provider`: where accounts are, and the hooks of logins.

use serde::{Deserialize, Serialize};

use super::{Actions, HookValue};

/// Where accounts are stored, and which hooks decide logins.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct DataProvider {
    /// Where accounts are: `sqlite`; `postgresql`; `mysql`, which is MariaDB as well; `bolt`, a file of key/value
    /// tables that one process has open; or `memory`.
    pub driver: String,
    /// With `sqlite` and `bolt` the file of the database, with `memory` a dump to begin with, relative to the
    /// configuration directory; with `postgresql` and `mysql` the name of the database.
    pub name: String,
    /// With `postgresql` and `mysql` the host, or several with commas, each with `:port` where it differs; the first that
    /// can be written is used. A directory, such as `/run/postgresql` or `/run/mysqld`, means a socket in it; with
    /// `mysql`, a path that ends with `.sock` is a socket.
    pub host: String,
    /// The port of each `host` that names none. With `mysql`, the default means 3306.
    pub port: u16,
    /// With `postgresql` the role, with `mysql` the user, as which the server logs in.
    pub username: String,
    /// The password of `username`.
    pub password: String,
    /// A file with the password, instead of `password`; it is read for each connection.
    pub password_file: String,
    /// With `postgresql`, 0: not encrypted. 1: encrypted, whatever the certificate. 2: with a certificate of an authority
    /// in `root_cert`. 3: that names the host, too. 4: encrypted if the server can do it. With `mysql`, 0: not encrypted.
    /// 1: with a certificate of an authority in `root_cert` that names the host. 2: encrypted, whatever the certificate.
    /// 3: encrypted if the server can do it.
    pub sslmode: i32,
    /// With `postgresql` and `mysql`, certificates of the authorities that are trusted, in PEM. Empty: those of the system.
    pub root_cert: String,
    /// With `postgresql` and `mysql`, a certificate that the server asks for, in PEM.
    pub client_cert: String,
    /// The key of `client_cert`.
    pub client_key: String,
    /// With `postgresql` and `mysql`, which hosts are used: `read-write`, also if it is empty, or `any`.
    pub target_session_attrs: String,
    /// With `postgresql`, the schema of the tables, which is made if it is missing. Empty: the role's own.
    pub schema: String,
    /// With `postgresql` and `mysql`, what the names of tables begin with.
    pub sql_tables_prefix: String,
    /// With `sqlite`, `file:PATH`, which is used instead of `name`. With `postgresql`, `name=value` pairs or a URL as
    /// libpq has them, which are used instead of the keys for host, port, name, role, password and encryption. With
    /// `mysql`, `user:password@tcp(host:3306)/name?…` as Go's driver has it, or a URL `mysql://user:password@host/name?…`.
    pub connection_string: String,
    /// Another name of `connection_string`.
    pub connectionstring: String,
    /// With `postgresql` and `mysql`, or where `manage_users` is 0, the table or the view of accounts.
    pub users_table: String,
    /// 0: another program keeps the accounts in a table or view of `sqlite`, `postgresql` or `mysql`; the server only
    /// reads them, and keeps everything else in `tidegate.db`. `track_quota` must be 0 then.
    pub manage_users: i32,
    /// Which usages are counted. 0: none. 1: all accounts'. 2: those of accounts with a quota.
    pub track_quota: i32,
    /// The most connections to `postgresql` or `mysql`. 0: 16.
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
    /// How long a credential that an `external-auth` hook has denied is refused from the same address without asking the
    /// hook again; 0: it is asked each time. At most 3600.
    /// Unit: seconds
    pub external_auth_negative_cache_time: u32,
    /// Another name of `pre_login_hook`.
    pub pre_login_program: String,
    /// The hook `pre-login`: makes or changes the account before credentials are checked.
    /// Old name: `data_provider.pre_login_program`
    pub pre_login_hook: HookValue,
    /// The hook `post-login`: a login has succeeded or failed.
    pub post_login_hook: HookValue,
    /// The logins that `post_login_hook` gets. 0: all logins. 1: those that failed. 2: those that succeeded.
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
            password_file: String::new(),
            sslmode: 0,
            root_cert: String::new(),
            client_cert: String::new(),
            client_key: String::new(),
            target_session_attrs: String::new(),
            schema: String::new(),
            sql_tables_prefix: String::new(),
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
            external_auth_negative_cache_time: 0,
            pre_login_program: String::new(),
            pre_login_hook: HookValue::default(),
            post_login_hook: HookValue::default(),
            post_login_scope: 0,
            check_password_hook: HookValue::default(),
            check_password_scope: 0,
        }
    }
}
