//! A one-time code logs in once, whatever server it is given to (RFC 6238 §5.2).

use async_trait::async_trait;

use super::factor_tests::code;
use super::hook_tests::{CODES, converse};
use super::tests::{World, draft, name, service, world};
use super::*;
use crate::hook::external_auth::ExternalAuthVerdict;
use crate::memory::MemoryStore;
use crate::ports::{
    AccountKey, Change, ChangeToken, Changes, Collection, Directory, MaintainedChange, PageRequest, StoreError,
    StoredDocument, Version,
};

/// A store that can be read, and not written.
struct ReadOnly(Arc<MemoryStore>);

fn read_only<T>() -> Result<T, StoreError> {
    Err(StoreError::ReadOnly("the disk is broken".to_owned()))
}

#[async_trait]
impl Directory for ReadOnly {
    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        self.0.find(collection, name).await
    }
    async fn find_all(&self, of: &'static Collection, names: Vec<String>) -> Result<Vec<StoredDocument>, StoreError> {
        self.0.find_all(of, names).await
    }
    async fn list(&self, of: &'static Collection, page: PageRequest) -> Result<Vec<StoredDocument>, StoreError> {
        self.0.list(of, page).await
    }
    async fn texts(&self, of: &'static Collection, field: &'static str) -> Result<Vec<(String, String)>, StoreError> {
        self.0.texts(of, field).await
    }
    async fn commit(&self, _: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        read_only()
    }
    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.0.changes(since).await
    }
    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        self.0.wait_for_changes(since).await
    }
    async fn change_maintained(&self, _: MaintainedChange) -> Result<bool, StoreError> {
        read_only()
    }
    async fn record_login(&self, _: &AccountKey, _: i64) -> Result<(), StoreError> {
        read_only()
    }
    async fn record_first_transfer(&self, _: &AccountKey, _: bool, _: i64) -> Result<bool, StoreError> {
        read_only()
    }
    async fn use_code(&self, _: &AccountKey, _: i64) -> Result<bool, StoreError> {
        read_only()
    }
}

impl World {
    /// Another server on the same store, or the same one after a restart.
    fn on(self, directory: Arc<dyn Directory>) -> Self {
        let accounts = Accounts::new(directory, self.passwords.clone(), None);
        let service = service(accounts, &self.store, self.passwords.clone(), &self.hooks);
        Self { service, ..self }
    }

    async fn with_code(&self) -> &'static str {
        let mut login = self.login();
        assert_eq!(name(login.password("alice", Secret::new("pw")).await), "next step");
        converse(&mut login, &[&code()]).await.1
    }
}

#[tokio::test]
async fn a_used_code_is_refused_after_a_restart() {
    // B4-02
    let world = world(None);
    world.stored(&format!(r#","password":"$1$pw","filters":{{{CODES}}}"#)).await;
    assert_eq!(world.with_code().await, "accepted");
    assert_eq!(world.with_code().await, "refused");
    let store = world.store.clone();
    let world = world.on(store);
    assert_eq!(world.with_code().await, "refused");
}

#[tokio::test]
async fn of_two_logins_with_one_code_at_once_one_wins() {
    // B4-02
    let first = world(None);
    first.stored(&format!(r#","password":"$1$pw","filters":{{{CODES}}}"#)).await;
    let accounts = Accounts::new(first.store.clone(), first.passwords.clone(), None);
    let second = service(accounts, &first.store, first.passwords.clone(), &first.hooks);
    let second = World {
        store: first.store.clone(),
        outage: first.outage.clone(),
        passwords: first.passwords.clone(),
        hook: first.hook.clone(),
        hooks: first.hooks.clone(),
        service: second,
    };
    let outcomes = tokio::join!(first.with_code(), second.with_code());
    assert!(matches!(outcomes, ("accepted", "refused") | ("refused", "accepted")), "{outcomes:?}");
}

#[tokio::test]
async fn a_code_that_cannot_be_noted_logs_no_user_in() {
    // B4-02, B14-06
    let world = world(None);
    world.stored(&format!(r#","password":"$1$pw","filters":{{{CODES}}}"#)).await;
    let store = world.store.clone();
    let world = world.on(Arc::new(ReadOnly(store.clone())));
    for _ in 0..10 {
        assert_eq!(world.with_code().await, "refused");
    }
    // The server's own failure is no guess.
    assert!(!world.service.defender().refuses("192.0.2.7".parse().unwrap()));
    assert_eq!(world.on(store).with_code().await, "accepted");
}

#[tokio::test]
async fn the_code_of_an_account_that_the_login_makes_is_used_up_as_well() {
    // B4-02
    let made = draft(&format!(r#","filters":{{{CODES}}}"#));
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(made))))));
    assert_eq!(world.with_code().await, "accepted");
    assert!(world.store.user("alice").await.unwrap().id > 0);
    let store = world.store.clone();
    let world = world.on(store);
    assert_eq!(world.with_code().await, "refused");
}
