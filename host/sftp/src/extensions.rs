//! OpenSSH's extensions to version 3 (its PROTOCOL file, section 4).

use tidegate_core::files::storage::Space;
use tidegate_core::files::{CopyRange, Protocol};
use tidegate_core::path::VirtualPath;

use crate::check_file::{self, Form};
use crate::handles::Handle;
use crate::packet::{Reader, Reply, Status, fill_u32, put_string, put_u32, put_u64};
use crate::protocol::{MAX_DATA, MAX_HANDLES, MAX_PACKET, StatusCode, kind};
use crate::requests::{ok, put_single_name};
use crate::server::SftpServer;

/// What the VERSION packet says.
pub const ADVERTISED: [(&str, &str); 13] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("copy-data", "1"),
    ("check-file", check_file::ALGORITHMS),
    ("md5-hash", "1"),
    ("home-directory", "1"),
    ("users-groups-by-id@openssh.com", "1"),
];

/// Names that are looked up for one request: more than a listing of theirs has owners.
const MAX_NAMES: usize = 1000;

/// Those that read a whole file, or write one.
const LONG: [&[u8]; 6] =
    [b"copy-data", b"check-file-name", b"check-file-handle", b"check-file", b"md5-hash", b"md5-hash-handle"];

/// Whether a packet, without its length, asks for one of them.
pub fn takes_long(packet: &[u8]) -> bool {
    let Some((&kind::EXTENDED, body)) = packet.split_first() else { return false };
    let mut body = Reader::new(body);
    body.u32().is_ok() && body.string().is_ok_and(|name| LONG.contains(&name))
}

impl SftpServer {
    pub(crate) async fn extended(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        match body.string()? {
            b"posix-rename@openssh.com" => self.rename(body, reply, true).await,
            b"statvfs@openssh.com" => {
                let space = self.files.space(&self.path(&mut body)?).await?;
                put_space(reply, &space);
                Ok(())
            }
            b"fstatvfs@openssh.com" => {
                let space = self.handles.file(body.string()?)?.space().await?;
                put_space(reply, &space);
                Ok(())
            }
            b"hardlink@openssh.com" => {
                let existing = self.path(&mut body)?;
                let new = self.path(&mut body)?;
                self.files.hard_link(&existing, &new, Protocol::Sftp).await?;
                reply.status(&ok());
                Ok(())
            }
            b"fsync@openssh.com" => {
                self.handles.file(body.string()?)?.sync().await?;
                reply.status(&ok());
                Ok(())
            }
            b"lsetstat@openssh.com" => self.setstat(body, reply, false).await,
            b"limits@openssh.com" => {
                put_limits(reply);
                Ok(())
            }
            b"expand-path@openssh.com" => self.expand_path(body, reply).await,
            b"copy-data" => self.copy_data(body, reply).await,
            b"check-file-name" => self.check_file(body, reply, Form::ByName).await,
            b"check-file-handle" => self.check_file(body, reply, Form::ByHandle).await,
            b"check-file" => self.check_file(body, reply, Form::Paramiko).await,
            name @ (b"md5-hash" | b"md5-hash-handle") => self.md5_hash(name, body, reply).await,
            b"home-directory" => {
                let user = body.string()?;
                self.require_own_name(user, StatusCode::Failure)?;
                put_single_name(reply, b"/");
                Ok(())
            }
            b"users-groups-by-id@openssh.com" => self.names_by_id(body, reply),
            name => {
                let name = String::from_utf8_lossy(name).into_owned();
                Err(Status::new(StatusCode::OpUnsupported, format!("the extension \"{name}\" is not supported")))
            }
        }
    }

    /// Every account's home is its root; others have none here, whether there are such accounts
    /// or not. No name is the client's own.
    fn require_own_name(&self, user: &[u8], code: StatusCode) -> Result<(), Status> {
        if user.is_empty() || user == self.files.username().as_bytes() {
            return Ok(());
        }
        Err(Status::new(code, "there are no other home directories"))
    }

    /// `~`, `~/…` and `~name/…` mean the home directory, which is the root.
    async fn expand_path(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let raw = body.string()?;
        let expanded = match raw.strip_prefix(b"~") {
            Some(rest) => {
                let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
                let (user, below) = rest.split_at(end);
                self.require_own_name(user, StatusCode::NoSuchFile)?;
                below
            }
            None => raw,
        };
        let base = if expanded.len() < raw.len() { VirtualPath::root() } else { self.files.start_directory() };
        let path = VirtualPath::resolve(&base, expanded)?;
        let path = self.files.real_path(&base, path.as_bytes()).await?;
        put_single_name(reply, path.as_bytes());
        Ok(())
    }

    /// draft-ietf-secsh-filexfer-extensions-00 §7: a length of 0 means up to the end.
    async fn copy_data(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let source = body.string()?;
        let source_offset = body.u64()?;
        let length = body.u64()?;
        let target = body.string()?;
        let target_offset = body.u64()?;
        if source == target {
            return Err(Status::new(StatusCode::Failure, "the two handles are the same"));
        }
        let range = CopyRange { from: source_offset, length, to: target_offset };
        let mut from = self.handles.take_file(source)?;
        let outcome = match self.handles.file(target) {
            Ok(to) => self.files.copy(&mut from, to, range, Protocol::Sftp).await.map_err(Status::from),
            Err(status) => Err(status),
        };
        self.handles.restore(source, Handle::File(from));
        outcome?;
        reply.status(&ok());
        Ok(())
    }

    fn names_by_id(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let (users, groups) = (body.string()?, body.string()?);
        if users.len() + groups.len() > MAX_NAMES * size_of::<u32>() {
            return Err(Status::new(
                StatusCode::Failure,
                format!("at most {MAX_NAMES} names can be asked for at once"),
            ));
        }
        let packet = reply.begin(kind::EXTENDED_REPLY);
        put_names(packet, &mut Reader::new(users), |id| self.files.user_name(id))?;
        put_names(packet, &mut Reader::new(groups), |id| self.files.group_name(id))
    }
}

/// One list of names; an unknown id has an empty one.
fn put_names(packet: &mut Vec<u8>, ids: &mut Reader<'_>, name: impl Fn(u32) -> Option<String>) -> Result<(), Status> {
    let length_at = packet.len();
    put_u32(packet, 0);
    while !ids.is_empty() {
        put_string(packet, name(ids.u32()?).unwrap_or_default().as_bytes());
    }
    let length = packet.len() - length_at - 4;
    fill_u32(packet, length_at, u32::try_from(length).unwrap_or(u32::MAX));
    Ok(())
}

fn put_limits(reply: &mut Reply<'_>) {
    let packet = reply.begin(kind::EXTENDED_REPLY);
    for limit in [MAX_PACKET, MAX_DATA, MAX_DATA, MAX_HANDLES] {
        put_u64(packet, limit as u64);
    }
}

fn put_space(reply: &mut Reply<'_>, space: &Space) {
    let packet = reply.begin(kind::EXTENDED_REPLY);
    for value in [
        space.block_size,
        space.fragment_size,
        space.blocks,
        space.blocks_free,
        space.blocks_available,
        space.files,
        space.files_free,
        space.files_available,
        space.id,
        // Only "read-only" and "no set-user-id" are defined for the wire.
        space.flags & 3,
        space.name_max,
    ] {
        put_u64(packet, value);
    }
}
