//! One-time codes and recovery codes, which a hook without the grant neither reads, replaces nor
//! removes (A11-21, B3-01).

use serde_json::{Map, Value};

use super::fields;

pub(super) fn remove(document: &mut Map<String, Value>) {
    if let Some(Value::Object(filters)) = document.get_mut("filters") {
        fields::second_factors().for_each(|field| drop(filters.remove(field)));
    }
}

/// Copies the second factors of `from` into `to`.
pub(super) fn copy(from: &Map<String, Value>, to: &mut Map<String, Value>) {
    let Some(Value::Object(theirs)) = from.get("filters") else { return };
    let filters = to.entry("filters").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(filters) = filters else { return };
    for field in fields::second_factors() {
        if let Some(value) = theirs.get(field) {
            filters.insert(field.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{AccountDraft, AccountRights, Audience, CredentialRule, User, compact_json};

    const CODES: &str =
        r#""totp_config":{"enabled":true,"protocols":["SSH"],"secret":{"status":"Plain","payload":"HUSH"}}"#;
    const OTHER: &str =
        r#""totp_config":{"enabled":true,"protocols":["SSH"],"secret":{"status":"Plain","payload":"MINE"}}"#;
    const RECOVERY: &str = r#""recovery_codes":[{"secret":{"status":"Plain","payload":"HUSH"},"used":false}]"#;

    fn draft(filters: &str) -> AccountDraft {
        let json = format!(
            r#"{{"status":1,"username":"u","home_dir":"/srv/u","permissions":{{"/":["*"]}},"filters":{{{filters}}}}}"#
        );
        AccountDraft::from_json(&json).unwrap()
    }

    fn account(filters: &str) -> User {
        draft(filters).validate(CredentialRule::Optional).unwrap().account
    }

    #[test]
    fn only_with_the_grant_an_answer_changes_them() {
        // A11-21
        for (rights, is_kept) in [
            (AccountRights::unbound(), true),
            (AccountRights::bound(), true),
            (AccountRights { second_factors: true, ..AccountRights::bound() }, false),
        ] {
            for answer in ["", OTHER, RECOVERY] {
                let mut draft = draft(answer);
                draft.bind(&Arc::new(rights.clone()));
                draft.keep_second_factor_of(Some(&account(CODES)));
                let made = draft.validate(CredentialRule::Optional).unwrap().account;
                let expected = account(if is_kept { CODES } else { answer });
                assert_eq!(made.filters.document, expected.filters.document, "{answer}");
            }
        }
    }

    #[test]
    fn hooks_without_the_grant_do_not_see_them() {
        // A11-21
        let account = account(&format!("{CODES},{RECOVERY}"));
        let hidden = |text: &str| !text.contains("HUSH");
        for rights in [AccountRights::unbound(), AccountRights::bound()] {
            let draft = AccountDraft::for_hook(&account, &rights);
            assert!(hidden(&draft.to_json(true)) && hidden(&draft.to_json(false)));
        }
        assert!(hidden(&AccountDraft::of(&account).to_json(false)));
        assert!(hidden(&compact_json(&account.to_document(Audience::LoginHook))));
        assert!(hidden(&compact_json(&account.to_document(Audience::Redacted))));
        let rights = AccountRights { second_factors: true, ..AccountRights::bound() };
        assert!(!hidden(&AccountDraft::for_hook(&account, &rights).to_json(true)));
    }

    #[test]
    fn a_list_of_plain_recovery_codes_is_a_secret_as_well() {
        let account = account(r#""recovery_codes":["HUSH"]"#);
        assert!(!compact_json(&account.to_document(Audience::Redacted)).contains("HUSH"));
    }
}
