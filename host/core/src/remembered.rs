//! What was read of a store and made ready, given again for as long as nothing in the store has changed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ports::Stamp;

/// Values by name. All of them were read of one store under one [stamp](crate::ports::Directory::stamp), and another stamp
/// leaves none: a value is what would be read now. There is a bound for their number and for the bytes that they take; what
/// finds no room is read again each time.
pub struct Remembered<T> {
    most: usize,
    most_bytes: usize,
    known: Mutex<Known<T>>,
}

struct Known<T> {
    stamp: Option<Stamp>,
    values: HashMap<String, T>,
    bytes: usize,
}

impl<T: Clone> Remembered<T> {
    /// None yet, and never more than `most` that take more than `most_bytes` together.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Self { most, most_bytes, known: Mutex::new(Known { stamp: None, values: HashMap::new(), bytes: 0 }) }
    }

    /// The value of this name, if it was kept under this stamp.
    pub fn get(&self, stamp: Option<Stamp>, name: &str) -> Option<T> {
        let known = self.known();
        // A store without a stamp says nothing of what it has.
        stamp.filter(|_| known.stamp == stamp).and_then(|_| known.values.get(name).cloned())
    }

    /// Keeps a value. `stamp`: that of the store before the value was read. `bytes`: what it takes in memory, about.
    pub fn keep(&self, stamp: Option<Stamp>, name: &str, value: T, bytes: usize) {
        if stamp.is_none() {
            return;
        }
        let mut known = self.known();
        if known.stamp != stamp {
            *known = Known { stamp, values: HashMap::new(), bytes: 0 };
        }
        let bytes = known.bytes.saturating_add(bytes).saturating_add(name.len());
        if known.values.len() < self.most && bytes <= self.most_bytes && !known.values.contains_key(name) {
            known.values.insert(name.to_owned(), value);
            known.bytes = bytes;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Option<Stamp> = Some(Stamp(1));
    const TWO: Option<Stamp> = Some(Stamp(2));

    #[test]
    fn a_value_is_given_under_its_own_stamp_alone() {
        let remembered = Remembered::new(9, 999);
        for (stamp, name) in [(None, "none"), (ONE, "one")] {
            remembered.keep(stamp, name, name, 1);
        }
        let check = |stamp, name: &str, expected: bool| {
            assert_eq!(remembered.get(stamp, name).is_some(), expected, "{stamp:?} {name}");
        };
        check(ONE, "one", true);
        check(TWO, "one", false);
        check(None, "one", false);
        check(None, "none", false);
        check(ONE, "none", false);
        remembered.keep(TWO, "two", "two", 1);
        check(TWO, "two", true);
        check(TWO, "one", false);
        // One that was read before the change and comes late.
        remembered.keep(ONE, "late", "late", 1);
        check(TWO, "late", false);
        check(ONE, "one", false);
    }

    #[test]
    fn there_is_a_bound_for_values_and_for_bytes() {
        let check = |most: usize, most_bytes: usize, bytes: usize, expected: usize| {
            let remembered = Remembered::new(most, most_bytes);
            let names: Vec<_> = (10..60).map(|number| number.to_string()).collect();
            // The same again takes no more room.
            for name in names.iter().chain(&names) {
                remembered.keep(ONE, name, (), bytes);
            }
            let kept = names.iter().filter(|name| remembered.get(ONE, name).is_some()).count();
            assert_eq!(kept, expected, "{most} {most_bytes} {bytes}");
            // What is kept under another stamp begins with all of the room.
            remembered.keep(TWO, "10", (), bytes);
            assert_eq!(remembered.get(TWO, "10").is_some(), expected > 0);
        };
        check(7, 10_000, 1, 7);
        check(100, 100, 8, 10);
        check(100, 100, 99, 0);
        check(0, 100, 1, 0);
        check(100, 1000, usize::MAX, 0);
    }
}
