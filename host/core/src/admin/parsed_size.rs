//! What a JSON text takes in memory once it is parsed, which is many times its length: reckoned from the text, before it is.

use serde_json::Value;

const VALUE: u64 = size_of::<Value>() as u64;
/// A field of an object: its hash, its name and its value.
const ENTRY: u64 = size_of::<(u64, String, Value)>() as u64;
/// The most that a value in a list takes: the room of lists doubles as they grow.
const ELEMENT: u64 = 2 * VALUE;
/// The most that a field takes, with its place in the object's index.
const FIELD: u64 = 2 * ENTRY + 32;
/// What the first value in a list takes beyond [`ELEMENT`]: lists begin with room for four.
const LIST: u64 = 2 * VALUE + 16;
/// What the first field of an object takes beyond [`FIELD`]: objects begin with room for three.
const OBJECT: u64 = ENTRY + 64;
/// Half of what a name or a text takes beyond its bytes.
const QUOTE: u64 = 16;

/// The most bytes that the values of a JSON text take. Of a text that is no JSON: those of the values before the error.
pub fn parsed_size(text: &[u8]) -> u64 {
    let (mut objects, mut lists, mut fields, mut commas, mut quotes) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    for byte in text {
        // Marks inside texts count as well, and what may be one when it is no longer escaped: `serde_json` can be made to
        // parse a text in the text (`raw_value`).
        match byte {
            b'{' => objects += 1,
            b'[' | b'\\' => lists += 1,
            b':' => fields += 1,
            b',' => commas += 1,
            b'"' => quotes += 1,
            _ => {}
        }
    }
    // A value follows each comma and each opening bracket; one that is no field is in a list.
    let elements = (commas + objects + lists).saturating_sub(fields);
    let inside = objects * OBJECT + fields * FIELD + lists * LIST + elements * ELEMENT + quotes * QUOTE;
    VALUE + text.len() as u64 + inside
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the values take at the least: lists and objects without any room to grow.
    fn least(value: &Value) -> u64 {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.capacity() as u64,
            Value::Array(list) => list.capacity() as u64 * VALUE + list.iter().map(least).sum::<u64>(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| ENTRY + name.capacity() as u64 + least(value)).sum()
            }
        }
    }

    #[test]
    fn no_text_takes_more_than_is_reckoned() {
        let many = |part: &str| format!("[{}]", vec![part; 1000].join(","));
        // `most`: how many times the least is reckoned.
        let check = |text: &str, most: u64| {
            let value: Value = serde_json::from_str(text).unwrap();
            let (reckoned, least) = (parsed_size(text.as_bytes()), VALUE + least(&value));
            let begin = text.get(..text.len().min(60)).unwrap_or_default();
            assert!((least..=least * most).contains(&reckoned), "{begin}: {least}, {reckoned}");
        };
        check("0", 2);
        check("[]", 20);
        check("[1]", 3);
        check("{}", 20);
        check(&many("0"), 3);
        check(&many("[]"), 10);
        check(&many("[0]"), 3);
        check(&many("{}"), 10);
        check(&many(r#"{"":0}"#), 5);
        check(&many(r#""""#), 4);
        check(&many(r#"{"a":{"b":[1,2,3,4,5]},"c":"","d":null,"e":[]}"#), 5);
        check(&many(r#""$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA""#), 6);
        check(&format!("\"{}\"", "x".repeat(100_000)), 3);
        let numbers = (0..1000).map(|number| format!("\"{number}\":{number}")).collect::<Vec<_>>().join(",");
        check(&format!("{{{numbers}}}"), 4);
    }

    #[test]
    fn a_text_in_the_text_takes_no_less() {
        for part in ["[]", "{}", r#"{"":0}"#, r#""""#, r#"{"a":["\u005b"]}"#] {
            let mut text = format!("[{}]", vec![part; 1000].join(","));
            for _ in 0..3 {
                let quoted = Value::String(text.clone()).to_string();
                assert!(parsed_size(quoted.as_bytes()) >= parsed_size(text.as_bytes()), "{part}");
                text = quoted;
            }
            let escaped: String = part.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
            assert!(parsed_size(escaped.as_bytes()) >= parsed_size(part.as_bytes()), "{part}");
        }
    }

    #[test]
    fn marks_behind_an_error_take_nothing_off() {
        let begun = format!("[{}", "0,".repeat(1000));
        let read = parsed_size(begun.as_bytes());
        for rest in [":".repeat(10), ":".repeat(1000), ":".repeat(10_000), "\"".to_owned(), "]]}}".to_owned()] {
            assert!(parsed_size(format!("{begun}{rest}").as_bytes()) >= read, "{rest:.5}");
        }
        assert!(parsed_size(b"\"\\") > 0 && parsed_size(b"") > 0);
    }
}
