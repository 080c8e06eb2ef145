//! Keys that nobody knows, with the one that was probably meant.

use serde_json::Value;

/// Sections whose keys the operator chooses.
const FREE: [&str; 2] = ["plugin", "hook"];
/// Lists of objects, with the keys of one element.
const LISTS: [(&str, &[&str]); 4] = [
    ("sftpd.keys", &["private_key"]),
    ("command.commands", &["path", "timeout", "env", "args", "hook"]),
    ("http.certificates", &["cert", "key"]),
    ("http.headers", &["key", "value", "url"]),
];
/// Above this, a suggestion would be a guess.
const MAX_DISTANCE: usize = 4;

pub struct Unknown {
    /// Dotted.
    pub key: String,
    pub advice: String,
}

/// Compares the tree with that of the defaults, which holds every key there is.
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
            Some(_) => match LISTS.iter().find(|(list, _)| *list == path) {
                Some((_, keys)) => walk_list(inner, keys, &path, unknown),
                None => defaults.get(key).into_iter().for_each(|default| walk(inner, default, &path, unknown)),
            },
        }
    }
}

fn walk_list(list: &Value, keys: &[&str], path: &str, unknown: &mut Vec<Unknown>) {
    for element in list.as_array().into_iter().flatten().filter_map(Value::as_object) {
        for key in element.keys().filter(|key| !keys.contains(&key.as_str())) {
            let known = keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
            unknown.push(Unknown { advice: advice(key, known.iter()), key: format!("{path}.{key}") });
        }
    }
}

fn advice<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> String {
    match nearest(key, known.map(String::as_str)) {
        Some(known) => format!("there is no such key; did you mean \"{known}\"?"),
        None => "there is no such key; remove it".to_owned(),
    }
}

/// The one that was probably meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
    (nearest.0 <= MAX_DISTANCE).then_some(nearest.1)
}

/// The line on which a dotted key stands, as far as a search by text can tell: the line of
/// its last part, after those of its sections.
pub fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut lines = text.lines().enumerate().peekable();
    let mut found = None;
    for part in key.split('.').filter(|part| part.parse::<usize>().is_err()) {
        let part = part.trim_end_matches(']').split('[').next().unwrap_or(part);
        let (number, _) = lines.find(|(_, line)| mentions(line, part))?;
        found = Some(number + 1);
    }
    found
}

fn mentions(line: &str, word: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    lower.match_indices(word).any(|(at, _)| {
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let before = lower.get(..at).and_then(|before| before.chars().next_back());
        let after = lower.get(at + word.len()..).and_then(|after| after.chars().next());
        // Sections and keys of an env file are joined by two underscores.
        lower.contains("__") || (!before.is_some_and(is_part) && !after.is_some_and(is_part))
    })
}
