//! Which batches of usages were added. The answer to a commit may be an error although the file has it, and work goes on
//! when its caller has left; then the batch comes again.

use redb::{ReadableTable, WriteTransaction};
use tidegate_core::ports::{AddedBatches, BatchName};

use super::failure::Failure;
use super::tables::BATCHES;

/// Notes a batch in the transaction that adds it. False: it was added before.
pub fn begin(transaction: &WriteTransaction, batch: Option<&BatchName>) -> Result<bool, Failure> {
    let Some(BatchName { writer, number }) = batch else { return Ok(true) };
    let mut batches = transaction.open_table(BATCHES)?;
    let before = batches.get(writer.as_bytes())?.map(|row| row.value());
    let before = before.map(|(first, last)| AddedBatches { first, last });
    let Some(now) = AddedBatches::with(before, *number) else { return Ok(false) };
    batches.insert(writer.as_bytes(), (now.first, now.last))?;
    Ok(true)
}
