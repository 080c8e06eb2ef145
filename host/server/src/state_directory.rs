//! The directory that holds the server's state.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rand::RngExt;
use tidegate_core::ports::NodeName;

const LOCK: &str = "lock";
const NODE: &str = "node";
const PLUGINS: &str = "plugins";

/// The lock of the state directory, held by the one process that serves from the directory, or
/// administers it while no server runs. The kernel releases it however the process ends.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// `None`: another process holds the lock.
    pub fn try_acquire(directory: &Path) -> anyhow::Result<Option<Self>> {
        let path = directory.join(LOCK);
        let unusable = || format!("the lock {} cannot be used", path.display());
        let mut options = OpenOptions::new();
        // The content does not matter. The file is never removed, or two processes could lock two files.
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path).with_context(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(unusable),
        }
    }
}

/// The name of this directory's server among those that share a database. It is made once, at random.
pub fn node_name(directory: &Path) -> anyhow::Result<NodeName> {
    let path = directory.join(NODE);
    let unusable = || format!("the server's name in {} cannot be used", path.display());
    if let Ok(name) = std::fs::read_to_string(&path)
        && !name.trim().is_empty()
    {
        return Ok(NodeName(name.trim().to_owned()));
    }
    let name = format!("{:016x}", rand::rng().random::<u64>());
    let beside = directory.join(format!("{NODE}.{name}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).with_context(unusable)?;
    writeln!(file, "{name}").and_then(|()| file.sync_all()).with_context(unusable)?;
    std::fs::rename(&beside, &path).with_context(unusable)?;
    Ok(NodeName(name))
}

/// Whether a server or a command has worked in the directory, or plugins were put there for one.
pub fn is_used(directory: &Path) -> bool {
    [LOCK, NODE, PLUGINS].iter().any(|name| directory.join(name).exists())
}

/// Makes the directories that are missing, for this user alone.
pub fn prepare(directory: &Path) -> anyhow::Result<PathBuf> {
    for path in [directory.to_owned(), directory.join(PLUGINS)] {
        make(&path)?;
    }
    directory.canonicalize().with_context(|| format!("the directory {} cannot be used", directory.display()))
}

pub fn make(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
        format!("the directory {} could not be made; make it, or choose another with --config-dir", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_has_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let held = StateLock::try_acquire(directory.path()).unwrap();
        assert!(held.is_some());
        assert!(StateLock::try_acquire(directory.path()).unwrap().is_none());
        drop(held);
        assert!(StateLock::try_acquire(directory.path()).unwrap().is_some());
        assert!(StateLock::try_acquire(&directory.path().join("missing")).is_err());
    }

    #[test]
    fn a_server_keeps_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let name = node_name(directory.path()).unwrap();
        assert_eq!(name.0.len(), 16, "{name:?}");
        assert_eq!(node_name(directory.path()).unwrap(), name);
        assert_ne!(node_name(tempfile::tempdir().unwrap().path()).unwrap(), name);
    }
}
