use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_hook::{Failure, config};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub url: String,
    #[serde(default)]
    pub style: Style,
    /// For introspection; its secret is the plugin's secret `client-secret`.
    #[serde(default)]
    pub client_id: String,
    #[serde(default = "five_seconds")]
    pub timeout_ms: u64,
    #[serde(default)]
    pub existing: Existing,
    /// The account's document, with `{claim}` for what the service says.
    pub account: Map<String, Value>,
}

/// What the service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// A POST with the user's name and credential in JSON.
    #[default]
    Json,
    /// OAuth 2.0 token introspection (RFC 7662); the password is the token.
    Introspection,
}

/// What becomes of an account that is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// Used as it is.
    #[default]
    Keep,
    /// Made anew at each login; what an administrator changed in it is lost.
    Replace,
}

fn five_seconds() -> u64 {
    5000
}

impl Settings {
    pub fn read() -> Result<Self, Failure> {
        serde_json::from_str(&config::to_json()).map_err(|error| Failure::new(format!("config: {error}")))
    }
}

/// For a form (and, by RFC 6749 §2.3.1, before Basic authentication).
pub fn form_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encoded).collect()
}

pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded() {
        assert_eq!(form_encoded("a b&c=ü"), "a+b%26c%3D%C3%BC");
        assert_eq!(basic("id", "secret"), "Basic aWQ6c2VjcmV0");
    }
}
