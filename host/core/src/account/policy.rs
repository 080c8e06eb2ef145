//! The rules of an account about who may log in, how, when and from where. Logins and open sessions are
//! held to the same ones, so that a session whose login would be refused by now ends.

use core::net::IpAddr;

use self::AccountRule::{Address, Enabled, HasCodes, Hours, Method, NotExpired, PasswordAge, SecondFactor, Ssh};
use super::{AddressRule, EffectiveAccount};
use crate::connection::LoginMethod;
use crate::ports::Clock;

/// What a client has proved in a login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Factors {
    /// The steps, in their order.
    pub methods: Vec<LoginMethod>,
    /// A one-time code was among them.
    pub has_code: bool,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRule {
    /// `status`
    Enabled,
    /// `expiration_date` (A4-08)
    NotExpired,
    /// `filters.access_time`
    Hours,
    /// `filters.require_password_change` and `filters.password_expiration`
    PasswordAge,
    /// `filters.denied_protocols`
    Ssh,
    /// `filters.denied_login_methods`
    Method,
    /// `filters.two_factor_protocols`, without codes to give
    HasCodes,
    /// `filters.totp_config`, and `filters.two_factor_protocols`
    SecondFactor,
    /// `filters.allowed_ip` and `filters.denied_ip` (A4-09)
    Address,
}

impl AccountRule {
    pub const ALL: [Self; 9] = [Enabled, NotExpired, Hours, PasswordAge, Ssh, Method, HasCodes, SecondFactor, Address];
    /// Before the credential is compared (B1, step 11).
    pub const BEFORE_CREDENTIAL: [Self; 4] = [Enabled, NotExpired, Hours, PasswordAge];
    /// Once it is proved, though another step may follow (B1, steps 18 and 20 to 22).
    pub const AFTER_CREDENTIAL: [Self; 4] = [Ssh, Method, HasCodes, Address];
    /// Once all steps are.
    pub const AT_ADMISSION: [Self; 5] = [Ssh, Method, HasCodes, SecondFactor, Address];
    /// Those that are broken by nothing but the time that passes.
    pub const IN_TIME: [Self; 3] = [NotExpired, Hours, PasswordAge];

    /// Why a login is refused.
    pub fn refusal(self) -> &'static str {
        match self {
            Enabled => "the account is disabled",
            NotExpired => "the account has expired",
            Hours => "the account may not log in at this time",
            PasswordAge => "the account's password has to be changed first",
            Ssh => "the account may not use SSH",
            Method => "the account may not log in by this method",
            HasCodes => "the account needs one-time codes for SSH and has none",
            SecondFactor => "the account needs a one-time code",
            Address => "the account may not log in from this address",
        }
    }

    /// Why a session of the account ends, after "a session of ACCOUNT is closed:".
    pub fn end(self) -> &'static str {
        match self {
            Enabled => "it was disabled",
            NotExpired => "it has expired",
            Hours => "it may not be used at this time",
            PasswordAge => "its password has to be changed first",
            Ssh => "it may not use SSH any more",
            Method => "it may not log in by this method any more",
            HasCodes => "it needs one-time codes now and has none",
            SecondFactor => "it needs a one-time code now, and none was given",
            Address => "it may not be used from this address any more",
        }
    }
}

/// What the rules are about.
#[derive(Debug, Clone, Copy)]
pub struct LoginFacts<'a> {
    /// Of the client.
    pub address: IpAddr,
    /// Of the login, its steps together.
    pub method: LoginMethod,
    pub factors: &'a Factors,
}

/// The rules at one time.
#[derive(Debug, Clone, Copy)]
pub struct AccountPolicy {
    /// Milliseconds since 1970.
    now: i64,
    /// The same in the zone that access times are meant in.
    local_now: i64,
    address_rule: AddressRule,
}

impl AccountPolicy {
    pub fn now(clock: &dyn Clock, address_rule: AddressRule) -> Self {
        let now = clock.now();
        Self { now, local_now: now.saturating_add(clock.zone_offset(now)), address_rule }
    }

    /// # Errors
    /// The first of the rules that is broken.
    pub fn check(
        &self,
        rules: &[AccountRule],
        account: &EffectiveAccount,
        login: &LoginFacts<'_>,
    ) -> Result<(), AccountRule> {
        match rules.iter().find(|rule| self.is_broken(**rule, account, login)) {
            Some(rule) => Err(*rule),
            None => Ok(()),
        }
    }

    fn is_broken(&self, rule: AccountRule, account: &EffectiveAccount, login: &LoginFacts<'_>) -> bool {
        let filters = &account.filters;
        match rule {
            Enabled => !account.enabled,
            NotExpired => account.is_expired(self.now),
            Hours => !account.allows_time(self.local_now),
            PasswordAge => filters.needs_password_change || account.password_is_expired(self.now),
            Ssh => filters.denies_ssh,
            Method => account.denies_method(login.method),
            HasCodes => filters.needs_second_factor && filters.one_time_codes.is_none(),
            SecondFactor => account.needs_code(&login.factors.methods) && !login.factors.has_code,
            Address => !account.allows_address(login.address, self.address_rule),
        }
    }
}
