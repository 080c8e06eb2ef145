//! An event on its way to the links that it is for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{HookEvent, Link};

/// The links that the event is for, but for those that have got it from an earlier process.
pub(super) fn concerned<'a, E: HookEvent>(links: &'a [Arc<Link<E>>], event: &E) -> Vec<&'a Arc<Link<E>>> {
    let subject = event.subject();
    let mut links: Vec<_> = links.iter().filter(|link| link.selector().matches(&subject)).collect();
    for hook in event.told_before() {
        if let Some(at) = links.iter().position(|link| link.name() == hook) {
            links.remove(at);
        }
    }
    links
}

/// An event, and how many links have not got it yet.
pub(super) struct Telling<E: HookEvent> {
    pub event: E,
    left: AtomicUsize,
}

impl<E: HookEvent> Telling<E> {
    /// An event for so many links, of which there is one at least.
    pub fn new(event: E, links: usize) -> Self {
        Self { event, left: AtomicUsize::new(links) }
    }

    /// The link to the hook of that name has got the event, or will not get it. Said once of each link.
    pub fn is_done(&self, hook: &str) {
        if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            self.event.told(hook);
        } else {
            self.event.settled();
        }
    }
}
