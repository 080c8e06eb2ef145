//! The actor that asks for a use case of administration, and its permissions.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeSet;

use super::AdminError;
use crate::ports::{Author, Door};

/// An actor: an author (a name, a door and an address) with permissions. A door makes it once the client is
/// authenticated; use cases only ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The author in audit records.
    pub author: Author,
    /// What the actor may do.
    pub permissions: Permissions,
}

/// The permissions of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    /// Every permission.
    All,
    /// These permissions; an empty set allows nothing.
    Only(BTreeSet<AdminPermission>),
}

/// A permission of an administrator, with the name of the older server's second REST interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdminPermission {
    /// Adding accounts.
    AddUsers,
    /// Changing accounts.
    EditUsers,
    /// Deleting accounts.
    DeleteUsers,
    /// Listing and showing accounts and folders.
    ViewUsers,
    /// Changing folders.
    ManageFolders,
    /// Changing groups.
    ManageGroups,
    /// Changing roles.
    ManageRoles,
    /// Listing open sessions.
    ViewConnections,
    /// Closing sessions.
    CloseConnections,
    /// Starting and listing quota scans.
    ScanQuotas,
    /// Listing hooks and plugins.
    ViewStatus,
    /// Listing the records of hook calls and audit records.
    ViewEvents,
    /// Dumping and loading accounts, and giving up plugins.
    ManageSystem,
    /// Listing banned addresses.
    ViewDefender,
    /// Banning addresses, and ending bans.
    ManageDefender,
}

impl AdminPermission {
    /// All permissions.
    pub const ALL: [Self; 15] = [
        Self::AddUsers,
        Self::EditUsers,
        Self::DeleteUsers,
        Self::ViewUsers,
        Self::ManageFolders,
        Self::ManageGroups,
        Self::ManageRoles,
        Self::ViewConnections,
        Self::CloseConnections,
        Self::ScanQuotas,
        Self::ViewStatus,
        Self::ViewEvents,
        Self::ManageSystem,
        Self::ViewDefender,
        Self::ManageDefender,
    ];

    /// The name in messages, and in documents of administrators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AddUsers => "add_users",
            Self::EditUsers => "edit_users",
            Self::DeleteUsers => "del_users",
            Self::ViewUsers => "view_users",
            Self::ManageFolders => "manage_folders",
            Self::ManageGroups => "manage_groups",
            Self::ManageRoles => "manage_roles",
            Self::ViewConnections => "view_conns",
            Self::CloseConnections => "close_conns",
            Self::ScanQuotas => "quota_scans",
            Self::ViewStatus => "view_status",
            Self::ViewEvents => "view_events",
            Self::ManageSystem => "manage_system",
            Self::ViewDefender => "view_defender",
            Self::ManageDefender => "manage_defender",
        }
    }
}

impl Actor {
    /// The owner of the server on the server's own machine, who may do everything; the address is the loopback.
    pub fn local(name: impl Into<String>, door: Door) -> Self {
        let address = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self { author: Author { address, ..Author::new(name, door) }, permissions: Permissions::All }
    }

    /// The server itself, with all permissions.
    pub fn system() -> Self {
        Self { author: Author::system(), permissions: Permissions::All }
    }

    /// Checks that the actor has the permission.
    ///
    /// # Errors
    /// `Forbidden`
    pub fn require(&self, permission: AdminPermission) -> Result<(), AdminError> {
        let is_allowed = match &self.permissions {
            Permissions::All => true,
            Permissions::Only(allowed) => allowed.contains(&permission),
        };
        if is_allowed { Ok(()) } else { Err(AdminError::Forbidden { actor: self.author.name.clone(), permission }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_refused() {
        let all = Actor::local("root", Door::Socket);
        let only = |permission| Actor { permissions: Permissions::Only(BTreeSet::from([permission])), ..all.clone() };
        for permission in AdminPermission::ALL {
            assert!(all.require(permission).is_ok());
            for other in AdminPermission::ALL {
                assert_eq!(only(permission).require(other).is_ok(), permission == other, "{permission:?} {other:?}");
            }
        }
        let nothing = Actor { permissions: Permissions::Only(BTreeSet::new()), ..all };
        let refused = nothing.require(AdminPermission::ViewUsers).unwrap_err();
        assert_eq!(refused.to_string(), "\"root\" lacks the permission \"view_users\"");
    }

    #[test]
    fn names_are_used_once() {
        let names: BTreeSet<_> = AdminPermission::ALL.map(AdminPermission::as_str).into();
        assert_eq!(names.len(), AdminPermission::ALL.len());
    }
}
