//! Lists of objects in a document, as tables with a row for each entry and a column for each field that one of them has.

use serde_json::{Map, Value};
use tidegate_core::account::fields::{Field, Kind};

use super::show::fact;
use crate::difference::flat;
use crate::fields::within;
use crate::view::{Cell, Table};

/// The column of what the table of fields does not have.
const OTHERS: &str = "other fields";

/// The lists of objects that a document has, each with its path.
pub fn lists(fields: &'static [Field], document: &Map<String, Value>) -> Vec<(String, Table)> {
    let mut found = Vec::new();
    collect(fields, document, "", &mut found);
    found
}

fn collect(fields: &'static [Field], document: &Map<String, Value>, path: &str, found: &mut Vec<(String, Table)>) {
    for field in fields {
        let path = within(path, field.name);
        match (field.kind, document.get(field.name)) {
            (Kind::Object(fields) | Kind::Whole(fields), Some(Value::Object(object))) => {
                collect(fields, object, &path, found);
            }
            (Kind::List(fields), Some(Value::Array(entries))) if !field.is_secret => {
                // What is no object has no fields, and stays the text that it is.
                let objects: Option<Vec<_>> = entries.iter().map(Value::as_object).collect();
                let table = objects.filter(|objects| !objects.is_empty()).map(|objects| table(&path, fields, &objects));
                found.extend(table.map(|table| (path, table)));
            }
            (_, _) => {}
        }
    }
}

fn table(path: &str, fields: &'static [Field], entries: &[&Map<String, Value>]) -> Table {
    let own = |field: &Field, entry: &Map<String, Value>| -> Map<String, Value> {
        entry.get_key_value(field.name).map(|(name, value)| (name.clone(), value.clone())).into_iter().collect()
    };
    let others = |entry: &Map<String, Value>| -> Map<String, Value> {
        let is_other = |name: &str| fields.iter().all(|field| field.name != name);
        let others = entry.iter().filter(|(name, _)| is_other(name));
        others.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let shown: Vec<_> =
        fields.iter().filter(|field| entries.iter().any(|entry| !flat(&own(field, entry)).is_empty())).collect();
    let has_others = entries.iter().any(|entry| !flat(&others(entry)).is_empty());
    let head: Vec<_> = shown.iter().map(|field| field.name).chain(has_others.then_some(OTHERS)).collect();
    let mut table = Table::new(format!("{}-entries", path.replace(['.', '_'], "-")), path, &head, "");
    table.rows = entries
        .iter()
        .map(|entry| {
            let columns = shown.iter().map(|field| cell(field.name, flat(&own(field, entry))));
            columns.chain(has_others.then(|| cell("", flat(&others(entry))))).collect()
        })
        .collect();
    table
}

/// The cell of the column with that name; a value of several fields says each of them.
fn cell(name: &str, mut said: Vec<(String, String)>) -> Cell {
    match said.pop() {
        None => Cell::text(""),
        Some((path, text)) if said.is_empty() && path == name && text.contains('\n') => {
            Cell::Lines(text.lines().map(str::to_owned).collect())
        }
        Some((path, text)) if said.is_empty() && path == name => fact(path, text).1,
        Some(last) => {
            said.push(last);
            Cell::Lines(said.into_iter().map(|(path, text)| format!("{path}: {text}")).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_core::account::ObjectKind;
    use tidegate_core::account::fields::ACCOUNT;

    use super::*;

    fn text(cell: &Cell) -> String {
        match cell {
            Cell::Text(text) | Cell::Number(text) => text.clone(),
            Cell::Lines(lines) => lines.join(" | "),
            _ => panic!("a list has texts, numbers and lines"),
        }
    }

    /// `expected`: the path of each table, with its rows, the first of which is its head.
    fn check(fields: &'static [Field], document: Value, expected: &[(&str, &[&[&str]])]) {
        let Value::Object(document) = document else { panic!("{document} is no object") };
        let found: Vec<(String, Vec<Vec<String>>)> = lists(fields, &document)
            .into_iter()
            .map(|(path, table)| {
                let head: Vec<String> = table.head.iter().map(ToString::to_string).collect();
                let rows = table.rows.iter().map(|row| row.iter().map(text).collect());
                (path, std::iter::once(head).chain(rows).collect())
            })
            .collect();
        let owned = |row: &&[&str]| -> Vec<String> { row.iter().map(ToString::to_string).collect() };
        let expected: Vec<(String, Vec<Vec<String>>)> =
            expected.iter().map(|(path, rows)| ((*path).to_owned(), rows.iter().map(owned).collect())).collect();
        assert_eq!(found, expected, "{document:?}");
    }

    #[test]
    fn lists_of_objects_are_tables() {
        check(ACCOUNT, json!({"username": "a", "public_keys": ["k"]}), &[]);
        check(ACCOUNT, json!({"groups": []}), &[]);
        check(ACCOUNT, json!({"groups": ["text"]}), &[]);
        check(
            ACCOUNT,
            json!({"groups": [{"name": "g", "type": 1}, {"name": "h"}]}),
            &[("groups", &[&["name", "type"], &["g", "1"], &["h", ""]])],
        );
        let patterns = json!([{"path": "/a", "denied_patterns": ["*.exe", "*.com"], "later": "kept"}]);
        let rows: &[&[&str]] = &[&["path", "denied_patterns", OTHERS], &["/a", "*.exe | *.com", "later: kept"]];
        let in_filters: &[(&str, &[&[&str]])] = &[("filters.file_patterns", rows)];
        check(ACCOUNT, json!({"filters": {"file_patterns": patterns}}), in_filters);
        let in_settings: &[(&str, &[&[&str]])] = &[("user_settings.filters.file_patterns", rows)];
        check(
            ObjectKind::Group.fields(),
            json!({"user_settings": {"filters": {"file_patterns": patterns}}}),
            in_settings,
        );
        check(
            ObjectKind::Group.fields(),
            json!({"virtual_folders": [
                {"name": "team", "virtual_path": "/t", "filesystem": {"provider": 1, "s3config": {"bucket": "b"}}},
            ]}),
            &[(
                "virtual_folders",
                &[
                    &["name", "virtual_path", "filesystem"],
                    &["team", "/t", "filesystem.provider: 1 | filesystem.s3config.bucket: b"],
                ],
            )],
        );
    }
}
