//! What waits for places, and what holds them: the order of turns, apart from how the waiting is done.

use core::net::IpAddr;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use super::Waiter;

/// With fewer places than this, none is kept free for others.
const LEAST_FOR_SHARES: usize = 16;

/// Randomly keyed hashes of an address, and of an account at that address: a client cannot make them collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keys {
    address: u64,
    account: u64,
}

impl Keys {
    pub fn of(waiter: Waiter<'_>, hasher: &RandomState) -> Self {
        // An IPv6 host usually has a whole /64 network: all its addresses count as one.
        let network = waiter.address.map(|address| match address.to_canonical() {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        });
        let address = hasher.hash_one(network);
        Self { address, account: hasher.hash_one((address, waiter.account)) }
    }
}

/// The most places that there are, that one address may hold, and one account at one address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    total: usize,
    of_address: usize,
    of_account: usize,
}

impl Shares {
    /// `total` places, at least one; one account may hold all of them.
    pub fn undivided(total: usize) -> Self {
        let total = total.max(1);
        Self { total, of_address: total, of_account: total }
    }

    /// `total` places, at least one. One account may hold half of them and one address three quarters, so
    /// that slow calls for one do not stop the others. Fewer than 16 places are not divided.
    pub fn divided(total: usize) -> Self {
        if total < LEAST_FOR_SHARES {
            return Self::undivided(total);
        }
        Self { total, of_address: total - total / 4, of_account: total / 2 }
    }
}

/// Entries that wait, by address and account, and the places that are held.
pub(crate) struct Queue<T> {
    taken: usize,
    /// The number of places held, by the key of an address or account.
    held: HashMap<u64, usize>,
    addresses: VecDeque<Crowd<T>>,
    waiting: usize,
}

/// The entries of one address, by account.
struct Crowd<T> {
    address: u64,
    accounts: VecDeque<Line<T>>,
}

/// The entries for one account, the first one at the front.
struct Line<T> {
    account: u64,
    waiting: VecDeque<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { taken: 0, held: HashMap::new(), addresses: VecDeque::new(), waiting: 0 }
    }
}

impl<T> Queue<T> {
    /// How many entries wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether one more place may be taken for these keys.
    pub fn has_room(&self, shares: Shares, keys: Keys) -> bool {
        self.has_place(shares)
            && self.held(keys.address) < shares.of_address
            && self.held(keys.account) < shares.of_account
    }

    fn has_place(&self, shares: Shares) -> bool {
        self.taken < shares.total
    }

    fn held(&self, key: u64) -> usize {
        self.held.get(&key).copied().unwrap_or(0)
    }

    pub fn take(&mut self, keys: Keys) {
        self.taken += 1;
        for key in [keys.address, keys.account] {
            *self.held.entry(key).or_insert(0) += 1;
        }
    }

    pub fn give_back(&mut self, keys: Keys) {
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

    /// Lets an entry wait behind those with the same keys.
    pub fn push_back(&mut self, keys: Keys, entry: T) {
        self.add(keys, entry, VecDeque::push_back);
    }

    /// Lets an entry wait before those with the same keys.
    pub fn push_front(&mut self, keys: Keys, entry: T) {
        self.add(keys, entry, VecDeque::push_front);
    }

    fn add(&mut self, keys: Keys, entry: T, push: fn(&mut VecDeque<T>, T)) {
        self.waiting += 1;
        if let Some(line) = self.line(keys) {
            return push(&mut line.waiting, entry);
        }
        let line = Line { account: keys.account, waiting: VecDeque::from([entry]) };
        match self.addresses.iter_mut().find(|crowd| crowd.address == keys.address) {
            Some(crowd) => crowd.accounts.push_back(line),
            None => {
                self.addresses.push_back(Crowd { address: keys.address, accounts: VecDeque::from([line]) });
            }
        }
    }

    /// Takes out the next entry whose address and account hold fewer places than they may. No place is taken.
    pub fn next(&mut self, shares: Shares) -> Option<(Keys, T)> {
        if !self.has_place(shares) {
            return None;
        }
        for _ in 0..self.addresses.len() {
            let mut crowd = self.addresses.pop_front()?;
            let mut found = None;
            if self.held(crowd.address) < shares.of_address {
                found = self.next_of(&mut crowd, shares);
            }
            if !crowd.accounts.is_empty() {
                self.addresses.push_back(crowd);
            }
            if found.is_some() {
                self.waiting = self.waiting.saturating_sub(1);
                return found;
            }
        }
        None
    }

    fn next_of(&self, crowd: &mut Crowd<T>, shares: Shares) -> Option<(Keys, T)> {
        for _ in 0..crowd.accounts.len() {
            let mut line = crowd.accounts.pop_front()?;
            let keys = Keys { address: crowd.address, account: line.account };
            let has_room = self.held(line.account) < shares.of_account;
            let found = if has_room { line.waiting.pop_front() } else { None };
            if !line.waiting.is_empty() {
                crowd.accounts.push_back(line);
            }
            if let Some(entry) = found {
                return Some((keys, entry));
            }
        }
        None
    }

    /// Takes out the first entry with these keys for which `is_wanted` is true.
    pub fn remove(&mut self, keys: Keys, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        let line = self.line(keys)?;
        let at = line.waiting.iter().position(is_wanted)?;
        let entry = line.waiting.remove(at)?;
        self.waiting = self.waiting.saturating_sub(1);
        self.addresses.retain_mut(|crowd| {
            crowd.accounts.retain(|line| !line.waiting.is_empty());
            !crowd.accounts.is_empty()
        });
        Some(entry)
    }

    fn line(&mut self, keys: Keys) -> Option<&mut Line<T>> {
        let crowd = self.addresses.iter_mut().find(|crowd| crowd.address == keys.address)?;
        crowd.accounts.iter_mut().find(|line| line.account == keys.account)
    }
}
