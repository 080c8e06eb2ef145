//! Limits: the most of something that may be used.

use std::num::NonZeroU64;

/// The most of something; none: as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit(Option<NonZeroU64>);

impl Limit {
    /// No limit.
    pub const NONE: Self = Self(None);

    /// A limit as documents have it, where 0 is none.
    pub const fn of(number: u64) -> Self {
        Self(NonZeroU64::new(number))
    }

    /// As [`of`](Self::of), of a number that is stored with a sign; less than 0 is no limit either.
    pub fn stored(number: i64) -> Self {
        Self::of(u64::try_from(number).unwrap_or(0))
    }

    /// The most; none: there is no limit.
    pub fn most(self) -> Option<u64> {
        self.0.map(NonZeroU64::get)
    }

    /// Whether there is a limit.
    pub fn is_set(self) -> bool {
        self.0.is_some()
    }

    /// Whether `used` is more than may be.
    pub fn is_exceeded(self, used: u64) -> bool {
        self.most().is_some_and(|most| used > most)
    }

    /// How much may be used beside `used`; none: there is no limit.
    pub fn left(self, used: u64) -> Option<u64> {
        Some(self.most()?.saturating_sub(used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_less_are_no_limit() {
        // A10-02
        for (stored, used, is_exceeded, left) in [
            (0, 0, false, None),
            (0, u64::MAX, false, None),
            (-1, 5, false, None),
            (i64::MIN, 5, false, None),
            (5, 0, false, Some(5)),
            (5, 5, false, Some(0)),
            (5, 6, true, Some(0)),
            (i64::MAX, i64::MAX as u64, false, Some(0)),
        ] {
            let limit = Limit::stored(stored);
            let found = (limit.is_set(), limit.is_exceeded(used), limit.left(used));
            assert_eq!(found, (left.is_some(), is_exceeded, left), "{stored} {used}");
        }
        assert_eq!((Limit::of(0), Limit::default()), (Limit::NONE, Limit::NONE));
    }
}
