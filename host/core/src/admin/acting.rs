//! The maker of a session, a login link or a reset code of a user: an administrator or an API key. The server accepts the
//! session, link or code only while its maker may make it, and it ends for good with what ends the administrator's own
//! tokens (D-13).

use serde_json::{Value, json};

use super::admin_document::Administrator;
use super::administrators::credential_of;
use super::credential_text::is_same;
use super::key_document::ApiKey;
use super::tokens::number_of;
use super::{Actor, Identity, Reach, UseCase};
use crate::ports::{ADMINS, API_KEYS, Directory, StoreError, StoredDocument};

/// The member of a document that names the administrator or key that acts as a user, or that made a link or a code.
pub(super) const ACTING: &str = "acting";
/// The member of a session's document that names the administrator or key that made the link that it began with.
pub(super) const LET_IN_BY: &str = "let_in_by";

/// By what the actor is known again; null: it loses no right.
pub(super) async fn acting(directory: &dyn Directory, actor: &Actor) -> Result<Value, StoreError> {
    Ok(match &actor.identity {
        Identity::Administrator { admin: (name, id), credential, .. } => {
            let at = disabled_at(directory, name).await?;
            json!({ "admin": name, "admin_id": id, "credential": credential, "disabled_at": at })
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

/// The present state of the administrator or key that made a session, a link or a code.
enum Maker {
    /// The server's owner, which cannot lose rights.
    Owner,
    /// It was deleted, or disabled since.
    Gone,
    /// An administrator.
    Administrator(Box<Administrator>),
    /// A key, and the administrator whose permissions limit it.
    Key(Box<ApiKey>, Option<Box<Administrator>>),
}

impl Maker {
    /// The maker that a member of a document names.
    async fn of(directory: &dyn Directory, member: Option<&Value>) -> Result<Self, StoreError> {
        let text = |field: &str| member.and_then(|of| of.get(field)).and_then(Value::as_str).unwrap_or_default();
        let number = |field: &str| member.and_then(|of| of.get(field)).and_then(Value::as_i64).unwrap_or(0);
        let disabled_at = number("disabled_at");
        Ok(match (text("key"), text("admin")) {
            ("", "") => Self::Owner,
            ("", name) => match administrator(directory, (name, number("admin_id")), disabled_at).await? {
                Some(admin) => Self::Administrator(admin),
                None => Self::Gone,
            },
            (key, _) => {
                let found = directory.find(&API_KEYS, key).await?;
                let Some(Ok(key)) = found.as_ref().map(ApiKey::of_stored) else { return Ok(Self::Gone) };
                let Some((name, id)) = key.admin.clone() else { return Ok(Self::Key(Box::new(key), None)) };
                match administrator(directory, (name.as_str(), id), disabled_at).await? {
                    Some(admin) => Self::Key(Box::new(key), Some(admin)),
                    None => Self::Gone,
                }
            }
        })
    }
}

/// The administrator, if it is there, enabled, and was not disabled since.
async fn administrator(
    directory: &dyn Directory,
    (name, id): (&str, i64),
    disabled_at: i64,
) -> Result<Option<Box<Administrator>>, StoreError> {
    let Some(found) = directory.find(&ADMINS, name).await? else { return Ok(None) };
    let found = Administrator::of_stored(&found).ok();
    let found = found.filter(|found| found.version.id == id && found.is_enabled && found.disabled_at == disabled_at);
    Ok(found.map(Box::new))
}

/// Whether the administrator or the key that a document names as its maker may still make it; a document that names none
/// stays valid. What an administrator began by its password ends with the password, and what one with a role began is
/// not valid while the account is not of the role. `account`: the account that it is for; None: it is for none.
pub(super) async fn may_act(
    directory: &dyn Directory,
    of: &StoredDocument,
    case: UseCase,
    account: Option<&StoredDocument>,
    now: i64,
) -> Result<bool, StoreError> {
    let member = of.document.get(ACTING);
    let credential = member.and_then(|of| of.get("credential")).and_then(Value::as_str).unwrap_or_default();
    let may = |admin: &Administrator| admin.permissions.have(case.permission()) && reaches(admin, case, account);
    Ok(match Maker::of(directory, member).await? {
        Maker::Owner => true,
        Maker::Gone => false,
        Maker::Administrator(admin) => may(&admin) && is_same(&credential_of(&admin), credential),
        Maker::Key(key, admin) => {
            let is_expired = key.expires_at != 0 && key.expires_at <= now;
            !is_expired && key.scope.allows(case) && admin.as_deref().is_none_or(may)
        }
    })
}

/// Whether the use case is for the role of the administrator, and the account, if there is one, has that role.
fn reaches(admin: &Administrator, case: UseCase, account: Option<&StoredDocument>) -> bool {
    let Some(role) = &admin.role else { return true };
    let is_own = |account: &StoredDocument| account.document.get("role").and_then(Value::as_str) == Some(role.as_str());
    case.reach() == Reach::OwnAccounts && account.is_some_and(is_own)
}

/// Whether a session of a user may go on: the administrator or key that acts in it may still do so, and the one that made
/// the link it began with still exists and is enabled, since a disabled one is no longer trusted. `user`: the account of
/// the session.
pub(super) async fn may_go_on(
    directory: &dyn Directory,
    session: &StoredDocument,
    user: &StoredDocument,
    now: i64,
) -> Result<bool, StoreError> {
    if !may_act(directory, session, UseCase::Impersonate, Some(user), now).await? {
        return Ok(false);
    }
    let let_in_by = Maker::of(directory, session.document.get(LET_IN_BY)).await?;
    Ok(!matches!(let_in_by, Maker::Gone))
}
