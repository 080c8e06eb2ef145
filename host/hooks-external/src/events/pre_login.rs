//! The event `pre-login`: what should the account be (A13)?

use serde_json::{Map, Value};
use tidegate_core::account::{AccountDraft, Audience, compact_json, unknown_account};
use tidegate_core::hook::HookError;
use tidegate_core::hook::pre_login::{PreLogin, PreLoginVerdict};

use crate::event::{LegacyEvent, PROTOCOL, ProgramInput, ProgramOutput, Request, Response};
use crate::flavour::Flavour;

/// The account as it is stored, since the answer is stored, with the hash of the password. `id` 0
/// means that there is no such account.
fn document(event: &PreLogin, audience: Audience) -> Map<String, Value> {
    match &event.account {
        Some(account) => account.user().to_hook_document(audience),
        None => unknown_account(&event.attempt.username),
    }
}

fn ip(event: &PreLogin) -> String {
    event.attempt.connection.remote.ip().to_string()
}

fn method(event: &PreLogin) -> String {
    event.attempt.credential.method().as_str().to_owned()
}

/// Only the fields in the answer change (A13-05).
fn verdict(event: &PreLogin, answer: &[u8]) -> Result<PreLoginVerdict, HookError> {
    let base = event.account.as_ref().map(|account| AccountDraft::of(account.user())).unwrap_or_default();
    Ok(match super::account(answer, base)? {
        None => PreLoginVerdict::Unchanged,
        Some(draft) => PreLoginVerdict::Replace(Box::new(draft)),
    })
}

impl LegacyEvent for PreLogin {
    /// A13-02
    fn input(&self, flavour: Flavour) -> ProgramInput {
        ProgramInput::default()
            .with_secret("SFTPGO_LOGIND_USER", compact_json(&document(self, flavour.audience())))
            .with("SFTPGO_LOGIND_METHOD", method(self))
            .with("SFTPGO_LOGIND_IP", ip(self))
            .with("SFTPGO_LOGIND_PROTOCOL", PROTOCOL)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<PreLoginVerdict, HookError> {
        verdict(self, output.answer()?)
    }

    /// A13-04
    fn request(&self, flavour: Flavour) -> Request {
        let query = vec![("login_method", method(self)), ("ip", ip(self)), ("protocol", PROTOCOL.to_owned())];
        Request::post(query, &document(self, flavour.audience()))
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<PreLoginVerdict, HookError> {
        match response.status {
            204 => Ok(PreLoginVerdict::Unchanged),
            // An empty body means the same as 204 (B3-06).
            _ => verdict(self, response.answer()?),
        }
    }
}
