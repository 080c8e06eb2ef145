//! The way to the root of a tree: where its path leads is found first, and then opened without following any link. So
//! what was looked at is what is opened, although the owner of a directory on the way may change links in it meanwhile.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tidegate_core::ports::storage::Way;

use crate::host_paths::follow;

/// The root of a tree.
pub struct Opened {
    pub directory: OwnedFd,
    /// Whether it was missing.
    pub made: bool,
}

/// Where the path leads. What is missing at its end is taken as it is written.
pub fn find(path: &Path) -> Result<Way, Errno> {
    if !path.is_absolute() {
        return Err(Errno::NOENT);
    }
    // The only error without a number of the system is that of too many links.
    let number = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::LOOP);
    let mut links = Vec::new();
    let found = follow(Path::new("/"), path, &mut links).map_err(number)?;
    // Nothing is made where a link leads nowhere: the disk may be missing that it leads to.
    for link in &links {
        std::fs::metadata(link).map_err(number)?;
    }
    Ok(Way { written: path.to_owned(), found, links })
}

/// Opens a directory by a path without links. `make`: the mode of directories that are made where they are missing.
pub fn open(found: &Path, make: Option<Mode>) -> Result<Opened, Errno> {
    match (directory(CWD, found, OFlags::RDONLY), make) {
        (Err(Errno::NOENT), Some(mode)) => make_missing(found, mode),
        (outcome, _) => outcome.map(|directory| Opened { directory, made: false }),
    }
}

fn make_missing(found: &Path, mode: Mode) -> Result<Opened, Errno> {
    let (existing, mut at) = existing(found)?;
    let missing = found.strip_prefix(existing).map_err(|_| Errno::INVAL)?;
    let mut made = false;
    for name in missing {
        made = match fs::mkdirat(&at, name, mode) {
            Ok(()) => true,
            // Another login was first, or something else was made there, which is not opened.
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        at = directory(at.as_fd(), Path::new(name), OFlags::PATH)?;
    }
    Ok(Opened { directory: directory(at.as_fd(), Path::new("."), OFlags::RDONLY)?, made })
}

/// The innermost directory on the way that is there.
fn existing(found: &Path) -> Result<(&Path, OwnedFd), Errno> {
    for above in found.ancestors() {
        match directory(CWD, above, OFlags::PATH) {
            Ok(opened) => return Ok((above, opened)),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::NOENT)
}

fn directory(at: BorrowedFd<'_>, path: &Path, access: OFlags) -> Result<OwnedFd, Errno> {
    let flags = access | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::openat2(at, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, std::path::PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        (place, root)
    }

    #[test]
    fn ways_name_the_links_on_them() {
        let (_place, root) = root();
        let at = |name: &str| root.join(name);
        std::fs::create_dir_all(at("data/bob")).unwrap();
        symlink("data", at("link")).unwrap();
        symlink(at("link/bob"), at("data/twice")).unwrap();
        symlink("missing", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        let check = |path: &str, expected: Result<(&str, &[&str]), Errno>| {
            let found = find(&at(path)).map(|way| (way.found, way.links));
            let expected =
                expected.map(|(found, links)| (at(found), links.iter().map(|link| at(link)).collect::<Vec<_>>()));
            assert_eq!(found, expected, "{path}");
        };
        check("data/bob", Ok(("data/bob", &[])));
        check("data/new/deep", Ok(("data/new/deep", &[])));
        check("link/bob", Ok(("data/bob", &["link"])));
        check("link/new", Ok(("data/new", &["link"])));
        check("data/twice", Ok(("data/bob", &["data/twice", "link"])));
        check("dangling", Err(Errno::NOENT));
        check("dangling/new", Err(Errno::NOENT));
        check("loop", Err(Errno::LOOP));
        check("file/x", Err(Errno::NOTDIR));
        assert_eq!(find(Path::new("")), Err(Errno::NOENT));
        assert_eq!(find(Path::new("relative")), Err(Errno::NOENT));
    }

    #[test]
    fn no_link_is_followed_when_a_root_is_opened_and_nothing_is_made_behind_one() {
        let (_place, root) = root();
        let at = |name: &str| root.join(name);
        std::fs::create_dir_all(at("data/bob")).unwrap();
        symlink("data", at("link")).unwrap();
        symlink("missing", at("dangling")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        // The outcomes where nothing may be made, and where directories may be; with whether they were made.
        let check = |path: &str, as_it_is: Result<bool, Errno>, made: Result<bool, Errno>| {
            for (make, expected) in [(None, as_it_is), (Some(Mode::from_raw_mode(0o755)), made)] {
                let outcome = open(&at(path), make).map(|opened| opened.made);
                assert_eq!(outcome, expected, "{path} {make:?}");
            }
        };
        check("data/bob", Ok(false), Ok(false));
        check("data/new", Err(Errno::NOENT), Ok(true));
        check("data/a/b/c", Err(Errno::NOENT), Ok(true));
        check("link", Err(Errno::LOOP), Err(Errno::LOOP));
        check("link/bob", Err(Errno::LOOP), Err(Errno::LOOP));
        check("link/new", Err(Errno::LOOP), Err(Errno::LOOP));
        check("dangling/new", Err(Errno::LOOP), Err(Errno::LOOP));
        check("file", Err(Errno::NOTDIR), Err(Errno::NOTDIR));
        assert!(at("data/a/b/c").is_dir());
        assert!(!at("data/new/x").exists() && !at("missing").exists());
    }
}
