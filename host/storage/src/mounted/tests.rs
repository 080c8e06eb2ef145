//! Folders are in their places, and no link leads from one to another.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::local::{LocalStorageFactory, LocalStorageSettings};
use tidegate_core::account::{AccountDraft, CredentialRule, EffectiveAccount};
use tidegate_core::ports::StorageFactory;
use tidegate_core::ports::storage::{Location, SftpLocation};
use tidegate_storage_sftp::{Dial, SftpFileSystems, SftpSettings, Streams};

fn path(text: &str) -> VirtualPath {
    VirtualPath::parse_normalised(text).unwrap()
}

struct Tree {
    directory: tempfile::TempDir,
    storage: Arc<dyn Storage>,
}

async fn tree() -> Tree {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let json = format!(
        r#"{{"status":1,"username":"u","home_dir":"{}","permissions":{{"/":["*"]}},"virtual_folders":[
        {{"name":"a","virtual_path":"/shared","mapped_path":"{}"}},
        {{"name":"b","virtual_path":"/deep/er/b","mapped_path":"{}"}}]}}"#,
        at("home"),
        at("a"),
        at("b")
    );
    let user = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let account = EffectiveAccount::ungrouped(user);
    let storage = LocalStorageFactory { settings: LocalStorageSettings::default(), check: None };
    let storage = storage.open(&account.file_tree().unwrap()).await.unwrap();
    Tree { directory, storage }
}

/// The names in a directory, without `.` and `..`.
async fn names(storage: &Arc<dyn Storage>, at: &str) -> Vec<String> {
    let mut reader = storage.read_directory(&path(at)).await.unwrap();
    let mut names = Vec::new();
    loop {
        let entries = reader.next_entries(2).await.unwrap();
        if entries.is_empty() {
            names.sort();
            assert_eq!(names.drain(..2).collect::<Vec<_>>(), [".", ".."], "{at}");
            return names;
        }
        names.extend(entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()));
    }
}

#[tokio::test]
async fn folders_are_seen_in_their_places() {
    let Tree { directory, storage } = tree().await;
    std::fs::write(directory.path().join("home/file"), "x").unwrap();
    std::fs::write(directory.path().join("a/inside"), "12345").unwrap();
    // Covered by the folder.
    std::fs::write(directory.path().join("home/shared"), "x").unwrap();
    assert_eq!(names(&storage, "/").await, ["deep", "file", "shared"]);
    assert_eq!(names(&storage, "/shared").await, ["inside"]);
    assert_eq!(names(&storage, "/deep").await, ["er"]);
    assert_eq!(names(&storage, "/deep/er").await, ["b"]);
    assert!(names(&storage, "/deep/er/b").await.is_empty());
    assert_eq!(storage.metadata(&path("/deep")).await.unwrap().kind, FileKind::Directory);
    assert_eq!(storage.metadata(&path("/shared")).await.unwrap().kind, FileKind::Directory);
    assert_eq!(storage.metadata(&path("/shared/inside")).await.unwrap().size, 5);
    assert_eq!(storage.host_path(&path("/shared/x")), directory.path().join("a/x"));
    // A15-04: names keep their bytes.
    for name in [&b"caf\xe9"[..], b"a\xff/b", b"a\xef\xbf\xbd"] {
        let named = VirtualPath::resolve(&path("/shared"), name).unwrap();
        assert_eq!(storage.host_path(&named), directory.path().join("a").join(OsStr::from_bytes(name)));
    }
}

/// A server that is away.
struct Away;

#[async_trait]
impl Dial for Away {
    async fn dial(&self, _place: &SftpLocation) -> Result<Streams, StorageError> {
        Err(StorageError::new(StorageErrorKind::Other, "it is away"))
    }
}

#[tokio::test]
async fn a_folder_whose_server_is_away_is_seen_and_covers_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("home/away/deep")).unwrap();
    std::fs::write(directory.path().join("home/away/covered"), "x").unwrap();
    std::fs::write(directory.path().join("home/file"), "x").unwrap();
    let location = Location::Directory(directory.path().join("home").display().to_string());
    let file_system = |location| FileSystem { location, account: "u".into(), owner: (0, 0), make_missing: true };
    let factory = LocalStorageFactory { settings: LocalStorageSettings::default(), check: None };
    let home = factory.open_one(&file_system(location)).await.unwrap();
    let place = SftpLocation { endpoint: "h".into(), username: "u".into(), ..SftpLocation::default() };
    let far = SftpFileSystems::by(Arc::new(Away), SftpSettings::default(), Arc::default());
    let far = || Arc::new(far.open(&file_system(Location::Sftp(Box::new(place.clone())))).unwrap()) as Arc<dyn Storage>;
    let mounts = ["/away", "/none/away"].map(|at| Mount { at: path(at), storage: far() });
    let storage: Arc<dyn Storage> = Arc::new(MountedStorage::new(home, mounts.into()));
    for (at, expected) in [("/", &["away", "file", "none"][..]), ("/none", &["away"][..])] {
        assert_eq!(names(&storage, at).await, expected, "{at}");
        let mut reader = storage.read_directory(&path(at)).await.unwrap();
        let entries = reader.next_entries(9).await.unwrap();
        let away = entries.iter().find(|entry| entry.name == b"away").unwrap();
        assert_eq!(away.metadata.kind, FileKind::Directory, "{at}");
    }
    // What is asked of it fails, and nothing of what it covers is seen.
    for at in ["/away", "/away/covered", "/none/away"] {
        assert_eq!(storage.metadata(&path(at)).await.unwrap_err().kind, StorageErrorKind::Other, "{at}");
    }
    assert!(storage.read_directory(&path("/away")).await.is_err());
}

#[tokio::test]
async fn nothing_leads_from_one_to_another() {
    let Tree { directory, storage } = tree().await;
    std::fs::write(directory.path().join("home/file"), "x").unwrap();
    std::fs::write(directory.path().join("outside"), "secret").unwrap();
    std::os::unix::fs::symlink("../outside", directory.path().join("a/link")).unwrap();
    let kind = |error: StorageError| error.kind;
    let cross = Err(StorageErrorKind::CrossDevice);
    assert_eq!(storage.hard_link(&path("/file"), &path("/shared/file")).await.map_err(kind), cross);
    assert_eq!(storage.create_symlink(b"/shared/x", &path("/link")).await.map_err(kind), cross);
    assert_eq!(storage.create_symlink(b"../file", &path("/shared/link2")).await.map_err(kind), cross);
    assert!(storage.open(&path("/shared/link")).await.is_err());
    storage.create_symlink(b"/shared/inside", &path("/shared/up")).await.unwrap();
    assert_eq!(storage.read_link(&path("/shared/up")).await.unwrap(), b"/shared/inside");
    assert!(storage.create_directory(&path("/deep"), None).await.is_err());
    let new = OpenOptions { write: true, create: true, ..OpenOptions::default() };
    for fixed in ["/deep", "/deep/er", "/shared"] {
        let made = storage.open_in_place(&path(fixed), new).await.map(drop).map_err(kind);
        assert_eq!(made, Err(StorageErrorKind::IsADirectory), "{fixed}");
    }
    assert!(!directory.path().join("home/deep").exists());
}

#[tokio::test]
async fn directories_of_one_file_system_are_renamed_at_once() {
    // C5-03
    let Tree { directory, storage } = tree().await;
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(at("home/d/e")).unwrap();
    std::fs::write(at("home/d/e/f"), "content").unwrap();
    std::fs::write(at("a/taken"), "old").unwrap();
    std::os::unix::fs::symlink("/", at("home/up")).unwrap();
    std::os::unix::fs::symlink(at("home"), at("a/outside")).unwrap();
    let rename = async |from: &str, to: &str, replace| {
        storage.rename(&path(from), &path(to), replace).await.map_err(|error| error.kind)
    };
    assert_eq!(rename("/d", "/shared/d", false).await, Ok(()));
    assert_eq!(std::fs::read_to_string(at("a/d/e/f")).unwrap(), "content");
    assert_eq!(rename("/shared/d/e/f", "/shared/taken", false).await, Err(StorageErrorKind::AlreadyExists));
    assert_eq!(rename("/shared/d/e/f", "/deep/er/b/f", true).await, Ok(()));
    assert_eq!(std::fs::read_to_string(at("b/f")).unwrap(), "content");
    // Links stay, and lead nowhere else.
    assert_eq!(rename("/up", "/shared/up", false).await, Err(StorageErrorKind::CrossDevice));
    assert_eq!(rename("/deep/er/b/f", "/shared/outside/f", true).await, Err(StorageErrorKind::CrossDevice));
    assert_eq!(rename("/deep/er/b/none", "/f", true).await, Err(StorageErrorKind::NotFound));
}

#[tokio::test]
async fn each_place_answers_for_its_own_storage() {
    let mounts = vec![Mount { at: path("/m"), storage: Arc::new(crate::MemoryStorage::new(Default::default())) }];
    let Tree { storage: home, .. } = tree().await;
    let storage = MountedStorage::new(home, mounts);
    assert_eq!((storage.kind(&path("/f")), storage.kind(&path("/m/f"))), ("local", "memory"));
    assert_eq!(storage.host_path(&path("/m/f")), "memory:/f");
    assert!(storage.capabilities(&path("/m/f")).in_place);
    assert!(storage.real_path(&path("/")).await.is_ok());
    assert_eq!(storage.real_path(&path("/m")).await.unwrap_err().kind, StorageErrorKind::Unsupported);
}

#[tokio::test]
async fn folders_inside_folders_cover_what_is_there() {
    // C5-02
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let json = format!(
        r#"{{"status":1,"username":"u","home_dir":"{}","permissions":{{"/":["*"]}},"virtual_folders":[
        {{"name":"inner","virtual_path":"/outer/deep/inner","mapped_path":"{}"}},
        {{"name":"outer","virtual_path":"/outer","mapped_path":"{}"}}]}}"#,
        at("home").display(),
        at("inner").display(),
        at("outer").display()
    );
    let user = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let account = EffectiveAccount::ungrouped(user);
    let tree = account.file_tree().unwrap();
    let storage =
        LocalStorageFactory { settings: LocalStorageSettings::default(), check: None }.open(&tree).await.unwrap();
    std::fs::write(at("inner/in"), "x").unwrap();
    std::fs::write(at("outer/out"), "x").unwrap();
    // The folder around it does not have the directory: it is there all the same.
    assert_eq!(names(&storage, "/").await, ["outer"]);
    assert_eq!(names(&storage, "/outer").await, ["deep", "out"]);
    assert_eq!(names(&storage, "/outer/deep").await, ["inner"]);
    assert_eq!(names(&storage, "/outer/deep/inner").await, ["in"]);
    assert_eq!(storage.host_path(&path("/outer/deep/inner/in")), at("inner/in"));
    assert_eq!(storage.host_path(&path("/outer/deep/x")), at("outer/deep/x"));
    // What is covered cannot be reached, not by a link either. It counts for its folder, as accounts without the inner
    // one see it, and as scans of the folder alone find it (A10-06).
    std::fs::create_dir_all(at("outer/deep/inner")).unwrap();
    std::fs::write(at("outer/deep/inner/covered"), "x").unwrap();
    std::os::unix::fs::symlink("deep/inner/covered", at("outer/link")).unwrap();
    let tree = tidegate_core::quota::ScanTree::around(&account, storage.clone(), &path("/outer/out"));
    assert_eq!(tidegate_core::quota::survey(&tree).await.unwrap().used.files, 2);
    assert_eq!(names(&storage, "/outer/deep/inner").await, ["in"]);
    let kind = |error: StorageError| error.kind;
    let cross = Err(StorageErrorKind::CrossDevice);
    assert_eq!(storage.canonical(&path("/outer/link"), true).await.map(drop).map_err(kind), cross);
    let (inside, outside) = (path("/outer/deep/inner/in"), path("/outer/moved"));
    assert_eq!(storage.rename(&inside, &outside, true).await.map_err(kind), Ok(()));
    assert_eq!(std::fs::read_to_string(at("outer/moved")).unwrap(), "x");
    assert_eq!(storage.rename(&path("/outer/out"), &path("/outer/deep/out"), true).await.map_err(kind), Ok(()));
    assert!(at("outer/deep/out").exists());
}

#[tokio::test]
async fn files_in_nested_folders_are_counted_once_and_for_one_scope() {
    // C5-02, A10-06
    let folder = |at: &str, quota: i64| {
        format!(
            r#"{{"name":"{at}","virtual_path":"{at}","mapped_path":"/srv{at}","quota_size":{quota},"quota_files":{quota}}}"#
        )
    };
    let folders = [("/own", 0), ("/own/mine", -1), ("/own/mine/more", -1), ("/own/mine/theirs", 0), ("/mine", -1)];
    let folders = folders.map(|(at, quota)| folder(at, quota)).join(",");
    let json = format!(
        r#"{{"status":1,"username":"u","home_dir":"/srv/u","permissions":{{"/":["*"]}},"virtual_folders":[{folders}]}}"#
    );
    let user = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let account = EffectiveAccount::ungrouped(user);
    let check = |at: &str, roots: &str, skip: &str| {
        let storage = Arc::new(crate::MemoryStorage::new(Default::default()));
        let tree = tidegate_core::quota::ScanTree::around(&account, storage, &path(at));
        let line = |paths: &[VirtualPath]| paths.iter().map(|path| path.display().into_owned()).collect::<Vec<_>>();
        assert_eq!((line(&tree.roots).join(" "), line(&tree.skip).join(" ")), (roots.into(), skip.into()), "{at}");
    };
    for of_account in ["/", "/x", "/mine", "/own/mine/x", "/own/mine/more"] {
        check(of_account, "/ /own/mine", "/own /own/mine/theirs");
    }
    check("/own/x", "/own", "/own/mine /own/mine/more /own/mine/theirs");
    check("/own/mine/theirs/x", "/own/mine/theirs", "");
}
