//! The fields of `filters` in the account document (C3).

use super::fields::{Field, Kind, field};

const NATURAL: Kind = Kind::Integer(0, i64::MAX);

/// The fields of `filters` (C3).
pub const FILTERS: &[Field] = &[
    field("allowed_ip", Kind::Texts, "Networks that clients have to come from, in CIDR notation").option().always(),
    field("denied_ip", Kind::Texts, "Networks that clients may not come from, in CIDR notation").option().always(),
    field("denied_login_methods", Kind::Texts, "Login methods that are refused"),
    field("denied_protocols", Kind::Texts, "Protocols that are refused"),
    field("file_extensions", Kind::List(EXTENSIONS), "The oldest form of file_patterns"),
    field("file_patterns", Kind::List(PATTERNS), "Which names may be used in which directories"),
    field("max_upload_file_size", NATURAL, "Bytes; 0 means unlimited"),
    field("tls_username", Kind::Text, "The part of a client's certificate that is its name; for other protocols")
        .without_effect(),
    field("tls_certs", Kind::Texts, "Clients' certificates; for other protocols").without_effect(),
    field("hooks", Kind::Object(HOOK_SWITCHES), "Hooks that are not asked about this account"),
    field("disable_fs_checks", Kind::Flag, "The home directory is not made at login"),
    field("web_client", Kind::Texts, "What the account may not do on web pages"),
    field("allow_api_key_auth", Kind::Flag, "Keys of the interface may act for the account").without_effect(),
    field("user_type", Kind::Text, "Where the user comes from; a hint"),
    field("totp_config", Kind::Whole(TOTP), "One-time codes (RFC 6238)").second_factor(),
    field("recovery_codes", Kind::List(RECOVERY_CODE), "Codes for a lost second factor").secret().second_factor(),
    field("bandwidth_limits", Kind::List(BANDWIDTH), "Limits for clients of some networks; the first match applies"),
    field("data_transfer_limits", Kind::Anything, "Has no effect").without_effect(),
    field("external_auth_cache_time", NATURAL, "Seconds for which an answer of external authentication is remembered"),
    field("start_directory", Kind::Text, "Where sessions begin"),
    field("2fa_protocols", Kind::Texts, "The older name of two_factor_protocols"),
    field("two_factor_protocols", Kind::Texts, "Protocols that demand a second factor"),
    field("ftp_security", Kind::Integer(0, 1), "1 demands TLS; for other protocols").without_effect(),
    field("is_anonymous", Kind::Flag, "Logs in without a password; for other protocols").without_effect(),
    field("default_shares_expiration", NATURAL, "Days that a new share lasts").without_effect(),
    field("max_shares_expiration", NATURAL, "Days that a share lasts at most").without_effect(),
    field("password_expiration", NATURAL, "Days after which a password has to be changed; 0 means never"),
    field("password_strength", NATURAL, "How hard to guess a new password has to be"),
    field("require_password_change", Kind::Flag, "The password has to be changed before the next login"),
    field("access_time", Kind::List(WINDOW), "When the account may be used; empty means always"),
    field("additional_emails", Kind::Texts, "Further addresses of electronic mail"),
];

const HOOK_SWITCHES: &[Field] = &[
    field("external_auth_disabled", Kind::Flag, "External authentication is not asked"),
    field("pre_login_disabled", Kind::Flag, "Pre-login hooks are not asked"),
    field("check_password_disabled", Kind::Flag, "Hooks that check passwords are not asked"),
];

const EXTENSIONS: &[Field] = &[
    field("path", Kind::Text, "A directory"),
    field("allowed_extensions", Kind::Texts, "Ends of names that are allowed"),
    field("denied_extensions", Kind::Texts, "Ends of names that are denied"),
];

const PATTERNS: &[Field] = &[
    field("path", Kind::Text, "A directory"),
    field("allowed_patterns", Kind::Texts, "Names that are allowed, with * and ?"),
    field("denied_patterns", Kind::Texts, "Names that are denied, with * and ?"),
    field("deny_policy", Kind::Integer(0, 1), "0 shows names that are denied, 1 hides them"),
];

const TOTP: &[Field] = &[
    field("enabled", Kind::Flag, "Whether codes are asked for"),
    field("config_name", Kind::Text, "A name for authenticators"),
    field("secret", Kind::SecretText, "The secret, in Base32").secret(),
    field("protocols", Kind::Texts, "Protocols with codes"),
];

const RECOVERY_CODE: &[Field] =
    &[field("secret", Kind::SecretText, "The code").secret(), field("used", Kind::Flag, "Whether it was used")];

const BANDWIDTH: &[Field] = &[
    field("sources", Kind::Texts, "Networks in CIDR notation"),
    field("upload_bandwidth", NATURAL, "KB/s; 0 means unlimited"),
    field("download_bandwidth", NATURAL, "KB/s; 0 means unlimited"),
];

const WINDOW: &[Field] = &[
    field("day_of_week", Kind::Integer(0, 6), "0 is Sunday"),
    field("from", Kind::Text, "HH:MM"),
    field("to", Kind::Text, "HH:MM, included"),
];
