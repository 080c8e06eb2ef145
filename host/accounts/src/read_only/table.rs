//! The rows of the table or view, as account documents.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tidegate_core::account::ObjectKind;
use tidegate_core::account::fields::{ACCOUNT, Maintainer};
use tidegate_core::ports::{PageRequest, StoreError, StoredDocument, USERS};

use super::Reader;
use crate::sql::documents::{self, NAME, OTHER, text_of};
use crate::sql::{Cell, Patience, Row, placeholders};

/// The columns without which there is no account.
const NEEDED: [&str; 5] = ["id", "username", "status", "home_dir", "permissions"];
/// The most names that one statement asks for.
const NAMES_AT_ONCE: usize = 1_000;
/// The accounts that are searched at once.
const PAGE: u32 = 500;

/// A table or view of accounts. What it has no column for is empty.
pub struct AccountTable<R: Reader> {
    reader: R,
    /// The columns in which rows are read, NULL for those that are not there.
    columns: String,
    /// Those of them that are there.
    has: Vec<String>,
}

impl<R: Reader> AccountTable<R> {
    /// Looks at the table, and whether it may be read.
    ///
    /// # Errors
    /// `Refused` if it lacks what accounts need; otherwise the database cannot be asked.
    pub async fn open(reader: R) -> Result<Self, StoreError> {
        let mut has = reader.columns().await?;
        let columns = columns(&has, &reader.place())?;
        let unread = unread(&has);
        if !unread.is_empty() {
            let (place, unread) = (reader.place(), unread.join(", "));
            let message = format!(
                "{place} has columns that are not read, and have no effect on its accounts: {unread}; a field of an account \
                 that is among them belongs into the column other"
            );
            tracing::warn!(sender = "data_provider", message);
        }
        has.retain(|found| documents::columns(&USERS).split(", ").any(|column| column == found));
        let table = Self { reader, columns, has };
        table.find("").await?;
        Ok(table)
    }

    /// The same table through another reader.
    pub fn through<Other: Reader>(self, reader: Other) -> AccountTable<Other> {
        AccountTable { reader, columns: self.columns, has: self.has }
    }

    /// Whether the database answers.
    pub async fn answers(&self) -> Result<(), StoreError> {
        self.reader.query(Patience::Short, "SELECT 1", Vec::new()).await.map(drop)
    }

    /// The account of this name, byte by byte, however the column compares.
    pub async fn find(&self, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        let rows = self.select(Patience::Short, "username = ?", vec![name.into()]).await?;
        let mut found = rows.into_iter().filter(|stored| stored.name == name);
        let Some(mut account) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            let place = self.reader.place();
            account.problem = Some(format!("there are several rows of this name in {place}"));
        }
        Ok(Some(account))
    }

    /// The accounts of these names, in their order.
    pub async fn find_all(&self, names: &[String]) -> Result<Vec<StoredDocument>, StoreError> {
        let mut found = HashMap::new();
        for some in names.chunks(NAMES_AT_ONCE) {
            let condition = format!("username IN {}", placeholders(1, some.len()));
            let values = some.iter().map(|name| Cell::from(name.as_str())).collect();
            for stored in self.select(Patience::Short, &condition, values).await? {
                found.insert(stored.name.clone(), stored);
            }
        }
        Ok(names.iter().filter_map(|name| found.get(name).cloned()).collect())
    }

    /// A page of accounts, ordered by the bytes of their names.
    pub async fn list(&self, page: &PageRequest) -> Result<Vec<StoredDocument>, StoreError> {
        let (condition, values) = documents::page(&self.reader.by_bytes("username"), page);
        self.select(Patience::Long, &condition, values).await
    }

    /// The names, and the texts of one field.
    pub async fn texts(&self, field: &str) -> Result<Vec<(String, String)>, StoreError> {
        let field = if self.has.iter().any(|column| column == field) { field } else { "NULL" };
        let sql = format!("SELECT username, {field} FROM {{users}}");
        let rows = self.reader.query(Patience::Long, &sql, Vec::new()).await?;
        let text = |cell: Cell| cell.into_json().and_then(text_of).unwrap_or_default();
        Ok(rows.into_iter().map(|mut row| (text(row.take(0)), text(row.take(1)))).collect())
    }

    /// Whether an account refers to the object of that name.
    pub async fn refers_to(&self, kind: ObjectKind, name: &str) -> Result<bool, StoreError> {
        let mut request = PageRequest { after: None, prefix: None, limit: PAGE };
        loop {
            let page = self.list(&request).await?;
            let Some(last) = page.last() else { return Ok(false) };
            if page.iter().any(|stored| kind.is_referred_to(&stored.document, name)) {
                return Ok(true);
            }
            request.after = Some(last.name.clone());
        }
    }

    async fn select(
        &self,
        patience: Patience,
        condition: &str,
        values: Vec<Cell>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let sql = format!("SELECT {} FROM {{users}} WHERE {condition}", self.columns);
        let rows = self.reader.query(patience, &sql, values).await?;
        Ok(rows.into_iter().map(|row| read(row, &self.has)).collect())
    }
}

/// `has`: the columns of an account that there are.
fn read(mut row: Row, has: &[String]) -> StoredDocument {
    let has_id = matches!(row.0.first(), Some(Cell::Integer(1..)));
    let has_name = matches!(row.0.get(NAME), Some(Cell::Text(_)));
    let doubled = row.0.get(OTHER).and_then(|other| field_with_column(other, has));
    if let (Some(_), Some(other)) = (&doubled, row.0.get_mut(OTHER)) {
        *other = Cell::Null;
    }
    let mut stored = documents::read(&USERS, row);
    if !has_id && has_name {
        stored.problem = Some("column id: it is no whole number above 0".to_owned());
    } else if let Some(field) = doubled {
        stored.problem =
            Some(format!("column other: it has {field}, for which there is a column; remove it from other"));
    }
    stored
}

/// A field in the column `other` that would take the place of a column.
fn field_with_column(other: &Cell, has: &[String]) -> Option<String> {
    let fields = match other {
        Cell::Text(text) => serde_json::from_str::<Map<String, Value>>(text),
        Cell::Bytes(bytes) => serde_json::from_slice(bytes),
        Cell::Null | Cell::Integer(_) | Cell::Real(_) => return None,
    };
    let mut fields = fields.ok()?.into_iter().map(|(field, _)| field);
    fields.find(|field| has.iter().any(|column| column.eq_ignore_ascii_case(field)))
}

/// The columns that are not read, but for those that a server that counts would have.
fn unread(has: &[String]) -> Vec<&str> {
    let is_read = |column: &str| documents::columns(&USERS).split(", ").any(|known| known == column);
    let is_counted =
        |column: &str| ACCOUNT.iter().any(|field| field.name == column && field.maintainer == Maintainer::Server);
    has.iter().map(String::as_str).filter(|column| !is_read(column) && !is_counted(column)).collect()
}

/// The columns in which rows are read, from those that there are.
fn columns(has: &[String], place: &str) -> Result<String, StoreError> {
    if has.is_empty() {
        return Err(StoreError::Refused(format!(
            "there is no {place}, or it may not be read; correct data_provider.users_table, or grant SELECT on it"
        )));
    }
    let is_there = |column: &str| has.iter().any(|found| found == column);
    let missing: Vec<&str> = NEEDED.into_iter().filter(|column| !is_there(column)).collect();
    if !missing.is_empty() {
        return Err(StoreError::Refused(format!(
            "{place} cannot be used for accounts: it lacks the columns {}; make a view that has them",
            missing.join(", ")
        )));
    }
    let wanted = documents::columns(&USERS);
    let columns = wanted.split(", ").map(|column| if is_there(column) { column } else { "NULL" });
    Ok(columns.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_effect_are_found() {
        // A8-17
        let check = |has: &[&str], expected: &[&str]| {
            let has: Vec<String> = has.iter().map(|column| (*column).to_owned()).collect();
            assert_eq!(unread(&has), expected, "{has:?}");
        };
        check(&NEEDED, &[]);
        check(&["id", "username", "filters", "other", "used_quota_size", "last_login", "created_at"], &[]);
        check(
            &["username", "groups", "deleted_at", "total_data_transfer"],
            &["groups", "deleted_at", "total_data_transfer"],
        );
    }
}
