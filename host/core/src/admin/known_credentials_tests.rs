//! What is remembered of credentials: each request is judged by what the store has then, also where another server has changed it.

use std::sync::Arc;

use serde_json::json;

use super::authentication_tests::{DENIED, House, NOW, client, house_on};
use super::key_document::ApiKey;
use super::known_credentials::{KnownCredentials, Standing};
use super::tokens::Token;
use super::*;
use crate::memory::MemoryStore;

/// A key, one whose uses are counted, a token and an administrator.
type Looked = (Arc<ApiKey>, Arc<ApiKey>, Arc<Token>, Arc<Standing>);

/// A server, and another one of the same store, which remembers for itself.
fn servers() -> (Arc<MemoryStore>, House, House) {
    let store = Arc::new(MemoryStore::default());
    (store.clone(), house_on(store.clone()), house_on(store))
}
#[tokio::test]
async fn the_last_use_is_stored_once_a_minute() {
    // D-09
    let house = house_on(Arc::default());
    let key = house.key(&house.root, json!({})).await.unwrap();
    let last = async || house.keys.show(&house.root, "nightly").await.unwrap().document["last_use_at"].clone();
    let mut seen = Vec::new();
    for pause in [0, 59_999, 1, 10] {
        house.pass(pause);
        house.use_key(&key).await.unwrap();
        seen.push(last().await);
    }
    assert_eq!(seen, [json!(NOW), json!(NOW), json!(NOW + 60_000), json!(NOW + 60_000)]);
}

fn id_of(key: &NewKey) -> &str {
    key.key.document["key_id"].as_str().unwrap()
}

#[tokio::test]
async fn what_another_server_changes_holds_at_the_next_request() {
    // D-08, D-09
    let (_, here, there) = servers();
    here.add(&here.root, "ann", json!({})).await.unwrap();
    let ann = here.basic("ann", "pw", None).await.unwrap();
    let key = here.key(&ann, json!({})).await.unwrap();
    let token = here.authentication.issue_token(&ann).await.unwrap().text;
    // Whether the key and the token are good, and whether they may add accounts.
    let check = async |expected: [Option<bool>; 2], what: &str| {
        // The second time nothing has changed since.
        for _ in 0..2 {
            let by_token = here.authentication.token(token.expose(), &client("192.0.2.1")).await;
            let found = [here.use_key(&key).await, by_token];
            let found = found.map(|actor| actor.ok().map(|actor| actor.require(UseCase::AddUser).is_ok()));
            assert_eq!(found, expected, "{what}");
        }
    };
    let (good, less, bad) = (Some(true), Some(false), None);
    check([good, good], "as it was added").await;
    for (patch, expected) in [
        (json!({"permissions": ["view_users"]}), [less, less]),
        (json!({"permissions": ["*"]}), [good, good]),
        (json!({"filters": {"allow_list": ["10.0.0.1"]}}), [bad, bad]),
        (json!({"filters": {"allow_list": []}}), [good, good]),
        (json!({"password": "other"}), [good, bad]),
        (json!({"status": 0}), [bad, bad]),
        (json!({"status": 1}), [good, bad]),
    ] {
        there.update(&there.root, "ann", patch.clone()).await.unwrap();
        check(expected, &patch.to_string()).await;
    }
    let again = there.keys.rotate(&there.root, id_of(&key)).await.unwrap();
    check([bad, bad], "another text").await;
    assert!(here.use_key(&again).await.is_ok());
    there.keys.delete(&there.root, id_of(&key)).await.unwrap();
    assert_eq!(here.use_key(&again).await, Err(DENIED));
    let ann = here.basic("ann", "other", None).await.unwrap();
    let token = here.authentication.issue_token(&ann).await.unwrap().text;
    assert!(here.authentication.token(token.expose(), &client("192.0.2.1")).await.is_ok());
    there.authentication.revoke(token.expose()).await.unwrap();
    assert_eq!(here.authentication.token(token.expose(), &client("192.0.2.1")).await, Err(DENIED));
}

#[tokio::test]
async fn the_moment_and_the_address_are_looked_at_each_time() {
    let (store, here, _) = servers();
    here.add(&here.root, "ann", json!({"filters": {"allow_list": ["192.0.2.0/24"]}})).await.unwrap();
    let ann = here.basic("ann", "pw", None).await.unwrap();
    let token = here.authentication.issue_token(&ann).await.unwrap().text;
    let key = here.key(&ann, json!({"ips": ["192.0.2.1", "198.51.100.1"], "expires_at": NOW + 1000})).await.unwrap();
    // Its use is on record, which is a change.
    here.use_key(&key).await.unwrap();
    let check = async |address: &str, expected: [bool; 2]| {
        for _ in 0..2 {
            let by_key = here.authentication.api_key(key.text.expose(), &client(address)).await;
            let by_token = here.authentication.token(token.expose(), &client(address)).await;
            assert_eq!([by_key.is_ok(), by_token.is_ok()], expected, "{address}");
        }
    };
    let stamp = store.stamp();
    check("192.0.2.1", [true, true]).await;
    // The one is not in the networks of the key, and the other not in those of the administrator.
    check("192.0.2.2", [false, true]).await;
    check("198.51.100.1", [false, false]).await;
    here.pass(999);
    check("192.0.2.1", [true, true]).await;
    here.pass(1);
    check("192.0.2.1", [false, true]).await;
    here.pass(20 * 60_000);
    check("192.0.2.1", [false, false]).await;
    assert_eq!(store.stamp(), stamp, "all of it without a change in the store");
}

#[tokio::test]
async fn uses_that_are_counted_are_counted_on_all_servers_together() {
    let (_, here, there) = servers();
    let few = here.key(&here.root, json!({"max_uses": 3})).await.unwrap();
    let mut good = Vec::new();
    for house in [&here, &there, &here, &there, &here] {
        good.push(house.use_key(&few).await.is_ok());
    }
    assert_eq!(good, [true, true, true, false, false]);
}

#[tokio::test]
async fn uses_are_counted_exactly_in_a_race() {
    // D-09
    let (_, here, there) = servers();
    for most in [1, 10] {
        let few = here.key(&here.root, json!({"max_uses": most})).await.unwrap();
        let race = (0..64).map(|number| if number % 2 == 0 { &here } else { &there }).map(|house| house.use_key(&few));
        let outcomes = futures_util::future::join_all(race).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), most);
        assert!(outcomes.into_iter().filter_map(Result::err).all(|error| error == DENIED));
        assert_eq!(here.keys.show(&here.root, id_of(&few)).await.unwrap().document["uses"], most);
    }
}

#[tokio::test]
async fn nothing_is_read_twice_for_want_of_a_change() {
    let (store, here, there) = servers();
    here.add(&here.root, "ann", json!({})).await.unwrap();
    let ann = here.basic("ann", "pw", None).await.unwrap();
    let token = here.authentication.issue_token(&ann).await.unwrap().text;
    let key = here.key(&ann, json!({})).await.unwrap();
    let few = here.key(&ann, json!({"max_uses": 9})).await.unwrap();
    let known = KnownCredentials::new(store);
    let look = async || {
        let mut stamp = known.stamp();
        let key = known.key(id_of(&key), &mut stamp).await.unwrap().unwrap();
        let few = known.key(id_of(&few), &mut stamp).await.unwrap().unwrap();
        let token = known.token(token.expose(), &mut stamp).await.unwrap().unwrap();
        (key, few, token, known.administrator("ann", &mut stamp).await.unwrap().unwrap())
    };
    let is_same = |one: &Looked, other: &Looked| {
        let keys = (Arc::ptr_eq(&one.0, &other.0), Arc::ptr_eq(&one.1, &other.1));
        [keys.0, keys.1, Arc::ptr_eq(&one.2, &other.2), Arc::ptr_eq(&one.3, &other.3)]
    };
    let first = look().await;
    // A key whose uses are counted is not remembered.
    assert_eq!(is_same(&first, &look().await), [true, false, true, true]);
    // Whatever it is that changes.
    there.add(&there.root, "bob", json!({})).await.unwrap();
    let second = look().await;
    assert_eq!((is_same(&first, &second), first == second), ([false; 4], true));
    let kept = format!("{second:?}");
    for secret in ["$1$", token.expose(), key.text.expose()] {
        assert!(!kept.contains(secret), "{secret}");
    }
}
