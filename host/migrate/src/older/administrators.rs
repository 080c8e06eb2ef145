//! Administrators of the older server's second interface (A18-17). What limits one and has no counterpart here disables
//! it: none can do more here than there.

use serde_json::{Map, Value, json};
use tidegate_core::admin::{ADMIN_OBJECT, AdminPermission};

use super::documents::{Documents, in_known_case, is_empty};
use super::secrets::{self, Outcome};
use crate::account::{password, printable, printable_list};
use crate::{NoteKind, ObjectKind};

type Document = Map<String, Value>;

/// Fields of administrators that have no counterpart and do not limit what they can do, and that say nothing that would be
/// missed.
const LEFT: [&str; 5] = ["id", "last_login", "updated_at", "deleted_at", "role_id"];
/// The same that would be missed, with what it means that they do not move.
const MISSED: [(&str, &str); 2] = [
    ("additional_info", "its additional_info has no counterpart"),
    ("groups", "its groups have no counterpart: users that it adds are in those groups alone that they are given"),
];
/// The same of their filters. Here each administrator may have keys.
const FILTERS_LEFT: [&str; 1] = ["allow_api_key_auth"];

impl Documents {
    /// Takes in an administrator.
    pub fn administrator(&mut self, document: Document) {
        let mut document = in_known_case(document, ADMIN_OBJECT);
        let Some(name) = text(&document, "username").map(str::to_owned) else {
            let about = "an administrator without a name";
            return self.moved.leave(ObjectKind::Administrator, about, "it stays behind");
        };
        let about = format!("administrator \"{}\"", printable(&name));
        if !self.is_first(ObjectKind::Administrator, "administrator", name.clone(), &about) {
            return;
        }
        let hash = text(&document, "password").unwrap_or_default().to_owned();
        let mut notes = crate::Moved::default();
        let Some(hash) = password(&hash, false, &about, &mut notes) else {
            let text = "it has no password that can be checked here, and stays behind; add it with: tidegate admin add";
            return self.moved.leave(ObjectKind::Administrator, about, text);
        };
        let mut unknown: Vec<String> = Vec::new();
        let filters = match document.remove("filters") {
            Some(Value::Object(filters)) => self.filters(filters, &about, &mut unknown),
            _ => Document::new(),
        };
        let permissions = self.permissions(&document, &about);
        for (field, _) in document.iter().filter(|(_, value)| !is_empty(value)) {
            let is_known = ADMIN_OBJECT.iter().any(|known| known.name == field) || LEFT.contains(&field.as_str());
            match MISSED.iter().find(|(missed, _)| missed.eq_ignore_ascii_case(field)) {
                Some((_, text)) => self.moved.note(NoteKind::NoCounterpart, &about, *text),
                None if is_known => {}
                None => unknown.push(printable(field)),
            }
        }
        let mut moved = Document::new();
        moved.insert("username".to_owned(), json!(name));
        moved.insert("password".to_owned(), json!(hash));
        moved.insert("permissions".to_owned(), json!(permissions));
        for field in ["email", "description", "role"] {
            moved.extend(text(&document, field).map(|text| (field.to_owned(), json!(text))));
        }
        let created_at = document.get("created_at").and_then(Value::as_i64).filter(|at| *at > 0);
        moved.extend(created_at.map(|at| ("created_at".to_owned(), json!(at))));
        let is_enabled = document.get("status").and_then(Value::as_i64) == Some(1);
        if is_enabled && !unknown.is_empty() {
            let text = format!(
                "{} may protect it, and has no counterpart here: it is disabled until you look at it and set status 1",
                unknown.join(", ")
            );
            self.moved.note(NoteKind::Changed, &about, text);
        }
        moved.insert("status".to_owned(), json!(i32::from(is_enabled && unknown.is_empty())));
        moved.insert("filters".to_owned(), Value::Object(filters));
        self.moved.admins.push(moved);
    }

    /// The permissions that have a counterpart.
    fn permissions(&mut self, document: &Document, about: &str) -> Vec<String> {
        let given = document.get("permissions").and_then(Value::as_array).into_iter().flatten();
        let given: Vec<&str> = given.filter_map(Value::as_str).collect();
        let is_known = |name: &&str| *name == "*" || AdminPermission::from_name(name).is_some();
        let (known, left): (Vec<&str>, Vec<&str>) = given.into_iter().partition(is_known);
        if !left.is_empty() {
            let text = format!("its permissions {} have no counterpart", printable_list(&left));
            self.moved.note(NoteKind::NoCounterpart, about, text);
        }
        known.into_iter().map(str::to_owned).collect()
    }

    /// The filters that have a counterpart. `unknown`: gets the names of those that may protect the administrator and
    /// have none.
    fn filters(&mut self, filters: Document, about: &str, unknown: &mut Vec<String>) -> Document {
        let mut moved = Document::new();
        for (field, value) in filters {
            match field.to_ascii_lowercase().as_str() {
                "allow_list" | "require_two_factor" if !is_empty(&value) => {
                    moved.insert(field.to_ascii_lowercase(), value);
                }
                "totp_config" => match code_secret(value) {
                    Ok(None) => {}
                    Ok(Some((secret, is_usual))) => {
                        moved.insert("totp_config".to_owned(), json!({ "secret": secret }));
                        if !is_usual {
                            let text = "its one-time codes move; they hold if they are made with SHA-1";
                            self.moved.note(NoteKind::Changed, about, text);
                        }
                    }
                    Err(problem) => unknown.push(format!("its second factor ({problem})")),
                },
                "recovery_codes" if !is_empty(&value) => {
                    let text = "its recovery codes do not move; new one-time codes come with new ones";
                    self.moved.note(NoteKind::NoCounterpart, about, text);
                }
                "require_password_change" if !is_empty(&value) => {
                    let text = "it had to change its password, which is not asked for here";
                    self.moved.note(NoteKind::NoCounterpart, about, text);
                }
                "preferences" => self.preferences(&value, about),
                known if FILTERS_LEFT.contains(&known) => {}
                _ if is_empty(&value) => {}
                _ => unknown.push(format!("filters.{}", printable(&field))),
            }
        }
        moved
    }
}

impl Documents {
    /// How the older server's pages look to the administrator, and what they fill in for new users.
    fn preferences(&mut self, preferences: &Value, about: &str) {
        let Some(preferences) = preferences.as_object() else { return };
        let set: Vec<_> = preferences.iter().filter(|(_, value)| !is_empty(value)).map(|(name, _)| &**name).collect();
        if !set.is_empty() {
            let text = format!("its preferences {} have no counterpart", printable_list(&set));
            self.moved.note(NoteKind::NoCounterpart, about, text);
        }
    }
}

fn text<'a>(document: &'a Document, field: &str) -> Option<&'a str> {
    document.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The secret of one-time codes in Base32 (RFC 4648 §6), and whether they are made in the usual way; None: the
/// administrator has none.
fn code_secret(mut config: Value) -> Result<Option<(String, bool)>, String> {
    if config.get("enabled") != Some(&Value::Bool(true)) {
        return Ok(None);
    }
    let is_usual = matches!(config.get("config_name").and_then(Value::as_str), None | Some("" | "Default"));
    let Some(secret) = config.get_mut("secret") else { return Err("it has no secret".to_owned()) };
    let mut outcome = Outcome::default();
    secrets::decrypt(secret, "secret", &mut outcome);
    let secret = &*secret;
    if let Some((_, problem)) = outcome.unreadable.into_iter().next() {
        return Err(problem);
    }
    let is_clear = secret.get("status").and_then(Value::as_str) == Some("Plain");
    let payload = secret.get("payload").filter(|_| is_clear).or(Some(secret)).and_then(Value::as_str);
    let secret = payload.unwrap_or_default().trim_end_matches('=').to_ascii_uppercase();
    let is_base32 = |byte: u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
    if secret.is_empty() || !secret.bytes().all(is_base32) {
        return Err("its secret is not Base32 text".to_owned());
    }
    Ok(Some((secret, is_usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2a$10$x";

    /// What moves of the administrator, and what is said; both contain each of `expected`.
    fn check(admin: Value, expected: &[&str]) {
        let mut documents = Documents::new(false);
        documents.administrator(admin.as_object().cloned().unwrap());
        let moved = &documents.moved;
        let admins: Vec<_> = moved.admins.iter().map(|admin| Value::Object(admin.clone()).to_string()).collect();
        let found = format!("{} {:?} {}", admins.join(" "), moved.notes, moved.left.admins);
        for part in expected {
            assert!(found.contains(part), "{found}\nlacks {part}");
        }
    }

    fn admin(more: Value) -> Value {
        let mut admin = json!({"username": "root", "password": HASH, "status": 1, "permissions": ["*"]});
        admin.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        admin
    }

    #[test]
    fn administrators_move_with_what_limits_them() {
        // A18-17
        check(
            admin(json!({
                "id": 1, "email": "a@b", "description": "d", "additional_info": "x", "role": "staff", "created_at": 7,
                "permissions": ["view_users", "disable_mfa"],
                "filters": {"allow_list": ["10.0.0.0/8"], "preferences": {"a": 1}, "require_two_factor": true},
            })),
            &[
                r#"{"username":"root","password":"$2a$10$x","permissions":["view_users"],"email":"a@b","description":"d","role":"staff","created_at":7,"status":1,"filters":{"allow_list":["10.0.0.0/8"],"require_two_factor":true}}"#,
                "disable_mfa have no counterpart",
                "its additional_info has no counterpart",
                "its preferences a have no counterpart",
            ],
        );
        let groups = json!([{"name": "g", "options": {"add_to_users_as": 1}}]);
        check(admin(json!({ "groups": groups })), &[r#""status":1"#, "its groups have no counterpart"]);
        check(admin(json!({"status": 0})), &[r#""status":0"#]);
        check(admin(json!({"filters": {"brand_new": ["x"]}})), &[r#""status":0"#, "filters.brand_new may protect it"]);
        check(admin(json!({"brand_new": true})), &[r#""status":0"#, "brand_new may protect it"]);
        check(admin(json!({"brand_new": false, "filters": {"other": 0}})), &[r#""status":1"#]);
        check(admin(json!({"password": ""})), &["no password that can be checked", " 1"]);
        check(admin(json!({"password": "clear"})), &["no password that can be checked", " 1"]);
        check(json!({"status": 1}), &["without a name", " 1"]);
        check(admin(json!({"filters": {"recovery_codes": [{"secret": {}}]}})), &["recovery codes do not move"]);
    }

    #[test]
    fn a_second_factor_moves_or_disables() {
        // A8-15, C4-02
        let codes = |secret: Value| {
            admin(json!({"filters": {"totp_config": {"enabled": true, "config_name": "Default", "secret": secret}}}))
        };
        let moved = r#""status":1,"filters":{"totp_config":{"secret":"GEZDGNBV"}}"#;
        check(codes(json!({"status": "Plain", "payload": "GEZDGNBV"})), &[moved]);
        check(codes(json!(secrets::tests::sealed("gezdgnbv"))), &[moved]);
        check(codes(json!({"status": "Secretbox", "payload": "x", "key": "k"})), &[r#""status":0"#, "second factor"]);
        check(codes(json!({"status": "Plain", "payload": "not it"})), &[r#""status":0"#, "not Base32 text"]);
        check(codes(json!(null)), &[r#""status":0"#]);
        let off = json!({"enabled": false, "secret": {"status": "Secretbox", "payload": "x"}});
        check(admin(json!({"filters": {"totp_config": off}})), &[r#""status":1,"filters":{}"#]);
        let other = json!({"enabled": true, "config_name": "strong", "secret": "GEZDGNBV"});
        check(admin(json!({"filters": {"totp_config": other}})), &[moved, "SHA-1"]);
    }
}
