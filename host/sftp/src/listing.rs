//! The line of `ls -l` that version 3 sends with every name (draft §7).

use jiff::{Timestamp, tz::TimeZone};
use tidegate_core::ports::storage::{FileKind, Metadata};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Older files show the year instead of the time.
const HALF_A_YEAR: i64 = 182 * 24 * 3600;

/// Appends the line; times are UTC. `now`: seconds since 1970.
pub fn put_long_name(line: &mut Vec<u8>, name: &[u8], metadata: &Metadata, now: i64) {
    line.push(match metadata.kind {
        FileKind::File => b'-',
        FileKind::Directory => b'd',
        FileKind::Symlink => b'l',
        FileKind::Other => b'?',
    });
    put_permissions(line, metadata.mode);
    let date = date(metadata.modified, now);
    let columns =
        format!(" {:>4} {:<8} {:<8} {:>8} {date} ", metadata.links, metadata.uid, metadata.gid, metadata.size);
    line.extend_from_slice(columns.as_bytes());
    line.extend_from_slice(name);
}

fn put_permissions(line: &mut Vec<u8>, mode: u32) {
    let special = [(0o4000, b's', b'S'), (0o2000, b's', b'S'), (0o1000, b't', b'T')];
    for (shift, (bit, with, without)) in [6, 3, 0].into_iter().zip(special) {
        let bits = mode >> shift;
        line.push(if bits & 4 != 0 { b'r' } else { b'-' });
        line.push(if bits & 2 != 0 { b'w' } else { b'-' });
        line.push(match (mode & bit != 0, bits & 1 != 0) {
            (false, true) => b'x',
            (false, false) => b'-',
            (true, true) => with,
            (true, false) => without,
        });
    }
}

fn date(time: i64, now: i64) -> String {
    let Ok(time_stamp) = Timestamp::from_second(time) else {
        return "Jan  1  1970".to_owned();
    };
    let civil = TimeZone::UTC.to_datetime(time_stamp);
    let month =
        usize::try_from(civil.month()).ok().and_then(|month| MONTHS.get(month.wrapping_sub(1))).unwrap_or(&"???");
    if (now - time).abs() < HALF_A_YEAR {
        format!("{month} {:>2} {:02}:{:02}", civil.day(), civil.hour(), civil.minute())
    } else {
        format!("{month} {:>2}  {:04}", civil.day(), civil.year())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::ports::storage::FileId;

    use super::*;

    fn check(kind: FileKind, mode: u32, modified: i64, expected: &str) {
        let metadata = Metadata {
            kind,
            size: 1234,
            mode,
            uid: 1000,
            gid: 100,
            accessed: 0,
            modified,
            links: 1,
            id: FileId::default(),
            version: 0,
        };
        let mut line = Vec::new();
        put_long_name(&mut line, b"name", &metadata, 1_700_000_000);
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn lines_look_like_those_of_ls() {
        check(FileKind::File, 0o644, 1_699_999_000, "-rw-r--r--    1 1000     100          1234 Nov 14 21:56 name");
        check(FileKind::Directory, 0o1777, 0, "drwxrwxrwt    1 1000     100          1234 Jan  1  1970 name");
        check(FileKind::Symlink, 0o4750, i64::MAX, "lrwsr-x---    1 1000     100          1234 Jan  1  1970 name");
    }
}
