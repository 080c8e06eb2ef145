//! Each operation with each set of permissions, by every spelling of a path.

use tidegate_core::files::{CopyRange, FileError, Protocol};
use tidegate_core::permission::TOKENS;
use tidegate_core::ports::storage::SetAttributes;

use super::*;

macro_rules! operations {
    ($($name:ident,)*) => {
        /// What a client asks for in the directory `box`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Operation {
            $($name,)*
        }

        impl Operation {
            const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

// A test in `tests/architecture` says which function of the service is missing here.
operations! {
    ReadDirectory,
    ReadDirectoryForDownload,
    Metadata,
    SymlinkMetadata,
    MetadataForTransfer,
    ReadLink,
    Space,
    Inspect,
    OpenRead,
    OpenNew,
    OpenExisting,
    OpenToAppend,
    OpenToReadAndWrite,
    OpenToReadNew,
    OpenToReadEmptied,
    Mkdir,
    Rmdir,
    Remove,
    RemoveLink,
    RenameFile,
    RenameDirectory,
    RenameOver,
    RenameOut,
    RenameIn,
    RenameInOver,
    HardLink,
    Symlink,
    Chmod,
    Chown,
    Chtimes,
    Truncate,
    ChmodOpened,
    ChtimesUploaded,
    Copy,
    CopyOver,
}

impl Operation {
    /// The sets of permissions of which one is enough (A5-05 to A5-07, A6-04, A8-05).
    fn needs(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::ReadDirectory
            | Self::Metadata
            | Self::SymlinkMetadata
            | Self::ReadLink
            | Self::Space
            | Self::Inspect => &[&["list"]],
            Self::ReadDirectoryForDownload => &[&["list"], &["download"]],
            Self::MetadataForTransfer => &[&["list"], &["download"], &["upload"], &["create_dirs"]],
            Self::OpenRead => &[&["download"]],
            Self::OpenNew => &[&["upload"]],
            Self::OpenExisting | Self::OpenToAppend | Self::Truncate => &[&["upload", "overwrite"]],
            Self::OpenToReadAndWrite | Self::HardLink | Self::OpenToReadEmptied => {
                &[&["download", "upload", "overwrite"]]
            }
            Self::OpenToReadNew => &[&["download", "upload"]],
            Self::Mkdir => &[&["create_dirs"]],
            Self::Rmdir => &[&["delete"], &["delete_dirs"]],
            Self::Remove | Self::RemoveLink => &[&["delete"], &["delete_files"]],
            Self::RenameFile | Self::RenameOut | Self::RenameIn => &[&["rename"], &["rename_files"]],
            Self::RenameDirectory => &[&["rename"], &["rename_dirs"]],
            Self::RenameOver | Self::RenameInOver => &[&["rename", "overwrite"], &["rename_files", "overwrite"]],
            Self::Symlink => &[&["create_symlinks"]],
            Self::Chmod => &[&["chmod"]],
            Self::Chown => &[&["chown"]],
            Self::Chtimes => &[&["chtimes"]],
            Self::ChmodOpened => &[&["download", "chmod"]],
            Self::ChtimesUploaded => &[&["upload", "overwrite", "chtimes"]],
            Self::Copy => &[&["download", "upload", "copy"]],
            Self::CopyOver => &[&["download", "upload", "overwrite", "copy"]],
        }
    }

    /// `at`: how the client spells a path in `box`.
    async fn run(self, files: &Arc<FileService>, at: impl Fn(&str) -> VirtualPath) -> Result<(), FileError> {
        const SFTP: Protocol = Protocol::Sftp;
        let put = async |options: OpenOptions, name: &str| {
            let mut file = files.open(&at(name), options, SFTP).await?;
            if options.write {
                file.write_at(0, b"written").await?;
            }
            file.close().await
        };
        let rename = async |from: VirtualPath, to: VirtualPath, replace| files.rename(&from, &to, replace, SFTP).await;
        let set = async |attributes: SetAttributes| files.set_attributes(&at("f"), &attributes, true, SFTP).await;
        let copy = async |name: &str| {
            let mut source = files.open_read(&at("g"), SFTP).await?;
            let mut target = files.open_write(&at(name), PUT, SFTP).await?;
            let copied = files.copy(&mut source, &mut target, CopyRange { from: 0, length: 0, to: 0 }, SFTP).await;
            copied?;
            target.close().await
        };
        let reading = OpenOptions { read: true, ..OpenOptions::default() };
        match self {
            Self::ReadDirectory => files.read_directory(&at("")).await.map(drop),
            Self::ReadDirectoryForDownload => files.read_directory_for_download(&at("")).await.map(drop),
            Self::Metadata => files.metadata(&at("f")).await.map(drop),
            Self::SymlinkMetadata => files.symlink_metadata(&at("link")).await.map(drop),
            Self::MetadataForTransfer => files.metadata_for_transfer(&at("f")).await.map(drop),
            Self::ReadLink => files.read_link(&at("link")).await.map(drop),
            Self::Space => files.space(&at("f")).await.map(drop),
            Self::Inspect => files.inspect(&at("f"), 0, 3, |_| {}).await,
            Self::OpenRead => put(reading, "f").await,
            Self::OpenNew => put(PUT, "new").await,
            Self::OpenExisting => put(PUT, "f").await,
            Self::OpenToAppend => put(OpenOptions { append: true, truncate: false, ..PUT }, "f").await,
            Self::OpenToReadAndWrite => put(OpenOptions { read: true, ..PUT }, "f").await,
            Self::OpenToReadNew => put(OpenOptions { create: true, ..reading }, "new").await,
            Self::OpenToReadEmptied => put(OpenOptions { truncate: true, ..reading }, "f").await,
            Self::Mkdir => files.create_directory(&at("new"), None, SFTP).await,
            Self::Rmdir => files.remove_directory(&at("d"), SFTP).await,
            Self::Remove => files.remove_file(&at("f"), SFTP).await,
            Self::RemoveLink => files.remove_file(&at("link"), SFTP).await,
            Self::RenameFile => rename(at("f"), at("new"), false).await,
            Self::RenameDirectory => rename(at("d"), at("new"), false).await,
            Self::RenameOver => rename(at("f"), at("g"), true).await,
            Self::RenameOut => rename(at("f"), path("/free/new"), false).await,
            Self::RenameIn => rename(path("/free/f"), at("new"), false).await,
            Self::RenameInOver => rename(path("/free/f"), at("f"), true).await,
            Self::HardLink => files.hard_link(&at("f"), &at("new"), SFTP).await,
            Self::Symlink => files.create_symlink(b"f", &at("new"), SFTP).await,
            Self::Chmod => set(SetAttributes { mode: Some(0o600), ..Default::default() }).await,
            Self::Chown => set(SetAttributes { uid: Some(7), gid: Some(8), ..Default::default() }).await,
            Self::Chtimes => set(SetAttributes { times: Some((7, 8)), ..Default::default() }).await,
            Self::Truncate => set(SetAttributes { size: Some(1), ..Default::default() }).await,
            Self::ChmodOpened => {
                let mut file = files.open_read(&at("f"), SFTP).await?;
                file.set_attributes(&SetAttributes { mode: Some(0o600), ..Default::default() }).await
            }
            Self::ChtimesUploaded => {
                let in_place = OpenOptions { truncate: false, ..PUT };
                let mut file = files.open_write(&at("f"), in_place, SFTP).await?;
                file.set_attributes(&SetAttributes { times: Some((7, 8)), ..Default::default() }).await?;
                file.close().await
            }
            Self::Copy => copy("new").await,
            Self::CopyOver => copy("f").await,
        }
    }
}

async fn with_box(storage: &dyn Storage) {
    for directory in ["/box", "/box/d", "/free"] {
        storage.create_directory(&path(directory), None).await.unwrap();
    }
    for file in ["/box/f", "/box/g", "/free/f"] {
        let opened = storage.open_in_place(&path(file), PUT).await.unwrap();
        opened.write_at(0, file.as_bytes()).await.unwrap();
    }
    let links = [("f", "/box/link"), ("box", "/alias"), ("/box", "/free/absolute"), ("absolute/../alias", "/free/far")];
    for (text, link) in links {
        storage.create_symlink(text.as_bytes(), &path(link)).await.unwrap();
    }
}

/// `rules`: the account's rules, with the permissions in place of `GRANTED`. `directory`: how the
/// client spells `box`.
async fn check(operation: Operation, rules: &str, granted: &[&str], directory: &str) {
    let granted_json = json_list(granted);
    let fields = format!(r#""permissions":{}"#, rules.replace("GRANTED", &granted_json));
    let Fixture { files, storage, .. } = fixture(&fields, OverwriteMode::Standard).await;
    with_box(&*storage).await;
    let before = snapshot(&*storage).await;
    let at = |name: &str| path(&format!("{directory}/{name}"));
    let outcome = operation.run(&files, at).await;
    let context = format!("{operation:?} with {granted:?} by {rules}, written {directory}");
    let is_enough = |needed: &&[&str]| needed.iter().all(|token| granted.contains(token));
    if operation.needs().iter().any(is_enough) {
        assert_eq!(outcome, Ok(()), "{context}");
    } else {
        assert_eq!(outcome, Err(FileError::Denied), "{context}");
        // Making the target of a copy was allowed, so an empty file may be there.
        if operation != Operation::Copy && operation != Operation::CopyOver {
            assert_eq!(snapshot(&*storage).await, before, "{context}");
        }
    }
}

fn json_list(tokens: &[&str]) -> String {
    let quoted: Vec<String> = tokens.iter().map(|token| format!("\"{token}\"")).collect();
    format!("[{}]", quoted.join(","))
}

/// Sets of permissions that are just enough for an operation, and sets that are not.
fn grants(operation: Operation) -> Vec<Vec<&'static str>> {
    let all = TOKENS.map(|(token, _)| token);
    let mut grants: Vec<Vec<&str>> = all.iter().map(|token| vec![*token]).collect();
    grants.push(all.to_vec());
    for needed in operation.needs() {
        grants.push(needed.to_vec());
        for missing in *needed {
            grants.push(all.iter().copied().filter(|token| token != missing).collect());
            grants.push(needed.iter().copied().filter(|token| token != missing).collect());
        }
    }
    let unneeded = all.iter().copied().filter(|token| !operation.needs().iter().any(|needed| needed.contains(token)));
    grants.push(unneeded.collect());
    grants.retain(|granted| !granted.is_empty());
    grants
}

#[tokio::test]
async fn an_operation_needs_its_permissions_however_the_path_is_written() {
    // A5-03, A5-05, A5-06, A5-07, A8-05, J-19
    let (one_rule, of_the_box, of_the_link) =
        (r#"{"/":GRANTED}"#, r#"{"/":["*"],"/box":GRANTED}"#, r#"{"/":["*"],"/alias":GRANTED}"#);
    for operation in Operation::ALL.iter().copied() {
        for granted in grants(operation) {
            for written in ["/box", "/free/../box/.", "//alias", "/free/absolute", "/free/far", "/free/far/../../box"] {
                check(operation, of_the_box, &granted, written).await;
            }
            check(operation, of_the_link, &granted, "/alias").await;
            // Nothing here lies outside of the rule, so a rename needs its permissions at both ends.
            check(operation, one_rule, &granted, "/box").await;
            check(operation, one_rule, &granted, "/alias").await;
        }
    }
}

#[tokio::test]
async fn permissions_are_those_of_the_directory_above() {
    // A5-05
    use Operation::{
        Chmod, Chown, Chtimes, HardLink, Inspect, Metadata, Mkdir, OpenExisting, OpenNew, OpenRead, OpenToAppend,
        ReadLink, Remove, RemoveLink, Rmdir, Space, Symlink, SymlinkMetadata, Truncate,
    };
    // `own`: what the rules of the path itself grant.
    let files_with = async |above: &str, own: &str| {
        let own_rules = ["d", "f", "link", "new"].map(|name| format!(r#","/box/{name}":["{own}"]"#)).concat();
        let fields = format!(r#""permissions":{{"/":["{above}"]{own_rules}}}"#);
        let Fixture { files, storage, .. } = fixture(&fields, OverwriteMode::Standard).await;
        with_box(&*storage).await;
        files
    };
    let of_looks = [Metadata, SymlinkMetadata, ReadLink, Space, Inspect];
    let of_transfers = [OpenRead, OpenNew, OpenExisting, OpenToAppend, HardLink];
    let of_names = [Mkdir, Rmdir, Remove, RemoveLink, Symlink];
    let of_attributes = [Chmod, Chown, Chtimes, Truncate];
    let all = [&of_looks[..], &of_transfers, &of_names, &of_attributes].concat();
    for operation in all {
        for (above, own, expected) in [("*", "copy", Ok(())), ("copy", "*", Err(FileError::Denied))] {
            let files = files_with(above, own).await;
            let outcome = operation.run(&files, |name| path(&format!("/box/{name}"))).await;
            assert_eq!(outcome, expected, "{operation:?} {above} {own}");
        }
    }
    // Of a directory, the attributes are as a file's, and its entries are its own.
    let (directory, mode) = (path("/box/d"), SetAttributes { mode: Some(0o700), ..Default::default() });
    for (above, own, set, listed) in
        [("*", "copy", Ok(()), Err(FileError::Denied)), ("copy", "*", Err(FileError::Denied), Ok(()))]
    {
        let files = files_with(above, own).await;
        assert_eq!(files.set_attributes(&directory, &mode, true, Protocol::Sftp).await, set, "{above} {own}");
        assert_eq!(files.read_directory(&directory).await.map(drop), listed, "{above} {own}");
    }
}

#[tokio::test]
async fn links_to_files_come_under_both_rules() {
    // The rules at the link's own place and at the file's (A5-03, A5-05).
    let check = async |rules: &str, at: &str, upload: Result<(), FileError>, download: Result<(), FileError>| {
        let Fixture { files, storage, .. } =
            fixture(&format!(r#""permissions":{rules}"#), OverwriteMode::Standard).await;
        with_box(&*storage).await;
        storage.create_symlink(b"/box/f", &path("/free/to-f")).await.unwrap();
        storage.create_symlink(b"/box/none", &path("/free/to-none")).await.unwrap();
        let put = async || files.open_write(&path(at), PUT, Protocol::Sftp).await?.close().await;
        assert_eq!(put().await, upload, "{rules} {at}");
        let got = files.open_read(&path(at), Protocol::Sftp).await.map(drop);
        assert_eq!(got, download, "{rules} {at}");
    };
    let everywhere = r#"{"/":["*"]}"#;
    check(everywhere, "/free/to-f", Ok(()), Ok(())).await;
    check(everywhere, "/free/to-none", Ok(()), Ok(())).await;
    let (nothing_in_box, nothing_beside) = (r#"{"/":["*"],"/box":["list"]}"#, r#"{"/":["*"],"/free":["list"]}"#);
    for at in ["/free/to-f", "/free/to-none"] {
        check(nothing_in_box, at, Err(FileError::Denied), Err(FileError::Denied)).await;
        check(nothing_beside, at, Err(FileError::Denied), Err(FileError::Denied)).await;
    }
    let read_only = r#"{"/":["*"],"/box":["download"]}"#;
    check(read_only, "/free/to-f", Err(FileError::Denied), Ok(())).await;
    let write_only = r#"{"/":["*"],"/box":["upload","overwrite"]}"#;
    check(write_only, "/free/to-f", Ok(()), Err(FileError::Denied)).await;
}

#[tokio::test]
async fn the_root_and_names_of_the_server_stay() {
    // A5-07, A5-09
    let Fixture { files, storage, .. } = fixture(r#""permissions":{"/":["*"]}"#, OverwriteMode::Standard).await;
    with_box(&*storage).await;
    let (root, sftp) = (path("/"), Protocol::Sftp);
    assert_eq!(files.remove_directory(&root, sftp).await, Err(FileError::Denied));
    assert_eq!(files.remove_file(&root, sftp).await, Err(FileError::Denied));
    assert_eq!(files.rename(&root, &path("/x"), false, sftp).await, Err(FileError::Denied));
    assert_eq!(files.rename(&path("/box"), &root, true, sftp).await, Err(FileError::Denied));
    assert_eq!(files.create_symlink(b"box", &root, sftp).await, Err(FileError::Denied));
    assert_eq!(files.create_symlink(b"/", &path("/to-root"), sftp).await, Ok(()));
    assert!(matches!(files.open_write(&path("/box"), PUT, sftp).await, Err(FileError::Unsupported(_))));
    let hidden = path("/.tidegate-upload.x");
    assert_eq!(files.open_write(&hidden, PUT, sftp).await.map(drop), Err(FileError::Denied));
    assert_eq!(files.create_directory(&hidden, None, sftp).await, Err(FileError::Denied));
    assert!(matches!(files.rename(&path("/box/f"), &path("/box/g"), false, sftp).await, Err(FileError::Failed(_))));
}
