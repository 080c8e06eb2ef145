//! What stores hold: one table description for each kind of named document. An adapter reads and
//! writes all of them in the same way.

use std::fmt;

use super::ObjectName;

/// A kind of named documents.
pub struct Collection {
    /// In announcements and audit records, and for hooks: `user`, `folder`.
    pub kind: &'static str,
    /// For people: `account`, `folder`.
    pub noun: &'static str,
    pub table: &'static str,
    /// The field, and the column, that has the name. Two names are the same only if all of their
    /// bytes are.
    pub name_field: &'static str,
    /// The other fields with a column of their own; what a document has beside them is kept in the column
    /// `other`. Each table has `id` (positive, never reused) and `revision`, too.
    pub columns: &'static [Column],
}

/// A field that has a column.
pub struct Column {
    pub field: &'static str,
    pub kind: ColumnKind,
    /// Only the server itself writes it, each for its purpose: a change of the document does not touch it.
    pub is_maintained: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Missing: 0.
    Integer,
    Text,
    /// Any value, as JSON text.
    Json,
}

impl Collection {
    pub fn object(&self, name: &str) -> ObjectName {
        ObjectName { noun: self.noun, name: name.to_owned() }
    }

    pub fn column(&self, field: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// Those that only the server writes, in the order of the table.
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

/// Accounts (spec section C).
pub static USERS: Collection = Collection {
    kind: "user",
    noun: "account",
    table: "users",
    name_field: "username",
    columns: &[
        given("status", ColumnKind::Integer),
        given("expiration_date", ColumnKind::Integer),
        given("password", ColumnKind::Text),
        given("public_keys", ColumnKind::Json),
        given("home_dir", ColumnKind::Text),
        given("uid", ColumnKind::Integer),
        given("gid", ColumnKind::Integer),
        given("max_sessions", ColumnKind::Integer),
        given("quota_size", ColumnKind::Integer),
        given("quota_files", ColumnKind::Integer),
        given("permissions", ColumnKind::Json),
        maintained("used_quota_size"),
        maintained("used_quota_files"),
        maintained("last_quota_update"),
        given("upload_bandwidth", ColumnKind::Integer),
        given("download_bandwidth", ColumnKind::Integer),
        maintained("last_login"),
        maintained("first_download"),
        maintained("first_upload"),
        maintained("used_upload_data_transfer"),
        maintained("used_download_data_transfer"),
        given("filters", ColumnKind::Json),
        given("filesystem", ColumnKind::Json),
    ],
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
