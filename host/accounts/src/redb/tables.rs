//! The tables of the file. Names and texts are bytes, so that a damaged one is an error of its row and no panic.

use redb::{Key, ReadOnlyTable, ReadTransaction, TableDefinition, TableError, Value};
use tidegate_core::ports::Collection;

use super::failure::Failure;

type Bytes = &'static [u8];

/// The version of the format, under [`VERSION_KEY`].
pub const VERSION: TableDefinition<'_, &str, i64> = TableDefinition::new("tidegate");
pub const VERSION_KEY: &str = "version";
/// The last id of each collection, by its table.
pub const LAST_IDS: TableDefinition<'_, Bytes, i64> = TableDefinition::new("last_ids");
/// Kinds and names of the [keys](tidegate_core::ports::account_keys) of accounts, and the accounts' names.
pub const ACCOUNT_KEYS: TableDefinition<'_, AccountKeyRow, ()> = TableDefinition::new("account_keys");
/// Numbers of changes → kind and name.
pub const CHANGES: TableDefinition<'_, i64, (Bytes, Bytes)> = TableDefinition::new("changes");
/// Ids → records as JSON.
pub const AUDIT: TableDefinition<'_, i64, Bytes> = TableDefinition::new("audit");
/// Noun and name of scopes with a usage in change → the server that changes it.
pub const MARKS: TableDefinition<'_, (Bytes, Bytes), Bytes> = TableDefinition::new("unsettled_usages");
/// Writers of batches of usages → the numbers of the first and of the last batch of the writer's process that were added.
pub const BATCHES: TableDefinition<'_, Bytes, (u64, u64)> = TableDefinition::new("usage_batches");
/// Plugins and keys → when the value expires ([`i64::MAX`]: never), and the value.
pub const VALUES: TableDefinition<'_, (Bytes, Bytes), (i64, Bytes)> = TableDefinition::new("plugin_values");
/// Plugins and keys → when the value was stored last. Values of earlier versions have none.
pub const VALUE_TIMES: TableDefinition<'_, (Bytes, Bytes), i64> = TableDefinition::new("plugin_value_times");
/// Plugins → how many keys they have, and how many bytes in all values.
pub const SPACES: TableDefinition<'_, Bytes, (u64, u64)> = TableDefinition::new("plugin_spaces");
/// Numbers of the first records of batches → the number of records, and the records as JSON.
pub const RUNS: TableDefinition<'_, i64, (i64, Bytes)> = TableDefinition::new("hook_run_batches");
/// Kind, hook, version and outcome → whether it is a failure, calls, total and longest time, time of
/// computation, largest memory, and the histogram as JSON.
pub const COUNTERS: TableDefinition<'_, CounterKey, Counter> = TableDefinition::new("hook_counters");

pub type AccountKeyRow = (Bytes, Bytes, Bytes);
pub type CounterKey = (Bytes, Bytes, Bytes, Bytes);
pub type Counter = (u8, i64, i64, i64, i64, i64, Bytes);

/// Id, revision, the maintained fields as a JSON object (empty: all are 0), and the document as JSON.
pub type Row = (i64, i64, Bytes, Bytes);

/// The documents of a collection, by name.
pub fn documents(collection: &'static Collection) -> TableDefinition<'static, Bytes, Row> {
    TableDefinition::new(collection.table)
}

/// `None`: there is no such table yet.
pub fn opened<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, Failure> {
    match transaction.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
