//! What `login-pre` hooks are asked about at the doors over HTTP.

use std::sync::Arc;

use serde_json::json;

use super::user_tests::map;
use super::web_session_tests::{House, client, house_asking};
use super::*;
use crate::memory::MemoryStore;
use crate::ports::{AuditQuery, Door};
use crate::secret::Secret;

#[tokio::test]
async fn login_pre_hooks_are_asked_before_passwords() {
    // D-05, D-06
    let house = House::new();
    house.admin("ann").await;
    let rest = client(Door::Rest);
    for password in ["pw", "no"] {
        let outcome = house.authentication.basic("ann", &Secret::new(password), None, &rest).await;
        assert_eq!(outcome.is_ok(), password == "pw", "{password}");
    }
    assert_eq!(*house.witness.0.lock().unwrap(), ["login-pre ann https://portal/ password 1 Firefox"; 2]);
    for _ in 0..20 {
        let _ = house.authentication.basic("ann", &Secret::new("no"), None, &rest).await;
    }
    assert!(house.defender.refuses("192.0.2.2".parse().unwrap()));
}

#[tokio::test]
async fn login_pre_hooks_are_asked_about_requests_where_that_is_wanted() {
    // D-05
    for (scope, asked) in [(LoginPreScope::Logins, 0), (LoginPreScope::All, 1)] {
        let house = house_asking(&Arc::new(MemoryStore::default()), scope);
        house.admin("ann").await;
        house.user("alice", json!({})).await;
        house.user("none-may", json!({})).await;
        let (rest, web) = (client(Door::Rest), client(Door::Web));
        let lines = || {
            let seen = std::mem::take(&mut *house.witness.0.lock().unwrap());
            let asked = seen.into_iter().filter_map(|line| Some(line.strip_prefix("login-pre ")?.to_owned()));
            asked.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let actor = house.authentication.basic("ann", &Secret::new("pw"), None, &rest).await.unwrap();
        let token = house.authentication.issue_token(&actor).await.unwrap().text;
        let browser = house.log_in("ann").await.unwrap();
        assert_eq!(lines(), ["ann", "ann"]);
        for _ in 0..2 {
            assert!(house.authentication.token(token.expose(), &rest).await.is_ok());
        }
        assert_eq!(lines(), vec!["ann"; 2 * asked]);
        assert!(house.authentication.token(browser.expose(), &web).await.is_ok());
        assert!(lines().is_empty(), "a browser's log-in was asked about");
        let key = house.keys.add(&house.root, &map(json!({"name": "nightly"}))).await.unwrap();
        let use_key = async || house.authentication.api_key(key.text.expose(), &rest).await;
        let name = use_key().await.unwrap().author.name;
        assert_eq!(lines(), vec![name; asked]);
        // A link is a log-in of its user; a use that a hook denies is none.
        let link = house.link(LinkWish::default()).await;
        let user = house.redeem(&link).await.unwrap();
        assert_eq!(lines(), ["alice"]);
        assert!(house.user_sessions.of_token(user.expose(), &rest).await.is_ok());
        assert_eq!(lines(), vec!["alice"; asked]);
        let denied = house.links.add(&house.root, "none-may", LinkWish::default()).await.unwrap().text;
        for _ in 0..2 {
            assert_eq!(house.redeem(&denied).await, Err(AuthenticationError::Denied));
        }
        assert_eq!(lines(), ["none-may"; 2]);
        assert_eq!(house.links.list(&house.root, "none-may").await.unwrap()[0].uses, 0);
        // What no store knows is asked about by no name.
        assert_eq!(house.authentication.api_key("tg_none", &rest).await, Err(AuthenticationError::Denied));
        assert!(lines().is_empty());
    }
}

#[tokio::test]
async fn the_record_of_a_denied_login_says_why() {
    let house = House::new();
    house.admin("ann").await;
    for (name, more) in [("off", json!({"status": 0})), ("near", json!({"filters": {"allow_list": ["10.0.0.0/8"]}}))] {
        let mut document = map(json!({"username": name, "password": "pw", "permissions": ["*"]}));
        document.extend(map(more));
        house.admins.add(&house.root, &document, None).await.unwrap();
    }
    let check = async |name: &str, password: &str, expected: &str| {
        let denied = house.authentication.basic(name, &Secret::new(password), None, &client(Door::Rest)).await;
        assert_eq!(denied.err(), Some(AuthenticationError::Denied), "{name}");
        let query = AuditQuery { actions: vec!["login".to_owned()], limit: 1, ..AuditQuery::default() };
        let newest = house.audit.list(&house.root, query).await.unwrap().remove(0).record;
        assert_eq!((newest.name.as_str(), newest.detail.as_str()), (name, expected));
    };
    check("ann", "wrong", "the password is wrong").await;
    check("nobody", "pw", "there is no such administrator, or it is not valid").await;
    check("off", "pw", "the administrator is disabled").await;
    check("near", "pw", "the administrator may not come from that address").await;
    check("none-may", "pw", "the hook witness refused: no").await;
    check("nul\0", "pw", "the name or the password is too long or has a character that none may have").await;
}

#[tokio::test]
async fn names_and_passwords_that_no_program_can_be_given_are_denied_and_score() {
    // A11-03, B14-06
    let (nul, long) = ("ann\0", "x".repeat(1 << 17));
    for (username, password) in [(nul, "pw"), ("ann", "p\0w"), (&*long, "pw"), ("ann", &*long)] {
        let house = House::new();
        house.admin("ann").await;
        let mut tries = 0;
        while !house.defender.refuses("192.0.2.2".parse().unwrap()) && tries < 20 {
            let outcome = house.authentication.basic(username, &Secret::new(password), None, &client(Door::Rest)).await;
            assert_eq!(outcome.err(), Some(AuthenticationError::Denied), "{username:.9?} {password:.9?}");
            tries += 1;
        }
        assert_eq!(tries, 8, "{username:.9?} {password:.9?}");
        assert!(house.witness.0.lock().unwrap().is_empty(), "no hook is asked about it");
    }
    let house = House::new();
    let refused = async |document: serde_json::Value| {
        house
            .admins
            .add(&house.root, &map(document), None)
            .await
            .err()
            .and_then(|error| error.field().map(str::to_owned))
    };
    let field = refused(json!({"username": "ann", "password": "p\0w", "permissions": ["*"]})).await;
    assert_eq!(field.as_deref(), Some("password"), "no log-in could use it");
}
