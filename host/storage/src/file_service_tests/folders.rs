//! Folders in an account's tree, and what they cover.

use tidegate_core::files::{FileError, Protocol};

use super::*;
use crate::mounted::{Mount, MountedStorage};

const SFTP: Protocol = Protocol::Sftp;

#[tokio::test]
async fn what_a_folder_covers_is_not_reached_by_a_link() {
    // C5-02, A10-06: scans do not see it, so that what is put there would not count.
    for overwrite in [OverwriteMode::Standard, OverwriteMode::Atomic] {
        let storage = || -> Arc<dyn Storage> {
            Arc::new(MemoryStorage::new(MemoryStorageSettings { overwrite, ..MemoryStorageSettings::default() }))
        };
        let home = storage();
        let mounts = vec![Mount { at: path("/m"), storage: storage() }];
        let fields = r#""permissions":{"/":["*"]},"quota_size":100,"quota_files":9,
            "virtual_folders":[{"name":"f","virtual_path":"/m","mapped_path":"/f","quota_size":0,"quota_files":0}]"#;
        let on = fixture_of(fields, Arc::new(MountedStorage::new(home.clone(), mounts)), no_hooks()).await;
        let put = async |name: &str| -> Result<(), FileError> {
            let mut file = on.files.open_write(&path(name), PUT, SFTP).await?;
            file.write_at(0, b"12345").await?;
            file.close().await
        };
        for (text, link) in [(&b"."[..], "/here"), (b"d", "/to-d")] {
            on.files.create_symlink(text, &path(link), SFTP).await.unwrap();
        }
        on.files.create_directory(&path("/d"), None, SFTP).await.unwrap();
        assert!(on.files.create_directory(&path("/here/m"), None, SFTP).await.is_err());
        // Something else has made it.
        home.create_directory(&path("/m"), None).await.unwrap();
        assert!(put("/here/m/f").await.is_err());
        assert!(on.files.rename(&path("/d"), &path("/here/m/d"), false, SFTP).await.is_err());
        assert!(on.files.read_directory(&path("/here/m")).await.is_err());
        // Other links are followed as before.
        put("/to-d/f").await.unwrap();
        put("/here/d/g").await.unwrap();
        assert_eq!(snapshot(&*home).await.iter().filter(|(_, content)| content == "12345").count(), 2);
        on.keeper.finish().await;
        assert_eq!(on.stored().await, (10, 2), "{overwrite:?}");
        let tree = ScanTree::around(&on.files.account(), on.storage.clone(), &path("/"));
        let found = on.keeper.scan(&Scope::Account("u".into()), tree).await.unwrap().found;
        assert_eq!((found.size, found.files), (10, 2), "{overwrite:?}");
    }
}

#[tokio::test]
async fn paths_are_resolved_only_where_a_folder_covers_something() {
    let memory = || Arc::new(MemoryStorage::new(MemoryStorageSettings::default()));
    let (home, outer, inner, other) = (memory(), memory(), memory(), memory());
    let mounts = [("/outer", &outer), ("/outer/inner", &inner), ("/other", &other)];
    let mounts = mounts.map(|(at, storage)| Mount { at: path(at), storage: storage.clone() });
    let fields = r#""permissions":{"/":["*"]},"virtual_folders":[
        {"name":"outer","virtual_path":"/outer","mapped_path":"/1","quota_size":-1,"quota_files":-1},
        {"name":"inner","virtual_path":"/outer/inner","mapped_path":"/2","quota_size":-1,"quota_files":-1},
        {"name":"other","virtual_path":"/other","mapped_path":"/3","quota_size":-1,"quota_files":-1}]"#;
    let on = fixture_of(fields, Arc::new(MountedStorage::new(home.clone(), mounts.into())), no_hooks()).await;
    for (directory, storage, is_resolved) in
        [("", &home, true), ("/outer", &outer, true), ("/outer/inner", &inner, false), ("/other", &other, false)]
    {
        let (name, link) = (path(&format!("{directory}/f")), path(&format!("{directory}/link")));
        for (text, at) in [(&b"f"[..], &link), (b".", &path(&format!("{directory}/here")))] {
            on.files.create_symlink(text, at, SFTP).await.unwrap();
        }
        let before = storage.resolved_paths();
        let mut file = on.files.open_write(&name, PUT, SFTP).await.unwrap();
        file.write_at(0, b"12345").await.unwrap();
        file.close().await.unwrap();
        // Links are followed in both.
        for at in [&name, &link, &path(&format!("{directory}/here/link"))] {
            assert_eq!(on.files.metadata(at).await.unwrap().size, 5, "{directory}");
        }
        assert_eq!(storage.resolved_paths() > before, is_resolved, "{directory}");
    }
    // What the inner folder covers is not reached from the outer one.
    outer.create_directory(&path("/inner"), None).await.unwrap();
    assert!(on.files.open_write(&path("/outer/here/inner/f"), PUT, SFTP).await.is_err());
}
