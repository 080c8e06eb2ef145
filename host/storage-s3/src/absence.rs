//! Which stores do not answer. A request is repeated for some seconds, since most failures are short; while a store is away
//! for longer, each request is made once, so that clients do not wait for repetitions that come to nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A store that gave no answer for so long is away.
pub const SILENT: Duration = Duration::from_secs(3);
/// A store that had only failures of its own for answers for so long is as good as away.
pub const FAILING: Duration = Duration::from_secs(8);
/// Requests without an answer that are so far apart say nothing of the time between.
const FORGOTTEN: Duration = Duration::from_secs(30);
/// From so many on, those that are forgotten are removed.
const MOST: usize = 256;

/// The stores that gave no answer to the last requests.
#[derive(Debug)]
pub struct Absences {
    /// After how long a store is away.
    long: Duration,
    stores: Mutex<HashMap<String, Silence>>,
}

#[derive(Debug, Clone, Copy)]
struct Silence {
    since: Instant,
    last: Instant,
}

impl Absences {
    /// None so far. `long`: after how long a store is away.
    pub fn after(long: Duration) -> Self {
        Self { long, stores: Mutex::default() }
    }

    /// A store has answered, whatever it said.
    pub fn answered(&self, store: &str) {
        let mut silent = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if !silent.is_empty() {
            silent.remove(store);
        }
    }

    /// A store has not answered a request that was sent at this time. Whether it is away.
    pub fn is_away(&self, store: &str, sent: Instant) -> bool {
        let now = Instant::now();
        let mut silent = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if silent.len() >= MOST {
            silent.retain(|_, silence| now.duration_since(silence.last) <= FORGOTTEN);
        }
        let silence = silent.entry(store.to_owned()).or_insert(Silence { since: now, last: now });
        if sent.duration_since(silence.last) > FORGOTTEN {
            silence.since = now;
        }
        silence.last = now;
        now.duration_since(silence.since) >= self.long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_is_away_that_gives_no_answer_for_seconds() {
        let absences = Absences::after(SILENT);
        let check = async |after: u64, expected: bool| {
            tokio::time::advance(Duration::from_secs(after)).await;
            assert_eq!(absences.is_away("a", Instant::now()), expected, "{after}");
        };
        // Many at once are one failure.
        check(0, false).await;
        check(0, false).await;
        check(2, false).await;
        check(1, true).await;
        check(20, true).await;
        assert!(!absences.is_away("b", Instant::now()));
        // Long ago is another failure.
        check(31, false).await;
        check(3, true).await;
        absences.answered("a");
        check(0, false).await;
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_are_waited_for_long_are_one_failure() {
        let absences = Absences::after(SILENT);
        let check = async |waited: u64, pause: u64, expected: bool| {
            tokio::time::advance(Duration::from_secs(pause)).await;
            let sent = Instant::now();
            tokio::time::advance(Duration::from_secs(waited)).await;
            assert_eq!(absences.is_away("a", sent), expected, "{waited} {pause}");
        };
        check(60, 0, false).await;
        // Repeated after a pause.
        check(60, 10, true).await;
        check(60, 31, false).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_is_removed() {
        let absences = Absences::after(SILENT);
        for number in 0..2 * MOST {
            absences.is_away(&number.to_string(), Instant::now());
        }
        tokio::time::advance(Duration::from_secs(31)).await;
        absences.is_away("a", Instant::now());
        assert_eq!(absences.stores.lock().unwrap().len(), 1);
    }
}
