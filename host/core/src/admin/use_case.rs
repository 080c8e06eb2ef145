//! The use cases of administration, each with the permission that it needs and the actors that it is for.

use super::AdminPermission as P;

/// Which actors a use case can be for, beside the permission that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All actors; one with a role has only the accounts of the role before it.
    OwnAccounts,
    /// Actors without a role: what is done concerns the whole server.
    WholeServer,
    /// Administrators without a role only. An API key could use it to widen its own permissions.
    People,
}

/// Makes the enumeration with its table.
macro_rules! use_cases {
    ($($(#[doc = $about:literal])+ $name:ident = $kind:literal . $action:literal, $permission:ident, $reach:ident;)*) => {
        /// A use case of administration. API keys are limited to some of them by name (D-09).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum UseCase {
            $($(#[doc = $about])+ $name,)*
        }

        impl UseCase {
            /// All use cases.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind of object that the use case is about, as in audit records.
            pub fn kind(self) -> &'static str {
                match self { $(Self::$name => $kind,)* }
            }

            /// What is done to the object, as in audit records.
            pub fn action(self) -> &'static str {
                match self { $(Self::$name => $action,)* }
            }

            /// The name in scopes of API keys, such as `user.add`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => concat!($kind, ".", $action),)* }
            }

            /// The permission that an actor needs.
            pub fn permission(self) -> P {
                match self { $(Self::$name => P::$permission,)* }
            }

            /// The actors that the use case can be for.
            pub fn reach(self) -> Reach {
                match self { $(Self::$name => Reach::$reach,)* }
            }
        }
    };
}

use_cases! {
    /// Listing accounts.
    ListUsers = "user"."list", ViewUsers, OwnAccounts;
    /// Showing an account.
    ShowUser = "user"."show", ViewUsers, OwnAccounts;
    /// Adding an account.
    AddUser = "user"."add", AddUsers, OwnAccounts;
    /// Changing an account.
    UpdateUser = "user"."update", EditUsers, OwnAccounts;
    /// Deleting an account.
    DeleteUser = "user"."delete", DeleteUsers, OwnAccounts;
    /// Trying the file systems of an account.
    CheckStorage = "user"."check", EditUsers, OwnAccounts;
    /// Handing out a code with which the user of an account sets a new password.
    ResetUser = "user"."reset", EditUsers, OwnAccounts;
    /// Making a login link for the user of an account.
    AddLoginLink = "login_link"."add", EditUsers, OwnAccounts;
    /// Listing the login links of an account.
    ListLoginLinks = "login_link"."list", ViewUsers, OwnAccounts;
    /// Revoking a login link.
    DeleteLoginLink = "login_link"."delete", EditUsers, OwnAccounts;
    /// Acting as the user of an account.
    Impersonate = "user"."impersonate", ImpersonateUsers, OwnAccounts;
    /// Logging in the user of a portal by one click.
    OneClickLogin = "user"."one_click", ImpersonateUsers, OwnAccounts;
    /// Listing folders.
    ListFolders = "folder"."list", ViewUsers, WholeServer;
    /// Showing a folder.
    ShowFolder = "folder"."show", ViewUsers, WholeServer;
    /// Adding a folder.
    AddFolder = "folder"."add", ManageFolders, WholeServer;
    /// Changing a folder.
    UpdateFolder = "folder"."update", ManageFolders, WholeServer;
    /// Deleting a folder.
    DeleteFolder = "folder"."delete", ManageFolders, WholeServer;
    /// Listing groups.
    ListGroups = "group"."list", ViewUsers, WholeServer;
    /// Showing a group.
    ShowGroup = "group"."show", ViewUsers, WholeServer;
    /// Adding a group.
    AddGroup = "group"."add", ManageGroups, WholeServer;
    /// Changing a group.
    UpdateGroup = "group"."update", ManageGroups, WholeServer;
    /// Deleting a group.
    DeleteGroup = "group"."delete", ManageGroups, WholeServer;
    /// Listing roles.
    ListRoles = "role"."list", ViewUsers, WholeServer;
    /// Showing a role.
    ShowRole = "role"."show", ViewUsers, WholeServer;
    /// Adding a role.
    AddRole = "role"."add", ManageRoles, WholeServer;
    /// Changing a role.
    UpdateRole = "role"."update", ManageRoles, WholeServer;
    /// Deleting a role.
    DeleteRole = "role"."delete", ManageRoles, WholeServer;
    /// Listing open sessions.
    ListSessions = "session"."list", ViewConnections, OwnAccounts;
    /// Closing a session.
    CloseSession = "session"."close", CloseConnections, OwnAccounts;
    /// Listing the quota scans under way.
    ListScans = "scan"."list", ScanQuotas, WholeServer;
    /// Scanning the usage of an account or folder.
    Scan = "scan"."start", ScanQuotas, WholeServer;
    /// Setting the usage of an account or folder.
    SetUsage = "usage"."set", ScanQuotas, WholeServer;
    /// Showing the state of the server.
    ShowStatus = "server"."show", ViewStatus, WholeServer;
    /// Showing the configuration in force.
    ShowConfiguration = "configuration"."show", ManageSystem, WholeServer;
    /// Listing the links of hook points.
    ListHooks = "hook"."list", ViewStatus, WholeServer;
    /// Saying which hooks a login would meet.
    ExplainHooks = "hook"."explain", ViewEvents, WholeServer;
    /// Asking the configured hooks about a made-up event.
    TestHooks = "hook"."test", ManageSystem, WholeServer;
    /// Listing plugins.
    ListPlugins = "plugin"."list", ViewStatus, WholeServer;
    /// Reading the plugin directory again.
    ReloadPlugins = "plugin"."reload", ManageSystem, WholeServer;
    /// Putting a plugin into the plugin directory.
    InstallPlugin = "plugin"."install", ManageSystem, People;
    /// Taking a plugin out of the plugin directory.
    RemovePlugin = "plugin"."remove", ManageSystem, People;
    /// Giving up the gates of a missing plugin.
    ForgetPlugin = "plugin"."forget", ManageSystem, People;
    /// Listing the records of hook calls.
    ListRuns = "run"."list", ViewEvents, WholeServer;
    /// Showing the record of one hook call.
    ShowRun = "run"."show", ViewEvents, WholeServer;
    /// Listing the numbers of hook calls.
    ListCounters = "run"."count", ViewEvents, WholeServer;
    /// Listing what sessions did to files.
    ListFileEvents = "file_event"."list", ViewEvents, WholeServer;
    /// Dumping accounts, folders, groups and roles with their secrets.
    Dump = "backup"."dump", ManageSystem, WholeServer;
    /// Loading a dump.
    Load = "backup"."load", ManageSystem, WholeServer;
    /// Removing what killed servers have left of uploads to object storage.
    SweepStorage = "storage"."sweep", ManageSystem, WholeServer;
    /// Forgetting what external authentication has decided.
    ForgetCredentials = "credentials"."forget", ManageSystem, WholeServer;
    /// Listing audit records.
    ListAudit = "audit"."list", ViewEvents, WholeServer;
    /// Listing banned addresses.
    ListBans = "ban"."list", ViewDefender, WholeServer;
    /// Banning an address.
    AddBan = "ban"."add", ManageDefender, WholeServer;
    /// Ending the ban of an address.
    RemoveBan = "ban"."remove", ManageDefender, WholeServer;
    /// Exempting a network from bans.
    AddExemption = "exemption"."add", ManageDefender, WholeServer;
    /// Exempting a network no longer.
    RemoveExemption = "exemption"."remove", ManageDefender, WholeServer;
    /// Listing administrators.
    ListAdmins = "admin"."list", ManageAdmins, WholeServer;
    /// Showing an administrator.
    ShowAdmin = "admin"."show", ManageAdmins, WholeServer;
    /// Adding an administrator.
    AddAdmin = "admin"."add", ManageAdmins, People;
    /// Changing an administrator, and its one-time codes.
    UpdateAdmin = "admin"."update", ManageAdmins, People;
    /// Deleting an administrator.
    DeleteAdmin = "admin"."delete", ManageAdmins, People;
    /// Handing out a code with which an administrator sets a new password.
    ResetAdmin = "admin"."reset", ManageAdmins, People;
    /// Listing API keys.
    ListApiKeys = "api_key"."list", ManageApiKeys, WholeServer;
    /// Showing an API key.
    ShowApiKey = "api_key"."show", ManageApiKeys, WholeServer;
    /// Making an API key.
    AddApiKey = "api_key"."add", ManageApiKeys, People;
    /// Changing an API key.
    UpdateApiKey = "api_key"."update", ManageApiKeys, People;
    /// Giving an API key a new text.
    RotateApiKey = "api_key"."rotate", ManageApiKeys, People;
    /// Revoking an API key.
    DeleteApiKey = "api_key"."delete", ManageApiKeys, WholeServer;
    /// Listing the tokens of administrators.
    ListTokens = "token"."list", ManageAdmins, WholeServer;
    /// Revoking a token of an administrator.
    RevokeToken = "token"."delete", ManageAdmins, WholeServer;
}

impl UseCase {
    /// Whether a text in the scope of a key means this use case: its name, `user.*` for all of a kind, or `*`.
    pub fn is_meant_by(self, text: &str) -> bool {
        text == "*" || text == self.name() || text.strip_suffix(".*") == Some(self.kind())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_used_once_and_texts_mean_what_they_say() {
        let names: BTreeSet<_> = UseCase::ALL.iter().map(|case| case.name()).collect();
        assert_eq!(names.len(), UseCase::ALL.len());
        let meant = |text: &str| UseCase::ALL.iter().filter(|case| case.is_meant_by(text)).count();
        for (text, expected) in [("*", UseCase::ALL.len()), ("user.*", 9), ("user.add", 1), ("user", 0), ("us*", 0)] {
            assert_eq!(meant(text), expected, "{text}");
        }
    }
}
