//! Uploads with a temporary name, noted so that a server that was killed can clean up at its
//! next start. Only file systems without unnamed files need it.
//!
//! A note is a symbolic link in a directory of the server's own; its target is the path of
//! the temporary file.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use tidegate_core::files::storage::TEMPORARY_PREFIX;

#[derive(Debug)]
pub struct Leftovers {
    directory: PathBuf,
}

impl Leftovers {
    /// Makes the directory if it is missing.
    pub fn in_directory(directory: PathBuf) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    /// Removes what an earlier process left; says how many files there were.
    pub fn clean(&self) -> io::Result<usize> {
        let mut cleaned = 0;
        for note in std::fs::read_dir(&self.directory)? {
            let note = note?.path();
            let Ok(target) = std::fs::read_link(&note) else { continue };
            // Whoever can write here could otherwise name any file.
            let is_temporary = target.file_name().is_some_and(|name| name.as_bytes().starts_with(TEMPORARY_PREFIX));
            if is_temporary && std::fs::remove_file(&target).is_ok() {
                cleaned += 1;
            }
            std::fs::remove_file(&note)?;
        }
        Ok(cleaned)
    }

    /// Before the file is made.
    pub(super) fn note(&self, name: &[u8], directory: &Path) -> io::Result<Note> {
        let place = self.directory.join(OsStr::from_bytes(name));
        symlink(directory.join(OsStr::from_bytes(name)), &place)?;
        Ok(Note(place))
    }
}

/// Taken away when the file has its own name, or is gone.
pub(super) struct Note(PathBuf);

impl Drop for Note {
    fn drop(&mut self) {
        // One that stays names a file that is gone.
        let _ = std::fs::remove_file(&self.0);
    }
}
