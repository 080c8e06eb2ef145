//! What users prove again before they change what opens their account: a session alone, which may be in other hands, adds
//! no key and changes no second factor.

use super::{AdminError, AuthenticationError, OwnAccount, Person, UseCase};
use crate::account::AccountError;
use crate::guard::Offence;
use crate::secret::Secret;
use crate::turns::Waiter;

/// What a user gives to confirm a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The current password; empty: none.
    pub password: Secret,
    /// A one-time code or a recovery code, which is used up; empty: none.
    pub code: Secret,
}

/// What a user has to give to confirm a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededConfirmation {
    /// The current password.
    pub password: bool,
    /// A one-time code or a recovery code.
    pub code: bool,
}

impl NeededConfirmation {
    /// Why the user cannot confirm anything, in a sentence without its beginning; None: it can.
    pub fn why_not(self) -> Option<&'static str> {
        let can = self.password || self.code;
        (!can).then_some(
            "it is confirmed with the password of the account or with a one-time code, and the account has neither that could be \
             looked at here; its administrator can change it",
        )
    }
}

impl OwnAccount {
    /// What the user has to give to confirm a change: the password where the account has one and no hook decides about
    /// it, and a code where it has codes.
    ///
    /// # Errors
    /// The hooks cannot be listed.
    pub async fn needed_confirmation(&self, person: &Person) -> Result<NeededConfirmation, AdminError> {
        let account = &person.account;
        let password = account.password.is_some() && !self.policy.hooks_decide(account).await?;
        Ok(NeededConfirmation { password, code: self.has_codes(person) })
    }

    /// Checks what the user gives to confirm a change, under the brakes of log-ins: wrong ones score, and after a few of
    /// them none is looked at for a while, right or wrong.
    pub(super) async fn confirm(&self, person: &Person, given: &Confirmation) -> Result<(), AdminError> {
        let needed = self.needed_confirmation(person).await?;
        if let Some(reason) = needed.why_not() {
            return Err(self.refused(person, reason).await);
        }
        let code = given.code.expose();
        if needed.code && code.trim().is_empty() {
            return Err(self.refused(person, "a one-time code, or a recovery code, is needed as well").await);
        }
        let (account, now) = (&person.account, self.clock.now());
        self.take_try(person).await?;
        if let Some(seconds) = self.codes.pause(account, Some(code)) {
            return Err(AdminError::NotForActor(AuthenticationError::Paused(seconds).to_string()));
        }
        if needed.password && !self.is_current(person, &given.password).await? {
            return Err(self.wrong(person, needed).await);
        }
        match self.codes.check(account, Some(code)).await {
            Ok(()) => {}
            Err(AuthenticationError::Store(error)) => return Err(error.into()),
            Err(_) => return Err(self.wrong(person, needed).await),
        }
        self.tries.give_back(account.id, now);
        Ok(())
    }

    /// Counts a try of the current password, before it is looked at.
    pub(super) async fn take_try(&self, person: &Person) -> Result<(), AdminError> {
        if self.tries.take(person.account.id, self.clock.now()) {
            return Ok(());
        }
        let text = "the current password was tried too often; try again in a quarter of an hour";
        Err(self.refused(person, text).await)
    }

    pub(super) async fn is_current(&self, person: &Person, password: &Secret) -> Result<bool, AdminError> {
        let (account, address) = (&person.account, person.actor.author.address);
        let waiter = Waiter { address, account: &account.username };
        Ok(self.policy.is_password(Some(account), password, waiter).await.map_err(AccountError::Password)?)
    }

    /// The refusal of what is wrong, which scores.
    pub(super) async fn wrong(&self, person: &Person, needed: NeededConfirmation) -> AdminError {
        if let Some(address) = person.actor.author.address {
            self.before.defender.score_http(address, Offence::LoginFailed);
        }
        let text = match (needed.password, needed.code) {
            (true, true) => "the current password is another, or the code is wrong or was used before",
            (true, false) => "the current password is another",
            (false, _) => "the code is wrong, or was used before",
        };
        self.refused(person, text).await
    }

    pub(super) async fn refused(&self, person: &Person, text: &str) -> AdminError {
        let (actor, name) = (&person.actor, &person.account.username);
        self.audit.refuse(actor, UseCase::UpdateUser, name, AdminError::NotForActor(text.to_owned())).await
    }
}
