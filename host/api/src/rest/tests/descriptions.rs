//! The OpenAPI documents are kept beside the crate.

use super::super::openapi;
use super::super::route::Interface;
use super::*;

/// `UPDATE_GOLDEN=1` writes the files again.
#[test]
fn the_generated_descriptions_are_those_that_are_kept() {
    // A18-14
    for interface in Interface::ALL {
        let path = format!("{}/openapi/{}.json", env!("CARGO_MANIFEST_DIR"), interface.name());
        let text = serde_json::to_string_pretty(&openapi::description(interface)).unwrap() + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi")).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == text, "the interface differs from {path}; if that is meant, run the test with UPDATE_GOLDEN=1");
    }
}

#[tokio::test]
async fn the_descriptions_are_served() {
    // A18-14
    let house = House::new();
    for interface in Interface::ALL {
        let answer = house.send("GET", &format!("/openapi/{}.json", interface.name()), &[], "").await;
        assert_eq!((answer.status, &answer.body["openapi"]), (200, &json!("3.1.0")));
        assert!(!answer.text.contains("127.0.0.1"));
    }
    house.send("GET", "/openapi/v3.json", &[], "").await.refused(404, "no such page");
    let answer = house.send("GET", "/healthz", &[], "").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "ok\n"));
}

/// Every reference leads to a schema.
#[test]
fn the_references_lead_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    for interface in Interface::ALL {
        let document = openapi::description(interface);
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}

/// Of two types with one name, one would be described as the other.
#[test]
fn a_name_is_that_of_one_schema() {
    let mut named = std::collections::BTreeMap::new();
    for (name, schema) in openapi::named_schemas() {
        let before = named.entry(name.clone()).or_insert_with(|| schema.clone());
        assert_eq!(*before, schema, "{name}");
    }
    // Its own fields, not those of another object.
    let fields = |name: &str| named[name]["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let (admin, key) = (fields("Admin"), fields("ApiKey"));
    for field in ["username", "permissions", "role", "status", "filters"] {
        assert!(admin.iter().any(|known| known == field), "{field} {admin:?}");
    }
    for field in ["name", "allow", "deny", "ips", "expires_at", "max_uses"] {
        assert!(key.iter().any(|known| known == field), "{field} {key:?}");
    }
    assert!(!admin.iter().any(|field| field == "name"), "{admin:?}");
    for (name, expected) in [
        ("Folder", &["id", "name", "mapped_path", "description", "filesystem", "users", "groups"][..]),
        ("Group", &["id", "name", "description", "user_settings", "virtual_folders", "users"]),
        ("Role", &["id", "name", "description", "users"]),
    ] {
        let found = fields(name);
        assert!(expected.iter().all(|field| found.iter().any(|known| known == field)), "{name} {found:?}");
    }
    let settings = &named["Group"]["properties"]["user_settings"]["anyOf"][0]["properties"];
    assert_eq!(settings["max_sessions"]["type"], json!(["integer", "null"]));
    assert!(settings["filters"]["properties"]["denied_ip"].is_object());
    let files = &named["Folder"]["properties"]["filesystem"]["anyOf"][0]["properties"];
    assert!(files["s3config"]["properties"]["bucket"].is_object());
}
