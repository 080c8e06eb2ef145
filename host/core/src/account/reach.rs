//! What a document reaches beyond the files of its own account: stored folders, groups, other file systems, and the
//! server's own credentials.

use serde_json::{Map, Value};

use super::filesystem_table::FILESYSTEM;
use super::kept_secrets::keep_of_file_system;
use super::stored::folder_name;

/// How a secret of the server's configuration is named in a file system.
const NAMED_SECRET: &str = "${secret:";
/// The fields of an entry of `virtual_folders` that an account has itself.
const OF_ENTRY: [&str; 3] = ["virtual_path", "quota_size", "quota_files"];

/// The first field of an account's document by which it reaches more than before. `stored`: the account as it is; None:
/// it is new.
pub fn widened(document: &Map<String, Value>, stored: Option<&Map<String, Value>>) -> Option<&'static str> {
    let entries = |of: Option<&Map<String, Value>>, field: &str| -> Vec<Map<String, Value>> {
        let entries = of.and_then(|of| of.get(field)).and_then(Value::as_array).into_iter().flatten();
        entries.map(|entry| entry.as_object().cloned().unwrap_or_default()).collect()
    };
    let adds = |field: &str, is_same: fn(&Map<String, Value>, &Map<String, Value>) -> bool| {
        let before = entries(stored, field);
        entries(Some(document), field).iter().any(|entry| !before.iter().any(|before| is_same(entry, before)))
    };
    let is_elsewhere = filesystem_of(document).is_some_and(|given| !is_local(given));
    if adds("groups", |entry, before| same(entry, before, &["name", "type"])) {
        Some("groups")
    } else if adds("virtual_folders", is_same_folder) {
        Some("virtual_folders")
    } else if is_elsewhere && changed_filesystem(document, stored).is_some() {
        Some("filesystem")
    } else {
        None
    }
}

/// The `filesystem` that the document will have, with the stored secrets that it does not show, if it is another than
/// the stored one.
pub fn changed_filesystem(
    document: &Map<String, Value>,
    stored: Option<&Map<String, Value>>,
) -> Option<Map<String, Value>> {
    let none = Map::new();
    let before = stored.and_then(filesystem_of).unwrap_or(&none);
    let mut after = filesystem_of(document).cloned().unwrap_or_default();
    keep_of_file_system(FILESYSTEM, before, &mut after);
    (after != *before && !(is_local(&after) && is_local(before))).then_some(after)
}

/// Whether the file system is used with credentials of the server: a secret of its configuration, or those of its
/// environment, which are taken where a file system has none.
pub fn uses_server_credentials(filesystem: &Map<String, Value>) -> bool {
    let config = |name: &str| filesystem.get(name).and_then(Value::as_object);
    let provider = filesystem.get("provider").and_then(Value::as_i64).unwrap_or(0);
    let has_no_key = |name: &str| {
        let key = config("s3config").and_then(|config| config.get(name)).and_then(Value::as_str);
        key.is_none_or(|key| key.trim().is_empty())
    };
    let is_automatic =
        config("gcsconfig").and_then(|config| config.get("automatic_credentials")).and_then(Value::as_i64) == Some(1);
    names_secret(&Value::Object(filesystem.clone()))
        || (provider == 1 && has_no_key("access_key"))
        || (provider == 2 && is_automatic)
}

/// The folders of a document that it gives a directory, by name.
pub fn folders_with_paths(document: &Map<String, Value>) -> Vec<(String, String)> {
    let folders = document.get("virtual_folders").and_then(Value::as_array).into_iter().flatten();
    let with_path = |folder: &Map<String, Value>| {
        let path = folder.get("mapped_path").and_then(Value::as_str).filter(|path| !path.is_empty())?;
        Some((folder_name(folder)?, path.to_owned()))
    };
    folders.filter_map(Value::as_object).filter_map(with_path).collect()
}

fn filesystem_of(document: &Map<String, Value>) -> Option<&Map<String, Value>> {
    document.get("filesystem").and_then(Value::as_object)
}

fn is_local(filesystem: &Map<String, Value>) -> bool {
    filesystem.get("provider").is_none_or(|provider| provider.as_i64() == Some(0))
}

fn names_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(NAMED_SECRET),
        Value::Array(items) => items.iter().any(names_secret),
        Value::Object(fields) => fields.values().any(names_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_same_folder(entry: &Map<String, Value>, before: &Map<String, Value>) -> bool {
    let is_shown =
        |field: &str| entry.get(field).is_none_or(|given| is_empty(given) || Some(given) == before.get(field));
    folder_name(entry) == folder_name(before)
        && same(entry, before, &OF_ENTRY)
        && is_shown("mapped_path")
        && (is_shown("filesystem") || changed_filesystem(entry, Some(before)).is_none())
}

/// Whether both have the same values there; an empty one is none.
fn same(one: &Map<String, Value>, other: &Map<String, Value>, fields: &[&str]) -> bool {
    let value = |of: &Map<String, Value>, field: &str| of.get(field).filter(|value| !is_empty(value)).cloned();
    fields.iter().all(|field| value(one, field) == value(other, field))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_is_added_widens_and_what_is_kept_or_removed_does_not() {
        let s3 = |bucket: &str, secret: &str| json!({"provider": 1, "s3config": {"bucket": bucket, "access_key": "k", "access_secret": secret}});
        let folder = |name: &str, path: &str| json!({"name": name, "virtual_path": path, "quota_size": 0});
        let stored = object(&json!({
            "groups": [{"name": "own", "type": 1}],
            "virtual_folders": [{"name": "f", "virtual_path": "/f", "mapped_path": "/srv/f"}],
            "filesystem": s3("b", "hush"),
        }));
        let check = |document: Value, of_new: Option<&str>, of_stored: Option<&str>| {
            let document = object(&document);
            assert_eq!(widened(&document, None), of_new, "{document:?}");
            assert_eq!(widened(&document, Some(&stored)), of_stored, "{document:?}");
        };
        check(json!({}), None, None);
        check(json!({"groups": [], "virtual_folders": [], "filesystem": {"provider": 0}}), None, None);
        check(json!({"groups": [{"name": "own", "type": 1}]}), Some("groups"), None);
        for other in [json!({"name": "own", "type": 2}), json!({"name": "admins", "type": 1}), json!("admins")] {
            check(json!({"groups": [{"name": "own", "type": 1}, other]}), Some("groups"), Some("groups"));
        }
        check(json!({"virtual_folders": [folder("f", "/f")]}), Some("virtual_folders"), None);
        for other in
            [folder("g", "/f"), folder("f", "/g"), json!({"name": "f", "virtual_path": "/f", "mapped_path": "/etc"})]
        {
            check(json!({"virtual_folders": [other]}), Some("virtual_folders"), Some("virtual_folders"));
        }
        check(json!({"filesystem": s3("b", "[redacted]")}), Some("filesystem"), None);
        check(json!({"filesystem": s3("other", "[redacted]")}), Some("filesystem"), Some("filesystem"));
        check(json!({"filesystem": s3("b", "new")}), Some("filesystem"), Some("filesystem"));
    }

    #[test]
    fn credentials_of_the_server_are_known() {
        let check = |filesystem: Value, expected: bool| {
            assert_eq!(uses_server_credentials(&object(&filesystem)), expected, "{filesystem}");
        };
        let s3 = |key: &str, secret: Value| json!({"provider": 1, "s3config": {"bucket": "b", "access_key": key, "access_secret": secret}});
        check(json!({}), false);
        check(json!({"provider": 0}), false);
        check(json!({"provider": 1, "s3config": {"bucket": "b"}}), true);
        check(s3("", json!("")), true);
        check(s3("k", json!("s")), false);
        check(s3("k", json!("${secret:operator}")), true);
        check(s3("k", json!({"status": "Plain", "payload": "${secret:operator}"})), true);
        check(json!({"provider": 2, "gcsconfig": {"automatic_credentials": 1}}), true);
        // A stored name of a secret stays, whatever else of the file system is changed.
        let stored = object(&json!({"filesystem": s3("k", json!("${secret:operator}"))}));
        let moved = json!({"filesystem": {"provider": 1, "s3config": {"bucket": "b", "access_key": "k", "endpoint": "http://x"}}});
        let after = changed_filesystem(&object(&moved), Some(&stored)).unwrap();
        assert!(uses_server_credentials(&after));
        assert_eq!(changed_filesystem(&stored, Some(&stored)), None);
    }
}
