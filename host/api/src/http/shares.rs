//! How many connections of a binding one client may have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_core::guard::Source;

/// The open connections, by the part of the address that one client cannot change at will.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    open: Mutex<HashMap<Source, usize>>,
}

/// A connection that is counted until this is dropped.
pub struct Share {
    shares: Arc<Shares>,
    source: Source,
}

impl Shares {
    /// `most`: connections of one client at the same time, at least one.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), open: Mutex::default() }
    }

    /// Counts a connection; None: the client has its share.
    pub fn take(self: &Arc<Self>, source: Source) -> Option<Share> {
        let mut open = self.open();
        let count = open.entry(source).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { shares: self.clone(), source })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Source, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.shares.open();
        if let Some(count) = open.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;

    #[test]
    fn a_client_has_no_more_than_its_share() {
        let shares = Arc::new(Shares::new(2));
        let take = |address: &str| shares.take(address.parse::<IpAddr>().unwrap().into());
        let (first, second) = (take("192.0.2.1"), take("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some() && take("192.0.2.1").is_none());
        // Addresses of one IPv6 network are one client.
        let network: Vec<_> = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"].map(take).into();
        assert_eq!(network.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true]);
        drop(first);
        assert!(take("192.0.2.1").is_some());
        drop((second, network));
        assert!(shares.open().is_empty());
    }
}
