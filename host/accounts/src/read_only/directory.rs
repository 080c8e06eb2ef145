//! Accounts from the table, other documents from the server's own stores. No account is ever written.

use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::ports::{
    AccountKey, Change, ChangeToken, ChangedObjects, Changes, Collection, Directory, MaintainedChange, PageRequest,
    PluginStoreError, StoreError, StoredDocument, USERS, Version, Write,
};
use tokio::time::{Instant, sleep_until};

use super::token::Position;
use super::{ReadOnlyAccounts, Reader};

/// How often the accounts of open sessions are read again: the table does not tell of its changes.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// The name under which the used one-time codes are kept among the values of plugins; no plugin can have it.
const USED_CODES: &str = "used one-time codes";
/// Codes are valid for much less time.
const KEPT_CODES: Duration = Duration::from_secs(600);
/// How often the database is asked whether it answers.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

#[async_trait]
impl<R: Reader> Directory for ReadOnlyAccounts<R> {
    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        match *collection == USERS {
            true => self.accounts.find(name).await,
            false => self.own.find(collection, name).await,
        }
    }

    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        match *collection == USERS {
            true => self.accounts.find_all(&names).await,
            false => self.own.find_all(collection, names).await,
        }
    }

    async fn list(
        &self,
        collection: &'static Collection,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        match *collection == USERS {
            true => self.accounts.list(&page).await,
            false => self.own.list(collection, page).await,
        }
    }

    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        match *collection == USERS {
            true => self.accounts.texts(field).await,
            false => self.own.texts(collection, field).await,
        }
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        let is_account = |change: &Change| *change.collection == USERS;
        if changes.iter().any(is_account) {
            self.check_accounts(&changes).await?;
        }
        // The own stores look among the groups; an account that another program adds meanwhile cannot be kept out.
        for change in &changes {
            if let Write::RequireUnreferenced(kind) = change.write
                && self.accounts.refers_to(kind, &change.name).await?
            {
                return Err(StoreError::Conflict(change.collection.object(&change.name)));
            }
        }
        let accounts: Vec<_> = changes.iter().map(|change| expected(change).filter(|_| is_account(change))).collect();
        let others = changes.into_iter().filter(|change| !is_account(change)).collect();
        let mut versions = self.own.commit(others).await?.into_iter();
        // In the order of the changes.
        Ok(accounts.into_iter().filter_map(|account| account.or_else(|| versions.next())).collect())
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.accounts.answers().await?;
        let Some(position) = since.and_then(Position::of) else {
            let changes = self.own.changes(None).await?;
            let objects = if since.is_none() { changes.objects } else { ChangedObjects::All };
            return Ok(self.looked(changes.next, objects));
        };
        let changes = self.own.changes(Some(&position.own)).await?;
        Ok(self.since(&position, changes))
    }

    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        let Some(position) = Position::of(since) else { return self.changes(Some(since)).await };
        let own = self.own.wait_for_changes(&position.own);
        tokio::pin!(own);
        let mut probe = Instant::now() + PROBE_INTERVAL;
        loop {
            tokio::select! {
                changes = &mut own => {
                    let changes = changes?;
                    return Ok(self.since(&position, changes));
                }
                () = sleep_until(probe.min(self.started + position.looked + LOOK_AGAIN)) => {}
            }
            self.accounts.answers().await?;
            probe = Instant::now() + PROBE_INTERVAL;
            if self.is_due(&position) {
                return Ok(self.looked(position.own.clone(), ChangedObjects::All));
            }
        }
    }

    /// The table has the time of the last login, if it has one, from its own program.
    async fn record_login(&self, _: &AccountKey, _: i64) -> Result<(), StoreError> {
        Ok(())
    }

    /// No transfer is known to be the first.
    async fn record_first_transfer(&self, _: &AccountKey, _: bool, _: i64) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError> {
        match *change.collection == USERS {
            true => Err(refused(&change.name)),
            false => self.own.change_maintained(change).await,
        }
    }

    /// The table cannot be written, so the own stores remember the step, and this server alone accepts a code once.
    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        let unavailable = |error: PluginStoreError| StoreError::Unavailable(error.to_string());
        let key = format!("{} {}", account.id, account.username);
        loop {
            let last = self.own.get(USED_CODES, &key).await.map_err(unavailable)?;
            let last_step = last.as_deref().and_then(|last| std::str::from_utf8(last).ok()?.parse::<i64>().ok());
            if last.is_some() && last_step.is_none_or(|last| last >= step) {
                return Ok(false);
            }
            let (expected, new) = (last.as_deref(), step.to_string());
            let is_set = self.own.compare_and_set(USED_CODES, &key, expected, new.as_bytes(), Some(KEPT_CODES)).await;
            if is_set.map_err(unavailable)? {
                return Ok(true);
            }
        }
    }
}

fn refused(username: &str) -> StoreError {
    StoreError::Refused(format!(
        "the account \"{username}\" was not changed: another program keeps the accounts, and the server only reads them \
         (data_provider.manage_users = 0); change it there"
    ))
}

impl<R: Reader> ReadOnlyAccounts<R> {
    /// Refuses changes of accounts, and checks the versions of those that others rely on.
    async fn check_accounts(&self, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes.iter().filter(|change| *change.collection == USERS) {
            match &change.write {
                Write::Require { expected } => match self.accounts.find(&change.name).await? {
                    Some(found) if found.version == *expected => {}
                    Some(_) => return Err(StoreError::Conflict(USERS.object(&change.name))),
                    None => return Err(StoreError::NotFound(USERS.object(&change.name))),
                },
                Write::Add(_)
                | Write::Replace { .. }
                | Write::Delete { .. }
                | Write::RequireEmpty
                | Write::RequireUnreferenced(_) => return Err(refused(&change.name)),
            }
        }
        Ok(())
    }

    fn is_due(&self, position: &Position) -> bool {
        self.started.elapsed() >= position.looked + LOOK_AGAIN
    }

    fn since(&self, position: &Position, changes: Changes) -> Changes {
        if self.is_due(position) {
            return self.looked(changes.next, ChangedObjects::All);
        }
        let next = Position { own: changes.next, looked: position.looked };
        Changes { next: next.token(), objects: changes.objects }
    }

    fn looked(&self, own: ChangeToken, objects: ChangedObjects) -> Changes {
        Changes { next: Position { own, looked: self.started.elapsed() }.token(), objects }
    }
}

fn expected(change: &Change) -> Option<Version> {
    match &change.write {
        Write::Require { expected } => Some(*expected),
        Write::Add(_)
        | Write::Replace { .. }
        | Write::Delete { .. }
        | Write::RequireEmpty
        | Write::RequireUnreferenced(_) => None,
    }
}
