//! Directories that groups give to accounts by placeholders (B9-04): a change of a group sets the text, and a change of an
//! account the name that replaces the placeholder. What counts are the resulting directories once a change is stored.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::group::memberships_of;
use super::placeholders::Placeholders;
use super::stored::{complete_folders, folder_name, folders_of};
use super::{Accounts, Membership, MembershipKind, ObjectKind, PlannedChanges, folders_with_paths};
use crate::ports::{GROUPS, PageRequest, StoreError, StoredDocument, USERS, Version};

/// How many documents are read at once.
const PAGE: u32 = 1000;
/// How many coming accounts are compared with the stored ones at once.
const ACCOUNTS: usize = 1000;

/// A directory of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlace {
    /// The path, with the account's names in it.
    pub path: String,
    /// The path as the group or the folder has it, with placeholders.
    pub template: String,
}

/// Documents that are about to be stored together, over those that are.
#[derive(Default)]
pub(crate) struct Coming<'a> {
    accounts: Vec<&'a Map<String, Value>>,
    groups: HashMap<&'a str, &'a Map<String, Value>>,
    folders: HashMap<&'a str, &'a Map<String, Value>>,
}

impl<'a> Coming<'a> {
    /// One account.
    pub fn account(document: &'a Map<String, Value>) -> Self {
        Self { accounts: vec![document], ..Self::default() }
    }

    /// One folder, group or role.
    pub fn object(kind: ObjectKind, name: &'a str, document: &'a Map<String, Value>) -> Self {
        let mut coming = Self::default();
        coming.add_object(kind, name, document);
        coming
    }

    /// The folders and groups of a transaction, whose accounts are looked at a part at a time.
    pub fn objects(planned: &'a PlannedChanges) -> Self {
        let mut coming = Self::default();
        for (kind, name, document) in planned.objects() {
            coming.add_object(kind, name, document);
        }
        coming
    }

    fn add_object(&mut self, kind: ObjectKind, name: &'a str, document: &'a Map<String, Value>) {
        match kind {
            ObjectKind::Folder => {
                self.folders.insert(name, document);
            }
            ObjectKind::Group => {
                self.groups.insert(name, document);
            }
            // The name of an account's role stands in its own document.
            ObjectKind::Role => {}
        }
    }
}

/// A path with placeholders, and whether only accounts whose primary group it is take it.
type Template = (String, bool);

/// The paths with placeholders of groups, by the group, before and after the coming documents are stored.
#[derive(Default)]
struct Templates {
    before: HashMap<String, Vec<Template>>,
    after: HashMap<String, Vec<Template>>,
}

impl Accounts {
    /// The directories that placeholders of groups make for accounts once the documents are stored, and that those
    /// accounts do not have already.
    pub(crate) async fn new_places(&self, coming: &Coming<'_>) -> Result<Vec<GroupPlace>, StoreError> {
        let mut found = self.places_of_coming(coming, &coming.accounts).await?;
        let names = coming.accounts.iter().map(|account| name_of(account)).collect();
        found.extend(self.places_of_stored(coming, &names).await?);
        Ok(found)
    }

    /// Those of these accounts, which are about to be stored with the folders and groups.
    pub(crate) async fn places_of_coming(
        &self,
        coming: &Coming<'_>,
        accounts: &[&Map<String, Value>],
    ) -> Result<Vec<GroupPlace>, StoreError> {
        let mut found = Vec::new();
        for accounts in accounts.chunks(ACCOUNTS) {
            let mut groups: HashSet<String> = accounts.iter().flat_map(|account| giving_groups(account)).collect();
            if groups.is_empty() {
                continue;
            }
            let names = accounts.iter().map(|account| name_of(account).to_owned()).collect();
            let stored = self.store.find_all(&USERS, names).await?;
            groups.extend(stored.iter().flat_map(|stored| giving_groups(&stored.document)));
            let templates = self.templates_of(coming, groups).await?;
            let stored: HashMap<&str, &StoredDocument> =
                stored.iter().map(|stored| (stored.name.as_str(), stored)).collect();
            for account in accounts {
                let before = stored.get(name_of(account)).map(|stored| &stored.document);
                found.extend(added(&templates, before, account));
            }
        }
        Ok(found)
    }

    /// Those of other accounts than these, where a group of theirs gets other directories.
    pub(crate) async fn places_of_stored(
        &self,
        coming: &Coming<'_>,
        names: &HashSet<&str>,
    ) -> Result<Vec<GroupPlace>, StoreError> {
        let mut groups: HashSet<String> = coming.groups.keys().map(|name| (*name).to_owned()).collect();
        if !coming.folders.is_empty() {
            let has_folder = |group: &Map<String, Value>| {
                coming.folders.keys().any(|name| ObjectKind::Folder.is_referred_to(group, name))
            };
            let mut page = PageRequest { limit: PAGE, ..PageRequest::default() };
            loop {
                let stored = self.store.list(&GROUPS, page.clone()).await?;
                let Some(last) = stored.last() else { break };
                page.after = Some(last.name.clone());
                groups.extend(stored.into_iter().filter(|group| has_folder(&group.document)).map(|group| group.name));
            }
        }
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let mut templates = self.templates_of(coming, groups).await?;
        let Templates { before, after } = &mut templates;
        after.retain(|group, templates| !templates.is_empty() && before.get(group) != Some(&*templates));
        if after.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let mut page = PageRequest { limit: PAGE, ..PageRequest::default() };
        loop {
            let stored = self.store.list(&USERS, page.clone()).await?;
            let Some(last) = stored.last() else { return Ok(found) };
            page.after = Some(last.name.clone());
            for account in stored.iter().filter(|account| !names.contains(account.name.as_str())) {
                found.extend(added(&templates, Some(&account.document), &account.document));
            }
        }
    }

    async fn templates_of(&self, coming: &Coming<'_>, names: HashSet<String>) -> Result<Templates, StoreError> {
        let mut before = self.store.find_all(&GROUPS, names.iter().cloned().collect()).await?;
        let mut after: Vec<StoredDocument> =
            before.iter().filter(|group| !coming.groups.contains_key(group.name.as_str())).cloned().collect();
        let given = names.iter().filter_map(|name| Some((name, *coming.groups.get(name.as_str())?)));
        after.extend(given.map(|(name, document)| StoredDocument {
            name: name.clone(),
            version: Version::default(),
            document: document.clone(),
            problem: None,
        }));
        complete_folders(self.directory(), &mut before).await?;
        complete_folders(self.directory(), &mut after).await?;
        for folder in after.iter_mut().flat_map(folders_of) {
            let given = folder_name(folder).and_then(|name| coming.folders.get(name.as_str()).copied());
            if let Some(path) = given.and_then(|given| given.get("mapped_path")) {
                folder.insert("mapped_path".to_owned(), path.clone());
            }
        }
        Ok(Templates { before: by_group(&before), after: by_group(&after) })
    }
}

fn by_group(groups: &[StoredDocument]) -> HashMap<String, Vec<Template>> {
    groups.iter().map(|group| (group.name.clone(), templates(&group.document))).collect()
}

fn templates(group: &Map<String, Value>) -> Vec<Template> {
    let settings = group.get("user_settings").and_then(Value::as_object);
    let home = settings.and_then(|settings| settings.get("home_dir")).and_then(Value::as_str);
    let home = home.map(|home| (home.to_owned(), true));
    let folders = folders_with_paths(group).into_iter().map(|(_, path)| (path, false));
    home.into_iter().chain(folders).filter(|(path, _)| Placeholders::are_in(path)).collect()
}

/// What the account has after the change, and had not before. `before`: the account as it is stored.
fn added(templates: &Templates, before: Option<&Map<String, Value>>, after: &Map<String, Value>) -> Vec<GroupPlace> {
    let mut found = places(after, &templates.after);
    if let Some(before) = before.filter(|_| !found.is_empty()) {
        let before = places(before, &templates.before);
        found.retain(|place| !before.contains(place));
    }
    found
}

/// What an account takes of the templates of its groups. A name that cannot stand there ends in no directory: its
/// logins are refused.
fn places(account: &Map<String, Value>, templates: &HashMap<String, Vec<Template>>) -> Vec<GroupPlace> {
    let role = account.get("role").and_then(Value::as_str).unwrap_or_default();
    let placeholders = Placeholders { username: name_of(account), role };
    let mut found = Vec::new();
    for membership in memberships_of(account).into_iter().filter(is_giving) {
        let is_primary = membership.kind == MembershipKind::Primary;
        let taken = templates.get(&membership.group).into_iter().flatten();
        let taken = taken.filter(|(_, of_primary)| is_primary || !of_primary);
        found.extend(taken.filter_map(|(template, _)| {
            let path = placeholders.in_text(template, "home_dir").ok()?;
            Some(GroupPlace { path, template: template.clone() })
        }));
    }
    found
}

fn giving_groups(account: &Map<String, Value>) -> Vec<String> {
    memberships_of(account).into_iter().filter(is_giving).map(|membership| membership.group).collect()
}

fn is_giving(membership: &Membership) -> bool {
    membership.kind != MembershipKind::Member
}

fn name_of(account: &Map<String, Value>) -> &str {
    account.get("username").and_then(Value::as_str).unwrap_or_default()
}
