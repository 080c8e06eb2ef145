//! Notices changes in the plugin directory.

use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::loader::PluginDirectory;

/// Quiet time after a change before the directory is read: copying takes a while.
const SETTLING: Duration = Duration::from_millis(250);

impl PluginDirectory {
    /// Refreshes on every change, for as long as the task lives. The watch is in place when
    /// this returns.
    pub fn watch(self: &Arc<Self>) -> Result<tokio::task::JoinHandle<()>, notify::Error> {
        let (changed, mut changes) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| is_change(&event)) {
                // One waiting notice is enough.
                let _ = changed.try_send(());
            }
        })?;
        watcher.watch(self.path(), RecursiveMode::NonRecursive)?;
        let directory = self.clone();
        Ok(tokio::spawn(async move {
            let _watcher = watcher;
            while changes.recv().await.is_some() {
                while let Ok(Some(())) = tokio::time::timeout(SETTLING, changes.recv()).await {}
                directory.refresh().await;
            }
        }))
    }
}

/// Reading a file is an event as well, and would make a loop.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(_) => true,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        _ => event.need_rescan(),
    }
}
