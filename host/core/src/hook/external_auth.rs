//! The gate that decides a login from its credentials (A11, B2).

use std::sync::Arc;

use super::{Denial, GateEvent, HookEvent, HookKind, LoginAttempt, Subject};
use crate::account::AccountDraft;
use crate::connection::{Credential, LoginMethod};
use crate::secret::Secret;

/// An attempt whose credential external authentication may decide about.
#[derive(Debug, Clone)]
pub struct ExternalAuth(pub Arc<LoginAttempt>);

/// What a hook of external authentication says of an attempt.
#[derive(Debug, Clone)]
pub enum ExternalAuthVerdict {
    /// The next hook is asked.
    Defer,
    /// The credentials are right. With a draft, the account is added or replaced by it.
    Accept(Option<Box<AccountDraft>>),
    /// The server compares this password, or else that of the client, with the stored account's hash.
    VerifyStored(Option<Secret>),
    /// The credentials are wrong.
    Reject(Denial),
}

impl HookEvent for ExternalAuth {
    type Verdict = ExternalAuthVerdict;
    const KIND: HookKind = HookKind::ExternalAuth;

    fn subject(&self) -> Subject<'_> {
        self.0.subject()
    }

    fn label(verdict: &ExternalAuthVerdict) -> (&'static str, &str) {
        match verdict {
            ExternalAuthVerdict::Defer => ("defer", ""),
            ExternalAuthVerdict::Accept(_) => ("accept", ""),
            ExternalAuthVerdict::VerifyStored(_) => ("verify-stored", ""),
            ExternalAuthVerdict::Reject(denial) => ("reject", &denial.reason),
        }
    }

    fn client_message(verdict: &ExternalAuthVerdict) -> Option<&str> {
        match verdict {
            ExternalAuthVerdict::Reject(denial) => denial.client_message.as_deref(),
            ExternalAuthVerdict::Defer | ExternalAuthVerdict::Accept(_) | ExternalAuthVerdict::VerifyStored(_) => None,
        }
    }

    fn account(verdict: &mut ExternalAuthVerdict) -> Option<&mut AccountDraft> {
        match verdict {
            ExternalAuthVerdict::Accept(draft) => draft.as_deref_mut(),
            ExternalAuthVerdict::Defer | ExternalAuthVerdict::VerifyStored(_) | ExternalAuthVerdict::Reject(_) => None,
        }
    }
}

impl GateEvent for ExternalAuth {
    fn is_final(verdict: &ExternalAuthVerdict) -> bool {
        !matches!(verdict, ExternalAuthVerdict::Defer)
    }

    fn undecided() -> ExternalAuthVerdict {
        ExternalAuthVerdict::Defer
    }

    fn allowed() -> ExternalAuthVerdict {
        ExternalAuthVerdict::Accept(None)
    }
}

/// The methods that external authentication is asked about (`external_auth_scope`, A3-42): a bit mask, 0 for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope(u8);

impl Scope {
    const PASSWORD: u8 = 1;
    const PUBLIC_KEY: u8 = 2;
    const KEYBOARD_INTERACTIVE: u8 = 4;

    /// 1: password, 2: public key, 4: keyboard-interactive; 0: all.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether hooks are asked about the method; of a combined method, its second step counts.
    pub fn covers_method(self, method: LoginMethod) -> bool {
        let bit = match method {
            LoginMethod::Password | LoginMethod::PublicKeyThenPassword => Self::PASSWORD,
            LoginMethod::PublicKey => Self::PUBLIC_KEY,
            LoginMethod::KeyboardInteractive | LoginMethod::PublicKeyThenKeyboardInteractive => {
                Self::KEYBOARD_INTERACTIVE
            }
        };
        self.0 == 0 || self.0 & bit != 0
    }

    /// Whether hooks are asked about the credential.
    pub fn covers(self, credential: &Credential) -> bool {
        self.covers_method(credential.method())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_is_a_mask_with_zero_for_all() {
        // A3-42, B2-03: 8 is for a method that SSH does not have.
        let password = Credential::Password(Secret::new("x"));
        let check = |bits, expected| assert_eq!(Scope::from_bits(bits).covers(&password), expected, "{bits}");
        check(0, true);
        check(1, true);
        check(2, false);
        check(4, false);
        check(5, true);
        check(6, false);
        check(8, false);
        let methods = [LoginMethod::Password, LoginMethod::PublicKey, LoginMethod::KeyboardInteractive];
        let covered = |bits| methods.map(|method| Scope::from_bits(bits).covers_method(method));
        assert_eq!(covered(0), [true; 3]);
        assert_eq!(covered(2), [false, true, false]);
        assert_eq!(covered(4), [false, false, true]);
        assert_eq!(covered(15), [true; 3]);
        assert!(Scope::from_bits(4).covers(&Credential::KeyboardInteractive));
    }
}
