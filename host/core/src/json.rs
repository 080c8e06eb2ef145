//! JSON as the older server read it: a surrogate without its other half is no error (B15-07).

use std::borrow::Cow;

use serde_json::Value;

const REPLACEMENT: &str = "\\ufffd";

/// As `serde_json::from_str`, with U+FFFD for each surrogate without its other half.
///
/// # Errors
/// For anything else that is not JSON.
pub fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&whole(text))
}

/// The text with its lone surrogates replaced.
fn whole(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let (mut replaced, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        replaced.push_str(before);
        let (kept, length) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (escape.get(..12), 12),
            (Some(0xd800..=0xdfff), _) => (Some(REPLACEMENT), 6),
            (Some(_), _) => (escape.get(..6), 6),
            // Another escape: the backslash and the character after it.
            (None, _) => {
                let length = escape.chars().take(2).map(char::len_utf8).sum();
                (escape.get(..length), length)
            }
        };
        replaced.push_str(kept.unwrap_or_default());
        rest = escape.get(length..).unwrap_or_default();
    }
    replaced.push_str(rest);
    Cow::Owned(replaced)
}

/// The value of an escape such as `\u0041`, if the text begins with one.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_replaced() {
        // B15-07
        let check = |text: &str, expected: Option<&str>| {
            let found = parse(&format!("\"{text}\"")).ok();
            assert_eq!(found.as_ref().and_then(Value::as_str), expected, "{text}");
        };
        check(r"plain", Some("plain"));
        check(r"\u0041\n\\u", Some("A\n\\u"));
        check(r"\ud83d\ude00", Some("\u{1f600}"));
        check(r"\ud800", Some("\u{fffd}"));
        check(r"\udc00x", Some("\u{fffd}x"));
        check(r"a\ud800\ud83d\ude00b", Some("a\u{fffd}\u{1f600}b"));
        check(r"\uDBFF\u0041", Some("\u{fffd}A"));
        check(r"\ude00\ud83d", Some("\u{fffd}\u{fffd}"));
        check(r"\\ud800", Some("\\ud800"));
        check(r"ä\ud800ö", Some("ä\u{fffd}ö"));
        check(r"\ud8", None);
        check(r"\u+123", None);
        check(r"\", None);
        check(r"\ud800\ä", None);
    }
}
