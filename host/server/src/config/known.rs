//! Finds unknown keys, and the key that was probably meant.

use serde_json::Value;

use super::commands::CommandOverride;
use super::keys::{HostKey, HttpBinding, HttpCertificate, HttpHeader, RateLimiter};

/// Sections whose keys the operator chooses.
pub const FREE: [&str; 3] = ["plugin", "hook", "secrets"];
/// Above this, a suggestion would be a guess.
const MAX_DISTANCE: usize = 4;

pub struct Unknown {
    /// The key, with dots between its parts.
    pub key: String,
    pub advice: String,
}

/// Compares a tree with that of the defaults, which has every known key.
pub fn unknown_keys(value: &Value, defaults: &Value) -> Vec<Unknown> {
    let mut unknown = Vec::new();
    walk(value, defaults, "", &mut unknown);
    unknown
}

fn walk(value: &Value, defaults: &Value, prefix: &str, unknown: &mut Vec<Unknown>) {
    let (Value::Object(value), Value::Object(defaults)) = (value, defaults) else {
        return;
    };
    for (key, inner) in value {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        if prefix.is_empty() && FREE.contains(&key.as_str()) {
            continue;
        }
        match defaults.get(key) {
            None => unknown.push(Unknown { advice: advice(key, defaults.keys()), key: path }),
            Some(default) => match element_of(&path) {
                Some(element) => walk_list(inner, &element, &path, unknown),
                None => walk(inner, default, &path, unknown),
            },
        }
    }
}

fn walk_list(list: &Value, element: &Value, path: &str, unknown: &mut Vec<Unknown>) {
    list.as_array().into_iter().flatten().for_each(|item| walk(item, element, path, unknown));
}

/// The keys whose text, or that of an element, has a NUL: no path, argument or variable can have one.
pub fn keys_with_nul(value: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    find_nul(value, "", &mut keys);
    keys
}

fn find_nul(value: &Value, path: &str, keys: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains('\0') => keys.push(path.to_owned()),
        Value::Array(elements) => elements.iter().for_each(|element| find_nul(element, path, keys)),
        Value::Object(object) => {
            for (key, inner) in object {
                find_nul(inner, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, keys);
            }
        }
        _ => {}
    }
}

/// The keys of an element, if `path` is a list of objects.
pub fn element_of(path: &str) -> Option<Value> {
    match path {
        "common.rate_limiters" => serde_json::to_value(RateLimiter::default()),
        "sftpd.keys" => serde_json::to_value(HostKey::default()),
        "command.commands" => serde_json::to_value(CommandOverride::default()),
        "httpd.bindings" => serde_json::to_value(HttpBinding::default()),
        "http.certificates" => serde_json::to_value(HttpCertificate::default()),
        "http.headers" => serde_json::to_value(HttpHeader::default()),
        _ => return None,
    }
    .ok()
}

/// Advice on a key that is not in `known`.
pub fn advice_of(key: &str, known: &Value) -> String {
    advice(key, known.as_object().into_iter().flat_map(|keys| keys.keys()))
}

fn advice<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> String {
    match nearest(key, known.map(String::as_str)) {
        Some(known) => format!("there is no such key; did you mean \"{known}\"?"),
        None => "there is no such key; remove it".to_owned(),
    }
}

/// The name that was probably meant: at most half of it may differ.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
    let limit = MAX_DISTANCE.min(name.chars().count() / 2);
    (nearest.0 <= limit).then_some(nearest.1)
}

/// The line of a dotted key, as far as a search in the text can tell: that of its last part, after
/// those of its sections.
pub fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut parts = key.split('.').filter(|part| part.parse::<usize>().is_err()).map(|part| {
        let part = part.trim_end_matches(']');
        part.split('[').next().unwrap_or(part)
    });
    let mut part = parts.next()?;
    for (number, line) in text.lines().enumerate() {
        let mut from = 0;
        while let Some(end) = mention(line, from, part) {
            from = end;
            let Some(next) = parts.next() else { return Some(number + 1) };
            part = next;
        }
    }
    None
}

/// Where `word` ends, if the line has it after `from`.
fn mention(line: &str, from: usize, word: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let rest = lower.get(from..)?;
    let found = rest.match_indices(word).map(|(at, _)| from + at).find(|at| {
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let before = lower.get(..*at).and_then(|before| before.chars().next_back());
        let after = lower.get(at + word.len()..).and_then(|after| after.chars().next());
        // Sections and keys of an env file are joined by two underscores.
        lower.contains("__") || (!before.is_some_and(is_part) && !after.is_some_and(is_part))
    });
    found.map(|at| at + word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_wherever_they_stand() {
        let check = |text: &str, key: &str, expected: Option<usize>| assert_eq!(line_of(text, key), expected, "{key}");
        check("[sftpd]\nbind_port = 1\n[httpd]\nbind_port = 2\n", "httpd.bind_port", Some(4));
        check("[common.defender]\nenabled = true\n", "common.defender", Some(1));
        check("{\n\"sftpd\": {\"keys\": [{\"private\": 1}]}}", "sftpd.keys[0].private", Some(2));
        check("SFTPD__BIND_PORT=1\nSFTPD__KEYS=x\n", "sftpd.keys", Some(2));
        check("[sftpd]\n", "sftpd.keys", None);
    }
}
