//! Secrets that a new document does not show: views have a mark in their place, and the stored ones stay (A8-15).

use serde_json::{Map, Value};

use super::endpoints;
use super::fields::{Field, Kind};
use super::stored::folder_name;

/// What views show in the place of a secret.
pub(super) const REDACTED: &str = "[redacted]";
/// How texts begin that the older server has encrypted.
const OLDER_MARK: &str = "$aes$";

/// Puts the secrets of `stored` into `document` where that has the mark of a view in their place and, in file
/// systems, where it has an empty secret or none; `null` removes one. A mark in whose place nothing is stored is
/// taken away. A part of the configuration of one-time codes leaves the rest of it as it is.
pub(super) fn keep(known: &'static [Field], stored: &Map<String, Value>, document: &mut Map<String, Value>) {
    keep_in(known, false, stored, document);
}

/// As [`keep`], for the fields of a file system.
pub(super) fn keep_of_file_system(
    known: &'static [Field],
    stored: &Map<String, Value>,
    filesystem: &mut Map<String, Value>,
) {
    keep_in(known, true, stored, filesystem);
}

/// What a document that replaces a stored account keeps beside its secrets, where it does not name them: the password
/// and the second factor, which views do not show. An empty password is none.
pub fn keep_credentials(document: &mut Map<String, Value>, stored: &Map<String, Value>) {
    keep_password(document);
    let keep_field = |document: &mut Map<String, Value>, stored: &Map<String, Value>, field: &str| {
        if !document.keys().any(|name| name.eq_ignore_ascii_case(field)) {
            document.extend(stored.get(field).map(|value| (field.to_owned(), value.clone())));
        }
    };
    keep_field(document, stored, "password");
    let Some(Value::Object(kept)) = stored.get("filters") else { return };
    let name = document.keys().find(|name| name.eq_ignore_ascii_case("filters")).cloned();
    let filters = document.entry(name.unwrap_or_else(|| "filters".to_owned())).or_insert(Value::Null);
    if filters.is_null() {
        *filters = Value::Object(Map::new());
    }
    if let Value::Object(filters) = filters {
        ["totp_config", "recovery_codes"].iter().for_each(|field| keep_field(filters, kept, field));
    }
}

/// A change with an empty password, or with the mark of a view in its place, leaves the password as it is.
pub fn keep_password(document: &mut Map<String, Value>) {
    document.retain(|name, value| {
        !(name.eq_ignore_ascii_case("password") && (value.is_null() || is_mark(value) || value.as_str() == Some("")))
    });
}

fn keep_in(
    known: &'static [Field],
    in_file_system: bool,
    stored: &Map<String, Value>,
    document: &mut Map<String, Value>,
) {
    let none = Map::new();
    for field in known {
        let in_file_system = in_file_system || field.name == "filesystem";
        // An address that has a secret is not shown, either.
        let is_hidden = field.name == endpoints::FIELD && document.get(field.name).is_some_and(is_mark);
        if field.is_secret || is_hidden {
            keep_one(field.name, in_file_system, stored, document);
            continue;
        }
        let before = stored.get(field.name);
        match document.get_mut(field.name) {
            Some(Value::Object(object)) => {
                let before = before.and_then(Value::as_object).unwrap_or(&none);
                if field.is_second_factor {
                    keep_rest(field.fields(), before, object);
                }
                keep_in(field.fields(), in_file_system, before, object);
            }
            Some(Value::Array(items)) => {
                let before: Vec<_> = before.and_then(Value::as_array).into_iter().flatten().collect();
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    let name = folder_name(item);
                    let same = |old: &&Map<String, Value>| name.is_some() && folder_name(old) == name;
                    let old = before.iter().filter_map(|old| old.as_object()).find(same);
                    keep_in(field.fields(), in_file_system, old.unwrap_or(&none), item);
                }
            }
            None | Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {}
        }
    }
}

/// Adds what an object that is a part of a second factor does not name. Nothing is added to an empty object, which takes
/// the second factor away, and to one that switches it off.
fn keep_rest(known: &'static [Field], stored: &Map<String, Value>, object: &mut Map<String, Value>) {
    if object.is_empty() || object.get("enabled") == Some(&Value::Bool(false)) {
        return;
    }
    for field in known {
        let is_left_out = match object.get(field.name) {
            None => true,
            // B15-03
            Some(value) => value.is_null() && matches!(field.kind, Kind::Flag | Kind::Text),
        };
        if let Some(value) = stored.get(field.name).filter(|_| is_left_out) {
            object.insert(field.name.to_owned(), value.clone());
        }
    }
}

fn keep_one(name: &str, in_file_system: bool, stored: &Map<String, Value>, document: &mut Map<String, Value>) {
    let is_left_out = match document.get(name) {
        None => in_file_system,
        Some(Value::Null) => false,
        Some(value) => is_mark(value) || (in_file_system && is_empty(value)),
    };
    if !is_left_out {
        return;
    }
    match stored.get(name).filter(|value| !value.is_null()) {
        Some(value) => drop(document.insert(name.to_owned(), value.clone())),
        None if document.get(name).is_some_and(is_mark) => drop(document.remove(name)),
        None => {}
    }
}

/// Whether a view has put it in the place of a secret: one of ours, or of the older server's eras.
fn is_mark(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            text == REDACTED || text.strip_prefix(OLDER_MARK).is_some_and(|sealed| !sealed.contains('$'))
        }
        Value::Object(secret) => secret.get("status").and_then(Value::as_str) == Some("Redacted"),
        // Recovery codes of which one is not shown: which of the others was meant cannot be known.
        Value::Array(codes) => codes.iter().filter_map(|code| code.get("secret")).any(is_mark),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a secret, as a text or as an object with its payload, says nothing (C4-02).
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(secret) => secret.get("payload").is_none_or(is_empty),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    }
}

#[cfg(test)]
mod field_tests;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fields::ACCOUNT;
    use super::super::object_table::{FOLDER_OBJECT, GROUP_OBJECT};
    use super::*;

    fn check(known: &'static [Field], stored: Value, document: Value, expected: Value) {
        let mut kept = document.as_object().cloned().unwrap();
        keep(known, stored.as_object().unwrap(), &mut kept);
        assert_eq!(Value::Object(kept), expected, "{document}");
    }

    /// `secret`: what the new document has; None: nothing.
    fn with(secret: Option<Value>) -> Value {
        let mut config = json!({"bucket": "b", "access_key": "k"});
        config.as_object_mut().unwrap().extend(secret.map(|secret| ("access_secret".to_owned(), secret)));
        json!({"provider": 1, "s3config": config})
    }

    #[test]
    fn secrets_of_file_systems_stay_unless_the_document_has_others() {
        // A8-15, C4-02
        let kept = |secret: Option<Value>, expected: Option<Value>| {
            let old = with(Some(json!("hush")));
            let (new, expected) = (with(secret), with(expected));
            let in_one = |filesystem: &Value| json!({"filesystem": filesystem});
            check(ACCOUNT, in_one(&old), in_one(&new), in_one(&expected));
            check(FOLDER_OBJECT, in_one(&old), in_one(&new), in_one(&expected));
            let in_settings = |filesystem: &Value| json!({"user_settings": {"filesystem": filesystem}});
            check(GROUP_OBJECT, in_settings(&old), in_settings(&new), in_settings(&expected));
            let in_folder = |filesystem: &Value| {
                let other = json!({"name": "g", "virtual_path": "/g", "filesystem": {"provider": 0}});
                let named = json!({"name": "f", "virtual_path": "/f", "filesystem": filesystem});
                [json!({"virtual_folders": [named, other]}), json!({"virtual_folders": [other, named]})]
            };
            for (new, expected) in in_folder(&new).into_iter().zip(in_folder(&expected)) {
                let [old, _] = in_folder(&old);
                check(ACCOUNT, old, new, expected);
            }
        };
        let hush = Some(json!("hush"));
        kept(None, hush.clone());
        kept(Some(json!("")), hush.clone());
        kept(Some(json!({})), hush.clone());
        kept(Some(json!({"status": "Plain", "payload": ""})), hush.clone());
        kept(Some(json!("[redacted]")), hush.clone());
        kept(Some(json!({"status": "Redacted", "payload": "x"})), hush.clone());
        kept(Some(json!("$aes$00ff")), hush);
        for other in [json!("new"), json!({"status": "Plain", "payload": "new"}), json!("$aes$k$00ff"), Value::Null] {
            kept(Some(other.clone()), Some(other));
        }
    }

    #[test]
    fn what_is_gone_stays_gone_and_marks_are_never_stored() {
        check(ACCOUNT, json!({"filesystem": with(Some(json!("hush")))}), json!({}), json!({}));
        let local = json!({"filesystem": {"provider": 0}});
        check(ACCOUNT, json!({"filesystem": with(Some(json!("hush")))}), local.clone(), local);
        let marked = json!({"filesystem": with(Some(json!("[redacted]")))});
        check(ACCOUNT, json!({}), marked, json!({"filesystem": with(None)}));
        // Another folder's secret is none of this one.
        let entry = |name: &str, secret: Option<Value>| json!({"virtual_folders": [{"name": name, "filesystem": with(secret)}]});
        check(ACCOUNT, entry("f", Some(json!("hush"))), entry("g", Some(json!("[redacted]"))), entry("g", None));
    }

    #[test]
    fn other_secrets_stay_where_the_mark_is() {
        // B3-01
        let stored =
            json!({"password": "$1$a$b", "filters": {"totp_config": {"secret": "hush"}, "recovery_codes": ["c"]}});
        let shown = json!({"filters": {"totp_config": {"secret": "[redacted]"}, "recovery_codes": "[redacted]"}});
        let kept = json!({"filters": {"totp_config": {"secret": "hush"}, "recovery_codes": ["c"]}});
        check(ACCOUNT, stored.clone(), shown, kept);
        check(ACCOUNT, stored, json!({"filters": {"totp_config": {}}}), json!({"filters": {"totp_config": {}}}));
    }

    #[test]
    fn an_address_with_a_secret_stays_where_the_mark_is() {
        // A8-15
        let with = |endpoint: Value| json!({"filesystem": {"provider": 0, "httpconfig": {"endpoint": endpoint}}});
        let stored = || with(json!("https://u:hush@host"));
        check(ACCOUNT, stored(), with(json!("[redacted]")), stored());
        check(ACCOUNT, stored(), with(json!("https://host")), with(json!("https://host")));
        check(ACCOUNT, stored(), with(json!("")), with(json!("")));
        let none = json!({"filesystem": {"provider": 0, "httpconfig": {}}});
        check(ACCOUNT, stored(), none.clone(), none.clone());
        check(ACCOUNT, json!({}), with(json!("[redacted]")), none);
    }

    #[test]
    fn a_document_that_replaces_an_account_keeps_its_credentials() {
        // A18-08
        let codes = json!({"totp_config": {"secret": "SEED"}, "recovery_codes": [{"secret": "one"}]});
        let stored = json!({"username": "u", "password": "$1$hash", "filters": codes.clone()});
        let check = |document: Value, password: Value, filters: Value| {
            let mut kept = document.as_object().cloned().unwrap();
            keep_credentials(&mut kept, stored.as_object().unwrap());
            let by_name = |field: &str| kept.iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, v)| v);
            assert_eq!((by_name("password"), by_name("filters")), (Some(&password), Some(&filters)), "{document}");
        };
        for document in
            [json!({}), json!({"password": ""}), json!({"Password": "[redacted]"}), json!({"password": null})]
        {
            check(document, json!("$1$hash"), codes.clone());
        }
        check(json!({"PASSWORD": "new"}), json!("new"), codes.clone());
        check(json!({"filters": null}), json!("$1$hash"), codes.clone());
        let other = json!({"totp_config": {"enabled": false}, "recovery_codes": []});
        check(json!({"Filters": other.clone()}), json!("$1$hash"), other);
    }
}
