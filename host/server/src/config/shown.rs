//! The configuration in force, as administrators are shown it: without secrets (A3-06).

use serde_json::Value;

use super::Config;

/// All keys with their values; passwords, the values of headers, plugins' secrets and credentials in URLs are hidden.
///
/// # Errors
/// A value cannot be written as JSON.
pub fn shown(config: &Config) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(config)?;
    redact(&mut value, "");
    remove_unset(&mut value);
    Ok(value)
}

/// Removes keys without a value, which TOML cannot express.
fn remove_unset(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, inner| !inner.is_null());
        fields.values_mut().for_each(remove_unset);
    }
}

/// `section`: the dotted name of the table that holds `value`.
fn redact(value: &mut Value, section: &str) {
    const SECRET: [&str; 4] = ["password", "connection_string", "connectionstring", "http.headers.value"];
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let path = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
                redact(inner, &path);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, section)),
        Value::String(text) if !text.is_empty() => {
            let is_secret = SECRET.iter().any(|secret| section.ends_with(secret));
            let of_plugin = section.starts_with("plugin.") && section.contains(".secrets.");
            let in_url = text.starts_with("http") && text.contains('@');
            if is_secret || of_plugin || in_url {
                *text = "[redacted]".to_owned();
            }
        }
        _ => {}
    }
}
