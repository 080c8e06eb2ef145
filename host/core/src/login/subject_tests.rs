//! Which account a conversation is about, and which hook asks the questions.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::hook_tests::{converse, says, says_with};
use super::tests::{draft, world};
use super::*;
use crate::hook::Denial;
use crate::hook::external_auth::ExternalAuthVerdict;
use crate::hook::keyboard_interactive::{KeyboardInteractive, KeyboardInteractiveVerdict};

#[tokio::test]
async fn the_account_of_external_authentication_is_asked_about() {
    // A12-07: whether it is stored or not.
    for is_known in [true, false] {
        let answer = draft(r#","max_sessions":7"#);
        let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(answer))))));
        if is_known {
            world.stored(r#","password":"$1$pw","max_sessions":3"#).await;
        }
        let seen = Arc::new(Mutex::new(None));
        let about = seen.clone();
        let hook = world.hook.clone();
        says(&world.hooks.keyboard_interactive, move |event: &KeyboardInteractive| {
            let sessions = event.account.as_ref().map(|account| account.max_sessions);
            *about.lock().unwrap() = sessions.zip(Some(hook.calls.load(Ordering::Relaxed)));
            KeyboardInteractiveVerdict::Accept(None)
        });
        assert_eq!(converse(&mut world.login(), &[]).await.1, "accepted", "{is_known}");
        assert_eq!(*seen.lock().unwrap(), Some((7, 1)), "the account of the answer, and after it: {is_known}");
        assert_eq!(world.store.user("alice").await.unwrap().max_sessions, 7, "{is_known}");
    }
}

#[tokio::test]
async fn the_switch_of_an_account_leaves_the_questions_to_the_server() {
    // B4-07
    for (switches, expected) in [("{}", vec![]), (r#"{"external_auth_disabled":true}"#, vec!["Password: ".to_owned()])]
    {
        let world = world(None);
        world.stored(&format!(r#","password":"$1$pw","filters":{{"hooks":{switches}}}"#)).await;
        says(&world.hooks.keyboard_interactive, |_: &KeyboardInteractive| KeyboardInteractiveVerdict::Accept(None));
        assert_eq!(converse(&mut world.login(), &["pw"]).await, (expected, "accepted"), "{switches}");
    }
}

#[tokio::test]
async fn password_checks_come_after_the_conditions_and_after_external_authentication() {
    // B5-01
    use crate::hook::check_password::{CheckPassword, CheckPasswordVerdict};
    let accepted = || Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))));
    for (is_vouched, more, verdict, outcome, asked) in [
        (false, "", CheckPasswordVerdict::Accept, "accepted", 1),
        (false, r#","status":0"#, CheckPasswordVerdict::Accept, "refused", 0),
        (false, r#","expiration_date":1"#, CheckPasswordVerdict::Accept, "refused", 0),
        (true, "", CheckPasswordVerdict::Defer, "accepted", 1),
        (true, "", CheckPasswordVerdict::Deny(Denial::new("no")), "refused", 1),
    ] {
        let world = world(is_vouched.then(accepted));
        world.stored(&format!(r#","password":"$1$pw"{more}"#)).await;
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        says(&world.hooks.check_password, move |_: &CheckPassword| {
            count.fetch_add(1, Ordering::Relaxed);
            verdict.clone()
        });
        assert_eq!(world.password("pw").await, outcome, "{is_vouched} {more}");
        assert_eq!(calls.load(Ordering::Relaxed), asked, "{is_vouched} {more}");
    }
}

#[tokio::test]
async fn hooks_are_selected_by_the_groups_of_the_account_that_logs_in() {
    // B5-01, G-08: they may be those that another hook has just given it.
    use crate::hook::check_password::{CheckPassword, CheckPasswordVerdict};
    use crate::hook::observation::PostLogin;
    use crate::hook::observers::ObserverWork;
    use crate::hook::{LinkSettings, Selector};
    use crate::ports::{Change, Directory, GROUPS, Write};
    for (stored, made, asked) in [
        (None, r#","groups":[{"name":"staff","type":3}]"#, 1),
        (None, "", 0),
        (Some(""), r#","groups":[{"name":"staff","type":3}]"#, 1),
        (Some(r#","groups":[{"name":"staff","type":3}]"#), "", 0),
    ] {
        let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft(made)))))));
        let (name, write) = ("staff".to_owned(), Write::Add(serde_json::Map::new()));
        let group = Change { collection: &GROUPS, name, write, announce: false, audit: None };
        world.store.commit(vec![group]).await.unwrap();
        if let Some(stored) = stored {
            world.stored(stored).await;
        }
        let of_staff = || {
            let selector = Selector { groups: vec!["staff".to_owned()], ..Selector::default() };
            LinkSettings { selector, ..LinkSettings::default() }
        };
        let [before, after] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let (checked, told) = (before.clone(), after.clone());
        says_with(of_staff(), &world.hooks.check_password, move |_: &CheckPassword| {
            checked.fetch_add(1, Ordering::Relaxed);
            CheckPasswordVerdict::Defer
        });
        says_with(of_staff(), world.hooks.post_login.chain(), move |_: &PostLogin| {
            told.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(world.password("pw").await, "accepted", "{stored:?} {made}");
        world.hooks.post_login.close();
        world.hooks.post_login.work().await;
        let counts = [before, after].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts, [asked; 2], "{stored:?} {made}");
    }
}

#[tokio::test]
async fn a_switch_of_the_primary_group_keeps_a_hook_out() {
    // B9-01: how often external authentication, pre-login and check-password hooks are asked.
    use crate::hook::check_password::{CheckPassword, CheckPasswordVerdict};
    use crate::hook::pre_login::{PreLogin, PreLoginVerdict};
    use crate::ports::{Change, Directory, GROUPS, Write};
    for (switch, is_off, expected) in [
        ("external_auth_disabled", false, [1, 1, 1]),
        ("external_auth_disabled", true, [0, 0, 1]),
        ("pre_login_disabled", true, [1, 0, 1]),
        ("check_password_disabled", true, [1, 1, 0]),
    ] {
        let world = world(Some(Ok(ExternalAuthVerdict::Defer)));
        let group = serde_json::json!({"user_settings": {"filters": {"hooks": {switch: is_off}}}});
        let (name, write) = ("staff".to_owned(), Write::Add(group.as_object().unwrap().clone()));
        let group = Change { collection: &GROUPS, name, write, announce: false, audit: None };
        world.store.commit(vec![group]).await.unwrap();
        world.stored(r#","password":"$1$pw","groups":[{"name":"staff","type":1}]"#).await;
        let [before, checked] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let (asked, compared) = (before.clone(), checked.clone());
        says(&world.hooks.pre_login, move |_: &PreLogin| {
            asked.fetch_add(1, Ordering::Relaxed);
            PreLoginVerdict::Unchanged
        });
        says(&world.hooks.check_password, move |_: &CheckPassword| {
            compared.fetch_add(1, Ordering::Relaxed);
            CheckPasswordVerdict::Defer
        });
        assert_eq!(world.password("pw").await, "accepted", "{switch} {is_off}");
        let calls = [&world.hook.calls, &*before, &*checked].map(|calls| calls.load(Ordering::Relaxed));
        assert_eq!(calls, expected, "{switch} {is_off}");
    }
}
