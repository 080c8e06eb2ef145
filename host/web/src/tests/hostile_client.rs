//! Names full of markup on the pages of users: they are texts there, and nothing else.

use axum::http::Method;
use serde_json::json;
use tidegate_core::admin::PasswordOwner;

use super::client::{change, log_in, owner, try_log_in};
use super::hostile::is_text;
use super::{Answer, HOSTILE, House};
use crate::client::{Who, places};
use crate::request::address;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
/// What a browser shows as the name.
const ESCAPED: &str = "&#60;img src=x onerror=alert(1)&#62;";

/// Names that accounts can have: markup, the other direction, as long as it gets, and blanks.
fn names() -> [String; 4] {
    let longest = format!("{HOSTILE}{}", "x".repeat(255 - HOSTILE.chars().count()));
    [HOSTILE.to_owned(), format!("\u{202e}\u{200f}{HOSTILE}\u{2067}ada"), longest, format!(" {HOSTILE}  two ")]
}

fn check(name: &str, path: &str, answer: &Answer) {
    assert!(answer.status < 500 && is_text(&answer.text), "{name} {path} {} {}", answer.status, answer.text);
    assert_eq!(crate::visible::visible(answer.text.clone()), answer.text, "{path}");
}

#[tokio::test]
async fn names_full_of_markup_are_texts_on_the_pages_of_users() {
    let house = House::new().await;
    let hostile = [HOSTILE.to_owned(), format!("one\r\n{HOSTILE}"), format!("{HOSTILE}{}", "x".repeat(300))];
    for name in names() {
        house.user(&name).await;
        change(&house, &name, json!({"public_keys": [format!("{KEY} {HOSTILE}{}", "x".repeat(300))]})).await;
        let cookie = log_in(&house, &name).await;
        let (mut pages, mut with_name) = (0, 0);
        for place in places() {
            for text in &hostile {
                let names =
                    ["username", "code", "current", "new", "again", "key", "fingerprint", "id", "secret", "done"];
                let mut fields = names.map(|field| (field, text.as_str()));
                let of_others = [("new", "a"), ("again", "b")];
                if place.method == Method::GET {
                    let answer = house.get(&address(place.path, &fields), &cookie).await;
                    check(&name, place.path, &answer);
                    pages += 1;
                    with_name += usize::from(place.who != Who::Anyone && answer.text.contains(ESCAPED));
                } else if !place.path.ends_with("logout") {
                    check(&name, place.path, &house.post(place.path, &cookie, &fields).await);
                    fields.iter_mut().for_each(|field| {
                        *field = of_others.into_iter().find(|(other, _)| *other == field.0).unwrap_or(*field);
                    });
                    check(&name, place.path, &house.post(place.path, &cookie, &fields).await);
                }
            }
        }
        // Each page of a user who has logged in says who that is.
        let own = places().iter().filter(|place| place.who != Who::Anyone && place.method == Method::GET).count();
        assert_eq!(with_name, own * hostile.len(), "{name} of {pages}");
        let keys = house.get("/web/client/keys", &cookie).await.text;
        assert!(keys.matches(ESCAPED).count() >= 2, "{name} {keys}");
        let refused = try_log_in(&house, &name, HOSTILE, HOSTILE).await;
        assert!(refused.status == 401 && refused.text.contains(ESCAPED), "{}", refused.text);
        check(&name, "log-in", &refused);
    }
}

#[tokio::test]
async fn a_reset_shows_what_was_typed_as_a_text() {
    let house = House::new().await;
    house.user(HOSTILE).await;
    let made = house.web.administration.password_resets.hand_out(&owner(), PasswordOwner::User, HOSTILE).await.unwrap();
    let code = made.text.expose();
    let path = address("/web/client/reset", &[("username", HOSTILE), ("code", HOSTILE)]);
    let page = house.get(&path, "").await;
    assert!(page.text.matches(ESCAPED).count() >= 2, "{}", page.text);
    check(HOSTILE, &path, &page);
    let fields = [("username", HOSTILE), ("code", code), ("new", "one"), ("again", HOSTILE)];
    let refused = house.post("/web/client/reset", "", &fields).await;
    assert!(refused.status == 400 && !refused.text.contains("value=\"one\""), "{}", refused.text);
    check(HOSTILE, "reset", &refused);
    let fields = [("username", HOSTILE), ("code", code), ("new", "new"), ("again", "new")];
    assert_eq!(house.post("/web/client/reset", "", &fields).await.status, 303);
    assert_eq!(try_log_in(&house, HOSTILE, "new", "").await.status, 303);
}
