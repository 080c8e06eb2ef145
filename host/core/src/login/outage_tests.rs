//! Logins while the store of accounts is away.

use super::factor_tests::code;
use super::hook_tests::CODES;
use super::tests::{World, draft, name, world};
use super::*;
use crate::hook::external_auth::ExternalAuthVerdict;
use crate::memory::outage::State;
use crate::metrics::Logins;
use crate::public_key::PublicKey;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

fn counted(world: &World) -> (u64, Logins) {
    let counts = world.service.ports.metrics.counts();
    (counts.logins_unavailable, counts.logins)
}

async fn by(world: &World, method: LoginMethod) -> &'static str {
    let key = PublicKey::parse(KEY).unwrap();
    let outcome = match method {
        LoginMethod::Password => world.login().password("alice", Secret::new("pw")).await,
        LoginMethod::PublicKey => world.login().public_key_verified("alice", &key).await,
        LoginMethod::KeyboardInteractive
        | LoginMethod::PublicKeyThenPassword
        | LoginMethod::PublicKeyThenKeyboardInteractive => match world.login().keyboard_interactive("alice").await {
            Step::Done(outcome) => outcome,
            Step::Ask(_) => return "asked",
        },
    };
    name(outcome)
}

#[tokio::test]
async fn an_outage_is_no_failed_login() {
    // A9-05
    let world = world(None);
    world.stored(&format!(r#","password":"$1$pw","public_keys":["{KEY}"]"#)).await;
    world.outage.becomes(State::Away);
    let methods = [LoginMethod::Password, LoginMethod::PublicKey, LoginMethod::KeyboardInteractive];
    for method in methods {
        assert_eq!(by(&world, method).await, "unavailable", "{method:?}");
    }
    let mut login = world.login();
    let key = PublicKey::parse(KEY).unwrap();
    assert_eq!(login.public_key_offered("alice", &key).await, Offer::Unavailable);
    assert_eq!(counted(&world), (4, Logins::default()));
    // Nothing scores, however often a client tries (B14-01).
    for _ in 0..20 {
        for method in methods {
            assert_eq!(by(&world, method).await, "unavailable", "{method:?}");
        }
    }
    let defender = world.service.defender();
    assert!(!defender.refuses(login.connection().remote.ip()) && defender.bans().is_empty());
    // No key derivation: the client is told that nothing was decided.
    assert_eq!(world.passwords.0.load(std::sync::atomic::Ordering::Relaxed), 0);
    world.outage.becomes(State::Here);
    // Nothing of the outage is remembered, not even by a connection that has stayed.
    assert_eq!(login.public_key_offered("alice", &key).await, Offer::Acceptable);
    for (method, expected) in methods.into_iter().zip(["accepted", "accepted", "asked"]) {
        assert_eq!(by(&world, method).await, expected, "{method:?}");
    }
    assert_eq!(counted(&world).0, 64);
}

#[tokio::test]
async fn the_first_login_of_an_outage_notices_it_before_it_shows_a_credential() {
    // A9-05
    let world = world(None);
    world.outage.becomes(State::Away);
    assert_eq!(world.login().nothing_proved("alice").await, Offer::Unavailable);
    assert_eq!(counted(&world), (1, Logins::default()));
    world.outage.becomes(State::Here);
    // Whether there is such a user makes no difference.
    for user in ["alice", "unknown", ""] {
        assert_eq!(world.login().nothing_proved(user).await, Offer::Refused, "{user}");
    }
    // What was answered is believed for a moment.
    world.outage.becomes(State::Away);
    assert_eq!(world.login().nothing_proved("alice").await, Offer::Refused);
}

#[tokio::test]
async fn a_hooks_account_that_cannot_be_stored_is_an_outage() {
    let made = ExternalAuthVerdict::Accept(Some(Box::new(draft(r#","password":"$1$pw""#))));
    let world = world(Some(Ok(made)));
    let mut login = world.login();
    let attempt = match login.attempt("alice", Credential::Password(Secret::new("pw"))).await {
        Attempted::Admitted(attempt) => attempt,
        Attempted::Refused(_, refusal) => panic!("{refusal}"),
    };
    // The store goes away after it was asked for the account.
    world.outage.becomes(State::Away);
    let refusal = match world.service.try_password(&attempt, &Secret::new("pw"), PreLoginHooks::Ask).await {
        Ok(resolved) => world.service.commit(resolved).await.unwrap_err(),
        Err(refusal) => refusal,
    };
    assert_eq!(refusal.reason, RefusalReason::Unavailable, "{refusal}");
}

#[tokio::test]
async fn a_code_that_cannot_be_noted_is_an_outage() {
    // B4-02, B14-01
    let asked = async |world: &World| {
        let mut login = world.login();
        assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step");
        assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
        login
    };
    let answered = async |login: &mut Login| match login.answers(vec![Secret::new(code())]).await {
        Step::Done(outcome) => name(outcome),
        Step::Ask(_) => "asked",
    };
    // Whether the code is used up afterwards is what the store knows.
    for (state, afterwards) in [(State::Away, "accepted"), (State::Silent, "refused")] {
        let world = world(None);
        world.stored(&format!(r#","password":"$1$pw","filters":{{{CODES}}}"#)).await;
        let mut login = asked(&world).await;
        let (unavailable, logins) = counted(&world);
        world.outage.becomes(state);
        assert_eq!(answered(&mut login).await, "unavailable", "{state:?}");
        assert_eq!(counted(&world), (unavailable + 1, logins), "{state:?}");
        world.outage.becomes(State::Here);
        let mut login = asked(&world).await;
        assert_eq!(answered(&mut login).await, afterwards, "{state:?}");
    }
}
