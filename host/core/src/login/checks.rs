//! The account's own conditions, in the order of B1.

use core::net::IpAddr;

use super::{Refusal, RefusalReason};
use crate::account::{AddressRule, EffectiveAccount};
use crate::connection::LoginMethod;
use crate::ports::Clock;

/// Step 11: before the credential is compared.
pub fn account_conditions(account: &EffectiveAccount, clock: &dyn Clock) -> Result<(), Refusal> {
    let now = clock.now();
    if !account.enabled {
        return Err(denied("the account is disabled"));
    }
    if account.is_expired(now) {
        return Err(denied("the account has expired"));
    }
    if !account.allows_time(now.saturating_add(clock.zone_offset(now))) {
        return Err(denied("the account may not log in at this time"));
    }
    if account.filters.needs_password_change || account.password_is_expired(now) {
        return Err(denied("the account's password has to be changed first"));
    }
    Ok(())
}

/// Steps 18, 20, 21 and 22: after the credential matched.
pub fn restrictions(
    account: &EffectiveAccount,
    method: LoginMethod,
    address: IpAddr,
    rule: AddressRule,
) -> Result<(), Refusal> {
    if account.filters.denies_ssh {
        return Err(denied("the account may not use SSH"));
    }
    if account.denies_method(method) {
        return Err(denied("the account may not log in by this method"));
    }
    if account.filters.needs_second_factor && account.filters.one_time_codes.is_none() {
        return Err(denied("the account needs one-time codes for SSH and has none"));
    }
    if !account.allows_address(address, rule) {
        return Err(denied("the account may not log in from this address"));
    }
    Ok(())
}

/// One of the account's conditions, and why it would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCheck {
    pub name: &'static str,
    pub problem: Option<String>,
}

/// All conditions of the account on a login, for people who want to see them: what
/// [`account_conditions`] and [`restrictions`] ask one after the other.
pub fn account_checks(
    account: &EffectiveAccount,
    method: LoginMethod,
    address: IpAddr,
    rule: AddressRule,
    clock: &dyn Clock,
) -> Vec<AccountCheck> {
    let check = |name, outcome: Result<(), Refusal>| {
        let problem = outcome.err().map(|refusal| refusal.to_string());
        AccountCheck { name, problem }
    };
    vec![
        check("enabled, not expired, and at this time", account_conditions(account, clock)),
        check("SSH, method and address", restrictions(account, method, address, rule)),
    ]
}

fn denied(text: &str) -> Refusal {
    Refusal::new(RefusalReason::Denied, text)
}
