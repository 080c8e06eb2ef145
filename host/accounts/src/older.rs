//! Which databases of the older server are taken over in their place: those of its first era, whose table of accounts
//! is ours. Those of later versions are only read, by `tidegate migrate`.

/// The columns of the table of accounts of the first era.
pub const FIRST_COLUMNS: [&str; 21] = [
    "id",
    "username",
    "password",
    "public_keys",
    "home_dir",
    "uid",
    "gid",
    "max_sessions",
    "quota_size",
    "quota_files",
    "permissions",
    "used_quota_size",
    "used_quota_files",
    "last_quota_update",
    "upload_bandwidth",
    "download_bandwidth",
    "expiration_date",
    "last_login",
    "status",
    "filters",
    "filesystem",
];

/// Tables that only later versions have.
pub const LATER_TABLES: [&str; 8] = [
    "folders",
    "folders_mapping",
    "users_folders_mapping",
    "admins",
    "groups",
    "roles",
    "users_groups_mapping",
    "api_keys",
];

/// What to do with a database of a later version.
pub const ADVICE: &str = "has the tables of a later version of the older server, or of another program, and is not \
                          changed; take it over with: tidegate migrate --from DIR -c DIR, where DIR is the directory \
                          with its configuration";

/// Decrypts the secrets in a `filesystem` that have their key beside them; None: there are none.
pub type Decrypt = fn(&str) -> Option<String>;

/// The names as a list of texts in SQL.
pub fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    quoted.join(", ")
}
