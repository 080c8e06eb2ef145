//! What is in force for an account at the doors over HTTP: whether it may be used there, whether its password is
//! used, and which passwords its user may set.

use core::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::Value;

use super::{AdminError, DoorClient, HookInventory};
use crate::account::fields::SECOND_FACTOR_RULES;
use crate::account::{
    AccountError, AccountPolicy, AccountRule, Accounts, AddressRule, EffectiveAccount, Factors, LoginFacts, invalid,
};
use crate::connection::LoginMethod;
use crate::password::{PasswordError, PasswordHash, strength};
use crate::ports::{Clock, Passwords, StoreError};
use crate::secret::Secret;
use crate::turns::Waiter;

/// The rules of accounts that hold at these doors; the others are about SSH and its methods.
const RULES: [AccountRule; 4] =
    [AccountRule::Enabled, AccountRule::NotExpired, AccountRule::Hours, AccountRule::Address];
/// Hook points whose hooks decide about passwords. They are asked at SFTP logins; without them, the stored password
/// proves nothing.
const DECIDE_PASSWORDS: [&str; 3] = ["external-auth", "pre-login", "check-password"];

/// The policy of accounts at the doors over HTTP.
pub struct UserPolicy {
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// Says which hooks there are.
    pub inventory: Arc<dyn HookInventory>,
    /// Compares passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Decides about an address that an account both allows and denies.
    pub address_rule: AddressRule,
    /// Gives the times.
    pub clock: Arc<dyn Clock>,
}

impl UserPolicy {
    /// The account of that name as it is in force; None: there is none, or it is not valid.
    pub(super) async fn found(&self, username: &str) -> Result<Option<Arc<EffectiveAccount>>, StoreError> {
        let user = match self.accounts.find(username).await {
            Ok(Some(user)) => user,
            Ok(None) | Err(StoreError::Invalid { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        match self.accounts.in_force(user).await {
            Ok(account) => Ok(Some(Arc::new(account))),
            Err(StoreError::Invalid { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether that client may use the account now.
    pub(super) fn allows(&self, account: &EffectiveAccount, client: &DoorClient) -> bool {
        let factors = Factors { methods: vec![LoginMethod::Password], has_code: false };
        let address = client.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let facts = LoginFacts { address, method: LoginMethod::Password, factors: &factors };
        let policy = AccountPolicy::now(&*self.clock, self.address_rule);
        !denies_http(account) && policy.check(&RULES, account, &facts).is_ok()
    }

    /// Whether there are hooks of one of the points.
    pub(super) async fn has_hooks(&self, points: &[&str]) -> Result<bool, AdminError> {
        let links = self.inventory.links().await.map_err(AdminError::Inventory)?;
        Ok(links.iter().any(|link| points.contains(&link.hook)))
    }

    /// Whether hooks decide about passwords of any account.
    pub(super) async fn passwords_are_elsewhere(&self) -> Result<bool, AdminError> {
        self.has_hooks(&DECIDE_PASSWORDS).await
    }

    /// Whether hooks decide about the password of the account: it has switches that keep them from being asked.
    pub(super) async fn hooks_decide(&self, account: &EffectiveAccount) -> Result<bool, AdminError> {
        let filters = &account.filters;
        let switches = [filters.external_auth_disabled, filters.pre_login_disabled, filters.check_password_disabled];
        let asked = DECIDE_PASSWORDS.iter().zip(switches).filter(|(_, is_off)| !is_off);
        let asked: Vec<_> = asked.map(|(point, _)| *point).collect();
        self.has_hooks(&asked).await
    }

    /// Why the user of the account sets no new password with a code, in a sentence without its beginning; None: it may,
    /// where and when it may log in with it.
    pub(super) async fn why_no_reset(&self, account: &EffectiveAccount) -> Result<Option<&'static str>, AdminError> {
        Ok(if !self.accounts.are_managed() {
            Some("accounts are only read here (manage_users = 0); set the password where they are kept")
        } else if has_word(account, "password-reset-disabled") {
            Some("filters.web_client of the account has \"password-reset-disabled\"")
        } else if denies_http(account) {
            Some("filters.denied_protocols of the account has \"HTTP\"")
        } else if account.denies_method(LoginMethod::Password) {
            Some("filters.denied_login_methods of the account has \"password\"")
        } else if self.hooks_decide(account).await? {
            Some("a hook decides about the password of the account, and the stored one would not be used")
        } else {
            None
        })
    }

    /// Checks a password that the user of the account wants to have.
    ///
    /// # Errors
    /// It is empty, is easier to guess than the account or its group allows, or is the one that the account has.
    pub(super) async fn check_new_password(
        &self,
        account: &EffectiveAccount,
        new: &Secret,
        address: Option<IpAddr>,
    ) -> Result<(), AdminError> {
        let refused = |problem: String| AdminError::from(AccountError::Invalid(invalid("password", problem)));
        if new.is_empty() {
            return Err(refused("is empty; choose another".to_owned()));
        }
        let least = account.filters.document.get("password_strength").and_then(Value::as_i64).unwrap_or(0);
        let least = f64::from(i32::try_from(least).unwrap_or(i32::MAX));
        let bits = strength(new.expose(), &account.username);
        if bits < least {
            let problem = format!(
                "is too easy to guess: it is worth about {bits:.0} bits of {least:.0} that are needed; choose a longer one, or one \
                 with more kinds of characters"
            );
            return Err(refused(problem));
        }
        let waiter = Waiter { address, account: &account.username };
        let is_same = match &account.password {
            Some(hash) => self.passwords.matches(waiter, hash, new).await.map_err(AccountError::Password)?,
            None => false,
        };
        if is_same { Err(refused("is the one that the account has; choose another".to_owned())) } else { Ok(()) }
    }

    /// Whether this is the password of the account. It takes as long for an account without one, and for none; an empty
    /// password never is.
    pub(super) async fn is_password(
        &self,
        account: Option<&EffectiveAccount>,
        clear: &Secret,
        waiter: Waiter<'_>,
    ) -> Result<bool, PasswordError> {
        let hash = account.and_then(|account| account.password.clone());
        let can_match = hash.is_some() && !clear.is_empty();
        let matches = self.passwords.matches(waiter, &hash.unwrap_or_else(PasswordHash::decoy), clear).await?;
        Ok(matches && can_match)
    }
}

/// Whether the account may not be used over HTTP: it is one of its `denied_protocols`.
pub(super) fn denies_http(account: &EffectiveAccount) -> bool {
    has_text(account, "denied_protocols", "HTTP")
}

/// Whether `filters.web_client` of the account has the word.
pub(super) fn has_word(account: &EffectiveAccount, word: &str) -> bool {
    has_text(account, "web_client", word)
}

/// Whether the account demands a second factor over that protocol.
pub(super) fn demands_codes(account: &EffectiveAccount, protocol: &str) -> bool {
    SECOND_FACTOR_RULES.iter().any(|field| has_text(account, field, protocol))
}

/// Whether the account demands a second factor over any protocol.
pub(super) fn demands_any_codes(account: &EffectiveAccount) -> bool {
    let protocols = |field: &str| account.filters.document.get(field).and_then(Value::as_array);
    SECOND_FACTOR_RULES.iter().any(|field| protocols(field).is_some_and(|protocols| !protocols.is_empty()))
}

fn has_text(account: &EffectiveAccount, field: &str, text: &str) -> bool {
    let texts = account.filters.document.get(field).and_then(Value::as_array);
    texts.is_some_and(|texts| texts.iter().any(|known| known.as_str() == Some(text)))
}
