//! The dumps that `tidegate load` and accounts in memory take. Their documents are parsed one by one: one that cannot be
//! read does not affect others.

use std::sync::Arc;

use anyhow::{bail, ensure};
use serde_json::{Map, Value};
use tidegate_core::account::ObjectKind;
use tidegate_core::dump_text::{DumpText, Entry, list_of};
use tidegate_core::ports::SpooledText;
use tidegate_migrate::older::decrypt_file_systems;

/// The key that marks our own dumps: what they have was stored, and can be stored again.
pub const MADE_BY: &str = "made_by";
/// Its value.
pub const OURS: &str = "tidegate";

/// Looks at the whole text.
///
/// # Errors
/// The text is no JSON, or no dump.
pub fn read(text: Arc<dyn SpooledText>) -> anyhow::Result<DumpText> {
    let dump = DumpText::read(text)?;
    dump.lists()?;
    Ok(dump)
}

/// Whether this server has made the dump.
pub fn is_ours(dump: &DumpText) -> bool {
    dump.has(MADE_BY, &format!("\"{OURS}\""))
}

/// Reads one document, with its name; `kind`: None for an account.
///
/// # Errors
/// The entry is no document with a name.
pub fn document(kind: Option<ObjectKind>, entry: Entry) -> anyhow::Result<(String, Map<String, Value>)> {
    let (list, index) = (list_of(kind), entry.index);
    let (noun, field) = match kind {
        None => ("account", "username"),
        Some(kind) => (kind.collection().noun, "name"),
    };
    if entry.text().is_some_and(|text| !text.starts_with(b"{")) {
        bail!("{list}.{index} is no {noun}");
    }
    let mut document = entry.document()?;
    let named = document.iter().find(|(name, _)| name.eq_ignore_ascii_case(field));
    let name = named.and_then(|(_, name)| name.as_str()).unwrap_or_default().to_owned();
    ensure!(!name.is_empty(), "{list}.{index} has no {field}");
    decrypt_file_systems(&mut document);
    Ok((name, document))
}

#[cfg(test)]
mod tests {
    use tidegate_core::ports::TextInMemory;

    use super::*;

    fn text(text: &str) -> Arc<dyn SpooledText> {
        Arc::new(TextInMemory::from(text.as_bytes().to_vec()))
    }

    #[test]
    fn dumps_are_told_from_other_texts() {
        // A18-10
        let check = |dump: &str, expected: Result<bool, &str>| match (read(text(dump)), expected) {
            (Ok(found), Ok(ours)) => assert_eq!(is_ours(&found), ours, "{dump}"),
            (Err(error), Err(expected)) => assert!(format!("{error:#}").contains(expected), "{dump}: {error:#}"),
            (found, _) => panic!("{dump}: {}", found.is_ok()),
        };
        check(r#"{"users":[]}"#, Ok(false));
        check(" {\"made_by\" : \"tidegate\",\n \"users\" :[7] } \n", Ok(true));
        check(r#"{"made_by":7,"users":[]}"#, Ok(false));
        check(r#"{"made_by":"other","users":[]}"#, Ok(false));
        check(r#"{"made_by":"tidegate","groups":[]}"#, Ok(true));
        check("{}", Err("it has none of the lists"));
        check(r#"{"users":[],"groups":{}}"#, Err("\"groups\" must be a list"));
        check("[]", Err("no JSON object"));
        check(r#"{"users":[}"#, Err("expected"));
        check(r#"{"users":[]} x"#, Err("trailing"));
        check("", Err("no JSON object"));
    }

    #[test]
    fn a_document_that_cannot_be_read_is_told_by_its_place() {
        let check = |kind: Option<ObjectKind>, entry: &str, expected: Result<&str, &str>| {
            let dump = format!("{{\"{}\":[0,0,0,{entry}]}}", list_of(kind));
            let dump = DumpText::read(text(&dump)).unwrap();
            let last = dump.entries(list_of(kind)).unwrap().unwrap().part().unwrap().pop().unwrap();
            match document(kind, last) {
                Ok((name, _)) => assert_eq!(Ok(name.as_str()), expected, "{entry}"),
                Err(error) => {
                    assert!(expected.is_err_and(|part| format!("{error:#}").contains(part)), "{entry}: {error:#}");
                }
            }
        };
        check(None, r#"{"Username":"u"}"#, Ok("u"));
        check(None, "7", Err("users.3 is no account"));
        check(None, r#"{"name":"u"}"#, Err("users.3 has no username"));
        check(None, r#"{"username":"u","uid":1e999}"#, Err("users.3 cannot be read"));
        check(Some(ObjectKind::Folder), "[]", Err("folders.3 is no folder"));
        check(Some(ObjectKind::Group), r#"{"name":""}"#, Err("groups.3 has no name"));
        check(Some(ObjectKind::Role), r#"{"name":"r"}"#, Ok("r"));
    }
}
