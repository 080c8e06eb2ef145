//! Which batches of usages were added. Work goes on when its caller has left, and then the batch comes again.

use rusqlite::{Connection, OptionalExtension, params};
use tidegate_core::ports::{AddedBatches, BatchName, StoreError};

use super::classify;

/// Notes a batch in the transaction that adds it. False: it was added before.
pub fn begin(transaction: &Connection, batch: Option<&BatchName>) -> Result<bool, StoreError> {
    let Some(BatchName { writer, number }) = batch else { return Ok(true) };
    let find = "SELECT first_number, last_number FROM usage_batches WHERE writer = ?1";
    let mut find = transaction.prepare_cached(find).map_err(classify)?;
    let numbers = find.query_row([writer], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let before = numbers.optional().map_err(classify)?;
    let before = before.map(|(first, last)| AddedBatches { first: first.cast_unsigned(), last: last.cast_unsigned() });
    let Some(now) = AddedBatches::with(before, *number) else { return Ok(false) };
    let note = "INSERT INTO usage_batches (writer, first_number, last_number) VALUES (?1, ?2, ?3) \
         ON CONFLICT (writer) DO UPDATE SET first_number = ?2, last_number = ?3";
    let mut note = transaction.prepare_cached(note).map_err(classify)?;
    note.execute(params![writer, now.first.cast_signed(), now.last.cast_signed()]).map_err(classify)?;
    Ok(true)
}
