//! The documents of administrators, keys, folders, groups and roles as schemas, made of the tables of their fields.

use serde_json::{Map, Value, json};
use tidegate_core::account::ObjectKind;
use tidegate_core::account::fields::{Field, Kind, Maintainer};

/// The schema of a document with these fields. Each may be left out, and is left as it is where it is null.
pub fn of_document(about: &str, fields: &[Field]) -> Value {
    let properties: Map<_, _> = fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    json!({ "type": "object", "description": about, "properties": properties })
}

/// The schema of a folder, a group or a role; `shown`: what answers have beside its fields.
pub fn of_object(kind: ObjectKind, about: &str, shown: &[(&'static str, &str)]) -> Value {
    let mut properties: Map<_, _> =
        kind.fields().iter().map(|field| (field.name.to_owned(), property(field))).collect();
    properties.insert("name".to_owned(), name_of_object());
    for (name, about) in shown {
        properties.insert((*name).to_owned(), json!({ "description": about, "readOnly": true }));
    }
    json!({ "type": "object", "description": about, "properties": properties })
}

/// The name of an object, as new ones may have it: no characters that cannot be seen, no white space at the ends or other
/// than spaces, no combining mark first.
fn name_of_object() -> Value {
    let unseen = r"\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff";
    let pattern = format!(r"^[^{unseen} \u0300-\u036f]([^{unseen}]*[^{unseen} ])?$");
    json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": pattern })
}

fn property(field: &Field) -> Value {
    // What a request says of them is passed over, whatever it is.
    if field.maintainer == Maintainer::Server {
        return json!({ "description": field.about, "readOnly": true });
    }
    match field.kind {
        Kind::Integer(min, max) => {
            json!({ "description": field.about, "type": ["integer", "null"], "minimum": min, "maximum": max })
        }
        Kind::Time => {
            json!({ "description": field.about, "type": ["integer", "null"], "minimum": 0, "maximum": i64::MAX })
        }
        Kind::Text => json!({ "description": field.about, "type": ["string", "null"] }),
        Kind::Flag => json!({ "description": field.about, "type": ["boolean", "null"] }),
        Kind::Texts => {
            let items = json!({ "type": ["string", "null"] });
            json!({ "description": field.about, "type": ["array", "null"], "items": items })
        }
        Kind::Object(fields) => json!({ "anyOf": [of_document(field.about, fields), { "type": "null" }] }),
        Kind::Whole(fields) => {
            // A group's settings are checked field by field, as those of an account.
            let depth = if field.name == "user_settings" { Depth::Types } else { Depth::Names };
            let object = json!({ "type": "object", "properties": inner(fields, depth) });
            json!({ "description": field.about, "anyOf": [object, { "type": "null" }] })
        }
        Kind::List(fields) => {
            let item = json!({ "type": "object", "properties": inner(fields, Depth::Names) });
            let list = json!({ "type": "array", "items": item });
            json!({ "description": field.about, "anyOf": [list, { "type": "null" }] })
        }
        Kind::Permissions | Kind::SecretText | Kind::Anything => json!({ "description": field.about }),
    }
}

/// What the schema says of a field inside a field: no more than what is checked where the outer one is set. The rest is
/// checked where it has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Types,
    Names,
}

fn inner(fields: &[Field], depth: Depth) -> Map<String, Value> {
    let described = |field: &Field| {
        let mut schema = Map::new();
        schema.insert("description".to_owned(), json!(field.about));
        let kind = match field.kind {
            _ if depth == Depth::Names || field.maintainer == Maintainer::Server => None,
            Kind::Integer(..) | Kind::Time => Some("integer"),
            Kind::Text => Some("string"),
            Kind::Flag => Some("boolean"),
            Kind::Texts => Some("array"),
            Kind::Object(_) => Some("object"),
            Kind::Permissions | Kind::Whole(_) | Kind::List(_) | Kind::SecretText | Kind::Anything => None,
        };
        schema.extend(kind.map(|kind| ("type".to_owned(), json!([kind, "null"]))));
        match field.kind {
            Kind::Texts if kind.is_some() => {
                schema.insert("items".to_owned(), json!({ "type": ["string", "null"] }));
            }
            Kind::Object(fields) => {
                schema.insert("properties".to_owned(), Value::Object(inner(fields, depth)));
            }
            Kind::Whole(fields) => {
                schema.insert("properties".to_owned(), Value::Object(inner(fields, Depth::Names)));
            }
            Kind::List(fields) => {
                let properties = inner(fields, Depth::Names);
                schema.insert("items".to_owned(), json!({ "properties": properties }));
            }
            Kind::Integer(..)
            | Kind::Time
            | Kind::Text
            | Kind::Flag
            | Kind::Texts
            | Kind::Permissions
            | Kind::SecretText
            | Kind::Anything => {}
        }
        (field.name.to_owned(), Value::Object(schema))
    };
    fields.iter().map(described).collect()
}
