//! Directories that groups give to accounts by placeholders (B9-04): who stores the group knows its text, and who stores
//! an account the name that stands in it.

use serde_json::{Map, Value};

use super::group::memberships_of;
use super::placeholders::Placeholders;
use super::stored::complete_folders;
use super::{Accounts, MembershipKind, folders_with_paths};
use crate::ports::{GROUPS, PageRequest, StoreError, StoredDocument, USERS, Version};

/// How many accounts are read at once.
const PAGE: u32 = 1000;

/// A directory of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlace {
    /// The path, with the account's names in it.
    pub path: String,
    /// The path as the group or the folder has it, with placeholders.
    pub template: String,
}

impl Accounts {
    /// The directories that placeholders of groups make for the account of this document.
    pub(crate) async fn places_of_groups(&self, document: &Map<String, Value>) -> Result<Vec<GroupPlace>, StoreError> {
        let names = memberships_of(document).into_iter().filter(|membership| membership.kind != MembershipKind::Member);
        let names: Vec<String> = names.map(|membership| membership.group).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut groups = self.store.find_all(&GROUPS, names).await?;
        complete_folders(&*self.store, &mut groups).await?;
        Ok(groups.iter().flat_map(|group| places(document, &group.name, &templates(&group.document))).collect())
    }

    /// The directories that placeholders make for the accounts in the group, if it is stored with this document.
    pub(crate) async fn places_in_group(
        &self,
        name: &str,
        document: &Map<String, Value>,
    ) -> Result<Vec<GroupPlace>, StoreError> {
        let version = Version { id: 0, revision: 0 };
        let group = StoredDocument { name: name.to_owned(), version, document: document.clone(), problem: None };
        let mut group = [group];
        complete_folders(&*self.store, &mut group).await?;
        let templates: Vec<_> = group.iter().flat_map(|group| templates(&group.document)).collect();
        if templates.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let mut page = PageRequest { limit: PAGE, ..PageRequest::default() };
        loop {
            let accounts = self.store.list(&USERS, page.clone()).await?;
            let Some(last) = accounts.last() else { return Ok(found) };
            page.after = Some(last.name.clone());
            for account in &accounts {
                found.extend(places(&account.document, name, &templates));
            }
        }
    }
}

/// A path with placeholders, and whether only accounts whose primary group it is take it.
type Template = (String, bool);

fn templates(group: &Map<String, Value>) -> Vec<Template> {
    let settings = group.get("user_settings").and_then(Value::as_object);
    let home = settings.and_then(|settings| settings.get("home_dir")).and_then(Value::as_str);
    let home = home.map(|home| (home.to_owned(), true));
    let folders = folders_with_paths(group).into_iter().map(|(_, path)| (path, false));
    home.into_iter().chain(folders).filter(|(path, _)| Placeholders::are_in(path)).collect()
}

/// What an account takes of the templates of a group. A name that cannot stand there ends in no directory: its logins
/// are refused.
fn places(account: &Map<String, Value>, group: &str, templates: &[Template]) -> Vec<GroupPlace> {
    let text = |field: &str| account.get(field).and_then(Value::as_str).unwrap_or_default();
    let placeholders = Placeholders { username: text("username"), role: text("role") };
    let memberships = memberships_of(account);
    let takes = |of_primary: bool| {
        memberships.iter().any(|membership| {
            membership.group == group
                && match membership.kind {
                    MembershipKind::Primary => true,
                    MembershipKind::Secondary => !of_primary,
                    MembershipKind::Member => false,
                }
        })
    };
    let taken = templates.iter().filter(|(_, of_primary)| takes(*of_primary));
    let place = |(template, _): &Template| {
        let path = placeholders.in_text(template, "home_dir").ok()?;
        Some(GroupPlace { path, template: template.clone() })
    };
    taken.filter_map(place).collect()
}
