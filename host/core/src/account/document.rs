//! Decoding an account document the way the hooks of the older server expect it (B15): keys match
//! in any case, unknown keys are ignored, `null` clears lists only, integers must be integers, maps
//! merge, and lists replace.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::fields::{self, ACCOUNT, Field, Kind, field};
use crate::json;

/// Why a document could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The text is not JSON, or has text behind the document; with the parser's message.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// The JSON is not an object.
    #[error("the account must be a JSON object")]
    NotAnObject,
    /// A field has the wrong type.
    #[error("field \"{path}\": expected {expected}, found {found}")]
    Type {
        /// The field, such as `filters.allowed_ip`.
        path: String,
        /// A type in words.
        expected: &'static str,
        /// A type in words.
        found: &'static str,
    },
}

/// Writes what the first databases of the older server have as later ones have it: permissions that are a list are those
/// of the root directory.
pub fn modernise(document: &mut Map<String, Value>) {
    if let Some(permissions) = document.get_mut("permissions").filter(|permissions| permissions.is_array()) {
        *permissions = Value::Object(Map::from_iter([("/".to_owned(), permissions.take())]));
    }
}

/// Parses `text` and merges it into `target`.
pub fn merge(target: &mut Map<String, Value>, text: &str) -> Result<(), DocumentError> {
    let patch: Value = json::parse(text).map_err(|error| DocumentError::Syntax(error.to_string()))?;
    match patch {
        Value::Object(patch) => merge_owned(target, patch),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(DocumentError::NotAnObject)
        }
    }
}

/// Merges an already parsed document into `target`.
pub fn merge_value(target: &mut Map<String, Value>, patch: &Value) -> Result<(), DocumentError> {
    let Value::Object(patch) = patch else {
        return Err(DocumentError::NotAnObject);
    };
    merge_object_of(target, patch)
}

/// As [`merge_value`], for a document that is known to be an object.
pub fn merge_object_of(target: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), DocumentError> {
    merge_owned(target, patch.clone())
}

/// As [`merge_object_of`], for a document of which nothing else is needed.
pub fn merge_owned(target: &mut Map<String, Value>, patch: Map<String, Value>) -> Result<(), DocumentError> {
    modernise(target);
    merge_object(target, patch, ACCOUNT, "")
}

/// As [`merge_object_of`], for a document with these fields.
pub fn merge_fields(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    known: &'static [Field],
) -> Result<(), DocumentError> {
    merge_object(target, patch.clone(), known, "")
}

fn merge_object(
    target: &mut Map<String, Value>,
    patch: Map<String, Value>,
    known: &'static [Field],
    prefix: &str,
) -> Result<(), DocumentError> {
    for (key, value) in patch {
        let Some(field) = fields::find(known, &key) else {
            continue;
        };
        let path = match prefix {
            "" => Cow::Borrowed(field.name),
            prefix => Cow::Owned(format!("{prefix}{}", field.name)),
        };
        merge_field(target, field, value, &path)?;
    }
    Ok(())
}

fn merge_field(target: &mut Map<String, Value>, field: &Field, value: Value, path: &str) -> Result<(), DocumentError> {
    let name = field.name;
    if value.is_null() {
        match field.kind {
            Kind::Texts | Kind::Permissions | Kind::Whole(_) | Kind::List(_) | Kind::SecretText | Kind::Anything => {
                drop(target.remove(name))
            }
            Kind::Integer(..) | Kind::Time | Kind::Text | Kind::Flag | Kind::Object(_) => {}
        }
        return Ok(());
    }
    match field.kind {
        Kind::Integer(..) | Kind::Time => {
            value.as_i64().ok_or_else(|| mismatch(path, "an integer", &value))?;
            target.insert(name.to_owned(), value);
        }
        Kind::Text => {
            value.as_str().ok_or_else(|| mismatch(path, "a string", &value))?;
            target.insert(name.to_owned(), value);
        }
        Kind::Flag => {
            value.as_bool().ok_or_else(|| mismatch(path, "true or false", &value))?;
            target.insert(name.to_owned(), value);
        }
        Kind::Texts => {
            target.insert(name.to_owned(), texts(value, path)?);
        }
        Kind::Whole(_) | Kind::List(_) | Kind::SecretText => {
            let mut value = value;
            in_known_case(&mut value, inner_fields(field));
            target.insert(name.to_owned(), value);
        }
        Kind::Anything => {
            target.insert(name.to_owned(), value);
        }
        Kind::Permissions => {
            let directories = match value {
                Value::Object(directories) => directories,
                // As in the first databases of the older server, where permissions held everywhere.
                tokens @ Value::Array(_) => Map::from_iter([("/".to_owned(), tokens)]),
                other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                    return Err(mismatch(path, "an object", &other));
                }
            };
            let merged = object_in(target, name);
            let names: Vec<_> = directories.keys().map(|directory| without_slash(directory, &directories)).collect();
            for ((directory, tokens), name) in directories.into_iter().zip(names) {
                let tokens = texts(tokens, &format!("{path}.{directory}"))?;
                merged.insert(name, tokens);
            }
        }
        Kind::Object(known) => match value {
            Value::Object(patch) => merge_object(object_in(target, name), patch, known, &format!("{path}."))?,
            other => return Err(mismatch(path, "an object", &other)),
        },
    }
    Ok(())
}

/// The fields of a secret that is an object (C4-02).
const SECRET: &[Field] = &[
    field("status", Kind::Text, "How the payload is encrypted"),
    field("payload", Kind::Text, "The secret"),
    field("key", Kind::Text, "Of another server"),
    field("additional_data", Kind::Text, "Of another server"),
    field("mode", Kind::Anything, "Of another server"),
];

fn inner_fields(field: &Field) -> &'static [Field] {
    if matches!(field.kind, Kind::SecretText) { SECRET } else { field.fields() }
}

/// Gives the keys of what is replaced as a whole their known case (B15-01): under another one a value would be kept
/// without effect, and a secret in clear. Unknown keys stay.
pub(super) fn in_known_case(value: &mut Value, known: &'static [Field]) {
    if known.is_empty() {
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| in_known_case(item, known)),
        Value::Object(object) => {
            let is_other = |key: &String| fields::find(known, key).is_some_and(|field| field.name != key);
            if object.keys().any(is_other) {
                let renamed = |(key, value): (String, Value)| {
                    let name = fields::find(known, &key).map(|field| field.name.to_owned());
                    (name.unwrap_or(key), value)
                };
                *object = std::mem::take(object).into_iter().map(renamed).collect();
            }
            for (key, value) in object.iter_mut() {
                if let Some(field) = fields::find(known, key) {
                    in_known_case(value, inner_fields(field));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A slash at the end of a directory does not count (A8-04); with both spellings in one document, the
/// validation will refuse them.
fn without_slash(directory: &str, directories: &Map<String, Value>) -> String {
    match directory.trim_end_matches('/') {
        "" => directory.to_owned(),
        trimmed if trimmed != directory && directories.contains_key(trimmed) => directory.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// The object under `name`, made when there is none.
fn object_in<'a>(target: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let slot = target.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(object) => object,
        _ => unreachable!("the slot was made an object above"),
    }
}

fn texts(value: Value, path: &str) -> Result<Value, DocumentError> {
    let items = match value {
        Value::Null => return Ok(Value::Array(Vec::new())),
        Value::Array(items) => items,
        other => return Err(mismatch(path, "a list of strings", &other)),
    };
    let texts = items
        .into_iter()
        .map(|item| match item {
            Value::Null => Ok(Value::String(String::new())),
            Value::String(_) => Ok(item),
            other => Err(mismatch(path, "a list of strings", &other)),
        })
        .collect::<Result<_, _>>()?;
    Ok(Value::Array(texts))
}

fn mismatch(path: &str, expected: &'static str, found: &Value) -> DocumentError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number that is not an integer in range",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let found = if found.starts_with("a number") && expected != "an integer" { "a number" } else { found };
    DocumentError::Type { path: path.to_owned(), expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B15: `patch` merged into `base` gives `expected`, or an error that contains it.
    fn check(base: &str, patch: &str, expected: &str) {
        let mut target = serde_json::from_str(base).unwrap();
        match merge(&mut target, patch) {
            Ok(()) => assert_eq!(serde_json::to_string(&target).unwrap(), expected, "{patch}"),
            Err(error) => assert!(error.to_string().contains(expected), "{patch}: {error}"),
        }
    }

    #[test]
    fn documents_merge_as_the_older_server_did() {
        // B3-02, B15-01, B15-02, B15-08
        check("{}", r#"{"STATUS":1,"nobody":"knows"}"#, r#"{"status":1}"#);
        check("{}", r#"{"uid":1,"uid":2}"#, r#"{"uid":2}"#);
        check(
            "{}",
            r#"{"filters":{"File_Patterns":[{"Path":"/","Denied_Patterns":["*.exe"],"Later":1}]}}"#,
            r#"{"filters":{"file_patterns":[{"path":"/","denied_patterns":["*.exe"],"Later":1}]}}"#,
        );
        check(
            "{}",
            r#"{"filesystem":{"Provider":1,"S3Config":{"Key_Prefix":"p/","Access_Secret":{"Status":"Plain","Payload":"s"}}}}"#,
            r#"{"filesystem":{"provider":1,"s3config":{"key_prefix":"p/","access_secret":{"status":"Plain","payload":"s"}}}}"#,
        );
        check(
            "{}",
            r#"{"virtual_folders":[{"Name":"f","Filesystem":{"SFTPConfig":{"Prefix":"/p"}}}],"groups":[{"NAME":"g","Type":1}]}"#,
            r#"{"virtual_folders":[{"name":"f","filesystem":{"sftpconfig":{"prefix":"/p"}}}],"groups":[{"name":"g","type":1}]}"#,
        );
        check("{}", r#"{"groups":[{"Name":"g","name":"h"}]}"#, r#"{"groups":[{"name":"h"}]}"#);
        // B15-03
        check(r#"{"status":1}"#, r#"{"status":null}"#, r#"{"status":1}"#);
        check(r#"{"public_keys":["a"]}"#, r#"{"public_keys":null}"#, "{}");
        check(r#"{"permissions":{"/":["*"]}}"#, r#"{"permissions":null}"#, "{}");
        check(r#"{"username":"u","uid":1}"#, r#"{"username":null,"uid":null}"#, r#"{"username":"u","uid":1}"#);
        // B15-04
        check("{}", r#"{"permissions":["list","download"]}"#, r#"{"permissions":{"/":["list","download"]}}"#);
        check(
            r#"{"permissions":["list"]}"#,
            r#"{"permissions":{"/in":["*"]}}"#,
            r#"{"permissions":{"/":["list"],"/in":["*"]}}"#,
        );
        check("{}", r#"{"permissions":[7]}"#, "field \"permissions./\": expected a list of strings");
        check("{}", r#"{"permissions":"*"}"#, "field \"permissions\": expected an object, found a string");
        check("{}", r#"{"uid":1.0}"#, "field \"uid\": expected an integer");
        check("{}", r#"{"uid":"1"}"#, "found a string");
        check("{}", r#"{"status":true}"#, "found true or false");
        check("{}", r#"{"username":7}"#, "field \"username\": expected a string, found a number");
        // B15-05
        check(
            r#"{"permissions":{"/":["*"]}}"#,
            r#"{"permissions":{"/in":["list"]}}"#,
            r#"{"permissions":{"/":["*"],"/in":["list"]}}"#,
        );
        check(
            r#"{"permissions":{"/":["*"],"/in":["list"]}}"#,
            r#"{"permissions":{"/in/":["upload"]}}"#,
            r#"{"permissions":{"/":["*"],"/in":["upload"]}}"#,
        );
        check(
            r#"{"filters":{"allowed_ip":["a"],"denied_ip":["b"]}}"#,
            r#"{"filters":{"Allowed_IP":["c"]}}"#,
            r#"{"filters":{"allowed_ip":["c"],"denied_ip":["b"]}}"#,
        );
        check("{}", r#"{"filters":{"hooks":{"external_auth_disabled":1}}}"#, "filters.hooks.external_auth_disabled");
        // B15-06
        check("{}", r#"{"status":1}{"status":0}"#, "trailing characters");
        check("{}", "  {\"status\":1} \n", r#"{"status":1}"#);
        check("{}", "", "not valid JSON");
        check("{}", "[]", "must be a JSON object");
        // A8-16
        check("{}", r#"{"used_quota_file":3}"#, r#"{"used_quota_files":3}"#);
    }
}
