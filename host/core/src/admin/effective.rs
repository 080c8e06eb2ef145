//! What is in force for an account: its own values, and what its groups give it (B9-04).

use serde_json::{Map, Value};

use super::{Actor, AdminError, UseCase, UserAdministration};
use crate::account::{Audience, EffectiveAccount, MembershipKind, User};
use crate::ports::{StoreError, USERS};

/// An account as it is stored and as it is in force, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownEffective {
    /// The account's own values.
    pub stored: Map<String, Value>,
    /// What sessions that begin now have, before hooks change it.
    pub in_force: Map<String, Value>,
    /// The groups that give the account something, in the order in which it takes from them.
    pub groups: Vec<GivingGroup>,
}

/// A group that an account takes from.
#[derive(Debug, Clone, PartialEq)]
pub struct GivingGroup {
    /// The name of the group.
    pub name: String,
    /// Whether the account also takes limits, home and file system from it.
    pub is_primary: bool,
    /// What the group has, as an account document has it.
    pub settings: Map<String, Value>,
}

impl GivingGroup {
    /// Whether the group has a value for the field at this path, such as `filters.denied_ip`.
    pub fn has(&self, path: &str) -> bool {
        let mut names = path.split('.');
        let first = names.next().and_then(|name| self.settings.get(name));
        // The keys of `permissions` are paths, which may have dots.
        let rest = path.strip_prefix("permissions.");
        let found = match rest {
            Some(directory) => first.and_then(|value| value.get(directory)),
            None => names.try_fold(first, |value, name| Some(value?.get(name))).flatten(),
        };
        found.is_some_and(|value| !value.is_null())
    }
}

impl UserAdministration {
    /// What is in force for an account, and which groups have a part in it.
    ///
    /// # Errors
    /// The actor lacks `view_users`, there is no such account, it or one of its groups is not valid, or the store fails.
    pub async fn effective(&self, actor: &Actor, username: &str) -> Result<ShownEffective, AdminError> {
        self.audit.allow(actor, UseCase::ShowUser, username).await?;
        self.check_role(actor, UseCase::ShowUser, username).await?;
        let user = self.accounts.find(username).await?;
        let user = user.ok_or_else(|| StoreError::NotFound(USERS.object(username)))?;
        let stored = user.to_document(Audience::Redacted);
        let mut memberships = user.memberships();
        memberships.retain(|membership| membership.kind != MembershipKind::Member);
        memberships.sort_by_key(|membership| membership.kind != MembershipKind::Primary);
        let names = memberships.iter().map(|membership| membership.group.clone()).collect();
        let found = self.accounts.groups(names).await?;
        let giving = memberships.iter().filter_map(|membership| {
            let document = &found.iter().find(|group| group.name == membership.group)?.document;
            let mut settings = document.get("user_settings").and_then(Value::as_object).cloned().unwrap_or_default();
            let folders = document.get("virtual_folders").cloned();
            settings.extend(folders.map(|folders| ("virtual_folders".to_owned(), folders)));
            let is_primary = membership.kind == MembershipKind::Primary;
            Some(GivingGroup { name: membership.group.clone(), is_primary, settings })
        });
        let groups = giving.collect();
        let in_force = self.accounts.in_force(user).await?.to_document(Audience::Redacted);
        Ok(ShownEffective { stored, in_force, groups })
    }
}

impl UserAdministration {
    /// What is in force for accounts of a list, in its order; None: the role or a group of an account is not there, or
    /// cannot be used.
    ///
    /// # Errors
    /// The actor lacks `view_users`, or the store fails.
    pub async fn all_in_force(
        &self,
        actor: &Actor,
        users: &[User],
    ) -> Result<Vec<Option<EffectiveAccount>>, AdminError> {
        self.audit.allow(actor, UseCase::ListUsers, "").await?;
        Ok(self.accounts.all_in_force(users).await?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_group_has_what_its_settings_say() {
        let settings = json!({"quota_size": 5, "uid": null, "filters": {"denied_ip": ["192.0.2.1"]},
                              "permissions": {"/a.b": ["list"]}});
        let group =
            GivingGroup { name: "g".to_owned(), is_primary: true, settings: settings.as_object().unwrap().clone() };
        let paths =
            ["quota_size", "uid", "filters.denied_ip", "filters.allowed_ip", "permissions./a.b", "permissions./a"];
        assert_eq!(paths.map(|path| group.has(path)), [true, false, true, false, true, false]);
    }
}
