//! The rules of accounts hold for logins and for open sessions alike.

use std::time::Duration;

use super::factor_tests::code;
use super::hook_tests::{CODES, converse, says};
use super::tests::{World, draft, key, name, world};
use super::*;
use crate::account::CredentialRule;
use crate::hook::check_password::{CheckPassword, CheckPasswordVerdict};
use crate::metrics::Metrics;
use crate::ports::{Change, Collection, Directory as _, FOLDERS, GROUPS, Write};
use crate::session::{EndReason, SessionWatch};

const DEMANDED: &str = r#""two_factor_protocols":["SSH"]"#;

/// A patch that gives the account a password and a key, too.
fn more(patch: &str) -> String {
    format!(r#","password":"$1$pw","public_keys":["{}"]{patch}"#, key().to_line())
}

#[derive(Debug, Clone, Copy)]
enum By {
    Password,
    Key,
    PasswordAndCode,
}

async fn log_in(world: &World, by: By) -> Outcome {
    let mut login = world.login();
    match by {
        By::Password => login.password("alice", Secret::new("pw")).await,
        By::Key => login.public_key_verified("alice", &key()).await,
        By::PasswordAndCode => {
            login.password("alice", Secret::new("pw")).await;
            assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
            match login.answers(vec![Secret::new(code())]).await {
                Step::Done(outcome) => outcome,
                Step::Ask(round) => panic!("{round:?}"),
            }
        }
    }
}

fn watch(world: &World) -> SessionWatch {
    SessionWatch {
        accounts: world.store.clone(),
        sessions: world.service.sessions().clone(),
        clock: world.service.ports.clock.clone(),
        metrics: Arc::new(Metrics::default()),
        address_rule: AddressRule::default(),
        idle_timeout: Some(Duration::from_secs(3600)),
        scans: None,
        external_auth_cache: None,
    }
}

/// Changes the account of an open session, which ends if `ends`; `login`: the outcome of a login after that.
async fn check(by: By, before: &str, after: &str, ends: bool, login: &str) {
    let world = world(None);
    world.stored(&more(before)).await;
    let Outcome::Accepted(session) = log_in(&world, by).await else { panic!("{before} by {by:?}") };
    let watch = watch(&world);
    let begin = watch.begin().await.unwrap();
    world.store.put(&draft(&more(after)).validate(CredentialRule::Optional).unwrap().account);
    watch.look_at(&watch.accounts.wait_for_changes(&begin).await.unwrap(), Default::default()).await;
    let ended = session.session().live.end_reason();
    assert_eq!(ended, ends.then_some(EndReason::AdminClosed), "{after} by {by:?}");
    drop(session);
    if !matches!(by, By::PasswordAndCode) {
        assert_eq!(name(log_in(&world, by).await), login, "{after} by {by:?}");
    }
}

#[tokio::test]
async fn each_rule_refuses_logins_and_ends_sessions() {
    // C3-01
    let filters = |filters: &str| format!(r#","filters":{{{filters}}}"#);
    // The test's clock shows a Thursday.
    let fridays = filters(r#""access_time":[{"day_of_week":5,"from":"00:00","to":"23:59"}]"#);
    for by in [By::Password, By::Key] {
        for (rule, after) in [
            (AccountRule::Enabled, r#","status":0"#.to_owned()),
            (AccountRule::NotExpired, r#","expiration_date":999999"#.to_owned()),
            (AccountRule::Hours, fridays.clone()),
            (AccountRule::PasswordAge, filters(r#""require_password_change":true"#)),
            (AccountRule::PasswordAge, filters(r#""password_expiration":1"#)),
            (AccountRule::Ssh, filters(r#""denied_protocols":["SSH"]"#)),
            (AccountRule::Method, filters(r#""denied_login_methods":["password","publickey"]"#)),
            (AccountRule::HasCodes, filters(DEMANDED)),
            (AccountRule::Address, filters(r#""denied_ip":["192.0.2.0/24"]"#)),
        ] {
            assert!(AccountRule::ALL.contains(&rule));
            check(by, "", &after, true, "refused").await;
        }
        check(by, "", r#","max_sessions":2"#, false, "accepted").await;
    }
}

#[tokio::test]
async fn sessions_end_where_they_are_concerned() {
    let filters = |filters: &[&str]| format!(r#","filters":{{{}}}"#, filters.join(","));
    check(By::Key, "", &filters(&[r#""denied_login_methods":["password"]"#]), false, "accepted").await;
    check(By::Password, "", &filters(&[r#""denied_login_methods":["publickey"]"#]), false, "accepted").await;
    // After a password, a code is needed if the account has codes; after a key, only if a rule demands it.
    check(By::Password, "", &filters(&[CODES]), true, "next step").await;
    check(By::Key, "", &filters(&[CODES]), false, "accepted").await;
    check(By::Key, "", &filters(&[CODES, DEMANDED]), true, "next step").await;
    check(By::PasswordAndCode, &filters(&[CODES]), &filters(&[CODES, DEMANDED]), false, "").await;
}

#[tokio::test]
async fn groups_and_folders_that_change_between_the_steps_are_followed() {
    // B9-04
    let document = |json: &str| serde_json::from_str(json).unwrap();
    let check = async |settings: &str, home: &str, expected: &str| {
        let world = world(None);
        let put = async |collection: &'static Collection, name: &str, write: Write| {
            let change = Change { collection, name: name.to_owned(), write, announce: true, audit: None };
            world.store.commit(vec![change]).await.unwrap()[0]
        };
        let group = put(&GROUPS, "g", Write::Add(document(r#"{"user_settings":{}}"#))).await;
        let folder = put(&FOLDERS, "f", Write::Add(document(r#"{"mapped_path":"/srv/f"}"#))).await;
        let has = r#""groups":[{"name":"g","type":1}]"#;
        let folders = r#""virtual_folders":[{"name":"f","mapped_path":"/srv/f","virtual_path":"/f"}]"#;
        world.stored(&more(&format!(r#",{has},{folders},"filters":{{{CODES}}}"#))).await;
        let watch = watch(&world);
        let begin = watch.begin().await.unwrap();
        let mut login = world.login();
        assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step");
        let replacing = |json: &str, expected| Write::Replace { document: document(json), expected, reset: Vec::new() };
        put(&GROUPS, "g", replacing(&format!(r#"{{"user_settings":{settings}}}"#), group)).await;
        put(&FOLDERS, "f", replacing(&format!(r#"{{"mapped_path":"{home}"}}"#), folder)).await;
        watch.look_at(&watch.accounts.wait_for_changes(&begin).await.unwrap(), Default::default()).await;
        assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
        let Step::Done(outcome) = login.answers(vec![Secret::new(code())]).await else { panic!("{settings}") };
        if let Outcome::Accepted(session) = &outcome {
            let account = session.session().live.account();
            assert_eq!(account.folders.iter().map(|folder| folder.mapped_path.as_str()).collect::<Vec<_>>(), [home]);
            assert_eq!(account.upload_bandwidth, 7, "{settings}");
        }
        assert_eq!(name(outcome), expected, "{settings}");
    };
    check(r#"{"upload_bandwidth":7}"#, "/srv/f", "accepted").await;
    check(r#"{"upload_bandwidth":7}"#, "/srv/moved", "accepted").await;
    check(r#"{"filters":{"denied_protocols":["SSH"]}}"#, "/srv/f", "refused").await;
    check(r#"{"filters":{"denied_ip":["192.0.2.0/24"]}}"#, "/srv/f", "refused").await;
}

#[tokio::test]
async fn an_account_that_takes_the_name_meanwhile_is_another_one() {
    use futures_util::FutureExt as _;
    for is_another in [false, true] {
        let world = world(None);
        world.stored(&more("")).await;
        let account = world.store.user("alice").await.unwrap();
        let (store, sessions) = (world.store.clone(), world.service.sessions().clone());
        // After the login has read the account.
        says(&world.hooks.check_password, move |_: &CheckPassword| {
            if is_another {
                store.remove("alice").now_or_never().unwrap();
            }
            store.put(&account);
            sessions.note_change("alice");
            CheckPasswordVerdict::Defer
        });
        let (_, outcome) = converse(&mut world.login(), &["pw"]).await;
        assert_eq!(outcome, if is_another { "refused" } else { "accepted" }, "{is_another}");
    }
}
