//! The hook that a session says to have decided about its login.

use super::hook_tests::says;
use super::tests::{KEY, World, key, world};
use super::*;
use crate::hook::Denial;
use crate::hook::check_password::{CheckPassword, CheckPasswordVerdict};
use crate::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use crate::hook::review::{LoginPre, Review};

/// A world in which the hook of external authentication accepts keys, and passwords that begin with `a`; it rejects
/// those that begin with `r`, and leaves the others to the server.
async fn house(more: &str) -> World {
    let world = world(None);
    world.stored(&format!(r#","password":"$1$pw","public_keys":["{KEY}"]{more}"#)).await;
    says(&world.hooks.external_auth, |event: &ExternalAuth| match &event.0.credential {
        Credential::PublicKey(_) => ExternalAuthVerdict::Accept(None),
        Credential::Password(password) if password.expose().starts_with('a') => ExternalAuthVerdict::Accept(None),
        Credential::Password(password) if password.expose().starts_with('r') => {
            ExternalAuthVerdict::Reject(Denial::new("no"))
        }
        Credential::Password(_) | Credential::KeyboardInteractive => ExternalAuthVerdict::Defer,
    });
    world
}

/// Logs in by these steps: `offer`, `key`, or a password. What the session says after the last one.
async fn decided(world: &World, steps: &[&str]) -> Vec<(&'static str, &'static str, Option<String>)> {
    let (mut login, mut accepted) = (world.login(), None);
    for step in steps {
        let outcome = match *step {
            "offer" => {
                assert_eq!(login.public_key_offered("alice", &key()).await, Offer::Acceptable);
                continue;
            }
            "key" => login.public_key_verified("alice", &key()).await,
            password => login.password("alice", Secret::new(password)).await,
        };
        if let Outcome::Accepted(authenticated) = outcome {
            accepted = Some(authenticated);
        }
    }
    let accepted = accepted.unwrap_or_else(|| panic!("{steps:?}: the login was refused"));
    let decisions = accepted.session().live.decisions();
    decisions.iter().map(|call| (call.kind, call.outcome, call.about.clone())).collect()
}

#[tokio::test]
async fn a_session_says_which_hook_let_it_in() {
    const STEPS: &str = r#","filters":{"denied_login_methods":["publickey","password","keyboard-interactive"]}"#;
    const REMEMBERED: &str = r#","filters":{"external_auth_cache_time":60}"#;
    let by = |method: &str| vec![("external-auth", "accept", Some(method.to_owned()))];
    for (more, steps, expected) in [
        ("", &["a"][..], by("password")),
        ("", &["pw"][..], vec![]),
        // What a hook said of an earlier attempt has not let the session in.
        ("", &["r", "pw"][..], vec![]),
        ("", &["offer", "pw"][..], vec![]),
        ("", &["r", "a"][..], by("password")),
        // A hook is asked about a key when it is offered, and not again.
        ("", &["offer", "key"][..], by("publickey")),
        ("", &["offer", "r", "key"][..], by("publickey")),
        // The server has decided about the second step, after a hook had about the first one.
        (STEPS, &["key", "pw"][..], by("publickey")),
        (STEPS, &["key", "r", "pw"][..], by("publickey")),
        (STEPS, &["key", "a"][..], by("publickey+password")),
        (REMEMBERED, &["a"][..], by("password")),
    ] {
        let world = house(more).await;
        assert_eq!(decided(&world, steps).await, expected, "{more} {steps:?}");
        // Also where the hook is not asked, because its answer is remembered.
        assert_eq!(decided(&world, steps).await, expected, "{more} {steps:?} again");
    }
}

#[tokio::test]
async fn the_last_hook_that_decided_is_named_and_none_that_only_allowed() {
    let world = house("").await;
    says(&world.hooks.login_pre, |_: &LoginPre| Review::Allow);
    says(&world.hooks.check_password, |_: &CheckPassword| CheckPasswordVerdict::Defer);
    assert!(decided(&world, &["pw"]).await.is_empty());
    says(&world.hooks.check_password, |_: &CheckPassword| CheckPasswordVerdict::Accept);
    for password in ["pw", "a"] {
        let expected = [("check-password", "accept", Some("password".to_owned()))];
        assert_eq!(decided(&world, &[password]).await, expected, "{password}");
    }
}
