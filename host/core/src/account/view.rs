//! An account as a JSON document, in the key order that scripts know (C1-04).

use serde_json::{Map, Value, json};

use super::fields::{self, ACCOUNT, Field, HAS_PASSWORD, Kind, Member};
use super::filter_table::FILTERS;
use super::kept_secrets::REDACTED;
use super::{AccountValues, endpoints, second_factors};

/// The reader of a document, which decides what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The store, and hooks that may see second factors: the document holds everything.
    Trusted,
    /// Other hooks that decide logins: the document holds the password's hash, but no secrets of the
    /// second factor.
    LoginHook,
    /// Administrators and observers: the document holds no secrets.
    Redacted,
}

impl AccountValues {
    /// The account document for that reader.
    pub fn to_document(&self, audience: Audience) -> Map<String, Value> {
        let mut document = Map::with_capacity(ACCOUNT.len() + self.other.len());
        for field in ACCOUNT {
            let Member::Held(_, write) = field.member else { continue };
            if field.is_secret && audience == Audience::Redacted {
                continue;
            }
            if let Some(value) = write(self) {
                document.insert(field.name.to_owned(), value);
            }
        }
        for (name, value) in &self.other {
            document.insert(name.clone(), value.clone());
        }
        match audience {
            Audience::Trusted => {}
            Audience::LoginHook => hide_second_factor(&mut document),
            Audience::Redacted => {
                document.insert(HAS_PASSWORD.to_owned(), json!(self.password.is_some()));
                redact(&mut document);
            }
        }
        document
    }

    /// As [`to_document`](Self::to_document), with the fields that hooks always see (C1-04).
    pub fn to_hook_document(&self, audience: Audience) -> Map<String, Value> {
        as_hooks_see(self.to_document(audience))
    }

    pub(super) fn permissions_document(&self) -> Map<String, Value> {
        self.permissions
            .entries()
            .map(|(directory, set)| (directory.display().into_owned(), json!(set.tokens())))
            .collect()
    }
}

/// The document that hooks see of a user without an account: its name, `id` 0, and zero values for all
/// other fields that are always shown (A13-02).
pub fn unknown_account(username: &str) -> Map<String, Value> {
    let mut document = fields::zeros(ACCOUNT);
    document.insert("username".to_owned(), json!(username));
    document
}

/// A stored document without its secrets, for administrators and observers.
pub fn redacted(mut document: Map<String, Value>) -> Map<String, Value> {
    let password = document.remove("password");
    document.insert(HAS_PASSWORD.to_owned(), json!(password.is_some()));
    redact(&mut document);
    document
}

/// The stored document of a folder, a group or a role without secrets, for administrators and observers.
pub fn redacted_object(mut document: Map<String, Value>) -> Map<String, Value> {
    redact(&mut document);
    document
}

/// Removes the secrets of the second factor; that there is one may be known.
fn hide_second_factor(document: &mut Map<String, Value>) {
    let Some(Value::Object(filters)) = document.get_mut("filters") else { return };
    for field in FILTERS.iter().filter(|field| field.is_second_factor) {
        if field.is_secret {
            filters.remove(field.name);
        } else if let Some(Value::Object(inner)) = filters.get_mut(field.name) {
            inner.retain(|name, _| !fields::is_secret(name));
        }
    }
}

/// The document with all fields that the older server always wrote, for scripts that search it as text
/// (C1-04).
pub fn as_hooks_see(mut document: Map<String, Value>) -> Map<String, Value> {
    for field in ACCOUNT {
        if let (Kind::Object(known), Some(Value::Object(object))) = (field.kind, document.get_mut(field.name)) {
            *object = beginning_with(known, object);
        }
    }
    document
}

/// `object` with the fields that are always shown first, in the order of the table, then the others.
fn beginning_with(known: &[Field], object: &Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for field in known.iter().filter(|field| field.is_always_shown) {
        let missing = || match field.kind {
            Kind::Texts => json!([]),
            Kind::Integer(..)
            | Kind::Time
            | Kind::Text
            | Kind::Flag
            | Kind::Permissions
            | Kind::Object(_)
            | Kind::Whole(_)
            | Kind::List(_)
            | Kind::SecretText
            | Kind::Anything => field.zero(),
        };
        all.insert(field.name.to_owned(), object.get(field.name).cloned().unwrap_or_else(missing));
    }
    for (name, value) in object {
        all.entry(name.clone()).or_insert_with(|| value.clone());
    }
    all
}

/// Whether the field holds a secret of an account, at whatever depth of a document it is, also in one of a hook.
pub fn is_secret_field(name: &str, value: &Value) -> bool {
    fields::is_secret(name) || endpoints::is_secret(name, value)
}

/// Replaces the values of fields that hold secrets, at any depth.
fn redact(object: &mut Map<String, Value>) {
    for (name, value) in object {
        match value {
            value if is_secret_field(name, value) => *value = json!(REDACTED),
            Value::Object(inner) => redact(inner),
            Value::Array(items) => items.iter_mut().filter_map(Value::as_object_mut).for_each(redact),
            _ => {}
        }
    }
}

/// A copy for the hook that builds the document. Secrets are left out and not replaced by a mark, so that
/// the hook can give back what it has read.
pub(super) fn without_secrets(document: &Map<String, Value>, second_factors: bool) -> Map<String, Value> {
    let mut copy = document.clone();
    remove_secrets(&mut copy);
    second_factors::remove(&mut copy);
    if second_factors {
        second_factors::copy(document, &mut copy);
    }
    copy
}

fn remove_secrets(object: &mut Map<String, Value>) {
    object.retain(|name, _| !fields::is_secret(name));
    for value in object.values_mut() {
        match value {
            Value::Object(inner) => remove_secrets(inner),
            Value::Array(items) => items.iter_mut().filter_map(Value::as_object_mut).for_each(remove_secrets),
            _ => {}
        }
    }
}

/// Compact JSON with `<`, `>`, `&`, U+2028 and U+2029 escaped, as the older server wrote it for scripts
/// that match the text byte by byte (C1-05, C1-06).
pub fn compact_json(document: &Map<String, Value>) -> String {
    let plain = serde_json::to_string(document).unwrap_or_default();
    let mut escaped = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::{AccountDraft, CredentialRule};
    use super::*;

    #[test]
    fn hooks_see_the_known_order_and_escapes() {
        // A8-16, C1-04, C1-05, C1-06
        let json = r#"{"filesystem":{"provider":0},"permissions":{"/":["*"]},"home_dir":"/srv/<&>","username":"test_user","status":1,"password":"$1$a$b","description":"x"}"#;
        let account = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
        assert_eq!(
            compact_json(&account.to_hook_document(Audience::Trusted)),
            r#"{"id":0,"status":1,"username":"test_user","expiration_date":0,"password":"$1$a$b","home_dir":"/srv/\u003c\u0026\u003e","uid":0,"gid":0,"max_sessions":0,"quota_size":0,"quota_files":0,"permissions":{"/":["*"]},"used_quota_size":0,"used_quota_files":0,"last_quota_update":0,"upload_bandwidth":0,"download_bandwidth":0,"last_login":0,"filters":{"allowed_ip":[],"denied_ip":[]},"filesystem":{"provider":0},"description":"x"}"#
        );
        let check = |fields: &str, expected: &str| {
            let json = format!(r#"{{"username":"u","home_dir":"/u","permissions":{{"/":["*"]}},{fields}}}"#);
            let account = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account;
            let text = compact_json(&account.to_hook_document(Audience::Trusted));
            assert!(text.contains(expected), "{text}");
        };
        check(
            r#""filters":{"denied_login_methods":["password"],"denied_ip":["10.0.0.0/8"]}"#,
            r#""filters":{"allowed_ip":[],"denied_ip":["10.0.0.0/8"],"denied_login_methods":["password"]}"#,
        );
        check(r#""status":1"#, r#""filters":{"allowed_ip":[],"denied_ip":[]},"filesystem":{"provider":0}"#);
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
        check(
            &format!(r#""password":"$1$a$b","public_keys":["{line}"]"#),
            &format!(r#""password":"$1$a$b","public_keys":["{line}"],"home_dir":"/u""#),
        );
    }

    #[test]
    fn hooks_see_that_there_is_a_second_factor() {
        // A13-02, B3-07
        let json = r#"{"username":"u","home_dir":"/u","permissions":{"/":["*"]},"password":"$1$a$b","filters":{"totp_config":{"enabled":true,"protocols":["SSH"],"secret":{"payload":"hush"}},"recovery_codes":[{"secret":{"payload":"hush"}}]}}"#;
        let account = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
        let text = compact_json(&account.to_document(Audience::LoginHook));
        assert!(
            text.contains("$1$a$b") && text.contains(r#""totp_config":{"enabled":true,"protocols":["SSH"]}"#),
            "{text}"
        );
        assert!(!text.contains("hush"), "{text}");
        assert!(compact_json(&account.to_document(Audience::Trusted)).contains("hush"));
    }

    #[test]
    fn redacted_documents_hold_no_secret() {
        let json = r#"{"status":1,"username":"u","home_dir":"/u","permissions":{"/":["*"]},"password":"$1$a$b","filesystem":{"provider":0,"s3config":{"access_secret":"hush","bucket":"b","endpoint":"https://u:hush@h"}},"filters":{"totp_config":{"secret":{"payload":"hush"}}}}"#;
        let account = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
        let text = compact_json(&account.to_document(Audience::Redacted));
        assert!(!text.contains("hush") && !text.contains("$1$a$b"), "{text}");
        assert!(text.contains(r#""has_password":true"#) && text.contains(r#""bucket":"b""#), "{text}");
    }

    #[test]
    fn the_readmes_answer_is_taken_as_it_is() {
        // C1-03
        let text = r#"{"status":1,"username":"test_user","expiration_date":0,"home_dir":"/tmp/test_user","uid":0,"gid":0,"max_sessions":0,"quota_size":0,"quota_files":100000,"permissions":{"/":["*"],"/somedir":["list","download"]},"upload_bandwidth":0,"download_bandwidth":0,"filters":{"allowed_ip":[],"denied_ip":[]},"public_keys":[]}"#;
        let account = AccountDraft::from_json(text).unwrap().validate(CredentialRule::Optional).unwrap().account;
        assert!(account.enabled && account.username == "test_user" && account.home_dir == "/tmp/test_user");
        assert_eq!((account.quota_files, account.max_sessions, account.public_keys.len()), (100_000, 0, 0));
        let at = |text: &str| {
            let path = crate::path::VirtualPath::parse_normalised(text).unwrap();
            account.permissions.at(&path).tokens()
        };
        assert_eq!((at("/x"), at("/somedir/x")), (vec!["*"], vec!["list", "download"]));
    }

    #[test]
    fn fields_without_a_use_here_are_kept() {
        // C1-01
        let json = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let kept = json(
            r#"{"email":"a@b","description":"d","additional_info":"i","role":"r","groups":[{"name":"g","type":1}]}"#,
        );
        let filters = json(
            r#"{"tls_username":"CommonName","tls_certs":["x"],"web_client":["mfa-disabled"],"allow_api_key_auth":true,
            "user_type":"OSUser","data_transfer_limits":[],"ftp_security":1,"is_anonymous":false,
            "default_shares_expiration":3,"max_shares_expiration":4,"password_strength":5,
            "additional_emails":["c@d"]}"#,
        );
        let mut document = json(r#"{"status":1,"username":"u","home_dir":"/srv/u","permissions":{"/":["*"]}}"#);
        document.extend(kept.clone());
        document.insert("filters".to_owned(), Value::Object(filters.clone()));
        let draft = AccountDraft::from_json(&Value::Object(document).to_string()).unwrap();
        let account = draft.validate(CredentialRule::Optional).unwrap().account;
        let again = AccountDraft::of(&account).validate(CredentialRule::Optional).unwrap().account;
        for (field, value) in &kept {
            assert_eq!(again.other.get(field), Some(value), "{field}");
        }
        for (field, value) in &filters {
            assert_eq!(again.filters.document.get(field), Some(value), "{field}");
        }
    }
}
