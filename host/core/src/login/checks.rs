//! The account's own conditions, in the order of B1.

use core::net::IpAddr;

use super::{Refusal, RefusalReason};
use crate::account::{Account, AddressRule};
use crate::connection::LoginMethod;

/// Step 11: before the credential is compared. `now`: milliseconds since 1970.
pub fn account_conditions(account: &Account, now: i64) -> Result<(), Refusal> {
    if !account.enabled {
        return Err(denied("the account is disabled"));
    }
    if account.is_expired(now) {
        return Err(denied("the account has expired"));
    }
    Ok(())
}

/// Steps 18, 20 and 22: after the credential matched.
pub fn restrictions(account: &Account, method: LoginMethod, address: IpAddr, rule: AddressRule) -> Result<(), Refusal> {
    if account.filters.denies_ssh {
        return Err(denied("the account may not use SSH"));
    }
    if account.denies_method(method) {
        return Err(denied("the account may not log in by this method"));
    }
    if !account.allows_address(address, rule) {
        return Err(denied("the account may not log in from this address"));
    }
    Ok(())
}

fn denied(text: &str) -> Refusal {
    Refusal::new(RefusalReason::Denied, text)
}
