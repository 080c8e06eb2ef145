//! The usages that go on while the store is away, and that the store does not know to be in change.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::quota::Scope;

/// Keeps accounts and folders until the store has marked their usages: if the server is killed before, what they have
/// used meanwhile is lost, and their files are counted after the next start (A10-08).
#[async_trait]
pub trait UnmarkedUsages: Send + Sync {
    /// Those that are kept; at the start, those that an earlier process has left.
    fn all(&self) -> Vec<Scope>;

    /// Whether this one is kept.
    fn has(&self, scope: &Scope) -> bool;

    /// Keeps one more, and answers when it is safe from a crash.
    ///
    /// # Errors
    /// It cannot be kept; a sentence.
    async fn add(&self, scope: &Scope) -> Result<(), String>;

    /// Keeps these no longer.
    ///
    /// # Errors
    /// They are kept for the next start; a sentence.
    async fn remove(&self, scopes: &[Scope]) -> Result<(), String>;
}

/// Keeps them as long as the process lives.
#[derive(Debug, Default)]
pub struct UnmarkedUsagesInMemory(Mutex<BTreeSet<Scope>>);

impl UnmarkedUsagesInMemory {
    /// With these to begin with.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(Mutex::new(scopes.into_iter().collect()))
    }

    fn scopes(&self) -> std::sync::MutexGuard<'_, BTreeSet<Scope>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl UnmarkedUsages for UnmarkedUsagesInMemory {
    fn all(&self) -> Vec<Scope> {
        self.scopes().iter().cloned().collect()
    }

    fn has(&self, scope: &Scope) -> bool {
        self.scopes().contains(scope)
    }

    async fn add(&self, scope: &Scope) -> Result<(), String> {
        self.scopes().insert(scope.clone());
        Ok(())
    }

    async fn remove(&self, scopes: &[Scope]) -> Result<(), String> {
        let mut kept = self.scopes();
        kept.retain(|scope| !scopes.contains(scope));
        Ok(())
    }
}
