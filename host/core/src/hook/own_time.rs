//! Deadlines of hooks that talk with a client: the time that the client takes to answer does not count.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::deadline::Late;

/// How long one conversation has waited for its client.
#[derive(Debug, Default)]
pub struct OwnTime {
    pauses: watch::Sender<Pauses>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pauses {
    past: Duration,
    since: Option<Instant>,
}

impl OwnTime {
    /// Waits for the client. The time counts for no hook, even if the wait is cancelled.
    pub async fn paused<T>(&self, waiting: impl Future<Output = T>) -> T {
        struct Pause<'a>(&'a OwnTime);
        impl Drop for Pause<'_> {
            fn drop(&mut self) {
                self.0.pauses.send_modify(|pauses| {
                    if let Some(since) = pauses.since.take() {
                        pauses.past = pauses.past.saturating_add(since.elapsed());
                    }
                });
            }
        }
        self.pauses.send_modify(|pauses| pauses.since = Some(Instant::now()));
        let _pause = Pause(self);
        waiting.await
    }

    /// As [`in_time`](super::deadline::in_time), without counting the time that is [paused](Self::paused).
    ///
    /// # Errors
    /// The deadline has passed.
    pub async fn bound<T>(&self, deadline: Duration, work: impl Future<Output = T>) -> Result<T, Late> {
        let mut work = pin!(work);
        let mut changes = self.pauses.subscribe();
        let (started, before) = (Instant::now(), changes.borrow_and_update().past);
        loop {
            let pauses = *changes.borrow_and_update();
            let end = started + deadline + pauses.past.saturating_sub(before);
            tokio::select! {
                biased;
                answer = &mut work => return Ok(answer),
                // The sender is this object, so there is always another change to wait for.
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(end), if pauses.since.is_none() => return Err(Late),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works and waits for the client by turns, in seconds.
    async fn check(turns: &[(u64, u64)], expected: Result<(), Late>) {
        let time = OwnTime::default();
        let seconds = |count| tokio::time::sleep(Duration::from_secs(count));
        let work = async {
            for (works, waits) in turns {
                seconds(*works).await;
                time.paused(seconds(*waits)).await;
            }
        };
        assert_eq!(time.bound(Duration::from_secs(10), work).await, expected, "{turns:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_clients_time_does_not_count() {
        check(&[], Ok(())).await;
        check(&[(9, 1000)], Ok(())).await;
        check(&[(4, 1000), (4, 1000)], Ok(())).await;
        check(&[(11, 0)], Err(Late)).await;
        check(&[(6, 1000), (5, 1000)], Err(Late)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_hook_of_a_conversation_has_its_own() {
        let time = OwnTime::default();
        let ten = Duration::from_secs(10);
        for _ in 0..3 {
            let work = async {
                time.paused(tokio::time::sleep(ten * 5)).await;
                tokio::time::sleep(ten / 2).await;
            };
            assert_eq!(time.bound(ten, work).await, Ok(()));
        }
        assert_eq!(time.bound(ten, tokio::time::sleep(ten * 2)).await, Err(Late));
    }
}
