//! How long administrators and keys act as users.

use serde_json::json;

use super::user_tests::map;
use super::web_session_tests::{House, client};
use super::*;
use crate::ports::Door;
use crate::secret::Secret;

#[tokio::test]
async fn a_user_is_acted_for_only_as_long_as_the_administrator_may() {
    // D-13
    let rest = client(Door::Rest);
    let changes = [json!({"status": 0}), json!({"permissions": ["view_users"]}), json!(null)];
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
