//! A bounded number of places, given in turn: to one address after the other, and within an address to one
//! account after the other. Many callers from one address, or for one account, delay only each other.

use core::net::IpAddr;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// With fewer places than this, none is kept free for others.
const LEAST_FOR_SHARES: usize = 16;

/// The address and account that a place is wanted for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waiter<'a> {
    /// The client's address; none: the server itself.
    pub address: Option<IpAddr>,
    /// The account's name; empty for the server itself.
    pub account: &'a str,
}

impl<'a> Waiter<'a> {
    /// For a command of the operator, or for the server's own work.
    pub const SERVER: Waiter<'static> = Waiter { address: None, account: "" };

    /// For a client at `address` that uses or asks for `account`.
    pub fn new(address: IpAddr, account: &'a str) -> Self {
        Self { address: Some(address), account }
    }
}

/// Randomly keyed hashes of an address, and of an account at that address: a client cannot make them collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Keys {
    address: u64,
    account: u64,
}

/// A bounded number of places, and the queue of those that wait for one.
pub struct Places(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    hasher: RandomState,
    total: usize,
    /// The most places that one address may hold, and one account at one address.
    shares: (usize, usize),
}

#[derive(Default)]
struct State {
    taken: usize,
    /// The number of places held, by the key of an address or account.
    held: HashMap<u64, usize>,
    addresses: VecDeque<Crowd>,
    waiting: usize,
    tickets: u64,
}

/// The waiters of one address, by account.
struct Crowd {
    address: u64,
    accounts: VecDeque<Line>,
}

/// The waiters for one account, the first one at the front.
struct Line {
    account: u64,
    waiting: VecDeque<(u64, oneshot::Sender<Place>)>,
}

/// A place in use; free again when this is dropped.
pub struct Place(Option<(Arc<Inner>, Keys)>);

/// The queue is as long as it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

impl Places {
    /// `total` places, at least one; one address may hold all of them.
    pub fn new(total: usize) -> Self {
        let total = total.max(1);
        Self::with(total, (total, total))
    }

    /// `total` places, at least one. One account may hold half of them and one address three quarters, so
    /// that slow calls for one do not stop the others. Fewer than 16 places are not divided.
    pub fn with_shares(total: usize) -> Self {
        let total = total.max(1);
        if total < LEAST_FOR_SHARES {
            return Self::new(total);
        }
        Self::with(total, (total - total / 4, total / 2))
    }

    fn with(total: usize, shares: (usize, usize)) -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), hasher: RandomState::new(), total, shares }))
    }

    /// A place, if one is free for this waiter now.
    pub fn try_enter(&self, waiter: Waiter<'_>) -> Option<Place> {
        let keys = self.0.keys(waiter);
        let mut state = self.0.lock();
        self.0.has_room(&state, keys).then(|| self.0.take(&mut state, keys))
    }

    /// Waits for a place. The future can be dropped at any time: it leaves the queue.
    ///
    /// # Errors
    /// [`Crowded`] if `longest` waiters are in the queue already.
    pub async fn enter(&self, waiter: Waiter<'_>, longest: usize) -> Result<Place, Crowded> {
        let keys = self.0.keys(waiter);
        let (ticket, given) = {
            let mut state = self.0.lock();
            if self.0.has_room(&state, keys) {
                return Ok(self.0.take(&mut state, keys));
            }
            if state.waiting >= longest {
                return Err(Crowded);
            }
            state.line_up(keys)
        };
        let _waiting = Waiting { inner: &self.0, keys, ticket };
        // The sender is in the queue until it has sent.
        given.await.map_err(|_| Crowded)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self, waiter: Waiter<'_>) -> Keys {
        // An IPv6 host usually has a whole /64 network: all its addresses count as one.
        let network = waiter.address.map(|address| match address.to_canonical() {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        });
        let address = self.hasher.hash_one(network);
        Keys { address, account: self.hasher.hash_one((address, waiter.account)) }
    }

    fn has_room(&self, state: &State, keys: Keys) -> bool {
        state.taken < self.total && self.may_have_more(state, keys.address, keys.account)
    }

    fn may_have_more(&self, state: &State, address: u64, account: u64) -> bool {
        let (of_address, of_account) = self.shares;
        let held = |key: u64| state.held.get(&key).copied().unwrap_or(0);
        held(address) < of_address && held(account) < of_account
    }

    fn take(self: &Arc<Self>, state: &mut State, keys: Keys) -> Place {
        state.taken += 1;
        for key in [keys.address, keys.account] {
            *state.held.entry(key).or_insert(0) += 1;
        }
        Place(Some((self.clone(), keys)))
    }

    fn give_back(self: &Arc<Self>, keys: Keys) {
        let mut state = self.lock();
        state.give_back(keys);
        while state.taken < self.total {
            let Some((keys, sender)) = self.next(&mut state) else { return };
            let place = self.take(&mut state, keys);
            if let Err(mut unwanted) = sender.send(place) {
                // Dropping it would take the lock, which is held here.
                unwanted.0 = None;
                state.give_back(keys);
            }
        }
    }

    /// Takes the next waiter whose address and account hold fewer places than they may.
    fn next(&self, state: &mut State) -> Option<(Keys, oneshot::Sender<Place>)> {
        for _ in 0..state.addresses.len() {
            let mut crowd = state.addresses.pop_front()?;
            let mut found = None;
            for _ in 0..crowd.accounts.len() {
                let Some(mut line) = crowd.accounts.pop_front() else { break };
                if self.may_have_more(state, crowd.address, line.account) {
                    found = line.waiting.pop_front();
                }
                let keys = Keys { address: crowd.address, account: line.account };
                if !line.waiting.is_empty() {
                    crowd.accounts.push_back(line);
                }
                if let Some((_, sender)) = found.take() {
                    state.waiting = state.waiting.saturating_sub(1);
                    if !crowd.accounts.is_empty() {
                        state.addresses.push_back(crowd);
                    }
                    return Some((keys, sender));
                }
            }
            if !crowd.accounts.is_empty() {
                state.addresses.push_back(crowd);
            }
        }
        None
    }
}

impl State {
    fn give_back(&mut self, keys: Keys) {
        self.taken = self.taken.saturating_sub(1);
        for key in [keys.address, keys.account] {
            if let Some(held) = self.held.get_mut(&key) {
                *held = held.saturating_sub(1);
                if *held == 0 {
                    self.held.remove(&key);
                }
            }
        }
    }

    fn line_up(&mut self, keys: Keys) -> (u64, oneshot::Receiver<Place>) {
        let (sender, given) = oneshot::channel();
        self.tickets = self.tickets.wrapping_add(1);
        self.waiting += 1;
        let entry = (self.tickets, sender);
        match self.line_of(keys) {
            Some(line) => line.waiting.push_back(entry),
            None => {
                let line = Line { account: keys.account, waiting: VecDeque::from([entry]) };
                match self.addresses.iter_mut().find(|crowd| crowd.address == keys.address) {
                    Some(crowd) => crowd.accounts.push_back(line),
                    None => {
                        let accounts = VecDeque::from([line]);
                        self.addresses.push_back(Crowd { address: keys.address, accounts });
                    }
                }
            }
        }
        (self.tickets, given)
    }

    fn line_of(&mut self, keys: Keys) -> Option<&mut Line> {
        let crowd = self.addresses.iter_mut().find(|crowd| crowd.address == keys.address)?;
        crowd.accounts.iter_mut().find(|line| line.account == keys.account)
    }

    /// Removes a waiter from the queue, if it is still there.
    fn leave(&mut self, keys: Keys, ticket: u64) -> Option<oneshot::Sender<Place>> {
        let line = self.line_of(keys)?;
        let at = line.waiting.iter().position(|(entry, _)| *entry == ticket)?;
        let (_, sender) = line.waiting.remove(at)?;
        self.waiting = self.waiting.saturating_sub(1);
        self.addresses.retain_mut(|crowd| {
            crowd.accounts.retain(|line| !line.waiting.is_empty());
            !crowd.accounts.is_empty()
        });
        Some(sender)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((inner, keys)) = self.0.take() {
            inner.give_back(keys);
        }
    }
}

struct Waiting<'a> {
    inner: &'a Inner,
    keys: Keys,
    ticket: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let left = self.inner.lock().leave(self.keys, self.ticket);
        // Dropped outside of the lock, although no place is in it.
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn from(address: &str, account: &'static str) -> Waiter<'static> {
        Waiter::new(address.parse().unwrap(), account)
    }

    /// The only place is taken; the waiters come in the order of `waiting`, and are served in the order of
    /// `expected`, which has their indexes.
    async fn check(waiting: &[(&str, &'static str)], expected: &[usize]) {
        let places = Arc::new(Places::new(1));
        let first = places.try_enter(Waiter::SERVER).unwrap();
        let served = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (number, (address, account)) in waiting.iter().enumerate() {
            let mut entering = Box::pin({
                let (places, served, waiter) = (places.clone(), served.clone(), from(address, account));
                async move {
                    let place = places.enter(waiter, 100).await.unwrap();
                    served.lock().unwrap().push(number);
                    drop(place);
                }
            });
            // The first poll puts the waiter into the queue.
            assert!(futures_poll(&mut entering).is_none());
            tasks.push(entering);
        }
        drop(first);
        while !tasks.is_empty() {
            tasks.retain_mut(|task| futures_poll(task).is_none());
        }
        assert_eq!(*served.lock().unwrap(), expected, "{waiting:?}");
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match pin!(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn addresses_and_accounts_take_turns() {
        // B0-10a
        let (a, b, c) = ("192.0.2.1", "192.0.2.2", "192.0.2.3");
        check(&[(a, "x"), (a, "x"), (a, "x"), (b, "y"), (c, "z")], &[0, 3, 4, 1, 2]).await;
        check(&[(a, "x"), (a, "x"), (a, "y"), (a, "y"), (b, "y")], &[0, 4, 2, 1, 3]).await;
        // The addresses of one IPv6 network count as one.
        check(&[("2001:db8::1", "x"), ("2001:db8::2", "x"), (b, "x"), ("::ffff:192.0.2.2", "x")], &[0, 2, 1, 3]).await;
    }

    #[tokio::test]
    async fn nobody_has_all_places() {
        // B0-10a
        let places = Places::with_shares(16);
        let take = |address: &str, account: &'static str, count: usize| {
            (0..count).filter_map(|_| places.try_enter(from(address, account))).collect::<Vec<_>>()
        };
        let first = take("192.0.2.1", "x", 16);
        assert_eq!(first.len(), 8);
        let second = take("192.0.2.1", "y", 16);
        assert_eq!(second.len(), 4);
        let other = take("192.0.2.2", "x", 16);
        assert_eq!(other.len(), 4);
        drop(other);
        assert_eq!(take("192.0.2.1", "z", 1).len(), 0);
        drop((first, second));
        assert_eq!(take("192.0.2.1", "z", 16).len(), 8);
        // A free place does not go to a waiter with its full share, but to the next one behind it.
        let (x, mut y) = (take("192.0.2.1", "x", 16), take("192.0.2.2", "y", 16));
        let mut behind = Box::pin(places.enter(from("192.0.2.1", "x"), 10));
        let mut other = Box::pin(places.enter(from("192.0.2.3", "z"), 10));
        assert!(futures_poll(&mut behind).is_none() && futures_poll(&mut other).is_none());
        y.pop();
        assert!(futures_poll(&mut behind).is_none());
        assert!(futures_poll(&mut other).is_some());
        drop(x);
        assert!(futures_poll(&mut behind).is_some());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_nothing() {
        let places = Places::new(1);
        let first = places.try_enter(Waiter::SERVER).unwrap();
        let mut given_up = Box::pin(places.enter(from("192.0.2.1", "x"), 1));
        assert!(futures_poll(&mut given_up).is_none());
        assert!(places.enter(from("192.0.2.2", "x"), 1).await.is_err());
        drop(given_up);
        let mut next = Box::pin(places.enter(from("192.0.2.2", "x"), 1));
        assert!(futures_poll(&mut next).is_none());
        drop(first);
        // The place is given, and dropped with the future before it is polled again.
        drop(next);
        assert!(places.try_enter(Waiter::SERVER).is_some());
    }
}
