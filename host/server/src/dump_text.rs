//! The text of a dump, split into its documents. They are parsed one by one: one that cannot be read does not affect
//! others, and a large dump is never in memory as values as a whole.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tidegate_core::account::ObjectKind;
use tidegate_migrate::older::decrypt_file_systems;

/// The key that marks our own dumps: what they have was stored, and can be stored again.
pub const MADE_BY: &str = "made_by";
/// Its value.
pub const OURS: &str = "tidegate";

/// The documents of a dump, as texts.
#[derive(Debug, Default)]
pub struct DumpText<'a> {
    /// Whether it was made by this server.
    pub is_ours: bool,
    pub users: Vec<&'a str>,
    pub folders: Vec<&'a str>,
    pub groups: Vec<&'a str>,
    pub roles: Vec<&'a str>,
}

impl<'a> DumpText<'a> {
    /// # Errors
    /// The text is no JSON, or no dump.
    pub fn split(text: &'a str) -> anyhow::Result<Self> {
        let members: BTreeMap<String, &'a RawValue> = serde_json::from_str(text).context("it is no JSON object")?;
        let list = |name: &str| members.get(name).map_or(Ok(None), |list| texts(name, list));
        let made_by = members.get(MADE_BY).map(|value| serde_json::from_str::<Value>(value.get()));
        Ok(Self {
            is_ours: made_by.is_some_and(|value| value.is_ok_and(|value| value == OURS)),
            users: list("users")?.context("it lacks the list \"users\"")?,
            folders: list("folders")?.unwrap_or_default(),
            groups: list("groups")?.unwrap_or_default(),
            roles: list("roles")?.unwrap_or_default(),
        })
    }

    /// The documents of folders, groups and roles.
    pub fn objects(&self) -> [(ObjectKind, &[&'a str]); 3] {
        [(ObjectKind::Folder, &self.folders), (ObjectKind::Group, &self.groups), (ObjectKind::Role, &self.roles)]
    }
}

/// Reads one document, with its name; `kind`: None for an account. `index`: its place in its list.
///
/// # Errors
/// The text is no document with a name.
pub fn document(kind: Option<ObjectKind>, index: usize, text: &str) -> anyhow::Result<(String, Map<String, Value>)> {
    let (list, noun, field) = match kind {
        None => ("users", "account", "username"),
        Some(ObjectKind::Folder) => ("folders", "folder", "name"),
        Some(ObjectKind::Group) => ("groups", "group", "name"),
        Some(ObjectKind::Role) => ("roles", "role", "name"),
    };
    let value: Value = serde_json::from_str(text).with_context(|| format!("{list}.{index} cannot be read"))?;
    let Value::Object(mut document) = value else { bail!("{list}.{index} is no {noun}") };
    let named = document.iter().find(|(name, _)| name.eq_ignore_ascii_case(field));
    let name = named.and_then(|(_, name)| name.as_str()).unwrap_or_default().to_owned();
    ensure!(!name.is_empty(), "{list}.{index} has no {field}");
    decrypt_file_systems(&mut document);
    Ok((name, document))
}

/// The elements of a list, as texts; None: it is `null`.
fn texts<'a>(name: &str, list: &'a RawValue) -> anyhow::Result<Option<Vec<&'a str>>> {
    let elements: Option<Vec<&'a RawValue>> =
        serde_json::from_str(list.get()).with_context(|| format!("\"{name}\" is no list"))?;
    Ok(elements.map(|elements| elements.into_iter().map(RawValue::get).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_apart() {
        // A18-10
        let check = |text: &str, expected: Result<(bool, [&[&str]; 4]), &str>| match (DumpText::split(text), expected) {
            (Ok(found), Ok((is_ours, lists))) => {
                assert_eq!(found.is_ours, is_ours, "{text}");
                assert_eq!([&*found.users, &*found.folders, &*found.groups, &*found.roles], lists, "{text}");
            }
            (Err(error), Err(expected)) => assert!(format!("{error:#}").contains(expected), "{text}: {error:#}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        check(r#"{"users":[]}"#, Ok((false, [&[], &[], &[], &[]])));
        check(
            " {\"made_by\" : \"tidegate\",\n \"users\" :[ {\"a\": [1, 2]} , 7,\"x,]\\\"}\" ],\"groups\":null } \n",
            Ok((true, [&[r#"{"a": [1, 2]}"#, "7", "\"x,]\\\"}\""], &[], &[], &[]])),
        );
        check(
            r#"{"roles":[{}],"other":{"users":[1]},"us\u0065rs":[{"ü":"é\\"}],"folders":[[],[]],"made_by":7}"#,
            Ok((false, [&[r#"{"ü":"é\\"}"#], &["[]", "[]"], &[], &["{}"]])),
        );
        check("{}", Err("it lacks the list \"users\""));
        check(r#"{"users":null}"#, Err("it lacks the list \"users\""));
        check(r#"{"users":[],"groups":{}}"#, Err("\"groups\" is no list"));
        check("[]", Err("no JSON object"));
        check(r#"{"users":[}"#, Err("expected"));
        check(r#"{"users":[]} x"#, Err("trailing"));
        check("", Err("EOF"));
    }

    #[test]
    fn a_document_that_cannot_be_read_is_told_by_its_place() {
        let check = |kind: Option<ObjectKind>, text: &str, expected: Result<&str, &str>| match document(kind, 3, text) {
            Ok((name, _)) => assert_eq!(Ok(name.as_str()), expected, "{text}"),
            Err(error) => assert!(expected.is_err_and(|part| format!("{error:#}").contains(part)), "{text}: {error:#}"),
        };
        check(None, r#"{"Username":"u"}"#, Ok("u"));
        check(None, "7", Err("users.3 is no account"));
        check(None, r#"{"name":"u"}"#, Err("users.3 has no username"));
        check(None, r#"{"username":"u","uid":1e999}"#, Err("users.3 cannot be read"));
        check(Some(ObjectKind::Folder), "[]", Err("folders.3 is no folder"));
        check(Some(ObjectKind::Group), r#"{"name":""}"#, Err("groups.3 has no name"));
        check(Some(ObjectKind::Role), r#"{"name":"r"}"#, Ok("r"));
    }

    #[test]
    fn a_dump_that_is_broken_anywhere_is_refused_or_read() {
        let whole = r#"{"made_by":"tidegate","users":[{"username":"u","a":"\u00e9,"}],"folders":[{"name":"f"}]}"#;
        for at in 0..whole.len() {
            for byte in [b'"', b',', b'}', b']', b'\\', b'x', b' '] {
                let mut broken = whole.as_bytes().to_vec();
                broken[at] = byte;
                if let Ok(text) = std::str::from_utf8(&broken)
                    && let Ok(dump) = DumpText::split(text)
                {
                    assert!(dump.users.len() <= 2 && serde_json::from_str::<Value>(text).is_ok_and(|v| v.is_object()));
                }
            }
        }
    }
}
