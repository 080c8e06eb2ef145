//! Lines for an output that can be full. What was cut off is ended before the next line, which would else be lost with
//! it to those who read line by line, and a line says how many are missing.

use std::io::{self, ErrorKind, Write};

/// What an output did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// How many lines, those that were cut off among them.
    pub lines: u64,
    /// Why the last one of them was not written.
    pub reason: String,
}

/// The state of an output between two lines.
#[derive(Debug, Default)]
pub struct WholeLines {
    /// The output ends within a line.
    is_torn: bool,
    lost: Option<Lost>,
}

impl WholeLines {
    /// Begins with another output. `is_torn`: whether that ends within a line.
    pub fn go_on_in(&mut self, is_torn: bool) {
        self.is_torn = is_torn;
    }

    /// Writes a line with its end, in one system call. `notice`: makes the line about those before it that were lost.
    /// Returns how many bytes the output took.
    pub fn write(&mut self, output: &mut impl Write, line: &[u8], notice: impl FnOnce(&Lost) -> Vec<u8>) -> usize {
        let mut before = if self.is_torn { b"\n".to_vec() } else { Vec::new() };
        if let Some(lost) = &self.lost {
            before.extend(notice(lost));
        }
        let joined;
        let bytes = match before.is_empty() {
            true => line,
            false => {
                joined = [&before, line].concat();
                joined.as_slice()
            }
        };
        let (taken, error) = write_all(output, bytes);
        if let Some(last) = taken.checked_sub(1).and_then(|last| bytes.get(last)) {
            self.is_torn = *last != b'\n';
        }
        let untold = self.lost.take().filter(|_| taken < before.len()).map_or(0, |lost| lost.lines);
        self.lost = error.map(|error| Lost { lines: untold.saturating_add(1), reason: error.to_string() });
        taken
    }
}

/// As [`Write::write_all`], but tells how many bytes were written before the error.
fn write_all(output: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut taken = 0;
    while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
        match output.write(rest) {
            Ok(0) => return (taken, Some(ErrorKind::WriteZero.into())),
            Ok(count) => taken = taken.saturating_add(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (taken, Some(error)),
        }
    }
    (taken, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so much room.
    #[derive(Default)]
    struct Disk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let count = bytes.len().min(self.room);
            self.room -= count;
            self.content.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes lines such as `<a>`, each on a disk with so much room more; `begun`: what the disk has before.
    fn check(begun: &str, lines: &[(&str, usize)], expected: &str) {
        let mut disk = Disk { content: begun.as_bytes().to_vec(), room: 0 };
        let mut whole = WholeLines::default();
        whole.go_on_in(!begun.is_empty() && !begun.ends_with('\n'));
        for (line, room) in lines {
            disk.room += room;
            let before = disk.content.len();
            let taken = whole.write(&mut disk, format!("<{line}>\n").as_bytes(), |lost| {
                assert!(!lost.reason.is_empty());
                format!("<{} lost>\n", lost.lines).into_bytes()
            });
            assert_eq!(taken, disk.content.len() - before, "{lines:?}");
        }
        assert_eq!(String::from_utf8(disk.content).unwrap(), expected, "{lines:?}");
    }

    #[test]
    fn what_was_cut_off_is_ended_and_counted() {
        // A21-10
        const MUCH: usize = 1000;
        check("", &[("a", MUCH), ("b", 0)], "<a>\n<b>\n");
        check("", &[("a", 0), ("b", 0), ("c", MUCH), ("d", 0)], "<2 lost>\n<c>\n<d>\n");
        check("", &[("a", 4), ("b", 2), ("c", MUCH), ("d", 0)], "<a>\n<b\n<1 lost>\n<c>\n<d>\n");
        // All of it but its end.
        check("", &[("a", 3), ("b", MUCH)], "<a>\n<1 lost>\n<b>\n");
        // The line about lost ones is cut off as well.
        check("", &[("a", 2), ("b", 3), ("c", MUCH)], "<a\n<1\n<2 lost>\n<c>\n");
        // The end of the line that was cut off, and no more.
        check("", &[("a", 2), ("b", 1), ("c", MUCH)], "<a\n<2 lost>\n<c>\n");
        // The line about lost ones, and nothing or a part of the next line.
        check("", &[("a", 0), ("b", 9), ("c", MUCH)], "<1 lost>\n<1 lost>\n<c>\n");
        check("", &[("a", 0), ("b", 10), ("c", MUCH)], "<1 lost>\n<\n<1 lost>\n<c>\n");
        // What another process has left.
        check("<x", &[("a", MUCH), ("b", 0)], "<x\n<a>\n<b>\n");
        check("<x>\n", &[("a", MUCH)], "<x>\n<a>\n");
    }
}
