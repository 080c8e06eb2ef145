//! Forms of the web admin.

use serde_json::{Map, Value, json};

/// What the page of inputs is made of; no text of a form may add to it.
const TAGS: [&str; 15] = [
    "details", "div", "fieldset", "input", "label", "legend", "option", "p", "select", "small", "span", "strong",
    "summary", "textarea", "ul",
];

/// The form of an account. What the server maintains stays as it is, and the page that shows the inputs again has no
/// other elements than those of its templates.
pub fn web_form(bytes: &[u8]) {
    let stored = stored();
    let Some((document, page)) = tidegate_web::account_of_form(&stored, bytes) else { return };
    for field in ["id", "used_quota_size", "last_login", "later"] {
        assert_eq!(document.get(field), stored.get(field), "{field}");
    }
    for tag in page.split('<').skip(1) {
        let name = tag.trim_start_matches('/').split(|character: char| !character.is_ascii_alphanumeric()).next();
        assert!(TAGS.contains(&name.unwrap_or_default()), "<{tag}");
    }
}

fn stored() -> Map<String, Value> {
    let stored = json!({
        "id": 7, "status": 1, "username": "alice", "home_dir": "/srv/alice", "permissions": {"/": ["*"]}, "quota_size": 5,
        "used_quota_size": 3, "last_login": 9, "later": {"unknown": true}, "public_keys": ["one"],
        "filters": {"allowed_ip": ["192.0.2.0/24"], "file_patterns": [{"path": "/a", "denied_patterns": ["*.exe"]}]},
        "virtual_folders": [{"name": "f", "virtual_path": "/f", "mapped_path": "/srv/f"}],
    });
    stored.as_object().cloned().unwrap_or_default()
}
