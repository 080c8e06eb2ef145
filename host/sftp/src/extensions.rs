//! Extensions to version 3: OpenSSH's (its PROTOCOL file, section 4), and `copy-data` of
//! draft-ietf-secsh-filexfer-extensions-00 §7.

use tidegate_core::files::{CopyRange, Protocol};
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{SetAttributes, Space};

use crate::directory_paths::is_of_directory;
use crate::fields::{ByteString, Handle, RawPath};
use crate::handles::Target;
use crate::packet::{Reader, Reply, Status, fill_u32, put_string, put_u32, put_u64};
use crate::protocol::{MAX_DATA, MAX_HANDLES, MAX_PACKET, StatusCode, fxp};
use crate::requests::put_single_name;
use crate::server::SftpServer;

/// The most names that are looked up for one request: more than the owners in one reply to READDIR.
const MAX_NAMES: usize = 1000;

impl SftpServer {
    /// As rename(2): an existing target is replaced.
    pub(crate) async fn posix_rename(
        &mut self,
        from: RawPath<'_>,
        to: RawPath<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let (from, to) = self.renamed(&from, &to).await?;
        self.files.rename(&from, &to, true, Protocol::Sftp).await?;
        reply.ok();
        Ok(())
    }

    pub(crate) async fn statvfs(&mut self, path: RawPath<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        put_space(reply, &self.files.space(&self.followed(&path).await?).await?);
        Ok(())
    }

    pub(crate) async fn fstatvfs(&mut self, handle: Handle, reply: &mut Reply<'_>) -> Result<(), Status> {
        put_space(reply, &self.handles.file(handle)?.space().await?);
        Ok(())
    }

    pub(crate) async fn hardlink(
        &mut self,
        existing: RawPath<'_>,
        new: RawPath<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let (existing, new) = (self.named(&existing).await?, self.linked(&new).await?);
        self.files.hard_link(&existing, &new, Protocol::Sftp).await?;
        reply.ok();
        Ok(())
    }

    pub(crate) async fn fsync(&mut self, handle: Handle, reply: &mut Reply<'_>) -> Result<(), Status> {
        self.handles.file(handle)?.sync().await?;
        reply.ok();
        Ok(())
    }

    /// As SETSTAT, but a symbolic link is not followed.
    pub(crate) async fn lsetstat(
        &mut self,
        path: RawPath<'_>,
        attributes: SetAttributes,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let (path, follow) = (self.followed(&path).await?, is_of_directory(&path));
        if attributes.size.is_some() {
            // A link has no size of its own to be set; OpenSSH answers the same.
            return Err(Status::new(StatusCode::BadMessage, "the size of a link cannot be set"));
        }
        self.set_attributes_at(&path, &attributes, follow).await?;
        reply.ok();
        Ok(())
    }

    pub(crate) async fn limits(&mut self, reply: &mut Reply<'_>) -> Result<(), Status> {
        let packet = reply.begin(fxp::EXTENDED_REPLY);
        for limit in [MAX_PACKET, MAX_DATA, MAX_DATA, MAX_HANDLES] {
            put_u64(packet, limit as u64);
        }
        Ok(())
    }

    pub(crate) async fn home_directory(&mut self, user: ByteString<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        self.require_own_name(user.as_bytes(), StatusCode::Failure)?;
        put_single_name(reply, b"/");
        Ok(())
    }

    /// Refuses names other than the account's own, or an empty one for it, whether there are such accounts or
    /// not. The home directory is the root.
    fn require_own_name(&self, user: &[u8], code: StatusCode) -> Result<(), Status> {
        if user.is_empty() || user == self.files.username().as_bytes() {
            return Ok(());
        }
        Err(Status::new(code, "there are no other home directories"))
    }

    /// `~`, `~/…` and `~name/…` mean the home directory, which is the root.
    pub(crate) async fn expand_path(&mut self, path: RawPath<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let raw = path.as_bytes();
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
        let path = self.files.real_path(&base, expanded).await?;
        put_single_name(reply, path.as_bytes());
        Ok(())
    }

    /// draft-ietf-secsh-filexfer-extensions-00 §7: a length of 0 means up to the end. A source that ends before a length is
    /// told from a complete copy, as OpenSSH's server does.
    pub(crate) async fn copy_data(
        &mut self,
        source: Handle,
        source_offset: u64,
        length: u64,
        target: Handle,
        target_offset: u64,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        if source == target {
            return Err(Status::new(StatusCode::Failure, "the two handles are the same"));
        }
        let range = CopyRange { from: source_offset, length, to: target_offset };
        let mut from = self.handles.take_file(source)?;
        let outcome = match self.handles.file(target) {
            Ok(to) => self.files.copy(&mut from, to, range, Protocol::Sftp).await.map_err(Status::from),
            Err(status) => Err(status),
        };
        self.handles.restore(source, Target::File(from));
        if outcome? < length {
            return Err(Status::new(StatusCode::Eof, "the source ends before the length that was to be copied"));
        }
        reply.ok();
        Ok(())
    }

    pub(crate) async fn names_by_id(
        &mut self,
        users: ByteString<'_>,
        groups: ByteString<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let (users, groups) = (users.as_bytes(), groups.as_bytes());
        if users.len() + groups.len() > MAX_NAMES * size_of::<u32>() {
            return Err(Status::new(
                StatusCode::Failure,
                format!("at most {MAX_NAMES} names can be asked for at once"),
            ));
        }
        let (users, groups) = (numbers(users)?, numbers(groups)?);
        let users = self.files.user_names(users).await;
        let groups = self.files.group_names(groups).await;
        let packet = reply.begin(fxp::EXTENDED_REPLY);
        put_names(packet, &users);
        put_names(packet, &groups);
        Ok(())
    }
}

/// The numbers of a list, each in four bytes.
fn numbers(list: &[u8]) -> Result<Vec<u32>, Status> {
    let (mut list, mut numbers) = (Reader::new(list), Vec::new());
    while !list.is_empty() {
        numbers.push(list.u32()?);
    }
    Ok(numbers)
}

/// Writes one list of names.
fn put_names(packet: &mut Vec<u8>, names: &[String]) {
    let length_at = packet.len();
    put_u32(packet, 0);
    for name in names {
        put_string(packet, name.as_bytes());
    }
    let length = packet.len() - length_at - 4;
    fill_u32(packet, length_at, u32::try_from(length).unwrap_or(u32::MAX));
}

fn put_space(reply: &mut Reply<'_>, space: &Space) {
    let packet = reply.begin(fxp::EXTENDED_REPLY);
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

#[cfg(test)]
#[path = "extensions_tests.rs"]
mod tests;
