//! The audit records of changes.

use serde_json::json;
use tidegate_core::account::{AccountDraft, OnConflict};
use tidegate_core::ports::{AUDIT_KEPT, AuditOutcome, AuditQuery, AuditRecord, Author, Door};

use super::{Adapter, author, user};

fn all() -> AuditQuery {
    AuditQuery { limit: 100, ..AuditQuery::default() }
}

pub async fn records_go_with_their_changes(adapter: Adapter) {
    let (accounts, store) = (adapter.accounts(), adapter.open());
    let admin = Author { address: "192.0.2.1".parse().ok(), ..Author::new("root", Door::Rest) };
    accounts.add(AccountDraft::of(&user("alice")), &admin).await.unwrap();
    let mut draft = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
    draft.set("quota_size", json!(5));
    draft.set("password", json!("$1$saltsalt$aaaaaaaaaaaaaaaaaaaaaa"));
    accounts.update(draft, OnConflict::Merge, &admin).await.unwrap();
    accounts.delete("alice", &author()).await.unwrap();
    assert!(accounts.delete("alice", &author()).await.is_err(), "what was not done is not recorded");
    let records = store.audit(all()).await.unwrap();
    let told: Vec<_> = records.iter().map(|stored| (stored.record.action.as_str(), stored.revision)).collect();
    assert_eq!(told, [("delete", Some(1)), ("update", Some(1)), ("add", Some(0))]);
    let update = &records[1].record;
    assert_eq!((&update.author, update.outcome), (&admin, AuditOutcome::Done));
    assert_eq!((update.kind.as_str(), update.name.as_str()), ("user", "alice"));
    assert!(update.at > 0);
    // Of a secret only that it changed.
    assert_eq!(update.detail, "password: changed; quota_size: 0 -> 5");
    assert!(records.iter().all(|stored| !format!("{stored:?}").contains("$1$")), "{records:?}");
}

pub async fn records_are_listed_by_page(adapter: Adapter) {
    let store = adapter.open();
    let record = |number: i64| AuditRecord {
        outcome: AuditOutcome::Refused,
        detail: format!("number {number}"),
        ..Author::new(format!("admin{}", number % 2), Door::Web).did("close", "session", &number.to_string(), number)
    };
    store.append_audit((0..5).map(record).collect()).await.unwrap();
    store.append_audit(vec![record(5)]).await.unwrap();
    let numbers = async |query: AuditQuery| {
        let found = adapter.open().audit(query).await.unwrap();
        let rows: Vec<_> = found.iter().map(|stored| stored.record.at).collect();
        (rows, found.last().map(|last| last.id))
    };
    let (first, last) = numbers(AuditQuery { limit: 4, ..all() }).await;
    assert_eq!(first, [5, 4, 3, 2]);
    let (rest, last) = numbers(AuditQuery { before: last, ..all() }).await;
    assert_eq!(rest, [1, 0]);
    assert_eq!(numbers(AuditQuery { before: last, ..all() }).await.0, [0; 0]);
    let oldest = || AuditQuery { oldest_first: true, ..all() };
    let (first, last) = numbers(AuditQuery { limit: 4, ..oldest() }).await;
    assert_eq!(first, [0, 1, 2, 3]);
    assert_eq!(numbers(AuditQuery { after: last, ..oldest() }).await.0, [4, 5]);
    assert_eq!(numbers(AuditQuery { after: last, ..all() }).await.0, [5, 4]);
    assert_eq!(numbers(AuditQuery { after: last, before: last, ..oldest() }).await.0, [0; 0]);
    assert_eq!(numbers(AuditQuery { after: Some(i64::MAX), ..oldest() }).await.0, [0; 0]);
    assert_eq!(numbers(AuditQuery { author: Some("admin1".into()), limit: 2, ..oldest() }).await.0, [1, 3]);
    let (_, last) = numbers(all()).await;
    assert_eq!(numbers(AuditQuery { author: Some("admin1".into()), ..all() }).await.0, [5, 3, 1]);
    assert_eq!(numbers(AuditQuery { name: Some("2".into()), ..all() }).await.0, [2]);
    assert_eq!(numbers(AuditQuery { kinds: vec!["user".into()], ..all() }).await.0, [0; 0]);
    assert_eq!(numbers(AuditQuery { since: Some(2), until: Some(4), ..all() }).await.0, [3, 2]);
    assert_eq!(numbers(AuditQuery { actions: vec!["close".into()], limit: 1, ..all() }).await.0, [5]);
    assert_eq!(numbers(AuditQuery { actions: vec!["open".into()], ..all() }).await.0, [0; 0]);
    let one_of = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let several = AuditQuery { actions: one_of(&["open", "close"]), kinds: one_of(&["user", "session"]), ..all() };
    assert_eq!(numbers(AuditQuery { before: last, ..several.clone() }).await.0, [0; 0]);
    assert_eq!(numbers(several).await.0, [5, 4, 3, 2, 1, 0]);
    assert_eq!(numbers(AuditQuery { outcome: Some(AuditOutcome::Refused), until: Some(1), ..all() }).await.0, [0]);
    assert_eq!(numbers(AuditQuery { outcome: Some(AuditOutcome::Done), ..all() }).await.0, [0; 0]);
    let from = |text: &str| AuditQuery { address: text.parse().ok(), ..all() };
    assert_eq!(numbers(from("2001:db8::1")).await.0, [0; 0]);
    let far = Author { address: "2001:db8::1".parse().ok(), ..Author::new("admin6", Door::Rest) };
    store.append_audit(vec![far.did("close", "session", "6", 6)]).await.unwrap();
    assert_eq!(numbers(from("2001:db8::1")).await.0, [6]);
    let stored = &store.audit(all()).await.unwrap()[1];
    assert_eq!((&stored.record, stored.revision), (&record(5), None));
}

pub async fn as_many_as_are_kept(adapter: Adapter) {
    let store = adapter.open();
    let record = |number: i64| author().did("close", "session", "", number);
    // As many at once as a database stores in the time that a login may take.
    for first in (1..=AUDIT_KEPT).step_by(1_000) {
        store.append_audit((first..first + 1_000).map(record).collect()).await.unwrap();
    }
    let oldest = async || {
        let found = adapter.open().audit(AuditQuery { before: Some(3), ..all() }).await.unwrap();
        found.iter().map(|stored| stored.id).collect::<Vec<_>>()
    };
    assert_eq!(oldest().await, [2, 1]);
    store.append_audit(vec![record(0)]).await.unwrap();
    assert_eq!(oldest().await, [2]);
    // Records of changes count as well.
    super::add(&*store, "silent").await;
    adapter.accounts().add(AccountDraft::of(&user("alice")), &author()).await.unwrap();
    assert_eq!(oldest().await, [0; 0]);
}
