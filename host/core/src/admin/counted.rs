//! What another server has counted of accounts and folders, for those that move to this one.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::account::{LoadOutcome, Loaded, ObjectKind};
use crate::ports::{AccountKey, Directory, StoreError, USERS, UsageStore};
use crate::quota::{Scope, Transferred, UsedQuota};

/// How often a store that is away is asked.
const TRIES: u32 = 30;
/// How long it is left alone between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// The counters and dates of one account or folder.
pub(super) struct Counted {
    /// The account or folder.
    pub scope: Scope,
    used: UsedQuota,
    /// Milliseconds since 1970; 0: never.
    counted_at: i64,
    transferred: Transferred,
    last_login: i64,
    first_upload: i64,
    first_download: i64,
}

impl Counted {
    /// Those of documents of a kind, which are none but of accounts (None) and folders.
    pub fn all_of(kind: Option<ObjectKind>, documents: &[Map<String, Value>]) -> Vec<Self> {
        let scope = |document: &Map<String, Value>| match kind {
            None => Some(Scope::Account(name(document, "username")?)),
            Some(ObjectKind::Folder) => Some(Scope::Folder(name(document, "name")?)),
            Some(ObjectKind::Group | ObjectKind::Role) => None,
        };
        documents.iter().filter_map(|document| Some(Self::of(scope(document)?, document))).collect()
    }

    fn of(scope: Scope, document: &Map<String, Value>) -> Self {
        let number = |field: &str| document.get(field).and_then(Value::as_i64).unwrap_or(0).max(0);
        Self {
            scope,
            used: UsedQuota { size: number("used_quota_size"), files: number("used_quota_files") },
            counted_at: number("last_quota_update"),
            transferred: Transferred {
                up: number("used_upload_data_transfer").unsigned_abs(),
                down: number("used_download_data_transfer").unsigned_abs(),
            },
            last_login: number("last_login"),
            first_upload: number("first_upload"),
            first_download: number("first_download"),
        }
    }

    /// Stores the counters of an account or folder that was just added. A store that is away is asked again, since nothing
    /// stores them later: another load finds the account.
    ///
    /// # Errors
    /// The store fails, or stays away.
    pub async fn store(&self, directory: &dyn Directory, usages: &dyn UsageStore) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            match self.try_to_store(directory, usages, tries == 1).await {
                Err(StoreError::Unavailable(_) | StoreError::Busy(_)) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    async fn try_to_store(
        &self,
        directory: &dyn Directory,
        usages: &dyn UsageStore,
        is_first: bool,
    ) -> Result<(), StoreError> {
        if self.counted_at > 0 {
            usages.replace_usage(&self.scope, self.used, self.counted_at).await?;
        }
        let Scope::Account(username) = &self.scope else { return Ok(()) };
        let Some(stored) = directory.find(&USERS, username).await? else { return Ok(()) };
        let key = AccountKey { username: username.clone(), id: stored.version.id };
        let stored = |field: &str| stored.document.get(field).and_then(Value::as_u64).unwrap_or(0);
        // An earlier try may have been done without an answer.
        let has_them = stored("used_upload_data_transfer") >= self.transferred.up
            && stored("used_download_data_transfer") >= self.transferred.down;
        if self.transferred != Transferred::default() && (is_first || !has_them) {
            usages.add_transferred(None, vec![(key.clone(), self.transferred)]).await?;
        }
        if self.last_login > 0 {
            directory.record_login(&key, self.last_login).await?;
        }
        for (is_upload, at) in [(true, self.first_upload), (false, self.first_download)] {
            if at > 0 {
                directory.record_first_transfer(&key, is_upload, at).await?;
            }
        }
        Ok(())
    }
}

/// The accounts and folders that a load has added.
pub(super) fn added(loaded: &[Loaded]) -> HashSet<Scope> {
    let added = loaded.iter().filter(|loaded| loaded.outcome == LoadOutcome::Added);
    let scope = |loaded: &Loaded| match loaded.kind {
        None => Some(Scope::Account(loaded.name.clone())),
        Some(ObjectKind::Folder) => Some(Scope::Folder(loaded.name.clone())),
        Some(ObjectKind::Group | ObjectKind::Role) => None,
    };
    added.filter_map(scope).collect()
}

fn name(document: &Map<String, Value>, field: &str) -> Option<String> {
    document.get(field)?.as_str().map(str::to_owned)
}
