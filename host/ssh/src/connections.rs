//! The connections of a listener. When too many are half open, the oldest of them makes
//! room: an honest login takes a moment, a flood of silent connections only evicts itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(Default)]
pub struct Connections {
    open: Mutex<BTreeMap<u64, Entry>>,
}

struct Entry {
    close: Arc<Notify>,
    half_open: bool,
}

/// A connection's place; given back when dropped.
pub struct ConnectionGuard {
    connections: Arc<Connections>,
    serial: u64,
}

impl Connections {
    /// `serial`: grows with every connection. More than `max_half_open` evict the oldest.
    pub fn enter(self: &Arc<Self>, serial: u64, close: Arc<Notify>, max_half_open: usize) -> ConnectionGuard {
        let mut open = self.lock();
        open.insert(serial, Entry { close, half_open: true });
        if open.values().filter(|entry| entry.half_open).count() > max_half_open {
            Self::evict(&mut open);
        }
        ConnectionGuard { connections: self.clone(), serial }
    }

    /// Ends the oldest half-open connection, for instance because descriptors ran out.
    pub fn evict_oldest(&self) {
        Self::evict(&mut self.lock());
    }

    fn evict(open: &mut BTreeMap<u64, Entry>) {
        if let Some(oldest) = open.values_mut().find(|entry| entry.half_open) {
            oldest.half_open = false;
            oldest.close.notify_one();
        }
    }

    pub fn close_all(&self) {
        for entry in self.lock().values() {
            entry.close.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionGuard {
    pub fn authenticated(&self) {
        if let Some(entry) = self.connections.lock().get_mut(&self.serial) {
            entry.half_open = false;
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.serial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_half_open_connection_makes_room() {
        let connections = Arc::new(Connections::default());
        let enter = |serial| {
            let close = Arc::new(Notify::new());
            (connections.enter(serial, close.clone(), 2), close)
        };
        let (first, first_close) = enter(1);
        first.authenticated();
        let (_second, second_close) = enter(2);
        let (_third, third_close) = enter(3);
        let (_fourth, _) = enter(4);
        tokio::time::timeout(std::time::Duration::from_secs(1), second_close.notified()).await.unwrap();
        for kept in [first_close, third_close] {
            let closed = tokio::time::timeout(std::time::Duration::ZERO, kept.notified()).await;
            assert!(closed.is_err());
        }
    }
}
