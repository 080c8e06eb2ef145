//! How full the disks are that the server needs, for the web admin.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_web::{DiskUsage, Disks};

/// How long a file system has to answer: one over the network may never do.
const PATIENCE: Duration = Duration::from_millis(500);

/// The directories whose disks are looked at.
pub struct HostDisks(Vec<(&'static str, PathBuf)>);

impl HostDisks {
    /// `state`: the server's state; `homes`: where the homes of accounts are made.
    pub fn new(state: PathBuf, homes: Option<PathBuf>) -> Self {
        let homes = homes.map(|homes| ("the homes of accounts", homes));
        Self(std::iter::once(("the state of the server", state)).chain(homes).collect())
    }
}

#[async_trait]
impl Disks for HostDisks {
    async fn usages(&self) -> Vec<DiskUsage> {
        let mut usages = Vec::new();
        for (what, path) in self.0.clone() {
            let look = tokio::task::spawn_blocking(move || usage(what, path));
            if let Ok(Ok(Some(usage))) = tokio::time::timeout(PATIENCE, look).await {
                usages.push(usage);
            }
        }
        usages
    }
}

/// None: the directory cannot be looked at, or the file system says no size.
fn usage(what: &'static str, path: PathBuf) -> Option<DiskUsage> {
    let found = rustix::fs::statvfs(&path).ok().filter(|found| found.f_blocks > 0)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    let (size, free) = (bytes(found.f_blocks), bytes(found.f_bavail));
    Some(DiskUsage { what, path: path.display().to_string(), used: size.saturating_sub(free), size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn directories_that_are_not_there_are_left_out() {
        let usages = HostDisks::new(std::env::temp_dir(), Some(PathBuf::from("/none/such"))).usages().await;
        assert_eq!(usages.len(), 1, "{usages:?}");
        assert!(usages.iter().all(|usage| usage.size > 0 && usage.used <= usage.size), "{usages:?}");
    }
}
