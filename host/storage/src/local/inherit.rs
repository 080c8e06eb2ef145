//! What a file inherits from the one that it replaces: owner, mode, access control list and
//! extended attributes, as far as the system lets this process set them.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{self, Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;
use tidegate_core::ports::storage::{Metadata, StorageError};

use super::errors::from_errno;

const ACCESS_LIST: &str = "system.posix_acl_access";
/// Rights of a program, and attributes that guard a content, are not passed on to another content.
const NOT_INHERITED: [&str; 4] = ["security.capability", "security.ima", "security.evm", "trusted.overlay."];
const MAX_NAMES: usize = 64 << 10;
const MAX_VALUE: usize = 64 << 10;

/// `old`: an `O_PATH` descriptor of the replaced file.
pub fn inherit(old: &OwnedFd, metadata: &Metadata, file: &OwnedFd) -> Result<(), StorageError> {
    let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
    if fs::fchown(file, Some(uid), Some(gid)).is_err() {
        // Only root may change a file's owner; another user may still give the file to a group of its own.
        let _ = fs::fchown(file, None, Some(gid));
    }
    copy_attributes(old, file);
    // Without set-user-id and set-group-id, because the content is another one now.
    let mode = Mode::from_raw_mode(metadata.mode & 0o1777);
    fs::fchmod(file, mode).map_err(from_errno)
}

fn copy_attributes(old: &OwnedFd, file: &OwnedFd) {
    // `O_PATH` descriptors give no attributes; their names in /proc do.
    let old = format!("/proc/self/fd/{}", old.as_raw_fd());
    let mut names = vec![0; 1024];
    let listed = match fs::listxattr(&old, &mut names) {
        Err(Errno::RANGE) => {
            names.resize(MAX_NAMES, 0);
            fs::listxattr(&old, &mut names)
        }
        outcome => outcome,
    };
    let names = names.get(..listed.unwrap_or(0)).unwrap_or_default();
    let mut has_list = false;
    for name in names.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok()) {
        if name.is_empty() || NOT_INHERITED.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        has_list |= name == ACCESS_LIST;
        let mut value = vec![0; MAX_VALUE];
        if let Ok(length) = fs::getxattr(&old, name, &mut value)
            && let Some(value) = value.get(..length)
        {
            // Some attributes need a privilege to be set.
            let _ = fs::fsetxattr(file, name, value, XattrFlags::empty());
        }
    }
    if !has_list {
        // A default list of the directory may have given the file a list.
        let _ = fs::fremovexattr(file, ACCESS_LIST);
    }
}
