//! Events that belong together, as those of one session, are told one after the other, while others are told at the same
//! time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// What waits behind the events that are being told, by what they belong to.
pub struct InOrder<E>(Mutex<HashMap<u64, VecDeque<E>>>);

impl<E> InOrder<E> {
    pub fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Begins to tell the event, and gives it back. None: one that it belongs to is being told, whose teller gets this
    /// one from [`next`](Self::next).
    pub fn begin(&self, order: Option<u64>, event: E) -> Option<E> {
        let Some(order) = order else { return Some(event) };
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(&order) {
            Some(behind) => {
                behind.push_back(event);
                None
            }
            None => {
                waiting.insert(order, VecDeque::new());
                Some(event)
            }
        }
    }

    /// The event that comes after the one that was told.
    pub fn next(&self, order: Option<u64>) -> Option<E> {
        let order = order?;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.get_mut(&order)?.pop_front();
        if next.is_none() {
            waiting.remove(&order);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_wait_for_those_before_them_and_for_no_others() {
        let in_order = InOrder::new();
        assert_eq!(in_order.begin(Some(1), "a1"), Some("a1"));
        assert_eq!(in_order.begin(Some(1), "a2"), None);
        assert_eq!(in_order.begin(Some(2), "b1"), Some("b1"));
        assert_eq!(in_order.begin(Some(1), "a3"), None);
        assert_eq!(in_order.begin(None, "c"), Some("c"));
        assert_eq!(in_order.next(None), None);
        assert_eq!(in_order.next(Some(1)), Some("a2"));
        assert_eq!(in_order.next(Some(2)), None);
        assert_eq!(in_order.next(Some(1)), Some("a3"));
        assert_eq!(in_order.next(Some(1)), None);
        assert_eq!(in_order.begin(Some(1), "a4"), Some("a4"));
    }
}
