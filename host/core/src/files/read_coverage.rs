//! Whether a download was one.

/// What was read of a file.
#[derive(Debug, Default)]
pub struct ReadCoverage {
    from: Option<u64>,
    to: u64,
    bytes: u64,
    /// For a checksum or a copy: nothing of that left the server.
    pub is_used_inside: bool,
}

impl ReadCoverage {
    pub fn read(&mut self, offset: u64, length: usize) {
        let length = length as u64;
        self.from = Some(self.from.map_or(offset, |from| from.min(offset)));
        self.to = self.to.max(offset.saturating_add(length));
        self.bytes = self.bytes.saturating_add(length);
    }

    /// From where the reading began.
    pub fn is_all_of(&self, size: u64) -> bool {
        let from = self.from.unwrap_or(0);
        self.to >= size && self.bytes >= size.saturating_sub(from)
    }

    pub fn is_internal_only(&self) -> bool {
        self.is_used_inside && self.from.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of a file of 1000 bytes, read in that order.
    fn check(parts: &[(u64, usize)], expected: bool) {
        let mut read = ReadCoverage::default();
        parts.iter().for_each(|(offset, length)| read.read(*offset, *length));
        assert_eq!(read.is_all_of(1000), expected, "{parts:?}");
    }

    #[test]
    fn all_of_a_file_is_from_where_the_reading_began() {
        // A5-13
        check(&[(0, 1000)], true);
        check(&[(0, 500), (500, 500), (1000, 0)], true);
        check(&[(500, 500), (0, 500)], true);
        check(&[(600, 400)], true);
        check(&[(0, 999)], false);
        check(&[(0, 10), (990, 10)], false);
        check(&[], false);
        assert!(ReadCoverage::default().is_all_of(0));
    }
}
