//! Which parts of a file were read: a download counts only if it was read to the end (A5-13).

/// The parts of a file that were read, as one range and a number of bytes.
#[derive(Debug, Default)]
pub struct ReadCoverage {
    from: Option<u64>,
    to: u64,
    bytes: u64,
    /// Whether bytes were read for a checksum or a copy, which did not leave the server.
    pub is_used_inside: bool,
}

impl ReadCoverage {
    /// Notes a read for the client.
    pub fn read(&mut self, offset: u64, length: usize) {
        let length = length as u64;
        self.from = Some(self.from.map_or(offset, |from| from.min(offset)));
        self.to = self.to.max(offset.saturating_add(length));
        self.bytes = self.bytes.saturating_add(length);
    }

    /// Whether everything from the lowest offset that was read to the end was read.
    pub fn is_all_of(&self, size: u64) -> bool {
        let from = self.from.unwrap_or(0);
        self.to >= size && self.bytes >= size.saturating_sub(from)
    }

    /// Whether the file was read only for checksums and copies.
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
