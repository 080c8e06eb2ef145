//! Events that hooks get in the order in which they happened: those of one session that concern the same files, and those
//! about one object, one connection or one network. Others are sent at the same time.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::path::VirtualPath;

/// So many events of a session are compared with each other; those behind them wait, whatever they concern.
const COMPARED: usize = 64;

/// What decides whether an event waits for another one. Events that are in one order have to have the same
/// [`waiter`](super::HookEvent::waiter): they come to the hooks by turns.
#[derive(Debug, Clone)]
pub struct Order {
    /// A number that the session, or the object, has for itself while events of it are there.
    pub session: u64,
    /// The file that the event is about.
    pub path: VirtualPath,
    /// The other path of a rename, a copy or a link.
    pub target: Option<VirtualPath>,
}

impl Order {
    /// All events about one thing come one after the other.
    pub fn about(thing: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        // Two things with the same number would only wait for each other.
        Self { session: hasher.finish(), path: VirtualPath::root(), target: None }
    }

    /// Whether a path of one is a path of the other, or a directory above it.
    fn concerns(&self, other: &Order) -> bool {
        let is_near = |mine: &VirtualPath, its: &VirtualPath| mine.is_same_or_below(its) || its.is_same_or_below(mine);
        self.paths().any(|mine| other.paths().any(|its| is_near(mine, its)))
    }

    fn paths(&self) -> impl Iterator<Item = &VirtualPath> {
        std::iter::once(&self.path).chain(&self.target)
    }
}

/// An event that may be sent to hooks now.
pub struct Ready<E> {
    pub event: E,
    /// None: it is in no order.
    pub place: Option<Place>,
}

/// Where an event stands among those of its session.
#[derive(Clone, Copy)]
pub struct Place {
    session: u64,
    number: u64,
}

/// The events of one session that are being sent or wait, the oldest first.
struct Events<E> {
    next_number: u64,
    entries: VecDeque<Entry<E>>,
}

struct Entry<E> {
    number: u64,
    order: Order,
    /// None: it is being sent.
    waiting: Option<E>,
}

impl<E> Events<E> {
    fn is_free(&self, order: &Order, before: usize) -> bool {
        before < COMPARED && !self.entries.iter().take(before).any(|entry| entry.order.concerns(order))
    }
}

/// The events that are being sent or wait, by their sessions.
pub struct InOrder<E>(Mutex<HashMap<u64, Events<E>>>);

impl<E> InOrder<E> {
    pub fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u64, Events<E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event in. None: it waits for another one, at whose end it comes from [`told`](Self::told).
    pub fn begin(&self, order: Option<Order>, event: E) -> Option<Ready<E>> {
        let Some(order) = order else { return Some(Ready { event, place: None }) };
        let mut sessions = self.sessions();
        let session = order.session;
        let events = sessions.entry(session).or_insert_with(|| Events { next_number: 0, entries: VecDeque::new() });
        let number = events.next_number;
        events.next_number += 1;
        let is_free = events.is_free(&order, events.entries.len());
        let (ready, waiting) = if is_free { (Some(event), None) } else { (None, Some(event)) };
        events.entries.push_back(Entry { number, order, waiting });
        let place = Some(Place { session, number });
        ready.map(|event| Ready { event, place })
    }

    /// Ends an event that hooks have got, and gives those that need not wait any more.
    pub fn told(&self, place: Option<Place>) -> Vec<Ready<E>> {
        let Some(place) = place else { return Vec::new() };
        let mut sessions = self.sessions();
        let Some(events) = sessions.get_mut(&place.session) else { return Vec::new() };
        // An event that is being sent is among the first.
        if let Some(at) = events.entries.iter().position(|entry| entry.number == place.number) {
            events.entries.remove(at);
        }
        if events.entries.is_empty() {
            sessions.remove(&place.session);
            return Vec::new();
        }
        let free: Vec<usize> = (0..events.entries.len().min(COMPARED))
            .filter(|at| {
                let entry = events.entries.get(*at).filter(|entry| entry.waiting.is_some());
                entry.is_some_and(|entry| events.is_free(&entry.order, *at))
            })
            .collect();
        let ready = free.into_iter().filter_map(|at| {
            let entry = events.entries.get_mut(at)?;
            let place = Some(Place { session: place.session, number: entry.number });
            Some(Ready { event: entry.waiting.take()?, place })
        });
        ready.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::resolve(&VirtualPath::root(), text.as_bytes()).unwrap()
    }

    /// `1 /a /b`: the session, the path and the target.
    fn order(text: &str) -> Order {
        let mut words = text.split(' ');
        let session = words.next().unwrap().parse().unwrap();
        Order { session, path: path(words.next().unwrap()), target: words.next().map(path) }
    }

    #[test]
    fn events_wait_for_those_before_them_with_the_same_files_alone() {
        // B10-15
        let in_order = InOrder::new();
        let begin = |text: &'static str| in_order.begin(Some(order(text)), text);
        let told = |ready: Option<Ready<&'static str>>| in_order.told(ready.unwrap().place);
        let names = |ready: &[Ready<&'static str>]| ready.iter().map(|ready| ready.event).collect::<Vec<_>>();

        let first = begin("1 /a /b");
        assert!(begin("1 /b /c").is_none(), "the file has just got its name");
        assert!(begin("1 /c").is_none(), "what waits is waited for");
        let other = begin("1 /d");
        assert!(other.is_some() && begin("2 /b").is_some(), "other files, another session");
        assert!(begin("1 /d/e").is_none() && begin("1 /").is_none(), "a directory and what is in it");
        assert!(in_order.begin(None, "unordered").unwrap().place.is_none());
        assert_eq!(names(&in_order.told(None)), [""; 0]);

        let mut next = told(first);
        assert_eq!(names(&next), ["1 /b /c"]);
        assert_eq!(names(&told(other)), ["1 /d/e"]);
        assert_eq!(names(&told(next.pop())), ["1 /c"]);
    }

    #[test]
    fn events_about_one_thing_come_one_after_the_other() {
        // B10-15
        let check = |one: (&str, &str), other: (&str, &str), waits: bool| {
            let in_order = InOrder::new();
            let first = in_order.begin(Some(Order::about(one)), 1).unwrap();
            assert_eq!(in_order.begin(Some(Order::about(other)), 2).is_none(), waits, "{one:?} {other:?}");
            assert_eq!(in_order.told(first.place).len(), usize::from(waits));
        };
        check(("user", "ann"), ("user", "ann"), true);
        check(("user", "ann"), ("user", "bob"), false);
        check(("user", "ann"), ("folder", "ann"), false);
    }

    #[test]
    fn few_events_are_compared_and_none_is_left() {
        let in_order = InOrder::new();
        let begun = |number: usize| in_order.begin(Some(order(&format!("1 /{number}"))), number);
        let ready: Vec<_> = (0..3 * COMPARED).filter_map(begun).collect();
        assert_eq!(ready.len(), COMPARED);
        let mut telling = std::collections::VecDeque::from(ready);
        let mut told = Vec::new();
        while let Some(Ready { event, place }) = telling.pop_front() {
            told.push(event);
            telling.extend(in_order.told(place));
        }
        told.sort_unstable();
        assert_eq!(told, (0..3 * COMPARED).collect::<Vec<_>>());
        assert!(in_order.sessions().is_empty());
    }
}
