//! What every store has to do: one suite for all adapters. A new adapter adds a function that opens
//! it, and one line below.

mod audit;
mod changes;
mod documents;
pub mod filters;
mod folders;
mod groups;
mod hook_runs;
pub mod invalid;
mod maintained;
mod many;
mod parts;
mod plugin_values;
mod stamps;
mod usages;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Map, Value, json};
use tidegate_core::account::{AccountDraft, Accounts, CredentialRule, User};
use tidegate_core::memory::MemoryStore;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::{
    Author, Change, Clock, Door, Passwords, StoreError, StoredDocument, Stores, USERS, Version, Write,
};
use tidegate_core::secret::Secret;
use tidegate_core::turns::Waiter;

use crate::{MysqlDatabase, PostgresqlDatabase, RedbDatabase, SqliteDatabase, mysql, postgresql};

/// An adapter under test, with an empty store.
pub struct Adapter {
    /// Opens the store, as one of several servers that share it does.
    open: Box<dyn Fn() -> Arc<dyn Stores> + Send + Sync>,
    /// By which plugins' values expire.
    pub clock: Arc<StoppedClock>,
    /// The server that the store is in.
    _server: Option<Box<dyn std::any::Any + Send + Sync>>,
    /// The files of the store, which are removed with the adapter.
    _directory: Option<tempfile::TempDir>,
}

/// A clock that goes on as a test says.
#[derive(Default)]
pub struct StoppedClock(AtomicI64);

impl StoppedClock {
    pub fn advance(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Adapter {
    /// `make` gives what opens the store, with that clock.
    fn new(make: impl FnOnce(Arc<StoppedClock>) -> Box<dyn Fn() -> Arc<dyn Stores> + Send + Sync>) -> Self {
        let clock = Arc::new(StoppedClock::default());
        Self { open: make(clock.clone()), clock, _server: None, _directory: None }
    }

    pub fn open(&self) -> Arc<dyn Stores> {
        (self.open)()
    }

    /// The accounts of one of these servers.
    pub fn accounts(&self) -> Accounts {
        Accounts::new(self.open(), Arc::new(NoPasswords), None)
    }
}

fn sqlite() -> Adapter {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tidegate.db");
    let adapter = Adapter::new(|clock| {
        Box::new(move || Arc::new(SqliteDatabase::open(&path).unwrap().with_clock(clock.clone())))
    });
    Adapter { _directory: Some(directory), ..adapter }
}

fn redb() -> Adapter {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tidegate.db");
    // One process has the file open, and once.
    let adapter = Adapter::new(|clock| {
        let store = Arc::new(RedbDatabase::open(&path).unwrap().with_clock(clock));
        Box::new(move || store.clone())
    });
    Adapter { _directory: Some(directory), ..adapter }
}

fn memory() -> Adapter {
    Adapter::new(|clock| {
        let store = Arc::new(MemoryStore::with_clock(clock));
        Box::new(move || store.clone())
    })
}

fn postgresql() -> Adapter {
    let server = postgresql::test_server::Server::start();
    let settings = server.settings();
    let adapter = Adapter::new(|clock| {
        Box::new(move || Arc::new(PostgresqlDatabase::open(settings.clone()).unwrap().with_clock(clock.clone())))
    });
    Adapter { _server: Some(Box::new(server)), ..adapter }
}

fn mysql() -> Adapter {
    let server = mysql::test_server::Server::start();
    let settings = server.settings();
    let adapter = Adapter::new(|clock| {
        Box::new(move || Arc::new(MysqlDatabase::open(settings.clone()).unwrap().with_clock(clock.clone())))
    });
    Adapter { _server: Some(Box::new(server)), ..adapter }
}

macro_rules! conforms {
    ($adapter:ident: $($module:ident::$property:ident),* $(,)?) => {
        mod $adapter {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $property() {
                    super::$module::$property(super::super::$adapter()).await;
                }
            )*
        }
    };
}

macro_rules! adapters {
    ($($adapter:ident),*) => {
        /// The tests, one module for each adapter.
        mod of {
            use super::{audit, changes, documents, filters, folders, groups, hook_runs, invalid, maintained, many, parts, plugin_values, stamps, usages, writers};

            $(
                conforms! { $adapter:
                    documents::documents_are_kept_as_they_are,
                    documents::names_differ_by_any_byte,
                    documents::long_names_and_documents_are_kept_whole,
                    documents::pages_follow_names,
                    documents::ids_are_never_used_again,
                    documents::what_the_server_maintains_is_not_written_over,
                    documents::nothing_but_what_was_read_is_changed,
                    documents::all_changes_or_none,
                    parts::all_parts_of_changes_or_none,
                    documents::an_invalid_document_is_in_the_way_of_no_other,
                    invalid::an_invalid_document_of_any_kind_is_in_the_way_of_no_other,
                    invalid::a_dump_with_invalid_documents_gives_the_others,
                    filters::accounts_are_found_by_what_they_have,
                    filters::filters_follow_changes,
                    folders::folders_are_shared,
                    groups::groups_are_kept_and_give_what_they_have,
                    folders::a_hook_makes_no_folders,
                    writers::two_writers_lose_nothing,
                    writers::no_change_of_thousands_by_four_writers_is_lost,
                    writers::a_whole_document_is_refused_after_another_change,
                    writers::what_another_writer_refers_to_is_not_deleted,
                    writers::a_one_time_code_is_good_once,
                    writers::a_first_login_twice_at_once_makes_one_account,
                    changes::each_change_is_announced,
                    writers::of_several_writers_one_adds_the_first_document,
                    writers::the_first_document_comes_before_those_of_others,
                    changes::no_change_of_several_writers_is_passed_over,
                    changes::a_token_from_elsewhere_means_everything,
                    audit::records_go_with_their_changes,
                    audit::records_are_listed_by_page,
                    audit::as_many_as_are_kept,
                    maintained::administrators_keys_and_tokens_are_kept,
                    maintained::uses_are_counted_exactly_in_a_race,
                    maintained::only_the_object_that_was_meant_is_changed,
                    stamps::a_stamp_is_given_again_only_where_nothing_has_changed,
                    usages::usages_are_added_up,
                    usages::no_usage_is_too_large_to_be_added_to,
                    usages::marks_have_an_owner,
                    usages::transfers_belong_to_one_account,
                    usages::a_batch_is_added_once,
                    usages::what_its_caller_has_left_is_added_once,
                    plugin_values::plugins_keep_values,
                    plugin_values::values_expire_at_their_time,
                    plugin_values::counters_lose_nothing,
                    hook_runs::the_last_calls_are_kept,
                    many::a_hundred_thousand_accounts_are_read_by_page,
                }
            )*
        }
    };
}

adapters!(sqlite, redb, memory, postgresql, mysql);

/// The author of an administrator's changes.
pub fn author() -> Author {
    Author::new("root", Door::Cli)
}

pub fn user(username: &str) -> User {
    let json = json!({
        "status": 1, "username": username, "home_dir": "/srv/home", "permissions": {"/": ["*"], "/ro": ["list"]},
        "password": "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "email": "a@b",
        "filters": {"allowed_ip": ["10.0.0.0/8"], "web_client": ["write-disabled"]},
    });
    AccountDraft::from_json(&json.to_string()).unwrap().validate(CredentialRule::Required).unwrap().account
}

/// The smallest document that a store accepts for an account.
pub fn document(home: &str) -> Map<String, Value> {
    let Value::Object(document) = json!({"status": 1, "home_dir": home, "permissions": {"/": ["*"]}}) else {
        panic!("it is an object");
    };
    document
}

/// A change that is announced.
pub fn change(name: &str, write: Write) -> Change {
    Change { collection: &USERS, name: name.to_owned(), write, announce: true, audit: None }
}

pub async fn commit(store: &dyn Stores, name: &str, write: Write) -> Result<Version, StoreError> {
    Ok(store.commit(vec![change(name, write)]).await?[0])
}

pub async fn add(store: &dyn Stores, name: &str) -> Version {
    commit(store, name, Write::Add(document("/srv/home"))).await.unwrap()
}

pub async fn find(store: &dyn Stores, name: &str) -> StoredDocument {
    store.find(&USERS, name).await.unwrap().unwrap_or_else(|| panic!("{name} is missing"))
}

/// Passwords for tests in which nothing is hashed.
pub struct NoPasswords;

#[async_trait::async_trait]
impl Passwords for NoPasswords {
    async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }
    async fn hash(&self, _: Waiter<'_>, _: &Secret) -> Result<PasswordHash, PasswordError> {
        Err(PasswordError::PoolClosed)
    }
}
