//! What a request acts on, which decides the order of requests: those for the same file are answered as if
//! one came after the other (draft §6.1), whether they name it by a handle or by its path.

use tidegate_core::path::VirtualPath;

use crate::fields::{Handle, Name};
use crate::operations::{Operation, Request};

/// The handles and files that a request acts on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    handles: Vec<Handle>,
    /// The files that are named, or that the handles are open on.
    files: Vec<VirtualPath>,
    /// Whether the request changes something that other requests can see.
    changes: bool,
    /// Whether everything below the files is moved or removed with them.
    with_all_below: bool,
}

/// What the names of a request mean on its channel.
pub struct Surroundings<'a> {
    /// What a handle is open on, if it is a file.
    pub opened: &'a dyn Fn(Handle) -> Option<Opened>,
    /// The directory in which relative paths begin.
    pub start_directory: &'a VirtualPath,
}

/// A file that a handle is open on.
pub struct Opened {
    /// The path that it was opened under.
    pub path: VirtualPath,
    /// Whether the handle was opened to write.
    pub for_writing: bool,
}

impl Footprint {
    /// The footprint of a request. A request with an invalid path will be refused, so it acts on nothing.
    pub fn of(operation: &Operation, request: &Request<'_>, surroundings: &Surroundings<'_>) -> Self {
        let mut footprint = Self::default();
        let (mut is_refused, mut is_upload) = (false, false);
        request.each_name(|name| match name {
            Name::Handle(handle) => {
                footprint.handles.extend(handle.number().map(Handle::new));
                if let Some(opened) = (surroundings.opened)(handle) {
                    footprint.files.push(opened.path);
                    is_upload |= opened.for_writing;
                }
            }
            Name::Path(raw) => match VirtualPath::resolve(surroundings.start_directory, raw) {
                Ok(path) => footprint.files.push(path),
                Err(_) => is_refused = true,
            },
        });
        if is_refused {
            return Self::default();
        }
        footprint.with_all_below = operation.change.reaches_below();
        footprint.changes = operation.change.is_made(request.only_reads(), is_upload);
        footprint
    }

    /// Whether a request with this footprint has to wait for an earlier one.
    pub fn follows(&self, earlier: &Self) -> bool {
        self.handles.iter().any(|handle| earlier.acts_on(*handle))
            || (self.changes || earlier.changes) && self.shares_files_with(earlier)
    }

    /// Whether the request names this handle.
    pub fn acts_on(&self, handle: Handle) -> bool {
        self.handles.contains(&handle)
    }

    fn shares_files_with(&self, other: &Self) -> bool {
        let related = |own: &VirtualPath, others: &VirtualPath| {
            own == others
                || self.with_all_below && others.is_same_or_below(own)
                || other.with_all_below && own.is_same_or_below(others)
        };
        self.files.iter().any(|own| other.files.iter().any(|others| related(own, others)))
    }
}

impl Request<'_> {
    /// Whether it is an OPEN with flags that change nothing.
    fn only_reads(&self) -> bool {
        if let Self::Open { flags, .. } = self { flags.only_reads() } else { false }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::operations::Packet;
    use crate::protocol::{fxf, fxp};

    /// Handles: those from 100 are open for writing, the others for reading.
    const R1: u32 = 1;
    const R2: u32 = 2;
    const W1: u32 = 101;
    const W2: u32 = 102;

    pub fn handle(number: u32) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    pub fn request(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
        let mut packet = vec![kind, 0, 0, 0, 9];
        for field in fields {
            packet.extend_from_slice(&(field.len() as u32).to_be_bytes());
            packet.extend_from_slice(field);
        }
        packet
    }

    pub fn with(mut packet: Vec<u8>, rest: &[&[u8]]) -> Vec<u8> {
        rest.iter().for_each(|field| packet.extend_from_slice(field));
        packet
    }

    pub fn read(number: u32) -> Vec<u8> {
        with(request(fxp::READ, &[&handle(number)]), &[&[0; 12]])
    }

    pub fn write(number: u32, data: &[u8]) -> Vec<u8> {
        with(request(fxp::WRITE, &[&handle(number)]), &[&[0; 8], &(data.len() as u32).to_be_bytes(), data])
    }

    pub fn copy(from: u32, to: u32) -> Vec<u8> {
        let copy = request(fxp::EXTENDED, &[b"copy-data", &handle(from)]);
        with(copy, &[&[0; 16], &4_u32.to_be_bytes(), &handle(to), &[0; 8]])
    }

    /// The footprint of a packet; handles below 100 are open for reading on `/r`, those below 200 for writing
    /// on `/w`.
    pub fn footprint(packet: &[u8]) -> Footprint {
        let opened = |handle: Handle| match handle.number()? {
            0..100 => Some(Opened { path: path(b"r"), for_writing: false }),
            100..200 => Some(Opened { path: path(b"w"), for_writing: true }),
            _ => None,
        };
        let (operation, request) = Packet::new(packet).unwrap().decode().unwrap();
        Footprint::of(operation, &request, &Surroundings { opened: &opened, start_directory: &VirtualPath::root() })
    }

    fn path(raw: &[u8]) -> VirtualPath {
        VirtualPath::resolve(&VirtualPath::root(), raw).unwrap()
    }

    /// Whether each of `later` has to come after `earlier`.
    fn check(earlier: &[u8], later: &[(Vec<u8>, bool)]) {
        let earlier = footprint(earlier);
        for (packet, expected) in later {
            let later = footprint(packet);
            assert_eq!(later.follows(&earlier), *expected, "{packet:?} after {earlier:?}");
            assert_eq!(earlier.follows(&later), *expected, "{packet:?} before {earlier:?}");
        }
    }

    fn open_file(path: &[u8], flags: u32) -> Vec<u8> {
        with(request(fxp::OPEN, &[path]), &[&flags.to_be_bytes(), &[0; 4]])
    }

    fn on_handle(kind: u8, number: u32) -> Vec<u8> {
        request(kind, &[&handle(number)])
    }

    fn check_file(path: &[u8]) -> Vec<u8> {
        with(request(fxp::EXTENDED, &[b"check-file-name", path, b"md5"]), &[&[0; 20]])
    }

    #[test]
    fn what_changes_a_file_keeps_its_place() {
        let closed = on_handle(fxp::CLOSE, W1);
        for earlier in [write(W1, b""), closed] {
            check(
                &earlier,
                &[
                    (on_handle(fxp::FSTAT, W1), true),
                    (read(W2), true),
                    (read(R1), false),
                    (copy(R1, W2), true),
                    (copy(W2, R1), true),
                    (request(fxp::STAT, &[b"/w"]), true),
                    (request(fxp::STAT, &[b"./x/../w"]), true),
                    (request(fxp::STAT, &[b"/"]), false),
                    (request(fxp::STAT, &[b"/w2"]), false),
                    (open_file(b"w", fxf::READ), true),
                    (open_file(b"r", fxf::WRITE), false),
                    (request(fxp::RENAME, &[b"/w", b"/x"]), true),
                    (request(fxp::RENAME, &[b"/x", b"/w"]), true),
                    (request(fxp::RENAME, &[b"/", b"/x"]), true),
                    (request(fxp::RENAME, &[b"/x", b"/y"]), false),
                    (request(fxp::RMDIR, &[b"/r"]), false),
                    (request(fxp::EXTENDED, &[b"posix-rename@openssh.com", b"/x", b"/w"]), true),
                    (check_file(b"/w"), true),
                    (request(fxp::EXTENDED, &[b"limits@openssh.com"]), false),
                    // Only a number, not a handle.
                    (request(fxp::EXTENDED, &[b"users-groups-by-id@openssh.com", &handle(W1), b""]), false),
                ],
            );
        }
    }

    #[test]
    fn what_only_looks_holds_up_nothing() {
        for earlier in [read(R1), on_handle(fxp::CLOSE, R1)] {
            check(
                &earlier,
                &[
                    (read(R1), true),
                    (read(R2), false),
                    (request(fxp::STAT, &[b"/r"]), false),
                    (open_file(b"/r", fxf::READ), false),
                    (open_file(b"/r", fxf::READ | fxf::WRITE), true),
                    (request(fxp::REMOVE, &[b"/r"]), true),
                ],
            );
        }
    }

    #[test]
    fn requests_that_will_be_refused_act_on_nothing() {
        for packet in [request(fxp::STAT, &[b"/a\0"]), request(fxp::FSTAT, &[b"no handle"])] {
            assert_eq!(footprint(&packet), Footprint::default(), "{packet:?}");
        }
        assert_eq!(footprint(&request(fxp::RENAME, &[b"/a", b"/b\0"])), Footprint::default());
    }
}
