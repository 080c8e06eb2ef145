//! Renaming, within a tree and into another one on the same file system of the host.

use rustix::fs::{self, AtFlags, RenameFlags};
use rustix::io::Errno;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::StorageError;

use super::LocalStorage;
use super::errors::from_errno;
use super::freeing::Freed;
use super::resolve::Place;

impl LocalStorage {
    /// Renames `from` to `to` in `other`. Each path is resolved below its own root.
    pub(super) fn rename_to(
        &self,
        from: &VirtualPath,
        other: &Self,
        to: &VirtualPath,
        replace: bool,
    ) -> Result<(), StorageError> {
        let from = self.root.place(from).map_err(from_errno)?;
        let to = other.root.place(to).map_err(from_errno)?;
        self.settings.leftovers.renaming((from.directory(), from.name()), (to.directory(), to.name()))?;
        if !replace {
            return rename_to_new(&from, from.name(), &to).map_err(from_errno);
        }
        let _freed = Freed::at(&to);
        fs::renameat(from.directory(), from.name(), to.directory(), to.name()).map_err(from_errno)
    }
}

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
