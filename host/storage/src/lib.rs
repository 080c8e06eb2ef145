//! File trees. `local` keeps every operation inside the tree with `openat2` and
//! `RESOLVE_BENEATH` (Linux 5.6 or later); `memory` has no disk; `mounted` puts several trees
//! together.

mod each_attribute;
mod host_paths;
mod local;
mod memory;
mod mounted;
mod overwrite;

pub use host_paths::LocalHostPaths;
pub use local::{Cleaned, Leftovers, LocalStorage, LocalStorageFactory, LocalStorageSettings};
pub use memory::{MemoryStorage, MemoryStorageFactory, MemoryStorageSettings};
pub use mounted::{FileSystems, open_tree};
pub use overwrite::OverwriteMode;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod file_service_tests;
#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod storage_check_tests;
