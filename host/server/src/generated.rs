//! Files of the tree that are generated from the sources. A test fails when one of them is stale,
//! and writes it if `TIDEGATE_WRITE_GENERATED` is set.

use std::path::{Path, PathBuf};

const WRITE: &str = "TIDEGATE_WRITE_GENERATED";

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `path`: relative to the root of the tree.
pub fn check(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, expected).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == expected, "{path} is stale; run host/docs/generate and commit what it writes");
}
