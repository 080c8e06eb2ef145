//! A store in one file of key/value tables (`driver = "bolt"`), for one process at a time.

mod account_lists;
mod audit;
mod batches;
mod changes;
mod directory;
mod engine;
mod failure;
mod given_back;
mod hook_runs;
mod last_logins;
mod made_changes;
mod open;
mod plugin_values;
mod rows;
mod tables;
mod usages;

use std::path::Path;
use std::sync::Arc;

use tidegate_core::ports::{Clock, SystemClock};
use tokio::sync::Notify;

use engine::Engine;
use last_logins::LastLogins;
pub use open::OpenError;

/// A database file, which only this process has open. What is acknowledged survives a power cut; times of logins
/// are stored a little later.
pub struct RedbDatabase {
    engine: Arc<Engine>,
    last_logins: Arc<LastLogins>,
    /// Notified when documents may have been changed.
    committed: Arc<Notify>,
    /// Says when plugins' values expire.
    clock: Arc<dyn Clock>,
}

impl RedbDatabase {
    /// Opens the file, made with mode 0600 if it is missing.
    ///
    /// # Errors
    /// [`OpenError`]; a file that this server has not made stays as it is.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, open::open)
    }

    /// `open` is called again after the file or its disk has failed.
    fn open_with(
        path: &Path,
        open: impl Fn(&Path) -> Result<::redb::Database, OpenError> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let engine = Arc::new(Engine::new(path, Box::new(open))?);
        let (last_logins, clock) = (LastLogins::new(engine.clone()), Arc::new(SystemClock));
        Ok(Self { last_logins, engine, committed: Arc::default(), clock })
    }

    /// Lets plugins' values expire by `clock`, and not by that of the host.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl Drop for RedbDatabase {
    fn drop(&mut self) {
        // No further login can arrive.
        self.last_logins.store_at_end();
        // Tasks that have given their answer may still hold the engine, and the file has to be free by now.
        self.engine.close();
    }
}

#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod test_disk;
