//! The configuration in force, as administrators are shown it: without secrets (A3-06).

use serde_json::{Map, Value, json};

use super::{Config, Source, known};

/// All keys with their values; passwords, the values of headers, plugins' and accounts' secrets and credentials in URLs are hidden.
///
/// # Errors
/// A value cannot be written as JSON.
pub fn shown(config: &Config) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(config)?;
    redact(&mut value, "");
    remove_unset(&mut value);
    Ok(value)
}

/// The same as `values`, and as `origins`, for each key that has another value than its default, the place that gives
/// it: a line of the file, or the environment.
///
/// # Errors
/// A value cannot be written as JSON.
pub fn with_origins(config: &Config, source: &Source) -> serde_json::Result<Value> {
    let (given, default) = (serde_json::to_value(config)?, serde_json::to_value(Config::default())?);
    let mut origins = Map::new();
    find_origins(&given, &default, "", source, &mut origins);
    Ok(json!({ "values": shown(config)?, "origins": origins }))
}

fn find_origins(given: &Value, default: &Value, key: &str, source: &Source, origins: &mut Map<String, Value>) {
    if given == default {
        return;
    }
    let (Value::Object(given), Value::Object(default)) = (given, default) else {
        let line = source.path.as_ref().zip(known::line_of(&source.text, key));
        let origin = line
            .map_or_else(|| "the environment".to_owned(), |(path, line)| format!("{}, line {line}", path.display()));
        origins.insert(key.to_owned(), origin.into());
        return;
    };
    for (name, inner) in given {
        let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        find_origins(inner, default.get(name).unwrap_or(&Value::Null), &key, source, origins);
    }
}

/// Removes keys without a value, which TOML cannot express.
fn remove_unset(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, inner| !inner.is_null());
        fields.values_mut().for_each(remove_unset);
    }
}

const REDACTED: &str = "[redacted]";

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
            let is_named = section.starts_with("secrets.");
            let last = section.rsplit('.').next().unwrap_or_default();
            *text = match (last, text.split_once('=')) {
                _ if is_secret || of_plugin || is_named => REDACTED.to_owned(),
                // Programs are given secrets by their environment and their arguments.
                ("env", Some((name, _))) => format!("{name}={REDACTED}"),
                ("env" | "args", _) => REDACTED.to_owned(),
                _ => shown_url(text),
            };
        }
        _ => {}
    }
}

/// A URL without what may be a secret in it: the user and the query. Other texts are as they are.
pub fn shown_url(text: &str) -> String {
    let Some((_, rest)) = text.split_once("://") else { return text.to_owned() };
    match text.split_once(['?', '#']) {
        _ if rest.contains('@') => REDACTED.to_owned(),
        Some((place, _)) => format!("{place}?{REDACTED}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Loaded;

    #[test]
    fn each_value_has_its_origin_and_no_secret_is_shown() {
        // A3-06
        let text = "[sftpd]\nbind_port = 2200\n[http]\nheaders = [{ key = \"k\", value = \"hush\" }]\n";
        let path = Path::new("/etc/tidegate/tidegate.toml");
        let source = Source { path: Some(path.to_owned()), text: text.to_owned() };
        let environment = [("TIDEGATE_COMMON__GRACE_TIME".to_owned(), "7".to_owned())];
        let loaded = Loaded::of(source, &environment, Vec::new()).unwrap();
        let shown = with_origins(&loaded.config, &loaded.source).unwrap();
        assert_eq!(shown["values"]["sftpd"]["bind_port"], 2200);
        assert_eq!(shown["origins"]["sftpd.bind_port"], "/etc/tidegate/tidegate.toml, line 2");
        assert_eq!(shown["origins"]["http.headers"], "/etc/tidegate/tidegate.toml, line 4");
        assert_eq!(shown["origins"]["common.grace_time"], "the environment");
        assert_eq!(shown["origins"].get("httpd.bind_address"), None);
        assert!(!shown.to_string().contains("hush"), "{shown}");
    }

    #[test]
    fn passwords_are_marked() {
        // A3-06
        for (lines, key) in [
            ("password = \"hush\"", "password"),
            ("connection_string = \"host=db dbname=d user=u password=hush\"", "connection_string"),
            ("connectionstring = \"host=db dbname=d user=u password=hush\"", "connectionstring"),
        ] {
            let text = format!("[data_provider]\ndriver = \"postgresql\"\n{lines}\n");
            let source = Source { path: Some("/etc/tidegate/tidegate.toml".into()), text };
            let loaded = Loaded::of(source, &[], Vec::new()).unwrap();
            let shown = with_origins(&loaded.config, &loaded.source).unwrap();
            assert_eq!(shown["values"]["data_provider"][key], "[redacted]", "{lines}");
            assert!(!shown.to_string().contains("hush"), "{shown}");
        }
    }

    #[test]
    fn secrets_of_programs_and_urls_are_not_shown() {
        // A3-06
        let check = |section: &str, text: &str, expected: &str| {
            let mut value = serde_json::json!([text]);
            redact(&mut value, section);
            assert_eq!(value, serde_json::json!([expected]), "{section} {text}");
        };
        check("hook.external-auth.env", "API_TOKEN=hush", "API_TOKEN=[redacted]");
        check("hook.external-auth.env", "hush", "[redacted]");
        check("hook.external-auth.args", "--token=hush", "[redacted]");
        check("hook.external-auth.url", "https://panel/hook", "https://panel/hook");
        check("hook.external-auth.url", "https://panel/hook?token=hush", "https://panel/hook?[redacted]");
        check("hook.external-auth.url", "https://panel/hook#hush", "https://panel/hook?[redacted]");
        check("hook.external-auth.url", "https://user:hush@panel/hook", "[redacted]");
        check("data_provider.external_auth_hook", "HTTPS://panel/?hush", "HTTPS://panel/?[redacted]");
        check("telemetry.endpoint", "redis://:hush@cache", "[redacted]");
        check("secrets.name", "hush", "[redacted]");
        check("common.banner", "What? a=b", "What? a=b");
    }
}
