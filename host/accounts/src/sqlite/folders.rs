//! The directories that accounts share, as rows.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value, json};
use tidegate_core::account::User;
use tidegate_core::ports::{FolderStore, StoreError};

use super::{SqliteDatabase, classify};

#[async_trait]
impl FolderStore for SqliteDatabase {
    async fn mapped_path(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| mapped_path(connection, &name)).await
    }

    async fn folder_names(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT name FROM folders ORDER BY name").map_err(classify)?;
            let names = statement.query_map([], |row| row.get(0)).map_err(classify)?;
            names.collect::<Result<_, _>>().map_err(classify)
        })
        .await
    }
}

/// Makes the folders of an account that are not there yet. One that is there keeps its path:
/// another account may rely on it.
pub fn store(connection: &Connection, account: &User) -> Result<(), StoreError> {
    for folder in account.folders.iter() {
        let stored = mapped_path(connection, &folder.name)?;
        match stored {
            Some(path) if folder.mapped_path.is_empty() || path == folder.mapped_path => {}
            Some(path) => {
                return Err(StoreError::Refused(format!(
                    "the folder \"{}\" is {path} already; give this one another name, or leave mapped_path out",
                    folder.name
                )));
            }
            None if folder.mapped_path.is_empty() => {
                return Err(StoreError::Refused(format!(
                    "there is no folder named \"{}\"; give it a mapped_path",
                    folder.name
                )));
            }
            None => {
                let sql = "INSERT INTO folders (name, mapped_path) VALUES (?1, ?2)";
                connection.execute(sql, params![folder.name, folder.mapped_path]).map_err(classify)?;
            }
        }
    }
    Ok(())
}

pub fn mapped_path(connection: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT mapped_path FROM folders WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(classify)?;
    statement.query_row([name], |row| row.get(0)).optional().map_err(classify)
}

/// Fills in what the stored folder knows: the path, and the usage.
pub fn complete(connection: &Connection, document: &mut Map<String, Value>) -> Result<(), StoreError> {
    let Some(Value::Array(folders)) = document.get_mut("virtual_folders") else {
        return Ok(());
    };
    let sql =
        "SELECT id, mapped_path, used_quota_size, used_quota_files, last_quota_update FROM folders WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(classify)?;
    for folder in folders.iter_mut().filter_map(Value::as_object_mut) {
        let text = |field: &str| folder.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(name) = text("name").or_else(|| text("mapped_path")).map(str::to_owned) else {
            continue;
        };
        let found = statement
            .query_row([&name], |row| {
                let (id, path): (i64, String) = (row.get(0)?, row.get(1)?);
                let numbers: (i64, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
                Ok((id, path, numbers))
            })
            .optional()
            .map_err(classify)?;
        if let Some((id, path, (size, files, updated))) = found {
            for (field, value) in [
                ("id", json!(id)),
                ("name", json!(name)),
                ("mapped_path", json!(path)),
                ("used_quota_size", json!(size)),
                ("used_quota_files", json!(files)),
                ("last_quota_update", json!(updated)),
            ] {
                folder.insert(field.to_owned(), value);
            }
        }
    }
    Ok(())
}
