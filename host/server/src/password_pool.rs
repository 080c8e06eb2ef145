//! Key derivations off the runtime's threads, as many at once as there are cores.

use async_trait::async_trait;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::Passwords;
use tidegate_core::secret::Secret;
use tokio::sync::Semaphore;

pub struct PasswordPool {
    workers: Semaphore,
}

impl PasswordPool {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { workers: Semaphore::new(cores) }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let _worker = self.workers.acquire().await.map_err(|_| PasswordError::PoolClosed)?;
        tokio::task::spawn_blocking(work).await.map_err(|error| PasswordError::Hashing(error.to_string()))
    }
}

#[async_trait]
impl Passwords for PasswordPool {
    async fn matches(&self, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError> {
        let (hash, clear) = (hash.clone(), clear.clone());
        self.run(move || hash.matches(&clear)).await
    }

    async fn hash(&self, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        let clear = clear.clone();
        self.run(move || PasswordHash::of(&clear)).await?
    }
}
