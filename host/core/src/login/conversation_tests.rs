//! Conversations: for whom they end well, and with how many answers.

use super::hook_tests::{Asks, CODES, converse, says};
use super::tests::{draft, name, world, world_with};
use super::*;
use crate::account::AccountDraft;
use crate::hook::external_auth::{ExternalAuth, ExternalAuthVerdict, Scope};
use crate::hook::keyboard_interactive::{KeyboardInteractive, KeyboardInteractiveVerdict};
use crate::hook::pre_login::{PreLogin, PreLoginVerdict};
use crate::hook::{Denial, Link, LinkSettings};

#[tokio::test]
async fn only_codes_for_this_protocol_are_asked_for() {
    // B4-02
    let http = CODES.replace("SSH", "HTTP");
    let off = CODES.replace("true", "false");
    for (codes, expected) in [(CODES, "refused"), (http.as_str(), "accepted"), (off.as_str(), "accepted")] {
        let world = world(None);
        world.stored(&format!(r#","password":"$1$pw","filters":{{{codes}}}"#)).await;
        assert_eq!(converse(&mut world.login(), &["pw"]).await.1, expected, "{codes}");
    }
}

#[tokio::test]
async fn accounts_that_are_off_or_expired_converse_in_vain() {
    // A12-09, B1-02: the hook; None: the server asks.
    type Answer = fn() -> KeyboardInteractiveVerdict;
    let accept: Answer = || KeyboardInteractiveVerdict::Accept(None);
    let defer: Answer = || KeyboardInteractiveVerdict::Defer;
    for (hook, asks) in [(None, 1), (Some(accept), 0), (Some(defer), 1)] {
        for (more, expected) in [
            ("", "accepted"),
            (r#","status":0"#, "refused"),
            (r#","expiration_date":999999"#, "refused"),
            (r#","expiration_date":1000001"#, "accepted"),
        ] {
            let world = world(None);
            world.stored(&format!(r#","password":"$1$pw"{more}"#)).await;
            if let Some(answer) = hook {
                says(&world.hooks.keyboard_interactive, move |_: &KeyboardInteractive| answer());
            }
            // The conditions come after the exchange.
            let (asked, outcome) = converse(&mut world.login(), &["pw"]).await;
            assert_eq!((asked.len(), outcome), (asks, expected), "{more} {asks}");
        }
    }
    // What the hook makes of the account counts.
    for (made, expected) in [(r#","status":1"#, "accepted"), (r#","status":0"#, "refused")] {
        let world = world(None);
        world.stored(r#","password":"$1$pw""#).await;
        says(&world.hooks.keyboard_interactive, move |_: &KeyboardInteractive| {
            KeyboardInteractiveVerdict::Accept(Some(Box::new(draft(made))))
        });
        assert_eq!(converse(&mut world.login(), &[]).await.1, expected, "{made}");
    }
    // So it is with a hook that asks, and with an account that only lacks its code.
    let world = world(None);
    world.hooks.keyboard_interactive.replace(vec![Arc::new(Link::new(Arc::new(Asks), LinkSettings::default()))]);
    world.stored(r#","password":"$1$pw","status":0"#).await;
    let (asked, outcome) = converse(&mut world.login(), &["1", "2", "pw"]).await;
    assert_eq!((asked.len(), outcome), (3, "refused"), "the conditions come after the exchange");
    world.hooks.keyboard_interactive.replace(Vec::new());
    world.stored(&format!(r#","password":"$1$pw","status":0,"filters":{{{CODES}}}"#)).await;
    let (asked, outcome) = converse(&mut world.login(), &["pw"]).await;
    assert_eq!((asked, outcome), (vec!["Password: ".to_owned()], "refused"), "no code is asked for");
}

#[tokio::test]
async fn a_wrong_number_of_answers_ends_the_conversation() {
    // A12-05
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let check = async |given: &[&str], expected: &str| {
        let mut login = world.login();
        assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
        let given = given.iter().map(|answer| Secret::new(*answer)).collect();
        let Step::Done(outcome) = login.answers(given).await else { panic!("it goes on") };
        assert_eq!(name(outcome), expected);
    };
    check(&["pw"], "accepted").await;
    check(&[], "refused").await;
    check(&["pw", ""], "refused").await;
    check(&["pw", "pw"], "refused").await;
}

/// A keyboard-interactive hook leaves the questions to the server, and external authentication knows the password `new`.
async fn deferring(scope: u8) -> super::tests::World {
    let world = world_with(None, Scope::from_bits(scope));
    world.stored(r#","password":"$1$old""#).await;
    says(&world.hooks.keyboard_interactive, |_: &KeyboardInteractive| KeyboardInteractiveVerdict::Defer);
    says(&world.hooks.external_auth, |event: &ExternalAuth| match &event.0.credential {
        Credential::Password(password) if password.expose() == "new" => ExternalAuthVerdict::Accept(None),
        Credential::Password(_) => ExternalAuthVerdict::Reject(Denial::new("no")),
        Credential::PublicKey(_) | Credential::KeyboardInteractive => ExternalAuthVerdict::Defer,
    });
    world
}

#[tokio::test]
async fn external_authentication_decides_about_passwords_that_the_server_asks_for() {
    // A11-07, A12-07, B2-03: 0 is for all methods, 1 for passwords, 4 for conversations.
    for (scope, password, expected) in [
        (0, "new", "accepted"),
        (0, "old", "refused"),
        (1, "new", "accepted"),
        (1, "old", "refused"),
        (4, "new", "refused"),
        (4, "old", "accepted"),
    ] {
        let world = deferring(scope).await;
        let deferred = converse(&mut world.login(), &[password]).await;
        assert_eq!(deferred, (vec!["Password: ".to_owned()], expected), "{scope} {password}");
        // As where no hook leaves the questions to the server.
        world.hooks.keyboard_interactive.replace(Vec::new());
        assert_eq!(converse(&mut world.login(), &[password]).await, deferred, "{scope} {password}");
    }
}

#[tokio::test]
async fn what_a_hook_has_made_of_the_account_before_the_questions_holds() {
    // B1-01, B3-04
    for (made, expected) in [(r#"{"status":1}"#, "accepted"), (r#"{"status":0}"#, "refused")] {
        let world = deferring(1).await;
        says(&world.hooks.pre_login, move |event: &PreLogin| {
            let mut draft = event.account.as_ref().map(|account| AccountDraft::of(account.user())).unwrap_or_default();
            draft.merge_json(made).unwrap();
            PreLoginVerdict::Replace(Box::new(draft))
        });
        assert_eq!(converse(&mut world.login(), &["new"]).await.1, expected, "{made}");
    }
}
