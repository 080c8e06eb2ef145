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
use tidegate_core::account::{AccountDraft, check_known};
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
    // B15-02: it is ignored, but not in silence.
    if let Ok(Value::Object(answer)) = tidegate_core::json::parse(&text)
        && let Err(problem) = check_known(&answer)
    {
        let message = format!(
            "the answer of a hook for \"{}\" has a setting without effect: {problem}",
            draft.username().escape_debug()
        );
        tracing::warn!(sender = "hook", message);
    }
    Ok(Some(draft))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_what_is_not_known_is_taken() {
        // B15-02
        let answer = r#"{"username":"u","later":1,"filters":{"later":["x"],"Denied_IP":["192.0.2.0/24"]}}"#;
        let draft = account(answer.as_bytes(), AccountDraft::default()).unwrap().unwrap();
        let expected = serde_json::json!({"username": "u", "filters": {"denied_ip": ["192.0.2.0/24"]}});
        assert_eq!(Value::Object(draft.document().clone()), expected);
    }
}
