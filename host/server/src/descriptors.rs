//! The descriptors of the process: as many as the system lets it have, and some that clients leave to administration.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tidegate_core::ports::{DescriptorUse, Descriptors};
use tidegate_core::recurring::Recurring;

/// With fewer, the log says so at start.
const FEW: u64 = 1024;
/// The reserve is an eighth of the limit, but no less and no more than these, and never more than a quarter.
const LEAST_RESERVE: u64 = 16;
const LARGEST_RESERVE: u64 = 256;

/// Raises the limit as far as it goes, since every connection and every open file is a descriptor. Programs run with the
/// one until then.
pub fn raise_limit() {
    tidegate_hooks_external::keep_for_programs();
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(sender = "main", message = format!("the limit on open files stays as it is: {error}"));
    }
    if let Some(few) = getrlimit(Resource::Nofile).current.filter(|current| *current < FEW) {
        let message = format!(
            "the server may have only {few} descriptors, of which each connection and each open file takes one; raise \
             the limit on open files (LimitNOFILE= of systemd, ulimit -n)"
        );
        tracing::warn!(sender = "main", message);
    }
}

/// Keeps the last descriptors of the process for administration. The limit may be raised while the server runs: it is
/// read again before something is refused.
#[derive(Debug, Default)]
pub struct ProcessDescriptors {
    /// As it was read last; 0: not yet.
    limit: AtomicU64,
    refusals: Mutex<Recurring>,
}

impl Descriptors for ProcessDescriptors {
    fn has_room(&self, wanted: DescriptorUse) -> bool {
        self.is_within(next_number(), wanted)
    }

    fn may_keep(&self, number: u64, wanted: DescriptorUse) -> bool {
        self.is_within(Some(number), wanted)
    }
}

impl ProcessDescriptors {
    /// Whether the number of a descriptor leaves enough to administration. None: no number is free.
    fn is_within(&self, number: Option<u64>, wanted: DescriptorUse) -> bool {
        let is_below = |limit: u64| number.is_some_and(|number| number < room(limit, wanted));
        if is_below(self.limit.load(Ordering::Relaxed)) {
            return true;
        }
        let Some(limit) = getrlimit(Resource::Nofile).current else { return true };
        self.limit.store(limit, Ordering::Relaxed);
        if is_below(limit) {
            return true;
        }
        let room = room(limit, wanted);
        let due = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).happened(Instant::now());
        if let Some(due) = due {
            let message = format!(
                "a connection, a file or a program was refused: {room} of {limit} descriptors are in use, and the rest \
                 is for administration; raise the limit on open files (LimitNOFILE= of systemd, ulimit -n){due}"
            );
            tracing::warn!(sender = "main", message);
        }
        false
    }
}

/// How many descriptors there may be before no more are taken for this.
fn room(limit: u64, wanted: DescriptorUse) -> u64 {
    let reserve = (limit / 8).clamp(LEAST_RESERVE, LARGEST_RESERVE).min(limit / 4);
    let left = match wanted {
        DescriptorUse::Client => reserve,
        // A part of the reserve, so that monitoring and the web admin go on as well; the rest is for the control socket.
        DescriptorUse::Http => reserve / 2,
    };
    limit - left
}

/// The number that the next descriptor will have. The system gives the smallest one that is free (dup(2)): all below it
/// are in use, and need no counter. None: no number is free.
fn next_number() -> Option<u64> {
    let probe = std::io::stderr().as_fd().try_clone_to_owned().ok()?;
    u64::try_from(probe.as_raw_fd()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn clients_leave_some_to_administration() {
        // A4-17
        let check = |limit: u64, clients: u64, http: u64| {
            let found = (room(limit, DescriptorUse::Client), room(limit, DescriptorUse::Http));
            assert_eq!(found, (clients, http), "{limit}");
        };
        check(0, 0, 0);
        check(3, 3, 3);
        check(32, 24, 28);
        check(64, 48, 56);
        check(128, 112, 120);
        check(1024, 896, 960);
        check(65_536, 65_280, 65_408);
        check(u64::MAX, u64::MAX - 256, u64::MAX - 128);
    }

    #[test]
    fn the_next_number_grows_with_what_is_open() {
        let many: Vec<_> = (0..100).map(|_| File::open("/dev/null").unwrap()).collect();
        // Other tests of the process may close files meanwhile.
        let largest = many.iter().map(|file| file.as_raw_fd()).max().unwrap();
        assert!(next_number().is_some() && largest >= 100, "{largest}");
        assert!(ProcessDescriptors::default().has_room(DescriptorUse::Client));
    }

    #[test]
    fn what_was_opened_stays_where_its_number_leaves_enough() {
        let descriptors = ProcessDescriptors::default();
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let largest = room(limit, DescriptorUse::Client);
        // The limit is read at the first one, and known at the others.
        for (number, expected) in [(3, true), (largest - 1, true), (largest, limit == u64::MAX), (3, true)] {
            assert_eq!(descriptors.may_keep(number, DescriptorUse::Client), expected, "{number} of {limit}");
        }
        // One that is known as lower than it is now refuses nothing.
        descriptors.limit.store(1, Ordering::Relaxed);
        assert!(descriptors.may_keep(largest - 1, DescriptorUse::Client));
    }
}
