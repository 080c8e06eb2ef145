//! What the verdicts of external authentication vouch for.

use std::sync::atomic::Ordering;

use super::hook_tests::{converse, says};
use super::tests::{KEY, draft, key, name, world, world_with};
use super::*;
use crate::hook::Denial;
use crate::hook::check_password::{CheckPassword, CheckPasswordVerdict};
use crate::hook::external_auth::{ExternalAuthVerdict, Scope};

#[tokio::test]
async fn only_a_named_account_vouches_for_a_key() {
    // B2-04: verdict x stored key x method
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHE+kC5XFCbR0go1J4PXNqJpFH0cWSlhbUnOep0ZIJC";
    let (own, foreign) = (format!(r#","public_keys":["{KEY}"]"#), format!(r#","public_keys":["{other}"]"#));
    let given = ExternalAuthVerdict::Accept(Some(Box::new(draft(""))));
    for (verdict, more, expected) in [
        (ExternalAuthVerdict::Accept(None), own.as_str(), "accepted"),
        (ExternalAuthVerdict::Accept(None), foreign.as_str(), "refused"),
        (ExternalAuthVerdict::Accept(None), "", "refused"),
        (ExternalAuthVerdict::VerifyStored(None), own.as_str(), "accepted"),
        (ExternalAuthVerdict::VerifyStored(None), foreign.as_str(), "refused"),
        (ExternalAuthVerdict::VerifyStored(Some(Secret::new("pw"))), foreign.as_str(), "refused"),
        (ExternalAuthVerdict::Defer, foreign.as_str(), "refused"),
        (given, foreign.as_str(), "accepted"),
    ] {
        let world = world(Some(Ok(verdict.clone())));
        world.stored(&format!(r#","password":"$1$pw"{more}"#)).await;
        let mut login = world.login();
        let offer = login.public_key_offered("alice", &key()).await;
        assert_eq!(offer == Offer::Acceptable, expected == "accepted", "{verdict:?} {more}");
        assert_eq!(name(login.public_key_verified("alice", &key()).await), expected, "{verdict:?} {more}");
        // A user without an account is admitted only by an account in the answer.
        assert_eq!(
            name(world.login().public_key_verified("bob", &key()).await),
            match verdict {
                ExternalAuthVerdict::Accept(Some(_)) => "accepted",
                _ => "refused",
            }
        );
    }
}

#[tokio::test]
async fn an_acceptance_without_an_account_vouches_for_passwords() {
    // B2-04: verdict x scope x method; the scope 4 is for keyboard-interactive alone.
    use ExternalAuthVerdict::{Accept, VerifyStored};
    for (verdict, scope, wrong) in [
        (Accept(None), 0, "accepted"),
        (Accept(None), 1, "accepted"),
        // The hook has not seen the password.
        (Accept(None), 4, "refused"),
        (VerifyStored(None), 0, "refused"),
    ] {
        let world = world_with(Some(Ok(verdict.clone())), Scope::from_bits(scope));
        world.stored(r#","password":"$1$pw""#).await;
        for (password, expected) in [("pw", "accepted"), ("no", wrong)] {
            assert_eq!(world.password(password).await, expected, "{verdict:?} {scope} {password}");
            let answered = converse(&mut world.login(), &[password]).await.1;
            assert_eq!(answered, expected, "{verdict:?} {scope} {password}");
        }
        let unknown = world.login().password("bob", Secret::new("pw")).await;
        assert_eq!(name(unknown), "refused", "{verdict:?} {scope}");
    }
}

#[tokio::test]
async fn an_empty_password_is_for_the_hook_to_judge() {
    // A11-26
    use ExternalAuthVerdict::{Accept, Defer, Reject, VerifyStored};
    for (verdict, expected) in [
        (Accept(Some(Box::new(draft("")))), "accepted"),
        (Accept(None), "accepted"),
        (VerifyStored(None), "refused"),
        (Defer, "refused"),
        (Reject(Denial::new("no")), "refused"),
    ] {
        // Of the account with the hash of the empty password, too, the server does not compare it.
        for hash in ["$1$", "$1$other"] {
            let world = world(Some(Ok(verdict.clone())));
            world.stored(&format!(r#","password":"{hash}""#)).await;
            assert_eq!(world.password("").await, expected, "{verdict:?}");
            assert_eq!(world.hook.calls.load(Ordering::Relaxed), 1);
            // The question of the server is answered in the same way.
            assert_eq!(converse(&mut world.login(), &[""]).await.1, expected, "{verdict:?}");
            // An empty password is never stored.
            let stored = world.store.user("alice").await.unwrap();
            let stored = stored.password.as_ref().map(PasswordHash::expose);
            assert!(stored.is_none_or(|stored| stored == hash), "{verdict:?} {hash}: {stored:?}");
        }
    }
    let world = world(None);
    world.stored(r#","password":"$1$""#).await;
    assert_eq!(world.password("").await, "refused");
    // Nor do the hooks hear of it that check passwords: an LDAP bind with an empty one succeeds.
    says(&world.hooks.check_password, |_: &CheckPassword| CheckPasswordVerdict::Accept);
    assert_eq!((world.password("x").await, world.password("").await), ("accepted", "refused"));
}
