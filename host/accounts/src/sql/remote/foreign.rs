//! The tables of a database that another program has made: only read, all at once.

use serde_json::{Map, Value};
use tidegate_core::ports::StoreError;

use super::{Connector, DatabaseServerSettings, Driver, Remote, apart};
use crate::sql::{Cell, Database, Patience, TableNames};

/// A table, or a view, of another program.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignTable {
    /// The name as it is stored.
    pub name: String,
    /// The names of the columns, in lower case.
    pub columns: Vec<String>,
    /// Whether it is a view.
    pub is_view: bool,
    /// The number of rows; 0 for a view whose rows are not wanted, since some views cannot be read.
    pub count: usize,
    /// The rows by their columns, in the order of their ids; empty where they are not wanted.
    pub rows: Vec<Map<String, Value>>,
}

/// Reads the tables. `schema`: the SQL for the schema where `settings` name none. `quote`: around names. `is_wanted`:
/// whether the rows of a table are.
pub fn read_foreign<D: Driver>(
    driver: D,
    settings: DatabaseServerSettings,
    schema: &str,
    quote: char,
    is_wanted: impl Fn(&str) -> bool + Sync,
) -> Result<Vec<ForeignTable>, StoreError> {
    let settings = DatabaseServerSettings { only_writable: false, ..settings };
    let names = TableNames { users: String::from("users"), prefix: String::new(), ..settings.tables.clone() };
    let remote = Remote::new(Connector::new(driver, settings))?;
    let reader = Reader { database: &remote, schema, quote, names };
    apart(async {
        let mut tables = Vec::new();
        let views = reader.names("views").await?;
        for name in reader.names("tables").await? {
            let is_view = views.contains(&name);
            tables.push(reader.table(name, is_view, &is_wanted).await?);
        }
        Ok(tables)
    })
}

struct Reader<'a> {
    database: &'a dyn Database,
    schema: &'a str,
    quote: char,
    names: TableNames,
}

impl Reader<'_> {
    /// `list`: that of `information_schema` which is asked.
    async fn names(&self, list: &str) -> Result<Vec<String>, StoreError> {
        let sql = format!(
            "SELECT table_name FROM information_schema.{list} WHERE table_schema = {} ORDER BY table_name",
            self.schema()
        );
        let found = self.texts(&sql, Vec::new()).await?;
        // Other names are none of the program's, and would be read as parts of a statement.
        Ok(found.into_iter().filter(|name| !name.contains(['{', '?', '"', '`'])).collect())
    }

    /// Where the tables are, as SQL; a configured name consists of letters, digits and underscores.
    fn schema(&self) -> String {
        if self.names.schema.is_empty() { self.schema.to_owned() } else { format!("'{}'", self.names.schema) }
    }

    async fn table(
        &self,
        name: String,
        is_view: bool,
        is_wanted: &(impl Fn(&str) -> bool + Sync),
    ) -> Result<ForeignTable, StoreError> {
        let sql = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = {} AND table_name = ? \
             ORDER BY ordinal_position",
            self.schema()
        );
        let stored = self.texts(&sql, vec![name.as_str().into()]).await?;
        let columns: Vec<String> = stored.iter().map(|column| column.to_ascii_lowercase()).collect();
        let place = self.names.quoted(&name, self.quote);
        let (mut count, mut rows) = (0, Vec::new());
        let is_wanted = is_wanted(&name);
        if is_wanted || !is_view {
            let sql = format!("SELECT COUNT(*) FROM {place}");
            let counted = self.database.query(Patience::Long, &sql, Vec::new()).await?;
            count = counted.into_iter().next().map_or(Ok(0), |mut row| row.integer(0))?;
        }
        if is_wanted {
            let quote = self.quote;
            let list: Vec<String> = stored.iter().map(|column| format!("{quote}{column}{quote}")).collect();
            let order = if columns.iter().any(|column| column == "id") { " ORDER BY id" } else { "" };
            let sql = format!("SELECT {} FROM {place}{order}", list.join(", "));
            for mut row in self.database.query(Patience::Long, &sql, Vec::new()).await? {
                let cell = |(index, column): (usize, &String)| {
                    (column.clone(), row.take(index).into_json().unwrap_or(Value::Null))
                };
                rows.push(columns.iter().enumerate().map(cell).collect());
            }
        }
        Ok(ForeignTable { name, columns, is_view, count: usize::try_from(count).unwrap_or_default(), rows })
    }

    async fn texts(&self, sql: &str, values: Vec<Cell>) -> Result<Vec<String>, StoreError> {
        let rows = self.database.query(Patience::Long, sql, values).await?;
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }
}
