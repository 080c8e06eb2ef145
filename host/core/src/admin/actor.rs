//! The actor that asks for a use case of administration, and its permissions.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeSet;

use super::{AdminError, Reach, UseCase};
use crate::ports::{Author, Door};
use crate::session::Session;

/// An actor: an author (a name, a door and an address) with permissions. A door makes it once the client is
/// authenticated; use cases only ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The author in audit records.
    pub author: Author,
    /// What the actor may do.
    pub permissions: Permissions,
    /// The role whose accounts the actor is limited to; None: it has no role, and sees all accounts.
    pub role: Option<String>,
    /// As what the actor was authenticated.
    pub identity: Identity,
}

/// As what an actor was authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The owner of the server on its own machine, or the server itself.
    Owner,
    /// An administrator.
    Administrator {
        /// The name of the administrator, and the id of its document.
        admin: (String, i64),
        /// A digest of its password's hash: a token is good only while it is the same.
        credential: String,
        /// Whether a token and no password was presented.
        by_token: bool,
    },
    /// The user of an account, who reaches that account alone; it has no permission.
    User {
        /// The name of the account, and the id of its document.
        user: (String, i64),
    },
    /// An API key.
    ApiKey {
        /// The administrator whose permissions limit the key; None: only its scope does.
        admin: Option<String>,
        /// The use cases that the key is limited to.
        scope: KeyScope,
    },
}

/// The use cases that an API key is limited to (D-09).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyScope {
    /// Use cases that are allowed, as [`UseCase::is_meant_by`] has them; empty: all.
    pub allow: Vec<String>,
    /// Use cases that are denied, whatever `allow` says.
    pub deny: Vec<String>,
}

impl KeyScope {
    /// Whether the key may be used for that.
    pub fn allows(&self, case: UseCase) -> bool {
        let is_in = |texts: &[String]| texts.iter().any(|text| case.is_meant_by(text));
        (self.allow.is_empty() || is_in(&self.allow)) && !is_in(&self.deny)
    }
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
    /// Adding, changing and deleting administrators, and revoking their tokens.
    ManageAdmins,
    /// Making, listing and revoking API keys.
    ManageApiKeys,
    /// Acting as the user of an account, and logging one in for a portal.
    ImpersonateUsers,
}

impl AdminPermission {
    /// All permissions.
    pub const ALL: [Self; 18] = [
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
        Self::ManageAdmins,
        Self::ManageApiKeys,
        Self::ImpersonateUsers,
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
            Self::ManageAdmins => "manage_admins",
            Self::ManageApiKeys => "manage_apikeys",
            Self::ImpersonateUsers => "impersonate_users",
        }
    }

    /// The permission with this [name](Self::as_str).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == name)
    }
}

impl Permissions {
    /// Whether the permission is one of these.
    pub fn have(&self, permission: AdminPermission) -> bool {
        match self {
            Self::All => true,
            Self::Only(allowed) => allowed.contains(&permission),
        }
    }

    /// Whether all of `others` are among these.
    pub fn cover(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(these), Self::Only(others)) => others.is_subset(these),
        }
    }
}

/// Why a use case is not for an actor.
enum Barrier {
    Permission(AdminPermission),
    Other(&'static str),
}

impl Actor {
    /// The owner of the server on the server's own machine, who may do everything; the address is the loopback.
    pub fn local(name: impl Into<String>, door: Door) -> Self {
        let address = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let author = Author { address, ..Author::new(name, door) };
        Self { author, permissions: Permissions::All, role: None, identity: Identity::Owner }
    }

    /// The server itself, with all permissions.
    pub fn system() -> Self {
        Self { author: Author::system(), permissions: Permissions::All, role: None, identity: Identity::Owner }
    }

    /// Whether the actor is the administrator of that name; a key of it is not.
    pub(super) fn is_administrator(&self, username: &str) -> bool {
        matches!(&self.identity, Identity::Administrator { admin, .. } if admin.0 == username)
    }

    /// The author of a change of the administrator of that name.
    pub(super) fn author_of(&self, administrator: &str) -> Author {
        let is_self = self.author.is_self || self.is_administrator(administrator);
        Author { is_self, ..self.author.clone() }
    }

    /// Checks that the use case is for the actor: by its permission, its role, and the scope of its key.
    ///
    /// # Errors
    /// `Forbidden`, `NotForActor`
    pub fn require(&self, case: UseCase) -> Result<(), AdminError> {
        let Some(barrier) = self.barrier(case) else { return Ok(()) };
        let actor = self.author.name.clone();
        Err(match barrier {
            Barrier::Permission(permission) => AdminError::Forbidden { actor, permission },
            Barrier::Other(reason) => {
                let case = case.name();
                AdminError::NotForActor(format!("\"{actor}\" may not use \"{case}\": {reason}"))
            }
        })
    }

    /// Whether the use case is for the actor; as of [`require`](Self::require), where nothing is said of a refusal.
    pub fn may(&self, case: UseCase) -> bool {
        self.barrier(case).is_none()
    }

    fn barrier(&self, case: UseCase) -> Option<Barrier> {
        let permission = case.permission();
        if !self.permissions.have(permission) {
            return Some(Barrier::Permission(permission));
        }
        if self.role.is_some() && case.reach() != Reach::OwnAccounts {
            return Some(Barrier::Other("an administrator with a role has only the accounts of the role"));
        }
        match &self.identity {
            Identity::Owner | Identity::Administrator { .. } => None,
            Identity::User { .. } => Some(Barrier::Other("it is for administrators")),
            Identity::ApiKey { .. } if case.reach() == Reach::People => Some(Barrier::Other("no API key may")),
            Identity::ApiKey { scope, .. } if !scope.allows(case) => {
                Some(Barrier::Other("the scope of the key does not have it"))
            }
            Identity::ApiKey { .. } => None,
        }
    }

    /// Whether an account with that role is for the actor.
    pub fn has_account_of(&self, role: Option<&str>) -> bool {
        self.role.is_none() || self.role.as_deref() == role
    }

    /// Whether the session is for the actor: its account may have got another role since the login.
    pub fn has_session(&self, session: &Session) -> bool {
        self.has_account_of(session.live.account().role())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each use case is reached with its permission and with no other.
    #[test]
    fn nothing_is_reached_without_its_permission() {
        // D-09
        let all = Actor::local("root", Door::Rest);
        let only = |permission| Actor { permissions: Permissions::Only(BTreeSet::from([permission])), ..all.clone() };
        let nothing = Actor { permissions: Permissions::Only(BTreeSet::new()), ..all.clone() };
        for case in UseCase::ALL {
            assert!(all.require(*case).is_ok(), "{case:?}");
            assert!(nothing.require(*case).is_err(), "{case:?}");
            for permission in AdminPermission::ALL {
                assert_eq!(only(permission).require(*case).is_ok(), permission == case.permission(), "{case:?}");
                assert_eq!(only(permission).may(*case), permission == case.permission(), "{case:?}");
            }
            let role = Actor { role: Some("sales".to_owned()), ..all.clone() };
            assert_eq!(role.require(*case).is_ok(), case.reach() == Reach::OwnAccounts, "{case:?}");
            let key = |allow: &[&str], deny: &[&str]| {
                let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
                let scope = KeyScope { allow: texts(allow), deny: texts(deny) };
                Actor { identity: Identity::ApiKey { admin: None, scope }, ..all.clone() }.require(*case).is_ok()
            };
            let may = case.reach() != Reach::People;
            assert_eq!(key(&[], &[]), may, "{case:?}");
            assert_eq!(key(&[case.name()], &[]), may, "{case:?}");
            assert_eq!(key(&["user.list"], &[]), may && *case == UseCase::ListUsers, "{case:?}");
            assert!(!key(&["*"], &[case.name()]) && !key(&[case.name()], &["*"]), "{case:?}");
        }
        let refused = nothing.require(UseCase::ListUsers).unwrap_err();
        assert_eq!(refused.to_string(), "\"root\" lacks the permission \"view_users\"");
    }

    #[test]
    fn permissions_cover_those_that_they_have() {
        let only = |permissions: &[AdminPermission]| Permissions::Only(permissions.iter().copied().collect());
        let (view, both) = (AdminPermission::ViewUsers, [AdminPermission::ViewUsers, AdminPermission::AddUsers]);
        assert!(Permissions::All.cover(&Permissions::All) && only(&both).cover(&only(&[view])));
        assert!(!only(&[view]).cover(&only(&both)) && !only(&both).cover(&Permissions::All));
    }

    #[test]
    fn names_are_used_once() {
        let names: BTreeSet<_> = AdminPermission::ALL.map(AdminPermission::as_str).into();
        assert_eq!(names.len(), AdminPermission::ALL.len());
        assert!(AdminPermission::ALL.iter().all(|one| AdminPermission::from_name(one.as_str()) == Some(*one)));
    }
}
