//! Renaming without replacing.

use rustix::fs::{self, AtFlags, RenameFlags};
use rustix::io::Errno;

use super::resolve::Place;

/// Renames, and fails if something has the name already. On file systems that cannot do that in one
/// step (NFS, some FUSE), the name is looked up first, as OpenSSH's server does.
pub fn rename_to_new(from: &Place<'_>, from_name: &[u8], to: &Place<'_>) -> Result<(), Errno> {
    match fs::renameat_with(from.directory(), from_name, to.directory(), to.name(), RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => match fs::statat(to.directory(), to.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => fs::renameat(from.directory(), from_name, to.directory(), to.name()),
            Ok(_) => Err(Errno::EXIST),
            Err(errno) => Err(errno),
        },
        outcome => outcome,
    }
}
