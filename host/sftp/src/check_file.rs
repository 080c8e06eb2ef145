//! Checksums over SFTP: `check-file-name` and `check-file-handle`
//! (draft-ietf-secsh-filexfer-extensions-00 §3), paramiko's `check-file`, and `md5-hash` and
//! `md5-hash-handle` (draft-ietf-secsh-filexfer-09 §9.1.1).

use sha2::digest::DynDigest;
use tidegate_core::files::{FileError, OpenFile, Protocol};

use crate::digest::Digest;
use crate::packet::{Reader, Reply, Status, put_string};
use crate::protocol::{MAX_DATA, StatusCode, kind};
use crate::server::SftpServer;

/// What the VERSION packet says of it.
pub const ALGORITHMS: &str = "md5,sha1,sha256,sha384,sha512";
const MIN_BLOCK: u32 = 256;
/// Read at once from an open file.
const PORTION: u64 = 256 << 10;
/// Of which `md5-hash` may be asked for the hash first.
const QUICK_CHECK: u64 = 2048;

/// Three clients, two ways to answer: who asks by which name decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    ByName,
    ByHandle,
    /// By handle; the answer repeats the request's name.
    Paramiko,
}

/// What is hashed.
enum Target<'a> {
    Path(tidegate_core::path::VirtualPath),
    Handle(&'a [u8]),
}

impl SftpServer {
    pub(crate) async fn check_file(
        &mut self,
        mut body: Reader<'_>,
        reply: &mut Reply<'_>,
        form: Form,
    ) -> Result<(), Status> {
        let target = self.target(&mut body, form == Form::ByName)?;
        let names = body.string()?;
        let (offset, length, block) = (body.u64()?, body.u64()?, body.u32()?);
        let digest = names
            .split(|byte| *byte == b',')
            .find_map(|name| Digest::by_name(std::str::from_utf8(name).ok()?))
            .ok_or_else(|| failure("none of the algorithms is known"))?;
        if block > 0 && block < MIN_BLOCK {
            return Err(failure("a block must have at least 256 bytes"));
        }
        let mut blocks = Blocks::new(digest, block);
        let length = if length == 0 { u64::MAX } else { length };
        self.inspect(&target, offset, length, |data| blocks.update(data)).await?;
        let digests = blocks.finish()?;
        let packet = reply.begin(kind::EXTENDED_REPLY);
        if form == Form::Paramiko {
            put_string(packet, b"check-file");
        }
        put_string(packet, digest.name().as_bytes());
        packet.extend_from_slice(&digests);
        Ok(())
    }

    pub(crate) async fn md5_hash(
        &mut self,
        name: &[u8],
        mut body: Reader<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let target = self.target(&mut body, name == b"md5-hash")?;
        let (offset, length) = (body.u64()?, body.u64()?);
        let expected = body.string()?;
        let matches = expected.is_empty() || {
            let mut quick = Digest::Md5.hasher();
            self.inspect(&target, offset, QUICK_CHECK, |data| quick.update(data)).await?;
            *quick.finalize() == *expected
        };
        let mut hash = Vec::new();
        if matches {
            let mut whole = Digest::Md5.hasher();
            let length = if length == 0 { u64::MAX } else { length };
            self.inspect(&target, offset, length, |data| whole.update(data)).await?;
            hash = whole.finalize().into_vec();
        }
        let packet = reply.begin(kind::EXTENDED_REPLY);
        put_string(packet, name);
        put_string(packet, &hash);
        Ok(())
    }

    fn target<'a>(&self, body: &mut Reader<'a>, by_path: bool) -> Result<Target<'a>, Status> {
        Ok(if by_path { Target::Path(self.path(body)?) } else { Target::Handle(body.string()?) })
    }

    async fn inspect(
        &mut self,
        target: &Target<'_>,
        offset: u64,
        length: u64,
        update: impl FnMut(&[u8]) + Send,
    ) -> Result<(), Status> {
        match target {
            Target::Path(path) => {
                let mut file = self.files.open_read(path, Protocol::Sftp).await?;
                inspect(&mut file, offset, length, update).await
            }
            Target::Handle(handle) => inspect(self.handles.file(handle)?, offset, length, update).await,
        }
    }
}

/// Checksums of any part of a file tell as much as its content: by name, too, they need what a
/// download needs.
async fn inspect(
    file: &mut OpenFile,
    offset: u64,
    length: u64,
    mut update: impl FnMut(&[u8]) + Send,
) -> Result<(), Status> {
    let mut position = offset;
    let end = offset.saturating_add(length);
    let mut portion = Vec::new();
    while position < end {
        portion.clear();
        let wanted = usize::try_from((end - position).min(PORTION)).unwrap_or(0);
        let count = file.inspect_at(position, wanted, &mut portion).await?;
        if count == 0 {
            break;
        }
        update(&portion);
        position += count as u64;
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn failure(text: &str) -> Status {
    Status::from(FileError::Failed(text.to_owned()))
}

/// Digests of blocks of one size, one after the other.
struct Blocks {
    digest: Digest,
    /// 0: all is one block.
    size: usize,
    hasher: Box<dyn DynDigest + Send>,
    in_block: usize,
    done: Vec<u8>,
}

impl Blocks {
    fn new(digest: Digest, size: u32) -> Self {
        let size = usize::try_from(size).unwrap_or(0);
        Self { digest, size, hasher: digest.hasher(), in_block: 0, done: Vec::new() }
    }

    fn update(&mut self, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() {
            let room = if self.size == 0 { rest.len() } else { self.size - self.in_block };
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.hasher.update(now);
            self.in_block += now.len();
            if self.size > 0 && self.in_block == self.size {
                self.close_block();
            }
            rest = later;
        }
    }

    fn close_block(&mut self) {
        // More than fits a reply is only counted.
        let digest = std::mem::replace(&mut self.hasher, self.digest.hasher()).finalize();
        if self.done.len() <= MAX_DATA {
            self.done.extend_from_slice(&digest);
        }
        self.in_block = 0;
    }

    fn finish(mut self) -> Result<Vec<u8>, Status> {
        if self.in_block > 0 || self.done.is_empty() {
            self.close_block();
        }
        if self.done.len() > MAX_DATA {
            return Err(Status::new(StatusCode::Failure, "the answer is too long; ask for larger blocks"));
        }
        Ok(self.done)
    }
}
