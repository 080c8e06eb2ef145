//! Merges two changes of one account that were made at the same time: the result has both.

use serde_json::{Map, Value};

/// `theirs` with the changes from `base` to `mine`. Where both changed one value, `mine` wins; lists and
/// objects are merged part by part.
pub fn merged(base: &Map<String, Value>, mine: &Map<String, Value>, theirs: &Map<String, Value>) -> Map<String, Value> {
    let mut result = Map::new();
    for name in theirs.keys().chain(mine.keys().filter(|name| !theirs.contains_key(*name))) {
        if let Some(value) = merged_value(base.get(name), mine.get(name), theirs.get(name)) {
            result.insert(name.clone(), value);
        }
    }
    result
}

fn merged_value(base: Option<&Value>, mine: Option<&Value>, theirs: Option<&Value>) -> Option<Value> {
    if mine == base {
        return theirs.cloned();
    }
    if theirs == base {
        return mine.cloned();
    }
    match (base, mine, theirs) {
        (base, Some(Value::Object(mine)), Some(Value::Object(theirs))) => {
            let nothing = Map::new();
            let base = base.and_then(Value::as_object).unwrap_or(&nothing);
            Some(Value::Object(merged(base, mine, theirs)))
        }
        (base, Some(Value::Array(mine)), Some(Value::Array(theirs))) => {
            let base = base.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            Some(Value::Array(merged_list(base, mine, theirs)))
        }
        (_, mine, _) => mine.cloned(),
    }
}

fn merged_list(base: &[Value], mine: &[Value], theirs: &[Value]) -> Vec<Value> {
    let was_removed = |item: &&Value| base.contains(item) && !mine.contains(item);
    let was_added = |item: &&Value| !base.contains(item) && !theirs.contains(item);
    let kept = theirs.iter().filter(|item| !was_removed(item));
    kept.chain(mine.iter().filter(was_added)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, mine: &str, theirs: &str, expected: &str) {
        let map = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let result = merged(&map(base), &map(mine), &map(theirs));
        assert_eq!(result, map(expected), "{base} {mine} {theirs}");
    }

    #[test]
    fn what_either_changed_is_there() {
        // A9-06
        check(r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#, r#"{"a":1,"b":2}"#, r#"{"a":2,"b":2}"#);
        check(r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, r#"{"a":2}"#);
        check(r#"{"a":1}"#, r#"{"a":1,"b":1}"#, r#"{"a":1,"c":1}"#, r#"{"a":1,"b":1,"c":1}"#);
        check(r#"{"a":1,"b":1}"#, r#"{"b":1}"#, r#"{"a":1,"b":2}"#, r#"{"b":2}"#);
        check(r#"{"a":1,"b":1}"#, r#"{"a":1,"b":2}"#, r#"{"b":1}"#, r#"{"b":2}"#);
        check(r#"{}"#, r#"{}"#, r#"{}"#, r#"{}"#);
    }

    #[test]
    fn parts_of_lists_and_objects_count() {
        // A9-06
        check(r#"{"k":["a"]}"#, r#"{"k":["a","b"]}"#, r#"{"k":["a","c"]}"#, r#"{"k":["a","c","b"]}"#);
        check(r#"{"k":["a","b"]}"#, r#"{"k":["b"]}"#, r#"{"k":["a","b","c"]}"#, r#"{"k":["b","c"]}"#);
        check(r#"{"k":["a"]}"#, r#"{"k":["b"]}"#, r#"{"k":["a","b"]}"#, r#"{"k":["b"]}"#);
        let (mine, theirs) = (r#"{"f":{"a":["x"],"b":1}}"#, r#"{"f":{"c":2}}"#);
        check(r#"{"f":{}}"#, mine, theirs, r#"{"f":{"a":["x"],"b":1,"c":2}}"#);
        check("{}", r#"{"f":{"a":1}}"#, r#"{"f":{"b":1}}"#, r#"{"f":{"a":1,"b":1}}"#);
        let permissions = r#"{"p":{"/":["*"]}}"#;
        let (mine, theirs) = (r#"{"p":{"/":["list"]}}"#, r#"{"p":{"/":["*"],"/in":["upload"]}}"#);
        check(permissions, mine, theirs, r#"{"p":{"/":["list"],"/in":["upload"]}}"#);
    }
}
