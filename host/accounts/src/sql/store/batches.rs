//! Which batches of usages were added. A commit without an answer may have been made; the writer then sends its batch
//! again, and the rows that the transaction has left say so: one for the writer's last batch, and one for the first batch of
//! its process, which earlier releases leave out.

use tidegate_core::ports::{AddedBatches, BatchName};

use crate::sql::text::end_of;
use crate::sql::{Cell, Failure, Transaction};

/// Stands before the number of a process's first batch.
const FIRST: &str = "from ";

/// Notes a batch in the transaction that adds it. False: it was added before.
pub async fn begin(transaction: &mut dyn Transaction, batch: Option<BatchName>) -> Result<bool, Failure> {
    let Some(BatchName { writer, number }) = batch else { return Ok(true) };
    let prefix = format!("batch of {writer}: ");
    let last = |number: u64| Cell::from(format!("{prefix}{number}"));
    let follow = "UPDATE {locks} SET name = ? WHERE name = ?";
    if transaction.execute(follow, vec![last(number), last(number.saturating_sub(1))]).await? > 0 {
        return Ok(true);
    }
    // The first batch of a process, or one that comes again.
    let (begin, end) = (Cell::from(prefix.as_str()), Cell::from(end_of(&prefix).unwrap_or_default()));
    let find = "SELECT name FROM {locks} WHERE name > ? AND name < ?";
    let mut names = Vec::new();
    for mut row in transaction.query(find, vec![begin.clone(), end.clone()]).await? {
        names.push(row.text(0)?);
    }
    let Some(AddedBatches { first, last: now }) = AddedBatches::with(added(&prefix, &names), number) else {
        return Ok(false);
    };
    let kept = [last(now), Cell::from(format!("{prefix}{FIRST}{first}"))];
    for name in &kept {
        transaction.execute("INSERT INTO {locks} (name) VALUES (?)", vec![name.clone()]).await?;
    }
    let forget = "DELETE FROM {locks} WHERE name > ? AND name < ? AND name <> ? AND name <> ?";
    transaction.execute(forget, [begin, end].into_iter().chain(kept).collect()).await?;
    Ok(true)
}

/// What the names of a writer's rows say.
fn added(prefix: &str, names: &[String]) -> Option<AddedBatches> {
    let mut numbers = names.iter().filter_map(|name| name.strip_prefix(prefix));
    let last = numbers.clone().find_map(|number| number.parse().ok())?;
    let first = numbers.find_map(|number| number.strip_prefix(FIRST)?.parse().ok());
    Some(AddedBatches { first: first.unwrap_or(last), last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_was_added() {
        let check = |names: &[&str], expected: Option<(u64, u64)>| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let expected = expected.map(|(first, last)| AddedBatches { first, last });
            assert_eq!(added("batch of w: ", &names), expected, "{names:?}");
        };
        check(&[], None);
        check(&["batch of w: 9", "batch of w: from 7"], Some((7, 9)));
        check(&["batch of w: from 7", "batch of w: 9"], Some((7, 9)));
        // Left by an earlier release.
        check(&["batch of w: 9"], Some((9, 9)));
        check(&["batch of w: from 7"], None);
    }
}
