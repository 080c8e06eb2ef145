//! Reads files of the plugin directory. A user who may write there can put anything under a
//! plugin's name, so only regular files of a bounded size are read, and opening one never waits.

use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Largest component, in bytes.
pub const MAX_COMPONENT: u64 = 256 << 20;
/// Largest file of settings, and largest signature, in bytes.
pub const MAX_TEXT: u64 = 1 << 20;

/// Why a file was not read.
#[derive(Debug, PartialEq, Eq)]
pub enum NotRead {
    /// There is no such file, or a symbolic link leads nowhere.
    Missing,
    /// Another reason, as text for messages.
    Because(String),
}

impl From<io::Error> for NotRead {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Because(error.to_string()),
        }
    }
}

/// The content of a regular file of at most `max` bytes.
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, NotRead> {
    // Opening some devices has an effect, so the kind of file is checked before opening as well as after.
    check(path.metadata()?.file_type())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let metadata = file.metadata()?;
    check(metadata.file_type())?;
    let too_large = || NotRead::Because(format!("it is larger than {} MiB", max >> 20));
    if metadata.len() > max {
        return Err(too_large());
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // The file may grow while it is read.
    file.take(max + 1).read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= max) { Ok(content) } else { Err(too_large()) }
}

/// Reads a regular file of UTF-8 text, of at most [`MAX_TEXT`] bytes.
pub fn read_text(path: &Path) -> Result<String, NotRead> {
    String::from_utf8(read(path, MAX_TEXT)?).map_err(|_| NotRead::Because("it is not text in UTF-8".to_owned()))
}

fn check(kind: FileType) -> Result<(), NotRead> {
    let word = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(NotRead::Because(format!("it is {word}, not a regular file")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("regular"), b"content").unwrap();
        std::fs::write(path("large"), vec![0; 65]).unwrap();
        std::fs::File::create(path("sparse")).unwrap().set_len(100 << 30).unwrap();
        std::fs::create_dir(path("directory")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path("fifo"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for (link, target) in
            [("zero", "/dev/zero"), ("nowhere", "/nonexistent"), ("loop", "loop"), ("good", "regular")]
        {
            symlink(target, path(link)).unwrap();
        }
        symlink(path("fifo"), path("to-fifo")).unwrap();
        let refused = |text: &str| Err(NotRead::Because(text.to_owned()));
        let check = |name: &str, expected: Result<Vec<u8>, NotRead>| {
            assert_eq!(read(&path(name), 64), expected, "{name}");
        };
        check("regular", Ok(b"content".to_vec()));
        check("good", Ok(b"content".to_vec()));
        check("large", refused("it is larger than 0 MiB"));
        check("sparse", refused("it is larger than 0 MiB"));
        check("directory", refused("it is a directory, not a regular file"));
        check("fifo", refused("it is a FIFO, not a regular file"));
        check("to-fifo", refused("it is a FIFO, not a regular file"));
        check("socket", refused("it is a socket, not a regular file"));
        check("zero", refused("it is a device, not a regular file"));
        check("nowhere", Err(NotRead::Missing));
        check("absent", Err(NotRead::Missing));
        assert!(matches!(read(&path("loop"), 64), Err(NotRead::Because(_))));
    }
}
