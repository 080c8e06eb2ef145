//! Texts of dumps, whole, broken and hostile.

use serde_json::{Map, Value, json};

use super::*;
use crate::ports::{StoreError, TextInMemory};

fn text(text: &str) -> Arc<dyn SpooledText> {
    Arc::new(TextInMemory::from(text.as_bytes().to_vec()))
}

fn read(dump: &str) -> Result<DumpText, DumpError> {
    DumpText::read(text(dump))
}

/// The documents of all lists, in the order in which they are loaded.
fn documents(dump: &DumpText) -> Result<Vec<Map<String, Value>>, DumpError> {
    let mut found = Vec::new();
    for kind in kinds_in_order() {
        let Some(mut entries) = dump.entries(list_of(kind))? else { continue };
        loop {
            let part = entries.documents()?;
            if part.is_empty() {
                break;
            }
            found.extend(part);
        }
    }
    Ok(found)
}

#[test]
fn documents_are_told_apart() {
    // A18-10
    let check = |dump: &str, expected: &[&str], left: &[&str]| {
        let read = read(dump).unwrap();
        let found: Vec<_> = documents(&read).unwrap().into_iter().map(|one| Value::Object(one).to_string()).collect();
        assert_eq!(found, expected, "{dump}");
        assert_eq!(read.left(), left, "{dump}");
    };
    check("{}", &[], &[]);
    check(" \n{ }\n ", &[], &[]);
    check(r#"{"users":[]}"#, &[], &[]);
    check(r#"{"users":null,"folders":[ ]}"#, &[], &[]);
    check(
        "{\"users\" :[ {\"a\": [1, 2]} ,{\"x\":\"]}\\\\\\\"{\"}\n],\"groups\":null } \n",
        &[r#"{"a":[1,2]}"#, r#"{"x":"]}\\\"{"}"#],
        &[],
    );
    // Folders, groups, roles, accounts.
    check(
        r#"{"users":[{"n":4}],"roles":[{"n":3}],"groups":[{"n":2}],"folders":[{"n":1},{"n":1}]}"#,
        &[r#"{"n":1}"#, r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#, r#"{"n":4}"#],
        &[],
    );
    // A name may be escaped.
    check(r#"{"us\u0065rs":[{"ü":"é"}],"o":{"users":[1]}}"#, &[r#"{"ü":"é"}"#], &[]);
    check(r#"{"admins":[{}],"none":[],"version":17,"a":true,"users":[{"n":1}]}"#, &[r#"{"n":1}"#], &["admins"]);
    // In an entry the last one of a name holds.
    check(r#"{"users":[{"n":1,"n":2}]}"#, &[r#"{"n":2}"#], &[]);
}

#[test]
fn a_dump_has_at_least_one_of_the_lists() {
    // A18-11
    let check = |dump: &str, expected: Result<&[&str], &str>| {
        let found = read(dump).and_then(|dump| dump.lists());
        let found = found.map(|lists| lists.into_iter().map(|(kind, _)| list_of(kind)).collect::<Vec<_>>());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{dump}"),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{dump}: {error}"),
            (found, _) => panic!("{dump}: {found:?}"),
        }
    };
    check(r#"{"users":[]}"#, Ok(&["users"]));
    check(r#"{"folders":[{"name":"f"}]}"#, Ok(&["folders"]));
    check(r#"{"groups":[],"version":17}"#, Ok(&["groups"]));
    check(r#"{"made_by":"tidegate","roles":[]}"#, Ok(&["roles"]));
    check(
        r#"{"users":[],"roles":[],"groups":[],"folders":[],"admins":[]}"#,
        Ok(&["folders", "groups", "roles", "users"]),
    );
    // As the older server writes a list without entries.
    check(r#"{"users":null}"#, Ok(&[]));
    check(r#"{"users":null,"groups":[{}]}"#, Ok(&["groups"]));
    for dump in ["{}", r#"{"made_by":"tidegate"}"#, r#"{"version":17,"admins":[{}]}"#, r#"{"a":"u","Users":[]}"#] {
        check(dump, Err("none of the lists \"users\", \"folders\", \"groups\" and \"roles\""));
    }
    for list in ["users", "folders", "groups", "roles"] {
        for value in ["{}", "7", "\"users\"", "true"] {
            check(&format!(r#"{{"{list}":{value}}}"#), Err(&format!("\"{list}\" must be a list of objects")));
        }
    }
}

#[test]
fn what_is_no_dump_is_told_with_its_place() {
    // A18-11
    let deep = |depth: usize| format!(r#"{{"users":[{{"a":{}{}}}]}}"#, "[".repeat(depth), "]".repeat(depth));
    let check = |dump: &str, expected: &str| {
        let read = read(dump).and_then(|read| documents(&read).map(drop));
        let shown = dump.get(..dump.len().min(80)).unwrap_or_default();
        let problem = read.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(problem.contains(expected) && problem.is_empty() == expected.is_empty(), "{shown}: {problem}");
    };
    let none = "it is no JSON object, {…} at line 1 column 1";
    let twice = |rest: &str| format!(r#"{{"users":[{{"n":1}}],{rest}}}"#);
    for rest in [r#""users":[]"#, r#""users":null"#, r#""us\u0065rs":[{"n":2}]"#, r#""a":1,"a":1"#] {
        check(&twice(rest), "comes twice at line 1 column ");
    }
    for dump in ["", "[]", "7", "x", "\"{}\""] {
        check(dump, none);
    }
    check("\n\n  []", "it is no JSON object, {…} at line 3 column 3");
    check("{", "expected a name in quotes at line 1 column 2");
    check("{\"users\"", "expected `:` at line 1 column 9");
    check("{\"users", "the text breaks off (EOF) at line 1 column 8");
    check("{\"users\":", "the text breaks off (EOF) at line 1 column 10");
    check("{\"users\":[", "the text breaks off (EOF) at line 1 column 11");
    check("{\"users\":[{\"a\":1}", "the text breaks off (EOF) at line 1 column 18");
    check("{\"users\":[{\"a\":1}]", "the text breaks off (EOF) at line 1 column 19");
    check("{\"users\":[}", "expected a value at line 1 column 11");
    check("{\"users\":[{},]}", "expected a value at line 1 column 14");
    check("{\"users\":[{} {}]}", "expected `,` or `]` at line 1 column 14");
    check("{\"users\":[],}", "expected a name in quotes at line 1 column 13");
    check("{\"users\":[]]", "expected `,` or `}` at line 1 column 12");
    check("{\"users\":,}", "expected a value at line 1 column 10");
    check("{\"us\\xers\":[]}", "invalid escape at line 1 column 6");
    check("{} x", "trailing characters: there is something behind the end of the JSON value at line 1 column 4");
    check("{\"users\":{}}", "\"users\" must be a list of objects");
    check("{\"roles\":7}", "\"roles\" must be a list of objects");
    // Problems inside of entries have the place in the whole text.
    check("{\"users\":[\n {\"a\":1},\n {\"b\":tru}]}", "expected ident at line 3 column 10");
    check(
        "{\"users\":[{\"a\":1},\n 7]}",
        "users.1 is no object; \"users\" must be a list of objects, at line 2 column 2",
    );
    check("{\"groups\":[\"x\"]}", "groups.0 is no object; \"groups\" must be a list of objects, at line 1 column 12");
    check("{\"users\":[{}, {\n\"uid\":1e999}]}", "users.1 cannot be read: number out of range, at line 2 column");
    check(&deep(126), "");
    check(&deep(200), "users.0 cannot be read: recursion limit exceeded, at line 1 column");
    check(&deep(1_000_000), "users.0 cannot be read: recursion limit exceeded, at line 1 column");
    check(
        &format!("{{\"users\":[{{}},{{\"a\":\"{}\"}}]}}", "x".repeat(MAX_ENTRY)),
        "users.1 is longer than 8388608 bytes, at line 1 column 14",
    );
    check(
        &format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_ENTRY)),
        "a value is longer than 8388608 bytes at line 1 column 6",
    );
    check(&format!("{{\"{}\":0}}", "x".repeat(MAX_NAME)), "a name is too long at line 1 column 2");
    let names: Vec<_> = (0..=MAX_MEMBERS).map(|number| format!("\"{number}\":0")).collect();
    assert!(read(&format!("{{{}}}", names.join(","))).is_err_and(|error| error.to_string().contains("1000 lists")));
}

#[test]
fn a_dump_that_is_broken_anywhere_is_refused_or_read() {
    let whole = r#"{"made_by":"tidegate","users":[{"username":"u","a":"\u00e9,"}],"folders":[{"name":"f"}]}"#;
    let check = |bytes: Vec<u8>| {
        let dump = DumpText::read(Arc::new(TextInMemory::from(bytes.clone())));
        let found = dump.and_then(|dump| documents(&dump));
        let expected = serde_json::from_slice::<Map<String, Value>>(&bytes);
        let Ok(expected) = expected else {
            // Only what is not loaded is not looked at closely.
            assert!(found.is_err() || std::str::from_utf8(&bytes).is_err(), "{}", String::from_utf8_lossy(&bytes));
            return;
        };
        let of = |list: &str| expected.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        let expected: Vec<_> = ["folders", "groups", "roles", "users"].iter().flat_map(|list| of(list)).collect();
        if let Ok(found) = found {
            assert_eq!(found.into_iter().map(Value::Object).collect::<Vec<_>>(), expected);
        }
    };
    for at in 0..whole.len() {
        check(whole.as_bytes()[..at].to_vec());
        for byte in [b'"', b',', b':', b'{', b'}', b'[', b']', b'\\', b'x', b'1', b' ', b'\n', 0, 0xff] {
            let mut broken = whole.as_bytes().to_vec();
            broken[at] = byte;
            check(broken.clone());
            broken.insert(at, byte);
            check(broken);
        }
    }
}

/// A text that is made as it is read: a beginning, one byte many times, and an end.
struct Made {
    begin: &'static str,
    byte: u8,
    count: u64,
    end: &'static str,
}

impl SpooledText for Made {
    fn length(&self) -> u64 {
        self.begin.len() as u64 + self.count + self.end.len() as u64
    }

    fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        assert!(length <= 1 << 20, "{length} bytes at once");
        let begin = self.begin.len() as u64;
        let byte = |at: u64| match at {
            at if at < begin => self.begin.as_bytes()[at as usize],
            at if at < begin + self.count => self.byte,
            at => self.end.as_bytes()[(at - begin - self.count) as usize],
        };
        Ok((from..self.length().min(from + length as u64)).map(byte).collect())
    }
}

#[test]
fn texts_that_are_larger_than_memory_may_be_are_refused() {
    // A18-11
    let check = |begin, byte, end, expected: &str| {
        let text: Arc<dyn SpooledText> = Arc::new(Made { begin, byte, count: MAX_ENTRY as u64 + 1, end });
        let error = DumpText::read(text).and_then(|dump| documents(&dump)).unwrap_err().to_string();
        assert!(error.contains(expected), "{begin}: {error}");
    };
    check("{\"users\":[{\"a\":\"", b'x', "\"}]}", "users.0 is longer than");
    check("{\"users\":[{\"a\":\"", b'x', "", "breaks off");
    check("{\"users\":[{\"a\":", b'[', "", "breaks off");
    check("{\"users\":[", b'7', "]}", "users.0 is longer than");
    check("{\"", b'x', "\":[]}", "a name is too long");
    check("{\"a\":{\"b\":\"", b'x', "\"}}", "a value is longer than");
    check("{\"a\":", b'{', "", "breaks off");
    check("{}", b' ', "x", "trailing");
    check("", b'\n', "", "no JSON object");
}

#[test]
fn an_own_dump_has_room_for_the_largest_group() {
    // As much as a request may have, of the shortest networks.
    let networks = vec!["::/0"; (2 << 20) / "\"::/0\",".len()];
    let group = json!({"name": "g", "user_settings": {"filters": {"denied_ip": networks}}});
    let dump = serde_json::to_string_pretty(&json!({"users": [], "groups": [group]})).unwrap();
    let found = documents(&read(&dump).unwrap()).unwrap();
    assert_eq!(found.into_iter().map(Value::Object).collect::<Vec<_>>(), [group]);
}

#[test]
fn many_entries_come_in_parts() {
    let entry = |number: usize| format!("{{\"n\":{number},\"pad\":\"{}\"}}", "p".repeat(number % 7000));
    let whole = |count: usize| {
        let entries: Vec<_> = (0..count).map(entry).collect();
        format!("{{\"users\":[{}]}}", entries.join(",\n"))
    };
    for count in [1, 499, 500, 501, 3000] {
        let dump = read(&whole(count)).unwrap();
        let mut entries = dump.entries("users").unwrap().unwrap();
        assert_eq!(entries.count(), count);
        let mut next = 0;
        loop {
            let part = entries.documents().unwrap();
            assert!(part.len() <= 500, "{}", part.len());
            if part.is_empty() {
                break;
            }
            for document in part {
                assert_eq!(document.get("n").and_then(Value::as_u64), Some(next));
                next += 1;
            }
        }
        assert_eq!(next, count as u64);
    }
}

#[test]
fn a_text_of_the_older_server_may_be_a_bare_list() {
    // A18-10
    let check = |dump: &str, expected: Result<&[&str], &str>| {
        let found = DumpText::read_older(text(dump)).map_err(|error| error.to_string());
        match (found, expected) {
            (Ok(read), Ok(expected)) => {
                let found = documents(&read).unwrap().into_iter().map(|one| Value::Object(one).to_string());
                assert_eq!(found.collect::<Vec<_>>(), expected, "{dump}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{dump}: {error}"),
            (found, _) => panic!("{dump}: {}", found.is_ok()),
        }
    };
    check("[]", Ok(&[]));
    check(" [ {\"n\":1}, {\"n\":2} ] ", Ok(&[r#"{"n":1}"#, r#"{"n":2}"#]));
    check("\u{feff}[{\"n\":1}]", Ok(&[r#"{"n":1}"#]));
    check("\u{feff} {\"users\":[{\"n\":1}]}", Ok(&[r#"{"n":1}"#]));
    check("[{}] x", Err("trailing characters"));
    check("[{}", Err("breaks off"));
    check("", Err("breaks off"));
    check("7", Err("none of the lists"));
    check(&"[".repeat(100_000), Err("breaks off"));
}

#[test]
fn what_there_is_is_counted() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_VALUE));
    let dump = format!(r#"{{"rules":[{{}},7],"none":[],"set":{{"a":1}},"unset":{{ }},"text":"abc","long":{long}}}"#);
    let read = read(&dump).unwrap();
    for (name, expected) in
        [("rules", 2), ("none", 0), ("set", 1), ("unset", 0), ("text", 0), ("long", 1), ("other", 0)]
    {
        assert_eq!(read.count(name), expected, "{name}");
    }
}
