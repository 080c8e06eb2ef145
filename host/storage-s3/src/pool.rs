//! A pool of memory that accounts share: none has so much of it that nothing is left for others.
//!
//! An account may have as much as twice what is left, so that what some accounts keep for long never is all of it. One that
//! has nothing gets whatever is free.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// An account may have so many times what is left.
const TIMES_WHAT_IS_LEFT: usize = 2;

/// A pool of memory.
#[derive(Debug)]
pub struct Pool {
    /// In bytes.
    size: usize,
    state: Mutex<State>,
    /// Some was given back, or a waiting upload waits no more.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// In bytes.
    free: usize,
    /// What each account has, in bytes.
    held: HashMap<Arc<str>, usize>,
    /// What waits: accounts, with numbers in the order in which their requests came.
    waiting: BTreeSet<(Arc<str>, u64)>,
    next: u64,
}

/// Memory of a pool, which has it again when this is dropped.
#[derive(Debug)]
pub struct Portion {
    pool: Arc<Pool>,
    account: Arc<str>,
    bytes: usize,
}

impl Portion {
    /// How many bytes it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a request waits for memory of the same pool.
    pub fn is_wanted(&self) -> bool {
        !self.pool.lock().waiting.is_empty()
    }
}

/// A place in the queue of a pool, until it is dropped.
struct Place<'a> {
    pool: &'a Pool,
    number: (Arc<str>, u64),
}

impl State {
    /// Takes memory if it is free, and the account may have it.
    fn take(&mut self, account: &Arc<str>, bytes: usize) -> bool {
        let held = self.held.get(account).copied().unwrap_or(0);
        let Some(left) = self.free.checked_sub(bytes) else { return false };
        if held > 0 && held.saturating_add(bytes) > left.saturating_mul(TIMES_WHAT_IS_LEFT) {
            return false;
        }
        self.free = left;
        self.held.insert(account.clone(), held.saturating_add(bytes));
        true
    }

    /// Whether the number is the first one of its account.
    fn is_first(&self, number: &(Arc<str>, u64)) -> bool {
        self.waiting.range((number.0.clone(), 0)..).next() == Some(number)
    }
}

impl Pool {
    /// A pool of so many bytes.
    pub fn new(size: usize) -> Arc<Self> {
        let state = State { free: size, held: HashMap::new(), waiting: BTreeSet::new(), next: 0 };
        Arc::new(Self { size, state: Mutex::new(state), changed: Notify::new() })
    }

    /// How many bytes there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many bytes are free.
    pub fn free(&self) -> usize {
        self.lock().free
    }

    /// Takes memory, if the account may have it now and so many bytes are left for uploads that need them more. None is
    /// given while a request waits.
    pub fn take_spare(self: &Arc<Self>, account: &Arc<str>, bytes: usize, left: usize) -> Option<Portion> {
        let mut state = self.lock();
        let is_spare = state.waiting.is_empty() && state.free >= left.saturating_add(bytes);
        (is_spare && state.take(account, bytes)).then(|| self.portion(account, bytes))
    }

    /// Takes memory, as soon as the account may have it. What an account waits for it gets in the order in which it came.
    pub async fn take(self: &Arc<Self>, account: &Arc<str>, bytes: usize) -> Portion {
        let place = self.queue(account);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(portion) = self.take_in_turn(&place, bytes) {
                return portion;
            }
            changed.await;
        }
    }

    fn queue(&self, account: &Arc<str>) -> Place<'_> {
        let mut state = self.lock();
        let number = (account.clone(), state.next);
        state.next += 1;
        state.waiting.insert(number.clone());
        Place { pool: self, number }
    }

    fn take_in_turn(self: &Arc<Self>, place: &Place<'_>, bytes: usize) -> Option<Portion> {
        let account = &place.number.0;
        let mut state = self.lock();
        (state.is_first(&place.number) && state.take(account, bytes)).then(|| self.portion(account, bytes))
    }

    fn portion(self: &Arc<Self>, account: &Arc<str>, bytes: usize) -> Portion {
        Portion { pool: self.clone(), account: account.clone(), bytes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.lock().waiting.remove(&self.number);
        self.pool.changed.notify_waiters();
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.free = state.free.saturating_add(self.bytes);
        let held = state.held.get(&self.account).map_or(0, |held| held.saturating_sub(self.bytes));
        match held {
            0 => state.held.remove(&self.account),
            _ => state.held.insert(self.account.clone(), held),
        };
        drop(state);
        self.pool.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn named(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    #[test]
    fn accounts_that_keep_what_they_have_leave_some_for_others() {
        let check = |size: usize, bytes: usize, expected: &[usize]| {
            let pool = Pool::new(size);
            let mut kept = Vec::new();
            for (number, expected) in expected.iter().enumerate() {
                let account = named(&number.to_string());
                let taken: Vec<_> = std::iter::from_fn(|| pool.take_spare(&account, bytes, 0)).collect();
                assert_eq!(taken.len(), *expected, "{size} {bytes} {number}");
                kept.extend(taken);
            }
            drop(kept);
            assert_eq!((pool.free(), pool.lock().held.len()), (size, 0), "{size} {bytes}");
        };
        check(90, 1, &[60, 20, 6, 2, 1, 1, 0]);
        check(90, 10, &[6, 2, 1, 0]);
        // An account that has nothing gets all there is.
        check(10, 10, &[1, 0]);
        check(0, 1, &[0]);
    }

    #[test]
    fn what_is_left_for_others_is_not_spare() {
        let (pool, account) = (Pool::new(30), named("a"));
        assert!(pool.take_spare(&account, 10, 21).is_none());
        let taken = pool.take_spare(&account, 10, 20).unwrap();
        assert!(pool.take_spare(&named("b"), 10, 11).is_none());
        assert_eq!((pool.free(), taken.bytes(), pool.size()), (20, 10, 30));
    }

    #[test]
    fn waiting_requests_get_memory_in_turn() {
        let (pool, a, b) = (Pool::new(30), named("a"), named("b"));
        let taken = pool.take_spare(&a, 20, 0).unwrap();
        let (mut first, mut second) = (Box::pin(pool.take(&a, 10)), Box::pin(pool.take(&a, 5)));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        // Others are served meanwhile, but have nothing to spare.
        assert!(pool.take_spare(&b, 1, 0).is_none());
        let other = pool.take(&b, 5).now_or_never().unwrap();
        drop(taken);
        assert!(second.as_mut().now_or_never().is_none());
        let first = first.now_or_never().unwrap();
        let second = second.now_or_never().unwrap();
        drop((first, second, other));
        assert_eq!((pool.free(), pool.lock().waiting.len()), (30, 0));
    }

    #[test]
    fn a_dropped_request_delays_no_other() {
        let (pool, a) = (Pool::new(30), named("a"));
        let taken = pool.take_spare(&a, 20, 0).unwrap();
        let mut gone = Box::pin(pool.take(&a, 25));
        assert!(!taken.is_wanted() && gone.as_mut().now_or_never().is_none() && taken.is_wanted());
        let mut next = Box::pin(pool.take(&a, 5));
        drop(gone);
        drop(taken);
        assert!(next.as_mut().now_or_never().is_some());
    }
}
