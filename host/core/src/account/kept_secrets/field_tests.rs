//! Each secret field of the tables, in documents that have it, do not have it, or have it without a value.

use serde_json::json;

use super::super::document::merge_object_of;
use super::super::fields::ACCOUNT;
use super::super::object_table::{FOLDER_OBJECT, GROUP_OBJECT};
use super::*;

/// The fields on the way to a secret, which is the last one.
type Way = Vec<&'static Field>;

fn ways(known: &'static [Field], before: &[&'static Field], found: &mut Vec<Way>) {
    for field in known {
        let way: Way = before.iter().copied().chain([field]).collect();
        if field.is_secret {
            found.push(way);
        } else {
            ways(field.fields(), &way, found);
        }
    }
}

/// A document with that value at the end of the way, or without it, and with another field beside it.
fn document(way: &[&'static Field], known: &'static [Field], value: Option<Value>) -> Map<String, Value> {
    let mut object = Map::new();
    match way {
        [] => {}
        [secret] => {
            let beside = known.iter().find(|field| !field.is_secret).unwrap();
            let sample = match beside.kind {
                Kind::Integer(..) | Kind::Time => json!(1),
                Kind::Flag => json!(true),
                Kind::Texts => json!([]),
                _ => json!("beside"),
            };
            object.insert(beside.name.to_owned(), sample);
            object.extend(value.map(|value| (secret.name.to_owned(), value)));
        }
        [first, rest @ ..] => {
            let mut inner = document(rest, first.fields(), value);
            let inner = match first.kind {
                Kind::List(_) => {
                    inner.insert("name".to_owned(), json!("same"));
                    json!([inner])
                }
                _ => Value::Object(inner),
            };
            object.insert(first.name.to_owned(), inner);
        }
    }
    object
}

fn found<'a>(way: &[&'static Field], object: &'a Map<String, Value>) -> Option<&'a Value> {
    let (first, rest) = way.split_first()?;
    let value = object.get(first.name)?;
    if rest.is_empty() {
        return Some(value).filter(|value| !value.is_null());
    }
    found(rest, value.as_array().map_or(value, |items| &items[0]).as_object()?)
}

fn name(way: &[&'static Field]) -> String {
    way.iter().map(|field| field.name).collect::<Vec<_>>().join(".")
}

/// What becomes of an account by a change of single fields, and by a document that replaces it.
fn changed_accounts(stored: &Map<String, Value>, change: &Map<String, Value>) -> [Map<String, Value>; 2] {
    let mut merged = stored.clone();
    merge_object_of(&mut merged, change).unwrap();
    let (mut given, mut replaced) = (change.clone(), Map::new());
    keep_credentials(&mut given, stored);
    merge_object_of(&mut replaced, &given).unwrap();
    [merged, replaced].map(|mut document| {
        keep(ACCOUNT, stored, &mut document);
        document
    })
}

/// The values that a change may have for a secret, and what is stored afterwards.
fn cases(old: &Value, new: &[Value]) -> Vec<(Option<Value>, Option<Value>)> {
    let kept = [None, Some(json!("[redacted]")), Some(json!({"status": "Redacted"}))];
    let kept = kept.into_iter().map(|given| (given, Some(old.clone())));
    let replaced = new.iter().map(|new| (Some(new.clone()), Some(new.clone())));
    kept.chain([(Some(Value::Null), None)]).chain(replaced).collect()
}

fn all(known: &'static [Field]) -> Vec<Way> {
    let mut all = Vec::new();
    ways(known, &[], &mut all);
    all
}

#[test]
fn a_secret_that_is_absent_stays_null_removes_it_and_another_replaces_it() {
    // A8-15, C4-02, B3-01
    let new = [json!("new"), json!({"status": "Plain", "payload": "new"})];
    let mut seen = 0;
    for way in all(ACCOUNT) {
        let is_codes = way.last().is_some_and(|field| field.name == "recovery_codes");
        let is_password = way.len() == 1;
        let codes = |text: &str| json!([{"secret": {"status": "Plain", "payload": text}, "used": false}]);
        let (old, new) = match (is_codes, is_password) {
            (true, _) => (codes("old"), vec![codes("new")]),
            (_, true) => (json!("$1$old"), vec![json!("$1$new")]),
            _ => (json!({"status": "Plain", "payload": "old"}), new.to_vec()),
        };
        for (given, expected) in cases(&old, &new) {
            // The password of an account is a text, and null leaves it as it is (A18-08).
            let is_none_of_it = is_password && matches!(given, Some(Value::Null | Value::Object(_)));
            if is_none_of_it {
                continue;
            }
            let stored = document(&way, ACCOUNT, Some(old.clone()));
            let change = document(&way, ACCOUNT, given.clone());
            for after in changed_accounts(&stored, &change) {
                assert_eq!(found(&way, &after), expected.as_ref(), "{} {given:?}", name(&way));
            }
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn so_it_is_in_file_systems_of_folders_and_groups() {
    // A8-15, C4-02
    for known in [FOLDER_OBJECT, GROUP_OBJECT] {
        let mut all = all(known);
        all.retain(|way| way.iter().any(|field| field.name == "filesystem"));
        assert!(all.len() > 8);
        for way in all {
            let old = json!("old");
            for (given, expected) in cases(&old, &[json!("new")]) {
                let stored = document(&way, known, Some(old.clone()));
                let mut after = document(&way, known, given.clone());
                keep(known, &stored, &mut after);
                assert_eq!(found(&way, &after), expected.as_ref(), "{} {given:?}", name(&way));
            }
        }
    }
}

#[test]
fn a_part_of_the_second_factor_leaves_the_rest_as_it_is() {
    // B3-01
    let secret = json!({"status": "Plain", "payload": "SEED"});
    let config = json!({"enabled": true, "config_name": "Default", "secret": secret, "protocols": ["SSH"]});
    let codes = json!([{"secret": {"status": "Plain", "payload": "one"}, "used": false}]);
    let stored = json!({"filters": {"totp_config": config, "recovery_codes": codes, "denied_ip": []}});
    let with = |changes: Value| {
        let mut config = config.as_object().cloned().unwrap();
        config.extend(changes.as_object().cloned().unwrap());
        Some(Value::Object(config))
    };
    let check = |change: Value, expected: Option<Value>| {
        let after = changed_accounts(stored.as_object().unwrap(), change.as_object().unwrap());
        for after in after {
            let filters = after.get("filters").cloned().unwrap_or_default();
            assert_eq!(filters.get("totp_config"), expected.as_ref(), "{change}");
            assert_eq!(filters.get("recovery_codes"), Some(&codes), "{change}");
        }
    };
    let of = |config: Value| json!({"filters": {"totp_config": config}});
    check(json!({}), with(json!({})));
    check(json!({"filters": null}), with(json!({})));
    check(json!({"filters": {"max_upload_file_size": 7}}), with(json!({})));
    check(of(json!({"protocols": ["SSH"]})), with(json!({})));
    check(of(json!({"protocols": ["FTP", "SSH"]})), with(json!({"protocols": ["FTP", "SSH"]})));
    check(of(json!({"enabled": true, "protocols": ["SSH"]})), with(json!({})));
    check(of(json!({"enabled": null, "config_name": null, "protocols": ["SSH"]})), with(json!({})));
    check(of(json!({"enabled": true, "secret": {"status": "Redacted"}})), with(json!({})));
    check(of(json!({"config_name": "Mine", "secret": "[redacted]"})), with(json!({"config_name": "Mine"})));
    check(of(json!({"secret": "OTHER"})), with(json!({"secret": "OTHER"})));
    check(of(json!({"secret": null})), with(json!({"secret": null})));
    // It is taken away, or switched off.
    check(of(Value::Null), None);
    check(of(json!({})), Some(json!({})));
    check(of(json!({"enabled": false})), Some(json!({"enabled": false})));
    // Codes that a view has hidden are none.
    let hidden = json!([{"secret": {"status": "Redacted"}, "used": true}]);
    check(json!({"filters": {"recovery_codes": hidden}}), with(json!({})));
}
