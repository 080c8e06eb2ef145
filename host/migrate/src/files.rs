//! Reading files that may be anything.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::MigrateError;

/// Far above what a dump of a million accounts has.
const MAX_BYTES: u64 = 2 << 30;

/// The content of a regular file; symbolic links are followed.
pub fn bytes(path: &Path) -> Result<Vec<u8>, MigrateError> {
    let unreadable = |error| MigrateError::Unreadable { path: path.to_owned(), error };
    // Looked at before it is opened: a pipe would keep the program waiting.
    let metadata = path.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(MigrateError::unusable(path, "it is not a file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(MigrateError::unusable(path, "it is larger than 2 GiB"));
    }
    let mut content = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut content)).map_err(unreadable)?;
    Ok(content)
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
