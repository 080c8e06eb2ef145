//! A table of clients' addresses that never holds more than its capacity.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// The part of an address that one client cannot change at will: an IPv4 address, or the first 64 bits of an IPv6
/// address, which are those of one network (RFC 4291 §2.5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An IPv4 address.
    V4(u32),
    /// The first 64 bits of an IPv6 address.
    V6(u64),
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            // Half of the 128 bits always fit.
            IpAddr::V6(address) => Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or_default()),
        }
    }
}

impl Source {
    /// The first address of the source.
    pub fn first(self) -> IpAddr {
        match self {
            Self::V4(bits) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            Self::V6(bits) => IpAddr::V6(Ipv6Addr::from_bits(u128::from(bits) << 64)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(_) => write!(f, "{}", self.first()),
            Self::V6(_) => write!(f, "{}/64", self.first()),
        }
    }
}

/// Values by address, each with a rank by which the least important one is found.
#[derive(Debug)]
pub(super) struct Addresses<V> {
    entries: HashMap<Source, (i64, V)>,
    order: BTreeSet<(i64, Source)>,
}

impl<V> Default for Addresses<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: BTreeSet::new() }
    }
}

impl<V> Addresses<V> {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&self, source: Source) -> Option<&V> {
        self.entries.get(&source).map(|(_, value)| value)
    }

    pub fn set(&mut self, source: Source, rank: i64, value: V) {
        if let Some((old, _)) = self.entries.insert(source, (rank, value)) {
            self.order.remove(&(old, source));
        }
        self.order.insert((rank, source));
    }

    pub fn remove(&mut self, source: Source) -> Option<V> {
        let (rank, value) = self.entries.remove(&source)?;
        self.order.remove(&(rank, source));
        Some(value)
    }

    /// Takes out the entry with the lowest rank.
    pub fn pop_lowest(&mut self) -> Option<(Source, V)> {
        let (_, source) = *self.order.first()?;
        self.remove(source).map(|value| (source, value))
    }

    /// Takes out an entry whose rank is at most `rank`.
    pub fn pop_up_to(&mut self, rank: i64) -> Option<(Source, V)> {
        if self.order.first()?.0 <= rank { self.pop_lowest() } else { None }
    }

    /// The entries, by rank.
    pub fn iter(&self) -> impl Iterator<Item = (Source, &V)> {
        self.order.iter().filter_map(|(_, source)| Some((*source, self.get(*source)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_addresses_or_networks() {
        // B14-02
        let check = |address: &str, expected: &str| {
            let source = Source::from(address.parse::<IpAddr>().unwrap());
            assert_eq!(source.to_string(), expected);
        };
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
        check("::1", "::/64");
    }

    #[test]
    fn the_lowest_rank_leaves_first() {
        let mut addresses = Addresses::default();
        let source = Source::V4;
        for (key, rank) in [(1, 30), (2, 10), (3, 20), (2, 40)] {
            addresses.set(source(key), rank, rank);
        }
        assert_eq!(addresses.pop_up_to(19), None);
        assert_eq!(addresses.pop_up_to(20), Some((source(3), 20)));
        assert_eq!(addresses.pop_lowest(), Some((source(1), 30)));
        assert_eq!((addresses.remove(source(2)), addresses.len(), addresses.pop_lowest()), (Some(40), 0, None));
    }
}
