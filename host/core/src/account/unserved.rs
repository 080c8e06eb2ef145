//! File systems that this version does not serve, or not as they are described, in documents of another server whose place this one takes:
//! they are stored whole, and whatever reads the account or the group refuses it by a sentence.

use serde_json::{Map, Value};

use super::file_systems::is_served;
use super::{InvalidAccount, ObjectKind};

/// Takes a file system out of the document if it is not served.
pub(super) fn take(document: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    if is_served(document.get("filesystem")?.as_object()?) {
        return None;
    }
    match document.remove("filesystem") {
        Some(Value::Object(filesystem)) => Some(filesystem),
        Some(_) | None => None,
    }
}

/// As [`ObjectKind::validated`], with file systems that are not served left out of account.
pub(super) fn validated(
    kind: ObjectKind,
    mut document: Map<String, Value>,
) -> Result<(String, Map<String, Value>), InvalidAccount> {
    match kind {
        ObjectKind::Folder => {
            let Some(unserved) = take(&mut document) else { return kind.validated(document) };
            // Such a folder needs no directory; the checks want one.
            let path = document.get("mapped_path").cloned().unwrap_or_else(|| Value::from(""));
            if path == "" {
                document.insert("mapped_path".to_owned(), Value::from("/elsewhere"));
            }
            let (name, mut document) = kind.validated(document)?;
            if path == "" {
                document.insert("mapped_path".to_owned(), path);
            }
            document.insert("filesystem".to_owned(), Value::Object(unserved));
            Ok((name, document))
        }
        ObjectKind::Group => {
            let unserved = document.get_mut("user_settings").and_then(Value::as_object_mut).and_then(take);
            let (name, mut document) = kind.validated(document)?;
            let settings = document.get_mut("user_settings").and_then(Value::as_object_mut);
            if let (Some(settings), Some(unserved)) = (settings, unserved) {
                settings.insert("filesystem".to_owned(), Value::Object(unserved));
            }
            Ok((name, document))
        }
        ObjectKind::Role => kind.validated(document),
    }
}
