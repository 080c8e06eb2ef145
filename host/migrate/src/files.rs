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
    String::from_utf8(bytes(path)?).map_err(|_| MigrateError::unusable(path, "it is not UTF-8 text"))
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
