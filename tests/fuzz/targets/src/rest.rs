//! Bodies of requests to the REST interfaces.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tidegate_core::account::Accounts;
use tidegate_core::admin::{Actor, Audit, ExpectedUser, UserAdministration, UserEdit};
use tidegate_core::memory::MemoryStore;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::{Door, Passwords, SystemClock};
use tidegate_core::secret::Secret;
use tidegate_core::turns::Waiter;

/// The first byte says what the body is sent with: POST of either interface, or PUT of the first or the second. What a
/// client is shown of the account after it, it can send back, and nothing changes.
pub fn rest_user(bytes: &[u8]) {
    let Some((&first, body)) = bytes.split_first() else { return };
    let document: Map<String, Value> = match tidegate_api::read_body(body) {
        Ok(document) => document,
        Err(refusal) => return assert!(!refusal.0.error.is_empty(), "a body was refused without a reason"),
    };
    crate::run(async {
        let store = Arc::new(MemoryStore::default());
        let accounts = Arc::new(Accounts::new(store.clone(), Arc::new(PaperPasswords), None));
        let users = UserAdministration { accounts, audit: Audit::new(store, Arc::new(SystemClock)) };
        let root = Actor::local("root", Door::Rest);
        users.add(&root, alice(), None).await.unwrap();
        let outcome = match first % 3 {
            0 => users.add(&root, document, None).await,
            1 => {
                let replaced = if document.get("permissions").is_some_and(Value::is_object) {
                    vec!["permissions"]
                } else {
                    vec![]
                };
                users.edit(&root, "alice", &UserEdit::Merge { document, replaced }, ExpectedUser::Any).await
            }
            _ => users.edit(&root, "alice", &UserEdit::Replace(document), ExpectedUser::Any).await,
        };
        match outcome {
            Ok(shown) => {
                assert_eq!(shown.problem, None);
                let name = shown.document["username"].as_str().unwrap();
                let again =
                    users.edit(&root, name, &UserEdit::Replace(shown.document.clone()), ExpectedUser::Any).await;
                assert_eq!(again.unwrap_or_else(|error| panic!("{error}")).document, shown.document);
            }
            Err(error) => assert!(!error.to_string().is_empty(), "a document was refused without a reason"),
        }
    });
}

fn alice() -> Map<String, Value> {
    let alice = json!({
        "status": 1, "username": "alice", "password": "pw", "home_dir": "/srv/alice", "permissions": {"/": ["*"]},
        "filters": {"totp_config": {"enabled": true, "secret": "GEZDGNBVGY3TQOJQ", "protocols": ["SSH"]}},
    });
    alice.as_object().cloned().unwrap_or_default()
}

/// Makes hashes at once.
struct PaperPasswords;

#[async_trait]
impl Passwords for PaperPasswords {
    async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }

    async fn hash(&self, _: Waiter<'_>, _: &Secret) -> Result<PasswordHash, PasswordError> {
        PasswordHash::recognise("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/").ok_or(PasswordError::PoolClosed)
    }
}
