//! A bounded number of places, given in turn: to one address after the other, and within an address to one
//! account after the other. Many callers from one address, or for one account, delay only each other.

mod queue;

use core::net::IpAddr;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

pub(crate) use queue::{Keys, Queue, Shares};

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

/// A bounded number of places, and the queue of those that wait for one. Clones share them.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    hasher: RandomState,
    shares: Shares,
}

#[derive(Default)]
struct State {
    /// The callers that wait for a place, each with its ticket.
    queue: Queue<(u64, oneshot::Sender<Place>)>,
    tickets: u64,
}

/// A place in use; free again when this is dropped.
pub struct Place(Option<(Arc<Inner>, Keys)>);

/// The queue is as long as it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

impl Places {
    /// `total` places, at least one; one address may hold all of them.
    pub fn new(total: usize) -> Self {
        Self::with(Shares::undivided(total))
    }

    /// `total` places, at least one. One account may hold half of them and one address three quarters, so
    /// that slow calls for one do not stop the others. Fewer than 16 places are not divided.
    pub fn with_shares(total: usize) -> Self {
        Self::with(Shares::divided(total))
    }

    fn with(shares: Shares) -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), hasher: RandomState::new(), shares }))
    }

    /// A place, if one is free for this waiter now.
    pub fn try_enter(&self, waiter: Waiter<'_>) -> Option<Place> {
        let keys = Keys::of(waiter, &self.0.hasher);
        let mut state = self.0.lock();
        state.queue.has_room(self.0.shares, keys).then(|| self.0.take(&mut state, keys))
    }

    /// Waits for a place. The future can be dropped at any time: it leaves the queue.
    ///
    /// # Errors
    /// [`Crowded`] if `longest` waiters are in the queue already.
    pub async fn enter(&self, waiter: Waiter<'_>, longest: usize) -> Result<Place, Crowded> {
        let keys = Keys::of(waiter, &self.0.hasher);
        let (ticket, given) = {
            let mut state = self.0.lock();
            if state.queue.has_room(self.0.shares, keys) {
                return Ok(self.0.take(&mut state, keys));
            }
            if state.queue.waiting() >= longest {
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

    fn take(self: &Arc<Self>, state: &mut State, keys: Keys) -> Place {
        state.queue.take(keys);
        Place(Some((self.clone(), keys)))
    }

    fn give_back(self: &Arc<Self>, keys: Keys) {
        let mut state = self.lock();
        state.queue.give_back(keys);
        while let Some((keys, (_, sender))) = state.queue.next(self.shares) {
            let place = self.take(&mut state, keys);
            if let Err(mut unwanted) = sender.send(place) {
                // Dropping it would take the lock, which is held here.
                unwanted.0 = None;
                state.queue.give_back(keys);
            }
        }
    }
}

impl State {
    fn line_up(&mut self, keys: Keys) -> (u64, oneshot::Receiver<Place>) {
        let (sender, given) = oneshot::channel();
        self.tickets = self.tickets.wrapping_add(1);
        self.queue.push_back(keys, (self.tickets, sender));
        (self.tickets, given)
    }

    /// Removes a waiter from the queue, if it is still there.
    fn leave(&mut self, keys: Keys, ticket: u64) -> Option<oneshot::Sender<Place>> {
        self.queue.remove(keys, |(entry, _)| *entry == ticket).map(|(_, sender)| sender)
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
    async fn no_account_and_no_address_has_all_places() {
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

    #[test]
    fn fewer_than_sixteen_places_are_not_divided() {
        // B0-10a
        for (total, expected) in [(1, 1), (15, 15), (16, 8), (64, 32)] {
            let places = Places::with_shares(total);
            let taken: Vec<_> = (0..total).filter_map(|_| places.try_enter(from("192.0.2.1", "x"))).collect();
            assert_eq!(taken.len(), expected, "{total}");
        }
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
