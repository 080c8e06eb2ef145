//! Forwards everything but accounts to the server's own stores.

use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::hook::HookRun;
use tidegate_core::ports::{
    AccountKey, AuditQuery, AuditRecord, AuditStore, BatchName, HookCounter, HookRunStore, NodeName, PluginStore,
    PluginStoreError, PluginValueFacts, RunFilter, StoreError, StoredAudit, StoredRun, StoredUsage, UsageStore,
};
use tidegate_core::quota::{Scope, Transferred, UsedQuota};

use super::{ReadOnlyAccounts, Reader};

/// Usages of accounts are not counted: the settings see to it that nothing asks for them.
#[async_trait]
impl<R: Reader> UsageStore for ReadOnlyAccounts<R> {
    async fn open_usage(&self, scope: &Scope, node: &NodeName) -> Result<StoredUsage, StoreError> {
        self.own.open_usage(scope, node).await
    }

    async fn close_usage(&self, scope: &Scope, node: &NodeName) -> Result<(), StoreError> {
        self.own.close_usage(scope, node).await
    }

    async fn add_usage(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(Scope, UsedQuota)>,
        at: i64,
    ) -> Result<(), StoreError> {
        self.own.add_usage(batch, changes, at).await
    }

    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError> {
        self.own.replace_usage(scope, used, at).await
    }

    async fn is_counted(&self, scope: &Scope) -> Result<bool, StoreError> {
        self.own.is_counted(scope).await
    }

    async fn add_transferred(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(AccountKey, Transferred)>,
    ) -> Result<(), StoreError> {
        self.own.add_transferred(batch, changes).await
    }

    async fn unsettled_usages(&self, node: &NodeName) -> Result<Vec<Scope>, StoreError> {
        self.own.unsettled_usages(node).await
    }
}

#[async_trait]
impl<R: Reader> PluginStore for ReadOnlyAccounts<R> {
    async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, PluginStoreError> {
        self.own.get(plugin, key).await
    }

    async fn set(&self, plugin: &str, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), PluginStoreError> {
        self.own.set(plugin, key, value, ttl).await
    }

    async fn remove(&self, plugin: &str, key: &str) -> Result<(), PluginStoreError> {
        self.own.remove(plugin, key).await
    }

    async fn list_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PluginStoreError> {
        self.own.list_keys(plugin, prefix, after, limit).await
    }

    async fn list_values(&self, plugin: &str, limit: u32) -> Result<Vec<PluginValueFacts>, PluginStoreError> {
        self.own.list_values(plugin, limit).await
    }

    async fn increment(
        &self,
        plugin: &str,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PluginStoreError> {
        self.own.increment(plugin, key, delta, ttl).await
    }

    async fn compare_and_set(
        &self,
        plugin: &str,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, PluginStoreError> {
        self.own.compare_and_set(plugin, key, expected, new, ttl).await
    }
}

#[async_trait]
impl<R: Reader> HookRunStore for ReadOnlyAccounts<R> {
    async fn append(&self, runs: Vec<HookRun>) -> Result<(), StoreError> {
        self.own.append(runs).await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError> {
        self.own.runs(filter).await
    }

    async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError> {
        self.own.run(id).await
    }

    async fn counters(&self) -> Result<Vec<HookCounter>, StoreError> {
        self.own.counters().await
    }
}

#[async_trait]
impl<R: Reader> AuditStore for ReadOnlyAccounts<R> {
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        self.own.append_audit(records).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<StoredAudit>, StoreError> {
        self.own.audit(query).await
    }
}
