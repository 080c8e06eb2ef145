//! By whom a session or a login link of a user came to be: an administrator or an API key, without whose right to it it is
//! of no use. It ends for good where the administrator is disabled (D-13).

use serde_json::{Value, json};

use super::admin_document::Administrator;
use super::key_document::ApiKey;
use super::tokens::number_of;
use super::{Actor, Identity, UseCase};
use crate::ports::{ADMINS, API_KEYS, Directory, StoreError, StoredDocument};

/// The member of a token's document that says by which administrator or key another user acts, or who made a link.
pub(super) const ACTING: &str = "acting";

/// By what the actor is known again; null: it loses no right.
pub(super) async fn acting(directory: &dyn Directory, actor: &Actor) -> Result<Value, StoreError> {
    Ok(match &actor.identity {
        Identity::Administrator { admin: (name, id), .. } => {
            json!({ "admin": name, "admin_id": id, "disabled_at": disabled_at(directory, name).await? })
        }
        Identity::ApiKey { admin, .. } => {
            let key = actor.author.name.strip_prefix("key:").unwrap_or_default();
            let at = match admin {
                Some(name) => disabled_at(directory, name).await?,
                None => 0,
            };
            json!({ "key": key, "disabled_at": at })
        }
        Identity::Owner | Identity::User { .. } => Value::Null,
    })
}

/// When the administrator was last disabled; 0: never, or there is none.
async fn disabled_at(directory: &dyn Directory, name: &str) -> Result<i64, StoreError> {
    let found = directory.find(&ADMINS, name).await?;
    Ok(found.map_or(0, |found| number_of(&found, "disabled_at")))
}

/// Whether the administrator or the key that a token or a link names may still do what it came to be by; one that names
/// none is as good as ever.
pub(super) async fn may_act(
    directory: &dyn Directory,
    token: &StoredDocument,
    case: UseCase,
    now: i64,
) -> Result<bool, StoreError> {
    let acting = token.document.get(ACTING);
    let text = |field: &str| acting.and_then(|acting| acting.get(field)).and_then(Value::as_str).unwrap_or_default();
    let number = |field: &str| acting.and_then(|acting| acting.get(field)).and_then(Value::as_i64).unwrap_or(0);
    let admin = match (text("key"), text("admin")) {
        ("", "") => return Ok(true),
        ("", name) => Some((name.to_owned(), number("admin_id"))),
        (key, _) => {
            let Some(found) = directory.find(&API_KEYS, key).await? else { return Ok(false) };
            let Ok(key) = ApiKey::of_stored(&found) else { return Ok(false) };
            if (key.expires_at != 0 && key.expires_at <= now) || !key.scope.allows(case) {
                return Ok(false);
            }
            key.admin
        }
    };
    let Some((name, id)) = admin else { return Ok(true) };
    let Some(found) = directory.find(&ADMINS, &name).await? else { return Ok(false) };
    let may = |found: Administrator| {
        found.version.id == id
            && found.is_enabled
            && found.disabled_at == number("disabled_at")
            && found.permissions.have(case.permission())
    };
    Ok(Administrator::of_stored(&found).is_ok_and(may))
}
