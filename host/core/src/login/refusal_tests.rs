//! Refusals after the credential was right: failed logins all the same, and no different for the client.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use super::hook_tests::{converse, says};
use super::tests::{KEY, draft, key, name, world};
use super::*;
use crate::hook::{Call, Hook, HookDescription, HookError, Link, LinkSettings};
use crate::ports::{Change, Directory, USERS, Write};

#[tokio::test]
async fn what_is_refused_after_the_credential_is_a_failed_login() {
    // B1-03, B1-04
    for (more, expected) in [
        (r#","filters":{"denied_protocols":["SSH"]}"#, "the account may not use SSH"),
        (r#","filters":{"denied_login_methods":["password"]}"#, "the account may not log in by this method"),
        (r#","filters":{"two_factor_protocols":["SSH"]}"#, "the account needs one-time codes for SSH and has none"),
        (r#","filters":{"denied_ip":["192.0.2.0/24"]}"#, "the account may not log in from this address"),
        (r#","max_sessions":1"#, "the account has its maximum of sessions"),
    ] {
        let world = world(None);
        world.stored(&format!(r#","password":"$1$pw"{more}"#)).await;
        let told = Arc::new(Mutex::new(Vec::new()));
        let seen = told.clone();
        says(world.hooks.post_login.chain(), move |event: &PostLogin| {
            seen.lock().unwrap().extend(event.outcome.as_ref().err().cloned());
        });
        // The place of the only session, which is of no use to the others.
        let first = world.login().password("alice", Secret::new("pw")).await;
        let before = world.service.ports.metrics.counts().logins;
        assert_eq!(world.password("pw").await, "refused", "{more}");
        let after = world.service.ports.metrics.counts().logins;
        let counted =
            (after.attempts - before.attempts, after.accepted - before.accepted, after.refused - before.refused);
        assert_eq!(counted, (1, 0, 1), "{more}");
        drop(first);
        crate::hook::observers::ObserverWork::close(&*world.hooks.post_login);
        crate::hook::observers::ObserverWork::work(&*world.hooks.post_login).await;
        assert_eq!(told.lock().unwrap().last().map(String::as_str), Some(expected), "{more}");
    }
}

#[tokio::test]
async fn each_of_several_keys_logs_in_and_no_other() {
    // A1-04
    const SECOND: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHE+kC5XFCbR0go1J4PXNqJpFH0cWSlhbUnOep0ZIJC";
    let second = crate::public_key::PublicKey::parse(SECOND).unwrap();
    let line = key().to_line();
    for (keys, expected) in [
        (format!(r#"["{line}","{SECOND}"]"#), ["accepted", "accepted"]),
        (format!(r#"["{SECOND} hers","{line} his"]"#), ["accepted", "accepted"]),
        (format!(r#"["{line}"]"#), ["accepted", "refused"]),
        (format!(r#"["{SECOND}"]"#), ["refused", "accepted"]),
    ] {
        let world = world(None);
        world.stored(&format!(r#","public_keys":{keys}"#)).await;
        let mut found = Vec::new();
        for key in [key(), second.clone()] {
            found.push(name(world.login().public_key_verified("alice", &key).await));
        }
        assert_eq!(found, expected, "{keys}");
    }
}

#[tokio::test]
async fn an_account_with_a_network_that_is_none_is_refused() {
    // A4-09
    for list in ["allowed_ip", "denied_ip"] {
        let networks = match list {
            "allowed_ip" => ["0.0.0.0/0", "0.0.0.0/33", "192.0.2.7", "nonsense"],
            _ => ["10.0.0.0/8", "10.0.0.0/33", "10.0.0.1", "nonsense"],
        };
        for (number, network) in networks.into_iter().enumerate() {
            let world = world(None);
            let filters = format!(r#","password":"$1$pw","filters":{{"{list}":["{network}"]}}"#);
            let document = draft(&filters).document().clone();
            let write = Write::Add(document);
            let change = Change { collection: &USERS, name: "alice".to_owned(), write, announce: false, audit: None };
            world.store.commit(vec![change]).await.unwrap();
            let expected = if number == 0 { "accepted" } else { "refused" };
            assert_eq!(world.password("pw").await, expected, "{list} {network}");
        }
    }
}

/// What hooks get about a refused login, and how many passwords were compared for it.
async fn refused(more: &str, password: &str) -> (String, usize) {
    let world = world(None);
    world.stored(&format!(r#","password":"$1$pw"{more}"#)).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    says(world.hooks.post_login.chain(), move |event: &PostLogin| {
        seen.lock().unwrap().extend(event.outcome.as_ref().err().cloned());
    });
    assert_eq!(world.password(password).await, "refused", "{more}");
    crate::hook::observers::ObserverWork::close(&*world.hooks.post_login);
    crate::hook::observers::ObserverWork::work(&*world.hooks.post_login).await;
    let reasons = std::mem::take(&mut *told.lock().unwrap());
    (reasons.join(", "), world.passwords.0.load(Ordering::Relaxed))
}

#[tokio::test]
async fn the_first_of_several_reasons_refuses() {
    // A4-07: the account's conditions, then the credential, then where from
    let elsewhere = r#","filters":{"denied_ip":["0.0.0.0/0"]}"#;
    let expired = r#","expiration_date":1"#;
    for (more, password, reason, compared) in [
        (String::new(), "no", "the password does not match", 1),
        (format!(r#","status":0{expired}"#), "no", "the account is disabled", 0),
        (expired.to_owned(), "no", "the account has expired", 0),
        (format!("{expired}{elsewhere}"), "pw", "the account has expired", 0),
        (elsewhere.to_owned(), "no", "the password does not match", 1),
        (elsewhere.to_owned(), "pw", "the account may not log in from this address", 1),
    ] {
        assert_eq!(refused(&more, password).await, (reason.to_owned(), compared), "{more} {password}");
    }
}

/// Never answers.
struct Hanging;

#[async_trait]
impl Hook<PostLogin> for Hanging {
    fn name(&self) -> &str {
        "hanging"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "")
    }
    async fn call(&self, _: &Call, _: &PostLogin) -> Result<(), HookError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn observers_of_a_login_delay_no_login() {
    // A14-06
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    world.hooks.post_login.chain().replace(vec![Arc::new(Link::new(Arc::new(Hanging), LinkSettings::default()))]);
    let observers = world.hooks.post_login.clone();
    let mut work = tokio::task::JoinSet::new();
    work.spawn(async move { crate::hook::observers::ObserverWork::work(&*observers).await });
    for _ in 0..200 {
        let started = tokio::time::Instant::now();
        assert_eq!(world.password("pw").await, "accepted");
        assert_eq!(world.password("no").await, "refused");
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}

#[tokio::test]
async fn only_the_second_steps_that_are_not_denied_follow_a_key() {
    // B12-03, B12-04: the step that is left, by which the attempt is counted; the other one is refused.
    use LoginMethod::{KeyboardInteractive, Password};
    for (denied, left) in [("publickey+keyboard-interactive", Password), ("publickey+password", KeyboardInteractive)] {
        for step in [Password, KeyboardInteractive] {
            let world = world(None);
            let denied =
                format!(r#""denied_login_methods":["publickey","password","keyboard-interactive","{denied}"]"#);
            world.stored(&format!(r#","password":"$1$pw","public_keys":["{KEY}"],"filters":{{{denied}}}"#)).await;
            let mut login = world.login();
            match login.public_key_verified("alice", &key()).await {
                Outcome::NextStep(next) => assert_eq!(next, [left]),
                other => panic!("{}", name(other)),
            }
            assert_eq!((login.next_steps("alice"), login.next_steps("bob")), (Some(&[left][..]), None));
            let outcome = if step == Password {
                name(login.password("alice", Secret::new("pw")).await)
            } else {
                converse(&mut login, &["pw"]).await.1
            };
            assert_eq!(outcome, if step == left { "accepted" } else { "refused" }, "{left:?} {step:?}");
            let counts = world.service.ports.metrics.counts().by_method;
            let counted = LoginMethod::ALL.into_iter().zip(counts).filter(|(_, logins)| logins.attempts > 0);
            let counted: Vec<_> = counted.map(|(method, logins)| (method, logins.accepted)).collect();
            assert_eq!(counted, [(step.after_public_key(), u64::from(step == left))], "{left:?} {step:?}");
        }
    }
}
