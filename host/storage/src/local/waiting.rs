//! File systems that wait for another machine or for a program. They take what is written into the memory of this host, and
//! may say only when a file is closed that it could not be stored: that a quota of the other machine is used up, for instance.

use std::os::fd::OwnedFd;

use rustix::fs::{self, FsWord};
use rustix::io::Errno;

/// What statfs(2) says of them: NFS, SMB (two numbers), FUSE, Ceph, 9P, AFS, Coda, Lustre, GPFS and BeeGFS.
const KINDS: [FsWord; 11] = [
    0x6969,
    0xff53_4d42,
    0xfe53_4d42,
    0x6573_5546,
    0x00c3_6400,
    0x0102_1997,
    0x5346_414f,
    0x7375_7245,
    0x0bd0_0bd0,
    0x4750_4653,
    0x1983_0326,
];

/// The file system of a tree's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootFileSystem {
    /// `st_dev` of the root.
    device: u64,
    waits: bool,
}

impl RootFileSystem {
    /// Looks at the root, which may wait for another machine itself. A file system that does not say what it is may be any.
    pub fn of(root: &OwnedFd) -> Result<Self, Errno> {
        let waits = fs::fstatfs(root).map_or(true, |found| KINDS.contains(&found.f_type));
        Ok(Self { device: fs::fstat(root)?.st_dev, waits })
    }

    /// Whether a file of the tree may have to wait. `device`: its `st_dev`. To ask for what is mounted below the root would
    /// be a request to the other machine for each file, so that such files may always have to.
    pub fn may_wait(self, device: u64) -> bool {
        self.waits || device != self.device
    }
}

/// Closes another descriptor of the file, which is how such a file system is asked whether all was stored: the
/// descriptor of the file itself is closed after the client has had its answer. May wait.
pub fn close_another(file: &OwnedFd) -> Result<(), Errno> {
    let other = rustix::io::fcntl_dupfd_cloexec(file, 0)?;
    nix::unistd::close(other).map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_may_have_to_wait_on_some_file_systems_and_where_another_is_mounted() {
        let check = |waits: bool, device: u64, expected: bool| {
            assert_eq!(RootFileSystem { device: 5, waits }.may_wait(device), expected, "{waits} {device}");
        };
        check(false, 5, false);
        check(false, 6, true);
        check(true, 5, true);
        check(true, 6, true);
    }

    #[test]
    fn disks_and_memory_do_not_wait() {
        // ext4, XFS, btrfs, tmpfs, overlayfs and ZFS.
        for kind in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert!(!KINDS.contains(&kind), "{kind:x}");
        }
        let directory = OwnedFd::from(std::fs::File::open("/proc").unwrap());
        let proc = RootFileSystem::of(&directory).unwrap();
        let device = fs::fstat(&directory).unwrap().st_dev;
        assert_eq!(proc, RootFileSystem { device, waits: false });
    }

    #[test]
    fn the_file_stays_open() {
        let file = OwnedFd::from(tempfile::tempfile().unwrap());
        close_another(&file).unwrap();
        fs::fstat(&file).unwrap();
        rustix::io::write(&file, b"more").unwrap();
    }
}
