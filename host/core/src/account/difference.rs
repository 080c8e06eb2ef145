//! What a change has made of a document, for audit records: fields with their values before and after. Of secrets
//! only that they changed is said.

use serde_json::{Map, Value};

use super::endpoints;
use super::fields::{self, Field};
use super::write::{changed_of, is_unset};
use crate::ports::{DETAIL_SEPARATOR, detail_part};

/// Bytes of the longest text for one value.
const VALUE: usize = 120;
/// Bytes of the longest text for a change.
const ALL: usize = 2_000;
/// Digests of codes and keys are no field of accounts.
const SECRETS: [&str; 3] = ["recovery_codes", "totp_config", "digest"];

/// The fields of `known` that administrators maintain and that differ, as `uid: 0 -> 7; password: changed`. The text
/// has at most about 2000 bytes.
pub fn difference(known: &'static [Field], base: &Map<String, Value>, document: &Map<String, Value>) -> String {
    compared(known, base, document, Value::is_null)
}

/// What a new document says, in the form of [`difference`]; what has no value is left out: an account has many fields that
/// are empty.
pub fn added(known: &'static [Field], document: &Map<String, Value>) -> String {
    compared(known, &Map::new(), document, says_nothing)
}

/// What a deleted document said, as [`added`].
pub fn removed(known: &'static [Field], document: &Map<String, Value>) -> String {
    compared(known, document, &Map::new(), says_nothing)
}

/// `is_left_out`: which values are none.
fn compared(
    known: &'static [Field],
    base: &Map<String, Value>,
    document: &Map<String, Value>,
    is_left_out: fn(&Value) -> bool,
) -> String {
    let mut parts = Parts { is_left_out, texts: Vec::new() };
    for name in changed_of(known, base, document) {
        parts.compare(name, name, base.get(name), document.get(name));
    }
    let mut text = String::new();
    for (index, part) in parts.texts.iter().enumerate() {
        if text.len() + part.len() > ALL {
            text.push_str(&format!("{DETAIL_SEPARATOR}and {} more", parts.texts.len() - index));
            break;
        }
        if index > 0 {
            text.push_str(DETAIL_SEPARATOR);
        }
        text.push_str(part);
    }
    text
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.values().all(says_nothing),
        value => is_unset(value),
    }
}

/// What differs so far. Nothing is copied but what is shown: each account of a large load is compared.
struct Parts {
    is_left_out: fn(&Value) -> bool,
    texts: Vec<String>,
}

impl Parts {
    fn compare(&mut self, path: &str, name: &str, before: Option<&Value>, after: Option<&Value>) {
        let is_left_out = self.is_left_out;
        if before.filter(|value| !is_left_out(value)) == after.filter(|value| !is_left_out(value)) {
            return;
        }
        let is_secret = |value: Option<&Value>| value.is_some_and(|value| endpoints::is_secret(name, value));
        if fields::is_secret(name) || SECRETS.contains(&name) || is_secret(before) || is_secret(after) {
            self.texts.push(detail_part(&format!("{path}: changed")));
            return;
        }
        // One of the two may be missing.
        let nothing = Map::new();
        if let (Some(before), Some(after)) = (object(before, &nothing), object(after, &nothing)) {
            let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for name in names {
                self.compare(&format!("{path}.{}", member(name)), name, before.get(name), after.get(name));
            }
            return;
        }
        self.texts.push(detail_part(&format!("{path}: {} -> {}", shown(before), shown(after))));
    }
}

fn object<'a>(value: Option<&'a Value>, nothing: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
    match value {
        None => Some(nothing),
        Some(value) => value.as_object(),
    }
}

/// The name of a member in a path. Some are chosen by people, such as the directories of permissions: one that could
/// look like more than a name is quoted.
fn member(name: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "_-./*".contains(character);
    if name.chars().all(is_plain) { name.to_owned() } else { Value::from(name).to_string() }
}

fn shown(value: Option<&Value>) -> String {
    let mut text = match value {
        None => return "none".to_owned(),
        Some(value @ (Value::Array(_) | Value::Object(_))) => {
            let mut value = value.clone();
            hide(&mut value);
            value.to_string()
        }
        Some(value) => value.to_string(),
    };
    if text.len() > VALUE {
        let end = (0..=VALUE).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Secrets inside lists of objects.
fn hide(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let is_secret = fields::is_secret(name) || SECRETS.contains(&name.as_str());
                if is_secret || endpoints::is_secret(name, value) {
                    *value = Value::String("[redacted]".to_owned());
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(base: Value, document: Value, expected: &str) {
        let (Value::Object(base), Value::Object(document)) = (base, document) else { panic!("they are objects") };
        assert_eq!(difference(fields::ACCOUNT, &base, &document), expected);
    }

    #[test]
    fn values_are_shown_and_secrets_are_not() {
        check(json!({"uid": 0, "password": "a"}), json!({"uid": 7, "password": "b"}), "password: changed; uid: 0 -> 7");
        check(json!({}), json!({"email": "a@b", "last_login": 9}), "email: none -> \"a@b\"");
        check(
            json!({"filters": {"allowed_ip": ["10.0.0.0/8"], "recovery_codes": ["HUSH"]}}),
            json!({"filters": {"allowed_ip": [], "recovery_codes": []}}),
            "filters.allowed_ip: [\"10.0.0.0/8\"] -> []; filters.recovery_codes: changed",
        );
        check(
            json!({"filesystem": {"provider": 0}}),
            json!({"filesystem": {"provider": 1, "s3config": {"bucket": "b", "access_secret": "HUSH"}}}),
            "filesystem.provider: 0 -> 1; filesystem.s3config.access_secret: changed; filesystem.s3config.bucket: none -> \"b\"",
        );
        let endpoint = |endpoint: &str| json!({"filesystem": {"s3config": {"endpoint": endpoint}}});
        let changed = "filesystem.s3config.endpoint: changed";
        check(endpoint("https://u:HUSH@h"), endpoint("https://h"), changed);
        check(endpoint("https://h"), endpoint("https://h?s=HUSH"), changed);
        let folder = json!({"virtual_folders": [{"name": "f", "filesystem": {"s3config": {"access_secret": "HUSH"}}}]});
        let Value::Object(folder) = folder else { panic!("it is an object") };
        assert!(!difference(fields::ACCOUNT, &Map::new(), &folder).contains("HUSH"));
    }

    #[test]
    fn new_and_deleted_documents_are_shown_in_the_same_form() {
        let check = |document: Value, expected: [&str; 2]| {
            let Value::Object(document) = document else { panic!("it is an object") };
            let found = [added(fields::ACCOUNT, &document), removed(fields::ACCOUNT, &document)];
            assert_eq!(found, expected, "{document:?}");
        };
        check(
            json!({"username": "a", "uid": 7, "gid": 0, "password": "HUSH", "email": "", "id": 5}),
            [
                "username: none -> \"a\"; password: changed; uid: none -> 7",
                "username: \"a\" -> none; password: changed; uid: 7 -> none",
            ],
        );
        check(
            json!({"filters": {"allowed_ip": ["10.0.0.1"], "denied_ip": [], "hooks": {"pre_login_disabled": false}}}),
            ["filters.allowed_ip: none -> [\"10.0.0.1\"]", "filters.allowed_ip: [\"10.0.0.1\"] -> none"],
        );
        check(
            json!({"filters": {"totp_config": {"enabled": false, "secret": {}}, "hooks": {"a": {"b": [], "c": null}}}}),
            ["", ""],
        );
        check(
            json!({"filters": {"totp_config": {"enabled": true}, "recovery_codes": []}, "permissions": {"/": ["*"]}}),
            [
                "permissions./: none -> [\"*\"]; filters.totp_config: changed",
                "permissions./: [\"*\"] -> none; filters.totp_config: changed",
            ],
        );
        check(json!({}), ["", ""]);
    }

    #[test]
    fn typed_separators_do_not_end_a_part() {
        check(
            json!({"description": "a", "email": "x"}),
            json!({"description": "x; permissions: \"a\" -> \"b\"", "email": "y;z"}),
            "email: \"x\" -> \"y;z\"; description: \"a\" -> \"x\\u003b permissions: \\\"a\\\" -> \\\"b\\\"\"",
        );
        check(
            json!({"permissions": {"/a/b.c": ["list"]}}),
            json!({"permissions": {"/x; uid: 0 -> 7": ["*"]}}),
            "permissions./a/b.c: [\"list\"] -> none; permissions.\"/x\\u003b uid: 0 -> 7\": none -> [\"*\"]",
        );
    }

    #[test]
    fn the_text_is_short_whatever_changed() {
        let permissions: Map<_, _> = (0..1000).map(|number| (format!("/{number}"), json!(["é".repeat(500)]))).collect();
        let document = Map::from_iter([("permissions".to_owned(), Value::Object(permissions))]);
        let text = difference(fields::ACCOUNT, &Map::new(), &document);
        assert!(text.len() < ALL + 40 && text.contains('…') && text.ends_with(" more"), "{text}");
    }
}
