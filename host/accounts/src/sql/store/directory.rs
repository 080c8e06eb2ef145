//! Named documents.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::ports::{
    AccountFilter, AccountKey, Change, ChangeParts, ChangeToken, Changes, Collection, Directory, MaintainedChange,
    PageRequest, StoreError, StoredDocument, USERS, Version,
};

use super::{SqlStore, last_logins, table, writing};
use crate::sql::documents::{self, text_of};
use crate::sql::{Cell, Database, Patience, Row, account_references, placeholders, transact};

/// How often changes of other processes are looked for; those of this process are seen at once.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);
/// The most names that one statement asks for.
const NAMES_AT_ONCE: usize = 1_000;

#[async_trait]
impl<D: Database> Directory for SqlStore<D> {
    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        self.version.check()?;
        let condition = format!("{} = ?", collection.name_field);
        let sql = documents::select(&table(collection), collection, &condition);
        let rows = self.database.query(Patience::Short, &sql, vec![name.into()]).await?;
        Ok(rows.into_iter().next().map(|row| self.read(collection, row)))
    }

    async fn find_by_id(&self, collection: &'static Collection, id: i64) -> Result<Option<StoredDocument>, StoreError> {
        let sql = documents::select(&table(collection), collection, "id = ?");
        let rows = self.database.query(Patience::Short, &sql, vec![id.into()]).await?;
        Ok(rows.into_iter().next().map(|row| self.read(collection, row)))
    }

    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let mut found = HashMap::new();
        for some in names.chunks(NAMES_AT_ONCE) {
            let condition = format!("{} IN {}", collection.name_field, placeholders(1, some.len()));
            let sql = documents::select(&table(collection), collection, &condition);
            let values = some.iter().map(|name| Cell::from(name.as_str())).collect();
            for row in self.database.query(Patience::Short, &sql, values).await? {
                let stored = self.read(collection, row);
                found.insert(stored.name.clone(), stored);
            }
        }
        Ok(names.iter().filter_map(|name| found.get(name).cloned()).collect())
    }

    async fn list(
        &self,
        collection: &'static Collection,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let (condition, values) = documents::page(collection.name_field, &page);
        let sql = documents::select(&table(collection), collection, &condition);
        let rows = self.database.query(Patience::Long, &sql, values).await?;
        Ok(rows.into_iter().map(|row| self.read(collection, row)).collect())
    }

    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let (mut through, mut page) = (Vec::new(), page);
        loop {
            let found = self.referring(filter, &page).await?;
            let Some(last) = found.last() else { return Ok(through) };
            let is_further = page.after.as_ref().is_none_or(|after| last.name > *after);
            let is_last = found.len() < limit || !is_further;
            page.after = Some(last.name.clone());
            // What accounts refer to is not noted by a server of an older release, which may go on for a moment while
            // this one starts, nor by other programs.
            through.extend(found.into_iter().filter(|stored| filter.lets_through(stored)));
            if is_last || through.len() >= limit {
                through.truncate(limit);
                return Ok(through);
            }
        }
    }

    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sql = format!("SELECT {}, {field} FROM {}", collection.name_field, table(collection));
        let rows = self.database.query(Patience::Long, &sql, Vec::new()).await?;
        let text = |cell: Cell| cell.into_json().and_then(text_of).unwrap_or_default();
        Ok(rows.into_iter().map(|mut row| (text(row.take(0)), text(row.take(1)))).collect())
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        self.version.check()?;
        let (patience, changes) = (Patience::for_changes(changes.len()), Arc::new(changes));
        let database = self.database.clone();
        let versions = transact(&*self.database, patience, move |transaction| {
            let (database, changes) = (database.clone(), changes.clone());
            Box::pin(async move { writing::write_all(transaction, database.dialect(), &changes).await })
        })
        .await?;
        self.database.committed().notify_waiters();
        Ok(versions)
    }

    async fn commit_parts(&self, parts: Arc<dyn ChangeParts>) -> Result<(), StoreError> {
        self.version.check()?;
        let database = self.database.clone();
        transact(&*self.database, Patience::for_changes(parts.changes()), move |transaction| {
            let (database, parts) = (database.clone(), parts.clone());
            Box::pin(async move { writing::write_parts(transaction, database.dialect(), &parts).await })
        })
        .await?;
        self.database.committed().notify_waiters();
        Ok(())
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.look_at_database().await?;
        self.database.changes(since).await
    }

    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        loop {
            // Registered before the look, so that no change is missed in between.
            let committed = self.database.committed().notified();
            tokio::pin!(committed);
            committed.as_mut().enable();
            let changes = self.changes(Some(since)).await?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            // A timeout leads to a look as well.
            let _ = tokio::time::timeout(LOOK_INTERVAL, committed).await;
        }
    }

    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError> {
        let change = Arc::new(change);
        transact(&*self.database, Patience::Short, move |transaction| {
            let change = change.clone();
            Box::pin(async move {
                let sql = documents::change_maintained(&table(change.collection), &change);
                Ok(transaction.execute(&sql, documents::maintained_values(&change)).await? > 0)
            })
        })
        .await
    }

    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        last_logins::record(&self.database, &self.logins, account.id, at);
        Ok(())
    }

    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        let column = if upload { "first_upload" } else { "first_download" };
        let account = Arc::new(account.clone());
        transact(&*self.database, Patience::Short, move |transaction| {
            let account = account.clone();
            Box::pin(async move {
                let sql = format!("UPDATE {{users}} SET {column} = ? WHERE username = ? AND id = ? AND {column} = 0");
                let values = vec![at.max(1).into(), account.username.as_str().into(), account.id.into()];
                Ok(transaction.execute(&sql, values).await? > 0)
            })
        })
        .await
    }

    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        let account = Arc::new(account.clone());
        // A transaction that is made again after its answer was lost finds the step used: the login is refused.
        transact(&*self.database, Patience::Short, move |transaction| {
            let account = account.clone();
            Box::pin(async move {
                let sql = "UPDATE {users} SET last_code_step = ? WHERE username = ? AND id = ? AND last_code_step < ?";
                let values = vec![step.into(), account.username.as_str().into(), account.id.into(), step.into()];
                Ok(transaction.execute(sql, values).await? > 0)
            })
        })
        .await
    }
}

impl<D: Database> SqlStore<D> {
    /// A page of the accounts that the filter lets through, as far as it is noted what they refer to.
    async fn referring(&self, filter: &AccountFilter, page: &PageRequest) -> Result<Vec<StoredDocument>, StoreError> {
        let wording = self.database.dialect().list_wording();
        let references = account_references::TABLE;
        let (from, condition, mut values) = account_references::page(&table(&USERS), references, wording, filter, page);
        values.push(super::limit(page.limit));
        let sql = documents::select(&from, &USERS, &format!("{condition} LIMIT ?"));
        let rows = self.database.query(Patience::Long, &sql, values).await?;
        Ok(rows.into_iter().map(|row| self.read(&USERS, row)).collect())
    }

    /// The document of a row, with values that are not stored yet.
    fn read(&self, collection: &'static Collection, row: Row) -> StoredDocument {
        let mut stored = documents::read(collection, row);
        if *collection == USERS
            && let Some(at) = self.logins.of(stored.version.id)
        {
            stored.document.insert("last_login".to_owned(), at.into());
        }
        stored
    }
}
