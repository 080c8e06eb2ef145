//! Usages of accounts and folders.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_core::ports::{AccountKey, BatchName, FOLDERS, NodeName, StoreError, StoredUsage, UsageStore};
use tidegate_core::quota::{Scope, Transferred, UsedQuota};

use super::{SqlStore, batches, first, table};
use crate::sql::sums::most_before;
use crate::sql::{Cell, Database, Failure, Patience, Row, Transaction, transact};

#[async_trait]
impl<D: Database> UsageStore for SqlStore<D> {
    async fn open_usage(&self, scope: &Scope, node: &NodeName) -> Result<StoredUsage, StoreError> {
        let key = Arc::new((scope.clone(), node.clone()));
        transact(&*self.database, Patience::Short, move |transaction| {
            let key = key.clone();
            Box::pin(async move { open(transaction, &key.0, &key.1).await })
        })
        .await
    }

    async fn close_usage(&self, scope: &Scope, node: &NodeName) -> Result<(), StoreError> {
        let sql = "DELETE FROM {unsettled_usages} WHERE kind = ? AND name = ? AND node = ?";
        let [kind, name] = mark(scope);
        self.execute(sql.to_owned(), vec![kind, name, node.0.as_str().into()]).await.map(drop)
    }

    async fn add_usage(
        &self,
        batch: Option<&BatchName>,
        mut changes: Vec<(Scope, UsedQuota)>,
        at: i64,
    ) -> Result<(), StoreError> {
        // In the same order by every server, so that servers do not wait for each other in a circle.
        changes.sort_by(|(one, _), (other, _)| key(one).cmp(&key(other)));
        let (changes, batch) = (Arc::new(changes), batch.cloned());
        transact(&*self.database, Patience::Short, move |transaction| {
            let (changes, batch) = (changes.clone(), batch.clone());
            Box::pin(async move {
                if !batches::begin(transaction, batch).await? {
                    return Ok(());
                }
                for (scope, by) in changes.iter() {
                    let (table, column, name) = place(scope);
                    let sql = format!(
                        "UPDATE {table} SET used_quota_size = greatest(0, least(greatest(0, used_quota_size), ?) + ?), \
                         used_quota_files = greatest(0, least(greatest(0, used_quota_files), ?) + ?), \
                         last_quota_update = CASE last_quota_update WHEN 0 THEN 0 ELSE ? END WHERE {column} = ?"
                    );
                    let sums = [by.size, by.files].into_iter().flat_map(|by| [most_before(by), by]);
                    let values = sums.chain([at]).map(Cell::from).chain([name.into()]).collect();
                    transaction.execute(&sql, values).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError> {
        let (table, column, name) = place(scope);
        let sql = format!(
            "UPDATE {table} SET used_quota_size = ?, used_quota_files = ?, last_quota_update = ? WHERE {column} = ?"
        );
        let values = vec![used.size.into(), used.files.into(), at.max(1).into(), name.into()];
        match self.execute(sql, values).await? {
            0 => Err(StoreError::NotFound(scope.object())),
            _ => Ok(()),
        }
    }

    async fn is_counted(&self, scope: &Scope) -> Result<bool, StoreError> {
        let (table, column, name) = place(scope);
        let sql = format!("SELECT last_quota_update FROM {table} WHERE {column} = ?");
        let rows = self.database.query(Patience::Short, &sql, vec![name.into()]).await?;
        Ok(first(rows, |mut row| row.integer(0))?.is_some_and(|at| at > 0))
    }

    async fn add_transferred(
        &self,
        batch: Option<&BatchName>,
        mut changes: Vec<(AccountKey, Transferred)>,
    ) -> Result<(), StoreError> {
        changes.sort_by_key(|(account, _)| account.id);
        let (changes, batch) = (Arc::new(changes), batch.cloned());
        transact(&*self.database, Patience::Short, move |transaction| {
            let (changes, batch) = (changes.clone(), batch.clone());
            Box::pin(async move {
                if !batches::begin(transaction, batch).await? {
                    return Ok(());
                }
                for (AccountKey { username, id }, by) in changes.iter() {
                    let sql = "UPDATE {users} SET used_upload_data_transfer = least(used_upload_data_transfer, ?) + ?, \
                         used_download_data_transfer = least(used_download_data_transfer, ?) + ? \
                         WHERE username = ? AND id = ?";
                    let bytes = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
                    let sums = [by.up, by.down].into_iter().map(bytes).flat_map(|by| [most_before(by), by]);
                    let which = [Cell::from(username.as_str()), Cell::from(*id)];
                    let values = sums.map(Cell::from).chain(which).collect();
                    transaction.execute(sql, values).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn unsettled_usages(&self, node: &NodeName) -> Result<Vec<Scope>, StoreError> {
        let sql = "SELECT kind, name FROM {unsettled_usages} WHERE node IN (?, '') ORDER BY kind, name";
        let rows = self.database.query(Patience::Short, sql, vec![node.0.as_str().into()]).await?;
        let scope = |mut row: Row| {
            let (kind, name) = (row.text(0)?, row.text(1)?);
            Ok(if kind == FOLDERS.noun { Scope::Folder(name) } else { Scope::Account(name) })
        };
        rows.into_iter().map(scope).collect()
    }
}

impl<D: Database> SqlStore<D> {
    /// Executes one statement in a transaction of its own, which can be made again; gives the number of rows.
    async fn execute(&self, sql: String, values: Vec<Cell>) -> Result<u64, StoreError> {
        let statement = Arc::new((sql, values));
        transact(&*self.database, Patience::Short, move |transaction| {
            let statement = statement.clone();
            Box::pin(async move { transaction.execute(&statement.0, statement.1.clone()).await })
        })
        .await
    }
}

async fn open(transaction: &mut dyn Transaction, scope: &Scope, node: &NodeName) -> Result<StoredUsage, Failure> {
    let (table, column, name) = place(scope);
    // The row is locked, so that no usage is added, and no mark removed, between the two looks.
    let sql = format!(
        "SELECT used_quota_size, used_quota_files, last_quota_update FROM {table} WHERE {column} = ? FOR UPDATE"
    );
    let rows = transaction.query(&sql, vec![name.into()]).await?;
    let usage = |mut row: Row| Ok((UsedQuota { size: row.integer(0)?, files: row.integer(1)? }, row.integer(2)?));
    let (used, updated_at) = first(rows, usage)?.ok_or_else(|| StoreError::NotFound(scope.object()))?;
    let [kind, name] = mark(scope);
    let values = vec![Cell::from(node.0.as_str()), kind, name];
    let take_over = "UPDATE {unsettled_usages} SET node = ? WHERE kind = ? AND name = ?";
    let is_new = transaction.execute(take_over, values.clone()).await? == 0;
    if is_new {
        transaction.execute("INSERT INTO {unsettled_usages} (node, kind, name) VALUES (?, ?, ?)", values).await?;
    }
    Ok(StoredUsage { used, is_unsettled: !is_new || updated_at == 0 })
}

/// The row of a scope: table, column and name.
fn place(scope: &Scope) -> (String, &'static str, &str) {
    (table(scope.collection()), scope.collection().name_field, scope.name())
}

/// The columns of a mark that name the scope.
fn mark(scope: &Scope) -> [Cell; 2] {
    [scope.collection().noun.into(), scope.name().into()]
}

fn key(scope: &Scope) -> (&'static str, &str) {
    (scope.collection().noun, scope.name())
}
