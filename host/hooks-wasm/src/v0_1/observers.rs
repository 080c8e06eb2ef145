//! The observers of track 0.1.

use std::sync::Arc;

use tidegate_core::hook::HookError;
use tidegate_core::hook::observation::{
    AddressBanned, CredentialChanged, Disconnect, ObjectChange, OneClickLoginPost, PostAction, PostLogin,
    SessionDestroy, Startup,
};
use wasmtime::Store;

use super::bindings::tidegate::hooks::types::Failure;
use super::guest::{Answer, GuestEvent, borrowed, failure, is_exported_as, lend, take_back};
use super::state::CallState;

fn told(outcome: Result<(), Failure>) -> Result<(), HookError> {
    outcome.map_err(failure)
}

/// Declares an observer; the last part calls the guest.
macro_rules! observer {
    ($event:ident, $module:ident, $(is_of_session = $is_of_session:literal,)? |$this:ident, $guest:ident, $store:ident| $call:expr) => {
        impl GuestEvent for $event {
            is_exported_as!($module);
            $(const IS_OF_SESSION: bool = $is_of_session;)?

            async fn invoke(&self, $guest: Self::Function, $store: &mut Store<CallState>) -> Answer<()> {
                let $this = self;
                $call
            }
        }
    };
}

observer!(Startup, startup, |this, guest, store| Ok(told(guest.call_notify(&mut *store, this.version).await?)));

observer!(PostLogin, post_login, |this, guest, store| {
    let connection = lend(store, this.connection.clone())?;
    let attempt = this.attempt.clone().map(|attempt| lend(store, attempt)).transpose()?;
    let session = this.outcome.clone().map(|session| lend(store, session));
    let outcome = match &session {
        Ok(Ok(session)) => Ok(borrowed(session)),
        Ok(Err(error)) => return Err(wasmtime::Error::msg(error.to_string())),
        Err(reason) => Err(reason.as_str()),
    };
    let notified =
        guest.call_notify(&mut *store, borrowed(&connection), attempt.as_ref().map(borrowed), outcome).await?;
    take_back(store, connection)?;
    if let Some(attempt) = attempt {
        take_back(store, attempt)?;
    }
    if let Ok(Ok(session)) = session {
        take_back(store, session)?;
    }
    Ok(told(notified))
});

observer!(SessionDestroy, session_destroy, |this, guest, store| {
    let session = lend(store, this.session.clone())?;
    let duration = u64::try_from(this.duration.as_millis()).unwrap_or(u64::MAX);
    let notified = guest.call_notify(&mut *store, borrowed(&session), this.reason.as_str(), duration).await?;
    take_back(store, session)?;
    Ok(told(notified))
});

observer!(Disconnect, disconnect, |this, guest, store| {
    let connection = lend(store, this.connection.clone())?;
    let session = this.session.clone().map(|session| lend(store, session)).transpose()?;
    let duration = u64::try_from(this.duration.as_millis()).unwrap_or(u64::MAX);
    let notified =
        guest.call_notify(&mut *store, borrowed(&connection), session.as_ref().map(borrowed), duration).await?;
    take_back(store, connection)?;
    if let Some(session) = session {
        take_back(store, session)?;
    }
    Ok(told(notified))
});

observer!(PostAction, post_action, is_of_session = true, |this, guest, store| {
    let action = lend(store, this.0.clone())?;
    let notified = guest.call_notify(&mut *store, borrowed(&action)).await?;
    take_back(store, action)?;
    Ok(told(notified))
});

observer!(ObjectChange, object_changes, |this, guest, store| {
    let change = lend(store, Arc::new(this.clone()))?;
    let notified = guest.call_notify(&mut *store, borrowed(&change)).await?;
    take_back(store, change)?;
    Ok(told(notified))
});

observer!(CredentialChanged, credential_changed, |this, guest, store| {
    let change = lend(store, Arc::new(this.clone()))?;
    let notified = guest.call_notify(&mut *store, borrowed(&change)).await?;
    take_back(store, change)?;
    Ok(told(notified))
});

observer!(OneClickLoginPost, one_click_login_post, |this, guest, store| {
    Ok(told(guest.call_notify(&mut *store, &this.token, &this.username, &this.name).await?))
});

observer!(AddressBanned, address_banned, |this, guest, store| {
    let ban = lend(store, Arc::new(this.clone()))?;
    let notified = guest.call_notify(&mut *store, borrowed(&ban)).await?;
    take_back(store, ban)?;
    Ok(told(notified))
});
