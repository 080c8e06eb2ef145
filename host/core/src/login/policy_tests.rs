//! The rules of accounts hold for logins and for open sessions alike.

use std::time::Duration;

use super::factor_tests::code;
use super::hook_tests::CODES;
use super::tests::{World, draft, key, name, world};
use super::*;
use crate::account::CredentialRule;
use crate::metrics::Metrics;
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

/// Changes the account of an open session, which ends if `ends`; `login`: the outcome of a login after that.
async fn check(by: By, before: &str, after: &str, ends: bool, login: &str) {
    let world = world(None);
    world.stored(&more(before)).await;
    let Outcome::Accepted(session) = log_in(&world, by).await else { panic!("{before} by {by:?}") };
    let watch = SessionWatch {
        accounts: world.store.clone(),
        sessions: world.service.sessions().clone(),
        clock: world.service.ports.clock.clone(),
        metrics: Arc::new(Metrics::default()),
        address_rule: AddressRule::default(),
        idle_timeout: Some(Duration::from_secs(3600)),
        scans: None,
        external_auth_cache: None,
    };
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
