//! File trees. `local` keeps every operation inside the tree with `openat2` and
//! `RESOLVE_BENEATH` (Linux 5.6 or later).

mod local;

pub use local::{LocalStorage, LocalStorageFactory, LocalStorageSettings, OverwriteMode};
