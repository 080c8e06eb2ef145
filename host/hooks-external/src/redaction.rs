//! Removes secrets from texts that are kept in records.

use serde_json::{Map, Value, json};
use tidegate_core::account::is_secret_field;

/// Names of fields whose values are secret at any depth, beside those of accounts.
const SECRET: &[&str] = &["password", "passwd", "key", "secret", "payload", "token", "answers", "to_verify"];

/// The document as JSON, with secrets replaced.
pub fn redacted(document: &Map<String, Value>) -> String {
    let mut document = Value::Object(document.clone());
    hide(&mut document);
    document.to_string()
}

/// The answer of a program or a web server: an account document or other JSON, with secrets replaced.
pub fn redacted_answer(answer: &[u8]) -> String {
    match serde_json::from_slice::<Value>(answer) {
        Ok(mut value) => {
            hide(&mut value);
            value.to_string()
        }
        // Text that is not JSON explains an error, but nothing tells where a secret in it ends.
        Err(_) => {
            let text = String::from_utf8_lossy(answer);
            let lower = text.to_ascii_lowercase();
            if SECRET.iter().any(|name| lower.contains(&format!("\"{name}\""))) {
                return format!("({} bytes that are not JSON and name a secret: not kept)", answer.len());
            }
            text.into_owned()
        }
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let is_secret = SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret))
                    || is_secret_field(&name.to_ascii_lowercase(), inner);
                let is_empty = inner.as_str().is_some_and(str::is_empty);
                if is_secret && !is_empty {
                    *inner = json!("[redacted]");
                } else {
                    hide(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_at_any_depth() {
        let answer = br#"{"username":"u","Password":"hush","filters":{"totp_config":{"secret":{"payload":"hush"}}},"answers":["hush"]}"#;
        let shown = redacted_answer(answer);
        assert!(!shown.contains("hush") && shown.contains("\"username\":\"u\""), "{shown}");
        assert_eq!(redacted_answer(b"debug {"), "debug {");
        // Those of file systems, as text and as an object with a payload.
        for secret in [r#""hush""#, r#"{"status":"Plain","payload":"hush"}"#] {
            for field in ["access_secret", "Private_Key", "key_passphrase"] {
                let answer = format!(r#"{{"filesystem":{{"any":{{"bucket":"b","{field}":{secret}}}}}}}"#);
                let shown = redacted_answer(answer.as_bytes());
                assert!(!shown.contains("hush") && shown.contains(r#""bucket":"b""#), "{shown}");
            }
        }
        let broken = br#"debug {"username":"u","password":"hush"}"#;
        assert_eq!(redacted_answer(broken), "(40 bytes that are not JSON and name a secret: not kept)");
    }
}
