//! The wire format of each event in the older server.

mod check_password;
mod external_auth;
mod file_action;
mod notification;
mod object_change;
mod pre_login;
mod review;
mod session;

use serde_json::{Map, Value};
use tidegate_core::account::AccountDraft;
use tidegate_core::hook::HookError;

/// A JSON object with these fields.
pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The account document of an answer, applied to `base`; `None` if the answer is empty (A13-13).
fn account(answer: &[u8], base: AccountDraft) -> Result<Option<AccountDraft>, HookError> {
    // B15-07
    let text = String::from_utf8_lossy(answer);
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut draft = base;
    draft.merge_json(&text).map_err(|error| HookError::BadOutput(error.to_string()))?;
    Ok(Some(draft))
}
