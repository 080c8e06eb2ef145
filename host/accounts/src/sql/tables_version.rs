//! Whether the tables are still those that this server knows: a newer release may change them while it runs.

use std::sync::atomic::{AtomicI64, Ordering};

use tidegate_core::ports::StoreError;

/// The version of the tables, as this server knows them and as they were last seen.
#[derive(Debug)]
pub struct TablesVersion {
    known: i64,
    /// The version of the tables, once a newer release has changed them; otherwise 0.
    newer: AtomicI64,
}

impl TablesVersion {
    /// The tables are of the version `known`, or of an older one.
    pub fn new(known: i64) -> Self {
        Self { known, newer: AtomicI64::new(0) }
    }

    /// Notes the version that the tables have now. The log says it once when they have become newer.
    pub fn note(&self, found: i64) {
        let newer = if found > self.known { found } else { 0 };
        if self.newer.swap(newer, Ordering::Relaxed) == 0
            && let Err(error) = self.check()
        {
            tracing::error!(sender = "data_provider", message = error.to_string());
        }
    }

    /// Whether the tables were found to be those of a newer release.
    pub fn is_newer(&self) -> bool {
        self.newer.load(Ordering::Relaxed) != 0
    }

    /// # Errors
    /// `Unavailable`: the tables were found to be those of a newer release, whose rules for logins this server does not
    /// know.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.newer.load(Ordering::Relaxed) {
            0 => Ok(()),
            newer => Err(StoreError::Unavailable(format!(
                "a newer release has brought the database to version {newer}, and this server knows versions up to {}: \
                 update it; until then it refuses logins",
                self.known
            ))),
        }
    }
}
