//! Accounts as rows.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, ffi, named_params, params};
use serde_json::Value;
use tidegate_core::account::{Audience, Occupied, User};
use tidegate_core::ports::{
    AccountChanges, AccountPage, AccountStore, FolderStore, InvalidStored, StoreError, StoredDocument,
};

use super::rows::{AccountRow, COLUMNS};
use super::{SqliteDatabase, classify, folders};

/// Changes that are remembered for servers to look at.
const CHANGES_KEPT: i64 = 10_000;

#[async_trait]
impl AccountStore for SqliteDatabase {
    async fn find(&self, username: &str) -> Result<Option<User>, StoreError> {
        let found = match self.at_once(|connection| find(connection, username)) {
            Some(found) => found,
            None => {
                let username = username.to_owned();
                self.read(move |connection| find(connection, &username)).await
            }
        };
        let mut found = found?;
        found.iter_mut().for_each(|account| self.last_logins.complete(account));
        Ok(found)
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<AccountPage, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        let mut page = self.read(move |connection| list(connection, &after, limit)).await?;
        page.accounts.iter_mut().for_each(|account| self.last_logins.complete(account));
        Ok(page)
    }

    async fn stored(&self, username: &str) -> Result<Option<StoredDocument>, StoreError> {
        let username = username.to_owned();
        self.read(move |connection| stored(connection, &username)).await
    }

    async fn occupied(&self, except: &str) -> Result<Vec<Occupied>, StoreError> {
        let except = except.to_owned();
        self.read(move |connection| {
            let sql = "SELECT home_dir, 'the account \"' || username || '\"' FROM users WHERE username <> ?1 \
                 UNION ALL SELECT mapped_path, 'the folder \"' || name || '\"' FROM folders";
            let mut statement = connection.prepare_cached(sql).map_err(classify)?;
            let occupied = statement.query_map([except], |row| Ok(Occupied { path: row.get(0)?, by: row.get(1)? }));
            occupied.map_err(classify)?.collect::<Result<_, _>>().map_err(classify)
        })
        .await
    }

    fn folders(&self) -> Option<&dyn FolderStore> {
        Some(self)
    }

    async fn insert(&self, account: &User) -> Result<User, StoreError> {
        let account = account.clone();
        self.write(move |connection| in_transaction(connection, |connection| insert(connection, &account))).await
    }

    async fn update(&self, account: &User) -> Result<User, StoreError> {
        let account = account.clone();
        let mut updated =
            self.write(move |connection| in_transaction(connection, |connection| update(connection, &account))).await?;
        self.last_logins.complete(&mut updated);
        Ok(updated)
    }

    async fn delete(&self, username: &str) -> Result<(), StoreError> {
        let username = username.to_owned();
        self.write(move |connection| {
            in_transaction(connection, |connection| {
                let sql = "DELETE FROM users WHERE username = ?1";
                if connection.execute(sql, [&username]).map_err(classify)? == 0 {
                    return Err(StoreError::NotFound(username));
                }
                let sql = "DELETE FROM unsettled_usages WHERE kind = 'account' AND name = ?1";
                connection.execute(sql, [&username]).map(drop).map_err(classify)
            })
        })
        .await
    }

    async fn announce_change(&self, username: &str) -> Result<(), StoreError> {
        let username = username.to_owned();
        self.write(move |connection| in_transaction(connection, |connection| note_change(connection, &username))).await
    }

    async fn changes(&self, cursor: Option<i64>) -> Result<(i64, AccountChanges), StoreError> {
        self.read(move |connection| changes(connection, cursor)).await
    }

    async fn record_login(&self, id: i64, at: i64) -> Result<(), StoreError> {
        self.last_logins.record(id, at);
        Ok(())
    }

    async fn record_first_transfer(&self, id: i64, upload: bool, at: i64) -> Result<bool, StoreError> {
        let column = if upload { "first_upload" } else { "first_download" };
        self.write(move |connection| {
            let sql = format!("UPDATE users SET {column} = ?1 WHERE id = ?2 AND {column} = 0");
            let changed = connection.execute(&sql, params![at.max(1), id]).map_err(classify)?;
            Ok(changed > 0)
        })
        .await
    }
}

/// All of the work or none of it.
fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
    let done = work(&transaction)?;
    transaction.commit().map_err(classify)?;
    Ok(done)
}

/// Servers that have sessions of the account will look at it again.
fn note_change(connection: &Connection, username: &str) -> Result<(), StoreError> {
    connection.execute("INSERT INTO account_changes (username) VALUES (?1)", [username]).map_err(classify)?;
    let oldest = connection.last_insert_rowid().saturating_sub(CHANGES_KEPT);
    connection.execute("DELETE FROM account_changes WHERE id <= ?1", [oldest]).map(drop).map_err(classify)
}

fn changes(connection: &Connection, cursor: Option<i64>) -> Result<(i64, AccountChanges), StoreError> {
    let newest = "SELECT coalesce(max(id), 0) FROM account_changes";
    let newest: i64 =
        connection.prepare_cached(newest).map_err(classify)?.query_row([], |row| row.get(0)).map_err(classify)?;
    let nothing = AccountChanges::Named(Vec::new());
    let Some(cursor) = cursor else {
        return Ok((newest, nothing));
    };
    if newest == cursor {
        return Ok((newest, nothing));
    }
    // A database that was replaced counts from the beginning.
    if newest < cursor || newest - cursor >= CHANGES_KEPT {
        return Ok((newest, AccountChanges::All));
    }
    let sql = "SELECT DISTINCT username FROM account_changes WHERE id > ?1 AND id <= ?2";
    let mut statement = connection.prepare_cached(sql).map_err(classify)?;
    let names = statement.query_map(params![cursor, newest], |row| row.get(0)).map_err(classify)?;
    Ok((newest, AccountChanges::Named(names.collect::<Result<_, _>>().map_err(classify)?)))
}

fn find(connection: &Connection, username: &str) -> Result<Option<User>, StoreError> {
    row(connection, username)?.map(|row| row.account(connection)).transpose()
}

fn stored(connection: &Connection, username: &str) -> Result<Option<StoredDocument>, StoreError> {
    let Some(row) = row(connection, username)? else { return Ok(None) };
    Ok(Some(match row.clone().account(connection) {
        Ok(account) => StoredDocument::of(&account),
        Err(StoreError::Invalid { .. }) => StoredDocument { revision: row.revision, document: row.document },
        Err(error) => return Err(error),
    }))
}

fn row(connection: &Connection, username: &str) -> Result<Option<AccountRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE username = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    let found = statement.query_row([username], |row| Ok(AccountRow::read(row))).optional().map_err(classify)?;
    found.transpose()
}

/// A row that is not valid is in the way of no other.
fn list(connection: &Connection, after: &str, limit: u32) -> Result<AccountPage, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE username > ?1 ORDER BY username LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    let mut rows = statement.query(params![after, limit]).map_err(classify)?;
    let mut page = AccountPage::default();
    while let Some(row) = rows.next().map_err(classify)? {
        let row = AccountRow::read(row)?;
        page.next = Some(row.username.clone());
        match row.clone().account(connection) {
            Ok(account) => page.accounts.push(account),
            Err(StoreError::Invalid { username, problem }) => {
                page.invalid.push(InvalidStored { username, problem, document: row.document });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

fn insert(connection: &Connection, account: &User) -> Result<User, StoreError> {
    folders::store(connection, account)?;
    let sql = "INSERT INTO users (status, username, expiration_date, password, public_keys, home_dir, uid, gid, \
         max_sessions, quota_size, quota_files, permissions, used_quota_size, used_quota_files, last_quota_update, \
         upload_bandwidth, download_bandwidth, last_login, filters, filesystem, other) \
         VALUES (:status, :username, :expiration_date, :password, :public_keys, :home_dir, :uid, :gid, \
         :max_sessions, :quota_size, :quota_files, :permissions, 0, 0, 0, \
         :upload_bandwidth, :download_bandwidth, 0, :filters, :filesystem, :other)";
    match write(connection, sql, account) {
        Err(rusqlite::Error::SqliteFailure(failure, _)) if failure.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE => {
            Err(StoreError::Exists(account.username.clone()))
        }
        Err(error) => Err(classify(error)),
        Ok(_) => reread(connection, account),
    }
}

/// Only of the revision that the account was made from. The name, the usage and the last login are not touched (A9-06); but a usage that was not counted
/// until now, or elsewhere, is not believed any more.
fn update(connection: &Connection, account: &User) -> Result<User, StoreError> {
    let sql = "UPDATE users SET status = :status, expiration_date = :expiration_date, password = :password, \
         public_keys = :public_keys, home_dir = :home_dir, uid = :uid, gid = :gid, max_sessions = :max_sessions, \
         quota_size = :quota_size, quota_files = :quota_files, permissions = :permissions, \
         upload_bandwidth = :upload_bandwidth, download_bandwidth = :download_bandwidth, filters = :filters, \
         filesystem = :filesystem, other = :other, \
         last_quota_update = CASE WHEN home_dir <> :home_dir OR (quota_size = 0 AND quota_files = 0 \
         AND :quota_size + :quota_files > 0) THEN 0 ELSE last_quota_update END, revision = revision + 1 \
         WHERE username = :username AND revision = :revision";
    match write(connection, sql, account).map_err(classify)? {
        0 if row(connection, &account.username)?.is_some() => Err(StoreError::Conflict(account.username.clone())),
        0 => Err(StoreError::NotFound(account.username.clone())),
        _ => {
            folders::store(connection, account)?;
            reread(connection, account)
        }
    }
}

fn reread(connection: &Connection, account: &User) -> Result<User, StoreError> {
    find(connection, &account.username)?.ok_or_else(|| StoreError::NotFound(account.username.clone()))
}

fn write(connection: &Connection, sql: &str, account: &User) -> Result<usize, rusqlite::Error> {
    let document = account.to_document(Audience::Trusted);
    let json = |name: &str| document.get(name).map(Value::to_string);
    let other = Value::Object(account.other.clone()).to_string();
    let mut statement = connection.prepare_cached(sql)?;
    // A new row has the first revision.
    if let Some(index) = statement.parameter_index(":revision")? {
        statement.raw_bind_parameter(index, account.revision)?;
    }
    statement.execute(named_params! {
        ":status": i32::from(account.enabled),
        ":username": account.username,
        ":expiration_date": account.expiration_date,
        ":password": account.password.as_ref().map(|hash| hash.expose()),
        ":public_keys": json("public_keys"),
        ":home_dir": account.home_dir,
        ":uid": account.uid,
        ":gid": account.gid,
        ":max_sessions": account.max_sessions,
        ":quota_size": account.quota_size,
        ":quota_files": account.quota_files,
        ":permissions": json("permissions"),
        ":upload_bandwidth": account.upload_bandwidth,
        ":download_bandwidth": account.download_bandwidth,
        ":filters": json("filters"),
        ":filesystem": json("filesystem"),
        ":other": other,
    })
}
