//! The `command=` of a key that is one step of a login among others.

use super::tests::{KEY, World, key, name, world};
use super::*;
use crate::public_key::PublicKey;

const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHE+kC5XFCbR0go1J4PXNqJpFH0cWSlhbUnOep0ZIJC";

/// An account that needs a key and a password, with a key that may run one command only, and `more` keys.
async fn with(more: &[&str]) -> World {
    let world = world(None);
    let denied = r#""denied_login_methods":["publickey","password","keyboard-interactive"]"#;
    let restricted = format!(r#""command=\"md5sum\" {KEY}""#);
    let keys = more.iter().map(|line| format!(r#","{line}""#)).collect::<String>();
    let keys = format!(r#""public_keys":[{restricted}{keys}]"#);
    world.stored(&format!(r#","password":"$1$pw",{keys},"filters":{{{denied}}}"#)).await;
    world
}

#[tokio::test]
async fn what_comes_between_the_steps_does_not_free_a_key_of_its_command() {
    let other = || PublicKey::parse(OTHER).unwrap();
    let (own, none): (_, &[&str]) = (Some("md5sum"), &[]);
    for (between, more, expected) in [
        ("nothing", none, own),
        ("the key again", none, own),
        ("a wrong password", none, own),
        ("a strange key", none, own),
        ("another key that is only offered", &[OTHER], own),
        ("a weak key", none, own),
        ("the password of another user", none, own),
        ("the key for another user", none, own),
        ("a conversation of another user", none, own),
        // The last key that was proved is the step.
        ("another key that is proved", &[OTHER], None),
    ] {
        let world = with(more).await;
        let mut login = world.login();
        assert_eq!(name(login.public_key_verified("alice", &key()).await), "next step", "{between}");
        match between {
            "the key again" => assert_eq!(login.public_key_offered("alice", &key()).await, Offer::Acceptable),
            "a wrong password" => assert_eq!(name(login.password("alice", Secret::new("no")).await), "refused"),
            "a strange key" => assert_eq!(login.public_key_offered("alice", &other()).await, Offer::Refused),
            "another key that is only offered" => {
                assert_eq!(login.public_key_offered("alice", &other()).await, Offer::Acceptable);
            }
            "a weak key" => login.public_key_unacceptable("alice", &other()),
            "the password of another user" => {
                assert_eq!(name(login.password("bob", Secret::new("pw")).await), "refused");
            }
            "the key for another user" => assert_eq!(login.public_key_offered("bob", &key()).await, Offer::Refused),
            "a conversation of another user" => {
                assert!(matches!(login.keyboard_interactive("bob").await, Step::Ask(_)));
            }
            "another key that is proved" => {
                assert_eq!(name(login.public_key_verified("alice", &other()).await), "next step");
            }
            _ => {}
        }
        assert_eq!(name(login.password("alice", Secret::new("pw")).await), "accepted", "{between}");
        assert_eq!(login.forced_command(), expected, "{between}");
    }
}
