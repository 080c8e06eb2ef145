//! Dumps of the older server: `{"users": […], "folders": […], …}`, or a bare list of accounts as its REST API gives
//! it (A18-10).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tidegate_core::account::fields::ACCOUNT;
use tidegate_core::dump_text::{DumpError, DumpText, Entry, MAX_ENTRY};
use tidegate_core::json;
use tidegate_core::ports::{SpooledText, TextInMemory};

use super::documents::{Documents, in_known_case, is_empty};
use crate::files::TextOfFile;
use crate::version::COLLECTIONS;
use crate::{MigrateError, Moved, NoteKind, ObjectKind};

/// Lists with a counterpart.
const READ: [&str; 5] = ["folders", "groups", "roles", "users", "admins"];

/// Reads a dump.
///
/// # Errors
/// The file cannot be read, or is no dump.
pub fn read_dump(path: &Path) -> Result<Moved, MigrateError> {
    let text = TextOfFile::open(path)?;
    read(Arc::new(text)).map_err(|problem| MigrateError::unusable(path, problem))
}

/// Reads the text of a dump.
///
/// # Errors
/// A sentence that says what is wrong with the dump.
pub fn read_dump_text(text: &str) -> Result<Moved, String> {
    read(Arc::new(TextInMemory::from(text.as_bytes().to_vec())))
}

/// Reads a text in parts: no entry is in memory that is larger than `tidegate load` takes it.
fn read(text: Arc<dyn SpooledText>) -> Result<Moved, String> {
    let dump = DumpText::read_older(text).map_err(sentence)?;
    let names: Vec<String> = dump.names().map(str::to_owned).collect();
    let is_read = |name: &str| READ.contains(&name);
    if !names.iter().any(|name| is_read(name)) {
        return Err(format!("it is no dump: it has none of {}", READ.join(", ")));
    }
    let mut documents = Documents::new(true);
    documents.moved.evidence.see_fields("the list", names.iter(), COLLECTIONS);
    let mut unread = BTreeMap::new();
    for name in READ {
        let Some(mut entries) = dump.entries(name).map_err(sentence)? else { continue };
        loop {
            let part = entries.part().map_err(sentence)?;
            if part.is_empty() {
                break;
            }
            for entry in part {
                take_in(&mut documents, name, &entry, &mut unread)?;
            }
        }
    }
    for (field, count) in unread {
        let text = format!("{count} accounts have a value in this field, which is not known");
        let about = format!("field {}", super::tables::printable_name(&field));
        documents.moved.note(NoteKind::NoCounterpart, about, text);
    }
    for name in names.iter().filter(|name| !is_read(name)) {
        let count = dump.count(name);
        if count > 0 {
            documents.moved.note(NoteKind::NoCounterpart, super::tables::printable_name(name), counted(name, count));
        }
    }
    Ok(documents.moved)
}

/// Takes in an entry of a list. `unread`: how many accounts have a value in a field that is not known.
fn take_in(
    documents: &mut Documents,
    list: &str,
    entry: &Entry,
    unread: &mut BTreeMap<String, usize>,
) -> Result<(), String> {
    let place = format!("{list}.{}", entry.index);
    let kind = match list {
        "folders" => ObjectKind::Folder,
        "groups" => ObjectKind::Group,
        "roles" => ObjectKind::Role,
        "admins" => ObjectKind::Administrator,
        _ => ObjectKind::Account,
    };
    let Some(text) = entry.text() else {
        let problem = format!("it is longer than {} MiB, and stays behind", MAX_ENTRY >> 20);
        documents.moved.leave(kind, place, problem);
        return Ok(());
    };
    let text = std::str::from_utf8(text).map_err(|_| format!("{place} is no UTF-8 text"))?;
    let value = json::parse(text).map_err(|error| format!("{place} is no JSON that can be read: {error}"))?;
    let Value::Object(document) = value else {
        documents.moved.leave(kind, place, "it is no object, and stays behind");
        return Ok(());
    };
    match kind {
        ObjectKind::Folder => documents.folder(document),
        ObjectKind::Group => documents.group(document),
        ObjectKind::Role => documents.role(document),
        ObjectKind::Administrator => documents.administrator(document),
        ObjectKind::Account => {
            let document = in_known_case(document, ACCOUNT);
            for (field, _) in document.iter().filter(|(field, value)| !is_known(field) && !is_empty(value)) {
                *unread.entry(field.clone()).or_insert(0_usize) += 1;
            }
            documents.user(document, &place);
        }
    }
    Ok(())
}

fn sentence(error: DumpError) -> String {
    match error {
        DumpError::NoLists => "it is neither a dump nor a list of accounts".to_owned(),
        DumpError::List(list) => format!("\"{list}\" is no list"),
        error @ DumpError::Malformed { .. } => format!("it is no JSON: {error}"),
        error @ (DumpError::Entry { .. } | DumpError::Unreadable(_)) => error.to_string(),
    }
}

/// How many objects of a kind, named as the older server's tables and lists, stay behind.
pub(super) fn counted(kind: &str, count: usize) -> String {
    let why = match kind {
        "configs" => {
            return "what was set on the older server's pages stays behind; what has a counterpart is set in the \
                    configuration"
                .to_owned();
        }
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
        assert!(counted("configs", 1).starts_with("what was set on the older server's pages"));
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
    fn an_entry_beyond_the_bound_of_a_load_stays_behind() {
        let long = |length: usize| format!(r#"{{"username":"long","home_dir":"{}"}}"#, "x".repeat(length));
        let whole = |length: usize| format!(r#"[{{"username":"a"}},{},{{"username":"b"}}]"#, long(length));
        let frame = long(0).len();
        check(&whole(MAX_ENTRY - frame), Ok((&["a", "long", "b"], &[], "seed")));
        check(&whole(MAX_ENTRY - frame + 1), Ok((&["a", "b"], &["users.1"], "seed")));
        let moved = read_dump_text(&whole(MAX_ENTRY)).unwrap();
        assert_eq!((moved.left.users, &*moved.notes[0].text), (1, "it is longer than 8 MiB, and stays behind"));
    }

    #[test]
    fn files_are_read_in_parts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.json");
        let user = |number: usize| format!("{{\"username\":\"ü{number}\",\"email\":\"\\ud800\"}}");
        let users: Vec<_> = (0..2000).map(user).collect();
        std::fs::write(&path, format!("\u{feff}{{\"users\":[{}]}}", users.join(",\n"))).unwrap();
        let moved = read_dump(&path).unwrap();
        assert_eq!((moved.users.len(), &moved.users[1999]["username"]), (2000, &"ü1999".into()));
        std::fs::write(&path, b"{\"users\":[\n{\"username\":\"\xff\"}]}").unwrap();
        let error = read_dump(&path).unwrap_err().to_string();
        assert!(error.contains("byte 14 of line 2"), "{error}");
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
