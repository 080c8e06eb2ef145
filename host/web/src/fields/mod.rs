//! Forms for documents, made from the one table of fields that decoding, the command line and the schema follow.

mod form;
mod parse;
mod secrets;
mod sections;
mod shown;

#[cfg(test)]
mod unchanged_tests;

pub use form::controls;
pub use parse::{Errors, applied};
pub use secrets::{is_new_secret, take_secrets_out, without_new_secrets};
pub use sections::sections;

use serde_json::{Map, Value};
use tidegate_core::account::fields::{ACCOUNT, Field, Kind, Maintainer};

use crate::request::Fields;
use crate::view::Rendered;

/// The box that takes an entry out of its list, or a directory out of the permissions. No field has such a name.
const REMOVED: &str = "-removed";

/// What people call a field: its name in words.
pub fn label(field: &Field) -> String {
    let words = field.name.replace('_', " ");
    let words = words.replace(" ip", " IP").replace("uid", "UID").replace("gid", "GID");
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + characters.as_str()
}

/// The path of a field inside of another one's.
pub fn within(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The account that the form of a request makes of a stored one, and the inputs of the page that shows it again, as
/// HTML. None: the form has too many fields.
pub fn account_of_form(stored: &Map<String, Value>, form: &[u8]) -> Option<(Map<String, Value>, String)> {
    let (document, errors) = applied(ACCOUNT, stored, &Fields::of_form(form)?);
    let inputs = controls(ACCOUNT, &document, &errors, |_| Vec::new(), true);
    Some((document, Rendered::controls(&inputs).html().to_owned()))
}

/// Gives the document the stored values of what the server alone maintains. The answer are the paths of those that the
/// document had otherwise.
pub fn keep_maintained(fields: &[Field], base: &Map<String, Value>, document: &mut Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    keep_in(fields, base, document, "", &mut found);
    found
}

fn keep_in(
    fields: &[Field],
    base: &Map<String, Value>,
    document: &mut Map<String, Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    let none = Map::new();
    for field in fields {
        let is_meant = |name: &String| field.name.eq_ignore_ascii_case(name);
        let stored = base.get(field.name);
        if field.maintainer == Maintainer::Server {
            let wanted: Vec<_> = document.keys().filter(|name| is_meant(name)).cloned().collect();
            let wanted: Vec<_> = wanted.iter().filter_map(|name| document.remove(name)).collect();
            if wanted.iter().any(|value| Some(value) != stored && !value.is_null()) {
                found.push(within(path, field.name));
            }
            if let Some(stored) = stored {
                document.insert(field.name.to_owned(), stored.clone());
            }
        } else if let (Kind::Object(fields), Some(Value::Object(inner))) = (field.kind, document.get_mut(field.name)) {
            let stored = stored.and_then(Value::as_object).unwrap_or(&none);
            keep_in(fields, stored, inner, &within(path, field.name), found);
        }
    }
}

/// The paths of a document that the table does not have: the server does not store them.
pub fn unknown(fields: &[Field], document: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    collect_unknown(fields, document, "", &mut found);
    found
}

fn collect_unknown(fields: &[Field], document: &Map<String, Value>, path: &str, found: &mut Vec<String>) {
    for (name, value) in document {
        let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name) || field.alias == Some(name));
        match (field, value) {
            (None, _) => found.push(within(path, name)),
            (Some(Field { kind: Kind::Object(fields), .. }), Value::Object(object)) => {
                collect_unknown(fields, object, &within(path, name), found);
            }
            (Some(_), _) => {}
        }
    }
}
