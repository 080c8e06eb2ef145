//! Named documents and their changes: each change is one transaction with its announcement and its audit record.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, TransactionBehavior, params, params_from_iter};
use tidegate_core::ports::{
    AccountFilter, AccountKey, Change, ChangeParts, ChangeToken, Changes, Collection, Directory, MaintainedChange,
    PageRequest, Stamp, StoreError, StoredDocument, USERS, Version, Write,
};

use super::{SqliteDatabase, account_lists, audit, changes, classify, migrations, rows};
use crate::sql::{Patience, documents};

/// How often changes of other processes are looked for; those of this process are seen at once.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);
const _: () = assert!(LOOK_INTERVAL.as_millis() < 500, "changes are to take effect within a second");

#[async_trait]
impl Directory for SqliteDatabase {
    fn stamp(&self) -> Option<Stamp> {
        // A time that waits is given to readers, and is looked for first: once it waits no more, it is stored.
        if self.version.is_newer() || self.last_logins.are_waiting() {
            return None;
        }
        self.stamps.current()
    }

    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        self.version.check()?;
        let found = match self.at_once(|connection| rows::find(connection, collection, name)) {
            Some(found) => found,
            None => {
                let name = name.to_owned();
                self.read(move |connection| rows::find(connection, collection, &name)).await
            }
        };
        let mut found = found?;
        found.iter_mut().for_each(|stored| self.complete(collection, stored));
        Ok(found)
    }

    async fn find_by_id(&self, collection: &'static Collection, id: i64) -> Result<Option<StoredDocument>, StoreError> {
        let mut found = self.read(move |connection| rows::find_by_id(connection, collection, id)).await?;
        found.iter_mut().for_each(|stored| self.complete(collection, stored));
        Ok(found)
    }

    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let find = move |connection: &Connection, names: &[String]| {
            let found = names.iter().map(|name| rows::find(connection, collection, name));
            found.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
        };
        let found = match self.at_once(|connection| find(connection, &names)) {
            Some(found) => found,
            None => self.read(move |connection| find(connection, &names)).await,
        };
        let mut found = found?;
        found.iter_mut().for_each(|stored| self.complete(collection, stored));
        Ok(found)
    }

    async fn list(
        &self,
        collection: &'static Collection,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let mut found = self.read(move |connection| rows::list(connection, collection, &page)).await?;
        found.iter_mut().for_each(|stored| self.complete(collection, stored));
        Ok(found)
    }

    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let filter = filter.clone();
        let mut found = self.read(move |connection| account_lists::list(connection, &filter, &page)).await?;
        found.iter_mut().for_each(|stored| self.complete(&USERS, stored));
        Ok(found)
    }

    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.read(move |connection| rows::texts(connection, collection, field)).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        self.version.check()?;
        let patience = Patience::for_changes(changes.len());
        let versions = self.write_with(patience, move |connection| commit(connection, &changes)).await?;
        self.committed.notify_waiters();
        Ok(versions)
    }

    async fn commit_parts(&self, parts: Arc<dyn ChangeParts>) -> Result<(), StoreError> {
        self.version.check()?;
        let patience = Patience::for_changes(parts.changes());
        self.write_with(patience, move |connection| commit_parts(connection, &*parts)).await?;
        self.committed.notify_waiters();
        Ok(())
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        let since = since.cloned();
        let look = move |connection: &mut Connection| {
            let version = migrations::version(connection).map_err(classify)?;
            Ok((version, changes::since(connection, since.as_ref())))
        };
        let (version, changes) = self.read(look).await?;
        self.version.note(version);
        self.version.check()?;
        changes
    }

    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        loop {
            // Registered before the look, so that no change is missed in between.
            let committed = self.committed.notified();
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
        self.write(move |connection| {
            let sql = documents::change_maintained(change.collection.table, &change);
            let values = params_from_iter(documents::maintained_values(&change));
            let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
            Ok(statement.execute(values).map_err(classify)? > 0)
        })
        .await
    }

    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        self.last_logins.record(account.id, at);
        Ok(())
    }

    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        let column = if upload { "first_upload" } else { "first_download" };
        let AccountKey { username, id } = account.clone();
        self.write(move |connection| {
            let sql = format!("UPDATE users SET {column} = ?1 WHERE username = ?2 AND id = ?3 AND {column} = 0");
            let changed = connection.execute(&sql, params![at.max(1), username, id]).map_err(classify)?;
            Ok(changed > 0)
        })
        .await
    }

    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        let AccountKey { username, id } = account.clone();
        // With a full sync: after a power cut the code would be good again.
        self.write(move |connection| {
            let sql = "UPDATE users SET last_code_step = ?1 WHERE username = ?2 AND id = ?3 AND last_code_step < ?1";
            Ok(connection.execute(sql, params![step, username, id]).map_err(classify)? > 0)
        })
        .await
    }
}

impl SqliteDatabase {
    /// Adds values that are not stored yet.
    fn complete(&self, collection: &'static Collection, stored: &mut StoredDocument) {
        if *collection == USERS
            && let Some(at) = self.last_logins.pending_of(stored.version.id)
        {
            stored.document.insert("last_login".to_owned(), at.into());
        }
    }
}

fn commit(connection: &mut Connection, changes: &[Change]) -> Result<Vec<Version>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
    let versions = write_all(&transaction, changes)?;
    transaction.commit().map_err(classify)?;
    Ok(versions)
}

fn commit_parts(connection: &mut Connection, parts: &dyn ChangeParts) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
    for index in 0..parts.parts() {
        write_all(&transaction, &parts.part(index)?)?;
    }
    transaction.commit().map_err(classify)
}

fn write_all(connection: &Connection, changes: &[Change]) -> Result<Vec<Version>, StoreError> {
    let mut versions = Vec::with_capacity(changes.len());
    for change in changes {
        let version = write(connection, change)?;
        if let Some(record) = &change.audit {
            audit::append(connection, record, Some(version.revision))?;
        }
        if change.announce {
            changes::announce(connection, change.collection, &change.name)?;
        }
        versions.push(version);
    }
    Ok(versions)
}

fn write(connection: &Connection, change: &Change) -> Result<Version, StoreError> {
    let Change { collection, name, .. } = change;
    let object = || collection.object(name);
    let is_expected = |expected: Option<Version>| match rows::version(connection, collection, name)? {
        None => Err(StoreError::NotFound(object())),
        Some(version) if expected.is_none_or(|expected| expected == version) => Ok(version),
        Some(_) => Err(StoreError::Conflict(object())),
    };
    match &change.write {
        Write::Add(document) => {
            let id = rows::insert(connection, collection, name, document)?;
            account_lists::refer(connection, collection, name, Some(document))?;
            Ok(Version { id, revision: 0 })
        }
        Write::Replace { document, expected, reset } => {
            if !rows::replace(connection, collection, name, document, *expected, reset)? {
                // Tells the two cases apart: no such object, or another version of it.
                is_expected(Some(*expected))?;
                return Err(StoreError::Conflict(object()));
            }
            account_lists::refer(connection, collection, name, Some(document))?;
            Ok(Version { revision: expected.revision + 1, ..*expected })
        }
        Write::Delete { expected } => {
            let version = is_expected(*expected)?;
            let sql = format!("DELETE FROM {} WHERE id = ?1", collection.table);
            connection.execute(&sql, [version.id]).map_err(classify)?;
            account_lists::refer(connection, collection, name, None)?;
            let sql = "DELETE FROM unsettled_usages WHERE kind = ?1 AND name = ?2";
            connection.execute(sql, [collection.noun, name]).map_err(classify)?;
            Ok(version)
        }
        Write::Require { expected } => is_expected(Some(*expected)),
        Write::RequireEmpty if rows::is_empty(connection, collection)? => Ok(Version::default()),
        Write::RequireEmpty => Err(StoreError::Conflict(object())),
        Write::RequireUnreferenced(kind) if rows::refers_to(connection, *kind, name)? => {
            Err(StoreError::Conflict(object()))
        }
        Write::RequireUnreferenced(_) => is_expected(None),
    }
}
