//! An account's row, before it is believed: it goes through the one validation, as any other document.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde_json::{Map, Value, json};
use tidegate_core::account::{AccountDraft, CredentialRule, User};
use tidegate_core::ports::{StoreError, StoredDocument};

use super::{classify, folders};

pub const COLUMNS: &str = "id, status, username, expiration_date, password, public_keys, home_dir, uid, gid, max_sessions, \
     quota_size, quota_files, permissions, used_quota_size, used_quota_files, last_quota_update, upload_bandwidth, \
     download_bandwidth, last_login, first_download, first_upload, used_upload_data_transfer, \
     used_download_data_transfer, filters, filesystem, other, revision";

const INTEGERS: [&str; 18] = [
    "id",
    "status",
    "expiration_date",
    "uid",
    "gid",
    "max_sessions",
    "quota_size",
    "quota_files",
    "used_quota_size",
    "used_quota_files",
    "last_quota_update",
    "upload_bandwidth",
    "download_bandwidth",
    "last_login",
    "first_download",
    "first_upload",
    "used_upload_data_transfer",
    "used_download_data_transfer",
];
const TEXTS: [&str; 3] = ["username", "password", "home_dir"];
const DOCUMENTS: [&str; 4] = ["public_keys", "permissions", "filters", "filesystem"];

/// What a row holds, whatever it is.
#[derive(Clone)]
pub struct AccountRow {
    pub username: String,
    pub revision: i64,
    pub document: Map<String, Value>,
    /// What cannot be said in a document.
    problem: Option<String>,
}

impl AccountRow {
    pub fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let mut document = Map::new();
        let mut problem = None;
        for name in INTEGERS {
            document.insert(name.to_owned(), column(row, name)?.unwrap_or_else(|| json!(0)));
        }
        for name in TEXTS {
            document.extend(column(row, name)?.map(|value| (name.to_owned(), value)));
        }
        for name in DOCUMENTS {
            if let Some(value) = column(row, name)? {
                let value = parsed(value).unwrap_or_else(|(text, error)| {
                    problem.get_or_insert(format!("column {name}: {error}"));
                    text
                });
                document.extend(Some(value).filter(|value| !value.is_null()).map(|value| (name.to_owned(), value)));
            }
        }
        match column(row, "other")?.map(parsed) {
            None | Some(Ok(Value::Null)) => {}
            Some(Ok(Value::Object(other))) => document.extend(other),
            Some(Ok(_)) => drop(problem.get_or_insert("column other: it is no JSON object".to_owned())),
            Some(Err((_, error))) => drop(problem.get_or_insert(format!("column other: {error}"))),
        }
        let username = document.get("username").and_then(Value::as_str).unwrap_or_default().to_owned();
        let revision = column(row, "revision")?.and_then(|value| value.as_i64()).unwrap_or(0);
        Ok(Self { username, revision, document, problem })
    }

    pub fn account(self, connection: &Connection) -> Result<User, StoreError> {
        let Self { username, revision, mut document, problem } = self;
        let invalid = |problem: String| StoreError::Invalid { username: username.clone(), problem };
        if let Some(problem) = problem {
            return Err(invalid(problem));
        }
        folders::complete(connection, &mut document)?;
        let mut draft = AccountDraft::of_stored(StoredDocument { revision, document: Map::new() });
        draft.merge_value(&Value::Object(document)).map_err(|error| invalid(error.to_string()))?;
        Ok(draft.validate(CredentialRule::Optional).map_err(|error| invalid(error.to_string()))?.account)
    }
}

/// As it is stored: SQLite's columns hold values of any type.
fn column(row: &Row<'_>, name: &str) -> Result<Option<Value>, StoreError> {
    Ok(match row.get_ref(name).map_err(classify)? {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(json!(number)),
        ValueRef::Real(number) => Some(json!(number)),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(json!(String::from_utf8_lossy(bytes))),
    })
}

/// The document in a column, null if it is empty; or the text, and what is wrong with it.
fn parsed(value: Value) -> Result<Value, (Value, String)> {
    match value.as_str() {
        Some("") => Ok(Value::Null),
        Some(text) => serde_json::from_str(text).map_err(|error| (value.clone(), error.to_string())),
        None => Err((value, "it is no text".to_owned())),
    }
}
