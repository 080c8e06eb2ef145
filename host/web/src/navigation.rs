//! The menu: the pages that an administrator may see.

use tidegate_core::admin::{Actor, UseCase};

/// A page of the menu: its name, its path, and the use case that it needs; None: every administrator sees it.
const MENU: &[(&str, &str, Option<UseCase>)] = &[
    ("Overview", "/web", None),
    ("Connections", "/web/connections", Some(UseCase::ListSessions)),
    ("Why refused?", "/web/refused", Some(UseCase::ListRuns)),
    ("Users", "/web/users", Some(UseCase::ListUsers)),
    ("Groups", "/web/groups", Some(UseCase::ListGroups)),
    ("Folders", "/web/folders", Some(UseCase::ListFolders)),
    ("Hooks", "/web/hooks", Some(UseCase::ListHooks)),
    ("Hook calls", "/web/runs", Some(UseCase::ListRuns)),
    ("Plugins", "/web/plugins", Some(UseCase::ListPlugins)),
    ("Bans", "/web/bans", Some(UseCase::ListBans)),
    ("Quota", "/web/quota", Some(UseCase::ListScans)),
    ("Dump and load", "/web/dump", Some(UseCase::Dump)),
    ("Audit", "/web/audit", Some(UseCase::ListAudit)),
    ("Administrators", "/web/admins", Some(UseCase::ListAdmins)),
    ("Logged in", "/web/tokens", Some(UseCase::ListTokens)),
    ("Roles", "/web/roles", Some(UseCase::ListRoles)),
    ("API keys", "/web/keys", Some(UseCase::ListApiKeys)),
    ("Configuration", "/web/configuration", Some(UseCase::ShowConfiguration)),
];

/// An entry of the menu.
pub struct Entry {
    pub text: &'static str,
    pub address: &'static str,
    pub is_current: bool,
}

/// The menu of an actor on the page of that path.
pub fn entries(actor: &Actor, path: &str) -> Vec<Entry> {
    let may = |case: &Option<UseCase>| case.is_none_or(|case| actor.may(case));
    let shown: Vec<_> = MENU.iter().filter(|(_, _, case)| may(case)).collect();
    let is_at = |address: &str| match path.strip_prefix(address) {
        Some(rest) => rest.is_empty() || (rest.starts_with('/') && address != "/web"),
        None => false,
    };
    let entry = |(text, address, _): &&(&'static str, &'static str, Option<UseCase>)| Entry {
        text,
        address,
        is_current: is_at(address),
    };
    shown.iter().map(entry).collect()
}
