//! Accounts as stores hold them: documents, which become [`User`]s only by validation.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::fields::{self, Field};
use super::write::is_unset;
use super::{AccountDraft, Audience, CredentialRule, Occupied, User, document};
use crate::ports::{AccountFilter, Directory, FOLDERS, PageRequest, StoreError, StoredDocument, USERS, Version};

/// A page of accounts, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountPage {
    /// The valid accounts.
    pub accounts: Vec<User>,
    /// Stored accounts that are not valid; they do not keep the others from being listed.
    pub invalid: Vec<InvalidStored>,
    /// The last name of the page, after which the next page begins; None: the page is empty.
    pub next: Option<String>,
}

/// A stored account that is not valid.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidStored {
    /// The name under which the account is stored.
    pub username: String,
    /// What is wrong with the document, in a sentence.
    pub problem: String,
    /// The document as it is stored, secrets included.
    pub document: Map<String, Value>,
}

/// The stored account, valid, with what its folders know; None: there is none of that name.
///
/// # Errors
/// `Invalid`: the stored document is not a valid account. Otherwise the store does not answer.
pub async fn find_user(directory: &dyn Directory, username: &str) -> Result<Option<User>, StoreError> {
    let Some(stored) = directory.find(&USERS, username).await? else { return Ok(None) };
    let mut one = [stored];
    complete_folders(directory, &mut one).await?;
    let [stored] = one;
    user_of(stored).map(Some)
}

/// The account's document, valid or not, to change it or to keep it elsewhere; None: there is none of that
/// name.
///
/// # Errors
/// The store does not answer.
pub async fn find_stored(directory: &dyn Directory, username: &str) -> Result<Option<StoredDocument>, StoreError> {
    let Some(stored) = directory.find(&USERS, username).await? else { return Ok(None) };
    let mut one = [stored];
    complete_folders(directory, &mut one).await?;
    let [mut stored] = one;
    let mut known = Map::new();
    // A document that cannot be read as an account is given as it is.
    if stored.problem.is_none() && document::merge_object_of(&mut known, &stored.document).is_ok() {
        stored.document = known;
    }
    Ok(Some(stored))
}

/// A page of stored accounts, valid or not.
///
/// # Errors
/// The store does not answer.
pub async fn list_users(directory: &dyn Directory, request: PageRequest) -> Result<AccountPage, StoreError> {
    list_users_of(directory, &AccountFilter::default(), request).await
}

/// A page of those stored accounts that the filter lets through, valid or not.
///
/// # Errors
/// The store does not answer.
pub async fn list_users_of(
    directory: &dyn Directory,
    filter: &AccountFilter,
    request: PageRequest,
) -> Result<AccountPage, StoreError> {
    let found = match filter.is_empty() {
        true => directory.list(&USERS, request).await?,
        false => directory.list_accounts(filter, request).await?,
    };
    page_of(directory, found).await
}

/// The accounts that stored documents say.
pub(super) async fn page_of(
    directory: &dyn Directory,
    mut found: Vec<StoredDocument>,
) -> Result<AccountPage, StoreError> {
    complete_folders(directory, &mut found).await?;
    let mut page = AccountPage { next: found.last().map(|last| last.name.clone()), ..AccountPage::default() };
    for stored in found {
        let document = stored.document.clone();
        match user_of(stored) {
            Ok(user) => page.accounts.push(user),
            Err(StoreError::Invalid { username, problem }) => {
                page.invalid.push(InvalidStored { username, problem, document });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

/// The homes of all accounts but one, and the directories that accounts share.
pub(super) async fn occupied(directory: &dyn Directory, except: &str) -> Result<Vec<Occupied>, StoreError> {
    let homes = directory.texts(&USERS, "home_dir").await?;
    let homes = homes.into_iter().filter(|(name, _)| name != except);
    let homes = homes.map(|(name, path)| Occupied { path, by: format!("the account \"{name}\"") });
    let folders = directory.texts(&FOLDERS, "mapped_path").await?;
    // Folders in object storage have no directory.
    let folders = folders.into_iter().filter(|(_, path)| !path.is_empty());
    let folders = folders.map(|(name, path)| Occupied { path, by: format!("the folder \"{name}\"") });
    Ok(homes.chain(folders).collect())
}

/// The account that a stored document says.
///
/// # Errors
/// `Invalid`: the document is not a valid account.
pub fn user_of(stored: StoredDocument) -> Result<User, StoreError> {
    let StoredDocument { name, version, document, problem } = stored;
    let invalid = |problem: String| StoreError::Invalid { username: name.clone(), problem };
    if let Some(problem) = problem {
        return Err(invalid(problem));
    }
    if let Some(restriction) = unknown_restriction(&document) {
        return Err(invalid(format!(
            "filters.{restriction} is not known here, and may restrict the account; tidegate user update removes it"
        )));
    }
    let base = StoredDocument { name: name.clone(), version, document: Map::new(), problem: None };
    let mut draft = AccountDraft::of_stored(base);
    draft.document = Map::with_capacity(document.len());
    draft.merge_document(document).map_err(|error| invalid(error.to_string()))?;
    Ok(draft.validate(CredentialRule::Optional).map_err(|error| invalid(error.to_string()))?.account)
}

/// A filter that another program has stored, and that would have no effect.
pub(super) fn unknown_restriction(document: &Map<String, Value>) -> Option<String> {
    let filters = document.iter().filter(|(name, _)| name.eq_ignore_ascii_case("filters"));
    let known = fields::find(fields::ACCOUNT, "filters").map(Field::fields).unwrap_or_default();
    let mut given = filters.filter_map(|(_, filters)| filters.as_object()).flatten();
    let unknown = given.find(|(name, value)| fields::find(known, name).is_none() && !is_unset(value));
    let plain = |name: &String| name.chars().take(80).filter(|character| !character.is_control()).collect();
    unknown.map(|(name, _)| plain(name))
}

/// The account as a store would hold it.
pub(super) fn stored_of(user: &User) -> StoredDocument {
    StoredDocument {
        name: user.username.clone(),
        version: Version { id: user.id, revision: user.revision },
        document: user.to_document(Audience::Trusted),
        problem: None,
    }
}

/// The changes from `base` to `account`, applied to the state that is stored now; None: the result is not
/// valid.
pub(super) fn rebased(account: &User, base: &Arc<StoredDocument>, current: &Arc<StoredDocument>) -> Option<User> {
    let mut draft = AccountDraft::of(account);
    draft.base = Some(base.clone());
    draft.rebase(current);
    draft.keep_maintained_fields_in(Some(&current.document));
    draft.validate(CredentialRule::Optional).ok().map(|validated| validated.account)
}

pub(super) fn has_credential(stored: &StoredDocument) -> bool {
    let is_there = |name: &str| match stored.document.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    is_there("password") || is_there("public_keys")
}

/// Fills in the paths and usages of the accounts' stored folders. A folder that is not stored stays as the
/// account has it.
pub(super) async fn complete_folders(
    directory: &dyn Directory,
    accounts: &mut [StoredDocument],
) -> Result<(), StoreError> {
    let mut names = BTreeSet::new();
    for account in &mut *accounts {
        names.extend(folders_of(account).filter_map(|folder| folder_name(folder)));
    }
    if names.is_empty() {
        return Ok(());
    }
    let found = directory.find_all(&FOLDERS, names.into_iter().collect()).await?;
    let found: HashMap<&str, &StoredDocument> = found.iter().map(|folder| (folder.name.as_str(), folder)).collect();
    for account in &mut *accounts {
        // Of such a folder it is not known where its files are.
        let unreadable = folders_of(account).find_map(|folder| {
            let stored = found.get(folder_name(folder)?.as_str())?;
            let problem = stored.problem.as_ref()?;
            Some(format!("the folder \"{}\" in the database is not valid: {problem}", stored.name))
        });
        account.problem = account.problem.take().or(unreadable);
    }
    for folder in accounts.iter_mut().flat_map(folders_of) {
        let Some(stored) = folder_name(folder).and_then(|name| found.get(name.as_str()).copied()) else { continue };
        folder.insert("id".to_owned(), json!(stored.version.id));
        folder.insert("name".to_owned(), json!(stored.name));
        // The stored folder says where the files are, and not the account.
        folder.remove("filesystem");
        for field in ["filesystem", "mapped_path", "used_quota_size", "used_quota_files", "last_quota_update"] {
            folder.extend(stored.document.get(field).map(|value| (field.to_owned(), value.clone())));
        }
        // Files of a folder elsewhere are not in the directory of the same name.
        let filesystem = stored.document.get("filesystem");
        let is_elsewhere = |filesystem: &&Value| {
            filesystem.get("provider").and_then(Value::as_i64).is_some_and(|provider| provider != 0)
        };
        folder.extend(filesystem.filter(is_elsewhere).map(|value| ("filesystem".to_owned(), value.clone())));
    }
    Ok(())
}

pub(super) fn folders_of(account: &mut StoredDocument) -> impl Iterator<Item = &mut Map<String, Value>> {
    let folders = account.document.get_mut("virtual_folders").and_then(Value::as_array_mut);
    folders.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The name of a folder; in documents of the first era its path is its name.
pub(super) fn folder_name(folder: &Map<String, Value>) -> Option<String> {
    let text = |field: &str| folder.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("name").or_else(|| text("mapped_path")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_with_a_restriction_that_is_not_known_is_refused() {
        let check = |filters: Value, expected: Option<&str>| {
            let document = json!({"username": "u", "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]},
                "filters": filters});
            let document = document.as_object().cloned().unwrap_or_default();
            let stored = StoredDocument { name: "u".into(), version: Version::default(), document, problem: None };
            let error = user_of(stored).err().map(|error| error.to_string());
            assert_eq!(error.is_some(), expected.is_some(), "{error:?}");
            assert!(error.unwrap_or_default().contains(expected.unwrap_or_default()));
        };
        check(json!({"Denied_IP": [], "allow_api_key_auth": true}), None);
        check(json!({"brand_new": [], "other": 0, "third": {}, "fourth": false}), None);
        check(json!({"brand_new": ["x"]}), Some("filters.brand_new"));
        check(json!({"brand_new": {"a": 1}}), Some("filters.brand_new"));
    }
}
