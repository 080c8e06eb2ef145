//! The bytes of SFTP version 3, as a client writes and reads them (draft-ietf-secsh-filexfer-02).

use bytes::Bytes;

/// Types of packets.
pub mod fxp {
    pub const INIT: u8 = 1;
    pub const VERSION: u8 = 2;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const SETSTAT: u8 = 9;
    pub const FSETSTAT: u8 = 10;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const RMDIR: u8 = 15;
    pub const REALPATH: u8 = 16;
    pub const STAT: u8 = 17;
    pub const RENAME: u8 = 18;
    pub const READLINK: u8 = 19;
    pub const SYMLINK: u8 = 20;
    pub const STATUS: u8 = 101;
    pub const HANDLE: u8 = 102;
    pub const DATA: u8 = 103;
    pub const NAME: u8 = 104;
    pub const ATTRS: u8 = 105;
    pub const EXTENDED: u8 = 200;
    pub const EXTENDED_REPLY: u8 = 201;
}

/// Flags of OPEN.
pub mod fxf {
    pub const READ: u32 = 0x01;
    pub const WRITE: u32 = 0x02;
    pub const APPEND: u32 = 0x04;
    pub const CREATE: u32 = 0x08;
    pub const TRUNCATE: u32 = 0x10;
    pub const EXCLUSIVE: u32 = 0x20;
}

const HAS_SIZE: u32 = 0x01;
const HAS_OWNER: u32 = 0x02;
const HAS_MODE: u32 = 0x04;
const HAS_TIMES: u32 = 0x08;
const HAS_MORE: u32 = 0x8000_0000;

/// The attributes that a packet has of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    pub size: Option<u64>,
    pub owner: Option<(u32, u32)>,
    pub mode: Option<u32>,
    pub times: Option<(u32, u32)>,
}

/// A packet that does not have what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A packet that is being written.
pub struct Packet(Vec<u8>);

impl Packet {
    /// A packet of this type; its id, or version, comes first.
    pub fn new(kind: u8, id: u32) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&[0; 4]);
        bytes.push(kind);
        Self(bytes).u32(id)
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn text(self, text: &[u8]) -> Self {
        let mut packet = self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        packet.0.extend_from_slice(text);
        packet
    }

    pub fn attributes(self, attributes: &Attributes) -> Self {
        let Attributes { size, owner, mode, times } = *attributes;
        let flag = |is_there: bool, flag: u32| if is_there { flag } else { 0 };
        let flags = flag(size.is_some(), HAS_SIZE)
            | flag(owner.is_some(), HAS_OWNER)
            | flag(mode.is_some(), HAS_MODE)
            | flag(times.is_some(), HAS_TIMES);
        let mut packet = self.u32(flags);
        if let Some(size) = size {
            packet = packet.u64(size);
        }
        if let Some((user, group)) = owner {
            packet = packet.u32(user).u32(group);
        }
        if let Some(mode) = mode {
            packet = packet.u32(mode);
        }
        if let Some((accessed, modified)) = times {
            packet = packet.u32(accessed).u32(modified);
        }
        packet
    }

    /// The packet's bytes, with its length before them.
    pub fn finish(mut self) -> Bytes {
        let length = u32::try_from(self.0.len().saturating_sub(4)).unwrap_or(u32::MAX);
        if let Some(place) = self.0.first_chunk_mut::<4>() {
            *place = length.to_be_bytes();
        }
        self.0.into()
    }
}

/// The fields of a packet that are not read yet.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*first))
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(u64::from_be_bytes(*first))
    }

    pub fn text(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(text)
    }

    pub fn attributes(&mut self) -> Result<Attributes, Malformed> {
        let flags = self.u32()?;
        let mut attributes = Attributes::default();
        if flags & HAS_SIZE != 0 {
            attributes.size = Some(self.u64()?);
        }
        if flags & HAS_OWNER != 0 {
            attributes.owner = Some((self.u32()?, self.u32()?));
        }
        if flags & HAS_MODE != 0 {
            attributes.mode = Some(self.u32()?);
        }
        if flags & HAS_TIMES != 0 {
            attributes.times = Some((self.u32()?, self.u32()?));
        }
        if flags & HAS_MORE != 0 {
            // The count may be wrong: reading ends with the packet.
            for _ in 0..self.u32()? {
                self.text()?;
                self.text()?;
            }
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back() {
        let check = |attributes: Attributes| {
            let bytes = Packet::new(fxp::ATTRS, 7).attributes(&attributes).finish();
            let mut fields = Fields(&bytes);
            assert_eq!((fields.u32(), fields.u8(), fields.u32()), (Ok(bytes.len() as u32 - 4), Ok(fxp::ATTRS), Ok(7)));
            assert_eq!(fields.attributes(), Ok(attributes));
            assert!(fields.is_empty(), "{attributes:?}");
        };
        check(Attributes::default());
        let (size, owner, mode, times) = (Some(1 << 40), Some((5, 0)), Some(5), Some((5, 0)));
        for bits in 0..16 {
            check(Attributes {
                size: size.filter(|_| bits & 1 != 0),
                owner: owner.filter(|_| bits & 2 != 0),
                mode: mode.filter(|_| bits & 4 != 0),
                times: times.filter(|_| bits & 8 != 0),
            });
        }
    }

    #[test]
    fn packets_that_end_too_early_are_malformed() {
        let many = [&HAS_MORE.to_be_bytes()[..], &u32::MAX.to_be_bytes(), &[0; 64]].concat();
        for bytes in [&[][..], &[0, 0, 0, 1], &many, &[0, 0, 0, 15, 0, 0]] {
            assert_eq!(Fields(bytes).attributes(), Err(Malformed));
        }
        assert_eq!(Fields(&[255, 255, 255, 255, 1]).text(), Err(Malformed));
    }
}
