//! Checksums over SFTP: `check-file-name` and `check-file-handle`
//! (draft-ietf-secsh-filexfer-extensions-00 §3), paramiko's `check-file`, and `md5-hash` and
//! `md5-hash-handle` (draft-ietf-secsh-filexfer-09 §9.1.1).

use sha2::digest::DynDigest;
use tidegate_core::files::{FileError, OpenFile, Protocol};
use tidegate_core::path::VirtualPath;

use crate::digest::Digest;
use crate::fields::{ByteString, Field, Handle, RawPath};
use crate::packet::{Reader, Reply, Status, put_string};
use crate::protocol::{MAX_DATA, StatusCode, fxp};
use crate::server::SftpServer;

/// The algorithms, as VERSION lists them for `check-file`.
pub const ALGORITHMS: &str = "md5,sha1,sha256,sha384,sha512";
const MIN_BLOCK: u32 = 256;
/// Bytes that are read at once from a file.
const PORTION: u64 = 256 << 10;
/// Bytes that the quick check of `md5-hash` covers.
const QUICK_CHECK: u64 = 2048;

/// The file that is hashed.
enum Target {
    Path(VirtualPath),
    Handle(Handle),
}

/// The parameters of a `check-file` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    /// Names of algorithms; the first one that is known is used.
    algorithms: ByteString<'a>,
    offset: u64,
    /// Bytes to hash; 0: up to the end.
    length: u64,
    /// The size in bytes of blocks with a digest each; 0: one digest for all bytes.
    block: u32,
}

impl<'a> Field<'a> for Question<'a> {
    type Owned = Question<'static>;

    fn read(packet: &mut Reader<'a>) -> Result<Self, Status> {
        Ok(Self {
            algorithms: Field::read(packet)?,
            offset: packet.u64()?,
            length: packet.u64()?,
            block: packet.u32()?,
        })
    }

    fn into_owned(self) -> Question<'static> {
        let Self { algorithms, offset, length, block } = self;
        Question { algorithms: algorithms.into_owned(), offset, length, block }
    }
}

impl SftpServer {
    /// paramiko's request: the answer repeats the request's name.
    pub(crate) async fn check_file(
        &mut self,
        handle: Handle,
        question: Question<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let (digest, digests) = self.digests(&Target::Handle(handle), &question).await?;
        let packet = reply.begin(fxp::EXTENDED_REPLY);
        put_string(packet, b"check-file");
        put_string(packet, digest.name().as_bytes());
        packet.extend_from_slice(&digests);
        Ok(())
    }

    pub(crate) async fn check_file_name(
        &mut self,
        path: RawPath<'_>,
        question: Question<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let target = Target::Path(self.followed(&path).await?);
        self.answer_check_file(&target, &question, reply).await
    }

    pub(crate) async fn check_file_handle(
        &mut self,
        handle: Handle,
        question: Question<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        self.answer_check_file(&Target::Handle(handle), &question, reply).await
    }

    async fn answer_check_file(
        &mut self,
        target: &Target,
        question: &Question<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let (digest, digests) = self.digests(target, question).await?;
        let packet = reply.begin(fxp::EXTENDED_REPLY);
        put_string(packet, digest.name().as_bytes());
        packet.extend_from_slice(&digests);
        Ok(())
    }

    /// The first known algorithm of the list, and the digests of all blocks.
    async fn digests(&mut self, target: &Target, question: &Question<'_>) -> Result<(Digest, Vec<u8>), Status> {
        let mut names = question.algorithms.as_bytes().split(|byte| *byte == b',');
        let digest = names
            .find_map(|name| Digest::by_name(std::str::from_utf8(name).ok()?))
            .ok_or_else(|| failure("none of the algorithms is known"))?;
        if question.block > 0 && question.block < MIN_BLOCK {
            return Err(failure("a block must have at least 256 bytes"));
        }
        let mut blocks = Blocks::new(digest, question.block);
        let length = up_to_the_end_if_zero(question.length);
        self.inspect(target, question.offset, length, |data| blocks.update(data)).await?;
        Ok((digest, blocks.finish()?))
    }

    pub(crate) async fn md5_hash(
        &mut self,
        path: RawPath<'_>,
        offset: u64,
        length: u64,
        quick_check: ByteString<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let target = Target::Path(self.followed(&path).await?);
        let hash = self.md5_of(&target, offset, length, quick_check.as_bytes()).await?;
        put_md5(reply, b"md5-hash", &hash);
        Ok(())
    }

    pub(crate) async fn md5_hash_handle(
        &mut self,
        handle: Handle,
        offset: u64,
        length: u64,
        quick_check: ByteString<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let hash = self.md5_of(&Target::Handle(handle), offset, length, quick_check.as_bytes()).await?;
        put_md5(reply, b"md5-hash-handle", &hash);
        Ok(())
    }

    /// The MD5 of a range; empty if the first bytes do not have the hash `quick_check`.
    async fn md5_of(
        &mut self,
        target: &Target,
        offset: u64,
        length: u64,
        quick_check: &[u8],
    ) -> Result<Vec<u8>, Status> {
        if !quick_check.is_empty() {
            let mut quick = Digest::Md5.hasher();
            self.inspect(target, offset, QUICK_CHECK, |data| quick.update(data)).await?;
            if *quick.finalize() != *quick_check {
                return Ok(Vec::new());
            }
        }
        let mut whole = Digest::Md5.hasher();
        self.inspect(target, offset, up_to_the_end_if_zero(length), |data| whole.update(data)).await?;
        Ok(whole.finalize().into_vec())
    }

    async fn inspect(
        &mut self,
        target: &Target,
        offset: u64,
        length: u64,
        update: impl FnMut(&[u8]) + Send,
    ) -> Result<(), Status> {
        match target {
            Target::Path(path) => {
                let mut file = self.files.open_read(path, Protocol::Sftp).await?;
                inspect(&mut file, offset, length, update).await
            }
            Target::Handle(handle) => inspect(self.handles.file(*handle)?, offset, length, update).await,
        }
    }
}

/// Passes a range of a file to `update`. Checksums of small parts tell as much as the content: by path, too,
/// a request needs the permissions of a download.
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
        let count = file.inspect_at(position, wanted, &mut portion).await.map_err(|error| match error {
            // The draft's answer; OpenSSH, whose answers for handles the others are, has no checksums.
            FileError::NotOpenFor(_) => FileError::Denied,
            error => error,
        })?;
        if count == 0 {
            break;
        }
        update(&portion);
        position += count as u64;
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn up_to_the_end_if_zero(length: u64) -> u64 {
    if length == 0 { u64::MAX } else { length }
}

fn put_md5(reply: &mut Reply<'_>, name: &[u8], hash: &[u8]) {
    let packet = reply.begin(fxp::EXTENDED_REPLY);
    put_string(packet, name);
    put_string(packet, hash);
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
        // Digests that no reply has room for are dropped: `finish` refuses then.
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
