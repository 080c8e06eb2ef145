//! Runs work that blocks or computes for long on threads of its own: neither the runtime's threads
//! nor the end of the process wait for it, and the caller waits for a limited time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDone {
    /// The limit passed while the work waited for a place or ran. A running thread keeps its place until it ends.
    Late,
    /// The work panicked, or no thread could be started.
    Failed,
}

/// A bounded number of threads, with a limit on the time for which a caller waits.
#[derive(Debug, Clone)]
pub struct Background {
    name: &'static str,
    places: Arc<Semaphore>,
    limit: Duration,
}

impl Background {
    /// `name`: of each thread. `threads`: how many may run at once. `limit`: how long a caller
    /// waits for a place, and then again for the result.
    pub fn new(name: &'static str, threads: usize, limit: Duration) -> Self {
        Self { name, places: Arc::new(Semaphore::new(threads)), limit }
    }

    /// How long a caller waits for a result.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs the work on a new thread. The time limit begins anew when there is a place, so that a
    /// queue does not count against the work.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, NotDone> {
        let place = tokio::time::timeout(self.limit, self.places.clone().acquire_owned()).await;
        let place = place.map_err(|_| NotDone::Late)?.map_err(|_| NotDone::Failed)?;
        let (done, outcome) = oneshot::channel();
        let thread = move || {
            let result = work();
            drop(place);
            // The caller may have given up.
            let _ = done.send(result);
        };
        std::thread::Builder::new().name(self.name.to_owned()).spawn(thread).map_err(|_| NotDone::Failed)?;
        match tokio::time::timeout(self.limit, outcome).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(NotDone::Failed),
            Err(_) => Err(NotDone::Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_ends_is_late_or_fails() {
        let patient = Background::new("test", 1, Duration::from_secs(60));
        // Shares the one place of `patient`.
        let hasty = Background { limit: Duration::from_millis(20), ..patient.clone() };
        assert_eq!(patient.run(|| 1).await, Ok(1));
        assert_eq!(patient.run(|| panic!("on purpose")).await, Err::<(), _>(NotDone::Failed));
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let hung = move || wait.recv().unwrap_or_default();
        assert_eq!(hasty.run(hung).await, Err(NotDone::Late));
        // The place is taken as long as the thread goes on.
        assert_eq!(hasty.run(|| 2).await, Err(NotDone::Late));
        release.send(()).unwrap();
        assert_eq!(patient.run(|| 3).await, Ok(3));
    }
}
