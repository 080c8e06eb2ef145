//! Flags that may be left out.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// A flag that may be left out. A variable of the environment gives it as a number or a text.
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag)),
        other => match other.to_string().trim_matches('"') {
            "1" | "true" => Ok(Some(true)),
            "0" | "false" => Ok(Some(false)),
            text => Err(Error::custom(format!("\"{text}\" is not true or false"))),
        },
    }
}
