//! File attributes on the wire (draft §5).

use tidegate_core::files::storage::{Metadata, SetAttributes};

use crate::packet::{Reader, Status, put_u32, put_u64};

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;

pub fn put(output: &mut Vec<u8>, metadata: &Metadata) {
    put_u32(output, SIZE | OWNER | PERMISSIONS | TIMES);
    put_u64(output, metadata.size);
    put_u32(output, metadata.uid);
    put_u32(output, metadata.gid);
    put_u32(output, metadata.mode);
    put_u32(output, seconds(metadata.accessed));
    put_u32(output, seconds(metadata.modified));
}

/// What follows the attributes is ignored: some clients append bytes.
pub fn read(packet: &mut Reader<'_>) -> Result<SetAttributes, Status> {
    let flags = packet.u32()?;
    let mut attributes = SetAttributes::default();
    if flags & SIZE != 0 {
        attributes.size = Some(packet.u64()?);
    }
    if flags & OWNER != 0 {
        attributes.owner = Some((packet.u32()?, packet.u32()?));
    }
    if flags & PERMISSIONS != 0 {
        attributes.mode = Some(packet.u32()? & 0o7777);
    }
    if flags & TIMES != 0 {
        attributes.times = Some((i64::from(packet.u32()?), i64::from(packet.u32()?)));
    }
    Ok(attributes)
}

/// The wire has 32 bits without a sign.
fn seconds(time: i64) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}
