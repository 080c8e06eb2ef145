//! What an account has that is only kept, for other servers: its administrators are told.

use serde_json::{Map, Value};

use super::fields::{ACCOUNT, Field, Kind};
use super::write::is_unset;

/// The paths of what the document sets without an effect here, such as `filters.ftp_security`.
pub fn without_effect(document: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    collect(ACCOUNT, document, "", &mut found);
    found
}

fn collect(known: &'static [Field], document: &Map<String, Value>, prefix: &str, found: &mut Vec<String>) {
    for field in known {
        let Some(value) = document.get(field.name).filter(|value| !is_unset(value)) else { continue };
        let path = format!("{prefix}{}", field.name);
        match (field.kind, value) {
            _ if !field.has_effect => found.push(path),
            (Kind::Object(inner) | Kind::Whole(inner), Value::Object(object)) => {
                collect(inner, object, &format!("{path}."), found);
            }
            (_, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_only_kept_is_found() {
        // C3-01, C4-01
        let check = |document: Value, expected: &[&str]| {
            assert_eq!(without_effect(document.as_object().unwrap()), expected, "{document}");
        };
        check(json!({"username": "u", "filters": {"denied_ip": ["10.0.0.0/8"], "hooks": {}}}), &[]);
        check(
            json!({"filters": {"ftp_security": 1, "is_anonymous": true, "tls_username": "", "data_transfer_limits": [{}]}}),
            &["filters.data_transfer_limits", "filters.ftp_security", "filters.is_anonymous"],
        );
        check(json!({"filters": {"ftp_security": 0, "is_anonymous": false}}), &[]);
        check(
            json!({"filesystem": {"provider": 1, "s3config": {"bucket": "b", "download_part_size": 7}}}),
            &["filesystem.s3config.download_part_size"],
        );
        check(
            json!({"filesystem": {"osconfig": {"read_buffer_size": 7, "write_buffer_size": 0}}}),
            &["filesystem.osconfig.read_buffer_size"],
        );
    }
}
