//! Follows the notes of a process that was killed, at the next start.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tidegate_core::ports::storage::TEMPORARY_PREFIX;

use super::trial;

/// How many files of earlier processes were cleaned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// Uploads without a name that were removed.
    pub removed: usize,
    /// Uploads that were cut off and have got their name (A5-11).
    pub kept: usize,
    /// Uploads without a hook's verdict that were taken back (B10-08).
    pub taken_back: usize,
    /// Notes that could not be followed; the next start tries again.
    pub left: usize,
}

impl Cleaned {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// One note, as read from its name.
struct Note {
    kind: String,
    token: String,
    rest: Vec<String>,
    link: PathBuf,
    place: PathBuf,
}

/// `own`: the token of this process, whose notes are left alone.
pub fn clean(directory: &Path, own: &str) -> io::Result<Cleaned> {
    let mut notes = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let link = entry?.path();
        let Ok(place) = std::fs::read_link(&link) else { continue };
        let name = link.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut parts = name.split('.').map(str::to_owned);
        let (kind, token) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let rest = parts.skip(1).collect();
        notes.push(Note { kind, token, rest, link, place });
    }
    // Files that get a name come first, before the hidden names of their directories are removed.
    notes.sort_by_key(|note| note.kind == "directory");
    let mut cleaned = Cleaned::default();
    for note in notes.iter().filter(|note| note.token != own) {
        let outcome = match note.kind.as_str() {
            "directory" => remove_hidden(note).map(|count| cleaned.removed += count),
            "partial" => name_partial(note).map(|kept| cleaned.kept += usize::from(kept)),
            "trial" => take_back(note).map(|done| cleaned.taken_back += usize::from(done)),
            _ => Ok(()),
        };
        match outcome {
            // The file that the note is about may be gone, also with its directory.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => std::fs::remove_file(&note.link)?,
            Err(errno) => {
                cleaned.left += 1;
                let message = format!("what an upload left at {} cannot be cleaned up: {errno}", note.place.display());
                tracing::error!(sender = "storage", message);
            }
        }
    }
    Ok(cleaned)
}

/// The paths in notes have no symbolic links: a link that is there by now leads elsewhere, and is refused.
fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    fs::openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)
}

fn remove_hidden(note: &Note) -> Result<usize, Errno> {
    let directory = open(&note.place, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut removed = 0;
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if is_hidden(name, &note.token) {
            fs::unlinkat(&directory, name, AtFlags::empty())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_hidden(name: &[u8], token: &str) -> bool {
    let rest = name.strip_prefix(TEMPORARY_PREFIX).and_then(|rest| rest.strip_prefix(token.as_bytes()));
    !token.is_empty() && rest.is_some_and(|rest| rest.first() == Some(&b'.'))
}

/// Returns `true` if the file has its name now.
fn name_partial(note: &Note) -> Result<bool, Errno> {
    let name = note.place.file_name().unwrap_or_default();
    let hidden_place = note.place.parent().unwrap_or(Path::new("/"));
    let hidden = hidden_place.file_name().map(OsStr::as_bytes).unwrap_or_default();
    if !is_hidden(hidden, &note.token) {
        return Ok(false);
    }
    let directory = hidden_place.parent().unwrap_or(Path::new("/"));
    let directory = open(directory, OFlags::PATH | OFlags::DIRECTORY)?;
    match fs::renameat(&directory, hidden, &directory, name) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        // By now, something that cannot be replaced has the name.
        Err(_) => fs::unlinkat(&directory, hidden, AtFlags::empty()).map(|()| false),
    }
}

/// Returns `true` if something was taken back.
fn take_back(note: &Note) -> Result<bool, Errno> {
    let [inode, keep] = note.rest.as_slice() else { return Ok(false) };
    let keep = match keep.as_str() {
        "all" => None,
        keep => Some(keep.parse().map_err(|_| Errno::INVAL)?),
    };
    let file = open(&note.place, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK)?;
    if Ok(fs::fstat(&file)?.st_ino) != inode.parse() {
        // Another file has the name.
        return Ok(false);
    }
    trial::take_back(&file, keep, |_| true)
}
