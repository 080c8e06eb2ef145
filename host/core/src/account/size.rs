//! How large an account may be: every login reads the whole of it.

use serde_json::{Map, Value};

use super::draft::{AccountDraft, InvalidAccount, invalid};

/// Most bytes of an account document as JSON: enough for some thousands of directories or keys.
pub const MAX_DOCUMENT: usize = 256 << 10;

/// Most lists and objects inside of each other, the document being the first: JSON is read to the depth of 127, and in dumps
/// and answers there are some more around the document.
const MAX_DEPTH: usize = 100;

/// Bytes that a value takes in memory beside its text, about.
const NODE: usize = 64;

impl AccountDraft {
    /// Checks that the document is at most [`MAX_DOCUMENT`] bytes as JSON, and can be read again wherever it stands.
    ///
    /// # Errors
    /// The document is larger, and the error names its largest field; or a field is nested too deep.
    pub fn check_size(&self) -> Result<(), InvalidAccount> {
        check_depth(&self.document)?;
        let too_large = || format!("the account would be larger than {} KiB as JSON", MAX_DOCUMENT >> 10);
        match largest(&self.document) {
            (total, Some(field)) if total > MAX_DOCUMENT => Err(invalid(field, too_large())),
            _ => Ok(()),
        }
    }

    /// Bytes that the draft takes in memory, about.
    pub fn footprint(&self) -> usize {
        self.document.iter().map(|(name, value)| NODE + name.len() + footprint(value)).sum::<usize>() + NODE
    }
}

/// Checks that the document can be read again in a dump.
///
/// # Errors
/// A field is nested too deep.
pub(super) fn check_depth(document: &Map<String, Value>) -> Result<(), InvalidAccount> {
    match document.iter().find(|(_, value)| depth(value) >= MAX_DEPTH) {
        None => Ok(()),
        Some((field, _)) => {
            Err(invalid(field, format!("must have at most {} lists and objects inside of each other", MAX_DEPTH - 1)))
        }
    }
}

/// How many lists and objects are inside of each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
    }
}

/// Bytes of all fields as JSON, and the name of the largest field.
fn largest(document: &Map<String, Value>) -> (usize, Option<&str>) {
    let mut total = 2;
    let mut found = (0, None);
    for (name, value) in document {
        let size = name.len() + 4 + text_size(value);
        total += size;
        if size > found.0 {
            found = (size, Some(name.as_str()));
        }
    }
    (total, found.1)
}

/// Bytes of the value as JSON, without counting escapes.
fn text_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| text_size(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, inner)| name.len() + 4 + text_size(inner)).sum::<usize>()
        }
    }
}

fn footprint(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => NODE,
        Value::String(text) => NODE + text.len(),
        Value::Array(items) => NODE + items.iter().map(footprint).sum::<usize>(),
        Value::Object(fields) => {
            NODE + fields.iter().map(|(name, inner)| NODE + name.len() + footprint(inner)).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(field: &str, value: Value, expected: Option<&str>) {
        let mut draft = AccountDraft::new("u");
        draft.set(field, value);
        assert_eq!(draft.check_size().err().map(|error| error.field).as_deref(), expected, "{field}");
        let size = draft.to_json(false).len();
        assert!(draft.footprint() >= size / 2, "{field}: {} for {size}", draft.footprint());
    }

    #[test]
    fn the_largest_field_of_a_large_account_is_named() {
        // A11-21a
        let directories = |count: usize| (0..count).map(|n| (format!("/d{n}"), json!(["list"]))).collect::<Map<_, _>>();
        check("permissions", Value::Object(directories(5000)), None);
        check("permissions", Value::Object(directories(150_000)), Some("permissions"));
        check("description", json!("x".repeat(200_000)), None);
        check("description", json!("x".repeat(300_000)), Some("description"));
        // 256 KiB with the name and the quotes.
        check("description", json!("x".repeat(262_000)), None);
        check("description", json!("x".repeat(262_145)), Some("description"));
        check("public_keys", json!(vec!["k".repeat(400); 1000]), Some("public_keys"));
        check("oidc_custom_fields", json!({"a": vec![0; 100_000]}), Some("oidc_custom_fields"));
    }

    #[test]
    fn an_account_that_no_dump_could_have_is_refused() {
        // A18-10
        let deep = |depth: usize| {
            (0..depth).fold(json!(0), |value, at| if at % 2 == 0 { json!([value]) } else { json!({"a": value}) })
        };
        check("oidc_custom_fields", deep(99), None);
        check("oidc_custom_fields", deep(100), Some("oidc_custom_fields"));
        check("oidc_custom_fields", json!([0, deep(98), deep(99), {}]), Some("oidc_custom_fields"));
    }
}
