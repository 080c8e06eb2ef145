//! File trees. `local` keeps every operation inside the tree with `openat2` and
//! `RESOLVE_BENEATH` (Linux 5.6 or later); `mounted` puts several trees together.

mod local;
mod mounted;

pub use local::{Cleaned, Leftovers, LocalStorage, LocalStorageFactory, LocalStorageSettings, OverwriteMode};
