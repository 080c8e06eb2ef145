//! The directory that holds the server's state.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Makes what is missing, for this user alone.
pub fn prepare(directory: &Path) -> anyhow::Result<PathBuf> {
    for path in [directory.to_owned(), directory.join("plugins")] {
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
