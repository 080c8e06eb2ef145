//! What the other server says of files, and how it is asked to change that.

use tidegate_core::ports::storage::{FileId, FileKind, Metadata, SetAttributes, Space, StorageError, StorageErrorKind};

use bytes::Bytes;

use crate::errors::{Fault, failed, is_directory};
use crate::packet::{Attributes, Fields, Malformed};

const TYPE: u32 = 0o170_000;
/// The permission bits that can be set: without those by which a file runs as another user, since accounts have none
/// of their own there.
pub const SETTABLE: u32 = 0o1777;

/// What has these attributes; without a mode it is nothing that is used.
pub fn kind_of(attributes: &Attributes) -> FileKind {
    match attributes.mode.unwrap_or_default() & TYPE {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

/// What clients see. The protocol has no number of names, so that each name counts for a file.
pub fn metadata(attributes: &Attributes, id: FileId) -> Metadata {
    let (uid, gid) = attributes.owner.unwrap_or_default();
    let (accessed, modified) = attributes.times.unwrap_or_default();
    Metadata {
        kind: kind_of(attributes),
        size: attributes.size.unwrap_or_default(),
        mode: attributes.mode.unwrap_or_default(),
        uid,
        gid,
        accessed: i64::from(accessed),
        modified: i64::from(modified),
        links: 1,
        id,
        version: 0,
    }
}

/// The attributes of an entry of a directory; where they have no mode, the line of `ls -l` says what it is.
pub fn of_entry(attributes: Attributes, line: &[u8]) -> Attributes {
    if attributes.mode.is_some() {
        return attributes;
    }
    let mode = match line.first() {
        Some(b'-') => 0o100_644,
        Some(b'd') => 0o040_755,
        Some(b'l') => 0o120_777,
        Some(_) | None => return attributes,
    };
    Attributes { mode: Some(mode), ..attributes }
}

/// The permission bits that a new file is made with; None: those that the other server gives by itself.
pub fn new_mode(asked: Option<u32>, umask: u32) -> Attributes {
    Attributes { mode: asked.map(|mode| mode & SETTABLE & !umask), ..Attributes::default() }
}

/// The requests that set attributes, each by itself, in this order: size, mode, times, owner (A5-02). `had`: the user and
/// group until now, since a request names both; none: the other server has not said.
pub fn changes(
    wanted: &SetAttributes,
    kind: FileKind,
    had: Option<(u32, u32)>,
) -> [Option<Result<Attributes, StorageError>>; 4] {
    let none = Attributes::default();
    let SetAttributes { size, mode, uid, gid, times } = *wanted;
    // OpenSSH's server leaves what has the largest number.
    let (user, group) = had.unwrap_or((u32::MAX, u32::MAX));
    let invalid = |text: &str| failed(StorageErrorKind::Invalid, text);
    [
        size.map(|size| match kind {
            FileKind::Directory => Err(is_directory()),
            FileKind::File | FileKind::Symlink | FileKind::Other => Ok(Attributes { size: Some(size), ..none }),
        }),
        mode.map(|mode| Ok(Attributes { mode: Some(mode & SETTABLE), ..none })),
        times.map(|(accessed, modified)| {
            let in_range = |time: i64| u32::try_from(time).map_err(|_| invalid("the time is out of range"));
            Ok(Attributes { times: Some((in_range(accessed)?, in_range(modified)?)), ..none })
        }),
        uid.or(gid).map(|_| {
            if [uid, gid].contains(&Some(u32::MAX)) {
                return Err(invalid("the number of the owner is out of range"));
            }
            Ok(Attributes { owner: Some((uid.unwrap_or(user), gid.unwrap_or(group))), ..none })
        }),
    ]
}

/// The outcome of several changes: the last error, but never that the other server cannot do one of them instead of
/// another error.
pub fn last_error(outcomes: impl IntoIterator<Item = Result<(), StorageError>>) -> Result<(), StorageError> {
    let later = |last: Result<(), StorageError>, outcome: Result<(), StorageError>| match (last, outcome) {
        (last, Ok(())) => last,
        (Err(last), Err(next)) if next.kind == StorageErrorKind::Unsupported => Err(last),
        (_, next) => next,
    };
    outcomes.into_iter().fold(Ok(()), later)
}

/// Reads the answer of `statvfs@openssh.com`.
///
/// # Errors
/// The answer is too short.
pub fn space(answer: &Bytes) -> Result<Space, Fault> {
    let read = || {
        let mut fields = Fields(answer);
        let mut next = || fields.u64();
        Ok::<_, Malformed>(Space {
            block_size: next()?,
            fragment_size: next()?,
            blocks: next()?,
            blocks_free: next()?,
            blocks_available: next()?,
            files: next()?,
            files_free: next()?,
            files_available: next()?,
            id: next()?,
            flags: next()?,
            name_max: next()?,
        })
    };
    read().map_err(|Malformed| Fault::odd("an answer that is too short"))
}

/// The space of a server that does not tell: the account's quota is what counts.
pub fn unknown_space() -> Space {
    const BLOCKS: u64 = 1 << 50;
    Space {
        block_size: 4096,
        fragment_size: 4096,
        blocks: BLOCKS,
        blocks_free: BLOCKS,
        blocks_available: BLOCKS,
        files: BLOCKS,
        files_free: BLOCKS,
        files_available: BLOCKS,
        id: 0,
        flags: 0,
        name_max: 255,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_modes_says_by_its_lines_what_an_entry_is() {
        let check = |line: &[u8], expected: FileKind| {
            assert_eq!(kind_of(&of_entry(Attributes::default(), line)), expected, "{line:?}");
        };
        check(b"-rw-r--r-- 1 u u 0 f", FileKind::File);
        check(b"drwxr-xr-x 1 u u 0 d", FileKind::Directory);
        check(b"lrwxrwxrwx 1 u u 0 l", FileKind::Symlink);
        check(b"prw-r--r-- 1 u u 0 p", FileKind::Other);
        check(b"", FileKind::Other);
    }
}
