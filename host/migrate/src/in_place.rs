//! An SQLite file that becomes this server's own: it is kept under another name before the first change.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use crate::MigrateError;
use crate::older::beside;

/// Pages that are copied at once.
const PAGES: i32 = 4096;

/// Where the old database is kept: `NAME.before-tidegate`.
pub fn kept(path: &Path) -> PathBuf {
    beside(path, ".before-tidegate")
}

/// Copies the database to [`kept`], and removes it from its place when the copy is on the disk. A copy that is there
/// already is never written over.
///
/// # Errors
/// The copy cannot be made; the database is in its place still.
pub fn set_aside(path: &Path) -> Result<PathBuf, MigrateError> {
    let kept = kept(path);
    let part = beside(&kept, ".part");
    let unwritable = |error: std::io::Error| MigrateError::unusable(&kept, format!("it could not be written: {error}"));
    if kept.symlink_metadata().is_ok() {
        return Err(MigrateError::unusable(&kept, "it is there already; move it elsewhere first"));
    }
    // Of a move that was interrupted.
    let _ = std::fs::remove_file(&part);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(unwritable)?;
    copy(path, &part).map_err(|error| MigrateError::unusable(path, format!("it could not be copied: {error}")))?;
    File::open(&part).and_then(|file| file.sync_all()).map_err(unwritable)?;
    // Unlike a rename, a link fails if the name was taken meanwhile.
    std::fs::hard_link(&part, &kept).map_err(unwritable)?;
    std::fs::remove_file(&part).map_err(unwritable)?;
    if let Some(directory) = kept.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(unwritable)?;
    }
    for ending in ["-wal", "-shm", "-journal", ""] {
        let file = beside(path, ending);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(MigrateError::unusable(file, format!("it could not be moved out of the way: {error}")));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(kept)
}

fn copy(from: &Path, to: &Path) -> Result<(), rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags)?;
    source.busy_timeout(Duration::from_secs(5))?;
    // A program that writes the file meanwhile, such as the older server that still runs, makes this fail.
    source.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    source.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    let mut target = Connection::open_with_flags(to, flags)?;
    Backup::new(&source, &mut target)?.run_to_completion(PAGES, Duration::ZERO, None)?;
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_file_is_kept_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("old.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        writer.execute_batch("CREATE TABLE users (a); INSERT INTO users VALUES (7)").unwrap();
        // Its last changes are in the log beside it, and another program has it open.
        assert!(beside(&path, "-wal").exists());
        let error = set_aside(&path).unwrap_err().to_string();
        assert!(error.contains("could not be copied") && path.exists() && !kept(&path).exists(), "{error}");
        drop(writer);
        let kept = set_aside(&path).unwrap();
        assert!(!path.exists() && !beside(&path, "-wal").exists());
        let copy = Connection::open(&kept).unwrap();
        assert_eq!(copy.query_row("SELECT a FROM users", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        std::fs::write(&path, "again").unwrap();
        let error = set_aside(&path).unwrap_err().to_string();
        assert!(error.contains("there already") && path.exists(), "{error}");
    }
}
