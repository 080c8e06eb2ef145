//! Frees large files on threads of their own: the kernel frees the blocks of a file in the call that takes its last name or
//! descriptor, which takes a tenth of a second or more for each gigabyte, and the thread serves other sessions as well.

use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::resolve::Place;

/// Files of at least this size, in bytes, are freed on a thread of their own.
const FREED_ASIDE: u64 = 64 << 20;

/// A file that loses its name, held until this is dropped if it is large.
pub struct Freed(Option<OwnedFd>);

impl Freed {
    /// What has the name, which may be nothing.
    pub fn at(place: &Place<'_>) -> Self {
        match fs::statat(place.directory(), place.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Self::of_size(place, u64::try_from(stat.st_size).unwrap_or(0)),
            Err(_) => Self(None),
        }
    }

    /// What has the name, and this size in bytes.
    pub fn of_size(place: &Place<'_>, size: u64) -> Self {
        let is_large = size >= FREED_ASIDE;
        // A file that cannot be held is freed in the call, as others are.
        Self(if is_large { hold(place).ok() } else { None })
    }

    /// A file that is held already; `size`: in bytes.
    pub fn held(file: OwnedFd, size: u64) -> Self {
        Self(Some(file).filter(|_| size >= FREED_ASIDE))
    }
}

impl Drop for Freed {
    fn drop(&mut self) {
        if let Some(file) = self.0.take() {
            // Without a thread the file is freed here.
            drop(std::thread::Builder::new().spawn(move || drop(file)));
        }
    }
}

/// Holds what has the name; a symbolic link is not followed.
pub fn hold(place: &Place<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(place.directory(), place.name(), flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn large_files_are_held_until_they_have_lost_their_names() {
        let directory = tempfile::tempdir().unwrap();
        let opened = OwnedFd::from(std::fs::File::open(directory.path()).unwrap());
        let check = |size: Option<u64>, expected: bool| {
            let path = directory.path().join("f");
            if let Some(size) = size {
                std::fs::File::create(&path).unwrap().set_len(size).unwrap();
            }
            let freed = Freed::at(&Place::within(opened.as_fd(), b"f"));
            assert_eq!(freed.0.is_some(), expected, "{size:?}");
            if size.is_some() {
                std::fs::remove_file(&path).unwrap();
            }
            if let Some(held) = &freed.0 {
                assert_eq!(fs::fstat(held).unwrap().st_nlink, 0, "{size:?}");
            }
        };
        check(None, false);
        check(Some(0), false);
        check(Some(FREED_ASIDE - 1), false);
        check(Some(FREED_ASIDE), true);
    }
}
