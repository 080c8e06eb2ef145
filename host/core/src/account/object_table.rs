//! The fields of the objects that accounts refer to: folders (C5-01), groups (B9-04) and roles.

use super::field_table::{ANY, FOLDER, NATURAL};
use super::fields::{ACCOUNT, Field, Kind, field};
use super::filesystem_table::FILESYSTEM;

/// The fields of a folder's document.
pub const FOLDER_OBJECT: &[Field] = &[
    field("id", NATURAL, "The folder's number, which no other folder ever gets").by_server(),
    field("name", Kind::Text, "The folder's name, by which accounts and groups refer to it"),
    field("mapped_path", Kind::Text, "The directory: an absolute path of the host").option(),
    field("description", Kind::Text, "A note for administrators").option(),
    field("used_quota_size", ANY, "Bytes that the folder's files take").by_server(),
    field("used_quota_files", ANY, "The number of the folder's files").by_server(),
    field("last_quota_update", Kind::Time, "When the usage was counted or changed last, in milliseconds since 1970")
        .by_server(),
    field("filesystem", Kind::Whole(FILESYSTEM), "Where the files are"),
];

/// The fields of a group's document.
pub const GROUP_OBJECT: &[Field] = &[
    field("id", NATURAL, "The group's number, which no other group ever gets").by_server(),
    field("name", Kind::Text, "The group's name, by which accounts refer to it"),
    field("description", Kind::Text, "A note for administrators").option(),
    field("user_settings", Kind::Whole(ACCOUNT), "What accounts take from the group, as in an account's document"),
    field("virtual_folders", Kind::List(FOLDER), "Directories that the group adds to the trees of its accounts"),
];

/// The fields of a role's document.
pub const ROLE_OBJECT: &[Field] = &[
    field("id", NATURAL, "The role's number, which no other role ever gets").by_server(),
    field("name", Kind::Text, "The role's name, by which accounts and administrators refer to it"),
    field("description", Kind::Text, "A note for administrators").option(),
];
