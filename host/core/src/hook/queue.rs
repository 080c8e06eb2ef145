//! The queue of one hook point's observers. Addresses take turns, and within an address its accounts (B0-10a), except for
//! events that have to come in their order.

use std::collections::hash_map::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::HookEvent;
use super::in_order::{InOrder, Place, Ready};
use crate::turns::{Keys, Queue, Shares};

/// Events that may wait for one hook point, or be under way; further ones are dropped and counted (B0-10).
pub(super) const MOST: u64 = 20_000;

/// Events that wait or are being sent.
pub(super) struct EventQueue<E: HookEvent> {
    state: Mutex<State<E>>,
    /// Events that were taken from the queue, and are being sent or come after an event that is.
    in_order: InOrder<E>,
    hasher: RandomState,
    /// Wakes the task that waits in [`changed`](Self::changed).
    changed: Notify,
}

struct State<E> {
    waiting: Queue<Waiting<E>>,
    /// How many of them are ready.
    ready: usize,
    shares: Shares,
    /// Events that wait or are being sent.
    under_way: u64,
    /// Events that came after the end.
    late: u64,
    /// Whether a task waits for an event that may be sent, and no other has seen to it that it is woken.
    is_awaited: bool,
    is_closed: bool,
}

enum Waiting<E> {
    New(E),
    /// It has waited for another one, which hooks have got.
    Ready(Ready<E>),
}

/// What became of an event that was to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Waits,
    /// The queue is full.
    Full,
    /// The server ends.
    Closed,
}

pub(super) enum Next<'a, E: HookEvent> {
    Event(E, Turn<'a, E>),
    /// No event may be sent now. `is_empty`: none waits.
    Later {
        is_empty: bool,
    },
    End,
}

/// An event is being told: it has one of the places until this is dropped.
pub(super) struct Turn<'a, E: HookEvent> {
    queue: &'a EventQueue<E>,
    keys: Keys,
    place: Option<Place>,
}

impl<E: HookEvent> EventQueue<E> {
    pub fn new() -> Self {
        let state = State {
            waiting: Queue::default(),
            ready: 0,
            shares: Shares::undivided(usize::MAX),
            under_way: 0,
            late: 0,
            is_awaited: false,
            is_closed: false,
        };
        Self { state: Mutex::new(state), in_order: InOrder::new(), hasher: RandomState::new(), changed: Notify::new() }
    }

    /// Lets an event wait for its turn.
    pub fn push(&self, event: E) -> Pushed {
        let keys = self.keys(&event);
        let mut state = self.lock();
        if state.is_closed {
            state.late += 1;
            return Pushed::Closed;
        }
        if state.under_way >= MOST {
            return Pushed::Full;
        }
        state.under_way += 1;
        state.waiting.push_back(keys, Waiting::New(event));
        // While none of its account may be told, the waiting task need not look.
        let is_wanted = state.waiting.has_room(state.shares, keys);
        self.wake(state, is_wanted);
        Pushed::Waits
    }

    /// The next event in turn. `at_once`: how many may be sent at the same time.
    pub fn next(&self, at_once: usize) -> Next<'_, E> {
        let mut state = self.lock();
        let shares = Shares::divided(at_once);
        state.shares = shares;
        while let Some((keys, waiting)) = state.waiting.next(shares) {
            let ready = match waiting {
                Waiting::New(event) => self.in_order.begin(event.order(), event),
                Waiting::Ready(ready) => {
                    state.ready = state.ready.saturating_sub(1);
                    Some(ready)
                }
            };
            if let Some(Ready { event, place }) = ready {
                state.waiting.take(keys);
                return Next::Event(event, Turn { queue: self, keys, place });
            }
        }
        let is_empty = state.waiting.waiting() == 0;
        if is_empty && state.is_closed {
            return Next::End;
        }
        state.is_awaited = true;
        Next::Later { is_empty }
    }

    /// Waits until it is worth to ask for the next event again.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Ends the queue: what comes later is only counted.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Whether there is time to gather more events before the next one is told.
    pub fn may_gather(&self) -> bool {
        let state = self.lock();
        !state.is_closed && state.ready == 0
    }

    /// Events that were not told: those that wait, are being told, or came after the end.
    pub fn untold(&self) -> u64 {
        let state = self.lock();
        state.under_way + state.late
    }

    fn keys(&self, event: &E) -> Keys {
        Keys::of(event.waiter(), &self.hasher)
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State<E>>, is_wanted: bool) {
        let wakes = is_wanted && std::mem::take(&mut state.is_awaited);
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }
}

impl<E: HookEvent> Turn<'_, E> {
    /// The event was told. Those that have waited for it are the next of their account.
    pub fn told(mut self) {
        let ready = self.queue.in_order.told(self.place.take());
        let mut state = self.queue.lock();
        state.under_way = state.under_way.saturating_sub(1);
        for ready in ready.into_iter().rev() {
            let keys = self.queue.keys(&ready.event);
            state.waiting.push_front(keys, Waiting::Ready(ready));
            state.ready += 1;
        }
    }
}

impl<E: HookEvent> Drop for Turn<'_, E> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.waiting.give_back(self.keys);
        let is_wanted = state.waiting.waiting() > 0;
        self.queue.wake(state, is_wanted);
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::super::{HookKind, Order, Subject};
    use super::*;

    /// `192.0.2.1 ann 1`: the address, the account, and what it is told of in order, if anything.
    struct Event(&'static str);

    impl Event {
        fn word(&self, at: usize) -> Option<&'static str> {
            self.0.split(' ').nth(at)
        }
    }

    impl HookEvent for Event {
        type Verdict = ();
        const KIND: HookKind = HookKind::PostAction;

        fn subject(&self) -> Subject<'_> {
            let address = self.word(0).map(|address| address.parse::<IpAddr>().unwrap());
            Subject { address, username: self.word(1), ..Subject::default() }
        }
        fn order(&self) -> Option<Order> {
            self.word(2).map(Order::about)
        }
        fn label(_: &()) -> (&'static str, &str) {
            ("told", "")
        }
    }

    fn take<'a>(queue: &'a EventQueue<Event>, at_once: usize) -> Vec<(&'static str, Turn<'a, Event>)> {
        let mut taken = Vec::new();
        while let Next::Event(event, turn) = queue.next(at_once) {
            taken.push((event.0, turn));
        }
        taken
    }

    #[test]
    fn accounts_and_addresses_take_turns() {
        // B0-10a, B10-15
        let check = |at_once: usize, events: &[&'static str], expected: &[&[&str]]| {
            let queue = EventQueue::new();
            events.iter().for_each(|event| assert_eq!(queue.push(Event(event)), Pushed::Waits));
            queue.close();
            for (round, expected) in expected.iter().enumerate() {
                let taken = take(&queue, at_once);
                let names: Vec<_> = taken.iter().map(|(name, _)| *name).collect();
                assert_eq!(names, *expected, "round {round} of {events:?}");
                taken.into_iter().for_each(|(_, turn)| turn.told());
            }
            assert!(matches!(queue.next(at_once), Next::End), "{events:?}");
            assert_eq!(queue.untold(), 0);
        };
        let (u, v, w) = ("192.0.2.1 u", "192.0.2.1 v", "192.0.2.2 w");
        check(1, &[u, u, u, v, w], &[&[u], &[w], &[v], &[u], &[u]]);
        check(2, &[u, u, u, u, v], &[&[u, v], &[u, u], &[u]]);
        check(4, &[u, u], &[&[u, u]]);
        // From 16 on, one account has at most half, and one address three quarters.
        check(
            16,
            &[&[u; 12] as &[_], &[v; 9], &[w]].concat(),
            &[&[u, w, v, u, v, u, v, u, v, u, v, u, v], &[u, v, u, v, u, v, u, u, u]],
        );
        // What has to come in its order waits without a place.
        let (first, other) = ("192.0.2.1 u 1", "192.0.2.1 u 2");
        check(8, &[first, first, other, first, u], &[&[first, other, u], &[first], &[first]]);
        check(1, &[first, first, v], &[&[first], &[v], &[first]]);
    }

    #[test]
    fn a_place_is_free_again_if_its_event_was_not_told() {
        let queue = EventQueue::new();
        for _ in 0..2 {
            queue.push(Event("192.0.2.1 u"));
        }
        drop(take(&queue, 1));
        assert_eq!(take(&queue, 1).len(), 1);
        assert_eq!((queue.untold(), queue.push(Event("192.0.2.1 u"))), (2, Pushed::Waits));
        queue.close();
        assert_eq!((queue.push(Event("192.0.2.1 u")), queue.untold()), (Pushed::Closed, 4));
    }

    #[tokio::test]
    async fn a_waiting_task_is_woken_by_an_event_that_can_be_sent() {
        let queue = EventQueue::new();
        assert!(matches!(queue.next(1), Next::Later { is_empty: true }));
        queue.push(Event("192.0.2.1 u"));
        queue.changed().await;
        assert!(queue.may_gather());
        let taken = take(&queue, 1);
        // The place is taken: the waiting task has to look at what becomes free, not at what comes.
        queue.push(Event("192.0.2.1 v"));
        assert!(matches!(queue.next(1), Next::Later { is_empty: false }));
        drop(taken);
        queue.changed().await;
        assert_eq!(take(&queue, 1).len(), 1);
        queue.close();
        queue.changed().await;
        assert!(!queue.may_gather());
    }
}
