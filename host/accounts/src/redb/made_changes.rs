//! Whether the file is still as it was. No other process can change it, so that counting is enough.

use std::sync::atomic::{AtomicI64, Ordering};

use tidegate_core::ports::Stamp;

/// Counts changes of the file.
#[derive(Debug, Default)]
pub struct MadeChanges {
    begun: AtomicI64,
    ended: AtomicI64,
}

/// A change that is being made, until it is dropped.
pub struct Change<'a>(&'a MadeChanges);

impl MadeChanges {
    pub fn begin(&self) -> Change<'_> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Change(self)
    }

    /// None: a change is being made, which some may read already.
    pub fn stamp(&self) -> Option<Stamp> {
        // In this order: one that begins in between is not taken for one that has ended.
        let ended = self.ended.load(Ordering::SeqCst);
        let begun = self.begun.load(Ordering::SeqCst);
        (begun == ended).then_some(Stamp(begun))
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_stamp_while_a_change_is_made() {
        let changes = MadeChanges::default();
        let before = changes.stamp();
        assert!(before.is_some() && before == changes.stamp());
        let (one, other) = (changes.begin(), changes.begin());
        assert_eq!(changes.stamp(), None);
        drop(one);
        assert_eq!(changes.stamp(), None);
        drop(other);
        assert!(changes.stamp().is_some() && changes.stamp() != before);
    }
}
