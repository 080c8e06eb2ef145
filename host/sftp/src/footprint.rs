//! What a request acts on, as far as the order of requests goes: those for the same file are
//! answered as if one came after the other (draft §6.1), whether they name it by a handle or
//! by its path.

use tidegate_core::path::VirtualPath;

use crate::packet::{Reader, Status};
use crate::protocol::{kind, open};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    handles: Vec<Vec<u8>>,
    /// That are named, or that the handles are open on.
    files: Vec<VirtualPath>,
    /// Whether others can tell that the request came before them.
    changes: bool,
    /// What is below the files moves or goes with them.
    with_all_below: bool,
}

/// What requests are read with.
pub struct Surroundings<'a> {
    /// What a handle is open on, if it is a file.
    pub opened: &'a dyn Fn(&[u8]) -> Option<Opened>,
    pub start_directory: &'a VirtualPath,
}

pub struct Opened {
    pub path: VirtualPath,
    pub for_writing: bool,
}

impl Footprint {
    /// Of a packet without its length. One that is malformed, and so is refused, acts on nothing.
    pub fn of(packet: &[u8], surroundings: &Surroundings<'_>) -> Self {
        let mut footprint = Self::default();
        match footprint.read(packet, surroundings) {
            Ok(()) => footprint,
            Err(_) => Self::default(),
        }
    }

    /// Whether a request with this one has to wait for one that came earlier.
    pub fn follows(&self, earlier: &Self) -> bool {
        self.handles.iter().any(|handle| earlier.acts_on(handle))
            || (self.changes || earlier.changes) && self.shares_files_with(earlier)
    }

    pub fn acts_on(&self, handle: &[u8]) -> bool {
        self.handles.iter().any(|own| own == handle)
    }

    fn shares_files_with(&self, other: &Self) -> bool {
        let related = |own: &VirtualPath, others: &VirtualPath| {
            own == others
                || self.with_all_below && others.is_same_or_below(own)
                || other.with_all_below && own.is_same_or_below(others)
        };
        self.files.iter().any(|own| other.files.iter().any(|others| related(own, others)))
    }

    fn read(&mut self, packet: &[u8], surroundings: &Surroundings<'_>) -> Result<(), Status> {
        let (&kind, body) = packet.split_first().ok_or_else(Status::malformed)?;
        let mut fields = Fields { body: Reader::new(body), footprint: self, surroundings };
        fields.body.u32()?;
        match kind {
            kind::READ | kind::FSTAT | kind::READDIR => fields.handle().map(drop),
            kind::WRITE | kind::FSETSTAT => fields.changed_handle(),
            kind::CLOSE => {
                // Closing an upload puts it in its place.
                fields.footprint.changes = fields.handle()?;
                Ok(())
            }
            kind::OPEN => {
                fields.path()?;
                fields.footprint.changes = fields.body.u32()? != open::READ;
                Ok(())
            }
            kind::LSTAT | kind::STAT | kind::OPENDIR | kind::REALPATH | kind::READLINK => fields.path(),
            kind::SETSTAT | kind::REMOVE | kind::MKDIR | kind::RMDIR => fields.changed_paths(1),
            kind::RENAME | kind::SYMLINK => fields.changed_paths(2),
            kind::EXTENDED => fields.extended(),
            _ => Ok(()),
        }
    }
}

/// A packet that is being read into a footprint.
struct Fields<'a, 'b> {
    body: Reader<'a>,
    footprint: &'b mut Footprint,
    surroundings: &'b Surroundings<'b>,
}

impl Fields<'_, '_> {
    fn extended(&mut self) -> Result<(), Status> {
        match self.body.string()? {
            b"posix-rename@openssh.com" | b"hardlink@openssh.com" => self.changed_paths(2),
            b"lsetstat@openssh.com" => self.changed_paths(1),
            b"statvfs@openssh.com" | b"expand-path@openssh.com" | b"check-file-name" | b"md5-hash" => self.path(),
            b"fstatvfs@openssh.com"
            | b"fsync@openssh.com"
            | b"check-file"
            | b"check-file-handle"
            | b"md5-hash-handle" => self.handle().map(drop),
            b"copy-data" => {
                self.changed_handle()?;
                let (_offset, _length) = (self.body.u64()?, self.body.u64()?);
                self.changed_handle()
            }
            _ => Ok(()),
        }
    }

    /// Whether it is open for writing.
    fn handle(&mut self) -> Result<bool, Status> {
        let handle = self.body.string()?;
        self.footprint.handles.push(handle.to_vec());
        let Some(opened) = (self.surroundings.opened)(handle) else { return Ok(false) };
        self.footprint.files.push(opened.path);
        Ok(opened.for_writing)
    }

    fn changed_handle(&mut self) -> Result<(), Status> {
        self.footprint.changes = true;
        self.handle().map(drop)
    }

    fn path(&mut self) -> Result<(), Status> {
        let raw = self.body.string()?;
        self.footprint.files.push(VirtualPath::resolve(self.surroundings.start_directory, raw)?);
        Ok(())
    }

    fn changed_paths(&mut self, count: usize) -> Result<(), Status> {
        (self.footprint.changes, self.footprint.with_all_below) = (true, true);
        (0..count).try_for_each(|_| self.path())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

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

    pub fn copy(from: &[u8], to: &[u8]) -> Vec<u8> {
        with(request(kind::EXTENDED, &[b"copy-data", from]), &[&[0; 16], &(to.len() as u32).to_be_bytes(), to, &[0; 8]])
    }

    /// Handles `r…` are open for reading and `w…` for writing, on the files `/r` and `/w`.
    pub fn footprint(packet: &[u8]) -> Footprint {
        let opened = |handle: &[u8]| {
            let name = handle.first().filter(|name| b"rw".contains(name))?;
            let path = VirtualPath::resolve(&VirtualPath::root(), &[*name]).unwrap();
            Some(Opened { path, for_writing: *name == b'w' })
        };
        Footprint::of(packet, &Surroundings { opened: &opened, start_directory: &VirtualPath::root() })
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
        with(request(kind::OPEN, &[path]), &[&flags.to_be_bytes()])
    }

    #[test]
    fn what_changes_a_file_keeps_its_place() {
        let closed = request(kind::CLOSE, &[b"w1"]);
        for earlier in [request(kind::WRITE, &[b"w1"]), closed] {
            check(
                &earlier,
                &[
                    (request(kind::FSTAT, &[b"w1"]), true),
                    (request(kind::READ, &[b"w2"]), true),
                    (request(kind::READ, &[b"r1"]), false),
                    (copy(b"r1", b"w2"), true),
                    (copy(b"w2", b"r1"), true),
                    (request(kind::STAT, &[b"/w"]), true),
                    (request(kind::STAT, &[b"./x/../w"]), true),
                    (request(kind::STAT, &[b"/"]), false),
                    (request(kind::STAT, &[b"/w2"]), false),
                    (open_file(b"w", open::READ), true),
                    (open_file(b"r", open::WRITE), false),
                    (request(kind::RENAME, &[b"/w", b"/x"]), true),
                    (request(kind::RENAME, &[b"/x", b"/w"]), true),
                    (request(kind::RENAME, &[b"/", b"/x"]), true),
                    (request(kind::RENAME, &[b"/x", b"/y"]), false),
                    (request(kind::RMDIR, &[b"/r"]), false),
                    (request(kind::EXTENDED, &[b"posix-rename@openssh.com", b"/x", b"/w"]), true),
                    (request(kind::EXTENDED, &[b"check-file-name", b"/w"]), true),
                    (request(kind::EXTENDED, &[b"limits@openssh.com"]), false),
                    // One number is no handle.
                    (request(kind::EXTENDED, &[b"users-groups-by-id@openssh.com", b"w1"]), false),
                ],
            );
        }
    }

    #[test]
    fn what_only_looks_is_in_nobodys_way() {
        for earlier in [request(kind::READ, &[b"r1"]), request(kind::CLOSE, &[b"r1"])] {
            check(
                &earlier,
                &[
                    (request(kind::READ, &[b"r1"]), true),
                    (request(kind::READ, &[b"r2"]), false),
                    (request(kind::STAT, &[b"/r"]), false),
                    (open_file(b"/r", open::READ), false),
                    (open_file(b"/r", open::READ | open::WRITE), true),
                    (request(kind::REMOVE, &[b"/r"]), true),
                ],
            );
        }
    }

    #[test]
    fn nothing_is_read_into_malformed_requests() {
        for packet in
            [&[][..], &[kind::CLOSE], &[kind::READ, 0, 0, 0, 1, 0, 0, 0, 9, 1], &request(kind::RENAME, &[b"/"])]
        {
            assert_eq!(footprint(packet), Footprint::default(), "{packet:?}");
        }
        let nul = request(kind::STAT, &[b"/a\0"]);
        assert_eq!(footprint(&nul), Footprint::default());
    }
}
