//! Which credentials are taken for remembered ones, and for how long (B8-05).

use core::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::external_auth_cache::{ExternalAuthCache, Known};
use super::tests::{draft, key};
use crate::account::{CredentialRule, EffectiveAccount};
use crate::connection::{Connection, ConnectionId, Credential};
use crate::hook::{Comparisons, LoginAttempt};
use crate::ports::Clock;
use crate::secret::Secret;

/// A clock that tests set.
#[derive(Default)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The generation of the hooks that have decided.
const GENERATION: u64 = 3;

fn cache(denial_time: Duration) -> (ExternalAuthCache, Arc<Hand>) {
    let clock = Arc::new(Hand::default());
    (ExternalAuthCache::new(denial_time, Arc::default(), clock.clone()).unwrap(), clock)
}

fn account(more: &str) -> Arc<EffectiveAccount> {
    let account = draft(more).validate(CredentialRule::Optional).unwrap().account;
    Arc::new(EffectiveAccount::ungrouped(account))
}

/// The account `alice`, of which credentials are remembered for a minute.
fn remembering() -> Arc<EffectiveAccount> {
    account(r#","filters":{"external_auth_cache_time":60}"#)
}

fn connection(remote: &str, local: &str) -> Arc<Connection> {
    let at = |address: &str, port: u16| SocketAddr::new(address.parse().unwrap(), port);
    Arc::new(Connection {
        id: ConnectionId::new("c"),
        remote: at(remote, 5000),
        local: at(local, 22),
        client: Default::default(),
        opened_at: 0,
        web: None,
    })
}

/// `alice` with the password `pw`.
fn attempt() -> LoginAttempt {
    LoginAttempt {
        connection: connection("192.0.2.7", "192.0.2.1"),
        username: "alice".into(),
        credential: Credential::Password(Secret::new("pw")),
        completed_methods: Vec::new(),
        stored: Some(remembering()),
        read_at: Instant::now(),
        number: 1,
        comparisons: Comparisons::default(),
        decision: Default::default(),
    }
}

fn from(remote: &str) -> LoginAttempt {
    LoginAttempt { connection: connection(remote, "192.0.2.1"), ..attempt() }
}

fn with(username: &str, password: &str) -> LoginAttempt {
    let credential = Credential::Password(Secret::new(password));
    LoginAttempt { username: username.into(), credential, ..attempt() }
}

fn found(cache: &ExternalAuthCache, attempt: &LoginAttempt, generation: u64) -> &'static str {
    match cache.find(attempt, generation, true) {
        Some(Known::Accepted(..)) => "accepted",
        Some(Known::Denied) => "denied",
        None => "nothing",
    }
}

#[test]
fn only_the_same_credential_of_the_user_from_the_same_address_is_known() {
    // B8-05: what is remembered, and what is asked about.
    let check = |remembered: &LoginAttempt, other: &LoginAttempt, generation: u64, is_known: bool| {
        for expected in ["accepted", "denied"] {
            let (cache, _) = cache(Duration::from_secs(30));
            match expected {
                "accepted" => cache.accepted(remembered, GENERATION, &remembering()),
                _ => cache.denied(remembered, GENERATION),
            }
            let expected = if is_known { expected } else { "nothing" };
            assert_eq!(found(&cache, other, generation), expected, "{other:?}");
        }
    };
    check(&attempt(), &attempt(), GENERATION, true);
    check(&attempt(), &attempt(), GENERATION + 1, false);
    check(&attempt(), &attempt(), GENERATION - 1, false);
    // The address of the client counts, and not the one of the server that it has connected to.
    check(&attempt(), &from("192.0.2.8"), GENERATION, false);
    check(&attempt(), &from("::ffff:192.0.2.7"), GENERATION, true);
    let by_other_way = LoginAttempt { connection: connection("192.0.2.7", "192.0.2.2"), ..attempt() };
    check(&attempt(), &by_other_way, GENERATION, true);
    let v6 = from("2001:db8:0:1::1");
    check(&v6, &from("2001:db8:0:1:ffff::2"), GENERATION, true);
    check(&v6, &from("2001:db8:0:2::1"), GENERATION, false);
    check(&v6, &attempt(), GENERATION, false);
    // The user, and what is presented.
    for (username, password) in [("bob", "pw"), ("alice", "PW"), ("alice", ""), ("alicep", "w"), ("alic", "epw")] {
        check(&attempt(), &with(username, password), GENERATION, false);
    }
    let by_key = LoginAttempt { credential: Credential::PublicKey(key()), ..attempt() };
    check(&by_key, &by_key, GENERATION, true);
    check(&attempt(), &by_key, GENERATION, false);
    let by_line = LoginAttempt { credential: Credential::Password(Secret::new(key().to_line())), ..attempt() };
    check(&by_key, &by_line, GENERATION, false);
    // The answers of a conversation are not known beforehand.
    let by_answers = LoginAttempt { credential: Credential::KeyboardInteractive, ..attempt() };
    check(&by_answers, &by_answers, GENERATION, false);
    check(&attempt(), &by_answers, GENERATION, false);
}

#[test]
fn credentials_are_known_for_their_times() {
    // B8-05: what an account says about acceptances, and the server about denials.
    let (cache, clock) = cache(Duration::from_secs(30));
    cache.accepted(&attempt(), GENERATION, &remembering());
    cache.denied(&with("alice", "no"), GENERATION);
    for (at, accepted, denied) in [
        (0, "accepted", "denied"),
        (29_999, "accepted", "denied"),
        (30_000, "accepted", "nothing"),
        (59_999, "accepted", "nothing"),
        (60_000, "nothing", "nothing"),
    ] {
        clock.0.store(at, Ordering::Relaxed);
        let both = (found(&cache, &attempt(), GENERATION), found(&cache, &with("alice", "no"), GENERATION));
        assert_eq!(both, (accepted, denied), "{at}");
    }
    // What has expired is not counted among what is forgotten.
    assert_eq!(cache.forget(None), 0);
}

#[test]
fn without_a_time_nothing_is_remembered() {
    // B8-05
    let (cache, _) = cache(Duration::ZERO);
    cache.denied(&attempt(), GENERATION);
    assert_eq!(found(&cache, &attempt(), GENERATION), "nothing");
    for none in ["", r#","filters":{"external_auth_cache_time":0}"#] {
        cache.accepted(&attempt(), GENERATION, &account(none));
        assert_eq!(found(&cache, &attempt(), GENERATION), "nothing", "{none}");
    }
    // Nor is the answer for another account than the client has named.
    cache.accepted(&with("alias", "pw"), GENERATION, &remembering());
    assert_eq!(found(&cache, &with("alias", "pw"), GENERATION), "nothing");
    cache.accepted(&attempt(), GENERATION, &remembering());
    assert_eq!(found(&cache, &attempt(), GENERATION), "accepted");
    // The account that is stored meanwhile wants the hook to be asked each time, or there is none.
    for stored in [Some(account("")), None] {
        let attempt = LoginAttempt { stored, ..attempt() };
        assert_eq!(found(&cache, &attempt, GENERATION), "nothing");
    }
    // Hooks that rely on the last login are asked, whatever was accepted.
    assert!(cache.find(&attempt(), GENERATION, false).is_none());
}

#[test]
fn no_more_than_so_many_credentials_are_remembered() {
    // B8-05
    let (cache, clock) = cache(Duration::from_secs(30));
    let guess = |number: usize| with("alice", &number.to_string());
    (0..10_000).for_each(|number| cache.denied(&guess(number), GENERATION));
    cache.denied(&guess(10_000), GENERATION);
    assert_eq!(found(&cache, &guess(9_999), GENERATION), "denied");
    assert_eq!(found(&cache, &guess(10_000), GENERATION), "nothing");
    // One that is there already is renewed, and those that have expired make room.
    clock.0.store(29_999, Ordering::Relaxed);
    cache.denied(&guess(0), GENERATION);
    clock.0.store(30_000, Ordering::Relaxed);
    cache.denied(&guess(10_000), GENERATION);
    assert_eq!(found(&cache, &guess(10_000), GENERATION), "denied");
    assert_eq!(found(&cache, &guess(0), GENERATION), "denied");
    assert_eq!(cache.forget(Some("alice")), 2);
}
