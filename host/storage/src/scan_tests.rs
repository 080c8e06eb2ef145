//! Quota scans that an administrator asks for, over files in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_core::account::{AccountDraft, Audience, CredentialRule, EffectiveAccount, find_user};
use tidegate_core::admin::{Actor, AdminErrorKind, AdminPermission, Audit, Permissions, ScanAdministration};
use tidegate_core::memory::MemoryStore;
use tidegate_core::ports::{
    AuditQuery, AuditRecord, Change, Directory, Door, FOLDERS, NodeName, StorageFactory, SystemClock, USERS, Write,
};
use tidegate_core::quota::{QuotaKeeper, QuotaScans, Scope, Tracking};

use crate::conformance::put;
use crate::{MemoryStorageFactory, MemoryStorageSettings};

struct House {
    scans: ScanAdministration,
    store: Arc<MemoryStore>,
    root: Actor,
}

/// The account `u`, which has a file of 5 bytes, and the folder `f`, which is empty.
async fn house(tracking: Tracking) -> House {
    let store = Arc::new(MemoryStore::default());
    let json = r#"{"status":1,"username":"u","home_dir":"/u","permissions":{"/":["*"]}}"#;
    let user = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let folder = [("mapped_path".to_owned(), "/f".into())].into_iter().collect();
    let add = |collection, name: &str, document| {
        let write = Write::Add(document);
        Change { collection, name: name.to_owned(), write, announce: false, audit: None }
    };
    let changes = vec![add(&USERS, "u", user.to_document(Audience::Trusted)), add(&FOLDERS, "f", folder)];
    store.commit(changes).await.unwrap();
    let storage = Arc::new(MemoryStorageFactory::new(MemoryStorageSettings::default()));
    let user = EffectiveAccount::ungrouped(user);
    put(&*storage.open(&user.file_tree().unwrap()).await.unwrap(), "/file", "hello").await;
    let keeper = QuotaKeeper::new(store.clone(), NodeName(String::new()), Arc::new(SystemClock), tracking);
    let scans = Arc::new(QuotaScans::new(keeper, store.clone(), storage));
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    House { scans: ScanAdministration { scans, audit }, store, root: Actor::local("root", Door::Socket) }
}

impl House {
    async fn scan(&self, actor: &Actor, scope: Scope) -> Result<(i64, i64), AdminErrorKind> {
        let report = self.scans.scan(actor, &scope).await.map_err(|error| error.kind())?;
        Ok((report.found.size, report.found.files))
    }

    /// `author action kind name detail` of each record, the oldest first.
    async fn records(&self) -> Vec<String> {
        let records = self.scans.audit.list(&self.root, AuditQuery { limit: 10, ..AuditQuery::default() }).await;
        let line = |record: AuditRecord| {
            format!("{} {} {} {} {}", record.author.name, record.action, record.kind, record.name, record.detail)
        };
        records.unwrap().into_iter().rev().map(|stored| line(stored.record)).collect()
    }
}

#[tokio::test]
async fn a_scan_counts_stores_and_is_recorded() {
    // A10-06
    let house = house(Tracking::Always).await;
    assert_eq!(house.scan(&house.root, Scope::Account("u".into())).await, Ok((5, 1)));
    assert_eq!(house.scan(&house.root, Scope::Folder("f".into())).await, Ok((0, 0)));
    let usage = find_user(&*house.store, "u").await.unwrap().unwrap().usage;
    assert_eq!((usage.used_quota_size, usage.used_quota_files), (5, 1));
    assert_eq!(house.records().await, ["root scan user u 1 files, 5 bytes", "root scan folder f 0 files, 0 bytes"]);
    assert_eq!(house.scans.list(&house.root).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_scan_that_cannot_be_made_is_not_recorded() {
    let check = async |tracking, scope, expected| {
        let house = house(tracking).await;
        assert_eq!(house.scan(&house.root, scope).await, Err(expected));
        assert!(house.records().await.is_empty());
    };
    check(Tracking::Always, Scope::Account("none".into()), AdminErrorKind::NotFound).await;
    check(Tracking::Always, Scope::Folder("none".into()), AdminErrorKind::NotFound).await;
    check(Tracking::Never, Scope::Account("u".into()), AdminErrorKind::Refused).await;
}

#[tokio::test]
async fn only_permitted_administrators_scan() {
    for permission in AdminPermission::ALL {
        let house = house(Tracking::Always).await;
        let permissions = Permissions::Only(BTreeSet::from([permission]));
        let actor = Actor { permissions, ..house.root.clone() };
        let is_allowed = permission == AdminPermission::ScanQuotas;
        let outcome = house.scan(&actor, Scope::Account("u".into())).await;
        assert_eq!(outcome, if is_allowed { Ok((5, 1)) } else { Err(AdminErrorKind::Forbidden) }, "{permission:?}");
        assert_eq!(house.scans.list(&actor).await.is_ok(), is_allowed, "{permission:?}");
        let records = house.records().await;
        if is_allowed {
            assert_eq!(records, ["root scan user u 1 files, 5 bytes"], "{permission:?}");
        } else {
            let refused = "\"root\" lacks the permission \"quota_scans\"";
            assert_eq!(records, [format!("root start scan u {refused}"), format!("root list scan  {refused}")]);
        }
    }
}
