//! Which accounts a list has: those of a role or a group, enabled or disabled ones, those with a text in their name.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{GROUPS, ROLES, StoredDocument};

/// The most bytes of a name that stores find accounts by: as many as 255 characters have, the longest valid name.
const MAX_NAME_BYTES: usize = 4 * 255;
/// The value of the field `status` of an enabled account.
const ENABLED: i64 = 1;
const DISABLED: i64 = 0;
/// The key of disabled accounts, which are fewer than the others.
const IS_DISABLED: AccountReference<'static> = AccountReference { kind: "status", name: "disabled" };

/// Selects accounts: those that all of the given conditions hold for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Only accounts with this role.
    pub role: Option<String>,
    /// Only accounts that are in this group, by whatever kind of membership.
    pub group: Option<String>,
    /// Only enabled accounts, or only disabled ones.
    pub enabled: Option<bool>,
    /// Only accounts whose name has this text anywhere, byte by byte.
    pub contains: Option<String>,
}

/// What an account refers to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountReference<'a> {
    /// The kind of the collection: `role` or `group`. Among keys also `status`.
    pub kind: &'static str,
    /// The name of the object.
    pub name: &'a str,
}

impl AccountFilter {
    /// Whether all accounts are let through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What accounts have to refer to.
    pub fn references(&self) -> Vec<AccountReference<'_>> {
        let role = self.role.as_deref().map(|name| AccountReference { kind: ROLES.kind, name });
        let group = self.group.as_deref().map(|name| AccountReference { kind: GROUPS.kind, name });
        role.into_iter().chain(group).collect()
    }

    /// The [keys](account_keys) that accounts have to have.
    pub fn keys(&self) -> Vec<AccountReference<'_>> {
        let mut keys = self.references();
        keys.extend(self.enabled.filter(|enabled| !enabled).map(|_| IS_DISABLED));
        keys
    }

    /// The number in the field `status`.
    pub fn status(&self) -> Option<i64> {
        self.enabled.map(|enabled| if enabled { ENABLED } else { DISABLED })
    }

    /// Whether the stored account is one of those.
    pub fn lets_through(&self, stored: &StoredDocument) -> bool {
        let has = account_references(&stored.document);
        let status = status(&stored.document);
        self.references().iter().all(|reference| has.contains(reference))
            && self.status().is_none_or(|wanted| wanted == status)
            && self.contains.as_deref().is_none_or(|text| stored.name.contains(text))
    }
}

/// The objects that the account of the document refers to, each once.
pub fn account_references(document: &Map<String, Value>) -> BTreeSet<AccountReference<'_>> {
    let role = document.get("role").and_then(Value::as_str);
    let role = role.map(|name| AccountReference { kind: ROLES.kind, name });
    let groups = document.get("groups").and_then(Value::as_array).into_iter().flatten();
    let groups = groups.filter_map(|entry| entry.get("name").and_then(Value::as_str));
    let groups = groups.map(|name| AccountReference { kind: GROUPS.kind, name });
    role.into_iter().chain(groups).filter(|reference| (1..=MAX_NAME_BYTES).contains(&reference.name.len())).collect()
}

/// What stores that have no columns find the account of the document by.
pub fn account_keys(document: &Map<String, Value>) -> BTreeSet<AccountReference<'_>> {
    let mut keys = account_references(document);
    if status(document) == DISABLED {
        keys.insert(IS_DISABLED);
    }
    keys
}

fn status(document: &Map<String, Value>) -> i64 {
    document.get("status").and_then(Value::as_i64).unwrap_or(DISABLED)
}

/// Whether stores find the account by what it refers to. No valid name is longer.
pub fn is_found_by_references(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ports::Version;

    fn stored(name: &str, document: Value) -> StoredDocument {
        let Value::Object(document) = document else { panic!("it is an object") };
        StoredDocument { name: name.to_owned(), version: Version::default(), document, problem: None }
    }

    #[test]
    fn each_condition_is_asked() {
        let account = json!({"status": 1, "role": "sales", "groups": [{"name": "g", "type": 1}, {"name": "h"}]});
        let account = stored("alice", account);
        let text = |text: &str| Some(text.to_owned());
        let none = AccountFilter::default;
        for (filter, expected) in [
            (none(), true),
            (AccountFilter { role: text("sales"), ..none() }, true),
            (AccountFilter { role: text("Sales"), ..none() }, false),
            (AccountFilter { role: text(""), ..none() }, false),
            (AccountFilter { group: text("h"), ..none() }, true),
            (AccountFilter { group: text("sales"), ..none() }, false),
            (AccountFilter { enabled: Some(true), ..none() }, true),
            (AccountFilter { enabled: Some(false), ..none() }, false),
            (AccountFilter { contains: text("lic"), ..none() }, true),
            (AccountFilter { contains: text("LIC"), ..none() }, false),
            (AccountFilter { role: text("sales"), group: text("x"), ..none() }, false),
            (AccountFilter { role: text("sales"), group: text("g"), enabled: Some(true), contains: text("a") }, true),
        ] {
            assert_eq!(filter.lets_through(&account), expected, "{filter:?}");
        }
    }

    #[test]
    fn references_are_whole_names() {
        let check = |document: Value, expected: &[(&str, &str)]| {
            let stored = stored("alice", document.clone());
            let found = account_references(&stored.document);
            let found: Vec<_> = found.iter().map(|reference| (reference.kind, reference.name)).collect();
            assert_eq!(found, expected, "{document}");
        };
        check(json!({}), &[]);
        check(json!({"role": "", "groups": []}), &[]);
        check(json!({"role": 7, "groups": "g"}), &[]);
        check(
            json!({"role": "r", "groups": [{"name": "h"}, {"name": "g"}, {"name": "h", "type": 2}, {"type": 1}, 7]}),
            &[("group", "g"), ("group", "h"), ("role", "r")],
        );
        check(json!({"role": "x".repeat(1020)}), &[("role", "x".repeat(1020).as_str())]);
        check(json!({"role": "x".repeat(1021)}), &[]);
    }
}
