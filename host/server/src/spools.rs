//! Texts that are too large for memory: bodies and changes of loads, in files of the state directory without a name, and
//! files of others, which are read where they are.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rustix::fs::{Mode, OFlags};
use tidegate_core::ports::{Spool, SpooledText, Spools, StoreError, TextInMemory};

/// Bytes of a text that are kept in memory; longer ones go to the disk.
const IN_MEMORY: usize = 1 << 20;

/// Makes files in a directory. They have no name, so that nothing is left of them however the server ends.
#[derive(Debug)]
pub struct TemporarySpools {
    directory: PathBuf,
}

impl TemporarySpools {
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }
}

impl Spools for TemporarySpools {
    fn begin(&self) -> Box<dyn Spool> {
        Box::new(TemporarySpool { directory: self.directory.clone(), file: None, written: 0, rest: Vec::new() })
    }
}

struct TemporarySpool {
    directory: PathBuf,
    /// None: nothing was written yet.
    file: Option<Arc<File>>,
    /// Bytes in the file.
    written: u64,
    /// What comes behind them.
    rest: Vec<u8>,
}

impl SpooledText for TemporarySpool {
    fn length(&self) -> u64 {
        self.written + self.rest.len() as u64
    }

    fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let text = match &self.file {
            Some(file) => read_at(file, from, self.written, length).map_err(|error| self.failed(&error))?,
            None => Vec::new(),
        };
        Ok(self.with_rest(text, from, length))
    }
}

#[async_trait]
impl Spool for TemporarySpool {
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        if self.rest.is_empty() {
            self.rest = bytes;
        } else {
            self.rest.extend(bytes);
        }
        if self.rest.len() <= IN_MEMORY {
            return Ok(());
        }
        let (directory, file, at) = (self.directory.clone(), self.file.take(), self.written);
        let rest = std::mem::take(&mut self.rest);
        let length = rest.len() as u64;
        let written = tokio::task::spawn_blocking(move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(tempfile::tempfile_in(&directory)?),
            };
            file.write_all_at(&rest, at)?;
            Ok::<_, std::io::Error>(file)
        });
        let written = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        self.file = Some(written.map_err(|error| self.failed(&error))?);
        self.written += length;
        Ok(())
    }

    async fn fetch(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let written = self.written;
        let text = match self.file.clone().filter(|_| from < written) {
            None => Vec::new(),
            Some(file) => {
                let read = tokio::task::spawn_blocking(move || read_at(&file, from, written, length)).await;
                let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                read.map_err(|error| self.failed(&error))?
            }
        };
        Ok(self.with_rest(text, from, length))
    }
}

impl TemporarySpool {
    /// Adds what is behind the file to what was read of it.
    fn with_rest(&self, mut text: Vec<u8>, from: u64, length: usize) -> Vec<u8> {
        let from = from.saturating_add(text.len() as u64);
        if let Some(from) = from.checked_sub(self.written) {
            let rest = self.rest.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
            let missing = length.saturating_sub(text.len());
            text.extend_from_slice(rest.get(..missing).unwrap_or(rest));
        }
        text
    }

    fn failed(&self, error: &std::io::Error) -> StoreError {
        let problem =
            format!("a file in {}, where large loads are kept, cannot be used: {error}", self.directory.display());
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(problem),
            _ => StoreError::Failed(problem),
        }
    }
}

/// A file that is there, as long as it was when it was opened.
struct FileText {
    path: PathBuf,
    file: File,
    length: u64,
}

impl SpooledText for FileText {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let problem = |error| StoreError::Failed(format!("{} cannot be read: {error}", self.path.display()));
        read_at(&self.file, from, self.length, length).map_err(problem)
    }
}

/// The text of a file. What is no file, such as a pipe, can be read once, and is read as a whole; as is one that says no
/// length, such as those that the kernel makes as they are read.
pub fn text_of(path: &Path) -> std::io::Result<Arc<dyn SpooledText>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() > 0 {
        return Ok(Arc::new(FileText { path: path.to_owned(), file, length: metadata.len() }));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(Arc::new(TextInMemory::from(text)))
}

/// The text of a regular file. To open a pipe would wait for a writer, and the server does not stop before that; to open
/// some devices has an effect. So the kind of file is looked at twice.
pub fn text_of_file(path: &Path) -> std::io::Result<Arc<dyn SpooledText>> {
    let check = |metadata: Metadata| match metadata.is_file() {
        true => Ok(metadata),
        false => Err(std::io::Error::other("it is not a regular file")),
    };
    check(path.metadata()?)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let length = check(file.metadata()?)?.len();
    Ok(Arc::new(FileText { path: path.to_owned(), file, length }))
}

/// Bytes of a file before its end at `end`.
fn read_at(file: &File, from: u64, end: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let left = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
    let mut text = vec![0; length.min(left)];
    let mut read = 0;
    while let Some(space) = text.get_mut(read..).filter(|space| !space.is_empty()) {
        match file.read_at(space, from.saturating_add(read as u64)) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(read);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, mkfifoat};

    use super::*;

    #[tokio::test]
    async fn texts_of_any_length_are_read_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let spools = TemporarySpools::new(directory.path());
        for parts in [
            vec![],
            vec![0],
            vec![5],
            vec![IN_MEMORY],
            vec![IN_MEMORY, 1],
            vec![IN_MEMORY + 1],
            vec![10, 3 * IN_MEMORY, 10, IN_MEMORY - 20, 11, 5],
        ] {
            let (mut spool, mut whole) = (spools.begin(), Vec::new());
            for (number, length) in parts.iter().enumerate() {
                let part: Vec<u8> = (0..*length).map(|at| (at * 7 + number) as u8).collect();
                whole.extend_from_slice(&part);
                spool.append(part).await.unwrap();
                assert_eq!(spool.length(), whole.len() as u64, "{parts:?}");
            }
            for from in [0, 1, 9, 10, 11, IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1, whole.len(), whole.len() + 5] {
                for length in [0, 1, 100, IN_MEMORY, 5 * IN_MEMORY] {
                    let rest = whole.get(from..).unwrap_or_default();
                    let expected = rest.get(..length).unwrap_or(rest);
                    let read = spool.read(from as u64, length).unwrap();
                    assert!(read == expected, "{parts:?} {from} {length}: {}", read.len());
                    let fetched = spool.fetch(from as u64, length).await.unwrap();
                    assert!(fetched == expected, "{parts:?} {from} {length}: {}", fetched.len());
                }
            }
        }
        // The files have no names.
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_directory_that_is_gone_is_told() {
        let spools = TemporarySpools::new(Path::new("/nonexistent/state"));
        let mut spool = spools.begin();
        spool.append(vec![b'x'; 10]).await.unwrap();
        let error = spool.append(vec![b'x'; 2 * IN_MEMORY]).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/state"), "{error}");
    }

    #[test]
    fn files_and_pipes_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.json");
        std::fs::write(&path, "0123456789").unwrap();
        let text = text_of(&path).unwrap();
        assert_eq!((text.length(), text.read(8, 100).unwrap()), (10, b"89".to_vec()));
        // What is written behind its end later is not read.
        std::fs::write(&path, "0123456789abc").unwrap();
        assert_eq!(text.read(8, 100).unwrap(), b"89");
        assert_eq!(text_of(Path::new("/dev/null")).unwrap().length(), 0);
        let made = text_of(Path::new("/proc/self/status")).unwrap();
        assert_eq!(made.read(0, 5).unwrap(), b"Name:");
        assert!(text_of(directory.path()).is_err() && text_of(&directory.path().join("none")).is_err());
        assert_eq!(text_of_file(&path).unwrap().read(8, 100).unwrap(), b"89abc");
        let pipe = directory.path().join("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        for other in [directory.path(), &pipe, Path::new("/dev/null")] {
            assert_eq!(
                text_of_file(other).err().unwrap().to_string(),
                "it is not a regular file",
                "{}",
                other.display()
            );
        }
    }
}
