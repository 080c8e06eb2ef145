//! What is said while the database does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tidegate_core::memory::MemoryStore;
use tidegate_core::ports::{
    AccountKey, AuditQuery, AuditRecord, AuditStore, Change, ChangeToken, Changes, Collection, Directory,
    MaintainedChange, PageRequest, StoreError, StoredAudit, StoredDocument, Version,
};

use super::House;
use super::client::log_in;

/// Not for visitors whom the server could not identify.
const REASON: &str = "MariaDB at database.internal is gone";

/// A store that can go away.
pub struct Outage {
    store: Arc<MemoryStore>,
    is_away: AtomicBool,
    /// Only when the guard has let a request through.
    goes_late: AtomicBool,
}

impl Outage {
    pub fn of(store: Arc<MemoryStore>) -> Self {
        Self { store, is_away: AtomicBool::new(false), goes_late: AtomicBool::new(false) }
    }

    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    fn check(&self, is_late: bool) -> Result<(), StoreError> {
        let is_away = self.is_away.load(Ordering::Relaxed) || (is_late && self.goes_late.load(Ordering::Relaxed));
        if is_away { Err(StoreError::Unavailable(REASON.to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl Directory for Outage {
    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        self.check(false)?;
        self.store.find(collection, name).await
    }
    async fn find_by_id(&self, collection: &'static Collection, id: i64) -> Result<Option<StoredDocument>, StoreError> {
        self.check(false)?;
        self.store.find_by_id(collection, id).await
    }
    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        self.check(false)?;
        self.store.find_all(collection, names).await
    }
    async fn list(
        &self,
        collection: &'static Collection,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        self.check(true)?;
        self.store.list(collection, page).await
    }
    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.check(false)?;
        self.store.texts(collection, field).await
    }
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        self.check(false)?;
        self.store.commit(changes).await
    }
    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.check(true)?;
        self.store.changes(since).await
    }
    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        self.check(false)?;
        self.store.wait_for_changes(since).await
    }
    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError> {
        self.check(false)?;
        self.store.change_maintained(change).await
    }
    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        self.check(false)?;
        self.store.record_login(account, at).await
    }
    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        self.check(false)?;
        self.store.record_first_transfer(account, upload, at).await
    }
    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        self.check(false)?;
        self.store.use_code(account, step).await
    }
}

#[async_trait]
impl AuditStore for Outage {
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        self.check(false)?;
        self.store.append_audit(records).await
    }
    async fn audit(&self, query: AuditQuery) -> Result<Vec<StoredAudit>, StoreError> {
        self.check(true)?;
        self.store.audit(query).await
    }
}

#[tokio::test]
async fn pages_say_that_the_database_is_away_and_what_goes_on() {
    let house = House::new().await;
    house.user("alice").await;
    let (root, alice) = (house.log_in("root").await, log_in(&house, "alice").await);
    // Well-formed, but not a cookie of these pages: the server cannot identify the client.
    let stranger = format!("tidegate={}", alice.split_once('=').unwrap().1);
    let pages = [
        ("/web", root.as_str()),
        ("/web/connections", root.as_str()),
        ("/web/users", root.as_str()),
        ("/web", stranger.as_str()),
        ("/web/client", alice.as_str()),
    ];
    let check = async |is_noticed: bool| {
        for (path, cookie) in pages {
            let page = house.get(path, cookie).await;
            assert_eq!(page.status, 503, "{path} {cookie} {}", page.text);
            let expected =
                if is_noticed { "The database has not answered since " } else { "The database does not answer." };
            for text in [expected, "Open sessions and their transfers go on."] {
                assert!(page.text.contains(text), "{path} {cookie} {text} {}", page.text);
            }
            assert!(!page.text.contains(REASON), "{path} {cookie} {}", page.text);
        }
        let tried = house.post("/web/login", "", &[("username", "root"), ("password", "pw")]).await;
        assert!(tried.status == 503 && tried.text.contains("go on.") && !tried.text.contains(REASON), "{tried:?}");
        // A page that is open keeps what it shows, and says why it is not refreshed.
        let headers = [("cookie", root.as_str()), ("hx-request", "true")];
        let part = house.send("GET", "/web/connections?part=table", &headers, "").await;
        assert_eq!((part.status, part.header("stale-because")), (503, "database"));
    };
    house.outage.is_away.store(true, Ordering::Relaxed);
    check(false).await;
    house.web.metrics.store_answers(false);
    check(true).await;
    house.outage.is_away.store(false, Ordering::Relaxed);
    house.web.metrics.store_answers(true);
    for (path, cookie) in [("/web", &root), ("/web/client", &alice)] {
        assert_eq!(house.get(path, cookie).await.status, 200, "{path}");
    }
    assert_eq!(house.get("/web/none", &root).await.header("stale-because"), "");
}

#[tokio::test]
async fn a_page_that_is_being_made_when_the_database_goes_away_shows_what_is_in_memory() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    house.outage.goes_late.store(true, Ordering::Relaxed);
    let overview = house.get("/web", &root).await;
    assert_eq!(overview.status, 200, "{}", overview.text);
    for text in
        ["The database does not answer.", REASON, "transfers go on.", "Uploads under way", "changes are not shown"]
    {
        assert!(overview.text.contains(text), "{text} {}", overview.text);
    }
    // What comes from the database alone cannot be shown; the page says why to an administrator.
    for path in ["/web/groups", "/web/audit"] {
        let page = house.get(path, &root).await;
        assert!(page.status == 503 && page.text.contains(REASON) && page.text.contains("go on."), "{path} {page:?}");
    }
}

#[tokio::test]
async fn users_are_not_told_where_the_database_is() {
    let house = House::new().await;
    house.user("alice").await;
    let alice = log_in(&house, "alice").await;
    house.outage.goes_late.store(true, Ordering::Relaxed);
    // The sessions of the user are in the database.
    let page = house.get("/web/client", &alice).await;
    assert!(page.status == 503 && page.text.contains("go on.") && !page.text.contains(REASON), "{page:?}");
}
