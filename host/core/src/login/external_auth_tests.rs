//! For how long external authentication is not asked again (B8).

use super::tests::{World, draft, key, name, world};
use std::sync::atomic::Ordering;

use crate::hook::Denial;
use crate::hook::external_auth::ExternalAuthVerdict;
use crate::metrics::ExternalAuthAnswer;
use crate::ports::{AccountKey, Directory};

/// A time that all of the tests' clock is within.
const NOW: i64 = 1_000_000;

fn accepting(filters: &str) -> World {
    let answer = draft(&format!(r#","filters":{filters}"#));
    world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(answer))))))
}

fn of_older_server(filters: &str) -> World {
    let world = accepting(filters);
    world.hook.is_old.store(true, Ordering::Relaxed);
    world
}

impl World {
    /// Logs in with each password; `expected`: the outcome, and the calls of the hook so far.
    async fn check(&self, expected: &[(&str, &str, usize)]) {
        for (password, outcome, calls) in expected {
            assert_eq!(self.password(password).await, *outcome, "{password}");
            assert_eq!(self.hook.calls.load(Ordering::Relaxed), *calls, "{password}");
        }
    }

    fn answers(&self, answer: ExternalAuthAnswer) -> u64 {
        let counts = self.service.ports.metrics.counts().external_auth;
        ExternalAuthAnswer::ALL.into_iter().zip(counts).find(|(known, _)| *known == answer).unwrap().1
    }

    async fn last_login(&self) -> (AccountKey, i64) {
        let account = self.service.stored("alice").await.unwrap().unwrap();
        (account.key(), account.last_login)
    }
}

const A_MINUTE: &str = r#"{"external_auth_cache_time":60}"#;

#[tokio::test]
async fn the_stored_password_decides_for_a_time_after_the_last_login() {
    // B2-07, B8-02
    let world = of_older_server(A_MINUTE);
    // A wrong password is refused without asking the hook, which would accept any here.
    world.check(&[("pw", "accepted", 1), ("pw", "accepted", 1), ("changed", "refused", 1), ("", "refused", 1)]).await;
    assert_eq!((world.answers(ExternalAuthAnswer::Stored), world.answers(ExternalAuthAnswer::Accepted)), (3, 0));
    let (key, _) = world.last_login().await;
    world.store.record_login(&key, NOW - 59_999).await.unwrap();
    world.check(&[("changed", "refused", 1)]).await;
    world.store.record_login(&key, NOW - 60_000).await.unwrap();
    world.check(&[("changed", "accepted", 2), ("pw", "refused", 2)]).await;
    // A last login in the time to come is that of another clock.
    world.store.record_login(&key, NOW + 1).await.unwrap();
    world.check(&[("pw", "accepted", 3)]).await;
}

#[tokio::test]
async fn a_key_has_to_be_a_stored_one_for_a_time_after_the_last_login() {
    // B8-02
    let world = of_older_server(A_MINUTE);
    world.check(&[("pw", "accepted", 1)]).await;
    assert_eq!(name(world.login().public_key_verified("alice", &key()).await), "refused");
    assert_eq!(world.hook.calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn logins_without_the_hook_do_not_put_off_its_next_call() {
    // B8-03
    let world = of_older_server(A_MINUTE);
    world.check(&[("pw", "accepted", 1)]).await;
    let (key, last) = world.last_login().await;
    assert_eq!(last, NOW);
    world.store.record_login(&key, NOW - 30_000).await.unwrap();
    world.check(&[("pw", "accepted", 1)]).await;
    assert_eq!(world.last_login().await.1, NOW - 30_000);
    world.store.record_login(&key, NOW - 60_000).await.unwrap();
    world.check(&[("pw", "accepted", 2)]).await;
    assert_eq!(world.last_login().await.1, NOW);
}

#[tokio::test]
async fn a_time_outside_of_the_filters_is_none() {
    // B8-04
    for is_old in [false, true] {
        let mut answer = draft("");
        answer.merge_json(r#"{"external_auth_cache_time":60}"#).unwrap();
        let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(answer))))));
        world.hook.is_old.store(is_old, Ordering::Relaxed);
        world.check(&[("pw", "accepted", 1), ("pw", "accepted", 2)]).await;
    }
}

#[tokio::test]
async fn accepted_credentials_are_remembered_for_as_long_as_the_account_says() {
    // B8-01
    let world = accepting(A_MINUTE);
    let expected = [("pw", 1), ("pw", 1), ("other", 2), ("other", 2), ("pw", 2)];
    world.check(&expected.map(|(password, calls)| (password, "accepted", calls))).await;
    assert_eq!((world.answers(ExternalAuthAnswer::Accepted), world.answers(ExternalAuthAnswer::Asked)), (3, 2));
}

#[tokio::test]
async fn denials_are_remembered_for_the_time_of_the_server() {
    // B8-05
    for is_old in [false, true] {
        let world = world(Some(Ok(ExternalAuthVerdict::Reject(Denial::new("no")))));
        world.hook.is_old.store(is_old, Ordering::Relaxed);
        world.check(&[("pw", "refused", 1), ("pw", "refused", 1), ("other", "refused", 2)]).await;
        assert_eq!((world.answers(ExternalAuthAnswer::Denied), world.answers(ExternalAuthAnswer::Asked)), (1, 2));
        assert_eq!(world.service.ports.external_auth_cache.forget(Some("bob")), 0);
        world.check(&[("pw", "refused", 2)]).await;
        assert_eq!(world.service.ports.external_auth_cache.forget(Some("alice")), 2);
        world.check(&[("pw", "refused", 3)]).await;
        assert_eq!(world.service.ports.external_auth_cache.forget(None), 1);
    }
}

#[tokio::test]
async fn failures_are_not_remembered() {
    // B14-06
    let world = world(Some(Err(crate::hook::HookError::Timeout(std::time::Duration::ZERO))));
    world.check(&[("pw", "refused", 1), ("pw", "refused", 2)]).await;
}

#[tokio::test]
async fn what_is_forgotten_is_asked_about_again() {
    // B8-05
    for username in [Some("alice"), None] {
        for is_old in [false, true] {
            let world = accepting(A_MINUTE);
            world.hook.is_old.store(is_old, Ordering::Relaxed);
            world.check(&[("pw", "accepted", 1), ("pw", "accepted", 1)]).await;
            let cache = &world.service.ports.external_auth_cache;
            assert_eq!(cache.forget(Some("bob")), 0);
            world.check(&[("pw", "accepted", 1)]).await;
            assert_eq!(cache.forget(username), usize::from(!is_old));
            world.check(&[("pw", "accepted", 2)]).await;
        }
    }
}

#[tokio::test]
async fn what_replaced_hooks_have_decided_is_not_remembered() {
    // B8-05
    let world = accepting(A_MINUTE);
    world.check(&[("pw", "accepted", 1), ("pw", "accepted", 1)]).await;
    let links = world.hooks.external_auth.links();
    world.hooks.external_auth.replace(links.to_vec());
    world.check(&[("pw", "accepted", 2), ("pw", "accepted", 2)]).await;
}

#[tokio::test]
async fn another_account_of_the_name_and_a_changed_one_are_asked_about_again() {
    // B8-05
    let world = accepting(A_MINUTE);
    world.check(&[("pw", "accepted", 1), ("pw", "accepted", 1)]).await;
    let accounts = &world.service.ports.accounts;
    accounts.delete("alice", &crate::ports::Author::system()).await.unwrap();
    world.stored(r#","filters":{"external_auth_cache_time":60}"#).await;
    world.check(&[("pw", "accepted", 2), ("pw", "accepted", 2)]).await;
    world.service.ports.external_auth_cache.forget_credentials("bob");
    world.check(&[("pw", "accepted", 2)]).await;
    world.service.ports.external_auth_cache.forget_credentials("alice");
    world.check(&[("pw", "accepted", 3)]).await;
}
