//! Directories that accounts share (C5).

use serde_json::json;
use tidegate_core::account::{AccountDraft, AccountError, AccountWrite, OnConflict, User};
use tidegate_core::ports::{Author, Door, FOLDERS, StoreError};
use tidegate_core::quota::{Scope, UsedQuota};

use super::{Adapter, author, user};

fn with_folders(username: &str, folders: serde_json::Value) -> AccountDraft {
    let mut draft = AccountDraft::of(&user(username));
    draft.set("virtual_folders", folders);
    draft
}

fn path(user: &User) -> Vec<&str> {
    user.folders.iter().map(|folder| folder.mapped_path.as_str()).collect()
}

pub async fn folders_are_shared(adapter: Adapter) {
    // C5-01, C5-02
    let (accounts, store) = (adapter.accounts(), adapter.open());
    let first = with_folders("alice", json!([{"name": "f", "virtual_path": "/f", "mapped_path": "/srv/f"}]));
    assert_eq!(path(&accounts.add(first, &author()).await.unwrap()), ["/srv/f"]);
    let folder = store.find(&FOLDERS, "f").await.unwrap().unwrap();
    assert_eq!(folder.document.get("mapped_path"), Some(&json!("/srv/f")));
    // Path and usage belong to the folder.
    store.replace_usage(&Scope::Folder("f".into()), UsedQuota { size: 7, files: 1 }, 9).await.unwrap();
    let second = with_folders("bob", json!([{"name": "f", "virtual_path": "/shared"}]));
    let added = accounts.add(second, &author()).await.unwrap();
    assert_eq!(path(&added), ["/srv/f"]);
    let shown = added.other.get("virtual_folders").cloned().unwrap_or_default();
    assert_eq!((&shown[0]["used_quota_size"], &shown[0]["id"]), (&json!(7), &json!(folder.version.id)));

    let refused = async |folders: serde_json::Value| match accounts.add(with_folders("carol", folders), &author()).await
    {
        Err(AccountError::Store(StoreError::Field(invalid))) => invalid.problem,
        other => panic!("{other:?}"),
    };
    let other = refused(json!([{"name": "f", "virtual_path": "/f", "mapped_path": "/srv/other"}])).await;
    assert!(other.contains("is /srv/f already"), "{other}");
    let unknown = refused(json!([{"name": "g", "virtual_path": "/g"}])).await;
    assert!(unknown.contains("there is no folder named \"g\""), "{unknown}");
    let twice = json!([
        {"name": "g", "virtual_path": "/g", "mapped_path": "/srv/g"},
        {"name": "g", "virtual_path": "/h", "mapped_path": "/srv/h"},
    ]);
    assert!(refused(twice).await.contains("is /srv/g already"));
    // Nothing of the refused change was stored.
    assert_eq!(store.find(&FOLDERS, "g").await.unwrap(), None);
    assert_eq!(accounts.find("carol").await.unwrap(), None);

    let mut draft = AccountDraft::of_stored(accounts.stored("bob").await.unwrap().unwrap());
    draft.mount_folder("/new", "f");
    assert_eq!(path(&accounts.update(draft, OnConflict::Merge, &author()).await.unwrap()), ["/srv/f", "/srv/f"]);
}

pub async fn a_hook_makes_no_folders(adapter: Adapter) {
    // C5-02
    let (accounts, store) = (adapter.accounts(), adapter.open());
    let hook = Author::new("alice", Door::Hook);
    let folders = json!([{"name": "f", "virtual_path": "/f", "mapped_path": "/srv/f"}]);
    let user =
        with_folders("alice", folders).validate(tidegate_core::account::CredentialRule::Optional).unwrap().account;
    let refused = accounts.commit_from_hook(AccountWrite::Insert(user.clone()), &hook).await.unwrap_err();
    assert!(refused.to_string().contains("a hook names the folder \"f\""), "{refused}");
    assert_eq!(store.find(&FOLDERS, "f").await.unwrap(), None);
    let made = with_folders("bob", json!([{"name": "f", "virtual_path": "/f", "mapped_path": "/srv/f"}]));
    accounts.add(made, &author()).await.unwrap();
    let begin = store.changes(None).await.unwrap().next;
    assert_eq!(accounts.commit_from_hook(AccountWrite::Insert(user), &hook).await.unwrap().username, "alice");
    // No server reads the account again because of that (A13-08).
    assert!(store.changes(Some(&begin)).await.unwrap().is_empty());
}
