//! Dumps of the older server: `{"users": […], "folders": […], …}`, or a bare list of accounts as its REST API gives
//! it (A18-10).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use tidegate_core::account::fields::ACCOUNT;
use tidegate_core::json;

use super::documents::{Documents, in_known_case, is_empty};
use crate::version::COLLECTIONS;
use crate::{MigrateError, Moved, NoteKind, ObjectKind, files};

/// Lists with a counterpart.
const READ: [&str; 5] = ["folders", "groups", "roles", "users", "admins"];

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
/// A sentence that says what is wrong with the dump.
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
    let mut unread = BTreeMap::new();
    for name in READ {
        for (index, value) in list(&lists, name)?.iter().enumerate() {
            let place = format!("{name}.{index}");
            let Value::Object(document) = value else {
                let kind = match name {
                    "folders" => ObjectKind::Folder,
                    "groups" => ObjectKind::Group,
                    "roles" => ObjectKind::Role,
                    "admins" => ObjectKind::Administrator,
                    _ => ObjectKind::Account,
                };
                documents.moved.leave(kind, place, "it is no object, and stays behind");
                continue;
            };
            let document = document.clone();
            match name {
                "folders" => documents.folder(document),
                "groups" => documents.group(document),
                "roles" => documents.role(document),
                "admins" => documents.administrator(document),
                _ => {
                    let document = in_known_case(document, ACCOUNT);
                    for (field, _) in document.iter().filter(|(field, value)| !is_known(field) && !is_empty(value)) {
                        *unread.entry(field.clone()).or_insert(0_usize) += 1;
                    }
                    documents.user(document, &place);
                }
            }
        }
    }
    for (field, count) in unread {
        let text = format!("{count} accounts have a value in this field, which is not known");
        let about = format!("field {}", super::tables::printable_name(&field));
        documents.moved.note(NoteKind::NoCounterpart, about, text);
    }
    let others = lists.iter().filter(|(name, _)| !READ.contains(&name.as_str()));
    for (name, value) in others {
        let count = match value {
            Value::Array(items) => items.len(),
            Value::Object(fields) => usize::from(!fields.is_empty()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        };
        if count > 0 {
            documents.moved.note(NoteKind::NoCounterpart, super::tables::printable_name(name), counted(name, count));
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

/// How many objects of a kind, named as the older server's tables and lists, stay behind.
pub(super) fn counted(kind: &str, count: usize) -> String {
    let why = match kind {
        "api_keys" => "only the older server can check their stored form; make new ones with: tidegate apikey add",
        _ => "this version has nothing of the kind",
    };
    match count {
        1 => format!("one stays behind: {why}"),
        _ => format!("{count} stay behind: {why}"),
    }
}

fn is_known(name: &str) -> bool {
    ACCOUNT.iter().any(|field| field.name == name || field.alias == Some(name))
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
    fn what_stays_behind_is_reported_with_what_to_do() {
        assert!(counted("api_keys", 2).starts_with("2 stay behind") && counted("api_keys", 1).contains("apikey add"));
        assert_eq!(counted("shares", 1), "one stays behind: this version has nothing of the kind");
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
               "folders":[{"name":"f","mapped_path":"/f","filesystem":{"provider":6}}],"admins":[{"username":"admin"}],
               "event_rules":[{},{}],"version":17}"#,
            Ok((&["f", "g", "r", "a"], &["folder \"f\"", "administrator \"admin\"", "event_rules"], "current")),
        );
    }

    #[test]
    fn no_account_becomes_more_open() {
        // C3-01
        let check = |user: &str, expected: &str, note: &str| {
            let moved = read_dump_text(&format!(r#"{{"users":[{{"username":"a","status":1,{user}}}]}}"#)).unwrap();
            let found = serde_json::to_string(&moved.users[0]).unwrap();
            assert!(found.contains(expected), "{found} lacks {expected}");
            assert!(note.is_empty() || format!("{:?}", moved.notes).contains(note), "{:?}", moved.notes);
        };
        check(r#""filters":{"denied_ip":["1.2.3.4/32"]}"#, r#""status":1"#, "");
        check(r#""filters":{"denied_weekdays":["Monday"]}"#, r#""status":0"#, "filters.denied_weekdays is not known");
        check(r#""filters":{"denied_weekdays":[]}"#, r#""status":1"#, "");
        check(r#""Filters":{"Denied_IP":["1.2.3.4/32"]}"#, r#""filters":{"denied_ip":["1.2.3.4/32"]}"#, "");
        check(r#""filters":{"is_anonymous":true}"#, r#""denied_protocols":["SSH"]"#, "may not use SSH");
        check(r#""filters":{"is_anonymous":true,"denied_protocols":["SSH"]}"#, r#""denied_protocols":["SSH"]"#, "");
        check(r#""filters":{"data_transfer_limits":[{"sources":[]}]}"#, r#""status":1"#, "have no effect");
        check(r#""expiration_date":5"#, r#""expiration_date":5"#, "");
        check(r#""password":"{SSHA}x""#, r#"{"username":"a","status":1}"#, "cannot be checked here");
        check(r#""password":"!$6$x$y""#, r#"{"username":"a","status":1}"#, "");
        check(r#""odd":{"a":1}"#, r#""status":1"#, "field odd");
        let line =
            r#"from=\"10.0.0.0/8\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio"#;
        check(&format!(r#""public_keys":["{line}"]"#), r#"from=\"10.0.0.0/8\" ssh-ed25519"#, "");
        let codes =
            r#""filters":{"totp_config":{"enabled":true,"protocols":["SSH"],"secret":{"status":"AES-256-GCM"}}}"#;
        check(codes, r#""enabled":true"#, "totp_config.secret cannot be used");
        let group = r#"{"groups":[{"name":"g","user_settings":{"filters":{"denied_weekdays":["Monday"]}}}]}"#;
        assert!(read_dump_text(group).unwrap().groups.is_empty());
    }

    #[test]
    fn a_folder_of_one_name_is_one_directory() {
        let user = |name: &str, path: &str| {
            format!(
                r#"{{"username":"{name}","virtual_folders":[{{"name":"f","virtual_path":"/v","mapped_path":"{path}"}}]}}"#
            )
        };
        for (folders, paths, expected) in [
            ("", ["/f", "/f/"], &["a", "b"][..]),
            ("", ["/f", "/g"], &["a"][..]),
            (r#"{"name":"f","mapped_path":"/g"}"#, ["/f", "/g"], &["b"][..]),
            (r#"{"name":"f","mapped_path":"/g"}"#, ["", "/g"], &["a", "b"][..]),
        ] {
            let [a, b] = [user("a", paths[0]), user("b", paths[1])];
            let moved = read_dump_text(&format!(r#"{{"folders":[{folders}],"users":[{a},{b}]}}"#)).unwrap();
            let names: Vec<_> = moved.users.iter().map(|user| user["username"].as_str().unwrap()).collect();
            assert_eq!((names.as_slice(), moved.folders.len()), (expected, 1), "{folders} {paths:?}");
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_not_called_missing() {
        let check = |username: &str, expected: &str| {
            let moved = read_dump_text(&format!(r#"{{"users":[{{"username":{username}}}]}}"#)).unwrap();
            assert_eq!(moved.notes[0].text, expected, "{username}");
        };
        check("3", "its username is no text; it stays behind");
        check("[]", "its username is no text; it stays behind");
        check("\"\"", "it has no username, and stays behind");
        check("null", "it has no username, and stays behind");
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
