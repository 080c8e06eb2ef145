//! The checks of an account's rules during a login, in the order of B1.

use core::net::IpAddr;

use super::{LoginService, Refusal, RefusalReason};
use crate::account::{AccountPolicy, AccountRule, AddressRule, EffectiveAccount, Factors, LoginFacts};
use crate::connection::LoginMethod;
use crate::hook::LoginAttempt;
use crate::ports::Clock;

impl LoginService {
    /// Checks the rules that come before the credential is compared.
    pub(super) fn check_before_credential(
        &self,
        account: &EffectiveAccount,
        attempt: &LoginAttempt,
    ) -> Result<(), Refusal> {
        self.check_rules(&AccountRule::BEFORE_CREDENTIAL, account, attempt, &Factors::default())
    }

    /// Checks `rules`. `factors`: what the client has proved, for the rules that ask for it.
    pub(super) fn check_rules(
        &self,
        rules: &[AccountRule],
        account: &EffectiveAccount,
        attempt: &LoginAttempt,
        factors: &Factors,
    ) -> Result<(), Refusal> {
        let login = LoginFacts { address: attempt.connection.remote.ip(), method: attempt.method(), factors };
        Ok(self.policy().check(rules, account, &login)?)
    }

    pub(super) fn policy(&self) -> AccountPolicy {
        AccountPolicy::now(&*self.ports.clock, self.ports.address_rule)
    }
}

impl From<AccountRule> for Refusal {
    fn from(broken: AccountRule) -> Self {
        Self::new(RefusalReason::Denied, broken.refusal())
    }
}

/// The result of some rules of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCheck {
    /// The rules in words.
    pub name: &'static str,
    /// Why they refuse a login; None: they do not.
    pub problem: Option<String>,
}

/// The results of all rules for a login, for `tidegate hook test`. The second factor is taken as not given.
pub fn account_checks(
    account: &EffectiveAccount,
    method: LoginMethod,
    address: IpAddr,
    rule: AddressRule,
    clock: &dyn Clock,
) -> Vec<AccountCheck> {
    let policy = AccountPolicy::now(clock, rule);
    let login = LoginFacts { address, method, factors: &Factors::default() };
    let check = |name, rules: &[AccountRule]| {
        let broken = policy.check(rules, account, &login).err();
        AccountCheck { name, problem: broken.map(|rule| rule.refusal().to_owned()) }
    };
    vec![
        check("enabled, not expired, and at this time", &AccountRule::BEFORE_CREDENTIAL),
        check("SSH, method and address", &AccountRule::AFTER_CREDENTIAL),
    ]
}

/// Whether a step by the one method may be followed by one by the other.
pub(super) fn comes_before(earlier: LoginMethod, later: LoginMethod) -> bool {
    matches!(
        (earlier, later),
        (LoginMethod::PublicKey, LoginMethod::Password | LoginMethod::KeyboardInteractive)
            | (LoginMethod::Password, LoginMethod::KeyboardInteractive)
    )
}
