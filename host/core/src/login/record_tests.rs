//! Outcomes of logins in the records of hook calls, where administrators look for the reason of a refusal.

use std::sync::Mutex;

use super::tests::{KEY, World, key, service, world, world_of};
use super::*;
use crate::hook::external_auth::{ExternalAuthVerdict, Scope};
use crate::hook::{HookHost, HookJournal, HookRun};
use crate::memory::outage::State;

/// `outcome method` of each record of a login, and `address outcome: detail` of connections that were closed at once.
#[derive(Default)]
struct Outcomes(Mutex<Vec<String>>);

impl HookJournal for Outcomes {
    fn record(&self, run: HookRun) {
        let line = match run.kind {
            "login" => format!("{} {}", run.outcome, run.about.unwrap_or_default()),
            "accept" => format!("{} {}: {}", run.address.unwrap(), run.outcome, run.detail),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

/// A server whose records are kept there.
async fn server(has_hook: bool) -> (World, Arc<Outcomes>) {
    let world = if has_hook {
        world_of(Some(Ok(ExternalAuthVerdict::Defer)), Scope::default(), |accounts| accounts)
    } else {
        world(None)
    };
    world.stored(r#","password":"$1$pw""#).await;
    let outcomes = Arc::new(Outcomes::default());
    let host = Arc::new(HookHost { journal: outcomes.clone(), ..HookHost::default() });
    let hooks = LoginHooks { host, ..world.hooks.clone() };
    let accounts = Accounts::new(world.outage.clone(), world.passwords.clone(), None);
    let service = service(accounts, &world.store, world.passwords.clone(), &hooks);
    (World { service, ..world }, outcomes)
}

#[tokio::test]
async fn an_acceptance_is_on_record_after_a_refusal() {
    let check = async |has_hook: bool, tries: &[&str], expected: &[&str]| {
        let (world, outcomes) = server(has_hook).await;
        let mut login = world.login();
        for one in tries {
            match *one {
                // As OpenSSH does with the keys of an agent.
                KEY => {
                    login.public_key_offered("alice", &key()).await;
                }
                "away" => {
                    world.outage.becomes(State::Away);
                    login.password("alice", Secret::new("pw")).await;
                    world.outage.becomes(State::Here);
                }
                password => {
                    login.password("alice", Secret::new(password)).await;
                }
            }
        }
        assert_eq!(*outcomes.0.lock().unwrap(), expected, "{has_hook} {tries:?}");
    };
    // Acceptances alone would fill the records, and tell nothing where no hook was asked.
    check(false, &["pw"], &[]).await;
    check(true, &["pw"], &["accepted password"]).await;
    check(false, &["no"], &["refused password"]).await;
    check(false, &["no", "pw"], &["refused password", "accepted password"]).await;
    check(false, &[KEY, "pw"], &["refused publickey", "accepted password"]).await;
    check(false, &[KEY, KEY, "no"], &["refused publickey", "refused password"]).await;
    check(false, &["away", "pw"], &["unavailable password", "accepted password"]).await;
}

#[tokio::test]
async fn connections_that_are_turned_away_are_on_record_and_do_not_fill_it() {
    let (world, outcomes) = server(false).await;
    for (address, reason) in [
        ("::ffff:192.0.2.7", "banned"),
        ("192.0.2.7", "banned"),
        ("192.0.2.7", "too many"),
        ("2001:db8::1", "banned"),
        // The same client as the one before.
        ("2001:db8::2", "banned"),
    ] {
        world.service.turned_away(address.parse().unwrap(), reason);
    }
    let first = ["192.0.2.7 refused: banned", "192.0.2.7 refused: too many", "2001:db8::1 refused: banned"];
    assert_eq!(*outcomes.0.lock().unwrap(), first);
    for number in 0..10_000_u32 {
        world.service.turned_away(core::net::Ipv4Addr::from_bits(number).into(), "banned");
    }
    assert_eq!(outcomes.0.lock().unwrap().len(), 60);
}
