//! The bytes that a transfer has moved in the last seconds. A transfer counts them with each part of its file, and
//! administrators read them, so that there is no lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// The seconds that are kept: five whole ones, and the one that has begun.
const SECONDS: u64 = 6;
/// The bits of a slot that count bytes; those above have the second, so that the two are written at once.
const BYTE_BITS: u32 = 40;
const MOST_BYTES: u64 = (1 << BYTE_BITS) - 1;
/// The part of a second's number that a slot keeps. It comes again after half a year.
const SECOND_MASK: u64 = (1 << (u64::BITS - BYTE_BITS)) - 1;

/// Counts bytes by second. One task adds at a time; any number may read meanwhile.
#[derive(Debug, Default)]
pub struct RecentBytes([AtomicU64; SECONDS as usize]);

impl RecentBytes {
    /// Counts bytes that were moved at the time `now`, in milliseconds since 1970.
    pub fn add(&self, bytes: u64, now: i64) {
        let second = second_of(now);
        let Some(slot) = self.slot(second) else { return };
        let before = counted(slot, second);
        let bytes = before.saturating_add(bytes).min(MOST_BYTES);
        slot.store(((second & SECOND_MASK) << BYTE_BITS) | bytes, Ordering::Relaxed);
    }

    /// Bytes a second in the last seconds, or since the transfer began if that is later; both times are in
    /// milliseconds since 1970.
    pub fn rate(&self, began: i64, now: i64) -> u64 {
        let last = second_of(now);
        let first = last.saturating_sub(SECONDS - 1);
        let bytes = |second| self.slot(second).map_or(0, |slot| counted(slot, second));
        let moved = (first..=last).map(bytes).fold(0, u64::saturating_add);
        let window_began = i64::try_from(first * 1000).unwrap_or(i64::MAX);
        let took = u64::try_from(now.saturating_sub(began.max(window_began))).unwrap_or(0);
        moved.saturating_mul(1000) / took.max(1)
    }

    fn slot(&self, second: u64) -> Option<&AtomicU64> {
        usize::try_from(second % SECONDS).ok().and_then(|at| self.0.get(at))
    }
}

fn second_of(now: i64) -> u64 {
    u64::try_from(now).unwrap_or(0) / 1000
}

/// The bytes of that second; 0: the slot has those of another one.
fn counted(slot: &AtomicU64, second: u64) -> u64 {
    let kept = slot.load(Ordering::Relaxed);
    if kept >> BYTE_BITS == second & SECOND_MASK { kept & MOST_BYTES } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        const BEGAN: i64 = 1_800_000_000_000;
        // `moved`: milliseconds after the beginning, and bytes. `expected`: milliseconds after it, and the rate.
        let check = |moved: &[(i64, u64)], expected: &[(i64, u64)]| {
            let recent = RecentBytes::default();
            moved.iter().for_each(|(at, bytes)| recent.add(*bytes, BEGAN + at));
            for (at, rate) in expected {
                assert_eq!(recent.rate(BEGAN, BEGAN + at), *rate, "{moved:?} after {at} ms");
            }
        };
        check(&[], &[(0, 0), (1_000, 0), (60_000, 0)]);
        // At first, all the time since the beginning counts.
        check(&[(0, 500), (400, 500)], &[(500, 2_000), (1_000, 1_000), (2_000, 500)]);
        // A transfer that stalls has no rate after a few seconds, however fast it was.
        check(&[(0, 6_000), (900, 6_000)], &[(4_000, 3_000), (5_999, 2_000), (6_000, 0), (3_600_000, 0)]);
        // One that goes on again is as fast as it is now.
        check(&[(0, 1 << 30), (60_000, 1_000), (61_000, 1_000)], &[(61_000, 400), (66_000, 200)]);
        // The seconds come round many times.
        let steady: Vec<_> = (0..120).map(|second| (second * 1_000, 700)).collect();
        check(&steady, &[(119_999, 700), (124_999, 116)]);
        // No sum runs over.
        check(&[(0, u64::MAX)], &[(1_000, MOST_BYTES)]);
        // A clock that is set back does not break anything.
        check(&[(10_000, 1_000), (0, 1_000)], &[(1_000, 1_000)]);
    }
}
