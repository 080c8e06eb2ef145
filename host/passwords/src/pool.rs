//! Runs key derivations on threads of their own, as many as there are cores. The same few threads
//! run all of them: a derivation takes megabytes, which the allocator keeps for each thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::Passwords;
use tidegate_core::secret::Secret;
use tidegate_core::turns::{Places, Waiter};
use tokio::sync::oneshot;

/// A wait that is long enough for a warning to the operator.
const LONG_WAIT: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// Two lanes: one for logins, and apart from it one for what plugins ask for.
pub struct PasswordPool {
    own: Lane,
    plugins: Lane,
}

/// Threads, and the queue before them. The threads end when this is dropped.
struct Lane {
    name: &'static str,
    places: Places,
    jobs: Sender<Job>,
}

impl PasswordPool {
    pub fn new() -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Work for plugins occupies half of the cores at most.
        Ok(Self { own: Lane::new("passwords", cores)?, plugins: Lane::new("plugin-pwds", cores.div_ceil(2))? })
    }
}

impl Lane {
    fn new(name: &'static str, threads: usize) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = queue.clone();
            std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&queue))?;
        }
        Ok(Self { name, places: Places::new(threads), jobs })
    }

    /// Runs work on a thread. The work holds its place until it is done, even if the caller has given up.
    async fn run<T: Send + 'static>(
        &self,
        waiter: Waiter<'_>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = match self.places.try_enter(waiter) {
            Some(place) => place,
            None => {
                let since = Instant::now();
                let place = self.places.enter(waiter, usize::MAX).await.map_err(|_| PasswordError::PoolClosed)?;
                self.tell_of_wait(waiter, since.elapsed());
                place
            }
        };
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            // The connection, or the call of a plugin, has ended: the work is not needed any more.
            let done = (!answer.is_closed()).then(work);
            drop(place);
            if let Some(done) = done {
                let _ = answer.send(done);
            }
        });
        self.jobs.send(job).map_err(|_| PasswordError::PoolClosed)?;
        answered.await.map_err(|_| PasswordError::Hashing("the derivation panicked".to_owned()))
    }

    fn tell_of_wait(&self, waiter: Waiter<'_>, waited: Duration) {
        if waited < LONG_WAIT {
            return;
        }
        let message = format!("a password was waiting {waited:?} for its turn to be checked: the processors are busy");
        let address = waiter.address.map(|address| address.to_string());
        tracing::warn!(sender = "passwords", line = self.name, address, username = waiter.account, message);
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A panic ends one piece of work and not the thread; the panic hook has logged it.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[async_trait]
impl Passwords for PasswordPool {
    async fn matches(&self, waiter: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError> {
        let (hash, clear) = (hash.clone(), clear.clone());
        self.own.run(waiter, move || crate::matches(&hash, &clear)).await
    }

    async fn matches_for_plugin(
        &self,
        waiter: Waiter<'_>,
        hash: &PasswordHash,
        clear: &Secret,
    ) -> Result<bool, PasswordError> {
        let (hash, clear) = (hash.clone(), clear.clone());
        self.plugins.run(waiter, move || crate::matches(&hash, &clear)).await
    }

    fn can_check(&self, hash: &PasswordHash) -> bool {
        crate::can_check(hash)
    }

    async fn hash(&self, waiter: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        let clear = clear.clone();
        self.own.run(waiter, move || crate::hash(&clear)).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn comparisons_of_plugins_hold_up_no_login() {
        // B0-10b
        let pool = PasswordPool::new().unwrap();
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let waiter = Waiter::SERVER;
        // As many as occupy every thread for plugins, and more in the queue.
        let slow = |held: Arc<Mutex<Receiver<()>>>| move || held.lock().unwrap().recv().is_ok();
        let mut stuck: Vec<_> = (0..32).map(|_| Box::pin(pool.plugins.run(waiter, slow(held.clone())))).collect();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for call in &mut stuck {
            assert!(call.as_mut().poll(&mut context).is_pending());
        }
        let (hash, clear) = (PasswordHash::recognise("$1$saltsalt$x").unwrap(), Secret::new("pw"));
        assert_eq!(pool.matches(waiter, &hash, &clear).await, Ok(false));
        // Calls that ended at their deadline leave the queue; work that began goes on to its end.
        drop(stuck);
        drop(release);
        assert_eq!(pool.matches_for_plugin(waiter, &hash, &clear).await, Ok(false));
    }
}
