//! File attributes on the wire (draft §5).

use tidegate_core::ports::storage::{Metadata, SetAttributes};

use crate::packet::{Reader, Status, put_u32, put_u64};
use crate::protocol::StatusCode;

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 0x8000_0000;
/// The fewest bytes of an extended attribute: the lengths of its type and of its data.
const LEAST_EXTENDED: usize = 2 * size_of::<u32>();

/// Writes all attributes that version 3 has.
pub fn put(output: &mut Vec<u8>, metadata: &Metadata) {
    put_u32(output, SIZE | OWNER | PERMISSIONS | TIMES);
    put_u64(output, metadata.size);
    put_u32(output, metadata.uid);
    put_u32(output, metadata.gid);
    put_u32(output, metadata.mode);
    put_u32(output, seconds(metadata.accessed));
    put_u32(output, seconds(metadata.modified));
}

/// Reads attributes. Bytes after them are ignored: some clients append some. Extended attributes have no
/// meaning here, but must be there if they are announced.
///
/// # Errors
/// `BadMessage` if an announced attribute is missing.
pub fn read(packet: &mut Reader<'_>) -> Result<SetAttributes, Status> {
    let flags = packet.u32()?;
    let mut attributes = SetAttributes::default();
    if flags & SIZE != 0 {
        attributes.size = Some(packet.u64()?);
    }
    if flags & OWNER != 0 {
        (attributes.uid, attributes.gid) = (given(packet.u32()?), given(packet.u32()?));
    }
    if flags & PERMISSIONS != 0 {
        attributes.mode = Some(packet.u32()? & 0o7777);
    }
    if flags & TIMES != 0 {
        attributes.times = Some((i64::from(packet.u32()?), i64::from(packet.u32()?)));
    }
    if flags & EXTENDED != 0 {
        let count = usize::try_from(packet.u32()?).unwrap_or(usize::MAX);
        if count > packet.remaining() / LEAST_EXTENDED {
            return Err(Status::new(StatusCode::BadMessage, format!("{count} extended attributes are not there")));
        }
        for _ in 0..count {
            let (_name, _data) = (packet.string()?, packet.string()?);
        }
    }
    Ok(attributes)
}

/// The number of a user or group: the largest one leaves what the file has, as with chown(2). sshfs sends it for the one of
/// both that does not change.
fn given(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number != u32::MAX)
}

/// A time as the wire has it: 32 bits without a sign.
fn seconds(time: i64) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a block with these flags and `body` is read as; none: it is refused.
    fn check(flags: u32, body: &[u8], expected: Option<SetAttributes>) {
        let block = [&flags.to_be_bytes()[..], body].concat();
        match read(&mut Reader::new(&block)) {
            Ok(attributes) => assert_eq!(Some(attributes), expected, "{flags:x} {body:?}"),
            Err(status) => assert_eq!((status.code, expected), (StatusCode::BadMessage, None), "{flags:x} {body:?}"),
        }
    }

    #[test]
    fn what_is_announced_must_be_there() {
        // A5-02
        let nothing = Some(SetAttributes::default());
        check(0, b"", nothing);
        check(0, b"appended", nothing);
        check(SIZE, &[0, 0, 0, 0, 0, 0, 0, 5], Some(SetAttributes { size: Some(5), ..Default::default() }));
        check(SIZE, &[0; 7], None);
        check(OWNER, &[0; 4], None);
        let owner = |uid, gid| Some(SetAttributes { uid, gid, ..Default::default() });
        check(OWNER, &[0, 0, 0, 1, 0, 0, 0, 2], owner(Some(1), Some(2)));
        check(OWNER, &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff], owner(Some(1), None));
        check(OWNER, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2], owner(None, Some(2)));
        check(OWNER, &[0xff; 8], nothing);
        check(PERMISSIONS, &[0; 3], None);
        check(TIMES, &[0; 4], None);
        // Extended attributes: the count, then pairs of strings.
        check(EXTENDED, &[0; 4], nothing);
        check(EXTENDED, b"\0\0\0\x01\0\0\0\x01n\0\0\0\x02dd", nothing);
        check(EXTENDED, b"\0\0\0\x01", None);
        check(EXTENDED, b"\0\0\0\x02\0\0\0\x01n\0\0\0\x02dd", None);
        check(EXTENDED, b"\0\0\0\x01\0\0\0\x09n\0\0\0\0", None);
        check(EXTENDED, &[0xff; 4], None);
        check(EXTENDED, &[0xff; 16], None);
        check(EXTENDED, b"", None);
        check(SIZE | EXTENDED, &[0xff; 12], None);
    }
}
