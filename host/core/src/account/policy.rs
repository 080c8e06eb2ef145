//! The rules of an account on logins: whether, how, when and from where. The same rules hold for open
//! sessions, so that a session ends when its login would be refused by now.

use core::net::IpAddr;

use self::AccountRule::{Address, Enabled, HasCodes, Hours, Method, NotExpired, PasswordAge, SecondFactor, Ssh};
use super::{AddressRule, EffectiveAccount};
use crate::connection::LoginMethod;
use crate::ports::Clock;

/// What a client has proved in a login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Factors {
    /// The methods of the steps, in their order.
    pub methods: Vec<LoginMethod>,
    /// Whether a one-time code was given in one of the steps.
    pub has_code: bool,
}

/// A rule of an account, named by the fields of the document that it comes from.
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
    /// `filters.two_factor_protocols`, of an account without `filters.totp_config`
    HasCodes,
    /// `filters.totp_config`, and `filters.two_factor_protocols`
    SecondFactor,
    /// `filters.allowed_ip` and `filters.denied_ip` (A4-09)
    Address,
}

impl AccountRule {
    /// All rules.
    pub const ALL: [Self; 9] = [Enabled, NotExpired, Hours, PasswordAge, Ssh, Method, HasCodes, SecondFactor, Address];
    /// The rules that are checked before the credential is compared (B1, step 11).
    pub const BEFORE_CREDENTIAL: [Self; 4] = [Enabled, NotExpired, Hours, PasswordAge];
    /// The rules that are checked once a credential is proved, even if another step has to follow (B1, steps 18
    /// and 20 to 22).
    pub const AFTER_CREDENTIAL: [Self; 4] = [Ssh, Method, HasCodes, Address];
    /// The rules that are checked once all steps of the login are proved.
    pub const AT_ADMISSION: [Self; 5] = [Ssh, Method, HasCodes, SecondFactor, Address];
    /// The rules that can break by the passing of time alone.
    pub const IN_TIME: [Self; 3] = [NotExpired, Hours, PasswordAge];

    /// Why a login is refused, for the log.
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

    /// Why a session ends, for a log line that begins with "a session of ACCOUNT is closed:".
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

/// The facts of a login that the rules are checked against.
#[derive(Debug, Clone, Copy)]
pub struct LoginFacts<'a> {
    /// The address of the client.
    pub address: IpAddr,
    /// The method of the login: of several steps, the combined one.
    pub method: LoginMethod,
    /// What the client has proved.
    pub factors: &'a Factors,
}

/// The rules of accounts at one moment.
#[derive(Debug, Clone, Copy)]
pub struct AccountPolicy {
    /// Milliseconds since 1970.
    now: i64,
    /// The same moment as milliseconds since 1970 in the zone that access times are meant in.
    local_now: i64,
    address_rule: AddressRule,
}

impl AccountPolicy {
    /// The rules now. `address_rule` decides about an address that is in both lists (J-02).
    pub fn now(clock: &dyn Clock, address_rule: AddressRule) -> Self {
        let now = clock.now();
        Self { now, local_now: now.saturating_add(clock.zone_offset(now)), address_rule }
    }

    /// Checks the account against `rules`, in their order.
    ///
    /// # Errors
    /// The first rule that is broken.
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
