//! What accounts are listed by: the roles and groups that they refer to, which have a table, and their status.

use serde_json::{Map, Value};
use tidegate_core::ports::{AccountFilter, AccountReference, PageRequest, account_references, is_found_by_references};

use super::text::end_of;
use super::{Cell, Dialect, placeholders};

/// The table, as statements have it before they are rendered.
pub const TABLE: &str = "{account_references}";
/// The most rows that one statement adds.
pub const ROWS_AT_ONCE: usize = 500;
/// The accounts that are read at once to fill the table.
pub const ACCOUNTS_AT_ONCE: usize = 1_000;

/// What databases write differently in statements about lists of accounts.
#[derive(Debug, Clone, Copy)]
pub struct ListWording {
    /// A join that begins with the table before it: the few accounts of a role are found without a look at all.
    pub join: &'static str,
    /// The function that gives where a text begins in another, from 1 on; 0: nowhere.
    pub position: &'static str,
}

/// A row of the table.
pub type Reference = [Cell; 3];

/// The rows of an account.
pub fn rows_of(name: &str, document: &Map<String, Value>) -> Vec<Reference> {
    if !is_found_by_references(name) {
        return Vec::new();
    }
    let row = |AccountReference { kind, name: to }: AccountReference<'_>| {
        [Cell::from(kind), Cell::from(to), Cell::from(name)]
    };
    account_references(document).into_iter().map(row).collect()
}

/// The rows of a stored account. `other`: the fields that have no column.
pub fn rows_of_stored(name: Cell, other: Cell) -> Vec<Reference> {
    let (Cell::Text(name), Cell::Text(other)) = (name, other) else { return Vec::new() };
    // An account whose fields cannot be read refers to nothing.
    let document: Map<String, Value> = serde_json::from_str(&other).unwrap_or_default();
    rows_of(&name, &document)
}

/// Adds this number of rows to the table.
pub fn insert(table: &str, rows: usize) -> String {
    format!("INSERT INTO {table} (kind, name, account) VALUES {}", placeholders(rows, 3))
}

/// The statements, rendered and with their values, that add the rows to the table but for those that it has already.
pub fn additions(dialect: &dyn Dialect, rows: &[Reference]) -> impl Iterator<Item = (String, Vec<Cell>)> {
    rows.chunks(ROWS_AT_ONCE).map(move |some| {
        let insert = dialect.leaving_out_existing(&insert(TABLE, some.len()), "account");
        (dialect.render(&insert), some.iter().flatten().cloned().collect())
    })
}

/// Reads the rows of this number of accounts; those of one in the order of [`rows_of`].
pub fn select(table: &str, accounts: usize) -> String {
    let wanted = placeholders(1, accounts);
    format!("SELECT kind, name, account FROM {table} WHERE account IN {wanted} ORDER BY account, kind, name")
}

/// Deletes the rows of this number of accounts.
pub fn delete(table: &str, accounts: usize) -> String {
    format!("DELETE FROM {table} WHERE account IN {}", placeholders(1, accounts))
}

/// Where the accounts of a page are read, and the condition with its order and its cells. `users`, `references`: the
/// tables.
pub fn page(
    users: &str,
    references: &str,
    wording: ListWording,
    filter: &AccountFilter,
    page: &PageRequest,
) -> (String, String, Vec<Cell>) {
    let wanted = filter.references();
    let (mut wanted, mut cells, mut conditions) = (wanted.iter(), Vec::new(), Vec::new());
    let (mut from, mut name) = (users.to_owned(), "username");
    if let Some(first) = wanted.next() {
        from = format!("{references} AS held {} {users} ON username = held.account", wording.join);
        name = "held.account";
        conditions.push("held.kind = ? AND held.name = ?".to_owned());
        cells.extend([Cell::from(first.kind), Cell::from(first.name)]);
    }
    let prefix = page.prefix.as_deref().unwrap_or_default();
    let after = page.after.as_deref().filter(|after| *after >= prefix);
    let (comparison, begin) = after.map_or((">=", prefix), |after| (">", after));
    conditions.push(format!("{name} {comparison} ?"));
    cells.push(begin.into());
    if let Some(end) = end_of(prefix) {
        conditions.push(format!("{name} < ?"));
        cells.push(end.into());
    }
    for further in wanted {
        conditions.push(format!(
            "EXISTS (SELECT 1 FROM {references} AS further \
             WHERE further.kind = ? AND further.name = ? AND further.account = {name})"
        ));
        cells.extend([Cell::from(further.kind), Cell::from(further.name)]);
    }
    if let Some(status) = filter.status() {
        conditions.push("status = ?".to_owned());
        cells.push(status.into());
    }
    if let Some(text) = filter.contains.as_deref().filter(|text| !text.is_empty()) {
        conditions.push(format!("{}({name}, ?) > 0", wording.position));
        cells.push(text.into());
    }
    (from, format!("{} ORDER BY {name}", conditions.join(" AND ")), cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_one_statement() {
        let wording = ListWording { join: "JOIN", position: "instr" };
        let check = |filter: AccountFilter, after: Option<&str>, from: &str, condition: &str, cells: &[Cell]| {
            let request = PageRequest { after: after.map(str::to_owned), prefix: None, limit: 7 };
            let expected = (from.to_owned(), condition.to_owned(), cells.to_vec());
            assert_eq!(page("u", "r", wording, &filter, &request), expected);
        };
        let text = |text: &str| Some(text.to_owned());
        let none = AccountFilter::default;
        check(none(), None, "u", "username >= ? ORDER BY username", &["".into()]);
        check(
            AccountFilter { enabled: Some(false), contains: text("x"), ..none() },
            Some("b"),
            "u",
            "username > ? AND status = ? AND instr(username, ?) > 0 ORDER BY username",
            &["b".into(), Cell::Integer(0), "x".into()],
        );
        check(
            AccountFilter { role: text("s"), group: text("g"), ..none() },
            None,
            "r AS held JOIN u ON username = held.account",
            "held.kind = ? AND held.name = ? AND held.account >= ? AND EXISTS (SELECT 1 FROM r AS further \
             WHERE further.kind = ? AND further.name = ? AND further.account = held.account) ORDER BY held.account",
            &["role".into(), "s".into(), "".into(), "group".into(), "g".into()],
        );
    }

    #[test]
    fn rows_are_those_of_valid_names() {
        let stored = |name: &str, other: &str| rows_of_stored(name.into(), other.into());
        let row = |kind: &str, name: &str| [Cell::from(kind), Cell::from(name), Cell::from("alice")];
        let expected = [row("group", "g"), row("role", "r")];
        assert_eq!(stored("alice", r#"{"role":"r","groups":[{"name":"g"},{"name":"g"}]}"#), expected);
        for (name, other) in [("alice", "{"), ("alice", "[]"), ("alice", ""), (&*"x".repeat(1021), r#"{"role":"r"}"#)] {
            assert!(stored(name, other).is_empty(), "{name} {other}");
        }
        assert!(rows_of_stored("alice".into(), Cell::Null).is_empty());
        assert!(rows_of_stored(Cell::Integer(7), "{}".into()).is_empty());
    }
}
