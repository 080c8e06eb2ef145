//! Secrets in documents: pages show those that a change names as little as the stored ones, and copies have none.

use serde_json::{Map, Value};
use tidegate_core::account::fields::Field;

/// What is shown in the place of a secret that a change names.
const NEW: &str = "a new one, not shown";
/// What the use cases show in the place of a stored secret.
const STORED: &str = "[redacted]";

fn find<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name) || field.alias == Some(name))
}

/// The document with a text in the place of each secret that it names anew.
pub fn without_new_secrets(fields: &[Field], document: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = document.clone();
    hide(fields, &mut shown);
    shown
}

fn hide(fields: &[Field], document: &mut Map<String, Value>) {
    for (name, value) in document {
        let Some(field) = find(fields, name) else { continue };
        if field.is_secret {
            if is_new(value) {
                *value = Value::from(NEW);
            }
            continue;
        }
        match value {
            Value::Object(inner) => hide(field.fields(), inner),
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| hide(field.fields(), item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Whether the text of a secret says neither nothing nor that the stored one stays.
pub fn is_new_secret(text: &str) -> bool {
    !text.is_empty() && text != STORED
}

fn is_new(secret: &Value) -> bool {
    match secret {
        Value::Null => false,
        Value::String(text) => is_new_secret(text),
        Value::Object(secret) => secret.get("status").and_then(Value::as_str) != Some("Redacted"),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => true,
    }
}

/// Takes what is secret, and what belongs to a second factor, out of a copy: the original's are not shown, and without its
/// secret a second factor refuses every login. The answer is whether there was something; folders have secrets of their own.
pub fn take_secrets_out(fields: &[Field], document: &mut Map<String, Value>) -> bool {
    let mut found = false;
    document.retain(|name, value| {
        let Some(field) = find(fields, name) else { return true };
        if field.is_secret || field.is_second_factor {
            found = true;
            return false;
        }
        match value {
            Value::Object(inner) => found |= take_secrets_out(field.fields(), inner),
            Value::Array(items) => {
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    take_secrets_out(field.fields(), item);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        true
    });
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_core::account::fields::ACCOUNT;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn secrets_that_a_change_names_are_not_shown() {
        let check = |document: Value, expected: Value| {
            assert_eq!(Value::Object(without_new_secrets(ACCOUNT, &map(document))), expected);
        };
        check(
            json!({"username": "a", "later": {"password": "x"}}),
            json!({"username": "a", "later": {"password": "x"}}),
        );
        check(json!({"password": "hush"}), json!({"password": NEW}));
        check(json!({"Password": "hush"}), json!({"Password": NEW}));
        check(json!({"password": ""}), json!({"password": ""}));
        let s3 = |secret: Value| json!({"filesystem": {"s3config": {"bucket": "b", "access_secret": secret}}});
        for kept in [json!(null), json!("[redacted]"), json!({"status": "Redacted", "payload": ""})] {
            check(s3(kept.clone()), s3(kept));
        }
        for new in [json!("hush"), json!({"status": "Plain", "payload": "hush"})] {
            check(s3(new), s3(json!(NEW)));
        }
        let folders = |secret: Value| json!({"virtual_folders": [{"name": "f", "filesystem": {"sftpconfig": {"private_key": secret}}}]});
        check(folders(json!("hush")), folders(json!(NEW)));
        check(
            json!({"filters": {"totp_config": {"secret": "hush"}}}),
            json!({"filters": {"totp_config": {"secret": NEW}}}),
        );
        check(
            json!({"filters": {"recovery_codes": [{"secret": "hush"}]}}),
            json!({"filters": {"recovery_codes": NEW}}),
        );
    }

    #[test]
    fn a_copy_has_no_secrets_and_no_second_factor() {
        let check = |document: Value, expected: Value, found: bool| {
            let mut copy = map(document);
            assert_eq!((take_secrets_out(ACCOUNT, &mut copy), Value::Object(copy)), (found, expected));
        };
        check(json!({"uid": 7, "later": 1}), json!({"uid": 7, "later": 1}), false);
        check(json!({"password": "[redacted]", "uid": 7}), json!({"uid": 7}), true);
        let codes = json!({"allowed_ip": ["::/0"], "totp_config": {"enabled": true, "secret": "[redacted]"}, "recovery_codes": "[redacted]"});
        check(json!({"filters": codes}), json!({"filters": {"allowed_ip": ["::/0"]}}), true);
        let s3 = json!({"provider": 1, "s3config": {"bucket": "b", "access_secret": "[redacted]"}});
        let bare = json!({"provider": 1, "s3config": {"bucket": "b"}});
        check(json!({"filesystem": s3}), json!({"filesystem": bare}), true);
        let folders = |filesystem: Value| json!({"virtual_folders": [{"name": "f", "filesystem": filesystem}]});
        check(folders(s3), folders(bare), false);
    }
}
