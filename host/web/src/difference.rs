//! What differs between two documents, field by field.

use std::collections::{BTreeMap, BTreeSet};

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

/// The document that has the changes from `base` to `mine`, made to `theirs`. Of a list, the entries that were added,
/// changed or taken away are.
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
        match after.map(|after| changed(before, after, theirs.get(name))) {
            Some(value) => merged.insert(name.clone(), value),
            None => merged.remove(name),
        };
    }
    merged
}

/// The value that has the change from `before` to `after`, made to `theirs`.
fn changed(before: Option<&Value>, after: &Value, theirs: Option<&Value>) -> Value {
    let before = before.filter(|before| !before.is_null());
    match (before, after, theirs) {
        (None, Value::Object(after), Some(Value::Object(theirs))) => {
            Value::Object(changes_on(&Map::new(), after, theirs))
        }
        (Some(Value::Object(before)), Value::Object(after), Some(Value::Object(theirs))) => {
            Value::Object(changes_on(before, after, theirs))
        }
        (None, Value::Array(after), Some(Value::Array(theirs))) => Value::Array(entries_on(&[], after, theirs)),
        (Some(Value::Array(before)), Value::Array(after), Some(Value::Array(theirs))) => {
            Value::Array(entries_on(before, after, theirs))
        }
        _ => after.clone(),
    }
}

/// The list that has the changes from `base` to `mine`, made to `theirs`. Its order is theirs, unless mine was changed:
/// some lists are asked from their beginning.
fn entries_on(base: &[Value], mine: &[Value], theirs: &[Value]) -> Vec<Value> {
    let (of_base, of_mine, of_theirs) = (by_identity(base), by_identity(mine), by_identity(theirs));
    let common = |list: &[Value], other: &BTreeMap<String, &Value>| -> Vec<String> {
        list.iter().map(identity).filter(|entry| other.contains_key(entry)).collect()
    };
    let order = match common(base, &of_mine) == common(mine, &of_base) {
        true => both(theirs, mine),
        false => both(mine, theirs),
    };
    let entry = |entry: &String| {
        let (before, after, theirs) = (of_base.get(entry), of_mine.get(entry), of_theirs.get(entry));
        match (before, after, theirs) {
            (_, Some(after), _) if before == Some(after) => theirs.map(|theirs| (*theirs).clone()),
            // Another folder at the same path has nothing in common with theirs, which it takes the place of.
            (_, Some(after), Some(theirs)) if after.get("name") != theirs.get("name") => Some((*after).clone()),
            (_, Some(after), _) => Some(changed(before.copied(), after, theirs.copied())),
            (None, None, Some(theirs)) => Some((*theirs).clone()),
            (_, None, _) => None,
        }
    };
    order.iter().filter_map(entry).collect()
}

/// What tells an entry of a list from the others: what an object is about, else all of it.
fn identity(entry: &Value) -> String {
    let about = ["virtual_path", "path", "name"].into_iter().find_map(|field| entry.get(field));
    about.unwrap_or(entry).to_string()
}

fn by_identity(entries: &[Value]) -> BTreeMap<String, &Value> {
    entries.iter().map(|entry| (identity(entry), entry)).collect()
}

/// The entries of both lists, each once: those that only the second has follow what they follow there.
fn both(first: &[Value], second: &[Value]) -> Vec<String> {
    let of_first: BTreeSet<_> = first.iter().map(identity).collect();
    let (mut placed, mut last) = (BTreeSet::new(), None);
    let mut following: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    for entry in second.iter().map(identity) {
        if of_first.contains(&entry) {
            last = Some(entry);
        } else if placed.insert(entry.clone()) {
            following.entry(last.clone()).or_default().push(entry);
        }
    }
    let mut order = following.remove(&None::<String>).unwrap_or_default();
    for entry in first.iter().map(identity) {
        let after = following.remove(&Some(entry.clone())).unwrap_or_default();
        if placed.insert(entry.clone()) {
            order.push(entry);
        }
        order.extend(after);
    }
    order
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

    #[test]
    fn entries_of_lists_that_another_one_has_added_stay() {
        let check = |base: Value, mine: Value, theirs: Value, expected: Value| {
            let list = |value: &Value| map(json!({"list": value}));
            let merged = changes_on(&list(&base), &list(&mine), &list(&theirs));
            assert_eq!(Value::Object(merged), json!({"list": expected}), "{base} {mine} {theirs}");
        };
        check(json!(["a"]), json!(["a", "m"]), json!(["a", "t"]), json!(["a", "m", "t"]));
        check(json!(["a"]), json!(["m", "a"]), json!(["a", "t"]), json!(["m", "a", "t"]));
        check(json!([]), json!(["m", "x"]), json!(["t", "x"]), json!(["m", "t", "x"]));
        check(json!(null), json!(["m"]), json!(["t"]), json!(["m", "t"]));
        check(json!(["a", "b", "c"]), json!(["b", "c"]), json!(["a", "b"]), json!(["b"]));
        check(json!(["a", "b"]), json!([]), json!(["a", "b", "t"]), json!(["t"]));
        check(json!(["a", "b"]), json!(["b", "a"]), json!(["a", "b", "t"]), json!(["b", "t", "a"]));
        check(json!(["a"]), json!(["b"]), json!("text"), json!(["b"]));
        // Folders and groups are matched by what they are about, and changed member by member.
        let folder = |path: &str, size: i64, files: i64| json!({"virtual_path": path, "name": "f", "quota_size": size, "quota_files": files});
        check(
            json!([folder("/a", 1, 1)]),
            json!([folder("/a", 2, 1), folder("/m", 1, 1)]),
            json!([folder("/a", 1, 3), folder("/t", 1, 1)]),
            json!([folder("/a", 2, 3), folder("/m", 1, 1), folder("/t", 1, 1)]),
        );
        check(json!([folder("/a", 1, 1)]), json!([folder("/a", 2, 1)]), json!([]), json!([folder("/a", 2, 1)]));
        check(
            json!([{"name": "g", "type": 1}]),
            json!([{"name": "g", "type": 1}, {"name": "m", "type": 2}]),
            json!([{"name": "g", "type": 2}]),
            json!([{"name": "g", "type": 2}, {"name": "m", "type": 2}]),
        );
        // Another folder at the same path is another entry, of which no member is mixed into mine.
        let other = |name: &str| json!({"virtual_path": "/a", "name": name, "mapped_path": format!("/srv/{name}")});
        let new = json!({"virtual_path": "/a", "name": "m", "quota_size": 1});
        check(json!([]), json!([new]), json!([other("t")]), json!([new]));
        check(
            json!([]),
            json!([new]),
            json!([other("m")]),
            json!([{"virtual_path": "/a", "name": "m", "quota_size": 1, "mapped_path": "/srv/m"}]),
        );
        check(json!([other("b")]), json!([new]), json!([folder("/a", 1, 1)]), json!([new]));
        check(
            json!([folder("/a", 1, 1)]),
            json!([folder("/a", 2, 1)]),
            json!([other("t")]),
            json!([folder("/a", 2, 1)]),
        );
        check(json!([other("b")]), json!([other("b")]), json!([other("t")]), json!([other("t")]));
        // An entry without a name is another one as soon as it is changed.
        check(
            json!([{"sources": ["10.0.0.0/8"], "upload": 1}]),
            json!([{"sources": ["10.0.0.0/8"], "upload": 2}]),
            json!([{"sources": ["10.0.0.0/8"], "upload": 1}, {"sources": ["::/0"], "upload": 3}]),
            json!([{"sources": ["10.0.0.0/8"], "upload": 2}, {"sources": ["::/0"], "upload": 3}]),
        );
    }

    #[test]
    fn members_that_both_have_added_are_kept() {
        let merged = changes_on(
            &map(json!({"a": null})),
            &map(json!({"a": {"mine": 1, "b": 1}})),
            &map(json!({"a": {"theirs": 1, "b": 2}})),
        );
        assert_eq!(Value::Object(merged), json!({"a": {"mine": 1, "theirs": 1, "b": 1}}));
    }
}
