//! The fields of requests (draft §3 and §5): how each is read, what it borrows from the packet, and which
//! file it names.

use std::borrow::Cow;

use tidegate_core::ports::storage::{OpenOptions, SetAttributes};

use crate::attributes;
use crate::packet::{Reader, Status};
use crate::protocol::fxf;

/// One field of a request.
pub trait Field<'a>: Sized {
    /// The field without anything borrowed from the packet.
    type Owned;

    /// # Errors
    /// `BadMessage` if the packet ends before the field does.
    fn read(packet: &mut Reader<'a>) -> Result<Self, Status>;

    /// Copies what is borrowed.
    fn into_owned(self) -> Self::Owned;

    /// The handle or path in the field, if it has one.
    fn names(&self) -> Option<Name<'_>> {
        None
    }
}

/// How a request names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    Handle(Handle),
    /// As the client wrote it.
    Path(&'a [u8]),
}

/// A handle, as OPEN and OPENDIR give it out: a number in four bytes. Any other string is a handle that was
/// never given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(Option<u32>);

impl Handle {
    /// The handle with this number.
    pub fn new(number: u32) -> Self {
        Self(Some(number))
    }

    /// The handle in a packet.
    pub fn from_wire(bytes: &[u8]) -> Self {
        Self(bytes.try_into().ok().map(u32::from_be_bytes))
    }

    /// The number; none for a string that is not four bytes long.
    pub fn number(self) -> Option<u32> {
        self.0
    }
}

impl<'a> Field<'a> for Handle {
    type Owned = Self;

    fn read(packet: &mut Reader<'a>) -> Result<Self, Status> {
        Ok(Self::from_wire(packet.string()?))
    }

    fn into_owned(self) -> Self {
        self
    }

    fn names(&self) -> Option<Name<'_>> {
        Some(Name::Handle(*self))
    }
}

/// A string of bytes (RFC 4251 §5) that names no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteString<'a>(Cow<'a, [u8]>);

impl ByteString<'_> {
    /// The bytes as they were sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> Field<'a> for ByteString<'a> {
    type Owned = ByteString<'static>;

    fn read(packet: &mut Reader<'a>) -> Result<Self, Status> {
        Ok(Self(Cow::Borrowed(packet.string()?)))
    }

    fn into_owned(self) -> ByteString<'static> {
        ByteString(Cow::Owned(self.0.into_owned()))
    }
}

/// A path as the client wrote it; relative ones begin at the start directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPath<'a>(Cow<'a, [u8]>);

impl<'a> From<&'a [u8]> for RawPath<'a> {
    fn from(path: &'a [u8]) -> Self {
        Self(Cow::Borrowed(path))
    }
}

impl RawPath<'_> {
    /// The path as it was sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> Field<'a> for RawPath<'a> {
    type Owned = RawPath<'static>;

    fn read(packet: &mut Reader<'a>) -> Result<Self, Status> {
        Ok(Self(Cow::Borrowed(packet.string()?)))
    }

    fn into_owned(self) -> RawPath<'static> {
        RawPath(Cow::Owned(self.0.into_owned()))
    }

    fn names(&self) -> Option<Name<'_>> {
        Some(Name::Path(&self.0))
    }
}

/// How OPEN opens a file (draft §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFlags(u32);

impl OpenFlags {
    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// Whether the flags only open an existing file to read it.
    pub fn only_reads(self) -> bool {
        self.0 == fxf::READ
    }

    /// The options for the storage; `mode`: permission bits of a new file.
    pub fn options(self, mode: Option<u32>) -> OpenOptions {
        OpenOptions {
            read: self.has(fxf::READ),
            write: self.has(fxf::WRITE) || self.has(fxf::APPEND),
            append: self.has(fxf::APPEND),
            create: self.has(fxf::CREAT),
            truncate: self.has(fxf::TRUNC),
            // EXCL has a meaning only with CREAT.
            exclusive: self.has(fxf::CREAT) && self.has(fxf::EXCL),
            mode,
            ..OpenOptions::default()
        }
    }
}

/// Fields that borrow nothing, and how each is read.
macro_rules! plain {
    ($($type:ty = $read:expr;)*) => {$(
        impl<'a> Field<'a> for $type {
            type Owned = Self;

            fn read(packet: &mut Reader<'a>) -> Result<Self, Status> {
                $read(packet)
            }

            fn into_owned(self) -> Self {
                self
            }
        }
    )*};
}

plain! {
    u32 = Reader::u32;
    u64 = Reader::u64;
    SetAttributes = attributes::read;
    OpenFlags = |packet: &mut Reader<'a>| packet.u32().map(Self);
}
