//! What inputs show of values. One that comes back as it was shown leaves its value as it is: neither browsers nor the texts
//! of people keep all that a document may say, such as parts of a second, ends of lines, and blanks around a name.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_core::account::fields::{Field, Kind};

use crate::text::{is_far, moment};

/// Texts for people to write in, which may have several lines.
const NOTES: [&str; 2] = ["description", "additional_info"];
/// Secrets of several lines: keys in PEM, and files of keys.
const LONG_SECRETS: [&str; 2] = ["private_key", "credentials"];

/// Whether the input of a field has room for several lines. In another one, a browser keeps no ends of lines.
pub fn has_lines(field: &Field, path: &str) -> bool {
    if field.is_secret {
        return LONG_SECRETS.contains(&field.name);
    }
    matches!(field.kind, Kind::Anything) || (matches!(field.kind, Kind::Text) && NOTES.contains(&path))
}

/// The text of the input for a value. Secrets are not shown.
pub fn text_of(field: &Field, value: &Value) -> String {
    match value {
        _ if field.is_secret => String::new(),
        Value::Null => String::new(),
        value if matches!(field.kind, Kind::Anything) => serde_json::to_string_pretty(value).unwrap_or_default(),
        Value::String(text) => text.clone(),
        Value::Number(number) if matches!(field.kind, Kind::Time) => {
            let shown = |at: i64| if is_far(at) { at.to_string() } else { moment(at).text };
            number.as_i64().filter(|at| *at > 0).map(shown).unwrap_or_default()
        }
        value => value.to_string(),
    }
}

/// Whether a browser sends this text where the input was not touched.
pub fn is_as_shown(field: &Field, path: &str, value: &Value, sent: &str) -> bool {
    let as_sent = |text: &str| if has_lines(field, path) { lines_as_sent(text) } else { line_as_sent(text) };
    as_sent(&text_of(field, value)) == as_sent(sent)
}

/// A text as it comes out of an input of one line.
pub fn line_as_sent(text: &str) -> String {
    with_visible_nul(&text.replace(['\r', '\n'], ""))
}

/// The lines of a text as they come out of an area.
pub fn lines_of(text: &str) -> Vec<String> {
    lines_as_sent(text).split('\n').map(str::to_owned).collect()
}

fn lines_as_sent(text: &str) -> String {
    with_visible_nul(&text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// HTML has no NUL.
fn with_visible_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Whether the list has these texts, in any order: boxes that are ticked have none.
pub fn has_these(list: &Value, texts: &[&str]) -> bool {
    let Some(items) = list.as_array() else { return false };
    let known: Option<BTreeSet<&str>> = items.iter().map(Value::as_str).collect();
    known == Some(texts.iter().copied().collect())
}
