//! Numbers of the protocol, under the names of draft-ietf-secsh-filexfer-02 without their common prefixes,
//! and the limits of this server.

/// The version of the protocol that the server speaks.
pub const VERSION: u32 = 3;

/// Largest packet, without its length field (as OpenSSH).
pub const MAX_PACKET: usize = 256 * 1024;
/// Largest data part of a read or write: a packet less its header.
pub const MAX_DATA: usize = MAX_PACKET - 1024;
/// The most open handles of one channel.
pub const MAX_HANDLES: usize = 1000;
/// The most open handles of all channels of a session. Each takes one to three descriptors, and the rest of
/// the server needs some, too.
pub const MAX_HANDLES_OF_SESSION: usize = 2000;
/// A NAME packet has at most about so many bytes; some clients take no larger ones.
pub const NAME_REPLY_SIZE: usize = 30_000;

/// Packet types (draft §3): `SSH_FXP_STAT` is `fxp::STAT`.
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

/// Flags of OPEN (draft §6.3): `SSH_FXF_CREAT` is `fxf::CREAT`.
pub mod fxf {
    pub const READ: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const APPEND: u32 = 4;
    pub const CREAT: u32 = 8;
    pub const TRUNC: u32 = 16;
    pub const EXCL: u32 = 32;
}

/// Status codes (draft §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum StatusCode {
    Ok = 0,
    Eof = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    OpUnsupported = 8,
}

impl StatusCode {
    /// The text as OpenSSH's server sends it: programs compare with these words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ok => "Success",
            Self::Eof => "End of file",
            Self::NoSuchFile => "No such file",
            Self::PermissionDenied => "Permission denied",
            Self::Failure => "Failure",
            Self::BadMessage => "Bad message",
            Self::OpUnsupported => "Operation unsupported",
        }
    }
}
