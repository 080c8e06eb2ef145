//! What differs between two documents, field by field.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A field with its values, which are empty where it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub path: String,
    pub before: String,
    pub after: String,
}

/// The fields that differ, in the order of their names, objects field by field.
pub fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found
}

/// The document that has the changes from `base` to `mine`, made to `theirs`.
pub fn changes_on(
    base: &Map<String, Value>,
    mine: &Map<String, Value>,
    theirs: &Map<String, Value>,
) -> Map<String, Value> {
    let mut merged = theirs.clone();
    let names: BTreeSet<_> = base.keys().chain(mine.keys()).collect();
    for name in names {
        let (before, after) = (base.get(name), mine.get(name));
        if before == after {
            continue;
        }
        match (before, after, theirs.get(name)) {
            (Some(Value::Object(before)), Some(Value::Object(after)), Some(Value::Object(theirs))) => {
                merged.insert(name.clone(), Value::Object(changes_on(before, after, theirs)));
            }
            (_, Some(after), _) => {
                merged.insert(name.clone(), after.clone());
            }
            (_, None, _) => {
                merged.remove(name);
            }
        }
    }
    merged
}

/// The fields of a document that say something, as names with texts.
pub fn flat(document: &Map<String, Value>) -> Vec<(String, String)> {
    let all = differences(&Map::new(), document).into_iter();
    all.filter(|field| !["0", "false"].contains(&field.after.as_str())).map(|field| (field.path, field.after)).collect()
}

fn compare(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Vec<Difference>) {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let empty = Map::new();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => compare(&path, old, new, found),
            (None | Some(Value::Null), Some(Value::Object(new))) => compare(&path, &empty, new, found),
            (Some(Value::Object(old)), None | Some(Value::Null)) => compare(&path, old, &empty, found),
            (old, new) => {
                let (before, after) = (text(old), text(new));
                if before != after {
                    found.push(Difference { path, before, after });
                }
            }
        }
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn fields_are_compared_one_by_one() {
        let before = map(json!({"a": 1, "b": {"c": [], "d": "x"}, "e": ["1", "2"], "g": null}));
        let after = map(json!({"a": 1, "b": {"d": "y"}, "e": ["1"], "f": {"h": true}}));
        let found: Vec<_> = differences(&before, &after)
            .into_iter()
            .map(|field| format!("{}: {} -> {}", field.path, field.before, field.after))
            .collect();
        assert_eq!(found, ["b.d: x -> y", "e: 1\n2 -> 1", "f.h:  -> true"]);
    }

    #[test]
    fn changes_are_made_to_what_another_one_has_saved() {
        let base = map(json!({"a": 1, "b": {"c": 1, "d": 1}, "e": 1}));
        let mine = map(json!({"a": 2, "b": {"c": 2, "d": 1}}));
        let theirs = map(json!({"a": 3, "b": {"c": 1, "d": 3}, "e": 1, "f": 3}));
        assert_eq!(Value::Object(changes_on(&base, &mine, &theirs)), json!({"a": 2, "b": {"c": 2, "d": 3}, "f": 3}));
    }
}
