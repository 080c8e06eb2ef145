//! The gate that decides a login from its credentials (A11, B2).

use std::sync::Arc;

use super::{Denial, GateEvent, HookEvent, HookKind};
use crate::account::{Account, AccountDraft};
use crate::connection::{Connection, Credential, LoginMethod};
use crate::secret::Secret;

/// One try of one method by one client.
#[derive(Debug, Clone)]
pub struct ExternalAuth {
    pub connection: Arc<Connection>,
    /// As the client sent it; untrusted.
    pub username: String,
    pub credential: Credential,
    /// Steps that the client already passed in this login.
    pub completed_methods: Vec<LoginMethod>,
    pub stored: Option<Arc<Account>>,
}

#[derive(Debug, Clone)]
pub enum ExternalAuthVerdict {
    /// Not mine: ask the next one.
    Defer,
    /// The credentials are good. With a draft, the account is created or replaced by it.
    Accept(Option<Box<AccountDraft>>),
    /// The server compares this password (or what the client sent) with the stored account.
    VerifyStored(Option<Secret>),
    Reject(Denial),
}

impl HookEvent for ExternalAuth {
    type Verdict = ExternalAuthVerdict;
    const KIND: HookKind = HookKind::ExternalAuth;
}

impl GateEvent for ExternalAuth {
    fn is_final(verdict: &ExternalAuthVerdict) -> bool {
        !matches!(verdict, ExternalAuthVerdict::Defer)
    }

    fn undecided() -> ExternalAuthVerdict {
        ExternalAuthVerdict::Defer
    }
}

/// Which methods the hook is asked about (A3-42): a bit mask, 0 for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope(u8);

impl Scope {
    const PASSWORD: u8 = 1;
    const PUBLIC_KEY: u8 = 2;
    const KEYBOARD_INTERACTIVE: u8 = 4;

    pub fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub fn covers(self, credential: &Credential) -> bool {
        let bit = match credential {
            Credential::Password(_) => Self::PASSWORD,
            Credential::PublicKey(_) => Self::PUBLIC_KEY,
            Credential::KeyboardInteractive => Self::KEYBOARD_INTERACTIVE,
        };
        self.0 == 0 || self.0 & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_is_a_mask_with_zero_for_all() {
        let password = Credential::Password(Secret::new("x"));
        let check = |bits, expected| assert_eq!(Scope::from_bits(bits).covers(&password), expected, "{bits}");
        check(0, true);
        check(1, true);
        check(2, false);
        check(4, false);
        check(5, true);
        check(6, false);
        assert!(Scope::from_bits(4).covers(&Credential::KeyboardInteractive));
    }
}
