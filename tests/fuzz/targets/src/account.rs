//! Documents of accounts, as hooks, the command line and backups bring them.

use tidegate_core::account::{AccountDraft, Audience, CredentialRule};

/// A document that is accepted is accepted again as it was stored, and means the same.
pub fn account_document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(draft) = AccountDraft::from_json(text) else { return };
    let Ok(validated) = draft.validate(CredentialRule::Optional) else { return };
    let stored = validated.account.to_document(Audience::Trusted);
    let again = AccountDraft::from_json(&serde_json::to_string(&stored).unwrap()).unwrap();
    let again = again.validate(CredentialRule::Optional).unwrap_or_else(|error| panic!("{error}: {stored:?}"));
    assert_eq!(again.account.to_document(Audience::Trusted), stored);
}
