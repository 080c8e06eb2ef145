//! Fields of a document for the command line that the server does not know: it passes them over, as the older server did
//! (B15-02), which the person who has misspelt one should hear of.

use serde_json::{Map, Value};
use tidegate_core::account::fields::{ACCOUNT, Field};

use super::lines::warn_line;

/// What is shown of folders, groups and roles beside their fields.
const REFERENCES: [&str; 3] = ["users", "groups", "admins"];
/// The settings of a group, and their one field that no account has.
const SETTINGS: (&str, &str) = ("user_settings", "expires_in");

/// Warns of the fields of an account's document.
pub fn warn_of_account(source: &str, document: &Map<String, Value>) {
    warn(source, &unknown(ACCOUNT, document, &[], ""));
}

/// Warns of the fields of the document of a folder, group or role.
pub fn warn_of_object(source: &str, known: &[Field], document: &Map<String, Value>) {
    warn(source, &unknown_of_object(known, document));
}

fn warn(source: &str, paths: &[String]) {
    if !paths.is_empty() {
        warn_line!("tidegate: {source} has what is not known, and has no effect: {}", paths.join(", "));
    }
}

fn unknown_of_object(known: &[Field], document: &Map<String, Value>) -> Vec<String> {
    let mut found = unknown(known, document, &REFERENCES, "");
    let (settings, own) = SETTINGS;
    let has_settings = known.iter().any(|field| field.name == settings);
    for (_, given) in document.iter().filter(|(name, _)| has_settings && name.eq_ignore_ascii_case(settings)) {
        if let Value::Object(given) = given {
            found.extend(unknown(ACCOUNT, given, &[own], &format!("{settings}.")));
        }
    }
    found
}

fn unknown(known: &[Field], document: &Map<String, Value>, also: &[&str], prefix: &str) -> Vec<String> {
    let is_known = |name: &str| {
        known.iter().any(|field| field.name.eq_ignore_ascii_case(name) || field.alias == Some(name))
            || also.iter().any(|other| other.eq_ignore_ascii_case(name))
    };
    let names = document.iter().filter(|(name, value)| !value.is_null() && !is_known(name));
    names.map(|(name, _)| format!("{prefix}{name}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_core::account::ObjectKind;

    use super::*;

    #[test]
    fn what_is_not_known_is_named() {
        // B15-02
        let of_account = |document: Value| unknown(ACCOUNT, document.as_object().unwrap(), &[], "");
        let known = json!({"USERNAME": "u", "used_quota_file": 3, "has_password": true, "later": null});
        assert!(of_account(known).is_empty());
        assert_eq!(of_account(json!({"quota_sise": 5, "status": 1})), ["quota_sise"]);
        let of_group = |document: Value| unknown_of_object(ObjectKind::Group.fields(), document.as_object().unwrap());
        let known = json!({"name": "g", "users": ["u"], "user_settings": {"Expires_In": 3, "quota_size": 5}});
        assert!(of_group(known).is_empty());
        let unknown = json!({"nmae": "g", "User_Settings": {"quota_sise": 5}});
        assert_eq!(of_group(unknown), ["nmae", "user_settings.quota_sise"]);
    }
}
