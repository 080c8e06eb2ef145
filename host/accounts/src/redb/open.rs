//! Opens the file: only one that this server has made, whole, and for this process alone.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Builder, Database, Error, ReadableDatabase, WriteTransaction};
use tidegate_core::ports::StoreError;

use super::account_lists;
use super::failure::{Cause, Failure};
use super::tables::{VERSION, VERSION_KEY, opened};

/// The date of the newest format that this program knows.
const KNOWN_VERSION: i64 = 20_261_208;
/// The first format, in which accounts had no keys.
const WITHOUT_KEYS: i64 = 20_261_129;
/// The most memory for pages of the file.
const CACHE_BYTES: usize = 64 << 20;

/// What files of this kind begin with.
pub const MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";
/// What the older server's files have at [`BOLT_OFFSET`] in the first page or the second.
const BOLT_MAGIC: u32 = 0xED0C_DAED;
const BOLT_OFFSET: usize = 16;
const BOLT_PAGES: std::ops::RangeInclusive<u32> = 9..=16;

/// Why a database could not be opened, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened.
    #[error("the database {path} could not be opened: {problem}; check data_provider.name and the permissions of the directory", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The error.
        problem: String,
    },
    /// A file of the older server's driver `bolt`.
    #[error("{path} is a bolt database of another server, and is not changed; move its accounts from a dump with \"tidegate migrate --from DUMP\", and name a new file with data_provider.name", path = path.display())]
    Bolt {
        /// The file.
        path: PathBuf,
    },
    /// A file that this server has not made.
    #[error("{path} is not a database of this server's driver \"bolt\", and is not changed; choose another file with data_provider.name, or move accounts from another database with \"tidegate migrate --from PATH\"", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file that this server has made, but that is not whole.
    #[error("the database {path} is damaged: {problem}; restore a backup", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process has the file open.
    #[error("the database {path} is in use by another process, and only one may have it open; stop that process, or wait for its end and try again", path = path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("the database {path} cannot be written; give this user write permission to the file and its directory", path = path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// A newer program has made the file.
    #[error("the database {path} is of version {found}, made by a newer release; this one knows up to {known}: install that release, or restore a backup", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The disk is full.
    #[error("there is no space left for the database {path}; free some", path = path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
}

impl OpenError {
    pub(super) fn of(error: &Error, path: &Path) -> Self {
        let path = path.to_owned();
        match Cause::of(error) {
            Cause::InUse => Self::Busy { path },
            Cause::Full => Self::Full { path },
            Cause::ReadOnly => Self::ReadOnly { path },
            Cause::Foreign => Self::Foreign { path },
            Cause::Damaged => Self::Damaged { path, problem: error.to_string() },
            Cause::Other => Self::Unusable { path, problem: error.to_string() },
        }
    }

    fn of_io(error: std::io::Error, path: &Path) -> Self {
        Self::of(&Error::Io(error), path)
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        match error {
            OpenError::Busy { .. } => Self::Busy(text),
            OpenError::ReadOnly { .. } => Self::ReadOnly(text),
            OpenError::Full { .. } => Self::Full(text),
            OpenError::Unusable { .. }
            | OpenError::Bolt { .. }
            | OpenError::Foreign { .. }
            | OpenError::Damaged { .. }
            | OpenError::Newer { .. } => Self::Failed(text),
        }
    }
}

/// Opens the file, which is made if it is missing.
pub fn open(path: &Path) -> Result<Database, OpenError> {
    if !path.exists() {
        make(path)?;
    }
    recognise(path)?;
    open_with(path, |builder| builder.create(path))
}

/// Opens the database that `open` gives, checks the whole of it, and brings it up to date.
pub fn open_with(
    path: &Path,
    open: impl FnOnce(&Builder) -> Result<Database, redb::DatabaseError>,
) -> Result<Database, OpenError> {
    let mut builder = Builder::new();
    // Without the check, the library trusts what it reads of a damaged file.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = open(&builder).map_err(|error| OpenError::of(&error.into(), path))?;
        bring_up_to_date(&database, path)?;
        Ok(database)
    }));
    opened.unwrap_or_else(|_| {
        Err(OpenError::Damaged { path: path.to_owned(), problem: "its pages contradict each other".to_owned() })
    })
}

/// Makes a whole file and only then gives it its name: a process that dies leaves no half of one.
fn make(path: &Path) -> Result<(), OpenError> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}-{}.new", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed)));
    let beside = PathBuf::from(beside);
    // An earlier process with this number may have left it.
    let _ = std::fs::remove_file(&beside);
    let made = fill(&beside, path);
    let named = made.and_then(|()| name(&beside, path).map_err(|error| OpenError::of_io(error, path)));
    // If it was renamed, it is gone.
    let _ = std::fs::remove_file(&beside);
    named
}

fn fill(beside: &Path, path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(beside).map_err(|error| OpenError::of_io(error, path))?;
    let database = open_with(path, |builder| builder.create(beside))?;
    database.close().map_err(|error| OpenError::of(&error.into(), path))
}

fn name(beside: &Path, path: &Path) -> Result<(), std::io::Error> {
    match std::fs::hard_link(beside, path) {
        Ok(()) => {}
        // Another process was first, and its file is as good.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        // File systems without links.
        Err(_) => std::fs::rename(beside, path)?,
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Refuses a file of another kind; an empty file is no file of another kind.
fn recognise(path: &Path) -> Result<(), OpenError> {
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 17).read_to_end(&mut begin));
    read.map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => OpenError::ReadOnly { path: path.to_owned() },
        _ => OpenError::Unusable { path: path.to_owned(), problem: error.to_string() },
    })?;
    if begin.is_empty() || begin.starts_with(&MAGIC) {
        return Ok(());
    }
    let path = path.to_owned();
    Err(if is_bolt(&begin) { OpenError::Bolt { path } } else { OpenError::Foreign { path } })
}

fn is_bolt(begin: &[u8]) -> bool {
    // The size of a page is not known if the first one is damaged.
    let pages = std::iter::once(0).chain(BOLT_PAGES.map(|power| 1_usize << power));
    pages.filter_map(|page| begin.get(page..)?.get(BOLT_OFFSET..)?.first_chunk()).any(|magic| {
        // In the order of bytes of the machine that wrote it.
        u32::from_le_bytes(*magic) == BOLT_MAGIC || u32::from_be_bytes(*magic) == BOLT_MAGIC
    })
}

fn bring_up_to_date(database: &Database, path: &Path) -> Result<(), OpenError> {
    let failed = |failure: Failure| match failure {
        Failure::Database(Error::TableTypeMismatch { .. } | Error::TableIsMultimap(_)) => {
            OpenError::Foreign { path: path.to_owned() }
        }
        Failure::Database(error) => OpenError::of(&error, path),
        Failure::Refused(error) => OpenError::Unusable { path: path.to_owned(), problem: error.to_string() },
    };
    let (found, is_empty) = version(database).map_err(failed)?;
    match found {
        Some(KNOWN_VERSION) => Ok(()),
        Some(found) if found > KNOWN_VERSION => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: KNOWN_VERSION })
        }
        None if is_empty => set_version(database, |_| Ok(())).map_err(failed),
        Some(WITHOUT_KEYS) => set_version(database, account_lists::fill).map_err(failed),
        // There is no other version; another program's file has tables of its own.
        Some(_) | None => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

/// The version, and whether there are no tables at all.
fn version(database: &Database) -> Result<(Option<i64>, bool), Failure> {
    let transaction = database.begin_read()?;
    let is_empty = transaction.list_tables()?.next().is_none() && transaction.list_multimap_tables()?.next().is_none();
    let table = opened(&transaction, VERSION)?;
    let found = table.map(|table| table.get(VERSION_KEY)).transpose()?.flatten();
    Ok((found.map(|found| found.value()), is_empty))
}

/// Sets the version in the transaction in which the file is brought to it.
fn set_version(
    database: &Database,
    bring: impl FnOnce(&WriteTransaction) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let transaction = database.begin_write()?;
    bring(&transaction)?;
    transaction.open_table(VERSION)?.insert(VERSION_KEY, KNOWN_VERSION)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
pub fn make_newer(database: &Database) {
    let transaction = database.begin_write().unwrap();
    transaction.open_table(VERSION).unwrap().insert(VERSION_KEY, KNOWN_VERSION + 1).unwrap();
    transaction.commit().unwrap();
}

/// Makes the file one of the first format.
#[cfg(test)]
pub fn make_first(path: &Path) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(VERSION).unwrap().insert(VERSION_KEY, WITHOUT_KEYS).unwrap();
    transaction.delete_table(super::tables::ACCOUNT_KEYS).unwrap();
    transaction.commit().unwrap();
}
