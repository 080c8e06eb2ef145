//! Trying the file systems of an account, on directories of this host.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tidegate_core::admin::{
    Actor, AdminErrorKind, AdminPermission, Audit, CheckedFileSystem, Permissions, StepOutcome, StorageAdministration,
};
use tidegate_core::memory::MemoryStore;
use tidegate_core::ports::{AuditQuery, Change, Collection, Directory, Door, FOLDERS, SystemClock, USERS, Write};

use crate::{LocalStorageFactory, LocalStorageSettings};

fn add(collection: &'static Collection, name: &str, document: Value) -> Change {
    let document: Map<String, Value> = document.as_object().cloned().unwrap();
    Change { collection, name: name.to_owned(), write: Write::Add(document), announce: false, audit: None }
}

/// `path kind: step outcome, …`
fn line(checked: &CheckedFileSystem) -> String {
    let steps = checked.steps.iter().map(|step| {
        let outcome = match &step.outcome {
            StepOutcome::Done => "done",
            StepOutcome::Failed(_) => "failed",
            StepOutcome::Skipped => "skipped",
        };
        format!("{} {outcome}", step.step.as_str())
    });
    format!("{} {}: {}", checked.path, checked.kind, steps.collect::<Vec<_>>().join(", "))
}

fn count(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[tokio::test]
async fn each_file_system_of_an_account_is_tried_by_itself() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    std::fs::write(at("file"), "no directory").unwrap();
    let store = Arc::new(MemoryStore::default());
    let folders = json!([{"name": "good", "virtual_path": "/good"}, {"name": "bad", "virtual_path": "/bad"}]);
    let account = json!({"status": 1, "home_dir": at("home"), "permissions": {"/": ["*"]}, "virtual_folders": folders});
    for change in [
        add(&FOLDERS, "good", json!({"mapped_path": at("good")})),
        add(&FOLDERS, "bad", json!({"mapped_path": at("file/below")})),
        add(&USERS, "u", account),
        add(&USERS, "invalid", json!({"home_dir": "relative"})),
    ] {
        store.commit(vec![change]).await.unwrap();
    }
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    let storage = Arc::new(LocalStorageFactory { settings: LocalStorageSettings::default(), check: None });
    let administration = StorageAdministration { directory: store, storage, audit };
    let root = Actor::local("root", Door::Socket);
    let checked = administration.check(&root, "u").await.unwrap();
    assert_eq!(
        checked.iter().map(line).collect::<Vec<_>>(),
        [
            "/ local: open done, list done, put done, get done, rename done, delete done",
            "/good local: open done, list done, put done, get done, rename done, delete done",
            "/bad local: open failed, list skipped, put skipped, get skipped, rename skipped, delete skipped",
        ]
    );
    assert_eq!((count(&at("home")), count(&at("good"))), (0, 0));
    let query = AuditQuery { limit: 10, ..AuditQuery::default() };
    let records = administration.audit.list(&root, query).await.unwrap();
    assert_eq!(records[0].record.detail, "3 file systems, 1 not usable");
    for (username, expected) in [("none", AdminErrorKind::NotFound), ("invalid", AdminErrorKind::Invalid)] {
        assert_eq!(administration.check(&root, username).await.unwrap_err().kind(), expected, "{username}");
    }
    let viewer = Permissions::Only(BTreeSet::from([AdminPermission::ViewUsers]));
    let viewer = Actor { permissions: viewer, ..root };
    assert_eq!(administration.check(&viewer, "u").await.unwrap_err().kind(), AdminErrorKind::Forbidden);
    // A directory that cannot be written; root can.
    if !rustix::process::geteuid().is_root() {
        std::fs::set_permissions(at("home"), std::fs::Permissions::from_mode(0o500)).unwrap();
        let home = administration.check(&Actor::local("root", Door::Socket), "u").await.unwrap();
        assert!(line(&home[0]).contains("list done, put failed"), "{home:?}");
    }
}
