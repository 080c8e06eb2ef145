//! Reads and sets metadata.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileId, FileKind, Metadata, SetAttributes, Space, StorageError};

use super::Owner;
use super::errors::from_errno;
use super::resolve::Root;
use crate::each_attribute::last_error;

pub fn metadata_of(file: &OwnedFd) -> Result<Metadata, StorageError> {
    Ok(from_stat(&fs::fstat(file).map_err(from_errno)?))
}

pub fn from_stat(stat: &Stat) -> Metadata {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    };
    Metadata {
        kind,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        accessed: stat.st_atime,
        modified: stat.st_mtime,
        links: stat.st_nlink,
        id: FileId::new(u128::from(stat.st_dev) << 64 | u128::from(stat.st_ino)),
        // Programs can set the time of the last change of the content, but not this one.
        version: stat.st_ctime.unsigned_abs().wrapping_mul(1_000_000_000).wrapping_add(stat.st_ctime_nsec),
    }
}

pub fn set_by_path(
    root: &Root,
    path: &VirtualPath,
    attributes: &SetAttributes,
    follow: bool,
    owner: Owner,
) -> Result<(), StorageError> {
    let file = if follow {
        root.open_path_only(path)
    } else {
        root.open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    }
    .map_err(from_errno)?;
    let sized = given(attributes.size, |size| {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let writable = root.open(path, flags, Mode::empty()).map_err(from_errno)?;
        fs::ftruncate(&writable, size).map_err(from_errno)
    });
    last_error([sized, set_by_path_descriptor(&file, attributes, owner)])
}

/// Sets what is given of one attribute.
fn given<T>(value: Option<T>, set: impl FnOnce(T) -> Result<(), StorageError>) -> Result<(), StorageError> {
    value.map_or(Ok(()), set)
}

/// Sets attributes by an `O_PATH` descriptor. The owner first: a change of it clears bits of the mode.
fn set_by_path_descriptor(file: &OwnedFd, attributes: &SetAttributes, owner: Owner) -> Result<(), StorageError> {
    let owned = given(owner_in(attributes), |(uid, gid)| {
        fs::chownat(file, "", user(uid)?, group(gid)?, AtFlags::EMPTY_PATH).map_err(from_errno)
    });
    let permitted = given(attributes.mode, |mode| {
        // The system call for modes takes no `O_PATH` descriptor; the descriptor's name in /proc
        // leads to the very file.
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        fs::chmod(name, permission_bits(file, mode, owner)?).map_err(from_errno)
    });
    let timed = given(attributes.times, |times| {
        fs::utimensat(file, "", &timestamps(times), AtFlags::EMPTY_PATH).map_err(from_errno)
    });
    last_error([permitted, timed, owned])
}

/// Sets attributes of an open file.
pub fn set_by_descriptor(file: &OwnedFd, attributes: &SetAttributes, owner: Owner) -> Result<(), StorageError> {
    let sized = given(attributes.size, |size| fs::ftruncate(file, size).map_err(from_errno));
    let owned = given(owner_in(attributes), |(uid, gid)| fs::fchown(file, user(uid)?, group(gid)?).map_err(from_errno));
    let permitted =
        given(attributes.mode, |mode| fs::fchmod(file, permission_bits(file, mode, owner)?).map_err(from_errno));
    let timed = given(attributes.times, |times| fs::futimens(file, &timestamps(times)).map_err(from_errno));
    last_error([sized, permitted, timed, owned])
}

pub fn space_of(file: &impl AsFd) -> Result<Space, StorageError> {
    let space = fs::fstatvfs(file).map_err(from_errno)?;
    Ok(Space {
        block_size: space.f_bsize,
        fragment_size: space.f_frsize,
        blocks: space.f_blocks,
        blocks_free: space.f_bfree,
        blocks_available: space.f_bavail,
        files: space.f_files,
        files_free: space.f_ffree,
        files_available: space.f_favail,
        id: space.f_fsid,
        flags: space.f_flag.bits(),
        name_max: space.f_namemax,
    })
}

/// The bits set-user-id and set-group-id.
pub const SET_ID: u32 = 0o6000;

/// Clears these bits of a file that a client is about to write to, unless the client may set them.
pub fn drop_set_id(file: &OwnedFd, mode: u32, owner: Owner) -> Result<(), StorageError> {
    let allowed = permission_bits(file, mode, owner)?;
    match fs::fchmod(file, allowed) {
        // The file is another user's and the server is not root: the kernel clears the bits at the first write.
        Ok(()) | Err(Errno::PERM) => Ok(()),
        Err(errno) => Err(from_errno(errno)),
    }
}

/// The mode bits that a client may set. A client's program may run as the account's own user and
/// group on the host, where it has these, but as no other. On directories the bits mean something
/// else. Call this after a change of owner.
fn permission_bits(file: &OwnedFd, mode: u32, owner: Owner) -> Result<Mode, StorageError> {
    let asked = Mode::from_raw_mode(mode & 0o7777);
    if !asked.intersects(Mode::SUID | Mode::SGID) {
        return Ok(asked);
    }
    let stat = fs::fstat(file).map_err(from_errno)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Ok(asked);
    }
    let mut allowed = asked;
    if owner.uid == 0 || stat.st_uid != owner.uid {
        allowed -= Mode::SUID;
    }
    if owner.gid == 0 || stat.st_gid != owner.gid {
        allowed -= Mode::SGID;
    }
    Ok(allowed)
}

/// Refuses `u32::MAX`, which means "unchanged" to the system call.
/// The user and group to set; one of them may stay.
fn owner_in(attributes: &SetAttributes) -> Option<(Option<u32>, Option<u32>)> {
    Some((attributes.uid, attributes.gid)).filter(|owner| *owner != (None, None))
}

fn user(uid: Option<u32>) -> Result<Option<Uid>, StorageError> {
    number(uid).map(|uid| uid.map(Uid::from_raw))
}

fn group(gid: Option<u32>) -> Result<Option<Gid>, StorageError> {
    number(gid).map(|gid| gid.map(Gid::from_raw))
}

/// A number that is not the one by which the system leaves what a file has.
fn number(number: Option<u32>) -> Result<Option<u32>, StorageError> {
    if number == Some(u32::MAX) { Err(from_errno(Errno::INVAL)) } else { Ok(number) }
}

fn timestamps((accessed, modified): (i64, i64)) -> Timestamps {
    let at = |seconds| Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: at(accessed), last_modification: at(modified) }
}
