//! The connections of a listener. When too many are half open, the oldest of them makes
//! room: an honest login takes a moment, a flood of silent connections only evicts itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_core::guard::Source;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
pub struct Connections {
    open: Mutex<BTreeMap<u64, Entry>>,
}

struct Entry {
    close: CancellationToken,
    half_open: bool,
    /// Where the client is, once it is known; behind a proxy that takes a moment.
    host: Option<Source>,
}

/// How many connections there may be; 0: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionLimits {
    pub total: usize,
    pub per_host: usize,
}

/// The limit that a connection exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExceededLimit {
    #[error("the server has its maximum of connections")]
    Total,
    #[error("the host has its maximum of connections")]
    PerHost,
}

/// The place of a connection, which is free again when this is dropped.
pub struct ConnectionGuard {
    connections: Arc<Connections>,
    serial: u64,
}

impl Connections {
    /// `serial` grows with every connection. If there are more than `max_half_open`, the oldest
    /// half-open one is closed.
    pub fn enter(self: &Arc<Self>, serial: u64, close: CancellationToken, max_half_open: usize) -> ConnectionGuard {
        let mut open = self.lock();
        open.insert(serial, Entry { close, half_open: true, host: None });
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
            oldest.close.cancel();
        }
    }

    /// Closes the connections without a login.
    pub fn close_half_open(&self) {
        self.lock().values().filter(|entry| entry.half_open).for_each(|entry| entry.close.cancel());
    }

    pub fn close_all(&self) {
        for entry in self.lock().values() {
            entry.close.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionGuard {
    /// Counts the connection for its host: all addresses of an IPv6 network are one, as for the defender.
    ///
    /// # Errors
    /// The limit that it exceeds.
    pub fn belongs_to(&self, host: IpAddr, limits: ConnectionLimits) -> Result<(), ExceededLimit> {
        let host = Source::from(host);
        let mut open = self.connections.lock();
        let of_host = open.values().filter(|entry| entry.host == Some(host)).count();
        let all = open.values().filter(|entry| entry.host.is_some()).count();
        if limits.total > 0 && all >= limits.total {
            return Err(ExceededLimit::Total);
        }
        if limits.per_host > 0 && of_host >= limits.per_host {
            return Err(ExceededLimit::PerHost);
        }
        if let Some(entry) = open.get_mut(&self.serial) {
            entry.host = Some(host);
        }
        Ok(())
    }

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

    #[test]
    fn limits_count_hosts_and_all() {
        let connections = Arc::new(Connections::default());
        let enter = |serial| connections.enter(serial, CancellationToken::new(), 100);
        let limits = ConnectionLimits { total: 3, per_host: 2 };
        for [a, also_a, b] in
            [["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"], ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"]]
        {
            let [a, also_a, b]: [IpAddr; 3] = [a, also_a, b].map(|address| address.parse().unwrap());
            let kept: Vec<_> = (0..5).map(enter).collect();
            assert!(kept[0].belongs_to(a, limits).is_ok());
            assert!(kept[1].belongs_to(also_a, limits).is_ok());
            assert!(kept[2].belongs_to(a, limits) == Err(ExceededLimit::PerHost));
            assert!(kept[3].belongs_to(b, limits).is_ok());
            assert!(kept[4].belongs_to(b, limits) == Err(ExceededLimit::Total));
            assert!(kept[4].belongs_to(b, ConnectionLimits::default()).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_half_open_connection_makes_room() {
        let connections = Arc::new(Connections::default());
        let enter = |serial| {
            let close = CancellationToken::new();
            (connections.enter(serial, close.clone(), 2), close)
        };
        let (first, first_close) = enter(1);
        first.authenticated();
        let (_second, second_close) = enter(2);
        let (_third, third_close) = enter(3);
        let (_fourth, _) = enter(4);
        tokio::time::timeout(std::time::Duration::from_secs(1), second_close.cancelled()).await.unwrap();
        for kept in [first_close, third_close] {
            let closed = tokio::time::timeout(std::time::Duration::from_secs(1), kept.cancelled()).await;
            assert!(closed.is_err());
        }
    }
}
