//! The collections of a store: a table description for each kind of named document. Adapters read and write
//! all of them in the same way.

use std::fmt;

use super::ObjectName;
use crate::account::fields::{ACCOUNT, Field, Kind, Maintainer};

/// A kind of named documents.
pub struct Collection {
    /// The name of the kind in announcements, in audit records and for hooks: `user`, `folder`.
    pub kind: &'static str,
    /// The name of the kind in messages: `account`, `folder`.
    pub noun: &'static str,
    /// The SQL table.
    pub table: &'static str,
    /// The field, and the column, that holds the name. Names are compared byte by byte.
    pub name_field: &'static str,
    /// The other fields that have a column of their own. All further fields of a document are kept in the
    /// column `other`. Each table also has `id` (positive, never reused) and `revision`.
    pub columns: &'static [Column],
}

/// A field that has a column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The name of the field in documents, and of the column.
    pub field: &'static str,
    /// What the column holds.
    pub kind: ColumnKind,
    /// Whether only the server writes the field, with a method of its own; a change of the document leaves it
    /// alone.
    pub is_maintained: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A number of 64 bits, a time or a flag; 0 if the document lacks the field.
    Integer,
    /// A string.
    Text,
    /// Any value, as JSON text.
    Json,
}

impl Collection {
    /// The object of this name, for messages.
    pub fn object(&self, name: &str) -> ObjectName {
        ObjectName { noun: self.noun, name: name.to_owned() }
    }

    /// The column of this field, if it has one.
    pub fn column(&self, field: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// The columns that only the server writes, in the order of the table.
    pub fn maintained(&self) -> impl Iterator<Item = &'static Column> + use<> {
        self.columns.iter().filter(|column| column.is_maintained)
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)
    }
}

impl PartialEq for Collection {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Collection {}

const fn given(field: &'static str, kind: ColumnKind) -> Column {
    Column { field, kind, is_maintained: false }
}

const fn maintained(field: &'static str) -> Column {
    Column { field, kind: ColumnKind::Integer, is_maintained: true }
}

/// How many fields have a column.
const fn column_count(fields: &[Field]) -> usize {
    let (mut count, mut rest) = (0, fields);
    while let [field, others @ ..] = rest {
        if field.has_column {
            count += 1;
        }
        rest = others;
    }
    count
}

/// The columns of the fields that have one; `N` is their number.
const fn columns_of<const N: usize>(fields: &'static [Field]) -> [Column; N] {
    let mut columns = [given("", ColumnKind::Text); N];
    let (mut left, mut rest) = (columns.as_mut_slice(), fields);
    while let [field, others @ ..] = rest {
        rest = others;
        if !field.has_column {
            continue;
        }
        if let [column, further @ ..] = left {
            *column = Column {
                field: field.name,
                kind: match field.kind {
                    Kind::Integer(..) | Kind::Time | Kind::Flag => ColumnKind::Integer,
                    Kind::Text => ColumnKind::Text,
                    Kind::Texts
                    | Kind::Permissions
                    | Kind::Object(_)
                    | Kind::Whole(_)
                    | Kind::List(_)
                    | Kind::SecretText
                    | Kind::Anything => ColumnKind::Json,
                },
                is_maintained: matches!(field.maintainer, Maintainer::Server),
            };
            left = further;
        } else {
            left = &mut [];
        }
    }
    columns
}

/// Accounts (spec section C), with the columns that the table of their fields names.
pub static USERS: Collection = Collection {
    kind: "user",
    noun: "account",
    table: "users",
    name_field: "username",
    columns: &columns_of::<{ column_count(ACCOUNT) }>(ACCOUNT),
};

/// Directories that accounts share (C5).
pub static FOLDERS: Collection = Collection {
    kind: "folder",
    noun: "folder",
    table: "folders",
    name_field: "name",
    columns: &[
        given("mapped_path", ColumnKind::Text),
        given("description", ColumnKind::Text),
        maintained("used_quota_size"),
        maintained("used_quota_files"),
        maintained("last_quota_update"),
    ],
};

/// Roles: the administrators of a role maintain the accounts that have it.
pub static ROLES: Collection = Collection {
    kind: "role",
    noun: "role",
    table: "roles",
    name_field: "name",
    columns: &[given("description", ColumnKind::Text)],
};

/// Groups of accounts (B9-04).
pub static GROUPS: Collection = Collection {
    kind: "group",
    noun: "group",
    table: "account_groups",
    name_field: "name",
    columns: &[
        given("description", ColumnKind::Text),
        given("user_settings", ColumnKind::Json),
        given("virtual_folders", ColumnKind::Json),
    ],
};

/// Administrators (A18-17), by the names that they log in with.
pub static ADMINS: Collection = Collection {
    kind: "admin",
    noun: "administrator",
    table: "administrators",
    name_field: "username",
    columns: &[
        given("password", ColumnKind::Text),
        given("status", ColumnKind::Integer),
        maintained("last_login"),
        maintained("last_code_step"),
    ],
};

/// API keys (D-09), by the part of their text that is no secret.
pub static API_KEYS: Collection = Collection {
    kind: "api_key",
    noun: "API key",
    table: "api_keys",
    name_field: "key_id",
    columns: &[given("digest", ColumnKind::Text), maintained("uses"), maintained("last_use_at")],
};

/// Tokens of administrators, by the SHA-256 of their text; that of a code for the first one stands behind a word.
pub static TOKENS: Collection = Collection {
    kind: "token",
    noun: "token",
    table: "access_tokens",
    name_field: "digest",
    columns: &[given("admin", ColumnKind::Text), given("expires_at", ColumnKind::Integer)],
};
