//! Watches the plugin directory for changes. A watch can end: another directory takes the name, the
//! system stops its notices, or the server's own task panics. The server then begins a new watch.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use crate::loader::PluginDirectory;

/// Quiet time after a change before the directory is read: copying takes a while.
const SETTLING: Duration = Duration::from_millis(250);
/// Longest time for which changes that go on delay the reading.
const MAX_SETTLING: Duration = Duration::from_secs(1);
/// How often the server checks the watch, retries plugins that failed, and looks for a directory that is gone.
const LOOK_AFTER: Duration = Duration::from_secs(3);
/// Pause before a new watch begins: the cause that ended the last one may still be there.
const PAUSE: Duration = Duration::from_millis(500);

struct Watch {
    changes: mpsc::Receiver<()>,
    /// The directory that is watched; another one may have its name by now.
    watched: Identity,
    _watcher: RecommendedWatcher,
}

/// Device and inode number of a directory.
type Identity = (u64, u64);

fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = path.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Watch {
    fn begin(path: &Path) -> notify::Result<Self> {
        let (changed, changes) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| is_change(&event)) {
                // One queued notice is enough.
                let _ = changed.try_send(());
            }
        })?;
        let watched = identity(path)?;
        watcher.watch(path, RecursiveMode::NonRecursive)?;
        Ok(Self { changes, watched, _watcher: watcher })
    }

    /// Waits until no change has come for [`SETTLING`], but no longer than [`MAX_SETTLING`].
    async fn settle(&mut self) {
        let end = Instant::now() + MAX_SETTLING;
        while Instant::now() < end {
            let quiet = (Instant::now() + SETTLING).min(end);
            if !matches!(timeout_at(quiet, self.changes.recv()).await, Ok(Some(()))) {
                return;
            }
        }
    }
}

impl PluginDirectory {
    /// Starts a task that loads plugins after every change, for as long as the task lives. The
    /// watch is in place when this returns.
    ///
    /// # Errors
    /// If the directory cannot be watched.
    pub fn watch(self: &Arc<Self>) -> Result<JoinHandle<()>, notify::Error> {
        let watch = Watch::begin(self.path())?;
        Ok(tokio::spawn(self.clone().keep_watching(watch)))
    }

    async fn keep_watching(self: Arc<Self>, watch: Watch) {
        let mut watch = Some(watch);
        loop {
            // In a set, so that the inner task ends with this one.
            let mut watching = JoinSet::new();
            watching.spawn(self.clone().watch_while_it_lasts(watch.take()));
            let reason = match watching.join_next().await {
                Some(Ok(reason)) => reason,
                Some(Err(_)) | None => "the task that follows it failed",
            };
            let message = format!("the watch on the plugin directory ended ({reason}); it begins again");
            tracing::error!(sender = "plugins", message);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `watch`: a watch that is in place already. Without one, the directory is read before and
    /// after a new watch begins.
    async fn watch_while_it_lasts(self: Arc<Self>, watch: Option<Watch>) -> &'static str {
        if let Some(watch) = watch {
            return self.follow(watch).await;
        }
        self.look().await;
        let watch = self.begin_watching().await;
        let message = "the plugin directory is watched again";
        tracing::info!(sender = "plugins", message);
        self.look().await;
        self.follow(watch).await
    }

    async fn begin_watching(&self) -> Watch {
        loop {
            match Watch::begin(self.path()) {
                Ok(watch) => return watch,
                Err(error) => {
                    let message = format!("the plugin directory cannot be watched yet: {error}");
                    tracing::debug!(sender = "plugins", message);
                }
            }
            tokio::time::sleep(LOOK_AFTER).await;
        }
    }

    /// Loads plugins after each change until the watch ends; returns the reason for that.
    async fn follow(self: Arc<Self>, mut watch: Watch) -> &'static str {
        loop {
            match timeout(LOOK_AFTER, watch.changes.recv()).await {
                Ok(Some(())) => {
                    watch.settle().await;
                    self.look().await;
                }
                Ok(None) => return "the system's notices ended",
                Err(_) => self.look_again().await,
            }
            if identity(self.path()).ok() != Some(watch.watched) {
                return "the directory was removed or replaced";
            }
        }
    }
}

/// Whether an event is a change. Reading a file is an event as well, and would make a loop.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(_) => true,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        _ => event.need_rescan(),
    }
}
