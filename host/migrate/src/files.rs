//! Reading files that may be anything.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tidegate_core::ports::{SpooledText, StoreError};

use crate::MigrateError;

/// Far above what a dump of a million accounts has.
const MAX_BYTES: u64 = 2 << 30;
/// Bytes that are checked at a time.
const CHUNK: usize = 64 << 10;

/// The content of a regular file; symbolic links are followed.
pub fn bytes(path: &Path) -> Result<Vec<u8>, MigrateError> {
    bounded_size(path)?;
    start(path, MAX_BYTES)
}

fn bounded_size(path: &Path) -> Result<u64, MigrateError> {
    match size(path)? {
        size if size > MAX_BYTES => Err(MigrateError::unusable(path, "it is larger than 2 GiB")),
        size => Ok(size),
    }
}

/// At most so many bytes from the start of a regular file.
pub fn start(path: &Path, limit: u64) -> Result<Vec<u8>, MigrateError> {
    size(path)?;
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut content));
    read.map_err(|error| MigrateError::Unreadable { path: path.to_owned(), error })?;
    Ok(content)
}

/// The bytes that a regular file has. It is looked at before it is opened: a pipe would keep the program waiting.
fn size(path: &Path) -> Result<u64, MigrateError> {
    let metadata = path.metadata().map_err(|error| MigrateError::Unreadable { path: path.to_owned(), error })?;
    if metadata.is_file() { Ok(metadata.len()) } else { Err(MigrateError::unusable(path, "it is not a file")) }
}

/// The text of a regular file.
pub fn text(path: &Path) -> Result<String, MigrateError> {
    String::from_utf8(bytes(path)?).map_err(|error| {
        let (line, byte) = place(error.as_bytes(), error.utf8_error().valid_up_to());
        no_text(path, line as u64, byte as u64)
    })
}

fn no_text(path: &Path, line: u64, byte: u64) -> MigrateError {
    let problem = format!("it is not UTF-8 text: byte {byte} of line {line} is none; correct that line first");
    MigrateError::unusable(path, problem)
}

/// The text of a regular file, which is read in parts.
pub struct TextOfFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl TextOfFile {
    /// Opens a file, and looks whether all of it is text.
    pub fn open(path: &Path) -> Result<Self, MigrateError> {
        let length = bounded_size(path)?;
        let file = File::open(path).map_err(|error| MigrateError::Unreadable { path: path.to_owned(), error })?;
        let text = Self { path: path.to_owned(), file, length };
        text.check()?;
        Ok(text)
    }

    fn check(&self) -> Result<(), MigrateError> {
        let (mut at, mut line, mut line_began) = (0_u64, 1_u64, 0_u64);
        loop {
            let chunk = self.chunk(at, CHUNK);
            let chunk = chunk.map_err(|error| MigrateError::Unreadable { path: self.path.clone(), error })?;
            let is_last = chunk.len() < CHUNK;
            let (valid, is_broken) = match std::str::from_utf8(&chunk) {
                Ok(_) => (chunk.len(), false),
                // A character may go on in the next chunk, which then begins with it.
                Err(error) => (error.valid_up_to(), is_last || error.error_len().is_some()),
            };
            let before = chunk.get(..valid).unwrap_or_default();
            for (index, _) in before.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                line += 1;
                line_began = at + index as u64 + 1;
            }
            at += valid as u64;
            if is_broken {
                return Err(no_text(&self.path, line, at - line_began + 1));
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Fewer bytes only at the end.
    fn chunk(&self, from: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let (mut chunk, mut filled) = (vec![0; length], 0);
        while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, from + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        chunk.truncate(filled);
        Ok(chunk)
    }
}

impl SpooledText for TextOfFile {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let failed = |error| StoreError::Failed(format!("{} could not be read: {error}", self.path.display()));
        self.chunk(from, length).map_err(failed)
    }
}

/// The line, and the byte in it, of the byte at an offset; both from 1.
fn place(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = bytes.get(..offset).unwrap_or_default();
    let lines = before.split(|byte| *byte == b'\n');
    let last = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    (lines.count(), last.len() + 1)
}

/// The text of a file that need not be there.
pub fn optional_text(path: &Path) -> Result<Option<String>, MigrateError> {
    match text(path) {
        Ok(text) => Ok(Some(text)),
        Err(MigrateError::Unreadable { error, .. })
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_no_text_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.json");
        for (content, expected) in [
            (&b"\xff"[..], "byte 1 of line 1"),
            (&b"{\"a\": \"\xc3\xb6\xfe\"}"[..], "byte 10 of line 1"),
            (&b"{\n\n  \"\xff\"}"[..], "byte 4 of line 3"),
            (&b"a\nb\n\xff"[..], "byte 1 of line 3"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = text(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            let in_parts = TextOfFile::open(&path).err().unwrap().to_string();
            assert_eq!(in_parts, error);
        }
    }

    #[test]
    fn characters_across_parts_are_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.json");
        for before in CHUNK - 4..=CHUNK + 1 {
            let mut content = format!("{}\n\u{1f980}ö", "x".repeat(before)).into_bytes();
            std::fs::write(&path, &content).unwrap();
            let whole = TextOfFile::open(&path).unwrap();
            assert_eq!(
                (whole.length(), whole.read(0, usize::from(u16::MAX) * 2).unwrap()),
                (content.len() as u64, content.clone())
            );
            content.pop();
            std::fs::write(&path, &content).unwrap();
            let error = TextOfFile::open(&path).err().unwrap().to_string();
            assert!(error.contains("byte 5 of line 2"), "{before}: {error}");
        }
    }
}
