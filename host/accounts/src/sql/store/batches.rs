//! Which batches of usages were added. A commit without an answer may have been made; the writer then sends its batch
//! again, and the row that the transaction has left says so.

use tidegate_core::ports::BatchName;

use crate::sql::text::end_of;
use crate::sql::{Cell, Failure, Transaction};

/// Notes a batch in the transaction that adds it. False: it was added before.
pub async fn begin(transaction: &mut dyn Transaction, batch: Option<BatchName>) -> Result<bool, Failure> {
    let Some(BatchName { writer, number }) = batch else { return Ok(true) };
    let (before, now) = (row(&writer, number.saturating_sub(1)), row(&writer, number));
    let follow = "UPDATE {locks} SET name = ? WHERE name = ?";
    if transaction.execute(follow, vec![now.clone(), before]).await? > 0 {
        return Ok(true);
    }
    // The first batch of a process, or one that comes again.
    let find = "SELECT name FROM {locks} WHERE name = ?";
    if !transaction.query(find, vec![now.clone()]).await?.is_empty() {
        return Ok(false);
    }
    transaction.execute("INSERT INTO {locks} (name) VALUES (?)", vec![now.clone()]).await?;
    let begin = prefix(&writer);
    let end = end_of(&begin).unwrap_or_default();
    let forget = "DELETE FROM {locks} WHERE name > ? AND name < ? AND name <> ?";
    transaction.execute(forget, vec![begin.into(), end.into(), now]).await?;
    Ok(true)
}

fn prefix(writer: &str) -> String {
    format!("batch of {writer}: ")
}

fn row(writer: &str, number: u64) -> Cell {
    format!("{}{number}", prefix(writer)).into()
}
