//! Reading files that may be anything.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::MigrateError;

/// Far above what a dump of a million accounts has.
const MAX_BYTES: u64 = 2 << 30;

/// The content of a regular file; symbolic links are followed.
pub fn bytes(path: &Path) -> Result<Vec<u8>, MigrateError> {
    if size(path)? > MAX_BYTES {
        return Err(MigrateError::unusable(path, "it is larger than 2 GiB"));
    }
    start(path, MAX_BYTES)
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
        let problem = format!("it is not UTF-8 text: byte {byte} of line {line} is none; correct that line first");
        MigrateError::unusable(path, problem)
    })
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
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
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
        }
    }
}
