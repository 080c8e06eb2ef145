//! The table of operations: one row says everything about a request.
//!
//! A row is the name and the fields of the request; what it is on the wire; what it changes; what
//! it costs; and the function of [`SftpServer`] that executes it, whose parameters are the fields.
//! The types of the fields say how they are read and what the request names, and so which order it
//! has to keep (see `footprint`). From the table come [`Request`], its decoding, the list of
//! extensions in VERSION, and the dispatch. A new operation is a row here and its function.

use tidegate_core::ports::storage::SetAttributes;

use crate::check_file::{self, Question};
use crate::fields::{ByteString, Field, Handle, Name, OpenFlags, RawPath};
use crate::packet::{Reader, Reply, Status};
use crate::protocol::{StatusCode, fxp};
use crate::server::{ProtocolError, SftpServer};

/// What a request is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// A packet of this type.
    Packet(u8),
    /// An EXTENDED packet with this name, and what VERSION says of it.
    Extension(&'static str, &'static str),
    /// An EXTENDED packet with a name that belongs to an extension of another name, which
    /// VERSION lists.
    Unlisted(&'static str),
}

/// What a request changes of the files that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Nothing,
    /// The content or the attributes of the files.
    Files,
    /// Names, and with them everything below.
    Trees,
    /// The file, if the flags do more than open it to read (OPEN).
    ByFlags,
    /// The file, if the handle is open for writing: closing an upload puts it in its place.
    ByHandle,
}

impl Change {
    /// Whether the request may change anything.
    pub fn is_possible(self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Files | Self::Trees | Self::ByFlags | Self::ByHandle => true,
        }
    }

    /// Whether the request changes something. `only_reads`: its flags change nothing. `is_upload`: one of its
    /// handles is open for writing.
    pub fn is_made(self, only_reads: bool, is_upload: bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::Files | Self::Trees => true,
            Self::ByFlags => !only_reads,
            Self::ByHandle => is_upload,
        }
    }

    /// Whether everything below the files is meant with them.
    pub fn reaches_below(self) -> bool {
        match self {
            Self::Trees => true,
            Self::Nothing | Self::Files | Self::ByFlags | Self::ByHandle => false,
        }
    }
}

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// So little that the request is answered at once.
    Little,
    /// Bandwidth of the file's handle: under a limit the reply waits for its time.
    Bandwidth,
    /// Names alone, or as much as whole files where they have to be copied to another file system.
    Names,
    /// Reading or writing a whole file, or asking a directory service: the connection cannot stand still for so long.
    Long,
}

/// A row of the table.
#[derive(Debug)]
pub struct Operation {
    /// How the request is recognised.
    pub wire: Wire,
    /// What it changes, for the order of requests.
    pub change: Change,
    /// What it costs, for bandwidth limits and the place where it is answered.
    pub cost: Cost,
    decode: for<'a> fn(&mut Reader<'a>) -> Result<Request<'a>, Status>,
}

macro_rules! operations {
    ($(
        $(#[$about:meta])*
        $name:ident { $($field:ident: $type:ty),* } = $wire:expr, $change:ident, $cost:ident, $place:ident $execute:ident;
    )*) => {
        /// A decoded request. It borrows its strings from the packet.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Request<'a> {
            $($(#[$about])* $name { $($field: $type),* },)*
        }

        /// The table, in the order of the rows.
        #[allow(unused_variables, reason = "a request without fields reads nothing")]
        pub static OPERATIONS: &[Operation] = &[$(Operation {
            wire: $wire,
            change: Change::$change,
            cost: Cost::$cost,
            decode: |packet| Ok(Request::$name { $($field: Field::read(packet)?),* }),
        },)*];

        impl Request<'_> {
            /// The request without anything borrowed from the packet.
            pub fn into_owned(self) -> Request<'static> {
                match self {
                    $(Self::$name { $($field),* } => Request::$name { $($field: $field.into_owned()),* },)*
                }
            }

            /// The first handle that the request names.
            pub fn handle(&self) -> Option<Handle> {
                let mut first = None;
                self.each_name(|name| match name {
                    Name::Handle(handle) => first = first.or(Some(handle)),
                    Name::Path(_) => {}
                });
                first
            }

            /// Visits what the fields name, in their order.
            pub fn each_name(&self, mut visit: impl FnMut(Name<'_>)) {
                match self {
                    $(Self::$name { $($field),* } => {
                        $($field.names().map(&mut visit);)*
                    })*
                }
            }
        }

        impl SftpServer {
            /// Executes a request. Futures of rare requests are on the heap: an idle session keeps room for
            /// the largest one that is not.
            pub(crate) async fn execute(&mut self, request: Request<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
                match request {
                    $(Request::$name { $($field),* } =>
                        operations!(@ $place self.$execute($($field,)* reply)),)*
                }
            }
        }
    };
    (@ inline $future:expr) => { $future.await };
    (@ boxed $future:expr) => { Box::pin($future).await };
}

operations! {
    // Version 3 (draft §6).
    Open { path: RawPath<'a>, flags: OpenFlags, attributes: SetAttributes }
        = Wire::Packet(fxp::OPEN), ByFlags, Little, boxed open;
    Close { handle: Handle } = Wire::Packet(fxp::CLOSE), ByHandle, Little, boxed close;
    Read { handle: Handle, offset: u64, length: u32 } = Wire::Packet(fxp::READ), Nothing, Bandwidth, inline read;
    Write { handle: Handle, offset: u64, data: ByteString<'a> }
        = Wire::Packet(fxp::WRITE), Files, Bandwidth, inline write;
    Lstat { path: RawPath<'a> } = Wire::Packet(fxp::LSTAT), Nothing, Little, inline lstat;
    Fstat { handle: Handle } = Wire::Packet(fxp::FSTAT), Nothing, Little, inline fstat;
    Setstat { path: RawPath<'a>, attributes: SetAttributes }
        = Wire::Packet(fxp::SETSTAT), Trees, Little, boxed setstat;
    Fsetstat { handle: Handle, attributes: SetAttributes }
        = Wire::Packet(fxp::FSETSTAT), Files, Little, boxed fsetstat;
    Opendir { path: RawPath<'a> } = Wire::Packet(fxp::OPENDIR), Nothing, Little, boxed opendir;
    Readdir { handle: Handle } = Wire::Packet(fxp::READDIR), Nothing, Little, inline readdir;
    Remove { path: RawPath<'a> } = Wire::Packet(fxp::REMOVE), Trees, Little, boxed remove;
    Mkdir { path: RawPath<'a>, attributes: SetAttributes }
        = Wire::Packet(fxp::MKDIR), Trees, Little, boxed mkdir;
    Rmdir { path: RawPath<'a> } = Wire::Packet(fxp::RMDIR), Trees, Little, boxed rmdir;
    Realpath { path: RawPath<'a> } = Wire::Packet(fxp::REALPATH), Nothing, Little, boxed realpath;
    Stat { path: RawPath<'a> } = Wire::Packet(fxp::STAT), Nothing, Little, inline stat;
    Rename { from: RawPath<'a>, to: RawPath<'a> } = Wire::Packet(fxp::RENAME), Trees, Names, boxed rename;
    Readlink { path: RawPath<'a> } = Wire::Packet(fxp::READLINK), Nothing, Little, boxed readlink;
    /// Which of both is the link depends on the client (see `symlink`).
    Symlink { first: RawPath<'a>, second: RawPath<'a> }
        = Wire::Packet(fxp::SYMLINK), Trees, Little, boxed symlink;

    // OpenSSH's PROTOCOL, section 4.
    PosixRename { from: RawPath<'a>, to: RawPath<'a> }
        = Wire::Extension("posix-rename@openssh.com", "1"), Trees, Names, boxed posix_rename;
    Statvfs { path: RawPath<'a> } = Wire::Extension("statvfs@openssh.com", "2"), Nothing, Little, boxed statvfs;
    Fstatvfs { handle: Handle } = Wire::Extension("fstatvfs@openssh.com", "2"), Nothing, Little, boxed fstatvfs;
    Hardlink { existing: RawPath<'a>, new: RawPath<'a> }
        = Wire::Extension("hardlink@openssh.com", "1"), Trees, Little, boxed hardlink;
    // A slow disk may need minutes, and clients give up a connection that is silent for so long.
    Fsync { handle: Handle } = Wire::Extension("fsync@openssh.com", "1"), Nothing, Long, boxed fsync;
    Lsetstat { path: RawPath<'a>, attributes: SetAttributes }
        = Wire::Extension("lsetstat@openssh.com", "1"), Trees, Little, boxed lsetstat;
    Limits {} = Wire::Extension("limits@openssh.com", "1"), Nothing, Little, boxed limits;
    ExpandPath { path: RawPath<'a> }
        = Wire::Extension("expand-path@openssh.com", "1"), Nothing, Little, boxed expand_path;

    // draft-ietf-secsh-filexfer-extensions-00 §7 and §3, draft-ietf-secsh-filexfer-09 §9.1.1.
    CopyData { source: Handle, source_offset: u64, length: u64, target: Handle, target_offset: u64 }
        = Wire::Extension("copy-data", "1"), Files, Long, boxed copy_data;
    /// paramiko's form of the request.
    CheckFile { handle: Handle, question: Question<'a> }
        = Wire::Extension("check-file", check_file::ALGORITHMS), Nothing, Long, boxed check_file;
    CheckFileName { path: RawPath<'a>, question: Question<'a> }
        = Wire::Unlisted("check-file-name"), Nothing, Long, boxed check_file_name;
    CheckFileHandle { handle: Handle, question: Question<'a> }
        = Wire::Unlisted("check-file-handle"), Nothing, Long, boxed check_file_handle;
    Md5Hash { path: RawPath<'a>, offset: u64, length: u64, quick_check: ByteString<'a> }
        = Wire::Extension("md5-hash", "1"), Nothing, Long, boxed md5_hash;
    Md5HashHandle { handle: Handle, offset: u64, length: u64, quick_check: ByteString<'a> }
        = Wire::Unlisted("md5-hash-handle"), Nothing, Long, boxed md5_hash_handle;
    // OpenSSH's PROTOCOL, section 4, again.
    HomeDirectory { user: ByteString<'a> } = Wire::Extension("home-directory", "1"), Nothing, Little, boxed home_directory;
    /// Both fields are lists of numbers, each in four bytes.
    UsersGroupsById { users: ByteString<'a>, groups: ByteString<'a> }
        = Wire::Extension("users-groups-by-id@openssh.com", "1"), Nothing, Long, boxed names_by_id;
}

/// The names of the extensions that VERSION lists, and what it says of each.
pub fn listed_extensions() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPERATIONS.iter().filter_map(|operation| match operation.wire {
        Wire::Extension(name, data) => Some((name, data)),
        Wire::Packet(_) | Wire::Unlisted(_) => None,
    })
}

/// A packet whose row is known, and whose fields are not yet decoded.
pub struct Packet<'a> {
    /// The request id, which the reply repeats.
    pub id: u32,
    /// The row, or the status to answer with if there is none.
    operation: Result<&'static Operation, Status>,
    fields: Reader<'a>,
}

impl<'a> Packet<'a> {
    /// `packet`: without its length.
    ///
    /// # Errors
    /// If there is no request id to answer with.
    pub fn new(packet: &'a [u8]) -> Result<Self, ProtocolError> {
        let (&kind, fields) = packet.split_first().ok_or(ProtocolError::EmptyPacket)?;
        let mut fields = Reader::new(fields);
        let id = fields.u32().map_err(|_| ProtocolError::NoRequestId(kind))?;
        let operation = if kind == fxp::EXTENDED { extension(&mut fields) } else { operation(kind) };
        Ok(Self { id, operation, fields })
    }

    /// Whether hooks can be asked about the request. Hooks are not asked about reads and writes of an open file.
    pub fn asks_hooks(&self) -> bool {
        self.operation.as_ref().is_ok_and(|row| row.change.is_possible() && row.cost != Cost::Bandwidth)
    }

    /// What the request costs, as far as its row is known.
    pub fn cost(&self) -> Cost {
        self.operation.as_ref().map_or(Cost::Little, |operation| operation.cost)
    }

    /// Decodes the fields. Bytes after them are ignored: some clients append some.
    ///
    /// # Errors
    /// The status to answer with if there is no such operation, or if a field is missing.
    pub fn decode(mut self) -> Result<(&'static Operation, Request<'a>), Status> {
        let operation = self.operation?;
        Ok((operation, (operation.decode)(&mut self.fields)?))
    }
}

/// Whether a packet, without its length, is a request that the server would execute: a known operation with
/// all of its fields.
pub fn is_request(packet: &[u8]) -> bool {
    Packet::new(packet).is_ok_and(|packet| packet.decode().is_ok())
}

fn operation(kind: u8) -> Result<&'static Operation, Status> {
    OPERATIONS
        .iter()
        .find(|operation| operation.wire == Wire::Packet(kind))
        .ok_or_else(|| Status::new(StatusCode::OpUnsupported, format!("packets of type {kind} are not supported")))
}

fn extension(fields: &mut Reader<'_>) -> Result<&'static Operation, Status> {
    let wanted = fields.string()?;
    let is_wanted = |operation: &&Operation| match operation.wire {
        Wire::Extension(name, _) | Wire::Unlisted(name) => name.as_bytes() == wanted,
        Wire::Packet(_) => false,
    };
    OPERATIONS.iter().find(is_wanted).ok_or_else(|| {
        let name = String::from_utf8_lossy(wanted);
        Status::new(StatusCode::OpUnsupported, format!("the extension \"{name}\" is not supported"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::footprint::tests::{copy, handle, read, request, with, write};

    const ATTRIBUTES: [u8; 4] = [0; 4];
    /// An offset, a length and a block size.
    const QUESTION: [u8; 20] = [0; 20];

    /// A well-formed packet of each row, in their order.
    fn samples() -> Vec<Vec<u8>> {
        let (one, path) = (handle(1), b"/p".as_slice());
        let named = |name: &[u8], fields: &[&[u8]]| request(fxp::EXTENDED, &[&[name], fields].concat());
        vec![
            with(request(fxp::OPEN, &[path]), &[&[0, 0, 0, 1], &ATTRIBUTES]),
            request(fxp::CLOSE, &[&one]),
            read(1),
            write(1, b"data"),
            request(fxp::LSTAT, &[path]),
            request(fxp::FSTAT, &[&one]),
            with(request(fxp::SETSTAT, &[path]), &[&ATTRIBUTES]),
            with(request(fxp::FSETSTAT, &[&one]), &[&ATTRIBUTES]),
            request(fxp::OPENDIR, &[path]),
            request(fxp::READDIR, &[&one]),
            request(fxp::REMOVE, &[path]),
            with(request(fxp::MKDIR, &[path]), &[&ATTRIBUTES]),
            request(fxp::RMDIR, &[path]),
            request(fxp::REALPATH, &[path]),
            request(fxp::STAT, &[path]),
            request(fxp::RENAME, &[path, b"/q"]),
            request(fxp::READLINK, &[path]),
            request(fxp::SYMLINK, &[path, b"/q"]),
            named(b"posix-rename@openssh.com", &[path, b"/q"]),
            named(b"statvfs@openssh.com", &[path]),
            named(b"fstatvfs@openssh.com", &[&one]),
            named(b"hardlink@openssh.com", &[path, b"/q"]),
            named(b"fsync@openssh.com", &[&one]),
            with(named(b"lsetstat@openssh.com", &[path]), &[&ATTRIBUTES]),
            named(b"limits@openssh.com", &[]),
            named(b"expand-path@openssh.com", &[path]),
            copy(1, 2),
            with(named(b"check-file", &[&one, b"md5"]), &[&QUESTION]),
            with(named(b"check-file-name", &[path, b"md5"]), &[&QUESTION]),
            with(named(b"check-file-handle", &[&one, b"md5"]), &[&QUESTION]),
            with(named(b"md5-hash", &[path]), &[&[0; 16], &[0; 4]]),
            with(named(b"md5-hash-handle", &[&one]), &[&[0; 16], &[0; 4]]),
            named(b"home-directory", &[b"alice"]),
            named(b"users-groups-by-id@openssh.com", &[&one, &one]),
        ]
    }

    fn decode(packet: &[u8]) -> Result<(&'static Operation, Request<'_>), Status> {
        Packet::new(packet).unwrap().decode()
    }

    #[test]
    fn each_row_decodes_its_packet_and_no_part_of_it() {
        let samples = samples();
        assert_eq!(samples.len(), OPERATIONS.len(), "a sample of each row");
        for (packet, row) in samples.iter().zip(OPERATIONS) {
            let (operation, request) = decode(packet).unwrap();
            assert_eq!(operation.wire, row.wire, "{request:?}");
            assert_eq!(request.clone().into_owned(), request);
            assert_eq!(decode(&with(packet.clone(), &[b"appended"])).unwrap().1, request);
            for length in 5..packet.len() {
                let status = decode(&packet[..length]).unwrap_err();
                assert_eq!(status.code, StatusCode::BadMessage, "{length} bytes of {request:?}");
            }
        }
    }

    #[test]
    fn requests_without_a_row_are_answered() {
        // A5-02
        let check = |packet: &[u8], expected: &str| {
            let status = decode(packet).unwrap_err();
            assert_eq!((status.code, status.message.as_str()), (StatusCode::OpUnsupported, expected));
        };
        check(&request(21, &[]), "packets of type 21 are not supported");
        check(&request(fxp::INIT, &[]), "packets of type 1 are not supported");
        check(&request(fxp::STATUS, &[]), "packets of type 101 are not supported");
        check(&request(fxp::EXTENDED, &[b"\xff"]), "the extension \"\u{fffd}\" is not supported");
        assert_eq!(Packet::new(&[]).err(), Some(ProtocolError::EmptyPacket));
        assert_eq!(Packet::new(&[fxp::STAT, 0, 0, 0]).err(), Some(ProtocolError::NoRequestId(fxp::STAT)));
    }

    #[test]
    fn each_thing_on_the_wire_has_one_row() {
        let name = |wire: &Wire| match wire {
            Wire::Packet(kind) => kind.to_string(),
            Wire::Extension(name, _) | Wire::Unlisted(name) => (*name).to_owned(),
        };
        let names: HashSet<String> = OPERATIONS.iter().map(|row| name(&row.wire)).collect();
        assert_eq!(names.len(), OPERATIONS.len());
        assert!((fxp::OPEN..=fxp::SYMLINK).all(|kind| names.contains(&kind.to_string())));
    }

    #[test]
    fn whole_files_and_names_of_users_are_the_only_long_work() {
        let long = |name: &[u8]| Packet::new(&request(fxp::EXTENDED, &[name])).unwrap().cost() == Cost::Long;
        let checksums = ["check-file", "check-file-name", "check-file-handle", "md5-hash", "md5-hash-handle"];
        let others = ["copy-data", "fsync@openssh.com", "users-groups-by-id@openssh.com"];
        for name in others.iter().chain(&checksums) {
            assert!(long(name.as_bytes()), "{name}");
        }
        assert!(!long(b"statvfs@openssh.com") && !long(b"no-such"));
        assert_eq!(OPERATIONS.iter().filter(|row| row.cost == Cost::Long).count(), 8);
        assert_eq!(OPERATIONS.iter().filter(|row| row.cost == Cost::Bandwidth).count(), 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_a_reason(packet in prop::collection::vec(any::<u8>(), 0..64)) {
            match Packet::new(&packet) {
                Ok(decoded) => {
                    prop_assert_eq!(packet[1..5].to_vec(), decoded.id.to_be_bytes().to_vec());
                    if let Err(status) = decoded.decode() {
                        prop_assert!(matches!(status.code, StatusCode::BadMessage | StatusCode::OpUnsupported));
                    }
                }
                Err(_) => prop_assert!(packet.len() < 5),
            }
        }

        #[test]
        fn a_changed_byte_makes_another_request_or_a_reason(
            row in 0..OPERATIONS.len(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut packet = samples().remove(row);
            let at = 5 + at.index(packet.len());
            if let Some(place) = packet.get_mut(at) {
                *place = byte;
            }
            if let Ok((_, request)) = decode(&packet) {
                prop_assert_eq!(request.clone().into_owned(), request);
            }
        }

        #[test]
        fn data_arrives_as_it_was_sent(offset in any::<u64>(), data in prop::collection::vec(any::<u8>(), 0..300)) {
            let length = u32::try_from(data.len()).unwrap().to_be_bytes();
            let packet = with(request(fxp::WRITE, &[&handle(7)]), &[&offset.to_be_bytes(), &length, &data]);
            let Ok((_, Request::Write { handle: found, offset: at, data: read })) = decode(&packet) else {
                return Err(TestCaseError::fail("not a WRITE"));
            };
            prop_assert_eq!((found, at, read.as_bytes()), (Handle::new(7), offset, &data[..]));
        }
    }
}
