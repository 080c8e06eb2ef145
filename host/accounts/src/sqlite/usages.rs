//! Usages of accounts and folders.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tidegate_core::ports::{AccountKey, BatchName, FOLDERS, NodeName, StoreError, StoredUsage, UsageStore};
use tidegate_core::quota::{Scope, Transferred, UsedQuota};

use super::{SqliteDatabase, batches, classify};
use crate::sql::sums::most_before;

#[async_trait]
impl UsageStore for SqliteDatabase {
    async fn open_usage(&self, scope: &Scope, node: &NodeName) -> Result<StoredUsage, StoreError> {
        let (scope, node) = (scope.clone(), node.clone());
        // With a full sync: without the mark, changes that are only in memory would be lost with the process.
        self.write(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
            let (table, column, name) = place(&scope);
            let sql =
                format!("SELECT used_quota_size, used_quota_files, last_quota_update FROM {table} WHERE {column} = ?1");
            let found = transaction
                .query_row(&sql, [name], |row| {
                    let used = UsedQuota { size: row.get(0)?, files: row.get(1)? };
                    Ok((used, row.get::<_, i64>(2)?))
                })
                .optional()
                .map_err(classify)?;
            let (used, updated_at) = found.ok_or_else(|| StoreError::NotFound(scope.object()))?;
            let mark = "INSERT OR IGNORE INTO unsettled_usages (kind, name, node) VALUES (?1, ?2, ?3)";
            let key = (scope.collection().noun, name, &node.0);
            let is_new = transaction.execute(mark, key).map_err(classify)? > 0;
            if !is_new {
                let take_over = "UPDATE unsettled_usages SET node = ?3 WHERE kind = ?1 AND name = ?2";
                transaction.execute(take_over, key).map_err(classify)?;
            }
            transaction.commit().map_err(classify)?;
            Ok(StoredUsage { used, is_unsettled: !is_new || updated_at == 0 })
        })
        .await
    }

    async fn close_usage(&self, scope: &Scope, node: &NodeName) -> Result<(), StoreError> {
        let (scope, node) = (scope.clone(), node.clone());
        self.note(move |connection| {
            let sql = "DELETE FROM unsettled_usages WHERE kind = ?1 AND name = ?2 AND node = ?3";
            let key = (scope.collection().noun, scope.name(), &node.0);
            connection.execute(sql, key).map(drop).map_err(classify)
        })
        .await
    }

    async fn add_usage(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(Scope, UsedQuota)>,
        at: i64,
    ) -> Result<(), StoreError> {
        let batch = batch.cloned();
        self.note(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
            if !batches::begin(&transaction, batch.as_ref())? {
                return Ok(());
            }
            for (scope, by) in &changes {
                let (table, column, name) = place(scope);
                let sql = format!(
                    "UPDATE {table} SET used_quota_size = max(0, min(max(0, used_quota_size), ?1) + ?2), \
                     used_quota_files = max(0, min(max(0, used_quota_files), ?3) + ?4), \
                     last_quota_update = CASE last_quota_update WHEN 0 THEN 0 ELSE ?5 END WHERE {column} = ?6"
                );
                let mut statement = transaction.prepare_cached(&sql).map_err(classify)?;
                let most = (most_before(by.size), most_before(by.files));
                statement.execute(params![most.0, by.size, most.1, by.files, at, name]).map_err(classify)?;
            }
            transaction.commit().map_err(classify)
        })
        .await
    }

    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError> {
        let scope = scope.clone();
        self.note(move |connection| replace(connection, &scope, used, at)).await
    }

    async fn is_counted(&self, scope: &Scope) -> Result<bool, StoreError> {
        let scope = scope.clone();
        self.read(move |connection| {
            let (table, column, name) = place(&scope);
            let sql = format!("SELECT last_quota_update > 0 FROM {table} WHERE {column} = ?1");
            let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
            let found = statement.query_row([name], |row| row.get(0)).optional().map_err(classify)?;
            Ok(found.unwrap_or(false))
        })
        .await
    }

    async fn add_transferred(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(AccountKey, Transferred)>,
    ) -> Result<(), StoreError> {
        let batch = batch.cloned();
        self.note(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
            if !batches::begin(&transaction, batch.as_ref())? {
                return Ok(());
            }
            for (AccountKey { username, id }, by) in &changes {
                let sql = "UPDATE users SET used_upload_data_transfer = min(used_upload_data_transfer, ?1) + ?2, \
                     used_download_data_transfer = min(used_download_data_transfer, ?3) + ?4 \
                     WHERE username = ?5 AND id = ?6";
                let bytes = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
                let (up, down) = (bytes(by.up), bytes(by.down));
                let most = (most_before(up), most_before(down));
                let mut statement = transaction.prepare_cached(sql).map_err(classify)?;
                statement.execute(params![most.0, up, most.1, down, username, id]).map_err(classify)?;
            }
            transaction.commit().map_err(classify)
        })
        .await
    }

    async fn unsettled_usages(&self, node: &NodeName) -> Result<Vec<Scope>, StoreError> {
        let node = node.clone();
        self.read(move |connection| {
            let sql = "SELECT kind, name FROM unsettled_usages WHERE node IN (?1, '') ORDER BY kind, name";
            let mut statement = connection.prepare_cached(sql).map_err(classify)?;
            let rows = statement
                .query_map([node.0], |row| {
                    let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
                    Ok(if kind == FOLDERS.noun { Scope::Folder(name) } else { Scope::Account(name) })
                })
                .map_err(classify)?;
            rows.collect::<Result<_, _>>().map_err(classify)
        })
        .await
    }
}

fn replace(connection: &Connection, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError> {
    let (table, column, name) = place(scope);
    let sql = format!(
        "UPDATE {table} SET used_quota_size = ?1, used_quota_files = ?2, last_quota_update = ?3 WHERE {column} = ?4"
    );
    let changed = connection.execute(&sql, params![used.size, used.files, at.max(1), name]).map_err(classify)?;
    if changed == 0 { Err(StoreError::NotFound(scope.object())) } else { Ok(()) }
}

/// The row of a scope: table, column and name.
fn place(scope: &Scope) -> (&'static str, &'static str, &str) {
    (scope.collection().table, scope.collection().name_field, scope.name())
}
