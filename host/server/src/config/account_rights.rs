//! The rights of programs and web servers over accounts, from the configuration.

use std::sync::Arc;

use tidegate_core::account::AccountRights;
use tidegate_core::hook::HookKind;

use super::homes::is_root;
use super::keys::Section;

impl Section {
    pub(super) fn says_rights(&self) -> bool {
        self.restrict.is_some() || self.accounts.is_some() || !self.homes.is_empty() || !self.grants.is_empty()
    }
}

/// What a program or a web server may make of accounts: everything but second factors, as in the
/// older server, unless the operator restricts it.
pub(super) fn account_rights(
    section: &Section,
    kind: HookKind,
    field: &mut impl FnMut(&str, String),
) -> Arc<AccountRights> {
    if section.says_rights() && !kind.makes_accounts() {
        field(
            "restrict",
            "hooks of this kind make no accounts; remove restrict, accounts, homes and grants".to_owned(),
        );
    }
    let any_account = match section.accounts.as_deref() {
        None | Some("own") => false,
        Some("any") => true,
        Some(other) => {
            field("accounts", format!("\"{other}\" is not \"own\" or \"any\""));
            false
        }
    };
    let mut rights = AccountRights { any_account, homes: section.homes.clone(), ..AccountRights::unbound() };
    rights.is_bound = section.restrict.unwrap_or(false);
    for root in section.homes.iter().filter(|root| !is_root(root)) {
        field("homes", format!("\"{root}\" must be an absolute path without \"..\", and not the whole file system"));
    }
    for grant in &section.grants {
        match rights.member(grant) {
            Some(member) => *member = true,
            None => field("grants", format!("\"{grant}\" is not one of {}", AccountRights::GRANTS.join(", "))),
        }
    }
    let widens = section.grants.iter().any(|grant| grant != AccountRights::SECOND_FACTORS);
    if !rights.is_bound && (widens || any_account || !section.homes.is_empty()) {
        field("restrict", "must be true for accounts, homes and grants to mean anything".to_owned());
    }
    Arc::new(rights)
}
