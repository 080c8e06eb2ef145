//! The fields that requests are made of (draft §3 and §5): how each is read, what of the packet
//! it borrows, and what it names.

use std::borrow::Cow;

use tidegate_core::ports::storage::{OpenOptions, SetAttributes};

use crate::attributes;
use crate::packet::{Reader, Status};
use crate::protocol::fxf;

/// One field of a request.
pub trait Field<'a>: Sized {
    /// The same, with nothing that is borrowed from the packet.
    type Owned;

    /// # Errors
    /// `BadMessage` if the packet ends before the field does.
    fn read(packet: &mut Reader<'a>) -> Result<Self, Status>;

    fn into_owned(self) -> Self::Owned;

    /// What of the file tree it names.
    fn names(&self) -> Option<Name<'_>> {
        None
    }
}

/// What requests name files by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    Handle(Handle),
    /// As the client wrote it.
    Path(&'a [u8]),
}

/// What OPEN and OPENDIR give out: a number, in four bytes. Any other string is a handle that was
/// never given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(Option<u32>);

impl Handle {
    pub fn new(number: u32) -> Self {
        Self(Some(number))
    }

    pub fn from_wire(bytes: &[u8]) -> Self {
        Self(bytes.try_into().ok().map(u32::from_be_bytes))
    }

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

impl RawPath<'_> {
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

    /// Whether it does no more than open what is there, to read it.
    pub fn only_reads(self) -> bool {
        self.0 == fxf::READ
    }

    /// `mode`: of a file that is made.
    pub fn options(self, mode: Option<u32>) -> OpenOptions {
        OpenOptions {
            read: self.has(fxf::READ),
            write: self.has(fxf::WRITE) || self.has(fxf::APPEND),
            append: self.has(fxf::APPEND),
            create: self.has(fxf::CREAT),
            truncate: self.has(fxf::TRUNC),
            // Without CREAT it has no meaning.
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
