//! Logins with hooks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::tests::{name, world};
use super::*;
use crate::account::AccountDraft;
use crate::hook::check_password::CheckPassword;
use crate::hook::external_auth::ExternalAuthVerdict;
use crate::hook::keyboard_interactive::{KeyboardInteractive, KeyboardInteractiveVerdict, Prompt, Round};
use crate::hook::observation::SessionDestroy;
use crate::hook::pre_login::PreLogin;
use crate::hook::review::{LoginPre, SessionCreate};
use crate::hook::{Call, Chain, Denial, Hook, HookDescription, HookError, HookEvent, Link, LinkSettings};
use crate::public_key::PublicKey;

/// A hook that calls a function.
struct Says<E: HookEvent>(Function<E>);

type Function<E> = Box<dyn Fn(&E) -> <E as HookEvent>::Verdict + Send + Sync>;

#[async_trait]
impl<E: HookEvent> Hook<E> for Says<E> {
    fn name(&self) -> &str {
        "says"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "")
    }
    async fn call(&self, _: &Call, event: &E) -> Result<E::Verdict, HookError> {
        Ok((self.0)(event))
    }
}

pub(super) fn says<E: HookEvent>(chain: &Chain<E>, answer: impl Fn(&E) -> E::Verdict + Send + Sync + 'static) {
    says_with(LinkSettings::default(), chain, answer);
}

pub(super) fn says_with<E: HookEvent>(
    settings: LinkSettings,
    chain: &Chain<E>,
    answer: impl Fn(&E) -> E::Verdict + Send + Sync + 'static,
) {
    chain.replace(vec![Arc::new(Link::new(Arc::new(Says(Box::new(answer))), settings))]);
}

/// The text of each round, and the outcome of the login.
pub(super) async fn converse(login: &mut Login, answers: &[&str]) -> (Vec<String>, &'static str) {
    let mut step = login.keyboard_interactive("alice").await;
    let (mut asked, mut answers) = (Vec::new(), answers.iter());
    loop {
        match step {
            Step::Done(outcome) => return (asked, name(outcome)),
            Step::Ask(round) => {
                asked.push(round.prompts.iter().map(|prompt| prompt.text.as_str()).collect());
                let count = round.prompts.len();
                let given = answers.by_ref().take(count).map(|answer| Secret::new(*answer)).collect();
                step = login.answers(given).await;
            }
        }
    }
}

#[tokio::test]
async fn without_a_hook_the_password_is_asked_for() {
    // B4-02
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let asked = vec!["Password: ".to_owned()];
    let Step::Ask(round) = world.login().keyboard_interactive("alice").await else { panic!("nothing was asked") };
    let prompts = vec![Prompt { text: "Password: ".into(), echo: false }];
    assert_eq!(round, Round { instruction: String::new(), prompts });
    assert_eq!(converse(&mut world.login(), &["pw"]).await, (asked.clone(), "accepted"));
    assert_eq!(converse(&mut world.login(), &["no"]).await, (asked.clone(), "refused"));
    // A question that gets no answer.
    assert_eq!(converse(&mut world.login(), &[]).await, (asked, "refused"));
}

pub(super) const CODES: &str =
    r#""totp_config":{"enabled":true,"protocols":["SSH"],"secret":{"status":"Plain","payload":"GEZDGNBVGY3TQOJQ"}}"#;

#[tokio::test]
async fn an_account_with_one_time_codes_is_asked_for_one() {
    // B4-02
    let world = world(None);
    world.stored(&format!(r#","password":"$1$pw","filters":{{{CODES}}}"#)).await;
    let (asked, outcome) = converse(&mut world.login(), &["pw", "000000"]).await;
    assert_eq!((asked, outcome), (vec!["Password: ".to_owned(), "Authentication code: ".to_owned()], "refused"));
    let mut login = world.login();
    assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
    let Step::Ask(round) = login.answers(vec![Secret::new("pw")]).await else { panic!("no code was asked for") };
    let prompts = vec![Prompt { text: "Authentication code: ".into(), echo: false }];
    assert_eq!(round, Round { instruction: String::new(), prompts });
}

pub(super) struct Asks;

#[async_trait]
impl Hook<KeyboardInteractive> for Asks {
    fn name(&self) -> &str {
        "asks"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "")
    }
    async fn call(&self, _: &Call, event: &KeyboardInteractive) -> Result<KeyboardInteractiveVerdict, HookError> {
        let prompt = |text: &str| Prompt { text: text.to_owned(), echo: true };
        let ask = async |texts: &[&str]| {
            let prompts = texts.iter().map(|text| prompt(text)).collect();
            let answers = event.conversation.ask(Round { instruction: "i".into(), prompts }).await;
            answers.map_err(|error| HookError::Failed(error.to_string()))
        };
        let first = ask(&["one", "two"]).await?;
        ask(&[]).await?;
        let second = ask(&["password"]).await?;
        let is_password = event.conversation.verify_password(&second[0]).await;
        if first.iter().map(Secret::expose).collect::<Vec<_>>() == ["1", "2"] && is_password {
            Ok(KeyboardInteractiveVerdict::Accept(None))
        } else {
            Ok(KeyboardInteractiveVerdict::Reject(Denial::new("wrong")))
        }
    }
}

#[tokio::test]
async fn a_hook_converses_in_rounds() {
    // B1-02
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let link = || Arc::new(Link::new(Arc::new(Asks) as Arc<dyn Hook<KeyboardInteractive>>, LinkSettings::default()));
    world.hooks.keyboard_interactive.replace(vec![link()]);
    for (answers, expected) in [
        (&["1", "2", "pw"][..], "accepted"),
        (&["1", "3", "pw"], "refused"),
        (&["1", "2", "no"], "refused"),
        (&["1"], "refused"),
    ] {
        assert_eq!(converse(&mut world.login(), answers).await.1, expected, "{answers:?}");
    }
}

#[tokio::test]
async fn a_new_request_gives_the_conversation_up() {
    // A12-05, A14-07
    let world = world(None);
    let told = Arc::new(Mutex::new(Vec::new()));
    let outcomes = told.clone();
    says(world.hooks.post_login.chain(), move |event: &PostLogin| {
        let outcome = event.outcome.as_ref().map_or_else(Clone::clone, |_| "success".to_owned());
        outcomes.lock().unwrap().push(outcome);
    });
    world.stored(r#","password":"$1$pw""#).await;
    let mut login = world.login();
    assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
    assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
    assert!(matches!(login.answers(vec![Secret::new("pw")]).await, Step::Done(Outcome::Accepted(_))));
    assert!(matches!(login.answers(vec![Secret::new("pw")]).await, Step::Done(Outcome::Refused)));
    assert!(!login.give_up());
    // A client gives a conversation up by trying another method, or by leaving.
    let mut login = world.login();
    assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
    assert_eq!(name(login.password("alice", Secret::new("no")).await), "refused");
    assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
    assert!(login.give_up());
    drop(login);
    crate::hook::observers::ObserverWork::close(&*world.hooks.post_login);
    crate::hook::observers::ObserverWork::work(&*world.hooks.post_login).await;
    let gave_up = "the client gave the conversation up";
    let expected = [gave_up, "success", gave_up, "the password does not match", gave_up];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn two_steps_are_one_login_under_one_name() {
    // A4-06, A14-07, B12-04, J-08
    let world = world(None);
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    says(world.hooks.post_login.chain(), move |event: &PostLogin| {
        let method = event.attempt.as_ref().map_or("none", |attempt| attempt.method().as_str());
        seen.lock().unwrap().push((method, event.outcome.is_ok()));
    });
    let key = super::tests::key();
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHE+kC5XFCbR0go1J4PXNqJpFH0cWSlhbUnOep0ZIJC";
    let other = PublicKey::parse(other).unwrap();
    let denied = r#""denied_login_methods":["publickey","password","keyboard-interactive"]"#;
    let line = key.to_line();
    world.stored(&format!(r#","password":"$1$pw","public_keys":["{line}"],"filters":{{{denied}}}"#)).await;
    let mut login = world.login();
    // Observers do not get a key again that is offered again.
    for _ in 0..2 {
        assert_eq!(login.public_key_offered("alice", &other).await, Offer::Refused);
    }
    assert_eq!(login.public_key_offered("alice", &key).await, Offer::Acceptable);
    assert_eq!(name(login.public_key_verified("alice", &key).await), "next step");
    assert_eq!(name(login.password("alice", Secret::new("no")).await), "refused");
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "accepted");
    let mut login = world.login();
    assert_eq!(name(login.public_key_verified("alice", &key).await), "next step");
    assert_eq!(converse(&mut login, &["pw"]).await.1, "accepted");
    drop(login);
    crate::hook::observers::ObserverWork::close(&*world.hooks.post_login);
    crate::hook::observers::ObserverWork::work(&*world.hooks.post_login).await;
    let expected = [
        ("publickey", false),
        ("publickey+password", false),
        ("publickey+password", true),
        ("publickey+keyboard-interactive", true),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn unknown_users_meet_the_same_questions() {
    // A12-08
    let link = || Arc::new(Link::new(Arc::new(Asks) as Arc<dyn Hook<KeyboardInteractive>>, LinkSettings::default()));
    let mut seen = Vec::new();
    for is_known in [true, false] {
        for has_hook in [true, false] {
            let world = world(None);
            if is_known {
                world.stored(r#","password":"$1$pw""#).await;
            }
            if has_hook {
                world.hooks.keyboard_interactive.replace(vec![link()]);
            }
            let (asked, outcome) = converse(&mut world.login(), &["1", "2", "no"]).await;
            assert_eq!(outcome, "refused");
            seen.push((has_hook, asked, world.passwords.0.load(Ordering::Relaxed)));
        }
    }
    assert_eq!(seen[..2], seen[2..]);
}

#[tokio::test]
async fn nothing_that_a_hook_says_lets_an_unknown_user_in() {
    // A12-08
    let world = world(None);
    says(&world.hooks.keyboard_interactive, |_: &KeyboardInteractive| KeyboardInteractiveVerdict::Accept(None));
    assert_eq!(converse(&mut world.login(), &[]).await.1, "refused");
}

#[tokio::test]
async fn pre_login_hooks_are_asked_once() {
    // A13-09
    use crate::hook::pre_login::PreLoginVerdict;
    let asks = |verdict: &KeyboardInteractiveVerdict| matches!(verdict, KeyboardInteractiveVerdict::Defer);
    for is_known in [true, false] {
        for verdict in [KeyboardInteractiveVerdict::Defer, KeyboardInteractiveVerdict::Accept(None)] {
            let world = world(None);
            if is_known {
                world.stored(r#","password":"$1$pw""#).await;
            }
            let calls = Arc::new(AtomicUsize::new(0));
            let count = calls.clone();
            says(&world.hooks.pre_login, move |_: &PreLogin| {
                count.fetch_add(1, Ordering::Relaxed);
                PreLoginVerdict::Unchanged
            });
            let defers = asks(&verdict);
            says(&world.hooks.keyboard_interactive, move |_: &KeyboardInteractive| verdict.clone());
            let (_, outcome) = converse(&mut world.login(), &["pw"]).await;
            assert_eq!(outcome, if is_known { "accepted" } else { "refused" });
            assert_eq!(calls.load(Ordering::Relaxed), 1, "known {is_known}, defers {defers}");
        }
    }
}

#[tokio::test]
async fn one_of_two_hooks_is_for_an_attempt() {
    // A3-42, A13-09, A13-11, B9-01: the account's switches; whether external authentication defers, or is missing; and
    // whether pre-login is asked.
    use crate::hook::pre_login::PreLoginVerdict;
    for (has_external, switches, expected) in [
        (false, "{}", 1),
        (false, r#"{"pre_login_disabled":true}"#, 0),
        (false, r#"{"external_auth_disabled":true}"#, 1),
        (true, "{}", 1),
        (true, r#"{"external_auth_disabled":true}"#, 0),
        (true, r#"{"pre_login_disabled":true}"#, 0),
    ] {
        let world = world(has_external.then_some(Ok(ExternalAuthVerdict::Defer)));
        world.stored(&format!(r#","password":"$1$pw","filters":{{"hooks":{switches}}}"#)).await;
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        says(&world.hooks.pre_login, move |_: &PreLogin| {
            count.fetch_add(1, Ordering::Relaxed);
            PreLoginVerdict::Unchanged
        });
        assert_eq!(world.password("pw").await, "accepted");
        assert_eq!(calls.load(Ordering::Relaxed), expected, "{has_external} {switches}");
    }
    // A11-07: the scope, and what is asked about a password and about a key; 1 is for passwords, 2 for keys.
    let key = super::tests::key();
    for (scope, password, by_key) in
        [(0, (1, 0), (1, 0)), (1, (1, 0), (0, 1)), (2, (0, 1), (1, 0)), (4, (0, 1), (0, 1))]
    {
        for (is_by_key, expected) in [(false, password), (true, by_key)] {
            let answer = Ok(ExternalAuthVerdict::VerifyStored(None));
            let world = super::tests::world_with(Some(answer), crate::hook::external_auth::Scope::from_bits(scope));
            world.stored(&format!(r#","password":"$1$pw","public_keys":["{}"]"#, key.to_line())).await;
            let calls = Arc::new(AtomicUsize::new(0));
            let count = calls.clone();
            says(&world.hooks.pre_login, move |_: &PreLogin| {
                count.fetch_add(1, Ordering::Relaxed);
                PreLoginVerdict::Unchanged
            });
            let outcome = if is_by_key {
                name(world.login().public_key_verified("alice", &key).await)
            } else {
                world.password("pw").await
            };
            let asked = (world.hook.calls.load(Ordering::Relaxed), calls.load(Ordering::Relaxed));
            assert_eq!((outcome, asked), ("accepted", expected), "scope {scope}, by key: {is_by_key}");
        }
    }
}

#[tokio::test]
async fn pre_login_makes_and_changes_accounts() {
    // A13-05, A13-13, B3, B3-02, B3-04, C6-03, C6-04
    use crate::hook::pre_login::PreLoginVerdict;
    let patch = |json: &'static str| {
        move |event: &PreLogin| {
            let mut draft = event.account.as_ref().map(|account| AccountDraft::of(account.user())).unwrap_or_default();
            draft.merge_json(json).unwrap();
            PreLoginVerdict::Replace(Box::new(draft))
        }
    };
    let world = world(None);
    says(&world.hooks.pre_login, |_: &PreLogin| PreLoginVerdict::Unchanged);
    assert_eq!(world.password("pw").await, "refused");
    says(
        &world.hooks.pre_login,
        patch(r#"{"username":"alice","status":1,"home_dir":"/a","permissions":{"/":["*"]},"password":"pw"}"#),
    );
    assert_eq!(world.password("pw").await, "accepted");
    says(&world.hooks.pre_login, patch(r#"{"status":0}"#));
    assert_eq!(world.password("pw").await, "refused");
    let stored = world.store.user("alice").await.unwrap();
    assert!(!stored.enabled && stored.home_dir == "/a");
    says(&world.hooks.pre_login, patch(r#"{"status":1,"permissions":{"/in":["list"]}}"#));
    assert_eq!(world.password("pw").await, "accepted");
    assert_eq!(world.store.user("alice").await.unwrap().permissions.entries().count(), 2);
    // C6-05, A13-06: an answer that does not validate refuses the login.
    says(&world.hooks.pre_login, patch(r#"{"home_dir":"relative"}"#));
    assert_eq!(world.password("pw").await, "refused");
    says(&world.hooks.pre_login, |_: &PreLogin| PreLoginVerdict::Deny(Denial::new("no")));
    assert_eq!(world.password("pw").await, "refused");
}

struct Broken;

#[async_trait]
impl Hook<PreLogin> for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "")
    }
    async fn call(&self, _: &Call, _: &PreLogin) -> Result<crate::hook::pre_login::PreLoginVerdict, HookError> {
        Err(HookError::Failed("broken".into()))
    }
}

#[tokio::test]
async fn a_pre_login_hook_that_fails_refuses() {
    // A13-06
    let (world, key) = (world(None), super::tests::key());
    world.stored(&format!(r#","password":"$1$pw","public_keys":["{}"]"#, key.to_line())).await;
    let check = async |expected: &str| {
        assert_eq!(world.password("pw").await, expected);
        assert_eq!(name(world.login().public_key_verified("alice", &key).await), expected);
        assert_eq!(converse(&mut world.login(), &["pw"]).await.1, expected);
    };
    check("accepted").await;
    world.hooks.pre_login.replace(vec![Arc::new(Link::new(Arc::new(Broken), LinkSettings::default()))]);
    check("refused").await;
}

#[tokio::test]
async fn password_checks_come_before_the_comparison() {
    // B5-01, B5-03, B5-06, B9-01
    use crate::hook::check_password::CheckPasswordVerdict as Verdict;
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let check = async |verdict: Verdict, password: &str, expected: &str| {
        says(&world.hooks.check_password, move |_: &CheckPassword| verdict.clone());
        assert_eq!(world.password(password).await, expected);
    };
    check(Verdict::Defer, "pw", "accepted").await;
    check(Verdict::Defer, "no", "refused").await;
    check(Verdict::Accept, "no", "accepted").await;
    check(Verdict::Verify(Secret::new("pw")), "pw123456", "accepted").await;
    check(Verdict::Verify(Secret::new("no")), "pw", "refused").await;
    check(Verdict::Deny(Denial::new("no")), "pw", "refused").await;
    // The account's switch, and a key, leave the hooks out.
    let key = super::tests::key();
    let keys = format!(r#","public_keys":["{}"]"#, key.to_line());
    for (more, password) in [
        (keys.clone(), "refused"),
        (format!(r#"{keys},"filters":{{"hooks":{{"check_password_disabled":true}}}}"#), "accepted"),
    ] {
        let other = super::tests::world(None);
        other.stored(&format!(r#","password":"$1$pw"{more}"#)).await;
        says(&other.hooks.check_password, |_: &CheckPassword| Verdict::Deny(Denial::new("no")));
        assert_eq!(other.password("pw").await, password, "{more}");
        assert_eq!(other.password("no").await, "refused", "{more}");
        assert_eq!(name(other.login().public_key_verified("alice", &key).await), "accepted", "{more}");
    }
}

#[tokio::test]
async fn reviews_refuse_before_and_after() {
    // D-01, D-05
    use crate::hook::review::Review;
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    says(&world.hooks.login_pre, |event: &LoginPre| match event.0.number {
        1 => Review::Deny(Denial::new("not yet")),
        _ => Review::Allow,
    });
    let mut login = world.login();
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "refused");
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "accepted");
    says(&world.hooks.login_pre, |_: &LoginPre| Review::Allow);
    says(&world.hooks.session_create, |_: &SessionCreate| Review::Deny(Denial::new("no")));
    assert_eq!(world.password("pw").await, "refused");
}

#[tokio::test]
async fn every_session_is_destroyed_once() {
    // D-04
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let destroyed = Arc::new(AtomicUsize::new(0));
    let count = destroyed.clone();
    says(world.hooks.session_destroy.chain(), move |_: &SessionDestroy| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    for password in ["pw", "no", "pw"] {
        world.password(password).await;
    }
    crate::hook::observers::ObserverWork::close(&*world.hooks.session_destroy);
    crate::hook::observers::ObserverWork::work(&*world.hooks.session_destroy).await;
    assert_eq!(destroyed.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_code_as_the_second_step_asks_the_hooks_as_well() {
    // B2-06
    let world = world(Some(Ok(ExternalAuthVerdict::Defer)));
    let key = super::tests::key();
    let line = key.to_line();
    let denied = r#""denied_login_methods":["publickey","password","keyboard-interactive"]"#;
    world.stored(&format!(r#","password":"$1$pw","public_keys":["{line}"],"filters":{{{denied},{CODES}}}"#)).await;
    let mut login = world.login();
    assert_eq!(name(login.public_key_verified("alice", &key).await), "next step");
    let (asked, outcome) = converse(&mut login, &["000000"]).await;
    assert_eq!((asked, outcome), (vec!["Authentication code: ".to_owned()], "refused"));
    assert_eq!(world.hook.calls.load(Ordering::Relaxed), 2);
}
