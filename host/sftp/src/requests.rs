//! The requests of version 3 (draft §6), one function each.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_core::files::Protocol;
use tidegate_core::files::storage::{DirectoryEntry, OpenOptions};
use tidegate_core::path::VirtualPath;

use crate::attributes;
use crate::handles::Handle;
use crate::listing;
use crate::packet::{Reader, Reply, Status, fill_u32, put_string, put_u32};
use crate::protocol::{MAX_DATA, NAME_REPLY_SIZE, StatusCode, kind, open};
use crate::server::SftpServer;
use crate::symlink;

/// Entries asked of the storage at once.
const ENTRIES_AT_ONCE: usize = 100;

pub fn ok() -> Status {
    Status::new(StatusCode::Ok, "")
}

impl SftpServer {
    /// A path as the client wrote it; relative ones begin at the start directory.
    pub(crate) fn path(&self, body: &mut Reader<'_>) -> Result<VirtualPath, Status> {
        let raw = body.string()?;
        if raw.first() == Some(&b'/') {
            return Ok(VirtualPath::resolve(&VirtualPath::root(), raw)?);
        }
        Ok(VirtualPath::resolve(&self.files.start_directory(), raw)?)
    }

    pub(crate) async fn open(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let path = self.path(&mut body)?;
        let flags = body.u32()?;
        let attributes = attributes::read(&mut body)?;
        self.handles.require_room()?;
        let has = |flag| flags & flag != 0;
        let options = OpenOptions {
            read: has(open::READ),
            write: has(open::WRITE) || has(open::APPEND),
            append: has(open::APPEND),
            create: has(open::CREATE),
            truncate: has(open::TRUNCATE),
            // Without CREAT it has no meaning.
            exclusive: has(open::CREATE) && has(open::EXCLUSIVE),
            mode: attributes.mode,
            ..OpenOptions::default()
        };
        let file = self.files.open(&path, options, Protocol::Sftp).await?;
        let handle = self.handles.insert(Handle::File(Box::new(file)));
        put_string(reply.begin(kind::HANDLE), &handle);
        Ok(())
    }

    pub(crate) async fn close(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        match self.handles.remove(body.string()?)? {
            Handle::File(file) => file.close().await?,
            Handle::Directory(_) => {}
        }
        reply.status(&ok());
        Ok(())
    }

    /// The data is read straight into the reply.
    pub(crate) async fn read(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let handle = body.string()?;
        let offset = body.u64()?;
        let length = usize::try_from(body.u32()?).unwrap_or(MAX_DATA).min(MAX_DATA);
        let file = self.handles.file(handle)?;
        let packet = reply.begin(kind::DATA);
        let length_at = packet.len();
        put_u32(packet, 0);
        let count = file.read_at(offset, length, packet).await?;
        if count == 0 {
            return Err(Status::new(StatusCode::Eof, ""));
        }
        fill_u32(packet, length_at, u32::try_from(count).unwrap_or(u32::MAX));
        Ok(())
    }

    /// The data is written straight from the request.
    pub(crate) async fn write(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let handle = body.string()?;
        let offset = body.u64()?;
        let data = body.string()?;
        self.handles.file(handle)?.write_at(offset, data).await?;
        reply.status(&ok());
        Ok(())
    }

    pub(crate) async fn stat(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let metadata = self.files.metadata(&self.path(&mut body)?).await?;
        attributes::put(reply.begin(kind::ATTRS), &metadata);
        Ok(())
    }

    pub(crate) async fn lstat(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let metadata = self.files.symlink_metadata(&self.path(&mut body)?).await?;
        attributes::put(reply.begin(kind::ATTRS), &metadata);
        Ok(())
    }

    pub(crate) async fn fstat(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let metadata = self.handles.file(body.string()?)?.metadata().await?;
        attributes::put(reply.begin(kind::ATTRS), &metadata);
        Ok(())
    }

    pub(crate) async fn setstat(
        &mut self,
        mut body: Reader<'_>,
        reply: &mut Reply<'_>,
        follow: bool,
    ) -> Result<(), Status> {
        let path = self.path(&mut body)?;
        let attributes = attributes::read(&mut body)?;
        if !follow && attributes.size.is_some() {
            // A link has no size of its own to be set; OpenSSH answers the same.
            return Err(Status::new(StatusCode::BadMessage, "the size of a link cannot be set"));
        }
        self.files.set_attributes(&path, &attributes, follow, Protocol::Sftp).await?;
        reply.status(&ok());
        Ok(())
    }

    pub(crate) async fn fsetstat(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let handle = body.string()?;
        let attributes = attributes::read(&mut body)?;
        self.handles.file(handle)?.set_attributes(&attributes).await?;
        reply.status(&ok());
        Ok(())
    }

    pub(crate) async fn opendir(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let path = self.path(&mut body)?;
        self.handles.require_room()?;
        let directory = self.files.read_directory(&path).await?;
        let handle = self.handles.insert(Handle::Directory(directory));
        put_string(reply.begin(kind::HANDLE), &handle);
        Ok(())
    }

    pub(crate) async fn readdir(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let directory = self.handles.directory(body.string()?)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let packet = reply.begin(kind::NAME);
        let (start, count_at) = (packet.len(), packet.len());
        put_u32(packet, 0);
        let mut count = 0;
        while packet.len() - start < NAME_REPLY_SIZE / 2 {
            let entries =
                directory.next_entries(ENTRIES_AT_ONCE).await.map_err(tidegate_core::files::FileError::from)?;
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

    pub(crate) async fn remove(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        self.files.remove_file(&self.path(&mut body)?, Protocol::Sftp).await?;
        reply.status(&ok());
        Ok(())
    }

    pub(crate) async fn mkdir(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let path = self.path(&mut body)?;
        let attributes = attributes::read(&mut body)?;
        self.files.create_directory(&path, attributes.mode, Protocol::Sftp).await?;
        reply.status(&ok());
        Ok(())
    }

    pub(crate) async fn rmdir(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        self.files.remove_directory(&self.path(&mut body)?, Protocol::Sftp).await?;
        reply.status(&ok());
        Ok(())
    }

    pub(crate) async fn realpath(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let path = self.files.real_path(&self.files.start_directory(), body.string()?).await?;
        put_single_name(reply, path.as_bytes());
        Ok(())
    }

    /// `replace`: as rename(2); otherwise an existing target is an error (draft §6.5).
    pub(crate) async fn rename(
        &mut self,
        mut body: Reader<'_>,
        reply: &mut Reply<'_>,
        replace: bool,
    ) -> Result<(), Status> {
        let from = self.path(&mut body)?;
        let to = self.path(&mut body)?;
        self.files.rename(&from, &to, replace, Protocol::Sftp).await?;
        reply.status(&ok());
        Ok(())
    }

    pub(crate) async fn readlink(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let target = self.files.read_link(&self.path(&mut body)?).await?;
        put_single_name(reply, &target);
        Ok(())
    }

    pub(crate) async fn symlink(&mut self, mut body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let sent = (body.string()?, body.string()?);
        let (text, link) = symlink::text_and_link(&self.files, sent).await?;
        self.files.create_symlink(text, &link, Protocol::Sftp).await?;
        reply.status(&ok());
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

pub fn put_single_name(reply: &mut Reply<'_>, name: &[u8]) {
    let packet = reply.begin(kind::NAME);
    put_u32(packet, 1);
    put_string(packet, name);
    put_string(packet, name);
    put_u32(packet, 0);
}
