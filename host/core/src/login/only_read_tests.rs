//! Logins where accounts are only read (A8-17).

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::tests::{draft, world_of};
use super::*;
use crate::hook::external_auth::{ExternalAuthVerdict, Scope};
use crate::hook::pre_login::{PreLogin, PreLoginVerdict};
use crate::ports::{ChangeToken, ChangedObjects, Changes, Directory, SystemClock, USERS};
use crate::session::SessionWatch;

#[tokio::test]
async fn what_a_hook_makes_holds_for_its_session() {
    // A8-17
    for (stored, home) in [(None, "/a"), (Some(r#","password":"$1$other","max_sessions":9"#), "/a")] {
        let made = ExternalAuthVerdict::Accept(Some(Box::new(draft(r#","max_sessions":3"#))));
        let world = world_of(Some(Ok(made)), Scope::default(), Accounts::only_read);
        if let Some(more) = stored {
            world.stored(more).await;
        }
        let before = world.store.find(&USERS, "alice").await.unwrap();
        let Outcome::Accepted(session) = world.login().password("alice", Secret::new("pw")).await else {
            panic!("refused");
        };
        assert_eq!((session.account().max_sessions, session.account().home_dir.as_str()), (3, home));
        // Nothing is stored, so nothing is hashed to be stored.
        assert_eq!(world.store.find(&USERS, "alice").await.unwrap(), before);
        assert_eq!(world.passwords.0.load(Ordering::Relaxed), 0);
        // What the store says of the user does not matter to the session.
        let watch = SessionWatch {
            accounts: world.store.clone(),
            sessions: world.service.sessions().clone(),
            clock: Arc::new(SystemClock),
            metrics: Arc::default(),
            address_rule: AddressRule::default(),
            idle_timeout: None,
            scans: None,
            external_auth_cache: None,
        };
        let everything = Changes { next: ChangeToken(String::new()), objects: ChangedObjects::All };
        assert!(watch.look_at(&everything, BTreeSet::new()).await.is_empty());
        assert_eq!(session.session().live.end_reason(), None);
        assert_eq!(session.session().live.account().max_sessions, 3);
    }
}

#[tokio::test]
async fn a_stored_account_is_followed_and_not_written() {
    // A8-17
    let world = world_of(None, Scope::default(), Accounts::only_read);
    world.stored(r#","password":"$1$pw""#).await;
    let Outcome::Accepted(session) = world.login().password("alice", Secret::new("pw")).await else {
        panic!("refused");
    };
    assert!(!session.account().is_of_session());
    // Not even the time of the login.
    assert_eq!(world.store.user("alice").await.unwrap().last_login, 0);
}

#[tokio::test]
async fn what_a_hook_changes_before_the_login_is_not_stored() {
    // A8-17
    let world = world_of(None, Scope::default(), Accounts::only_read);
    world.stored(r#","password":"$1$pw","max_sessions":9"#).await;
    let before = world.store.find(&USERS, "alice").await.unwrap();
    super::hook_tests::says(&world.hooks.pre_login, |_: &PreLogin| {
        PreLoginVerdict::Replace(Box::new(draft(r#","password":"$1$pw","max_sessions":3"#)))
    });
    let Outcome::Accepted(session) = world.login().password("alice", Secret::new("pw")).await else {
        panic!("refused");
    };
    assert_eq!(session.account().max_sessions, 3);
    assert_eq!(world.store.find(&USERS, "alice").await.unwrap(), before);
}
