//! The account document as a JSON Schema (C1-07), for authors of hooks and interfaces. It is
//! published as `host/spec/account.schema.json`.

use serde_json::{Map, Value, json};

use super::fields::{ACCOUNT, Field, Kind, Maintainer};

/// The schema of the whole document, in the draft 2020-12 of JSON Schema.
pub fn json_schema() -> Value {
    let mut schema = object(ACCOUNT);
    let mut named = Map::new();
    named.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    named.insert("title".to_owned(), json!("Account"));
    named.append(&mut schema);
    named.insert("required".to_owned(), json!(["username", "permissions"]));
    Value::Object(named)
}

fn object(fields: &[Field]) -> Map<String, Value> {
    let properties = fields.iter().map(|field| (field.name.to_owned(), Value::Object(property(field)))).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema
}

fn property(field: &Field) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("description".to_owned(), json!(field.about));
    if field.maintainer == Maintainer::Server {
        schema.insert("readOnly".to_owned(), json!(true));
    }
    if field.is_secret {
        schema.insert("writeOnly".to_owned(), json!(true));
    }
    let mut put = |name: &str, value: Value| drop(schema.insert(name.to_owned(), value));
    match field.kind {
        Kind::Integer(min, max) => {
            put("type", json!("integer"));
            if min > i64::MIN {
                put("minimum", json!(min));
            }
            if max < i64::MAX {
                put("maximum", json!(max));
            }
        }
        Kind::Time => {
            put("type", json!("integer"));
            put("minimum", json!(0));
        }
        Kind::Text => put("type", json!("string")),
        Kind::Flag => put("type", json!("boolean")),
        Kind::Texts => {
            put("type", json!("array"));
            put("items", json!({ "type": "string" }));
        }
        Kind::Permissions => {
            put("type", json!("object"));
            put("additionalProperties", json!({ "type": "array", "items": { "type": "string" } }));
        }
        Kind::Object(fields) | Kind::Whole(fields) => schema.append(&mut object(fields)),
        Kind::List(fields) => {
            put("type", json!("array"));
            put("items", Value::Object(object(fields)));
        }
        Kind::SecretText => put("type", json!(["string", "object"])),
        Kind::Anything => {}
    }
    schema
}
