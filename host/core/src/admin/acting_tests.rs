//! How long administrators and keys act as users.

use serde_json::json;

use super::user_tests::map;
use super::web_session_tests::{House, client};
use super::*;
use crate::ports::{Door, PageRequest};
use crate::secret::Secret;

#[tokio::test]
async fn a_user_is_acted_for_only_as_long_as_the_administrator_may() {
    // D-13
    let rest = client(Door::Rest);
    let changes =
        [json!({"status": 0}), json!({"permissions": ["view_users"]}), json!({"password": "another"}), json!(null)];
    for change in changes {
        let house = House::new();
        house.admin("ann").await;
        house.user("alice", json!({})).await;
        let actor = house.authentication.basic("ann", &Secret::new("pw"), None, &rest).await.unwrap();
        let token = house.user_sessions.impersonate(&actor, "alice", &rest).await.unwrap().text;
        let by_owner = house.user_sessions.impersonate(&house.root, "alice", &rest).await.unwrap().text;
        let user = house.user_sessions.of_token(token.expose(), &rest).await.unwrap();
        assert_eq!(user.impersonator, "ann");
        match change.as_object() {
            Some(patch) => {
                let patch = DocumentChange::Fields { patches: vec![patch.clone()], replaced: Vec::new() };
                house.admins.update(&house.root, "ann", &patch, None).await.unwrap();
            }
            None => house.admins.delete(&house.root, "ann").await.unwrap(),
        }
        let denied = house.user_sessions.of_token(token.expose(), &rest).await;
        assert!(matches!(denied, Err(AuthenticationError::Denied)), "{change}");
        assert!(house.user_sessions.of_token(by_owner.expose(), &rest).await.is_ok(), "{change}");
        // Hooks are told that it has ended.
        let seen = house.seen().await;
        let ends: Vec<_> = seen.iter().filter(|line| line.starts_with("destroy")).collect();
        assert!(ends.len() == 1 && ends[0].contains("ann|alice") && ends[0].ends_with("admin-closed"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_user_is_acted_for_only_as_long_as_the_key_is_good() {
    // D-09, D-13
    let house = House::new();
    house.user("alice", json!({})).await;
    let rest = client(Door::Rest);
    let key = house.keys.add(&house.root, &map(json!({"name": "portal"}))).await.unwrap();
    let actor = house.authentication.api_key(key.text.expose(), &rest).await.unwrap();
    let token = house.user_sessions.impersonate(&actor, "alice", &rest).await.unwrap().text;
    assert!(house.user_sessions.of_token(token.expose(), &rest).await.is_ok());
    house.keys.delete(&house.root, "portal").await.unwrap();
    assert!(matches!(house.user_sessions.of_token(token.expose(), &rest).await, Err(AuthenticationError::Denied)));
}

#[tokio::test]
async fn nothing_of_a_disabled_administrator_comes_back_but_its_keys() {
    // A18-17, D-08, D-13
    let (rest, web) = (client(Door::Rest), client(Door::Web));
    let house = House::new();
    house.admin("ann").await;
    house.user("alice", json!({})).await;
    let key = house.keys.add(&house.root, &map(json!({"name": "portal", "admin": "ann"}))).await.unwrap().text;
    let by_key = async || house.authentication.api_key(key.expose(), &rest).await;
    // It is disabled and enabled within the same millisecond, and again.
    for round in 0..3 {
        let ann = house.authentication.basic("ann", &Secret::new("pw"), None, &rest).await.unwrap();
        let token = house.authentication.issue_token(&ann).await.unwrap().text;
        let session = house.log_in("ann").await.unwrap();
        let (mut acting, mut links) = (Vec::new(), Vec::new());
        for actor in [ann, by_key().await.unwrap()] {
            acting.push(house.user_sessions.impersonate(&actor, "alice", &rest).await.unwrap().text);
            links.push(house.links.add(&actor, "alice", LinkWish::default()).await.unwrap().text);
            links.push(house.links.add_for_portal(&actor, "alice", "webmail").await.unwrap().text);
        }
        let good = async || {
            let mut good = vec![
                house.authentication.token(token.expose(), &rest).await.is_ok(),
                house.authentication.token(session.expose(), &web).await.is_ok(),
            ];
            for token in &acting {
                good.push(house.user_sessions.of_token(token.expose(), &rest).await.is_ok());
            }
            good
        };
        assert_eq!(good().await, [true; 4], "round {round}");
        assert_eq!(house.links.list(&house.root, "alice").await.unwrap().len(), 4, "round {round}");
        for status in [0, 1] {
            let patch =
                DocumentChange::Fields { patches: vec![map(json!({ "status": status }))], replaced: Vec::new() };
            house.admins.update(&house.root, "ann", &patch, None).await.unwrap();
            assert_eq!(good().await, [false; 4], "round {round}, status {status}");
            assert!(house.links.list(&house.root, "alice").await.unwrap().is_empty(), "round {round}");
            assert_eq!(by_key().await.is_ok(), status == 1, "a key is what its administrator is at that moment");
        }
        for link in &links {
            assert_eq!(house.redeem(link).await, Err(AuthenticationError::Denied), "round {round}");
        }
    }
}

/// What becomes of an administrator.
#[derive(Debug)]
enum Fate {
    OwnPassword,
    Changed(serde_json::Value),
    Codes,
    Disabled,
    Deleted,
}

#[tokio::test]
async fn what_an_administrator_began_ends_with_its_tokens() {
    // A18-17, D-08, D-11, D-13: whether its token, a session in which it acts, its link and its one-click link are good, and
    // whether the session goes on that a user has from a link.
    let rest = client(Door::Rest);
    for (fate, expected) in [
        (Fate::OwnPassword, [false, false, false, false, true]),
        (Fate::Changed(json!({"password": "another"})), [false, false, false, false, true]),
        (Fate::Changed(json!({"description": "x"})), [true; 5]),
        (Fate::Changed(json!({"permissions": ["view_users"]})), [true, false, false, false, true]),
        (Fate::Codes, [true; 5]),
        (Fate::Disabled, [false; 5]),
        (Fate::Deleted, [false; 5]),
    ] {
        let house = House::new();
        house.admin("ann").await;
        house.user("alice", json!({})).await;
        let ann = house.authentication.basic("ann", &Secret::new("pw"), None, &rest).await.unwrap();
        let token = house.authentication.issue_token(&ann).await.unwrap().text;
        let acting = house.user_sessions.impersonate(&ann, "alice", &rest).await.unwrap().text;
        let wish = LinkWish { max_uses: Some(9), ..LinkWish::default() };
        let link = house.links.add(&ann, "alice", wish).await.unwrap().text;
        let one_click = house.links.add_for_portal(&ann, "alice", "webmail").await.unwrap().text;
        let session = house.redeem(&link).await.unwrap();
        let of_owner =
            house.redeem(&house.links.add(&house.root, "alice", LinkWish::default()).await.unwrap().text).await;
        let change = async |patch: serde_json::Value| {
            let patch = DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() };
            house.admins.update(&house.root, "ann", &patch, None).await.unwrap();
        };
        match &fate {
            Fate::OwnPassword => {
                house.admins.change_own_password(&ann, &Secret::new("pw"), Secret::new("another")).await.unwrap();
            }
            Fate::Changed(patch) => change(patch.clone()).await,
            Fate::Codes => drop(house.admins.make_codes(&house.root, "ann").await.unwrap()),
            Fate::Disabled => {
                change(json!({"status": 0})).await;
                // Nothing of it comes back.
                change(json!({"status": 1})).await;
            }
            Fate::Deleted => {
                house.admins.delete(&house.root, "ann").await.unwrap();
                // Another administrator of that name is another one.
                house.admin("ann").await;
            }
        }
        let acts = async |token: &Secret| house.user_sessions.of_token(token.expose(), &rest).await.is_ok();
        let good = [
            house.authentication.token(token.expose(), &rest).await.is_ok(),
            acts(&acting).await,
            house.redeem(&link).await.is_ok(),
            house.redeem(&one_click).await.is_ok(),
            acts(&session).await,
        ];
        assert_eq!(good, expected, "{fate:?}");
        assert!(acts(&of_owner.unwrap()).await, "{fate:?}");
    }
}

#[tokio::test]
async fn a_link_is_good_for_as_long_and_as_often_as_is_promised() {
    // D-08, D-11: one of a portal for a minute, and another one for a day; both once.
    for (is_portal, lifetime) in [(true, 60_000), (false, 24 * 60 * 60_000)] {
        let house = House::new();
        house.user("alice", json!({})).await;
        let mut links = Vec::new();
        for _ in 0..2 {
            let made = match is_portal {
                true => house.links.add_for_portal(&house.root, "alice", "webmail").await,
                false => house.links.add(&house.root, "alice", LinkWish::default()).await,
            };
            links.push(made.unwrap());
        }
        assert_eq!(links[0].link.max_uses, 1);
        house.pass(lifetime - 1);
        assert!(house.redeem(&links[0].text).await.is_ok(), "{lifetime}");
        assert!(house.redeem(&links[0].text).await.is_err(), "{lifetime}");
        house.pass(1);
        assert!(house.redeem(&links[1].text).await.is_err(), "{lifetime}");
    }
}

#[tokio::test]
async fn sessions_from_the_links_of_a_key_end_with_it() {
    // D-09, D-11
    let rest = client(Door::Rest);
    for (what, expected) in [("nothing", true), ("key", false), ("administrator", false)] {
        let house = House::new();
        house.admin("ann").await;
        house.user("alice", json!({})).await;
        let key = house.keys.add(&house.root, &map(json!({"name": "portal", "admin": "ann"}))).await.unwrap();
        let portal = house.authentication.api_key(key.text.expose(), &rest).await.unwrap();
        let link = house.links.add_for_portal(&portal, "alice", "webmail").await.unwrap().text;
        let session = house.redeem(&link).await.unwrap();
        match what {
            "key" => {
                house.keys.delete(&house.root, "portal").await.unwrap();
            }
            "administrator" => {
                let patch = DocumentChange::Fields { patches: vec![map(json!({"status": 0}))], replaced: Vec::new() };
                house.admins.update(&house.root, "ann", &patch, None).await.unwrap();
            }
            _ => {}
        }
        assert_eq!(house.user_sessions.of_token(session.expose(), &rest).await.is_ok(), expected, "{what}");
    }
}

#[tokio::test]
async fn what_an_administrator_with_a_role_began_ends_where_the_account_is_of_another() {
    // D-08, D-09, D-11, D-13: the objects that get that role, and whether what the administrator and its key began is valid.
    let rest = client(Door::Rest);
    for (moved, role, expected) in [
        (&["ann"][..], "sales", true),
        (&["ann"][..], "", true),
        (&["ann"][..], "service", false),
        (&["alice"][..], "service", false),
        (&["alice"][..], "", false),
        (&["ann", "alice"][..], "service", true),
    ] {
        let house = House::new();
        for role in ["sales", "service"] {
            house.role(role).await;
        }
        let ann = json!({"username": "ann", "password": "pw", "permissions": ["*"], "role": "sales"});
        house.admins.add(&house.root, &map(ann), None).await.unwrap();
        house.user("alice", json!({"role": "sales"})).await;
        let key = house.keys.add(&house.root, &map(json!({"name": "portal", "admin": "ann"}))).await.unwrap().text;
        let ann = house.authentication.basic("ann", &Secret::new("pw"), None, &rest).await.unwrap();
        let portal = house.authentication.api_key(key.expose(), &rest).await.unwrap();
        let (mut sessions, mut links) = (Vec::new(), Vec::new());
        for actor in [&ann, &portal] {
            sessions.push(house.user_sessions.impersonate(actor, "alice", &rest).await.unwrap().text);
            links.push(house.links.add(actor, "alice", LinkWish::default()).await.unwrap().text);
            links.push(house.links.add_for_portal(actor, "alice", "webmail").await.unwrap().text);
        }
        for name in moved {
            let patch = DocumentChange::Fields { patches: vec![map(json!({ "role": role }))], replaced: Vec::new() };
            match *name {
                "ann" => drop(house.admins.update(&house.root, name, &patch, None).await.unwrap()),
                _ => drop(house.users.update(&house.root, name, patch, None).await.unwrap()),
            }
        }
        let shown = house.links.list(&house.root, "alice").await.unwrap().len();
        assert_eq!(shown, if expected { links.len() } else { 0 }, "{moved:?} {role}");
        let mut good = Vec::new();
        for session in &sessions {
            good.push(house.user_sessions.of_token(session.expose(), &rest).await.is_ok());
        }
        for link in &links {
            good.push(house.redeem(link).await.is_ok());
        }
        assert_eq!(good, [expected; 6], "{moved:?} {role}");
        // Hooks are told of the sessions that have ended.
        let seen = house.seen().await;
        let ends = seen.iter().filter(|line| line.starts_with("destroy") && line.ends_with("admin-closed")).count();
        assert_eq!(ends, if expected { 0 } else { sessions.len() }, "{moved:?} {role}: {seen:?}");
    }
}

#[tokio::test]
async fn links_are_neither_listed_nor_ended_as_tokens() {
    // A18-17, D-08
    let rest = client(Door::Rest);
    let house = House::new();
    house.admin("ann").await;
    house.user("alice", json!({})).await;
    let ann = house.authentication.basic("ann", &Secret::new("pw"), None, &rest).await.unwrap();
    house.authentication.issue_token(&ann).await.unwrap();
    house.user_sessions.impersonate(&ann, "alice", &rest).await.unwrap();
    let link = house.links.add(&ann, "alice", LinkWish::default()).await.unwrap();
    let one_click = house.links.add_for_portal(&ann, "alice", "webmail").await.unwrap().text;
    let all = PageRequest { limit: 100, ..PageRequest::default() };
    let listed = house.tokens.list(&house.root, all.clone()).await.unwrap();
    let mut owners: Vec<_> = listed.iter().map(|token| token.admin.as_str()).collect();
    owners.sort_unstable();
    assert_eq!(owners, ["ann", "user:alice"]);
    for id in [link.link.id.clone(), super::tokens::id_of(one_click.expose())] {
        let refused = house.tokens.revoke_by_id(&house.root, &id).await.unwrap_err();
        assert_eq!(refused.kind(), AdminErrorKind::NotFound, "{id}");
    }
    // A log-out with the text of a link ends nothing either.
    house.authentication.revoke(link.text.expose()).await.unwrap();
    assert_eq!(house.links.list(&house.root, "alice").await.unwrap().len(), 2);
    assert!(house.redeem(&link.text).await.is_ok());
    for token in &listed {
        house.tokens.revoke_by_id(&house.root, &token.id).await.unwrap();
    }
    let left = house.tokens.list(&house.root, all).await.unwrap();
    // The session that began with the link.
    assert_eq!(left.iter().map(|token| token.admin.as_str()).collect::<Vec<_>>(), ["user:alice"]);
}

#[tokio::test]
async fn links_rest_while_the_account_is_of_another_role() {
    // D-08, D-11: whether the link, the session that a user has from it, and the one in which the administrator acts are good.
    let rest = client(Door::Rest);
    let house = House::new();
    for role in ["sales", "service"] {
        house.role(role).await;
    }
    let ann = json!({"username": "ann", "password": "pw", "permissions": ["*"], "role": "sales"});
    house.admins.add(&house.root, &map(ann), None).await.unwrap();
    house.user("alice", json!({"role": "sales"})).await;
    let ann = house.authentication.basic("ann", &Secret::new("pw"), None, &rest).await.unwrap();
    let wish = LinkWish { max_uses: Some(9), ..LinkWish::default() };
    let link = house.links.add(&ann, "alice", wish).await.unwrap().text;
    let from_link = house.redeem(&link).await.unwrap();
    let acting = house.user_sessions.impersonate(&ann, "alice", &rest).await.unwrap().text;
    let is_good = async |token: &Secret| house.user_sessions.of_token(token.expose(), &rest).await.is_ok();
    for (role, expected) in
        [("sales", [true, true, true]), ("service", [false, true, false]), ("sales", [true, true, false])]
    {
        let patch = DocumentChange::Fields { patches: vec![map(json!({ "role": role }))], replaced: Vec::new() };
        house.users.update(&house.root, "alice", patch, None).await.unwrap();
        // The server ends what is not good any more.
        drop(house.seen().await);
        let good = [house.redeem(&link).await.is_ok(), is_good(&from_link).await, is_good(&acting).await];
        assert_eq!(good, expected, "{role}");
    }
}
