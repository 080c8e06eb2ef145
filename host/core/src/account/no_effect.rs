//! What an account has that is without effect: its administrators are told.

use serde_json::{Map, Value};

use super::fields::{Field, Kind};
use super::filesystem_table::FILESYSTEM;
use super::filter_table::FILTERS;
use super::inheritance::asks_for_nothing;
use super::write::is_unset;

/// The forms of rules on names, each with the list that counts where it is there, and the one that then does not.
const RULES: [(&str, &str, &str); 2] = [
    ("file_patterns", "allowed_patterns", "denied_patterns"),
    ("file_extensions", "allowed_extensions", "denied_extensions"),
];

/// What the `filters` and the `filesystem` of an account set without an effect, each in a sentence.
pub fn notes_of(filters: &Map<String, Value>, filesystem: &Map<String, Value>) -> Vec<String> {
    let mut kept = Vec::new();
    collect(FILTERS, filters, "filters.", &mut kept);
    collect(FILESYSTEM, filesystem, "filesystem.", &mut kept);
    let kept = kept.into_iter().map(|path| format!("{path} is kept, and has no effect on this server."));
    kept.chain(rules_of(filters)).chain(others_of(filesystem)).collect()
}

fn rules_of(filters: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (form, allowed, denied) in RULES {
        let rules = filters.get(form).and_then(Value::as_array);
        for (index, rule) in rules.into_iter().flatten().enumerate() {
            if [allowed, denied].iter().all(|list| rule.get(list).is_some_and(|list| !is_unset(list))) {
                found.push(format!("filters.{form}.{index}.{denied} has no effect beside {allowed}."));
            }
        }
    }
    found
}

/// The configurations of file systems that are not the account's.
fn others_of(filesystem: &Map<String, Value>) -> Vec<String> {
    let provider = filesystem.get("provider").and_then(Value::as_i64).unwrap_or(0);
    let own = format!("Of provider {provider}");
    let others = FILESYSTEM.iter().filter(|field| matches!(field.kind, Kind::Whole(_)) && field.about != own);
    let others = others.filter(|field| filesystem.get(field.name).is_some_and(|config| !asks_for_nothing(config)));
    others.map(|field| format!("filesystem.{} has no effect, since the provider is {provider}.", field.name)).collect()
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
    fn what_has_no_effect_is_said() {
        // C3-01, C4-01
        let check = |document: Value, expected: &[&str]| {
            let of = |field: &str| document.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
            let found = notes_of(&of("filters"), &of("filesystem"));
            assert_eq!(found.len(), expected.len(), "{document} {found:?}");
            for (note, path) in found.iter().zip(expected) {
                assert!(note.starts_with(&format!("{path} ")), "{document} {found:?}");
            }
        };
        check(json!({"username": "u", "filters": {"denied_ip": ["10.0.0.0/8"], "hooks": {}}}), &[]);
        check(
            json!({"filters": {"ftp_security": 1, "is_anonymous": true, "tls_username": "", "data_transfer_limits": [{}]}}),
            &["filters.data_transfer_limits", "filters.ftp_security", "filters.is_anonymous"],
        );
        check(json!({"filters": {"ftp_security": 0, "is_anonymous": false}}), &[]);
        let rule = |allowed: &[&str]| json!({"path": "/", "allowed_patterns": allowed, "denied_patterns": ["*.exe"]});
        check(json!({"filters": {"file_patterns": [rule(&[])]}}), &[]);
        check(
            json!({"filters": {"file_patterns": [rule(&[]), rule(&["*.txt"])]}}),
            &["filters.file_patterns.1.denied_patterns"],
        );
        let s3 = json!({"bucket": "b", "download_part_size": 7});
        check(json!({"filesystem": {"provider": 1, "s3config": s3}}), &["filesystem.s3config.download_part_size"]);
        let os = json!({"read_buffer_size": 7, "write_buffer_size": 0});
        check(json!({"filesystem": {"osconfig": os}}), &["filesystem.osconfig.read_buffer_size"]);
        // As the older server writes it.
        let empty = json!({"access_secret": {}, "bucket": "", "upload_part_size": 0});
        check(json!({"filesystem": {"provider": 0, "s3config": empty, "cryptconfig": {"passphrase": {}}}}), &[]);
        for provider in [json!({}), json!({"provider": 5}), json!({"provider": 1})] {
            let mut filesystem = provider.clone();
            filesystem["s3config"] = json!({"bucket": "b"});
            let expected: &[&str] = if provider == json!({"provider": 1}) { &[] } else { &["filesystem.s3config"] };
            check(json!({ "filesystem": filesystem }), expected);
        }
    }

    #[test]
    fn each_configuration_is_of_a_provider() {
        let of = |field: &Field| field.about.strip_prefix("Of provider ").and_then(|number| number.parse::<i64>().ok());
        let numbers: Vec<_> = FILESYSTEM.iter().filter(|field| field.name != "provider").map(of).collect();
        assert_eq!(numbers, (0..7).map(Some).collect::<Vec<_>>());
    }
}
