//! How often a login reads the account.

use std::sync::atomic::Ordering;

use super::hook_tests::converse;
use super::tests::{KEY, draft, key, name, world};
use super::*;
use crate::hook::external_auth::ExternalAuthVerdict;

#[tokio::test]
async fn a_login_reads_the_account_once() {
    let stored = format!(r#","password":"$1$pw","public_keys":["{KEY}"]"#);
    let made = |more: &str| Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft(more))))));
    let check = async |method: &str, answer, is_stored: bool| {
        let world = world(answer);
        if is_stored {
            world.stored(&stored).await;
        }
        let mut login = world.login();
        let outcome = match method {
            "key" => {
                assert_eq!(login.public_key_offered("alice", &key()).await, Offer::Acceptable);
                name(login.public_key_verified("alice", &key()).await)
            }
            "answers" => converse(&mut login, &["pw"]).await.1,
            _ => name(login.password("alice", Secret::new("pw")).await),
        };
        assert_eq!(outcome, "accepted", "{method} {is_stored}");
        assert_eq!(world.outage.finds.load(Ordering::Relaxed), 1, "{method} {is_stored}");
        assert!(world.store.user("alice").await.is_some(), "{method} {is_stored}");
    };
    for method in ["password", "key", "answers"] {
        check(method, None, true).await;
    }
    // What a hook makes of the account is what is stored, a change of it, or a new account.
    check("password", made(&stored), true).await;
    check("password", made(r#","max_sessions":5"#), true).await;
    check("password", made(""), false).await;
}
