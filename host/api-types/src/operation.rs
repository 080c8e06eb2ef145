//! The use cases by name, with the request that each takes and the answer that it gives.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A request of one use case.
pub trait Operation: Serialize + DeserializeOwned + Send + 'static {
    /// The name of the use case, in lower case with hyphens.
    const NAME: &'static str;
    /// One sentence for the interface's description.
    const SUMMARY: &'static str;
    type Answer: Serialize + DeserializeOwned + Send + 'static;
}

/// The path on the control socket to which requests of this name are posted.
pub fn path_of(name: &str) -> String {
    format!("/control/{name}")
}

/// Gives each request its name and its answer, and exports the list of all requests.
macro_rules! operations {
    ($($name:literal $request:ident -> $answer:ident: $summary:literal;)*) => {
        $(impl Operation for crate::$request {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = $summary;
            type Answer = crate::$answer;
        })*

        /// Calls the macro `$visit` with the types of all requests, separated by commas.
        #[macro_export]
        macro_rules! for_each_operation {
            ($visit:ident) => { $visit! { $($request,)* } };
        }
    };
}

operations! {
    "show-status" ShowStatus -> ServerStatus: "Say that the server is alive, and which release it is.";
    "list-users" ListUsers -> Users: "List accounts in the order of their names, a page at a time.";
    "show-user" ShowUser -> User: "Show one account without its secrets.";
    "add-user" AddUser -> User: "Add an account.";
    "update-user" UpdateUser -> User: "Change an account.";
    "delete-user" DeleteUser -> DeletedUser: "Delete an account; its files stay.";
    "list-objects" ListObjects -> Objects: "List folders, groups or roles in the order of their names, a page at a time.";
    "show-object" ShowObject -> ShownObject: "Show one folder, group or role, and what refers to it.";
    "add-object" AddObject -> StoredObject: "Add a folder, a group or a role.";
    "update-object" UpdateObject -> StoredObject: "Change a folder, a group or a role.";
    "delete-object" DeleteObject -> DeletedObject: "Delete a folder, a group or a role to which nothing refers.";
    "list-sessions" ListSessions -> Sessions: "List the sessions that are open.";
    "close-session" CloseSession -> ClosedSession: "Close a session.";
    "list-bans" ListBans -> Bans: "List the banned addresses.";
    "add-ban" AddBan -> Ban: "Ban an address.";
    "remove-ban" RemoveBan -> RemovedBan: "End the ban of an address.";
    "list-exempt-networks" ListExemptNetworks -> ExemptNetworks: "List the networks whose addresses are never banned.";
    "add-exempt-network" AddExemptNetwork -> ExemptNetwork: "Exempt a network from bans.";
    "remove-exempt-network" RemoveExemptNetwork -> ExemptNetwork: "Exempt a network no longer.";
    "list-scans" ListScans -> Scans: "List the quota scans under way.";
    "scan" Scan -> ScanReport: "Count the files of an account or folder again; answers when that is done.";
    "set-usage" SetUsage -> ScanReport: "Set the usage of an account or folder, or add to it, without counting files.";
    "check-storage" CheckStorage -> StorageReport: "Try the file systems of an account: open, list, put, get, delete.";
    "sweep-storage" SweepStorage -> SweptStorage: "Remove what killed servers have left of uploads to object storage.";
    "list-hook-links" ListHookLinks -> HookLinks: "List the links of every hook point, in the order in which they are asked.";
    "explain-login" ExplainLogin -> ExplainedLogin: "Say which hooks a login would meet and why, without running any.";
    "list-hook-runs" ListHookRuns -> HookRuns: "List the newest calls of hooks, oldest first.";
    "show-hook-run" ShowHookRun -> HookRun: "Show one call of a hook.";
    "list-hook-counters" ListHookCounters -> HookCounters: "Count all calls of hooks by hook, version and outcome.";
    "forget-credentials" ForgetCredentials -> ForgottenCredentials: "Forget what external authentication has decided, so that its hooks are asked again.";
    "list-plugins" ListPlugins -> Plugins: "List the plugins.";
    "reload-plugins" ReloadPlugins -> Plugins: "Read the plugin directory again, and list the plugins.";
    "forget-plugin" ForgetPlugin -> ForgottenPlugin: "Let go of the gates that a plugin served.";
    "dump-users" DumpUsers -> Dumped: "Give accounts with their password hashes, a page at a time.";
    "dump-objects" DumpObjects -> DumpedObjects: "Give folders, groups or roles with their secrets, a page at a time.";
    "load-dump" LoadDump -> LoadReport: "Add or replace all accounts, folders, groups and roles of a dump, or none.";
    "list-admins" ListAdmins -> Admins: "List administrators in the order of their names, a page at a time.";
    "show-admin" ShowAdmin -> StoredObject: "Show one administrator without its secrets.";
    "add-admin" AddAdmin -> StoredObject: "Add an administrator.";
    "update-admin" UpdateAdmin -> StoredObject: "Change an administrator.";
    "delete-admin" DeleteAdmin -> DeletedAdmin: "Delete an administrator; its tokens and keys are no longer good.";
    "set-admin-codes" SetAdminCodes -> AdminCodes: "Give an administrator new one-time codes, or take them away.";
    "list-tokens" ListTokens -> Tokens: "List the tokens of administrators and users, a page at a time.";
    "revoke-token" RevokeToken -> RevokedToken: "Revoke a token of an administrator.";
    "list-api-keys" ListApiKeys -> ApiKeys: "List API keys, a page at a time.";
    "show-api-key" ShowApiKey -> StoredObject: "Show one API key without its text.";
    "add-api-key" AddApiKey -> NewApiKey: "Make an API key.";
    "update-api-key" UpdateApiKey -> StoredObject: "Replace an API key, which keeps its text and its uses.";
    "rotate-api-key" RotateApiKey -> NewApiKey: "Give an API key a new text; the old one is no longer good.";
    "delete-api-key" DeleteApiKey -> DeletedApiKey: "Revoke an API key.";
    "add-login-link" AddLoginLink -> NewLoginLink: "Make a link that logs a user in.";
    "list-login-links" ListLoginLinks -> LoginLinks: "List the login links of a user.";
    "delete-login-link" DeleteLoginLink -> DeletedLoginLink: "Revoke a login link.";
    "one-click-login" OneClickLogin -> NewLoginLink: "Make a link, good once and for a minute, by which a portal logs its user in.";
    "impersonate" Impersonate -> UserToken: "Give a token with which the administrator acts as a user.";
    "make-reset-code" MakeResetCode -> ResetCode: "Make a code with which a new password is set once.";
    "list-audit" ListAudit -> AuditEntries: "List what was changed by whom, newest first.";
    "list-file-events" ListFileEvents -> FileEvents: "List what sessions did to files most recently, newest first.";
}
