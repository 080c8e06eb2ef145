//! The requests of version 3 (draft §6), one function each.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_core::files::{FileError, Protocol};
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{DirectoryEntry, Metadata, SetAttributes};

use crate::attributes;
use crate::directory_paths::{is_of_directory, require_directory};
use crate::fields::{ByteString, Handle, OpenFlags, RawPath};
use crate::handles::Target;
use crate::listing;
use crate::packet::{Reply, Status, fill_u32, put_string, put_u32};
use crate::protocol::{MAX_DATA, NAME_REPLY_SIZE, StatusCode, fxp};
use crate::server::SftpServer;
use crate::symlink;

/// Entries that are read from the storage at once.
const ENTRIES_AT_ONCE: usize = 100;

impl SftpServer {
    /// The path that a client means; relative ones begin at the start directory.
    pub(crate) fn path(&self, raw: &RawPath<'_>) -> Result<VirtualPath, Status> {
        let raw = raw.as_bytes();
        if raw.first() == Some(&b'/') {
            return Ok(VirtualPath::resolve(&VirtualPath::root(), raw)?);
        }
        Ok(VirtualPath::resolve(&self.files.start_directory(), raw)?)
    }

    pub(crate) async fn open(
        &mut self,
        path: RawPath<'_>,
        flags: OpenFlags,
        attributes: SetAttributes,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let path = self.opened(&path, flags).await?;
        self.handles.require_room()?;
        let mut file = self.files.open(&path, flags.options(attributes.mode), Protocol::Sftp).await?;
        // Some clients say here how large an upload will be. Nothing but the view of administrators depends on it.
        if let Some(size) = attributes.size.filter(|_| !flags.only_reads()) {
            file.expects(size);
        }
        let handle = self.handles.insert(Target::File(Box::new(file)));
        put_string(reply.begin(fxp::HANDLE), &handle);
        Ok(())
    }

    pub(crate) async fn close(&mut self, handle: Handle, reply: &mut Reply<'_>) -> Result<(), Status> {
        match self.handles.remove(handle)? {
            Target::File(file) => file.close().await?,
            Target::Directory(_) => {}
        }
        reply.ok();
        Ok(())
    }

    /// The data is read straight into the reply. A read of nothing says nothing of where the file ends.
    pub(crate) async fn read(
        &mut self,
        handle: Handle,
        offset: u64,
        length: u32,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let length = usize::try_from(length).unwrap_or(MAX_DATA).min(MAX_DATA);
        let file = self.handles.file(handle)?;
        let packet = reply.begin(fxp::DATA);
        let length_at = packet.len();
        put_u32(packet, 0);
        let count = file.read_at(offset, length, packet).await?;
        if count == 0 && length > 0 {
            return Err(Status::new(StatusCode::Eof, ""));
        }
        fill_u32(packet, length_at, u32::try_from(count).unwrap_or(u32::MAX));
        Ok(())
    }

    /// The data is written straight from the request.
    pub(crate) async fn write(
        &mut self,
        handle: Handle,
        offset: u64,
        data: ByteString<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        self.handles.file(handle)?.write_at(offset, data.as_bytes()).await?;
        reply.ok();
        Ok(())
    }

    pub(crate) async fn stat(&mut self, raw: RawPath<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let path = self.path(&raw)?;
        let found = self.files.metadata(&path).await;
        let metadata = self.or_unnamed(&path, found).await?;
        if is_of_directory(&raw) {
            require_directory(&metadata)?;
        }
        attributes::put(reply.begin(fxp::ATTRS), &metadata);
        Ok(())
    }

    pub(crate) async fn lstat(&mut self, raw: RawPath<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        if is_of_directory(&raw) {
            return self.stat(raw, reply).await;
        }
        let path = self.path(&raw)?;
        let found = self.files.symlink_metadata(&path).await;
        let metadata = self.or_unnamed(&path, found).await?;
        attributes::put(reply.begin(fxp::ATTRS), &metadata);
        Ok(())
    }

    /// What was found at a path, or else the upload that gets the name when it is closed: sshfs looks for a file that it has
    /// just made.
    async fn or_unnamed(
        &mut self,
        path: &VirtualPath,
        found: Result<Metadata, FileError>,
    ) -> Result<Metadata, FileError> {
        match found {
            Err(FileError::NotFound) => match self.handles.unnamed_at(path) {
                Some(upload) => upload.metadata().await,
                None => Err(FileError::NotFound),
            },
            found => found,
        }
    }

    pub(crate) async fn fstat(&mut self, handle: Handle, reply: &mut Reply<'_>) -> Result<(), Status> {
        let metadata = self.handles.file(handle)?.metadata().await?;
        attributes::put(reply.begin(fxp::ATTRS), &metadata);
        Ok(())
    }

    pub(crate) async fn setstat(
        &mut self,
        path: RawPath<'_>,
        attributes: SetAttributes,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        self.set_attributes_at(&self.followed(&path).await?, &attributes, true).await?;
        reply.ok();
        Ok(())
    }

    /// Sets attributes of what has the name; while an upload is under way that gets it, of that: what it replaces loses the
    /// name, and with it what was set.
    pub(crate) async fn set_attributes_at(
        &mut self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
    ) -> Result<(), FileError> {
        match self.handles.unnamed_at(path) {
            Some(upload) => upload.set_attributes(attributes).await,
            None => self.files.set_attributes(path, attributes, follow, Protocol::Sftp).await,
        }
    }

    pub(crate) async fn fsetstat(
        &mut self,
        handle: Handle,
        attributes: SetAttributes,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        self.handles.file(handle)?.set_attributes(&attributes).await?;
        reply.ok();
        Ok(())
    }

    pub(crate) async fn opendir(&mut self, path: RawPath<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let path = self.path(&path)?;
        self.handles.require_room()?;
        let directory = self.files.read_directory(&path).await?;
        let handle = self.handles.insert(Target::Directory(directory));
        put_string(reply.begin(fxp::HANDLE), &handle);
        Ok(())
    }

    pub(crate) async fn readdir(&mut self, handle: Handle, reply: &mut Reply<'_>) -> Result<(), Status> {
        let directory = self.handles.directory(handle)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let packet = reply.begin(fxp::NAME);
        let (start, count_at) = (packet.len(), packet.len());
        put_u32(packet, 0);
        let mut count = 0;
        while packet.len() - start < NAME_REPLY_SIZE / 2 {
            let entries = directory.next_entries(ENTRIES_AT_ONCE).await.map_err(FileError::from)?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                put_name(packet, entry, now);
                count += 1;
            }
        }
        if count == 0 {
            return Err(Status::new(StatusCode::Eof, ""));
        }
        fill_u32(packet, count_at, count);
        Ok(())
    }

    pub(crate) async fn remove(&mut self, path: RawPath<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        self.files.remove_file(&self.named(&path).await?, Protocol::Sftp).await?;
        reply.ok();
        Ok(())
    }

    pub(crate) async fn mkdir(
        &mut self,
        path: RawPath<'_>,
        attributes: SetAttributes,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        self.files.create_directory(&self.path(&path)?, attributes.mode, Protocol::Sftp).await?;
        reply.ok();
        Ok(())
    }

    pub(crate) async fn rmdir(&mut self, path: RawPath<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        self.files.remove_directory(&self.named(&path).await?, Protocol::Sftp).await?;
        reply.ok();
        Ok(())
    }

    pub(crate) async fn realpath(&mut self, path: RawPath<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let path = self.files.real_path(&self.files.start_directory(), path.as_bytes()).await?;
        put_single_name(reply, path.as_bytes());
        Ok(())
    }

    /// An existing target is an error (draft §6.5).
    pub(crate) async fn rename(
        &mut self,
        from: RawPath<'_>,
        to: RawPath<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let (from, to) = self.renamed(&from, &to).await?;
        self.files.rename(&from, &to, false, Protocol::Sftp).await?;
        reply.ok();
        Ok(())
    }

    pub(crate) async fn readlink(&mut self, path: RawPath<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let target = self.files.read_link(&self.named(&path).await?).await?;
        put_single_name(reply, &target);
        Ok(())
    }

    pub(crate) async fn symlink(
        &mut self,
        first: RawPath<'_>,
        second: RawPath<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let sent = (first.as_bytes(), second.as_bytes());
        let (text, link) = symlink::text_and_link(&self.files, sent).await?;
        let link = self.linked(&RawPath::from(link)).await?;
        self.files.create_symlink(text, &link, Protocol::Sftp).await?;
        reply.ok();
        Ok(())
    }
}

fn put_name(packet: &mut Vec<u8>, entry: &DirectoryEntry, now: i64) {
    put_string(packet, &entry.name);
    let long_at = packet.len();
    put_u32(packet, 0);
    listing::put_long_name(packet, &entry.name, &entry.metadata, now);
    let length = packet.len() - long_at - 4;
    fill_u32(packet, long_at, u32::try_from(length).unwrap_or(u32::MAX));
    attributes::put(packet, &entry.metadata);
}

/// Makes the reply a NAME with one name, without attributes (draft §7).
pub fn put_single_name(reply: &mut Reply<'_>, name: &[u8]) {
    let packet = reply.begin(fxp::NAME);
    put_u32(packet, 1);
    put_string(packet, name);
    put_string(packet, name);
    put_u32(packet, 0);
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
