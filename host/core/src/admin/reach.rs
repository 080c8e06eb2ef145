//! How far a change of an account, a folder or a group may reach: an actor with a role stays among its own accounts,
//! only the owner of the server places files in the server's own directories, and only an actor that may manage the
//! system does so in those of the system.

use serde_json::{Map, Value};

use super::{Actor, AdminError, AdminPermission, Identity, UseCase, UserAdministration};
use crate::account::{
    AccountDraft, Accounts, Coming, GroupPlace, ObjectKind, PlannedLoad, changed_filesystem, folders_with_paths,
    uses_server_credentials, widened,
};
use crate::ports::{Change, ChangeParts, FOLDERS, USERS};

impl UserAdministration {
    /// Checks what the draft reaches. `stored`: the account as it is; None: it is new.
    pub(super) async fn check_reach(
        &self,
        actor: &Actor,
        case: UseCase,
        draft: &AccountDraft,
        stored: Option<&Map<String, Value>>,
    ) -> Result<(), AdminError> {
        match reached(actor, &self.accounts, draft, stored).await {
            Err(error @ (AdminError::NotForActor(_) | AdminError::Forbidden { .. })) => {
                Err(self.audit.refuse(actor, case, draft.username(), error).await)
            }
            outcome => outcome,
        }
    }
}

async fn reached(
    actor: &Actor,
    accounts: &Accounts,
    draft: &AccountDraft,
    stored: Option<&Map<String, Value>>,
) -> Result<(), AdminError> {
    if is_owner(actor) {
        return Ok(());
    }
    let document = draft.document();
    if actor.role.is_some()
        && let Some(field) = widened(document, stored)
    {
        let text = "an administrator with a role may not add to it or change it, because it reaches beyond the role";
        return Err(refused(actor, &format!("give accounts other \"{field}\": {text}")));
    }
    check_file_system(actor, document, stored)?;
    check_folders(actor, accounts, document).await?;
    check_places(actor, accounts, &Coming::account(document)).await?;
    let before = stored.and_then(|stored| stored.get("home_dir")).and_then(Value::as_str).unwrap_or_default();
    let is_same = stored.is_some() && (draft.home_dir().is_empty() || draft.home_dir() == before);
    // An account that leaves its bucket comes into its home.
    if is_same && changed_filesystem(document, stored).is_none() {
        return Ok(());
    }
    let home = accounts.home_of(draft);
    // A path that is not absolute is refused with its field when the document is looked at.
    if !home.starts_with('/') {
        return Ok(());
    }
    check_directory(actor, accounts, &home).await?;
    // The server itself chooses the home of an account that names none.
    if actor.role.is_some() && !draft.home_dir().is_empty() {
        let outside = |_| {
            let text = "homes of accounts may be below data_provider.homes, and in no directory of another account";
            refused(actor, &format!("place a home at {home}: {text}"))
        };
        accounts.check_home(draft.username(), &home).await?.map_err(outside)?;
    }
    Ok(())
}

/// Checks what the document of a folder, a group or a role reaches, by itself and in the accounts that have it.
pub(super) async fn check_object(
    actor: &Actor,
    accounts: &Accounts,
    kind: ObjectKind,
    name: &str,
    document: &Map<String, Value>,
    stored: Option<&Map<String, Value>>,
) -> Result<(), AdminError> {
    if is_owner(actor) {
        return Ok(());
    }
    check_places(actor, accounts, &Coming::object(kind, name, document)).await?;
    check_own_reach(actor, accounts, kind, document, stored).await
}

/// Checks what the document of a folder or a group reaches by itself.
async fn check_own_reach(
    actor: &Actor,
    accounts: &Accounts,
    kind: ObjectKind,
    document: &Map<String, Value>,
    stored: Option<&Map<String, Value>>,
) -> Result<(), AdminError> {
    let settings = |of: &Map<String, Value>| of.get("user_settings").and_then(Value::as_object).cloned();
    let text = |of: Option<&Map<String, Value>>, field: &str| {
        of.and_then(|of| of.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (document, stored, field) = match kind {
        ObjectKind::Folder => (document.clone(), stored.cloned(), "mapped_path"),
        ObjectKind::Group => {
            check_folders(actor, accounts, document).await?;
            (settings(document).unwrap_or_default(), stored.and_then(settings), "home_dir")
        }
        ObjectKind::Role => return Ok(()),
    };
    check_file_system(actor, &document, stored.as_ref())?;
    let directory = text(Some(&document), field);
    if directory.is_empty() || (stored.is_some() && directory == text(stored.as_ref(), field)) {
        return Ok(());
    }
    check_directory(actor, accounts, &directory).await
}

/// Checks the directories in which a dump places the files of its accounts by themselves.
pub(super) async fn check_dump(
    actor: &Actor,
    accounts: &Accounts,
    users: &[Map<String, Value>],
) -> Result<(), AdminError> {
    if is_owner(actor) {
        return Ok(());
    }
    for document in users {
        let mut draft = AccountDraft::default();
        // What cannot be read is refused by the load itself.
        if draft.merge_value(&Value::Object(document.clone())).is_ok() {
            let home = accounts.home_of(&draft);
            check_directory(actor, accounts, &home).await?;
            check_folders(actor, accounts, draft.document()).await?;
        }
    }
    Ok(())
}

/// Checks what a load stores: its folders and groups, and where they place the files of all accounts, those of the load
/// and the others, once everything is stored.
pub(super) async fn check_load(actor: &Actor, accounts: &Accounts, planned: &PlannedLoad) -> Result<(), AdminError> {
    if is_owner(actor) {
        return Ok(());
    }
    for (kind, _, document) in planned.objects().objects() {
        check_own_reach(actor, accounts, kind, document, None).await?;
    }
    let coming = Coming::objects(planned.objects());
    for index in 0..planned.parts().parts() {
        let changes = planned.parts().fetch(index).await?;
        let of_accounts = changes.iter().filter(|change| *change.collection == USERS);
        let documents: Vec<_> = of_accounts.filter_map(Change::document).collect();
        let places = accounts.places_of_coming(&coming, &documents).await?;
        check_misplaced(actor, accounts, &places).await?;
    }
    let places = accounts.places_of_stored(&coming, &planned.accounts()).await?;
    check_misplaced(actor, accounts, &places).await
}

fn is_owner(actor: &Actor) -> bool {
    actor.identity == Identity::Owner && actor.role.is_none()
}

fn manages_system(actor: &Actor) -> bool {
    actor.permissions.have(AdminPermission::ManageSystem) && actor.role.is_none()
}

fn check_file_system(
    actor: &Actor,
    document: &Map<String, Value>,
    stored: Option<&Map<String, Value>>,
) -> Result<(), AdminError> {
    let uses_server = changed_filesystem(document, stored).is_some_and(|after| uses_server_credentials(&after));
    if uses_server && !manages_system(actor) {
        let text = "use the server's own credentials in a file system, by ${secret:NAME} or by leaving out access_key: this \
                    needs the permission \"manage_system\"";
        return Err(refused(actor, text));
    }
    Ok(())
}

/// A folder that is not stored is added with the directory that the document gives it.
async fn check_folders(actor: &Actor, accounts: &Accounts, document: &Map<String, Value>) -> Result<(), AdminError> {
    let named = folders_with_paths(document);
    if named.is_empty() {
        return Ok(());
    }
    let names = named.iter().map(|(name, _)| name.clone()).collect();
    let known = accounts.shared_directory().find_all(&FOLDERS, names).await?;
    for (name, path) in named {
        if !known.iter().any(|known| known.name == name) {
            actor.require(UseCase::AddFolder)?;
            // As a home that is not absolute.
            if path.starts_with('/') {
                check_directory(actor, accounts, &path).await?;
            }
        }
    }
    Ok(())
}

/// Checks the directories that groups make of the names of accounts once the documents are stored. What an account has
/// from them already, it keeps.
async fn check_places(actor: &Actor, accounts: &Accounts, coming: &Coming<'_>) -> Result<(), AdminError> {
    let places = accounts.new_places(coming).await?;
    check_misplaced(actor, accounts, &places).await
}

async fn check_misplaced(actor: &Actor, accounts: &Accounts, places: &[GroupPlace]) -> Result<(), AdminError> {
    let Some(GroupPlace { path, template }) = accounts.misplaced(places, !manages_system(actor)).await else {
        return Ok(());
    };
    let text = format!(
        "this is what the group's {template} becomes with the names of an account, and would hold or be in a directory of \
         the server or of the system; use another name, or another directory for the group"
    );
    Err(refused(actor, &format!("place files at {path}: {text}")))
}

async fn check_directory(actor: &Actor, accounts: &Accounts, path: &str) -> Result<(), AdminError> {
    if path.is_empty() {
        return Ok(());
    }
    if accounts.check_own_directories(path).await.is_err() {
        let text = "it would hold or be in a directory of the server; list a directory for homes in data_provider.homes, or \
                    let the server's owner do it on its own machine";
        return Err(refused(actor, &format!("place files at {path}: {text}")));
    }
    if !manages_system(actor) && accounts.is_system_directory(path).await {
        let text = "it is a directory of the system; list a directory for homes in data_provider.homes, or let an \
                    administrator with the permission \"manage_system\" do it";
        return Err(refused(actor, &format!("place files at {path}: {text}")));
    }
    Ok(())
}

fn refused(actor: &Actor, what: &str) -> AdminError {
    let name = &actor.author.name;
    // Callers of `/api/v1` may have none (`legacy_open`).
    let who = if name.is_empty() { "a caller without credentials".to_owned() } else { format!("\"{name}\"") };
    AdminError::NotForActor(format!("{who} may not {what}"))
}
