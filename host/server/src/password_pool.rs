//! Key derivations on threads of their own, as many as there are cores. The same few threads
//! for all of them: a derivation takes megabytes, which the allocator keeps for each thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::Passwords;
use tidegate_core::secret::Secret;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The threads end with the pool.
pub struct PasswordPool {
    jobs: Sender<Job>,
}

impl PasswordPool {
    pub fn new() -> io::Result<Self> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores {
            let queue = queue.clone();
            std::thread::Builder::new().name("passwords".to_owned()).spawn(move || work(&queue))?;
        }
        Ok(Self { jobs })
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nobody waits any more when the connection, or the call of a plugin, has ended.
            if !answer.is_closed() {
                let _ = answer.send(work());
            }
        });
        self.jobs.send(job).map_err(|_| PasswordError::PoolClosed)?;
        answered.await.map_err(|_| PasswordError::Hashing("the derivation panicked".to_owned()))
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A panic is one caller's, not the pool's; the hook for panics has logged it.
        let _ = catch_unwind(AssertUnwindSafe(job));
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
