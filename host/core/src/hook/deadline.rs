//! Deadlines that need no timer where the answer comes at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::HookEvent;

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late;

/// Runs `work` within the deadline of a call about `event`. Of an event that talks with the client, the client's
/// time does not count.
///
/// # Errors
/// The deadline has passed.
pub async fn in_time_of<E: HookEvent, T>(
    event: &E,
    deadline: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Late> {
    match event.own_time() {
        Some(own) => own.bound(deadline, work).await,
        None => in_time(deadline, work).await,
    }
}

/// As `tokio::time::timeout`, but with a timer only for a future that is not ready at once: components usually
/// answer without waiting.
///
/// # Errors
/// The deadline has passed.
pub async fn in_time<T>(deadline: Duration, work: impl Future<Output = T>) -> Result<T, Late> {
    let mut work = pin!(work);
    let at_once = poll_fn(|cx| {
        Poll::Ready(match work.as_mut().poll(cx) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        })
    });
    match at_once.await {
        Some(answer) => Ok(answer),
        None => tokio::time::timeout(deadline, work).await.map_err(|_| Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_waits_has_its_time() {
        let minute = Duration::from_secs(60);
        assert_eq!(in_time(minute, async { 1 }).await, Ok(1));
        assert_eq!(in_time(minute, async { tokio::time::sleep(minute / 2).await }).await, Ok(()));
        assert_eq!(in_time(minute, async { tokio::time::sleep(minute * 2).await }).await, Err(Late));
        assert_eq!(in_time(minute, std::future::pending::<()>()).await, Err(Late));
    }
}
