//! Which stores do not answer. A request is repeated for some seconds, since most failures are short; while a store is away
//! for longer, each request is made once, so that clients do not wait for repetitions that come to nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A store that gave no answer for so long is away.
const LONG: Duration = Duration::from_secs(3);
/// Requests without an answer that are so far apart say nothing of the time between.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// The stores that gave no answer to the last requests.
#[derive(Debug, Default)]
pub struct Absences(Mutex<HashMap<String, Silence>>);

#[derive(Debug, Clone, Copy)]
struct Silence {
    since: Instant,
    last: Instant,
}

impl Absences {
    /// A store has answered, whatever it said.
    pub fn answered(&self, store: &str) {
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !silent.is_empty() {
            silent.remove(store);
        }
    }

    /// A store has not answered. Whether it is away.
    pub fn is_away(&self, store: &str) -> bool {
        let now = Instant::now();
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let silence = silent.entry(store.to_owned()).or_insert(Silence { since: now, last: now });
        if now.duration_since(silence.last) > FORGOTTEN {
            silence.since = now;
        }
        silence.last = now;
        now.duration_since(silence.since) >= LONG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_is_away_that_gives_no_answer_for_seconds() {
        let absences = Absences::default();
        let check = async |after: u64, expected: bool| {
            tokio::time::advance(Duration::from_secs(after)).await;
            assert_eq!(absences.is_away("a"), expected, "{after}");
        };
        // Many at once are one failure.
        check(0, false).await;
        check(0, false).await;
        check(2, false).await;
        check(1, true).await;
        check(20, true).await;
        assert!(!absences.is_away("b"));
        // Long ago is another failure.
        check(31, false).await;
        check(3, true).await;
        absences.answered("a");
        check(0, false).await;
    }
}
