//! The log's file. It is rotated by size; old files are kept by number and age, and compressed if
//! configured (A2-05 to A2-08). The names of old files hold the time: `tidegate-TIME.log.gz`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Zoned;

use crate::shutdown::UserSignal;
use crate::whole_lines::{Lost, WholeLines};

/// How much is written after a failed rotation before the next try, in bytes.
const RETRY_AFTER: u64 = 1 << 20;

#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// Largest size of the file, in bytes.
    pub max_size: u64,
    /// How many old files are kept; 0: all.
    pub max_backups: usize,
    /// How long old files are kept; `None`: for ever.
    pub max_age: Option<Duration>,
    pub compress: bool,
}

pub struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    lines: WholeLines,
    rotation: Rotation,
    /// Time and serial number of the last old file. No name is used twice, so that names sort by age.
    last: (String, u32),
}

impl LogFile {
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let file = open(path)?;
        let (lines, last) = (WholeLines::default(), (String::new(), 0));
        let mut log = Self { path: path.to_owned(), file, size: 0, lines, rotation, last };
        log.look_at_file()?;
        Ok(log)
    }

    /// Writes one line, in one system call. A rotation that fails loses no line. `notice`: makes the line about those
    /// before it that the file did not take.
    pub fn write(&mut self, line: &[u8], notice: impl FnOnce(&Lost) -> Vec<u8>) {
        let length = line.len() as u64;
        if self.size > 0 && self.size.saturating_add(length) > self.rotation.max_size && self.rotate().is_err() {
            self.size = self.rotation.max_size.saturating_sub(RETRY_AFTER);
        }
        // The server goes on if the log cannot be written.
        let taken = self.lines.write(&mut self.file, line, notice);
        self.size = self.size.saturating_add(taken as u64);
    }

    /// Follows a file that was moved away; SIGUSR1 rotates one that was not. SIGHUP does not: it comes for certificates and
    /// dumps as well, and each rotation takes the place of an older file.
    pub fn reopen(&mut self, signal: UserSignal) -> io::Result<()> {
        let is_same =
            |there: &std::fs::Metadata, ours: std::fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
        match std::fs::metadata(&self.path) {
            Ok(there) if is_same(&there, self.file.metadata()?) => {
                if signal == UserSignal::RotateLog && self.size > 0 {
                    self.rotate()
                } else {
                    Ok(())
                }
            }
            _ => self.begin(),
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        self.look_at_file()
    }

    /// Takes over what the file has already.
    fn look_at_file(&mut self) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        self.size = metadata.len();
        self.lines.go_on_in(metadata.is_file() && ends_within_line(&self.path, metadata.len()));
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let backup = self.free_backup_name();
        std::fs::rename(&self.path, &backup)?;
        if let Err(error) = self.begin() {
            // Lines go on into the old file, under its old name.
            std::fs::rename(&backup, &self.path)?;
            return Err(error);
        }
        let (path, rotation) = (self.path.clone(), self.rotation);
        // If no thread can be started, the next rotation does it.
        let _ = std::thread::Builder::new().spawn(move || tidy(&path, rotation));
        Ok(())
    }

    fn free_backup_name(&mut self) -> PathBuf {
        let (stem, extension) = name_parts(&self.path);
        let time = Zoned::now().strftime("%Y-%m-%dT%H-%M-%S.%3f").to_string();
        let serial = if self.last.0 == time { self.last.1 + 1 } else { 0 };
        self.last = (time.clone(), serial);
        let named = |serial: u32| {
            // Sorts after the name without it.
            let serial = if serial == 0 { String::new() } else { format!("_{serial:04}") };
            self.path.with_file_name(format!("{stem}-{time}{serial}{extension}"))
        };
        let is_free = |path: &PathBuf| !path.exists() && !compressed(path).exists();
        (serial..).map(named).find(is_free).unwrap_or_else(|| named(serial))
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Whether the file ends within a line, such as that of a server that was killed. One that cannot be read does not.
fn ends_within_line(path: &Path, size: u64) -> bool {
    let mut last = [b'\n'];
    let read = size.checked_sub(1).and_then(|at| File::open(path).ok()?.read_at(&mut last, at).ok());
    read == Some(1) && last != *b"\n"
}

/// Splits a name into parts such as `tidegate` and `.log`.
fn name_parts(path: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let extension = text(path.extension());
    (text(path.file_stem()), if extension.is_empty() { extension } else { format!(".{extension}") })
}

fn compressed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

/// Compresses and removes old files, in one thread at a time. What fails is tried again after the next rotation.
fn tidy(path: &Path, rotation: Rotation) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut backups = backups_of(path);
    // The newest first, since the time is in the name.
    backups.sort_by(|a, b| b.cmp(a));
    for (index, backup) in backups.iter().enumerate() {
        let too_many = rotation.max_backups > 0 && index >= rotation.max_backups;
        let age = std::fs::metadata(backup).and_then(|metadata| metadata.modified()).ok();
        let age = age.and_then(|modified| SystemTime::now().duration_since(modified).ok());
        let too_old = rotation.max_age.is_some_and(|max| age.is_some_and(|age| age > max));
        let outcome = if too_many || too_old {
            std::fs::remove_file(backup)
        } else if rotation.compress && backup.extension().is_none_or(|extension| extension != "gz") {
            compress(backup)
        } else {
            Ok(())
        };
        if let Err(error) = outcome {
            tracing::warn!(sender = "log", message = format!("the old log {} stays: {error}", backup.display()));
        }
    }
}

/// Files whose names have the form of old files: the stem, a time, the extension.
fn backups_of(path: &Path) -> Vec<PathBuf> {
    let (stem, extension) = name_parts(path);
    let prefix = format!("{stem}-");
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let plain = name.strip_suffix(".gz").unwrap_or(&name);
            let middle = plain.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_suffix(extension.as_str()));
            middle.is_some_and(is_time)
        })
        .collect()
}

/// Whether a text is a time as [`LogFile::free_backup_name`] writes it, with a serial number or without: other files, such
/// as those of a server that logs to `tidegate-2.log`, are left alone.
fn is_time(text: &str) -> bool {
    let (time, serial) = text.split_once('_').unwrap_or((text, "0"));
    let form: String = time.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
    form == "0000-00-00T00-00-00.000" && !serial.is_empty() && serial.bytes().all(|it| it.is_ascii_digit())
}

/// Writes beside the file and renames, so that a partial file is never taken for a whole one.
fn compress(path: &Path) -> io::Result<()> {
    let beside = path.with_extension("compressing");
    let outcome = compress_into(path, &beside).and_then(|()| std::fs::rename(&beside, compressed(path)));
    if outcome.is_err() {
        // A disk that is full needs the room.
        let _ = std::fs::remove_file(&beside);
    }
    outcome?;
    std::fs::remove_file(path)
}

fn compress_into(path: &Path, beside: &Path) -> io::Result<()> {
    let output = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside)?;
    let mut encoder = GzEncoder::new(output, Compression::default());
    io::copy(&mut File::open(path)?, &mut encoder)?;
    encoder.finish()?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    const ROTATION: Rotation = Rotation { max_size: 1000, max_backups: 3, max_age: None, compress: false };

    /// Writes a line to a file that takes all lines.
    fn put(log: &mut LogFile, line: &[u8]) {
        log.write(line, |lost| panic!("{lost:?}"));
    }

    fn count(directory: &Path) -> usize {
        std::fs::read_dir(directory).unwrap().count()
    }

    /// Writes lines, and checks how many files there are, and that no line but the oldest is missing.
    fn check(rotation: Rotation, lines: usize, expected_files: usize) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tidegate.log");
        let mut log = LogFile::open(&path, rotation).unwrap();
        for number in 0..lines {
            put(&mut log, format!("{number:0>99}\n").as_bytes());
        }
        tidy(&path, rotation);
        assert_eq!(count(directory.path()), expected_files);
        let mut text = String::new();
        for file in backups_of(&path).into_iter().chain([path]) {
            let mut file_text = String::new();
            let file_open = File::open(&file).unwrap();
            let is_compressed = file.extension().is_some_and(|extension| extension == "gz");
            assert_eq!(is_compressed, rotation.compress && !file.ends_with("tidegate.log"), "{}", file.display());
            if is_compressed {
                GzDecoder::new(file_open).read_to_string(&mut file_text).unwrap();
            } else {
                assert!(file_open.metadata().unwrap().len() <= 1000);
                { file_open }.read_to_string(&mut file_text).unwrap();
            }
            text.push_str(&file_text);
        }
        let mut found: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
        found.sort_unstable();
        let first = found[0];
        assert_eq!(found, (first..lines).collect::<Vec<_>>());
    }

    #[test]
    fn files_turn_over_without_losing_a_line() {
        // A2-05, A2-08
        check(ROTATION, 5, 1);
        check(ROTATION, 35, 4);
        check(ROTATION, 95, 4);
        check(Rotation { max_backups: 0, ..ROTATION }, 95, 10);
        check(Rotation { compress: true, ..ROTATION }, 35, 4);
    }

    #[test]
    fn only_own_old_files_are_found() {
        // A2-06
        let directory = tempfile::tempdir().unwrap();
        let check = |name: &str, expected: bool| {
            let file = directory.path().join(name);
            std::fs::write(&file, "").unwrap();
            let found = backups_of(&directory.path().join("tidegate.log"));
            assert_eq!(found.contains(&file), expected, "{name}");
        };
        for end in ["", ".gz"] {
            check(&format!("tidegate-2026-01-31T12-30-00.123.log{end}"), true);
            check(&format!("tidegate-2026-01-31T12-30-00.123_0001.log{end}"), true);
            check(&format!("tidegate-2026-01-31T12-30-00.123_.log{end}"), false);
            check(&format!("tidegate-2026-01-31T12-30-00.123_x.log{end}"), false);
            check(&format!("tidegate-2-2026-01-31T12-30-00.123.log{end}"), false);
            check(&format!("tidegate-2026-Test.log{end}"), false);
            check(&format!("other-2026-01-31T12-30-00.123.log{end}"), false);
        }
        check("tidegate.log", false);
        check("tidegate-2026-01-31T12-30-00.123.compressing", false);
        assert_eq!(backups_of(&directory.path().join("tidegate-2.log")).len(), 2);
    }

    #[test]
    fn old_files_are_removed() {
        // A2-06, A2-07
        let rotation = Rotation { max_age: Some(Duration::ZERO), ..ROTATION };
        check(rotation, 35, 1);
    }

    #[test]
    fn a_file_that_was_moved_away_is_followed() {
        // A21-09
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tidegate.log");
        let mut log = LogFile::open(&path, ROTATION).unwrap();
        put(&mut log, b"one\n");
        std::fs::rename(&path, directory.path().join("elsewhere")).unwrap();
        put(&mut log, b"two\n");
        log.reopen(UserSignal::Reload).unwrap();
        put(&mut log, b"three\n");
        assert_eq!(std::fs::read_to_string(directory.path().join("elsewhere")).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        // The file was not moved.
        log.reopen(UserSignal::Reload).unwrap();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), backups_of(&path).len()), ("three\n", 0));
        log.reopen(UserSignal::RotateLog).unwrap();
        put(&mut log, b"four\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
        assert_eq!(backups_of(&path).len(), 1);
    }

    #[test]
    fn a_directory_that_cannot_be_written_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tidegate.log");
        let mut log = LogFile::open(&path, ROTATION).unwrap();
        put(&mut log, &[b'x'; 999]);
        // The file's name is gone, so it cannot be renamed.
        std::fs::remove_file(&path).unwrap();
        put(&mut log, b"after\n");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_ends_within_a_line_is_gone_on_with_on_the_next() {
        // A21-10
        let check = |content: &str, expected: &str| {
            let directory = tempfile::tempdir().unwrap();
            let (path, other) = (directory.path().join("tidegate.log"), directory.path().join("other"));
            std::fs::write(&path, content).unwrap();
            let mut log = LogFile::open(&path, ROTATION).unwrap();
            put(&mut log, b"<a>\n");
            put(&mut log, b"<b>\n");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{expected}<a>\n<b>\n"));
            assert_eq!(log.size, path.metadata().unwrap().len());
            // The same where it is opened anew.
            std::fs::rename(&path, &other).unwrap();
            std::fs::write(&path, content).unwrap();
            log.reopen(UserSignal::Reload).unwrap();
            put(&mut log, b"<c>\n");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{expected}<c>\n"));
        };
        check("", "");
        check("<x>\n", "<x>\n");
        check("<x", "<x\n");
        check("\n", "\n");
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted() {
        // A21-10
        let mut log = LogFile::open(Path::new("/dev/full"), ROTATION).unwrap();
        put(&mut log, b"one\n");
        for lines in 1..=3 {
            log.write(b"more\n", |lost| {
                assert_eq!(lost.lines, lines);
                b"lost\n".to_vec()
            });
        }
        assert_eq!(log.size, 0);
    }

    #[test]
    fn a_file_that_cannot_be_compressed_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("tidegate-2.log"), directory.path().join("tidegate-2.log.gz"));
        std::fs::write(&path, "line\n").unwrap();
        std::fs::create_dir_all(target.join("in the way")).unwrap();
        assert!(compress(&path).is_err());
        assert_eq!(count(directory.path()), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line\n");
    }
}
