//! Overrides from the environment: `TIDEGATE_SECTION__KEY`, and the older server's
//! `SFTPGO_SECTION__KEY` (A3-02). A variable that names no key is always reported.

use serde_json::{Map, Value};

use super::{keys, known, legacy_keys};

/// The prefixes; a variable with the last one wins.
pub const PREFIXES: [&str; 2] = ["SFTPGO_", "TIDEGATE_"];

/// Variables that were not applied, as sentences that begin with a variable's name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NotTaken {
    /// Variables with this server's own prefix, which are errors.
    pub unknown: Vec<String>,
    pub warnings: Vec<String>,
}

/// Applies the variables that name a key.
pub fn apply(value: &mut Value, defaults: &Value, environment: &[(String, String)]) -> Result<NotTaken, String> {
    let mut not_taken = NotTaken::default();
    for prefix in PREFIXES {
        let mut variables: Vec<_> = environment
            .iter()
            .filter_map(|(name, text)| Some((name, name.strip_prefix(prefix)?.to_ascii_lowercase(), text)))
            .collect();
        // Elements of a list are applied in the order of their numbers.
        variables.sort_by_cached_key(|(_, key, _)| key.split("__").map(numbers_in_order).collect::<Vec<_>>());
        for (name, key, text) in variables {
            let say = |problem: String| format!("environment variable {name}: {problem}");
            let path: Vec<&str> = key.split("__").collect();
            if path.len() < 2 {
                not_taken.warnings.extend(half_a_name(prefix, &key, defaults).map(say));
            } else if prefix == "SFTPGO_" && text.trim().is_empty() && takes_no_empty_text(defaults, &path) {
                // As in files for containers that pass on what may not be set.
                not_taken.warnings.push(say("it is empty, and is ignored".to_owned()));
            } else if let Some(advice) = unknown(defaults, &path) {
                match prefix {
                    "SFTPGO_" => not_taken.warnings.push(say(format!("{advice}; it is ignored"))),
                    _ => not_taken.unknown.push(say(advice)),
                }
            } else {
                insert(value, defaults, &path, text).map_err(say)?;
            }
        }
    }
    Ok(not_taken)
}

/// Whether the key has a number or a flag, which an empty text is not.
fn takes_no_empty_text(defaults: &Value, path: &[&str]) -> bool {
    matches!(default_at(defaults, path), Some(Value::Number(_) | Value::Bool(_)))
}

fn numbers_in_order(part: &str) -> String {
    if part.parse::<usize>().is_ok() { format!("{part:0>20}") } else { part.to_owned() }
}

/// The key that is meant by a name such as `SFTPD_BIND_PORT`, with one underscore between section and key.
fn half_a_name(prefix: &str, key: &str, defaults: &Value) -> Option<String> {
    let sections = defaults.as_object()?;
    let (section, inner) = sections.iter().find_map(|(section, keys)| {
        let rest = key.strip_prefix(section.as_str())?.strip_prefix('_')?;
        keys.get(rest).map(|_| (section, rest))
    })?;
    let meant = format!("{prefix}{section}__{inner}").to_ascii_uppercase();
    Some(format!("it is ignored; write {meant}, with two underscores between section and key"))
}

/// Why the path names no key; `None` if it names one.
fn unknown(defaults: &Value, path: &[&str]) -> Option<String> {
    let (section, rest) = path.split_first()?;
    if known::FREE.contains(section) {
        return None;
    }
    if legacy_keys::is_known(path) || default_at(defaults, path).is_some() {
        return None;
    }
    let Some(keys) = defaults.get(*section) else {
        return Some(known::advice_of(section, defaults));
    };
    match rest {
        [key, ..] if keys.get(*key).is_none() => Some(known::advice_of(key, keys)),
        _ => Some("there is nothing of that name below the key; remove it".to_owned()),
    }
}

/// Puts `text` at `path`, with the type of the default value there.
pub fn insert(value: &mut Value, defaults: &Value, path: &[&str], text: &str) -> Result<(), String> {
    let typed = typed(path, default_at(defaults, path).as_ref(), text)?;
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
    if let Ok(index) = key.parse::<usize>() {
        return element(value, index);
    }
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(object) => Ok(object.entry(key.to_owned()).or_insert(Value::Null)),
        _ => Err(format!("\"{key}\" is below something that is not a section")),
    }
}

fn element(value: &mut Value, index: usize) -> Result<&mut Value, String> {
    if value.is_null() {
        *value = Value::Array(Vec::new());
    }
    let Value::Array(list) = value else {
        return Err(format!("\"{index}\" is below something that is not a list"));
    };
    let length = list.len();
    if index == length {
        list.push(Value::Null);
    }
    list.get_mut(index)
        .ok_or_else(|| format!("the list has {length} elements so far, so the next is {length}, not {index}"))
}

/// The default value at a path. Below the number of a list's element, it is that of the element's keys.
fn default_at(defaults: &Value, path: &[&str]) -> Option<Value> {
    if let ["hook", _, key] = path {
        return keys::section_defaults().get(*key).cloned();
    }
    let index = path.iter().position(|part| part.parse::<usize>().is_ok());
    let Some((list, inner)) = index.and_then(|index| path.split_at_checked(index)) else {
        return path
            .iter()
            .try_fold(defaults, |value, key| value.get(*key))
            .cloned()
            .or_else(|| legacy_keys::default_at(path));
    };
    let element = known::element_of(&list.join(".")).or_else(|| legacy_keys::element_of(list))?;
    let (_, keys) = inner.split_first()?;
    keys.iter().try_fold(element, |value, key| value.get(*key).cloned())
}

fn typed(path: &[&str], default: Option<&Value>, text: &str) -> Result<Value, String> {
    let holds_json = text.starts_with(['[', '{']);
    match default {
        Some(Value::Bool(_)) => match text.to_ascii_lowercase().as_str() {
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
        Some(Value::Array(_) | Value::Object(_)) if holds_json => json(text),
        Some(Value::Array(_)) => list(path, text),
        Some(Value::Object(_)) => Err("is a section; name a key in it".to_owned()),
        // The key takes a chain of hooks, or a table.
        Some(Value::String(_)) if holds_json && path.last().is_some_and(|key| key.ends_with("hook")) => json(text),
        Some(Value::String(_)) => Ok(Value::from(text)),
        // The key has no default, so an octal number stays a text.
        Some(_) if text != "0" && text.starts_with('0') => Ok(Value::from(text)),
        Some(_) | None => Ok(match text.trim() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ if holds_json => json(text)?,
            number => number.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        }),
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("is not valid JSON: {error}"))
}

/// Splits a list at commas. If the elements of the list are objects with a single key, each text
/// becomes the value of that key.
fn list(path: &[&str], text: &str) -> Result<Value, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let Some(element) = known::element_of(&path.join(".")).or_else(|| legacy_keys::element_of(path)) else {
        return Ok(items.map(Value::from).collect());
    };
    match element.as_object().map(|keys| keys.keys().collect::<Vec<_>>()).as_deref() {
        Some([only]) => Ok(items.map(|item| serde_json::json!({ only.as_str(): item })).collect()),
        _ => Err("needs a JSON list, or a variable for each field with __0__FIELD at its end".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn apply_to(value: Value, environment: &[(&str, &str)]) -> Result<(Value, NotTaken), String> {
        let mut value = value;
        let defaults = serde_json::to_value(Config::default()).unwrap();
        let environment: Vec<_> =
            environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let not_taken = apply(&mut value, &defaults, &environment)?;
        Ok((value, not_taken))
    }

    #[test]
    fn keys_of_every_type_are_taken() {
        // A3-02
        let check = |name: &str, text: &str, expected: Value| {
            let outcome = apply_to(json!({}), &[(name, text)]);
            assert_eq!(outcome, Ok((expected, NotTaken::default())), "{name}");
        };
        check("TIDEGATE_SFTPD__BIND_PORT", "22", json!({ "sftpd": { "bind_port": 22 } }));
        check("SFTPGO_SFTPD__ENABLE_SCP", "True", json!({ "sftpd": { "enable_scp": true } }));
        check("TIDEGATE_SFTPD__MACS", "a, b", json!({ "sftpd": { "macs": ["a", "b"] } }));
        check("TIDEGATE_SFTPD__MACS", r#"["a"]"#, json!({ "sftpd": { "macs": ["a"] } }));
        check("TIDEGATE_SFTPD__KEYS", "/k", json!({ "sftpd": { "keys": [{ "private_key": "/k" }] } }));
        check("TIDEGATE_SFTPD__KEYS__0__PRIVATE_KEY", "/k", json!({ "sftpd": { "keys": [{ "private_key": "/k" }] } }));
        check("TIDEGATE_COMMAND__COMMANDS__0__TIMEOUT", "3", json!({ "command": { "commands": [{ "timeout": 3 }] } }));
        check(
            "TIDEGATE_COMMAND__COMMANDS__0__ARGS",
            "a,b",
            json!({ "command": { "commands": [{ "args": ["a", "b"] }] } }),
        );
        check("TIDEGATE_HTTP__HEADERS", r#"[{"key":"K"}]"#, json!({ "http": { "headers": [{ "key": "K" }] } }));
        check("TIDEGATE_HOOK__LOGIN_PRE__USERS", "a,b", json!({ "hook": { "login_pre": { "users": ["a", "b"] } } }));
        check("TIDEGATE_HOOK__CONNECT__TIMEOUT", "3", json!({ "hook": { "connect": { "timeout": 3 } } }));
        check("TIDEGATE_HOOK__CONNECT__HOOK", "plugin:a", json!({ "hook": { "connect": { "hook": "plugin:a" } } }));
        check("TIDEGATE_PLUGIN__X__GRANTS", r#"["http"]"#, json!({ "plugin": { "x": { "grants": ["http"] } } }));
        check("TIDEGATE_COMMON__UMASK", "0077", json!({ "common": { "umask": "0077" } }));
        check("TIDEGATE_DATA_PROVIDER__PASSWORD", "[x", json!({ "data_provider": { "password": "[x" } }));
        let chain = r#"["/a","plugin:b"]"#;
        let expected = json!({ "data_provider": { "pre_login_hook": ["/a", "plugin:b"] } });
        check("SFTPGO_DATA_PROVIDER__PRE_LOGIN_HOOK", chain, expected);
        let expected = json!({ "sftpd": { "bindings": [{ "port": 2022 }] } });
        check("SFTPGO_SFTPD__BINDINGS__0__PORT", "2022", expected);
        check("SFTPGO_SFTPD__HOST_KEYS", "/a,/b", json!({ "sftpd": { "host_keys": ["/a", "/b"] } }));
    }

    #[test]
    fn an_empty_variable_of_the_older_server_sets_no_number() {
        // A3-02
        let check = |name: &str, text: &str, expected: Value, is_said: bool| {
            let (value, not_taken) = apply_to(json!({}), &[(name, text)]).unwrap();
            assert_eq!((value, not_taken.unknown.is_empty()), (expected, true), "{name}");
            assert_eq!(not_taken.warnings.iter().any(|said| said.contains(name)), is_said, "{name}");
        };
        check("SFTPGO_SFTPD__BIND_PORT", "", json!({}), true);
        check("SFTPGO_SFTPD__ENABLE_SCP", " ", json!({}), true);
        check("SFTPGO_SFTPD__BINDINGS__0__PORT", "", json!({}), true);
        // Here it is a value.
        check("SFTPGO_SFTPD__BIND_ADDRESS", "", json!({ "sftpd": { "bind_address": "" } }), false);
        check("SFTPGO_SFTPD__ACTIONS__EXECUTE_ON", "", json!({ "sftpd": { "actions": { "execute_on": [] } } }), false);
        for name in ["TIDEGATE_SFTPD__BIND_PORT", "TIDEGATE_SFTPD__ENABLE_SCP"] {
            assert!(apply_to(json!({}), &[(name, "")]).unwrap_err().contains(name));
        }
    }

    #[test]
    fn elements_come_in_order_and_without_gaps() {
        // A3-02
        let name = |index: usize| format!("TIDEGATE_SFTPD__KEYS__{index}__PRIVATE_KEY");
        let names: Vec<String> = [10, 2, 0, 1, 9, 8, 7, 6, 5, 4, 3].map(name).into();
        let environment: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
        let (value, _) = apply_to(json!({}), &environment).unwrap();
        let keys = value["sftpd"]["keys"].as_array().unwrap();
        assert_eq!((keys.len(), &keys[10]["private_key"]), (11, &json!(name(10))));
        let error = apply_to(json!({}), &[("TIDEGATE_SFTPD__KEYS__1__PRIVATE_KEY", "/k")]).unwrap_err();
        assert!(error.contains("TIDEGATE_SFTPD__KEYS__1__PRIVATE_KEY") && error.contains("not 1"), "{error}");
        let of_file = json!({ "sftpd": { "keys": [{ "private_key": "/a" }] } });
        let (value, _) = apply_to(of_file, &[("TIDEGATE_SFTPD__KEYS__0__PRIVATE_KEY", "/b")]).unwrap();
        assert_eq!(value["sftpd"]["keys"], json!([{ "private_key": "/b" }]));
    }

    #[test]
    fn nothing_is_passed_over_in_silence() {
        // A3-02
        let check = |name: &str, text: &str, expected: &[&str]| {
            let said = match apply_to(json!({}), &[(name, text)]) {
                Err(error) => error,
                Ok((value, said)) => {
                    assert_eq!(value, json!({}), "{name}");
                    [said.unknown, said.warnings].concat().join("\n")
                }
            };
            for part in expected.iter().chain(&[name]) {
                assert!(said.contains(part), "{name}: {said}");
            }
        };
        check("TIDEGATE_SFTPD__BIND_PROT", "1", &["\"bind_port\"?"]);
        check("SFTPGO_SFTPD__BIND_PROT", "1", &["\"bind_port\"?", "ignored"]);
        check("TIDEGATE_SFPTD__BIND_PORT", "1", &["\"sftpd\"?"]);
        check("SFTPGO_AUTHD__SOMETHING", "x", &["ignored"]);
        check("TIDEGATE_SFTPD__BIND_PORT__X", "1", &["nothing of that name"]);
        check("TIDEGATE_SFTPD__KEYS__0__PRIVATE", "1", &["nothing of that name"]);
        check("TIDEGATE_HTTP__HEADERS", "a,b", &["JSON list"]);
        check("TIDEGATE_SFTPD__ACTIONS", "upload", &["is a section"]);
        check("TIDEGATE_SFTPD_BIND_PORT", "1", &["TIDEGATE_SFTPD__BIND_PORT", "two underscores"]);
        check("SFTPGO_DATA_PROVIDER_DRIVER", "x", &["SFTPGO_DATA_PROVIDER__DRIVER"]);
        check("TIDEGATE_SFTPD__MACS", "[", &["not valid JSON"]);
        for other in ["SFTPGO_AUTHD_USERNAME", "TIDEGATE_CONFIG_DIR", "TIDEGATE_PORT_2022_TCP", "HOME"] {
            assert_eq!(apply_to(json!({}), &[(other, "x")]), Ok((json!({}), NotTaken::default())), "{other}");
        }
    }
}
