//! The gates of track 0.1.

use std::sync::Arc;

use tidegate_core::account::AccountDraft;
use tidegate_core::connection::Credential;
use tidegate_core::hook::check_password::{CheckPassword, CheckPasswordVerdict};
use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::keyboard_interactive::{KeyboardInteractive, KeyboardInteractiveVerdict};
use tidegate_core::hook::pre_login::{PreLogin, PreLoginVerdict};
use tidegate_core::hook::review::{Connect, LoginPre, PasswordResetPre, PreAction, Review, SessionCreate};
use tidegate_core::hook::{HookError, LoginAttempt};
use tidegate_core::secret::Secret;
use wasmtime::Store;
use wasmtime::component::Resource;

use super::bindings::exports::tidegate::hooks as exports;
use super::guest::{Answer, GuestEvent, borrowed, denial, failure, is_exported_as, lend, take_back};
use super::state::{CallState, DraftHandle};

/// Declares a gate whose verdict is a [`Review`].
macro_rules! review {
    ($event:ident, $module:ident, $verdict:ident$(, $is_of_session:literal)?) => {
        impl GuestEvent for $event {
            is_exported_as!($module);
            $(const IS_OF_SESSION: bool = $is_of_session;)?

            async fn invoke(&self, guest: Self::Function, store: &mut Store<CallState>) -> Answer<Review> {
                let subject = lend(store, self.0.clone())?;
                let verdict = guest.call_review(&mut *store, borrowed(&subject)).await?;
                take_back(store, subject)?;
                Ok(match verdict {
                    Ok(exports::$module::$verdict::Allow) => Ok(Review::Allow),
                    Ok(exports::$module::$verdict::Deny(reason)) => Ok(Review::Deny(denial(reason))),
                    Err(error) => Err(failure(error)),
                })
            }
        }
    };
}

review!(Connect, connect, ConnectVerdict);
review!(LoginPre, login_pre, LoginPreVerdict);
review!(SessionCreate, session_create, SessionVerdict);
review!(PreAction, pre_action, ActionVerdict, true);
review!(PasswordResetPre, password_reset_pre, ResetVerdict);

/// A draft that the guest returned.
fn draft(store: &mut Store<CallState>, handle: Resource<DraftHandle>) -> Result<Box<AccountDraft>, HookError> {
    let draft = store.data_mut().take_draft(handle);
    draft.map(Box::new).map_err(|error| HookError::BadOutput(error.to_string()))
}

impl GuestEvent for ExternalAuth {
    is_exported_as!(external_auth);

    async fn invoke(&self, guest: Self::Function, store: &mut Store<CallState>) -> Answer<ExternalAuthVerdict> {
        use exports::external_auth::AuthVerdict;
        let attempt = lend(store, self.0.clone())?;
        let verdict = guest.call_authenticate(&mut *store, borrowed(&attempt)).await?;
        take_back(store, attempt)?;
        Ok(match verdict {
            Ok(AuthVerdict::Defer) => Ok(ExternalAuthVerdict::Defer),
            Ok(AuthVerdict::Accept(None)) => Ok(ExternalAuthVerdict::Accept(None)),
            Ok(AuthVerdict::Accept(Some(handle))) => {
                draft(store, handle).map(|draft| ExternalAuthVerdict::Accept(Some(draft)))
            }
            Ok(AuthVerdict::VerifyStored(password)) => Ok(ExternalAuthVerdict::VerifyStored(password.map(Secret::new))),
            Ok(AuthVerdict::Reject(reason)) => Ok(ExternalAuthVerdict::Reject(denial(reason))),
            Err(error) => Err(failure(error)),
        })
    }
}

impl GuestEvent for PreLogin {
    is_exported_as!(pre_login);

    async fn invoke(&self, guest: Self::Function, store: &mut Store<CallState>) -> Answer<PreLoginVerdict> {
        use exports::pre_login::PreLoginVerdict as Verdict;
        let attempt = lend(store, self.attempt.clone())?;
        let account = self.account.clone().map(|account| lend(store, account)).transpose()?;
        let verdict = guest.call_prepare(&mut *store, borrowed(&attempt), account.as_ref().map(borrowed)).await?;
        take_back(store, attempt)?;
        if let Some(account) = account {
            take_back(store, account)?;
        }
        Ok(match verdict {
            Ok(Verdict::Unchanged) => Ok(PreLoginVerdict::Unchanged),
            Ok(Verdict::Replace(handle)) => draft(store, handle).map(PreLoginVerdict::Replace),
            Ok(Verdict::Deny(reason)) => Ok(PreLoginVerdict::Deny(denial(reason))),
            Err(error) => Err(failure(error)),
        })
    }
}

impl GuestEvent for CheckPassword {
    is_exported_as!(check_password);

    async fn invoke(&self, guest: Self::Function, store: &mut Store<CallState>) -> Answer<CheckPasswordVerdict> {
        use exports::check_password::PasswordVerdict;
        // The password may be the answer to a prompt, which is not in the attempt itself.
        let credential = Credential::Password(self.password.clone());
        let attempt = lend(store, Arc::new(LoginAttempt { credential, ..(*self.attempt).clone() }))?;
        let verdict = guest.call_check(&mut *store, borrowed(&attempt)).await?;
        take_back(store, attempt)?;
        Ok(match verdict {
            Ok(PasswordVerdict::Defer) => Ok(CheckPasswordVerdict::Defer),
            Ok(PasswordVerdict::Accept) => Ok(CheckPasswordVerdict::Accept),
            Ok(PasswordVerdict::Verify(password)) => Ok(CheckPasswordVerdict::Verify(Secret::new(password))),
            Ok(PasswordVerdict::Deny(reason)) => Ok(CheckPasswordVerdict::Deny(denial(reason))),
            Err(error) => Err(failure(error)),
        })
    }
}

impl GuestEvent for KeyboardInteractive {
    is_exported_as!(keyboard_interactive);

    async fn invoke(&self, guest: Self::Function, store: &mut Store<CallState>) -> Answer<KeyboardInteractiveVerdict> {
        use exports::keyboard_interactive::InteractiveVerdict;
        // The hook sees the account as the hooks before it left it.
        let stored = self.account.clone().or_else(|| self.attempt.stored.clone());
        let attempt = lend(store, Arc::new(LoginAttempt { stored, ..(*self.attempt).clone() }))?;
        let conversation = lend(store, self.conversation.clone())?;
        let verdict = guest.call_converse(&mut *store, borrowed(&attempt), borrowed(&conversation)).await?;
        take_back(store, attempt)?;
        take_back(store, conversation)?;
        Ok(match verdict {
            Ok(InteractiveVerdict::Defer) => Ok(KeyboardInteractiveVerdict::Defer),
            Ok(InteractiveVerdict::Accept(None)) => Ok(KeyboardInteractiveVerdict::Accept(None)),
            Ok(InteractiveVerdict::Accept(Some(handle))) => {
                draft(store, handle).map(|draft| KeyboardInteractiveVerdict::Accept(Some(draft)))
            }
            Ok(InteractiveVerdict::Reject(reason)) => Ok(KeyboardInteractiveVerdict::Reject(denial(reason))),
            Err(error) => Err(failure(error)),
        })
    }
}
