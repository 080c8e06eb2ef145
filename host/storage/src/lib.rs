//! File trees. `local` keeps every operation inside the tree with `openat2` and
//! `RESOLVE_BENEATH` (Linux 5.6 or later); `mounted` puts several trees together.

mod host_paths;
mod local;
mod mounted;

pub use host_paths::LocalHostPaths;
pub use local::{Cleaned, Leftovers, LocalStorage, LocalStorageFactory, LocalStorageSettings, OverwriteMode};
