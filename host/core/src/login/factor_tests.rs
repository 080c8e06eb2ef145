//! Second factors, and sessions that hooks create and are told the end of.

use std::sync::Mutex;

use tokio::sync::Notify;
use totp_rs::{Algorithm, TOTP};

use super::hook_tests::{Asks, CODES, converse, says};
use super::tests::{World, draft, key, name, world};
use super::*;
use crate::hook::check_password::{CheckPassword, CheckPasswordVerdict};
use crate::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use crate::hook::keyboard_interactive::{KeyboardInteractive, KeyboardInteractiveVerdict};
use crate::hook::observation::SessionDestroy;
use crate::hook::observers::ObserverWork;
use crate::hook::review::{Review, SessionCreate};
use crate::hook::{Call, Denial, Hook, HookDescription, HookError, HookEvent, Link, LinkSettings};

/// The code at the time of the test's clock.
pub(super) fn code() -> String {
    TOTP::new_unchecked(Algorithm::SHA1, 6, 0, 30, b"1234567890".to_vec()).generate(1000)
}

const RULE: &str = r#""two_factor_protocols":["SSH"]"#;

async fn with(filters: &[&str]) -> World {
    let world = world(None);
    let line = key().to_line();
    let filters = filters.join(",");
    world.stored(&format!(r#","password":"$1$pw","public_keys":["{line}"],"filters":{{{filters}}}"#)).await;
    world
}

#[tokio::test]
async fn a_password_alone_does_not_do_where_there_are_codes() {
    // B4-02
    let world = with(&[CODES]).await;
    let mut login = world.login();
    assert_eq!(name(login.password("alice", Secret::new("no")).await), "refused");
    assert!(login.next_steps("alice").is_none());
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step");
    assert_eq!(login.next_steps("alice"), Some(&[LoginMethod::KeyboardInteractive][..]));
    assert!(login.next_steps("bob").is_none());
    // The password does not pass as a code.
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step");
    let (asked, outcome) = converse(&mut login, &["000000"]).await;
    assert_eq!((asked, outcome), (vec!["Authentication code: ".to_owned()], "refused"));
    // The password of one user does not count in the conversation of another.
    assert!(
        matches!(login.keyboard_interactive("bob").await, Step::Ask(round) if round.prompts[0].text == "Password: ")
    );
    let (_, outcome) = converse(&mut login, &[&code()]).await;
    assert_eq!(outcome, "accepted");
    // A code is accepted once.
    let mut login = world.login();
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step");
    assert_eq!(converse(&mut login, &[&code()]).await.1, "refused");
}

#[tokio::test]
async fn the_login_stays_one_by_password() {
    // The step that only asks for the code works even if its method is denied.
    let world = with(&[CODES, r#""denied_login_methods":["keyboard-interactive"]"#]).await;
    let mut login = world.login();
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step");
    let mut step = login.keyboard_interactive("alice").await;
    assert!(matches!(step, Step::Ask(_)));
    step = login.answers(vec![Secret::new(code())]).await;
    let Step::Done(Outcome::Accepted(authenticated)) = step else { panic!("refused") };
    assert_eq!(authenticated.method(), LoginMethod::Password);
}

#[tokio::test]
async fn restrictions_come_before_the_second_factor() {
    for more in
        [r#""denied_login_methods":["password"]"#, r#""denied_ip":["192.0.2.0/24"]"#, r#""denied_protocols":["SSH"]"#]
    {
        let world = with(&[CODES, more]).await;
        assert_eq!(world.password("pw").await, "refused", "{more}");
    }
}

#[tokio::test]
async fn hooks_vouch_for_the_first_factor_only() {
    // B4-02
    let filters = format!(r#","filters":{{{CODES}}}"#);
    for (verdict, expected) in [
        (ExternalAuthVerdict::Accept(None), "next step"),
        (ExternalAuthVerdict::Accept(Some(Box::new(draft("")))), "next step"),
        // The hook's answer cannot remove the codes.
        (
            ExternalAuthVerdict::Accept(Some(Box::new(draft(r#","filters":{"totp_config":{"enabled":false}}"#)))),
            "next step",
        ),
        (ExternalAuthVerdict::VerifyStored(None), "next step"),
        (ExternalAuthVerdict::Reject(Denial::new("no")), "refused"),
    ] {
        let world = world(Some(Ok(verdict.clone())));
        world.stored(&format!(r#","password":"$1$pw"{filters}"#)).await;
        let mut login = world.login();
        assert_eq!(name(login.password("alice", Secret::new("pw")).await), expected, "{verdict:?}");
        // Nothing is stored before the code.
        let stored = world.store.user("alice").await.unwrap();
        assert!(stored.filters.one_time_codes.is_some() && stored.password.is_some());
        if expected == "next step" {
            assert_eq!(converse(&mut login, &[&code()]).await.1, "accepted", "{verdict:?}");
            let stored = world.store.user("alice").await.unwrap();
            assert!(stored.filters.one_time_codes.is_some(), "{verdict:?}");
        }
    }
}

#[tokio::test]
async fn a_conversation_that_asked_for_no_code_is_followed_by_one() {
    // B4-02
    let world = with(&[CODES]).await;
    says(&world.hooks.keyboard_interactive, |_: &KeyboardInteractive| KeyboardInteractiveVerdict::Accept(None));
    let asked = vec!["Authentication code: ".to_owned()];
    assert_eq!(converse(&mut world.login(), &["000000"]).await, (asked.clone(), "refused"));
    assert_eq!(converse(&mut world.login(), &[&code()]).await, (asked, "accepted"));
}

#[tokio::test]
async fn a_key_does_where_no_rule_wants_more() {
    // B4-02
    let check = async |filters: &[&str], expected: &str| {
        let world = with(filters).await;
        let mut login = world.login();
        assert_eq!(name(login.public_key_verified("alice", &key()).await), expected, "{filters:?}");
        if expected == "next step" {
            assert_eq!(converse(&mut login, &["000000"]).await.1, "refused");
            assert_eq!(converse(&mut login, &[&code()]).await.1, "accepted");
        }
    };
    check(&[], "accepted").await;
    check(&[CODES], "accepted").await;
    check(&[CODES, RULE], "next step").await;
    // An account that needs codes and has none admits no login.
    check(&[RULE], "refused").await;
}

#[tokio::test]
async fn a_rule_wants_the_code_after_a_key_and_a_password() {
    // B4-02
    let denied = r#""denied_login_methods":["publickey","password","keyboard-interactive"]"#;
    let world = with(&[CODES, RULE, denied]).await;
    let mut login = world.login();
    assert_eq!(name(login.public_key_verified("alice", &key()).await), "next step");
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step");
    assert_eq!(login.next_steps("alice"), Some(&[LoginMethod::KeyboardInteractive][..]));
    let (asked, outcome) = converse(&mut login, &[&code()]).await;
    assert_eq!((asked, outcome), (vec!["Authentication code: ".to_owned()], "accepted"));
}

#[tokio::test]
async fn no_conversation_ends_well_without_the_code() {
    // B4-02: the first step, whether a hook asks its three questions, and whether a rule wants the code; then the
    // answers before the code, and how many rounds there are with it.
    let denied = r#""denied_login_methods":["publickey","password","keyboard-interactive","publickey+password"]"#;
    let of_hook = &["1", "2", "pw"][..];
    for (first, filters, has_hook, answers, rounds) in [
        ("none", &[CODES][..], false, &["pw"][..], 2),
        ("none", &[CODES, RULE], false, &["pw"], 2),
        ("none", &[CODES], true, of_hook, 4),
        ("none", &[CODES, RULE], true, of_hook, 4),
        ("key", &[CODES, denied], false, &[], 1),
        ("key", &[CODES, RULE, denied], false, &[], 1),
        ("key", &[CODES, RULE], false, &[], 1),
        ("key", &[CODES, denied], true, of_hook, 4),
        ("key", &[CODES, RULE, denied], true, of_hook, 4),
        ("key", &[CODES, RULE], true, of_hook, 4),
        // What was proved by the password, no hook asks again.
        ("password", &[CODES], false, &[], 1),
        ("password", &[CODES, RULE], false, &[], 1),
        ("password", &[CODES], true, &[], 1),
        ("password", &[CODES, RULE], true, &[], 1),
    ] {
        for (given, expected) in [("000000".to_owned(), "refused"), (code(), "accepted")] {
            let about = format!("{first} {filters:?} {has_hook} {expected}");
            let world = with(filters).await;
            if has_hook {
                let link =
                    Arc::new(Link::new(Arc::new(Asks) as Arc<dyn Hook<KeyboardInteractive>>, LinkSettings::default()));
                world.hooks.keyboard_interactive.replace(vec![link]);
            }
            let mut login = world.login();
            match first {
                "key" => {
                    assert_eq!(name(login.public_key_verified("alice", &key()).await), "next step", "{about}");
                }
                "password" => {
                    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step", "{about}");
                }
                _ => {}
            }
            let answers: Vec<_> = answers.iter().copied().chain([given.as_str()]).collect();
            let (asked, outcome) = converse(&mut login, &answers).await;
            assert_eq!((asked.len(), outcome), (rounds, expected), "{about}");
            assert_eq!(asked.last().map(String::as_str), Some("Authentication code: "), "{about}");
        }
    }
}

#[tokio::test]
async fn codes_of_parallel_conversations_share_one_brake() {
    // B4-02
    for (tries, expected) in [(4, "accepted"), (5, "refused")] {
        let world = with(&[CODES]).await;
        for _ in 0..tries {
            assert_eq!(converse(&mut world.login(), &["pw", "000000"]).await.1, "refused");
        }
        assert_eq!(converse(&mut world.login(), &["pw", &code()]).await.1, expected, "{tries}");
    }
}

/// Notified when a hook that answers nothing is asked.
static ASKED: Notify = Notify::const_new();

/// A session-create hook with that verdict.
struct Creates(&'static str);

#[async_trait::async_trait]
impl Hook<SessionCreate> for Creates {
    fn name(&self) -> &str {
        self.0
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", std::time::Duration::ZERO, "")
    }
    async fn call(&self, _: &Call, _: &SessionCreate) -> Result<Review, HookError> {
        match self.0 {
            "deny" => Ok(Review::Deny(Denial::new("no"))),
            "fail" => Err(HookError::Failed("broken".into())),
            "hang" => {
                ASKED.notify_one();
                std::future::pending().await
            }
            _ => Ok(Review::Allow),
        }
    }
}

/// The reasons that a session-destroy hook was told.
async fn destroyed(world: &World, links: &[&'static str], login: impl AsyncFnOnce(&World)) -> Vec<&'static str> {
    let links = links.iter().map(|says| {
        Arc::new(Link::new(Arc::new(Creates(says)) as Arc<dyn Hook<SessionCreate>>, LinkSettings::default()))
    });
    world.hooks.session_create.replace(links.collect());
    let told = Arc::new(Mutex::new(Vec::new()));
    let reasons = told.clone();
    says(world.hooks.session_destroy.chain(), move |event: &SessionDestroy| {
        reasons.lock().unwrap().push(event.reason.as_str());
    });
    login(world).await;
    world.hooks.session_destroy.close();
    world.hooks.session_destroy.work().await;
    std::mem::take(&mut told.lock().unwrap())
}

#[tokio::test]
async fn what_a_hook_created_is_destroyed_once() {
    // D-04
    let check = async |links: &[&'static str], expected: &[&str]| {
        let world = with(&[]).await;
        let reasons = destroyed(&world, links, async |world| {
            world.password("pw").await;
        })
        .await;
        assert_eq!(reasons, expected, "{links:?}");
    };
    check(&[], &["logout"]).await;
    check(&["allow"], &["logout"]).await;
    check(&["allow", "allow"], &["logout"]).await;
    check(&["deny"], &[]).await;
    check(&["fail"], &[]).await;
    check(&["allow", "deny"], &["error"]).await;
    check(&["allow", "fail"], &["error"]).await;
    check(&["allow", "allow", "deny"], &["error"]).await;
    check(&["deny", "allow"], &[]).await;
}

#[tokio::test]
async fn a_login_that_breaks_off_is_destroyed_too() {
    // D-04
    for links in [&["allow", "hang"][..], &["hang"]] {
        let world = with(&[]).await;
        let reasons = destroyed(&world, links, async |world| {
            let mut login = world.login();
            let mut attempt = Box::pin(login.password("alice", Secret::new("pw")));
            // The connection ends while the hook is asked.
            tokio::select! {
                _ = &mut attempt => panic!("the hook answered"),
                () = ASKED.notified() => {}
            }
        });
        assert_eq!(reasons.await, ["logout"], "{links:?}");
    }
}

#[tokio::test]
async fn an_account_that_changes_meanwhile_is_destroyed_too() {
    // D-04
    let world = with(&[]).await;
    let reasons = destroyed(&world, &["allow"], async |world| {
        let account = world.store.user("alice").await.unwrap();
        let mut login = world.login();
        // The account is disabled after the login has read it.
        says(&world.hooks.check_password, {
            let (store, sessions) = (world.store.clone(), world.service.sessions().clone());
            move |_: &CheckPassword| {
                let mut disabled = account.clone();
                disabled.enabled = false;
                store.put(&disabled);
                sessions.note_change("alice");
                CheckPasswordVerdict::Defer
            }
        });
        assert_eq!(name(login.password("alice", Secret::new("pw")).await), "refused");
    });
    assert_eq!(reasons.await, ["admin-closed"]);
}

/// A hook that may ask for the password, and notes whether it got it.
struct Wants(bool, Arc<Mutex<Vec<bool>>>);

macro_rules! wants {
    ($event:ty, |$about:ident| $session:expr, $verdict:expr) => {
        #[async_trait::async_trait]
        impl Hook<$event> for Wants {
            fn name(&self) -> &str {
                "wants"
            }
            fn adapter(&self) -> &'static str {
                "test"
            }
            fn needs_password(&self) -> bool {
                self.0
            }
            fn description(&self) -> HookDescription {
                HookDescription::new("", std::time::Duration::ZERO, "")
            }
            async fn call(&self, _: &Call, $about: &$event) -> Result<<$event as HookEvent>::Verdict, HookError> {
                self.1.lock().unwrap().push($session.password.get().is_some());
                Ok($verdict)
            }
        }
    };
}
wants!(SessionCreate, |event| event.0, Review::Allow);
wants!(SessionDestroy, |event| event.session, ());

#[tokio::test]
async fn the_password_is_kept_only_for_hooks_that_are_given_it() {
    // D-15
    let link = |wants: bool, seen: &Arc<Mutex<Vec<bool>>>| Arc::new(Wants(wants, seen.clone()));
    for (create, destroy, expected) in [
        (false, false, [false, false]),
        (true, false, [true, false]),
        (false, true, [true, true]),
        (true, true, [true, true]),
    ] {
        let world = with(&[]).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (create_link, destroy_link) = (link(create, &seen), link(destroy, &seen));
        world.hooks.session_create.replace(vec![Arc::new(Link::new(create_link, LinkSettings::default()))]);
        let links = vec![Arc::new(Link::new(destroy_link as Arc<dyn Hook<SessionDestroy>>, LinkSettings::default()))];
        world.hooks.session_destroy.chain().replace(links);
        assert_eq!(world.password("pw").await, "accepted");
        world.hooks.session_destroy.close();
        world.hooks.session_destroy.work().await;
        assert_eq!(*seen.lock().unwrap(), expected, "{create} {destroy}");
    }
}

#[tokio::test]
async fn what_a_hook_makes_with_the_first_step_is_stored_with_the_second() {
    // C6-07
    let denied = r#","filters":{"denied_login_methods":["publickey","password","keyboard-interactive"]}"#;
    for (is_known, second) in [(true, "password"), (false, "password"), (true, "conversation"), (false, "conversation")]
    {
        let world = world(None);
        if is_known {
            world.stored(&format!(r#","description":"before"{denied}"#)).await;
        }
        let makes = format!(r#","password":"$1$pw","description":"made"{denied}"#);
        says(&world.hooks.external_auth, move |event: &ExternalAuth| match event.0.credential {
            Credential::PublicKey(_) => ExternalAuthVerdict::Accept(Some(Box::new(draft(&makes)))),
            Credential::Password(_) | Credential::KeyboardInteractive => ExternalAuthVerdict::Defer,
        });
        let description = async || {
            let stored = world.store.user("alice").await;
            stored.map(|user| user.other["description"].as_str().unwrap().to_owned())
        };
        let before = is_known.then(|| "before".to_owned());
        let mut login = world.login();
        assert_eq!(name(login.public_key_verified("alice", &key()).await), "next step", "{is_known} {second}");
        assert_eq!(description().await, before, "{is_known} {second}");
        assert_eq!(name(login.password("alice", Secret::new("no")).await), "refused", "{is_known} {second}");
        assert_eq!(description().await, before, "{is_known} {second}");
        let outcome = match second {
            "password" => name(login.password("alice", Secret::new("pw")).await),
            _ => converse(&mut login, &["pw"]).await.1,
        };
        assert_eq!(outcome, "accepted", "{is_known} {second}");
        assert_eq!(description().await.as_deref(), Some("made"), "{is_known} {second}");
    }
}

#[tokio::test]
async fn what_is_changed_between_the_steps_is_followed() {
    let check = async |more: &str, expected: &str| {
        let world = with(&[CODES]).await;
        let mut login = world.login();
        assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step");
        world.stored(&format!(r#","password":"$1$pw","filters":{{{CODES}}}{more}"#)).await;
        world.service.sessions().note_change("alice");
        let (_, outcome) = converse(&mut login, &[&code()]).await;
        assert_eq!(outcome, expected, "{more}");
    };
    check("", "accepted").await;
    check(r#","status":0"#, "refused").await;
    check(r#","expiration_date":999999"#, "refused").await;
}
