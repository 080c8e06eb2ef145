//! The directory of backups, out of which no request can lead (A18-10, A18-11).

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, mkdirat, openat2, renameat, unlinkat};
use rustix::io::Errno;
use tidegate_api_types::ErrorCode;
use tidegate_core::ports::{SpooledText, StoreError};

use crate::answer::Refusal;

/// The most bytes of a dump that is read (A18-11 has 10 MB; a dump of ours must be readable again).
pub const MAX_DUMP: u64 = 256 << 20;
const MODE: Mode = Mode::from_raw_mode(0o600);
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o700);

/// The directory `httpd.backups_path`.
#[derive(Debug, Clone)]
pub struct BackupDirectory(pub PathBuf);

/// A file that is being written; it gets its name when it is complete.
pub struct NewBackup {
    parameter: &'static str,
    parent: OwnedFd,
    name: PathBuf,
    beside: PathBuf,
    file: std::fs::File,
    is_kept: bool,
}

/// A file that is there, to be read.
#[derive(Debug)]
pub struct KeptBackup {
    path: String,
    file: std::fs::File,
    /// Bytes. What is written behind them later is not read.
    size: u64,
}

impl SpooledText for KeptBackup {
    fn length(&self) -> u64 {
        self.size
    }

    fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let rest = usize::try_from(self.size.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut text = vec![0; length.min(rest)];
        let mut read = 0;
        while let Some(space) = text.get_mut(read..).filter(|space| !space.is_empty()) {
            match self.file.read_at(space, from.saturating_add(read as u64)) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(StoreError::Failed(format!("the backup \"{}\" cannot be read: {error}", self.path)));
                }
            }
        }
        text.truncate(read);
        Ok(text)
    }
}

impl BackupDirectory {
    /// Begins a file; missing directories on the way are made.
    ///
    /// # Errors
    /// The path leads out of the directory, or the file cannot be made.
    pub fn create(&self, parameter: &'static str, path: &str) -> Result<NewBackup, Refusal> {
        let relative = relative(parameter, path, None)?;
        let mut parent = self.open()?;
        let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_owned()).collect();
        let Some((name, directories)) = parts.split_last() else { return Err(no_file(parameter)) };
        for directory in directories {
            match mkdirat(&parent, directory, DIRECTORY_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(path, error)),
            }
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
            parent = beneath(&parent, Path::new(directory), flags).map_err(|error| refused(parameter, path, error))?;
        }
        let mut beside = name.clone();
        // Of two that are made at once, each has its own.
        beside.push(format!(".part-{:016x}", RandomState::new().hash_one(name)));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = beneath(&parent, Path::new(&beside), flags).map_err(|error| refused(parameter, path, error))?;
        Ok(NewBackup { parameter, parent, name: name.into(), beside: beside.into(), file: file.into(), is_kept: false })
    }

    /// Finds a file to read; its path is relative to the directory, or absolute and in it.
    ///
    /// # Errors
    /// The path leads out of the directory, or the file cannot be read or is too large.
    pub fn find(&self, parameter: &'static str, path: &str) -> Result<KeptBackup, Refusal> {
        let relative = relative(parameter, path, Some(&self.0))?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = beneath(&self.open()?, &relative, flags).map_err(|error| refused(parameter, path, error))?;
        let file = std::fs::File::from(file);
        let metadata = file.metadata().map_err(|error| failed(path, error))?;
        if !metadata.is_file() {
            return Err(Refusal::of_field(parameter, format!("\"{path}\" is not a file")));
        }
        let size = metadata.len();
        if size > MAX_DUMP {
            return Err(Refusal::of_field(parameter, format!("\"{path}\" is larger than {MAX_DUMP} bytes")));
        }
        Ok(KeptBackup { path: path.to_owned(), file, size })
    }

    fn open(&self) -> Result<OwnedFd, Refusal> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = match rustix::fs::open(&self.0, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                use std::os::unix::fs::DirBuilderExt;
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
                made.map_err(|error| failed("", error))?;
                rustix::fs::open(&self.0, flags, Mode::empty())
            }
            opened => opened,
        };
        opened.map_err(|error| failed("", error))
    }
}

impl NewBackup {
    /// Appends text.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, text: &[u8]) -> Result<(), Refusal> {
        self.file.write_all(text).map_err(|error| failed(&self.name.display().to_string(), error))
    }

    /// Gives the file its name, in the place of an older one; returns its size.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<u64, Refusal> {
        let path = self.name.display().to_string();
        self.file.sync_all().map_err(|error| failed(&path, error))?;
        renameat(&self.parent, &self.beside, &self.parent, &self.name)
            .map_err(|error| refused(self.parameter, &path, error))?;
        self.is_kept = true;
        Ok(self.file.metadata().map_err(|error| failed(&path, error))?.len())
    }
}

impl Drop for NewBackup {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = unlinkat(&self.parent, &self.beside, AtFlags::empty());
        }
    }
}

/// Opens without leaving the directory, by `..` or by a link.
fn beneath(directory: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mode = if flags.contains(OFlags::CREATE) { MODE } else { Mode::empty() };
    openat2(directory, path, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
}

/// The path below the directory.
fn relative(parameter: &str, path: &str, absolute_in: Option<&Path>) -> Result<PathBuf, Refusal> {
    let invalid = |problem: &str| Refusal::of_field(parameter, format!("the parameter \"{parameter}\" {problem}"));
    if path.is_empty() {
        return Err(no_file(parameter));
    }
    if path.contains('\0') {
        return Err(invalid("has a character that no path has"));
    }
    let mut relative = Path::new(path);
    if relative.is_absolute() {
        let inside = absolute_in.and_then(|directory| relative.strip_prefix(directory).ok());
        relative =
            inside.ok_or_else(|| invalid("must be a path below the directory of backups (httpd.backups_path)"))?;
    }
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(invalid("must not lead out of the directory of backups: no \".\" and \"..\""));
    }
    if path.ends_with('/') || relative.as_os_str().is_empty() {
        return Err(no_file(parameter));
    }
    Ok(relative.to_owned())
}

fn no_file(parameter: &str) -> Refusal {
    Refusal::of_field(parameter, format!("the parameter \"{parameter}\" must name a file"))
}

fn refused(parameter: &str, path: &str, error: Errno) -> Refusal {
    match error {
        Errno::XDEV | Errno::LOOP => {
            Refusal::of_field(parameter, format!("\"{path}\" leads out of the directory of backups"))
        }
        Errno::NOENT => Refusal::new(ErrorCode::NotFound, format!("there is no file \"{path}\" among the backups")),
        Errno::NOTDIR | Errno::ISDIR | Errno::NAMETOOLONG => {
            Refusal::of_field(parameter, format!("\"{path}\" cannot be a file there: {error}"))
        }
        error => failed(path, error),
    }
}

fn failed(path: &str, error: impl Into<std::io::Error>) -> Refusal {
    let error = error.into();
    let code = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => ErrorCode::Unavailable,
        _ => ErrorCode::Failed,
    };
    Refusal::new(code, format!("the backup \"{path}\" cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out() {
        // A18-10, A18-11
        let root = tempfile::tempdir().unwrap();
        let backups = BackupDirectory(root.path().join("backups"));
        std::fs::write(root.path().join("secret"), "hush").unwrap();
        let write = |path: &str| {
            let mut file = backups.create("output_file", path)?;
            file.write(b"text")?;
            file.finish()
        };
        let check = |path: &str, status: u16| {
            assert_eq!(
                write(path).map_err(|refusal| refusal.0.status),
                if status == 200 { Ok(4) } else { Err(status) },
                "{path:?}"
            );
        };
        check("a.json", 200);
        check("b/c/d.json", 200);
        check("a.json", 200);
        std::os::unix::fs::symlink(root.path(), backups.0.join("out")).unwrap();
        std::os::unix::fs::symlink(root.path().join("secret"), backups.0.join("link")).unwrap();
        for path in ["", "/", "../x", "b/../../x", "./x", "b/", "/etc/x", "a\0b", "out/x", "b/c", "a.json/x"] {
            check(path, 400);
        }
        // The link itself is replaced, not what it leads to.
        check("link", 200);
        assert_eq!(std::fs::read_to_string(root.path().join("secret")).unwrap(), "hush");
        let read = |path: &str| -> Result<Vec<u8>, u16> {
            let found = backups.find("input_file", path).map_err(|refusal| refusal.0.status)?;
            assert_eq!(found.read(1, 2).unwrap(), b"ex");
            Ok(found.read(0, 100).unwrap())
        };
        assert_eq!(read("b/c/d.json"), Ok(b"text".to_vec()));
        assert_eq!(read(backups.0.join("a.json").to_str().unwrap()), Ok(b"text".to_vec()));
        for (path, status) in [("../secret", 400), ("out/secret", 400), ("/etc/passwd", 400), ("none", 404), ("b", 400)]
        {
            assert_eq!(read(path), Err(status), "{path}");
        }
        // Files as large as a dump may be, and larger by one.
        let of_length = |length: u64| {
            std::fs::File::create(backups.0.join("large")).unwrap().set_len(length).unwrap();
            backups.find("input_file", "large").err().map(|refusal| (refusal.0.status, refusal.0.error))
        };
        assert_eq!(of_length(268_435_456), None);
        assert_eq!(of_length(268_435_457), Some((400, "\"large\" is larger than 268435456 bytes".to_owned())));
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(backups.0.join("a.json").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
