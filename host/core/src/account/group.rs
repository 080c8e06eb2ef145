//! Groups: what they give to the accounts in them (B9-04).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::draft::{AccountDraft, CredentialRule, InvalidAccount, invalid};
use super::inheritance::{self, EXPIRES_IN, Source};
use super::placeholders::Placeholders;
use super::{AccountValues, Audience, DocumentError, User};
use crate::ports::{StoredDocument, Version};

/// How an account belongs to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipKind {
    /// Type 1: the account takes limits, home and file system from it, too. At most one.
    Primary,
    /// Type 2: the account takes what can be added to its own.
    Secondary,
    /// Type 3: for selectors of hooks and for administrators; the account takes nothing.
    Member,
}

/// One entry of an account's `groups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The name of the group, stored or not.
    pub group: String,
    /// Decides what the account takes from the group.
    pub kind: MembershipKind,
}

/// A stored group whose settings every account could take.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The name, unique among groups.
    pub name: String,
    /// The state of the group that was read.
    pub version: Version,
    /// A note for administrators.
    pub description: String,
    /// `user_settings`, and the group's virtual folders, as an account document has them; paths may have
    /// placeholders.
    settings: Map<String, Value>,
}

impl Group {
    /// # Errors
    /// A setting is not valid for an account; the field is named as the group's document has it.
    pub fn of_stored(stored: &StoredDocument) -> Result<Self, InvalidAccount> {
        let document = &stored.document;
        let mut settings = match document.get("user_settings") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(settings)) => settings.clone(),
            Some(_) => return Err(invalid("user_settings", "must be an object")),
        };
        settings.remove("virtual_folders");
        settings.extend(document.get("virtual_folders").map(|folders| ("virtual_folders".to_owned(), folders.clone())));
        let description = document.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        let group = Self { name: stored.name.clone(), version: stored.version, description, settings };
        group.validate()?;
        Ok(group)
    }

    /// Whether an account with nothing of its own could take the settings.
    fn validate(&self) -> Result<(), InvalidAccount> {
        let sample = serde_json::json!({
            "username": "sample", "role": "sample", "status": 1, "home_dir": "/sample", "permissions": {"/": ["*"]},
        });
        let mut draft = AccountDraft::default();
        draft.merge_value(&sample).map_err(|error| invalid("user_settings", error.to_string()))?;
        let in_settings = |error: InvalidAccount| {
            let is_whole = ["virtual_folders", "user_settings"].iter().any(|field| error.field.starts_with(field));
            if is_whole { error } else { invalid(format!("user_settings.{}", error.field), error.problem) }
        };
        let placeholders = Placeholders { username: "sample", role: "sample" };
        draft.take(Source::Primary, &self.settings, placeholders).map_err(in_settings)?;
        draft.validate(CredentialRule::Optional).map(drop).map_err(in_settings)
    }
}

impl AccountDraft {
    /// Takes the settings of a group.
    fn take(
        &mut self,
        source: Source,
        settings: &Map<String, Value>,
        placeholders: Placeholders<'_>,
    ) -> Result<(), InvalidAccount> {
        let settings = placeholders.replaced(settings)?;
        inheritance::take(&mut self.document, source, &as_accounts_take(&settings)?);
        Ok(())
    }
}

/// The settings of a group under the names that accounts know, whose case may be another one.
///
/// # Errors
/// A field has another type.
pub(super) fn as_accounts_take(settings: &Map<String, Value>) -> Result<Map<String, Value>, InvalidAccount> {
    let mut taken = Map::new();
    super::document::merge_object_of(&mut taken, settings).map_err(|error| match error {
        DocumentError::Type { path, expected, found } => {
            invalid(format!("user_settings.{path}"), format!("expected {expected}, found {found}"))
        }
        DocumentError::Syntax(_) | DocumentError::NotAnObject => invalid("user_settings", error.to_string()),
    })?;
    let days = settings.iter().find(|(name, _)| name.eq_ignore_ascii_case(EXPIRES_IN)).map(|(_, days)| days);
    if let Some(days) = days.filter(|days| !days.is_null()) {
        if days.as_i64().is_none_or(|days| days < 0) {
            return Err(invalid(
                format!("user_settings.{EXPIRES_IN}"),
                "must be a whole number of days; 0 means never",
            ));
        }
        taken.insert(EXPIRES_IN.to_owned(), days.clone());
    }
    Ok(taken)
}

/// What is in force for a user in these groups. The primary group comes first, the others in the order in
/// which the account lists them.
///
/// # Errors
/// What comes out is not a valid account: it must not be used, with or without the group.
pub(super) fn merged(user: &Arc<User>, groups: &[Group]) -> Result<AccountValues, InvalidAccount> {
    let stored = StoredDocument {
        name: user.username.clone(),
        version: Version { id: user.id, revision: user.revision },
        document: user.to_document(Audience::Trusted),
        problem: None,
    };
    let mut draft = AccountDraft::of_stored(stored);
    let placeholders = Placeholders { username: &user.username, role: user.role().unwrap_or_default() };
    for (source, kind) in [(Source::Primary, MembershipKind::Primary), (Source::Secondary, MembershipKind::Secondary)] {
        let names = user.memberships().into_iter().filter(|membership| membership.kind == kind);
        for group in names.filter_map(|membership| groups.iter().find(|group| group.name == membership.group)) {
            draft.take(source, &group.settings, placeholders).map_err(|error| {
                let field = format!("group \"{}\", {}", group.name, error.field);
                invalid(field, error.problem)
            })?;
        }
    }
    Ok(draft.validate(CredentialRule::Optional)?.account.values)
}

impl AccountValues {
    /// In the order in which the account lists them.
    pub fn memberships(&self) -> Vec<Membership> {
        memberships_of(&self.other)
    }
}

/// The memberships that an account's document lists.
pub(super) fn memberships_of(account: &Map<String, Value>) -> Vec<Membership> {
    let groups = account.get("groups").and_then(Value::as_array).into_iter().flatten();
    let membership = |group: &Value| {
        let kind = match group.get("type").and_then(Value::as_i64) {
            Some(1) => MembershipKind::Primary,
            Some(2) => MembershipKind::Secondary,
            _ => MembershipKind::Member,
        };
        Some(Membership { group: group.get("name")?.as_str()?.to_owned(), kind })
    };
    groups.filter_map(membership).collect()
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
