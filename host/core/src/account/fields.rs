//! The fields of the account document (spec C1, C3) and their JSON types.

/// How a field decodes and merges (B15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Text,
    Flag,
    Texts,
    /// Directory → tokens; merged key by key.
    PermissionMap,
    Object(&'static [(&'static str, Kind)]),
    /// Kept as it is.
    Anything,
}

/// In the order in which hooks see them (C1-04), later additions at the end.
pub const ACCOUNT: &[(&str, Kind)] = &[
    ("id", Kind::Integer),
    ("status", Kind::Integer),
    ("username", Kind::Text),
    ("expiration_date", Kind::Integer),
    ("password", Kind::Text),
    ("public_keys", Kind::Texts),
    ("home_dir", Kind::Text),
    ("uid", Kind::Integer),
    ("gid", Kind::Integer),
    ("max_sessions", Kind::Integer),
    ("quota_size", Kind::Integer),
    ("quota_files", Kind::Integer),
    ("permissions", Kind::PermissionMap),
    ("used_quota_size", Kind::Integer),
    ("used_quota_files", Kind::Integer),
    ("last_quota_update", Kind::Integer),
    ("upload_bandwidth", Kind::Integer),
    ("download_bandwidth", Kind::Integer),
    ("last_login", Kind::Integer),
    ("filters", Kind::Object(FILTERS)),
    ("filesystem", Kind::Object(FILESYSTEM)),
    ("email", Kind::Text),
    ("has_password", Kind::Flag),
    ("virtual_folders", Kind::Anything),
    ("upload_data_transfer", Kind::Integer),
    ("download_data_transfer", Kind::Integer),
    ("total_data_transfer", Kind::Integer),
    ("used_upload_data_transfer", Kind::Integer),
    ("used_download_data_transfer", Kind::Integer),
    ("created_at", Kind::Integer),
    ("updated_at", Kind::Integer),
    ("first_download", Kind::Integer),
    ("first_upload", Kind::Integer),
    ("last_password_change", Kind::Integer),
    ("description", Kind::Text),
    ("additional_info", Kind::Text),
    ("groups", Kind::Anything),
    ("role", Kind::Text),
    ("oidc_custom_fields", Kind::Anything),
];

pub const FILTERS: &[(&str, Kind)] = &[
    ("allowed_ip", Kind::Texts),
    ("denied_ip", Kind::Texts),
    ("denied_login_methods", Kind::Texts),
    ("denied_protocols", Kind::Texts),
    ("file_extensions", Kind::Anything),
    ("file_patterns", Kind::Anything),
    ("max_upload_file_size", Kind::Integer),
    ("tls_username", Kind::Text),
    ("tls_certs", Kind::Texts),
    ("hooks", Kind::Object(HOOK_SWITCHES)),
    ("disable_fs_checks", Kind::Flag),
    ("web_client", Kind::Texts),
    ("allow_api_key_auth", Kind::Flag),
    ("user_type", Kind::Text),
    ("totp_config", Kind::Anything),
    ("recovery_codes", Kind::Anything),
    ("bandwidth_limits", Kind::Anything),
    ("data_transfer_limits", Kind::Anything),
    ("external_auth_cache_time", Kind::Integer),
    ("start_directory", Kind::Text),
    ("2fa_protocols", Kind::Texts),
    ("two_factor_protocols", Kind::Texts),
    ("ftp_security", Kind::Integer),
    ("is_anonymous", Kind::Flag),
    ("default_shares_expiration", Kind::Integer),
    ("max_shares_expiration", Kind::Integer),
    ("password_expiration", Kind::Integer),
    ("password_strength", Kind::Integer),
    ("require_password_change", Kind::Flag),
    ("access_time", Kind::Anything),
    ("additional_emails", Kind::Texts),
];

const HOOK_SWITCHES: &[(&str, Kind)] = &[
    ("external_auth_disabled", Kind::Flag),
    ("pre_login_disabled", Kind::Flag),
    ("check_password_disabled", Kind::Flag),
];

const FILESYSTEM: &[(&str, Kind)] = &[
    ("provider", Kind::Integer),
    ("osconfig", Kind::Anything),
    ("s3config", Kind::Anything),
    ("gcsconfig", Kind::Anything),
    ("azblobconfig", Kind::Anything),
    ("cryptconfig", Kind::Anything),
    ("sftpconfig", Kind::Anything),
    ("httpconfig", Kind::Anything),
];

/// Fields that a document may carry but no draft may set (A8-16, B3-01).
pub const MAINTAINED_BY_SERVER: &[&str] = &[
    "id",
    "used_quota_size",
    "used_quota_files",
    "last_quota_update",
    "last_login",
    "has_password",
    "used_upload_data_transfer",
    "used_download_data_transfer",
    "created_at",
    "updated_at",
    "first_download",
    "first_upload",
    "last_password_change",
    "oidc_custom_fields",
];

/// Restrictions that only administrators and the account itself set: an answer of a hook neither
/// takes an account's second factor away nor replaces it (A11-21, B3-01).
pub const SECOND_FACTOR: &[&str] = &["totp_config", "recovery_codes"];

/// Spellings of old documents (A8-16).
const ALIASES: &[(&str, &str)] = &[("used_quota_file", "used_quota_files")];

/// The field that `key` means: exact spelling first, then any case (B15-01).
pub fn find(fields: &'static [(&'static str, Kind)], key: &str) -> Option<(&'static str, Kind)> {
    let key = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| name);
    fields
        .iter()
        .find(|(name, _)| *name == key)
        .or_else(|| fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)))
        .copied()
}
