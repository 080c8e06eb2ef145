//! Which refused logins score.

use core::net::IpAddr;
use std::sync::atomic::Ordering;

use super::tests::*;
use super::*;
use crate::guard::Defender;
use crate::hook::external_auth::ExternalAuthVerdict;
use crate::hook::{Denial, HookError};

fn address() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

/// Tries a wrong password until the address is banned, at most 20 times. `expected`: the tries; None: it is not.
async fn check(world: &World, expected: Option<usize>, case: &str) {
    let defender: &Arc<Defender> = world.service.defender();
    let mut banned = None;
    for number in 1..=20 {
        assert_eq!(world.password("wrong").await, "refused", "{case}");
        if defender.refuses(address()) {
            banned = Some(number);
            break;
        }
    }
    assert_eq!(banned, expected, "{case}");
}

#[tokio::test]
async fn denials_score_and_failures_do_not() {
    // B14-01, B14-06, E-05
    check(&world(None), Some(8), "an unknown user").await;
    let known = world(None);
    known.stored(r#","password":"$1$pw""#).await;
    check(&known, Some(8), "a wrong password").await;
    let denied = world(None);
    denied.stored(r#","password":"$1$pw","status":0"#).await;
    check(&denied, Some(8), "a disabled account").await;
    check(&world(Some(Ok(ExternalAuthVerdict::Reject(Denial::new("no"))))), Some(8), "a hook that rejects").await;
    check(&world(Some(Err(HookError::Failed("broken".into())))), None, "a hook that fails").await;
    check(&world(Some(Err(HookError::Timeout(std::time::Duration::ZERO)))), None, "a hook that is too late").await;
}

#[tokio::test]
async fn keys_score_once_a_connection_that_does_not_log_in() {
    // B14-03
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let defender = world.service.defender().clone();
    for _ in 0..20 {
        let mut login = world.login();
        assert_eq!(login.public_key_offered("alice", &key()).await, Offer::Refused);
        assert_eq!(name(login.password("alice", Secret::new("pw")).await), "accepted");
    }
    assert!(!defender.refuses(address()), "a login after a key that was not wanted");
    let mut connections = 0;
    while !defender.refuses(address()) {
        let mut login = world.login();
        assert_eq!(login.public_key_offered("alice", &key()).await, Offer::Refused);
        assert_eq!(login.public_key_offered("bob", &key()).await, Offer::Refused);
        connections += 1;
    }
    assert_eq!(connections, 8);
}

#[tokio::test]
async fn a_denial_before_credentials_scores_although_the_password_is_right() {
    // D-05
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    super::hook_tests::says(&world.hooks.login_pre, |_| crate::hook::review::Review::Deny(Denial::new("no")));
    let mut tries = 0;
    while !world.service.defender().refuses(address()) {
        assert_eq!(world.password("pw").await, "refused");
        tries += 1;
    }
    assert_eq!(tries, 8);
}

#[tokio::test]
async fn connections_without_an_attempt_score_nothing_by_default() {
    // B14-01
    let world = world(None);
    (0..50).for_each(|_| world.login().abandoned("it ended"));
    assert!(!world.service.defender().refuses(address()));
}

#[tokio::test]
async fn names_and_passwords_that_no_program_can_be_given_are_denied_and_score() {
    // A11-03, B14-06
    let long = "x".repeat(1 << 17);
    for (username, password) in [("alice\0", "pw"), ("alice", "p\0w"), (&*long, "pw"), ("alice", &*long)] {
        let case = format!("{username:.9?} {password:.9?}");
        // As a program's hook would.
        let world = world(Some(Err(HookError::Failed("it cannot be passed to a program".into()))));
        world.stored(r#","password":"$1$pw""#).await;
        let mut tries = 0;
        while !world.service.defender().refuses(address()) && tries < 20 {
            let outcome = world.login().password(username, Secret::new(password)).await;
            assert_eq!(name(outcome), "refused", "{case}");
            tries += 1;
        }
        assert_eq!((tries, world.hook.calls.load(Ordering::Relaxed)), (8, 0), "{case}");
    }
    // So are answers to the question for a password, and names with other methods.
    for answer in ["p\0w", &*long] {
        let world = world(Some(Err(HookError::Failed("it cannot be passed to a program".into()))));
        let mut tries = 0;
        while !world.service.defender().refuses(address()) && tries < 20 {
            assert_eq!(super::hook_tests::converse(&mut world.login(), &[answer]).await.1, "refused");
            tries += 1;
        }
        assert_eq!((tries, world.hook.calls.load(Ordering::Relaxed)), (8, 0));
    }
    let world = world(Some(Err(HookError::Failed("it cannot be passed to a program".into()))));
    assert_eq!(world.login().public_key_offered("alice\0", &key()).await, Offer::Refused);
    assert!(matches!(world.login().keyboard_interactive("alice\0").await, Step::Done(Outcome::Refused)));
    assert_eq!(world.hook.calls.load(Ordering::Relaxed), 0);
}
