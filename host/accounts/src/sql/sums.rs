//! Sums that fit into a column of 64 bits: where one does not, a database fails, or keeps another kind of number, and
//! what is added beside it would fail as well.

/// The most to which `by` can be added. What a column has already may have come from elsewhere, and be anything.
pub fn most_before(by: i64) -> i64 {
    i64::MAX - by.max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sum_is_too_large() {
        for by in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert!(most_before(by).checked_add(by).is_some(), "{by}");
        }
    }
}
