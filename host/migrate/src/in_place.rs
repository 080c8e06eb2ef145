//! An SQLite file that becomes this server's own: it is kept under another name before the first change.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use crate::MigrateError;
use crate::older::{Names, beside, decrypted_file_system, followed, read_sqlite};

/// Pages that are copied at once.
const PAGES: i32 = 4096;

/// Where the old database is kept: `NAME.before-tidegate`, beside the file itself where the path is a symbolic link.
pub fn kept(path: &Path) -> PathBuf {
    beside(&followed(path), ".before-tidegate")
}

/// Copies the database to [`kept`], for its owner alone. A copy that is there already is never written over; it does
/// where it has the same accounts: the command that made it was interrupted. `names`: of the old database's tables.
///
/// # Errors
/// The copy cannot be made, or another one is there.
pub fn keep(path: &Path, names: &Names) -> Result<PathBuf, MigrateError> {
    let kept = kept(path);
    if kept.symlink_metadata().is_ok() {
        if has_same_accounts(path, &kept, names) {
            return Ok(kept);
        }
        return Err(MigrateError::unusable(&kept, "it is there already, of another database; move it elsewhere first"));
    }
    let part = beside(&kept, ".part");
    let unwritable = |error: std::io::Error| MigrateError::unusable(&kept, format!("it could not be written: {error}"));
    // Of a move that was interrupted.
    let _ = std::fs::remove_file(&part);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(unwritable)?;
    copy(path, &part).map_err(|error| MigrateError::unusable(path, format!("it could not be copied: {error}")))?;
    File::open(&part).and_then(|file| file.sync_all()).map_err(unwritable)?;
    // Unlike a rename, a link fails if the name was taken meanwhile.
    std::fs::hard_link(&part, &kept).map_err(unwritable)?;
    std::fs::remove_file(&part).map_err(unwritable)?;
    sync_directory_of(&kept).map_err(unwritable)?;
    Ok(kept)
}

/// Whether a move would take the same from both. `names`: of their tables.
pub fn has_same_accounts(one: &Path, other: &Path, names: &Names) -> bool {
    let (Ok(one), Ok(other)) = (read_sqlite(one, names), read_sqlite(other, names)) else { return false };
    let all = |moved: crate::Moved| (moved.users, moved.folders, moved.groups, moved.roles, moved.admins);
    all(one) == all(other)
}

/// Where the database that takes the place of an older one is made: `NAME.moving`, beside the file itself where the path
/// is a symbolic link. What an interrupted move has left there is removed.
///
/// # Errors
/// It cannot be removed.
pub fn prepare_successor(path: &Path) -> Result<PathBuf, MigrateError> {
    let successor = beside(&followed(path), ".moving");
    remove_with_journals(&successor)?;
    Ok(successor)
}

/// Puts a complete database, which no program has open, where the older one is, of which there is a copy: at every
/// time one of the two is there. A symbolic link stays, and leads to the new one.
///
/// # Errors
/// The older one is in its place still, or the new one is.
pub fn replace(path: &Path, successor: &Path) -> Result<(), MigrateError> {
    let path = followed(path);
    let path = path.as_path();
    let unusable = |error: &dyn std::fmt::Display| {
        MigrateError::unusable(successor, format!("it could not take the place of {}: {error}", path.display()))
    };
    if beside(successor, "-wal").exists() {
        let connection = Connection::open(successor).map_err(|error| unusable(&error))?;
        let checkpoint = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        if checkpoint.map_err(|error| unusable(&error))? != 0 {
            return Err(unusable(&"another program has it open"));
        }
    }
    File::open(successor).and_then(|file| file.sync_all()).map_err(|error| unusable(&error))?;
    // A journal of the older one would be taken for one of the new one. Its copy has what was in it.
    for ending in JOURNALS {
        remove(&beside(path, ending))?;
        remove(&beside(successor, ending))?;
    }
    std::fs::rename(successor, path).and_then(|()| sync_directory_of(path)).map_err(|error| unusable(&error))
}

/// Decrypts secrets that have their key beside them, in a file that becomes ours: they are sealed with the next change of
/// their account, as all that are stored clear.
///
/// # Errors
/// The file cannot be read or written.
pub fn decrypt_secrets(path: &Path) -> Result<(), MigrateError> {
    let failed = |error: rusqlite::Error| MigrateError::unusable(path, error);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    let transaction = connection.transaction().map_err(failed)?;
    let sql = "SELECT id, CAST(filesystem AS TEXT) FROM users WHERE CAST(filesystem AS TEXT) LIKE '%$aes$%'";
    let rows = transaction.prepare(sql).and_then(|mut statement| {
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        rows.collect::<Result<Vec<_>, _>>()
    });
    for (id, text) in rows.map_err(failed)? {
        let Some(text) = decrypted_file_system(&text) else { continue };
        let update = "UPDATE users SET filesystem = ?1 WHERE id = ?2";
        transaction.execute(update, (text, id)).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

const JOURNALS: [&str; 3] = ["-wal", "-shm", "-journal"];

fn remove_with_journals(path: &Path) -> Result<(), MigrateError> {
    JOURNALS.into_iter().chain([""]).try_for_each(|ending| remove(&beside(path, ending)))
}

fn remove(file: &Path) -> Result<(), MigrateError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(MigrateError::unusable(file, format!("it could not be moved out of the way: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all())
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

    const USERS: &str = "CREATE TABLE users (id INTEGER, username TEXT, home_dir TEXT, filesystem TEXT);
        INSERT INTO users VALUES (1, 'alice', '/srv/alice', '{}')";

    #[test]
    fn the_old_file_is_kept_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("old.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        writer.execute_batch(USERS).unwrap();
        // Its last changes are in the log beside it, and another program has it open.
        assert!(beside(&path, "-wal").exists());
        let error = keep(&path, &Names::default()).unwrap_err().to_string();
        assert!(error.contains("could not be copied") && path.exists() && !kept(&path).exists(), "{error}");
        drop(writer);
        let kept = keep(&path, &Names::default()).unwrap();
        let name = |path: &Path| {
            let copy = Connection::open(path).unwrap();
            copy.query_row("SELECT username FROM users", [], |row| row.get::<_, String>(0)).unwrap()
        };
        assert_eq!((name(&kept), name(&path)), ("alice".to_owned(), "alice".to_owned()));
        // A command that was interrupted goes on from there.
        assert_eq!(keep(&path, &Names::default()).unwrap(), kept);
        Connection::open(&path).unwrap().execute_batch("UPDATE users SET username = 'bob'").unwrap();
        let error = keep(&path, &Names::default()).unwrap_err().to_string();
        assert!(error.contains("there already") && name(&kept) == "alice", "{error}");
    }

    #[test]
    fn an_interrupted_command_is_run_again_whatever_the_tables_are_called() {
        for (table, users, prefix) in [
            ("users", None, ""),
            ("people", Some("people"), ""),
            ("x_users", None, "x_"),
            ("people", Some("people"), "x_"),
        ] {
            let names = Names { users: users.map(str::to_owned), prefix: prefix.to_owned() };
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("old.db");
            let sql = USERS.replace("users", table);
            Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
            let kept = keep(&path, &names).unwrap();
            assert!(has_same_accounts(&path, &kept, &names), "{names:?}");
            assert_eq!(keep(&path, &names).unwrap(), kept, "{names:?}");
            let change = format!("UPDATE {table} SET username = 'bob'");
            Connection::open(&path).unwrap().execute_batch(&change).unwrap();
            assert!(keep(&path, &names).is_err(), "{names:?}");
        }
    }

    #[test]
    fn a_successor_takes_the_place_when_it_is_complete() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("old.db");
        Connection::open(&path).unwrap().execute_batch(USERS).unwrap();
        std::fs::write(beside(&path, ".moving"), "of an interrupted move").unwrap();
        let successor = prepare_successor(&path).unwrap();
        assert!(!successor.exists() && path.exists());
        let new = Connection::open(&successor).unwrap();
        new.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        new.execute_batch("CREATE TABLE ours (a); INSERT INTO ours VALUES (7)").unwrap();
        drop(new);
        replace(&path, &successor).unwrap();
        let ours = Connection::open(&path).unwrap();
        assert_eq!(ours.query_row("SELECT a FROM ours", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        assert!(!successor.exists() && !beside(&successor, "-wal").exists());
    }

    #[test]
    fn what_a_symbolic_link_leads_to_is_kept_and_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (target, link) = (place.path().join("data/real.db"), place.path().join("old.db"));
        std::fs::create_dir(place.path().join("data")).unwrap();
        std::os::unix::fs::symlink("data/real.db", &link).unwrap();
        let writer = Connection::open(&target).unwrap();
        writer.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        writer.execute_batch(USERS).unwrap();
        // What is only in the log beside the target is read as well.
        assert_eq!(read_sqlite(&link, &Names::default()).unwrap().users.len(), 1);
        drop(writer);
        let kept = keep(&link, &Names::default()).unwrap();
        assert_eq!(kept.file_name().unwrap(), "real.db.before-tidegate");
        let successor = prepare_successor(&link).unwrap();
        Connection::open(&successor).unwrap().execute_batch("CREATE TABLE ours (a)").unwrap();
        replace(&link, &successor).unwrap();
        assert!(link.is_symlink() && kept.is_file());
        let count = "SELECT count(*) FROM ours";
        assert_eq!(Connection::open(&target).unwrap().query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        assert!(!place.path().join("old.db.before-tidegate").exists());
    }

    #[test]
    fn secrets_with_their_key_are_decrypted_in_place() {
        // A8-15
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("old.db");
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch(USERS).unwrap();
        let secret = crate::older::sealed_for_tests("hush");
        let filesystem = serde_json::json!({"provider": 1, "s3config": {"access_secret": secret}}).to_string();
        raw.execute("UPDATE users SET filesystem = ?1", [filesystem]).unwrap();
        let kept = keep(&path, &Names::default()).unwrap();
        decrypt_secrets(&path).unwrap();
        // A start that was interrupted here begins again.
        assert_eq!(keep(&path, &Names::default()).unwrap(), kept);
        let text = raw.query_row("SELECT filesystem FROM users", [], |row| row.get::<_, String>(0)).unwrap();
        assert!(text.contains("hush") && !text.contains("$aes$"), "{text}");
    }
}
