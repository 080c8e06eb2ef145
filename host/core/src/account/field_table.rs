//! The fields of the account document (C1), in the order in which hooks see them (C1-04), later
//! additions at the end.

use serde_json::{Value, json};

use super::fields::{Field, HAS_PASSWORD, Kind, field};
use super::filesystem_table::FILESYSTEM;
use super::filter_table::FILTERS;
use crate::password::PasswordHash;
use crate::quota::Limit;

pub(super) const ANY: Kind = Kind::Integer(i64::MIN, i64::MAX);
pub(super) const NATURAL: Kind = Kind::Integer(0, i64::MAX);
/// Bounds of uid and gid (A5-16).
const SYSTEM_ID: Kind = Kind::Integer(0, 2_147_483_647);
const UNSIGNED: Kind = Kind::Integer(0, u32::MAX as i64);

/// A member that is an integer of 64 bits.
macro_rules! wide {
    ($field:expr, $($member:ident).+) => {
        $field.held(
            |draft, field, values| {
                values.$($member).+ = draft.integer(field)?;
                Ok(())
            },
            |values| Some(json!(values.$($member).+)),
        )
    };
}

/// A member that is an integer of 64 bits, left out of documents where it is not positive.
macro_rules! counter {
    ($field:expr, $($member:ident).+) => {
        $field.held(
            |draft, field, values| {
                values.$($member).+ = draft.integer(field)?;
                Ok(())
            },
            |values| (values.$($member).+ > 0).then(|| json!(values.$($member).+)),
        )
    };
}

/// A member that is an unsigned integer of 32 bits.
macro_rules! narrow {
    ($field:expr, $($member:ident).+) => {
        $field.held(
            |draft, field, values| {
                values.$($member).+ = draft.small_integer(field)?;
                Ok(())
            },
            |values| Some(json!(values.$($member).+)),
        )
    };
}

/// A limit in megabytes (of 1048576 bytes) in documents, in bytes in its member.
macro_rules! megabytes {
    ($field:expr, $($member:ident).+) => {
        $field.derived(|draft, field, values| {
            values.$($member).+ = Limit::of(draft.megabytes(field)?);
            Ok(())
        })
    };
}

/// The fields of the account document (C1).
pub const ACCOUNT: &[Field] = &[
    wide!(field("id", NATURAL, "The account's number, which no other account ever gets").by_server().always(), id),
    field("status", Kind::Integer(0, 1), "1 enabled, 0 disabled").column().option().always().held(
        |draft, field, values| {
            values.enabled = draft.integer(field)? == 1;
            Ok(())
        },
        |values| Some(json!(i32::from(values.enabled))),
    ),
    field("username", Kind::Text, "The name that clients log in with").always().held(
        |draft, _, values| {
            values.username = draft.validated_username()?;
            Ok(())
        },
        |values| Some(json!(values.username)),
    ),
    wide!(
        field("expiration_date", Kind::Time, "Milliseconds since 1970; 0 means never").column().option().always(),
        expiration_date
    ),
    field("password", Kind::Text, "The password, or its hash in a known format").secret().column().held(
        |draft, _, values| {
            values.password = draft.password_hash()?;
            Ok(())
        },
        |values| values.password.as_ref().map(PasswordHash::expose).map(Value::from),
    ),
    field("public_keys", Kind::Texts, "Public keys, as lines of an authorized_keys file").column().held(
        |draft, _, values| {
            (values.public_keys, values.public_key_lines) = draft.validated_public_keys()?;
            Ok(())
        },
        |values| (!values.public_key_lines.is_empty()).then(|| json!(values.public_key_lines)),
    ),
    field("home_dir", Kind::Text, "An absolute path").column().option().always().held(
        |draft, _, values| {
            values.home_dir = draft.validated_home_dir()?;
            Ok(())
        },
        |values| Some(json!(values.home_dir)),
    ),
    narrow!(field("uid", SYSTEM_ID, "The user that new files belong to").column().option().always(), uid),
    narrow!(field("gid", SYSTEM_ID, "The group that new files belong to").column().option().always(), gid),
    narrow!(
        field("max_sessions", UNSIGNED, "Sessions at the same time; 0 means unlimited").column().option().always(),
        max_sessions
    ),
    wide!(field("quota_size", NATURAL, "Bytes; 0 means unlimited").column().option().always(), quota_size),
    wide!(field("quota_files", NATURAL, "Files; 0 means unlimited").column().option().always(), quota_files),
    field("permissions", Kind::Permissions, "What may be done, by directory").column().always().held(
        |draft, _, values| {
            values.permissions = draft.validated_permissions()?;
            Ok(())
        },
        |values| Some(Value::Object(values.permissions_document())),
    ),
    wide!(
        field("used_quota_size", ANY, "Bytes that the account's files take").by_server().column().always(),
        usage.used_quota_size
    ),
    wide!(
        field("used_quota_files", ANY, "The number of the account's files")
            .by_server()
            .column()
            .always()
            .alias("used_quota_file"),
        usage.used_quota_files
    ),
    wide!(
        field(
            "last_quota_update",
            Kind::Time,
            "When the usage was counted or changed last, in milliseconds since 1970"
        )
        .by_server()
        .column()
        .always(),
        usage.last_quota_update
    ),
    wide!(field("upload_bandwidth", NATURAL, "KB/s; 0 means unlimited").column().option().always(), upload_bandwidth),
    wide!(
        field("download_bandwidth", NATURAL, "KB/s; 0 means unlimited").column().option().always(),
        download_bandwidth
    ),
    wide!(
        field("last_login", Kind::Time, "When the account logged in last, in milliseconds since 1970")
            .by_server()
            .column()
            .always(),
        last_login
    ),
    field("filters", Kind::Object(FILTERS), "Restrictions, and switches").column().always().held(
        |draft, _, values| {
            values.filters = draft.validated_filters()?;
            Ok(())
        },
        |values| Some(Value::Object(values.filters.document.clone())),
    ),
    field("filesystem", Kind::Object(FILESYSTEM), "Where the files are").column().always().held(
        |draft, _, values| {
            values.filesystem = draft.validated_filesystem()?;
            Ok(())
        },
        |values| Some(Value::Object(values.filesystem.clone())),
    ),
    field("email", Kind::Text, "An address of electronic mail"),
    field(HAS_PASSWORD, Kind::Flag, "Whether there is a password, where the password itself is not shown").by_server(),
    field("virtual_folders", Kind::List(FOLDER), "Other directories in the account's tree").derived(
        |draft, _, values| {
            values.folders = draft.validated_folders()?;
            Ok(())
        },
    ),
    megabytes!(
        field("upload_data_transfer", NATURAL, "MB (of 1048576 bytes) that may be uploaded in all; 0 means unlimited")
            .option(),
        volume.up
    ),
    megabytes!(
        field("download_data_transfer", NATURAL, "MB that may be downloaded in all; 0 means unlimited").option(),
        volume.down
    ),
    megabytes!(
        field("total_data_transfer", NATURAL, "MB that may be uploaded and downloaded in all; 0 means unlimited")
            .option(),
        volume.total
    ),
    counter!(
        field("used_upload_data_transfer", ANY, "Bytes that were uploaded").by_server().column(),
        usage.used_upload_data_transfer
    ),
    counter!(
        field("used_download_data_transfer", ANY, "Bytes that were downloaded").by_server().column(),
        usage.used_download_data_transfer
    ),
    field("created_at", Kind::Time, "When the account was made, in milliseconds since 1970").by_server(),
    field("updated_at", Kind::Time, "When the account was changed last, in milliseconds since 1970").by_server(),
    counter!(
        field("first_download", Kind::Time, "When the first complete download began, in milliseconds since 1970")
            .by_server()
            .column(),
        usage.first_download
    ),
    counter!(
        field("first_upload", Kind::Time, "When the first complete upload began, in milliseconds since 1970")
            .by_server()
            .column(),
        usage.first_upload
    ),
    field("last_password_change", Kind::Time, "When the password was set, in milliseconds since 1970").by_server(),
    field("description", Kind::Text, "A note for administrators"),
    field("additional_info", Kind::Text, "Free text for other systems"),
    field("groups", Kind::List(MEMBERSHIP), "The groups that the account is in, in their order")
        .derived(|draft, _, _| draft.check_groups()),
    field("role", Kind::Text, "The role whose administrators maintain the account"),
    field("oidc_custom_fields", Kind::Anything, "What an OpenID provider said of the user").by_server(),
    field("disabled_at", Kind::Time, "When the account was last disabled, in milliseconds since 1970").by_server(),
];

/// The fields of an object in `virtual_folders` (C5).
pub(super) const FOLDER: &[Field] = &[
    field("name", Kind::Text, "The folder's name, which all accounts that have it share"),
    field("virtual_path", Kind::Text, "Where it is in the account's tree"),
    field("mapped_path", Kind::Text, "An absolute path of the host; left out where the folder is known"),
    field("quota_size", Kind::Integer(-1, i64::MAX), "Bytes; 0 means unlimited, -1 that they count for the account"),
    field("quota_files", Kind::Integer(-1, i64::MAX), "Files; 0 means unlimited, -1 that they count for the account"),
    field("exclude_from_quota", Kind::Flag, "The oldest way to say whether it counts for the account"),
    field("filesystem", Kind::Whole(FILESYSTEM), "Where the files are"),
    field("description", Kind::Text, "A note for administrators"),
    field("id", NATURAL, "The folder's number").by_server(),
    field("used_quota_size", ANY, "Bytes that the folder's files take").by_server(),
    field("used_quota_files", ANY, "The number of the folder's files").by_server(),
    field("last_quota_update", Kind::Time, "When the usage was counted or changed last, in milliseconds since 1970")
        .by_server(),
];

/// The fields of an object in `groups` (B9-04).
const MEMBERSHIP: &[Field] = &[
    field("name", Kind::Text, "The group's name"),
    field("type", Kind::Integer(1, 3), "1 primary, 2 secondary, 3 membership alone"),
];
