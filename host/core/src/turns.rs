//! Places of which there are only so many, given in turn: to one address after the other, and
//! within an address to one account after the other. A crowd from one place, or for one account,
//! waits behind itself.

use core::net::IpAddr;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// With fewer places, none is kept free for others.
const LEAST_FOR_SHARES: usize = 16;

/// Who wants a place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waiter<'a> {
    /// None: the server itself.
    pub address: Option<IpAddr>,
    pub account: &'a str,
}

impl<'a> Waiter<'a> {
    /// A command of the operator, or work of the server's own.
    pub const SERVER: Waiter<'static> = Waiter { address: None, account: "" };

    pub fn new(address: IpAddr, account: &'a str) -> Self {
        Self { address: Some(address), account }
    }
}

/// Of an address, and of an account from there; not reversible, and not to be made to collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Keys {
    address: u64,
    account: u64,
}

pub struct Places(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    hasher: RandomState,
    total: usize,
    /// Most places of one address, and of one account of it.
    shares: (usize, usize),
}

#[derive(Default)]
struct State {
    taken: usize,
    /// Places by key, for addresses and accounts.
    held: HashMap<u64, usize>,
    addresses: VecDeque<Crowd>,
    waiting: usize,
    tickets: u64,
}

/// Those who wait at one address.
struct Crowd {
    address: u64,
    accounts: VecDeque<Line>,
}

/// Those who wait for one account, the first one at the front.
struct Line {
    account: u64,
    waiting: VecDeque<(u64, oneshot::Sender<Place>)>,
}

/// Given back when it is dropped.
pub struct Place(Option<(Arc<Inner>, Keys)>);

/// There are as many who wait as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

impl Places {
    /// All of them may go to one address.
    pub fn new(total: usize) -> Self {
        let total = total.max(1);
        Self::with(total, (total, total))
    }

    /// Some are kept free: one account has at most half of them, one address three quarters, so
    /// that calls which take their whole time do not stop everybody else.
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

    /// One that can be had at once.
    pub fn try_enter(&self, waiter: Waiter<'_>) -> Option<Place> {
        let keys = self.0.keys(waiter);
        let mut state = self.0.lock();
        self.0.has_room(&state, keys).then(|| self.0.take(&mut state, keys))
    }

    /// Waits for one, unless `longest` wait already. A wait that is given up leaves no trace.
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
        // One host with an IPv6 network has all its addresses.
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
                // Not dropped: that would want the lock.
                unwanted.0 = None;
                state.give_back(keys);
            }
        }
    }

    /// The next one whose address and account have not all that they may have.
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

    /// The entry, if it is there still.
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
        // Outside of the lock, though it holds nothing.
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

    /// One place, which is taken; those in `waiting` come in this order and are served in
    /// the order `expected`, which is given by their numbers.
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
            // Lines up now.
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
        let (a, b, c) = ("192.0.2.1", "192.0.2.2", "192.0.2.3");
        check(&[(a, "x"), (a, "x"), (a, "x"), (b, "y"), (c, "z")], &[0, 3, 4, 1, 2]).await;
        check(&[(a, "x"), (a, "x"), (a, "y"), (a, "y"), (b, "y")], &[0, 4, 2, 1, 3]).await;
        // A network of IPv6 addresses is one place.
        check(&[("2001:db8::1", "x"), ("2001:db8::2", "x"), (b, "x"), ("::ffff:192.0.2.2", "x")], &[0, 2, 1, 3]).await;
    }

    #[tokio::test]
    async fn nobody_has_all_places() {
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
        // A free place does not go to one that has its share, but to the next one behind it.
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
        // Given, and dropped before it was looked at.
        drop(next);
        assert!(places.try_enter(Waiter::SERVER).is_some());
    }
}
