//! The documents of administrators and keys as schemas, made of the tables of their fields.

use serde_json::{Map, Value, json};
use tidegate_core::account::fields::{Field, Kind, Maintainer};

/// The schema of a document with these fields. Each may be left out, and is left as it is where it is null.
pub fn of_document(about: &str, fields: &[Field]) -> Value {
    let properties: Map<_, _> = fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    json!({ "type": "object", "description": about, "properties": properties })
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
        Kind::Permissions | Kind::Whole(_) | Kind::List(_) | Kind::SecretText | Kind::Anything => {
            json!({ "description": field.about })
        }
    }
}
