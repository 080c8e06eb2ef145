//! What the session of a user relies on: the password and the second factor of the account, and that it was not disabled
//! meanwhile. A session whose token has another one has ended for good.

use serde_json::{Map, Value, json};

use super::credential_text::{digest_of, is_same};
use super::tokens::text_of;
use super::user_codes::codes_of;
use crate::ports::StoredDocument;

/// The member of a token's document with the digest of the credentials that the token depends on.
const CREDENTIAL: &str = "credential";
/// The same digest as it will be once a change is stored that the token's own session makes.
const NEXT: &str = "next_credential";

/// A digest by which it is known that the account has another password or another second factor, or was disabled.
pub(super) fn user_credential(account: &Map<String, Value>) -> String {
    let password = account.get("password").and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("tidegate user session {password}");
    let filters = account.get("filters").and_then(Value::as_object);
    if let Some(codes) = filters.and_then(codes_of) {
        text.push_str(&format!("\0codes {}", codes.get("secret").map(text_of_secret).unwrap_or_default()));
    }
    if let Some(at) = account.get("disabled_at").and_then(Value::as_i64).filter(|at| *at > 0) {
        text.push_str(&format!("\0disabled {at}"));
    }
    digest_of(&text)
}

/// Stores may give an object back with its members in another order.
fn text_of_secret(secret: &Value) -> String {
    let member = |name: &str| secret.get(name).and_then(Value::as_str).unwrap_or_default();
    match secret {
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {
            format!("{} {}", member("status"), member("payload"))
        }
    }
}

/// Whether the token relies on what the stored account has.
pub(super) fn has_credential_of(token: &StoredDocument, account: &StoredDocument) -> bool {
    let current = user_credential(&account.document);
    [CREDENTIAL, NEXT].iter().any(|field| is_same(&current, &text_of(token, field)))
}

/// Lets a token outlast a change that its own session makes: from the account `before` to the account `after`, which
/// need not come to pass.
pub(super) fn outlast(token: &mut Map<String, Value>, before: &Map<String, Value>, after: &Map<String, Value>) {
    token.insert(CREDENTIAL.to_owned(), json!(user_credential(before)));
    token.insert(NEXT.to_owned(), json!(user_credential(after)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn sessions_rely_on_password_codes_and_enabling() {
        let codes = |secret: &str, enabled: bool| json!({"totp_config": {"enabled": enabled, "secret": {"status": "Plain", "payload": secret}}});
        let of = |document: Value| user_credential(&map(document));
        let base = of(json!({"password": "a"}));
        let same = json!({"password": "a", "quota_size": 5, "disabled_at": 0, "filters": codes("x", false)});
        assert_eq!(of(same), base);
        let all = [
            json!({"password": "b"}),
            json!({"password": "a", "filters": codes("x", true)}),
            json!({"password": "a", "filters": codes("y", true)}),
            json!({"password": "a", "disabled_at": 1}),
            json!({"password": "a", "disabled_at": 2}),
            json!({}),
        ];
        let mut all: Vec<_> = all.into_iter().map(of).chain([base]).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 7);
    }
}
