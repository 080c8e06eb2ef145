//! Overrides: `TIDEGATE_SECTION__KEY`, and the older server's `SFTPGO_SECTION__KEY` (A3-02).

use serde_json::{Map, Value};

/// The last one wins.
pub const PREFIXES: [&str; 2] = ["SFTPGO_", "TIDEGATE_"];

/// Applies the variables that name a key. Unknown names with our prefix are errors; the
/// older server's prefix is also that of hooks' variables and may hold anything.
pub fn apply(value: &mut Value, defaults: &Value, environment: &[(String, String)]) -> Result<(), String> {
    for prefix in PREFIXES {
        for (name, text) in environment {
            let Some(key) = name.strip_prefix(prefix).filter(|key| key.contains("__")) else {
                continue;
            };
            let key = key.to_ascii_lowercase();
            let path: Vec<&str> = key.split("__").collect();
            let section_is_known = path.first().is_some_and(|section| defaults.get(*section).is_some());
            if prefix == "SFTPGO_" && (!section_is_known || default_at(defaults, &path).is_none()) {
                continue;
            }
            insert(value, defaults, &path, text)
                .map_err(|problem| format!("environment variable {name}: {problem}"))?;
        }
    }
    Ok(())
}

/// Puts `text` at `path`, as the type that the default there has.
pub fn insert(value: &mut Value, defaults: &Value, path: &[&str], text: &str) -> Result<(), String> {
    let typed = typed(default_at(defaults, path), text)?;
    let Some((last, sections)) = path.split_last() else {
        return Ok(());
    };
    let mut target = value;
    for section in sections {
        target = entry(target, section)?;
    }
    *entry(target, last)? = typed;
    Ok(())
}

fn entry<'a>(value: &'a mut Value, key: &str) -> Result<&'a mut Value, String> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(object) => Ok(object.entry(key.to_owned()).or_insert(Value::Null)),
        _ => Err(format!("\"{key}\" is below something that is not a section")),
    }
}

fn default_at<'a>(defaults: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(defaults, |value, key| value.get(*key))
}

/// Lists are separated by commas.
fn typed(default: Option<&Value>, text: &str) -> Result<Value, String> {
    match default {
        Some(Value::Bool(_)) => match text {
            "1" | "true" => Ok(Value::Bool(true)),
            "0" | "false" => Ok(Value::Bool(false)),
            other => Err(format!("\"{other}\" is not true or false")),
        },
        Some(Value::Number(default)) if default.is_f64() => {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(Value::from).ok_or_else(|| format!("\"{text}\" is not a number"))
        }
        Some(Value::Number(_)) => {
            text.trim().parse::<i64>().map(Value::from).map_err(|_| format!("\"{text}\" is not an integer"))
        }
        Some(Value::Array(_)) => {
            Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect())
        }
        // A key without a default: octal numbers are texts.
        Some(Value::Null) if text == "0" || !text.starts_with('0') => {
            Ok(text.trim().parse::<i64>().map_or_else(|_| Value::from(text), Value::from))
        }
        _ => Ok(Value::from(text)),
    }
}
