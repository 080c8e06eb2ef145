//! The first administrator, on a store in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Barrier;

use super::password_reset_tests::{House, client, house_with};
use super::user_tests::{PaperPasswords, map};
use super::web_session_tests::house_asking;
use super::*;
use crate::memory::MemoryStore;
use crate::memory::outage::{Outage, State};
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{
    ADMINS, AccountKey, AuditOutcome, AuditQuery, Change, ChangeToken, Changes, Collection, Directory,
    MaintainedChange, PageRequest, StoreError, StoredDocument, TOKENS, Version, Write,
};
use crate::secret::Secret;
use crate::turns::Waiter;

const DAY: i64 = 24 * 60 * 60_000;
const DENIED: Result<(), FirstAdministratorError> = Err(FirstAdministratorError::Denied);

/// Goes on when so many have come to where the password is hashed, which is after every look at the store.
struct Meeting(Barrier);

#[async_trait]
impl Passwords for Meeting {
    async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }

    async fn hash(&self, waiter: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        self.0.wait().await;
        PaperPasswords.hash(waiter, clear).await
    }
}

/// A store to which an administrator is added just after a look for one.
struct Late(Arc<MemoryStore>);

#[async_trait]
impl Directory for Late {
    async fn find(&self, of: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        self.0.find(of, name).await
    }
    async fn find_all(&self, of: &'static Collection, names: Vec<String>) -> Result<Vec<StoredDocument>, StoreError> {
        self.0.find_all(of, names).await
    }
    async fn list(&self, of: &'static Collection, page: PageRequest) -> Result<Vec<StoredDocument>, StoreError> {
        let found = self.0.list(of, page).await?;
        if *of == ADMINS && found.is_empty() {
            let (name, write) = ("ann".to_owned(), Write::Add(map(json!({"status": 1}))));
            let add = Change { collection: &ADMINS, name, write, announce: false, audit: None };
            self.0.commit(vec![add]).await?;
        }
        Ok(found)
    }
    async fn texts(&self, of: &'static Collection, field: &'static str) -> Result<Vec<(String, String)>, StoreError> {
        self.0.texts(of, field).await
    }
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        self.0.commit(changes).await
    }
    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.0.changes(since).await
    }
    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        self.0.wait_for_changes(since).await
    }
    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError> {
        self.0.change_maintained(change).await
    }
    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        self.0.record_login(account, at).await
    }
    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        self.0.record_first_transfer(account, upload, at).await
    }
    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        self.0.use_code(account, step).await
    }
}

fn first_of(house: &House) -> FirstAdministrator {
    FirstAdministrator {
        directory: house.store.clone(),
        admins: house.admins.clone(),
        before: house.resets.before.clone(),
        clock: house.clock.clone(),
        requests: Requests::default(),
    }
}

fn empty_house() -> (House, FirstAdministrator) {
    let house = house_with(Arc::new(PaperPasswords), None);
    let first = first_of(&house);
    (house, first)
}

async fn code(first: &FirstAdministrator) -> String {
    first.make_code().await.unwrap().unwrap().text.expose().to_owned()
}

/// Each from another address, so that none asks too often.
async fn add(house: &House, first: &FirstAdministrator, code: &str, name: &str) -> Result<(), FirstAdministratorError> {
    let number = house.clock.0.fetch_add(1, Ordering::Relaxed) % 250;
    first.add(&client(&format!("198.51.100.{number}")), code, name, Secret::new("pw")).await
}

async fn names(house: &House) -> Vec<String> {
    let all = PageRequest { limit: 100, ..PageRequest::default() };
    let stored = house.store.list(&ADMINS, all).await.unwrap();
    stored.into_iter().map(|stored| stored.name).collect()
}

async fn codes(house: &House) -> usize {
    let all = PageRequest { limit: 500, ..PageRequest::default() };
    house.store.list(&TOKENS, all).await.unwrap().len()
}

async fn add_otherwise(house: &House, name: &str) {
    let document = map(json!({"username": name, "password": "pw", "permissions": ["*"]}));
    house.admins.add(&house.root, &document, None).await.unwrap();
}

#[tokio::test]
async fn a_code_adds_the_first_administrator_once() {
    // A19-04
    let (house, first) = empty_house();
    let (good, other) = (code(&first).await, code(&first).await);
    assert_ne!(good, other);
    // 43 letters and digits are 256 bits; 22 would be the first that are more than 128.
    let secret = good.split('_').nth(1).unwrap_or_default();
    assert!(secret.len() == 43 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{good}");
    let stored = house.store.list(&TOKENS, PageRequest { limit: 9, ..PageRequest::default() }).await.unwrap();
    assert!(stored.len() == 2 && !format!("{stored:?}").contains(&good), "{stored:?}");
    for wrong in ["", "x", "tgt_x_y", &format!("{good} "), super::credential_text::new_token().unwrap().expose()] {
        assert_eq!(add(&house, &first, wrong, "ann").await, DENIED, "{wrong:?}");
    }
    assert!(names(&house).await.is_empty());
    assert_eq!(add(&house, &first, &good, "ann").await, Ok(()));
    let ann = house.admins.show(&house.root, "ann").await.unwrap();
    assert_eq!((&ann.document["permissions"], &ann.document["status"], ann.problem), (&json!(["*"]), &json!(1), None));
    for code in [&good, &other] {
        assert_eq!(add(&house, &first, code, "bob").await, DENIED);
    }
    assert_eq!(first.make_code().await, Ok(None));
    assert_eq!((names(&house).await, codes(&house).await), (vec!["ann".to_owned()], 0));
    // It does not come back with an empty store.
    house.admins.delete(&house.root, "ann").await.unwrap();
    for code in [&good, &other] {
        assert_eq!(add(&house, &first, code, "bob").await, DENIED);
    }
    assert!(first.make_code().await.unwrap().is_some());
}

#[tokio::test]
async fn of_eight_one_is_the_first() {
    // A19-04
    for is_one_code in [true, false] {
        let house = house_with(Arc::new(Meeting(Barrier::new(8))), None);
        let first = first_of(&house);
        let mut codes = Vec::new();
        for _ in 0..8 {
            codes.push(code(&first).await);
        }
        let race = (0..8).map(|number| {
            let (house, first, index) = (&house, &first, if is_one_code { 0 } else { number });
            let code = codes[index].clone();
            async move { add(house, first, &code, &format!("admin{number}")).await }
        });
        let ended = join_all(race).await;
        let (added, denied) = ended.iter().fold((0, 0), |(added, denied), outcome| match outcome {
            Ok(()) => (added + 1, denied),
            Err(FirstAdministratorError::Denied) => (added, denied + 1),
            Err(error) => panic!("{error}"),
        });
        assert_eq!((added, denied, names(&house).await.len()), (1, 7, 1), "{is_one_code}");
    }
}

#[tokio::test]
async fn a_code_ends_with_its_day_or_with_another_administrator() {
    // A19-04
    let (house, first) = empty_house();
    let good = code(&first).await;
    let at = house.clock.0.load(Ordering::Relaxed);
    for (passed, expected) in [(0, true), (DAY - 2, true), (DAY, false), (2 * DAY, false)] {
        house.clock.0.store(at + passed, Ordering::Relaxed);
        // A name that is not valid uses up no code.
        let outcome = add(&house, &first, &good, "a:b").await;
        assert_eq!(matches!(outcome, Err(FirstAdministratorError::Admin(_))), expected, "{passed}: {outcome:?}");
        assert!(expected || outcome == DENIED, "{passed}");
    }
    // Those that have expired go when another one is made.
    code(&first).await;
    assert_eq!(codes(&house).await, 1);
    let good = code(&first).await;
    add_otherwise(&house, "root").await;
    assert_eq!(codes(&house).await, 0);
    assert_eq!(add(&house, &first, &good, "ann").await, DENIED);
    assert_eq!(names(&house).await, ["root"]);
    // One that is disabled, or not valid, is one.
    let (house, first) = empty_house();
    let good = code(&first).await;
    let write = Write::Add(map(json!({"status": 0})));
    let change = Change { collection: &ADMINS, name: "old".into(), write, announce: false, audit: None };
    house.store.commit(vec![change]).await.unwrap();
    assert_eq!(add(&house, &first, &good, "ann").await, DENIED);
    assert_eq!(first.make_code().await, Ok(None));
    house.admins.delete(&house.root, "old").await.unwrap();
    assert_eq!(add(&house, &first, &good, "ann").await, DENIED);
}

/// However many a server has made that started again and again.
#[tokio::test]
async fn all_codes_end() {
    let (house, first) = empty_house();
    let good = code(&first).await;
    let store = async |expires_at: i64| {
        let add = |number: u32| {
            let document = map(json!({"purpose": "first-administrator", "expires_at": expires_at}));
            let (name, write) = (format!("first-administrator:{number:04}"), Write::Add(document));
            Change { collection: &TOKENS, name, write, announce: false, audit: None }
        };
        house.store.commit((0..2 * PAGE).map(add).collect()).await.unwrap();
    };
    let left = async || {
        let all = PageRequest { limit: 5 * PAGE, ..PageRequest::default() };
        house.store.list(&TOKENS, all).await.unwrap().len()
    };
    store(0).await;
    code(&first).await;
    assert_eq!(left().await, 2, "those that are good stay");
    store(i64::MAX).await;
    assert_eq!(add(&house, &first, &good, "ann").await, Ok(()));
    assert_eq!(left().await, 0);
}

/// A server that starts again and again writes a code to its log each time.
#[tokio::test]
async fn the_newest_codes_are_good() {
    let (house, first) = empty_house();
    let mut made = Vec::new();
    for _ in 0..20 {
        house.clock.0.fetch_add(1000, Ordering::Relaxed);
        made.push(code(&first).await);
    }
    assert_eq!(codes(&house).await, 16);
    for (number, code) in made.iter().enumerate() {
        // A name that is not valid uses up no code.
        let outcome = add(&house, &first, code, "a:b").await;
        assert_eq!(outcome == DENIED, number < 4, "{number}: {outcome:?}");
    }
    // However many there are, the last one is among them, and those that have expired are not.
    for _ in 0..20 {
        let good = code(&first).await;
        assert_ne!(add(&house, &first, &good, "a:b").await, DENIED);
    }
    assert_eq!(codes(&house).await, 16);
    house.clock.0.fetch_add(DAY, Ordering::Relaxed);
    let good = code(&first).await;
    assert_eq!((codes(&house).await, add(&house, &first, &good, "ann").await), (1, Ok(())));
}

/// An administrator is added between the look and the code.
#[tokio::test]
async fn no_code_is_made_beside_an_administrator() {
    // A19-04
    let (house, first) = empty_house();
    let first = FirstAdministrator { directory: Arc::new(Late(house.store.clone())), ..first };
    assert_eq!(first.make_code().await, Ok(None));
    assert_eq!((names(&house).await, codes(&house).await), (vec!["ann".to_owned()], 0));
}

#[tokio::test]
async fn what_is_not_valid_is_said_to_those_with_a_code_and_uses_it_not_up() {
    let (house, first) = empty_house();
    let good = code(&first).await;
    let long = "x".repeat(64 << 10) + "x";
    for (name, password, field) in [
        ("a\0b", "pw", "username"),
        ("\0", "a\0b", "username"),
        (long.as_str(), "pw", "username"),
        ("", "pw", "username"),
        (" ann", "pw", "username"),
        ("a:b", "pw", "username"),
        ("a\u{200b}b", "pw", "username"),
        ("ann", "", "password"),
        ("ann", "a\0b", "password"),
        ("ann", long.as_str(), "password"),
    ] {
        let number = house.clock.0.fetch_add(1, Ordering::Relaxed) % 250;
        let client = client(&format!("198.51.100.{number}"));
        match first.add(&client, &good, name, Secret::new(password)).await {
            Err(FirstAdministratorError::Admin(error)) => {
                assert_eq!((error.kind(), error.field()), (AdminErrorKind::Invalid, Some(field)), "{name:?}");
            }
            outcome => panic!("{name:?}: {outcome:?}"),
        }
        let wrong = first.add(&client, "tgt_x_y", name, Secret::new(password)).await;
        assert_eq!(wrong, DENIED, "{name:?}");
    }
    assert_eq!(add(&house, &first, &good, "ann").await, Ok(()));
}

/// Hooks know more than the name, and may deny all that an address asks for.
#[tokio::test]
async fn hooks_are_asked_whatever_the_name_is() {
    let asking = house_asking(&Arc::new(MemoryStore::default()), LoginPreScope::Logins);
    let (house, first) = empty_house();
    let first = FirstAdministrator { before: asking.links.before.clone(), ..first };
    let good = code(&first).await;
    let long = "x".repeat(1 << 17);
    for (name, code, asked) in [("a\0b", &*good, ""), (&*long, &*good, ""), ("a\0b", "x", ""), ("a:b", &*good, "a:b")] {
        let outcome = add(&house, &first, code, name).await;
        assert_eq!(outcome == DENIED, code == "x", "{name:.9?} {outcome:?}");
        let seen = std::mem::take(&mut *asking.witness.0.lock().unwrap());
        assert!(seen.len() == 1 && seen[0].starts_with(&format!("login-pre {asked} ")), "{name:.9?} {seen:.1?}");
    }
    assert_eq!(add(&house, &first, &good, "none-may").await, DENIED);
    assert_eq!(add(&house, &first, &good, "ann").await, Ok(()));
}

#[tokio::test]
async fn a_store_that_is_away_makes_no_code_and_uses_none_up() {
    let (house, first) = empty_house();
    let good = code(&first).await;
    let outage = Outage::of(house.store.clone());
    let admins = Administrators { directory: outage.clone(), ..house.admins.clone() };
    let first = FirstAdministrator { directory: outage.clone(), admins, ..first };
    for state in [State::Away, State::Locked] {
        outage.becomes(state);
        assert!(matches!(first.make_code().await, Err(AdminError::Store(_))), "{state:?}");
        let refused = add(&house, &first, &good, "ann").await;
        assert!(matches!(refused, Err(FirstAdministratorError::Admin(AdminError::Store(_)))), "{refused:?}");
    }
    outage.becomes(State::Here);
    assert_eq!((codes(&house).await, names(&house).await.len()), (1, 0));
    assert!(!house.defender.refuses("198.51.100.1".parse().unwrap()));
    assert_eq!(add(&house, &first, &good, "ann").await, Ok(()));
}

#[tokio::test]
async fn guesses_score_and_the_audit_has_no_code() {
    let (house, first) = empty_house();
    let good = code(&first).await;
    let guesser = client("192.0.2.1");
    for number in 0..7 {
        let guess = first.add(&guesser, "tgt_x_y", &good, Secret::new("pw")).await;
        let expected = if number < 5 { DENIED } else { Err(FirstAdministratorError::TooMany) };
        assert_eq!(guess, expected, "{number}");
    }
    for _ in 0..6 {
        house.clock.0.fetch_add(60_000, Ordering::Relaxed);
        assert_eq!(first.add(&guesser, "tgt_x_y", &good, Secret::new("pw")).await, DENIED);
    }
    assert!(house.defender.refuses("192.0.2.1".parse().unwrap()));
    assert_eq!(add(&house, &first, &good, "ann").await, Ok(()));
    let all = AuditQuery { limit: 100, ..AuditQuery::default() };
    let records = house.audit.list(&house.root, all).await.unwrap();
    assert!(!format!("{records:?}").contains(&good), "{records:?}");
    let line = |outcome| {
        let record = records.iter().map(|stored| &stored.record).find(|record| record.outcome == outcome).unwrap();
        let address = record.author.address.map(|address| address.to_string()).unwrap_or_default();
        format!("{} {} {} {} {address}", record.author.name, record.action, record.kind, record.name)
    };
    assert!(line(AuditOutcome::Done).starts_with("code:first-administrator add admin ann 198.51.100."));
    assert_eq!(line(AuditOutcome::Refused), " login admin  192.0.2.1");
}
