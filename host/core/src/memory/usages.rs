//! The usages of accounts and folders.

use async_trait::async_trait;

use super::{MemoryStore, Row, State};
use crate::ports::{AccountKey, AddedBatches, BatchName, NodeName, StoreError, StoredUsage, UsageStore};
use crate::quota::{Scope, Transferred, UsedQuota};

const SIZE: &str = "used_quota_size";
const FILES: &str = "used_quota_files";
const COUNTED_AT: &str = "last_quota_update";

#[async_trait]
impl UsageStore for MemoryStore {
    async fn open_usage(&self, scope: &Scope, node: &NodeName) -> Result<StoredUsage, StoreError> {
        let mut state = self.state();
        let row = state.row(scope).ok_or_else(|| StoreError::NotFound(scope.object()))?;
        let (used, is_counted) = (used(row, scope), value(row, scope, COUNTED_AT) > 0);
        let was_marked = state.marks.insert(scope.clone(), node.clone()).is_some();
        Ok(StoredUsage { used, is_unsettled: was_marked || !is_counted })
    }

    async fn close_usage(&self, scope: &Scope, node: &NodeName) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.marks.get(scope) == Some(node) {
            state.marks.remove(scope);
        }
        Ok(())
    }

    async fn add_usage(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(Scope, UsedQuota)>,
        at: i64,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.begin(batch) {
            return Ok(());
        }
        for (scope, by) in changes {
            let Some(row) = state.row(&scope) else { continue };
            let sum = used(row, &scope) + by;
            set(row, &scope, SIZE, sum.size.max(0));
            set(row, &scope, FILES, sum.files.max(0));
            if value(row, &scope, COUNTED_AT) > 0 {
                set(row, &scope, COUNTED_AT, at);
            }
        }
        Ok(())
    }

    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError> {
        let mut state = self.state();
        let row = state.row(scope).ok_or_else(|| StoreError::NotFound(scope.object()))?;
        set(row, scope, SIZE, used.size);
        set(row, scope, FILES, used.files);
        set(row, scope, COUNTED_AT, at.max(1));
        Ok(())
    }

    async fn is_counted(&self, scope: &Scope) -> Result<bool, StoreError> {
        Ok(self.state().row(scope).is_some_and(|row| value(row, scope, COUNTED_AT) > 0))
    }

    async fn add_transferred(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(AccountKey, Transferred)>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.begin(batch) {
            return Ok(());
        }
        for (account, by) in changes {
            for (field, bytes) in [("used_upload_data_transfer", by.up), ("used_download_data_transfer", by.down)] {
                if let Some(value) = state.maintained(&account, field) {
                    *value = value.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
                }
            }
        }
        Ok(())
    }

    async fn unsettled_usages(&self, node: &NodeName) -> Result<Vec<Scope>, StoreError> {
        let state = self.state();
        let marks = state.marks.iter().filter(|(_, owner)| *owner == node || owner.0.is_empty());
        Ok(marks.map(|(scope, _)| scope.clone()).collect())
    }
}

impl State {
    /// Notes a batch that is about to be added. False: it was added before.
    fn begin(&mut self, batch: Option<&BatchName>) -> bool {
        let Some(BatchName { writer, number }) = batch else { return true };
        let Some(now) = AddedBatches::with(self.batches.get(writer).copied(), *number) else { return false };
        self.batches.insert(writer.clone(), now);
        true
    }

    fn row(&mut self, scope: &Scope) -> Option<&mut Row> {
        self.collections.get_mut(scope.collection().kind)?.by_name.get_mut(scope.name())
    }
}

fn used(row: &mut Row, scope: &Scope) -> UsedQuota {
    UsedQuota { size: value(row, scope, SIZE), files: value(row, scope, FILES) }
}

fn value(row: &mut Row, scope: &Scope, field: &str) -> i64 {
    row.maintained(scope.collection(), field).map_or(0, |value| *value)
}

fn set(row: &mut Row, scope: &Scope, field: &str, to: i64) {
    if let Some(value) = row.maintained(scope.collection(), field) {
        *value = to;
    }
}
