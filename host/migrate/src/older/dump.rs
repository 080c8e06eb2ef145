//! Dumps of the older server: `{"users": […], "folders": […], …}`, or a bare list of accounts as its REST API gives
//! it (A18-10).

use std::path::Path;

use serde_json::{Map, Value};
use tidegate_core::account::fields::ACCOUNT;
use tidegate_core::json;

use super::documents::Documents;
use crate::version::COLLECTIONS;
use crate::{MigrateError, Moved, NoteKind, files};

/// Lists with a counterpart.
const READ: [&str; 4] = ["folders", "groups", "roles", "users"];

/// Reads a dump.
///
/// # Errors
/// The file cannot be read, or is no dump.
pub fn read_dump(path: &Path) -> Result<Moved, MigrateError> {
    read_dump_text(&files::text(path)?).map_err(|problem| MigrateError::unusable(path, problem))
}

/// Reads the text of a dump.
///
/// # Errors
/// What is wrong with it.
pub fn read_dump_text(text: &str) -> Result<Moved, String> {
    let document =
        json::parse(text.trim_start_matches('\u{feff}')).map_err(|error| format!("it is no JSON: {error}"))?;
    let lists = match document {
        Value::Array(users) => Map::from_iter([("users".to_owned(), Value::Array(users))]),
        Value::Object(lists) => lists,
        _ => return Err("it is neither a dump nor a list of accounts".to_owned()),
    };
    if !READ.iter().any(|name| lists.contains_key(*name)) {
        return Err(format!("it is no dump: it has none of {}", READ.join(", ")));
    }
    let mut documents = Documents::new(true);
    documents.moved.evidence.see_fields("the list", lists.keys(), COLLECTIONS);
    for name in READ {
        for (index, value) in list(&lists, name)?.iter().enumerate() {
            let place = format!("{name}.{index}");
            let Value::Object(document) = value else {
                documents.moved.note(NoteKind::Invalid, place, "it is no object, and stays behind");
                continue;
            };
            let document = document.clone();
            match name {
                "folders" => documents.folder(document),
                "groups" => documents.group(document),
                "roles" => documents.role(document),
                _ => documents.user(known_names(document), &place),
            }
        }
    }
    let others = lists.iter().filter(|(name, _)| !READ.contains(&name.as_str()));
    for (name, value) in others {
        let count = match value {
            Value::Array(items) => items.len(),
            Value::Object(fields) => usize::from(!fields.is_empty()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        };
        if count > 0 {
            documents.moved.note(NoteKind::NoCounterpart, super::tables::printable_name(name), counted(count));
        }
    }
    Ok(documents.moved)
}

fn list<'a>(lists: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], String> {
    match lists.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(format!("\"{name}\" is no list")),
    }
}

/// How many objects of a kind stay behind.
pub(super) fn counted(count: usize) -> String {
    match count {
        1 => "one stays behind: this version has nothing of the kind".to_owned(),
        _ => format!("{count} stay behind: this version has nothing of the kind"),
    }
}

/// The older server reads names of fields in any case.
fn known_names(document: Map<String, Value>) -> Map<String, Value> {
    let known = |name: String| {
        let found = ACCOUNT.iter().find(|field| field.name.eq_ignore_ascii_case(&name));
        found.map_or(name, |field| field.name.to_owned())
    };
    document.into_iter().map(|(name, value)| (known(name), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: the names of what moves, the notes' subjects, and the era; or a part of the error.
    fn check(text: &str, expected: Result<(&[&str], &[&str], &str), &str>) {
        match (read_dump_text(text), expected) {
            (Ok(moved), Ok((names, notes, compat))) => {
                let objects = [&moved.folders, &moved.groups, &moved.roles].into_iter().flatten();
                let found: Vec<_> = objects.map(|object| object["name"].as_str().unwrap()).collect();
                let users = moved.users.iter().map(|user| user["username"].as_str().unwrap());
                assert_eq!(found.into_iter().chain(users).collect::<Vec<_>>(), names, "{text}");
                let about: Vec<_> = moved.notes.iter().map(|note| note.about.as_str()).collect();
                assert_eq!(about, notes, "{text}");
                assert_eq!(moved.evidence.compat(), compat, "{text}");
            }
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn shapes_of_all_eras_are_read() {
        // A18-10, C5-01
        check(r#"{"users":[{"username":"a","password":"$2a$10$x"}]}"#, Ok((&["a"], &[], "seed")));
        check(r#"[{"USERNAME":"a"}]"#, Ok((&["a"], &[], "seed")));
        check("\u{feff}{\"users\":null,\"folders\":[{\"mapped_path\":\"/srv/f\"}]}", Ok((&["/srv/f"], &[], "1.0")));
        check(
            r#"{"users":[{"username":"a","virtual_folders":[{"virtual_path":"/v","mapped_path":"/srv/v"}]}]}"#,
            Ok((&["/srv/v", "a"], &[], "seed")),
        );
        check(
            r#"{"users":[{"username":"a","role":"r"}],"groups":[{"name":"g","user_settings":{}}],"roles":[{"name":"r"}],
               "folders":[{"name":"f","mapped_path":"/f","filesystem":{"provider":5}}],"admins":[{"username":"admin"}],
               "event_rules":[{},{}],"version":17}"#,
            Ok((&["f", "g", "r", "a"], &["folder \"f\"", "admins", "event_rules"], "current")),
        );
    }

    #[test]
    fn what_is_wrong_stays_behind() {
        check(
            r#"{"users":[7,{"username":""},{"username":3},{"username":"a","public_keys":["x"]}]}"#,
            Ok((&["a"], &["users.0", "users.1", "users.2", "account \"a\""], "seed")),
        );
        check(r#"{"users":{}}"#, Err("\"users\" is no list"));
        check("7", Err("neither a dump"));
        check("{}", Err("none of folders"));
        check("", Err("no JSON"));
        check(&"[".repeat(100_000), Err("no JSON"));
        check(&format!(r#"{{"users":[{{"username":"a","quota_size":1{}}}]}}"#, "0".repeat(400)), Err("no JSON"));
    }

    #[test]
    fn broken_anywhere_it_is_an_error_or_less() {
        let whole = r#"{"users":[{"username":"a","filters":{"totp_config":{"secret":{"status":"Plain"}}},"filesystem":
            {"provider":1,"s3config":{"access_secret":"$aes$0123456789abcdef0123456789abcdef$00"}},"virtual_folders":[{"name":
            "f","mapped_path":"/f","virtual_path":"/v"}]}],"folders":[{"name":"f"}],"groups":[{"name":"g","user_settings":{}}]}"#;
        assert!(read_dump_text(whole).is_ok());
        for at in (0..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
            assert!(read_dump_text(&whole[..at]).is_err(), "{at}");
            for other in ["", "\"", "{", "]", "7", "null", "\\"] {
                // Whatever comes out, it comes out.
                let _ = read_dump_text(&format!("{}{other}{}", &whole[..at], &whole[at + 1..]));
            }
        }
    }
}
