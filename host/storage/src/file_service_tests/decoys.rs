//! A hook that decides about an upload decides about the file that was written, whatever the client does
//! to names before it closes the file (B10-08).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::files::Protocol;
use tidegate_core::hook::events::ActionKind;
use tidegate_core::hook::observation::PostAction;
use tidegate_core::hook::{Call, Hook, HookDescription, HookError, Link, LinkSettings};

use super::*;

const SFTP: Protocol = Protocol::Sftp;

/// Finds every upload good.
#[derive(Default)]
struct Trusting(AtomicUsize);

#[async_trait]
impl Hook<PostAction> for Trusting {
    fn name(&self) -> &str {
        "trusting"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    async fn call(&self, _: &Call, event: &PostAction) -> Result<(), HookError> {
        if event.0.kind == ActionKind::Upload {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn put(files: &Arc<FileService>, name: &str, content: &[u8]) {
    let mut file = files.open_write(&path(name), PUT, SFTP).await.unwrap();
    file.write_at(0, content).await.unwrap();
    file.close().await.unwrap();
}

/// What is done to names while `opened` is written, which leads to `/d/a`; `kept`: whether the upload is decided about and stays.
async fn check_at(opened: &str, names: &str, kept: bool) {
    let trusting = Arc::new(Trusting::default());
    let hooks = FileHooks { synchronous: vec![ActionKind::Upload], ..no_hooks() };
    hooks.after.chain().replace(vec![Arc::new(Link::new(trusting.clone(), LinkSettings::default()))]);
    let on = fixture_with(r#""permissions":{"/":["*"]}"#, OverwriteMode::Standard, hooks).await;
    on.files.create_directory(&path("/d"), None, SFTP).await.unwrap();
    put(&on.files, "/d/a", b"old").await;
    for (target, link) in [("/d", "/to"), ("/d/a", "/file")] {
        on.files.create_symlink(target.as_bytes(), &path(link), SFTP).await.unwrap();
    }
    trusting.0.store(0, Ordering::Relaxed);
    let mut file = on.files.open_write(&path(opened), PUT, SFTP).await.unwrap();
    file.write_at(0, b"bad").await.unwrap();
    for act in names.split(';').filter(|act| !act.is_empty()) {
        let words: Vec<&str> = act.split_whitespace().collect();
        match words[..] {
            ["rename", from, to] => on.files.rename(&path(from), &path(to), true, SFTP).await.unwrap(),
            ["link", from, to] => on.files.hard_link(&path(from), &path(to), SFTP).await.unwrap(),
            ["remove", name] => on.files.remove_file(&path(name), SFTP).await.unwrap(),
            ["symlink", target, link] => {
                on.files.create_symlink(target.as_bytes(), &path(link), SFTP).await.unwrap();
            }
            ["mkdir", name] => on.files.create_directory(&path(name), None, SFTP).await.unwrap(),
            ["put", name] => put(&on.files, name, b"good").await,
            _ => panic!("{act}"),
        }
    }
    let decoys = trusting.0.swap(0, Ordering::Relaxed);
    assert_eq!(file.close().await.is_ok(), kept, "{names}");
    assert_eq!(trusting.0.load(Ordering::Relaxed), usize::from(kept), "{names}, after {decoys} decoys");
    let left = snapshot(&*on.storage).await;
    assert_eq!(left.iter().any(|(_, content)| content.contains("bad")), kept, "{names}: {left:?}");
}

async fn check(names: &str, kept: bool) {
    check_at("/d/a", names, kept).await;
}

#[tokio::test]
async fn a_hook_decides_about_no_other_file_than_the_one_that_was_written() {
    check("", true).await;
    check("put /d/b", true).await;
    check("link /d/a /b", true).await;
    check("rename /d/a /b", false).await;
    check("rename /d/a /b; put /d/a", false).await;
    check("rename /d /e", false).await;
    check("rename /d /e; mkdir /d; put /d/a", false).await;
    check("link /d/a /b; remove /d/a; put /d/a", false).await;
    check("link /d/a /b; put /c; rename /c /d/a", false).await;
    check("remove /d/a; put /d/a", false).await;
    // By a link, which the client then points elsewhere.
    check_at("/file", "", true).await;
    check_at("/file", "remove /file; put /file", false).await;
    check_at("/to/a", "", true).await;
    check_at("/to/a", "mkdir /e; put /e/a; remove /to; symlink /e /to", false).await;
}
