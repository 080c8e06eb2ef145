//! Changes on their way to the store. A batch that the store did not confirm is sent again as it is and under the
//! same name, until it is confirmed: the store may have it already, and then it is not counted twice.

use crate::ports::{BatchName, StoreError};

/// The batches of one writer. It is held under a lock while a batch is on its way.
pub(super) struct Sending<T> {
    name: BatchName,
    /// The batch that has to be sent; empty: none.
    waiting: Vec<T>,
    has_failed: bool,
}

impl<T: Clone> Sending<T> {
    /// `writer` is this server's own; `first`: a number that no earlier process of the server has come to.
    pub fn new(writer: String, first: u64) -> Self {
        Self { name: BatchName { writer, number: first }, waiting: Vec::new(), has_failed: false }
    }

    /// Whether a batch has not been confirmed yet.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Makes the next batch; there must be none that waits.
    pub fn put(&mut self, changes: Vec<T>) {
        debug_assert!(!self.is_waiting(), "it would be lost");
        self.name.number = self.name.number.saturating_add(1);
        self.waiting = changes;
    }

    /// The batch that has to be sent, under its name; none: nothing waits.
    pub fn batch(&self) -> Option<(&BatchName, Vec<T>)> {
        self.is_waiting().then(|| (&self.name, self.waiting.clone()))
    }

    /// The store's answer to the batch.
    ///
    /// # Errors
    /// That of the answer; then the batch goes on to wait.
    pub fn answered(&mut self, answer: Result<(), StoreError>) -> Result<(), Failed> {
        match answer {
            Ok(()) => {
                self.waiting = Vec::new();
                self.has_failed = false;
                Ok(())
            }
            Err(error) => Err(Failed { error, is_first: !std::mem::replace(&mut self.has_failed, true) }),
        }
    }
}

/// Why a batch waits.
#[derive(Debug)]
pub(super) struct Failed {
    pub error: StoreError,
    /// Whether the attempt before this one was confirmed: later failures of one outage need no line in the log.
    pub is_first: bool,
}

impl Failed {
    /// Tells the log once an outage. `what`: what waits.
    pub fn tell(&self, what: &str) {
        if self.is_first {
            tracing::warn!(sender = "quota", message = format!("{what} wait to be stored: {}", self.error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_sent_until_it_is_confirmed() {
        let mut sending = Sending::new("here".into(), 7);
        assert!(sending.batch().is_none());
        let name = |number| BatchName { writer: "here".into(), number };
        sending.put(vec![1, 2]);
        for is_first in [true, false] {
            assert_eq!(sending.batch(), Some((&name(8), vec![1, 2])));
            let failed = sending.answered(Err(StoreError::Unavailable("away".into()))).unwrap_err();
            assert_eq!(failed.is_first, is_first);
        }
        sending.answered(Ok(())).unwrap();
        assert!(!sending.is_waiting());
        sending.put(vec![3]);
        assert_eq!(sending.batch(), Some((&name(9), vec![3])));
        assert!(sending.answered(Err(StoreError::Unavailable("away".into()))).unwrap_err().is_first);
    }
}
