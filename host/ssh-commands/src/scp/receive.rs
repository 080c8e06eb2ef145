//! `scp -t`: files from the client.

use tidegate_core::files::{FileError, OpenFile, Protocol};
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileKind, OpenOptions, SetAttributes};

use crate::exec::expand;

use super::{Ended, FATAL, MAX_LINE, OK, Scp, WARNING};

const PORTION: usize = 256 << 10;
/// Directories within directories; no path is longer.
const MAX_DEPTH: usize = 2048;

/// A `C` or `D` line: mode, size and name.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    mode: u32,
    size: u64,
    name: Vec<u8>,
}

/// Access and modification time of the entry that follows, from a `T` line.
type Times = (i64, i64);

struct OpenDirectory {
    path: VirtualPath,
    mode: u32,
    times: Option<Times>,
}

impl Scp {
    pub(super) async fn receive(&mut self) -> Result<(), Ended> {
        let raw = self.request.paths.first().cloned().unwrap_or_default();
        let target = match expand::expand(&self.files, &raw).await.as_deref() {
            Ok([target]) => target.clone(),
            Ok(_) => return Err(self.protest("ambiguous target").await),
            Err(error) => return self.report(&VirtualPath::root(), &FileError::from(*error)).await,
        };
        let is_directory = self.is_directory(&target).await;
        let must_be = self.request.into_directory || raw.text.ends_with(b"/");
        if must_be && !is_directory {
            let text = format!("scp: {}: Not a directory", target.display());
            self.tell(FATAL, &text).await?;
            return Err(Ended::ByError);
        }
        self.acknowledge().await?;
        let mut directories: Vec<OpenDirectory> = Vec::new();
        let mut times = None;
        loop {
            let line = match self.input.line(MAX_LINE).await {
                None => return Ok(()),
                Some(Err(_)) => return Err(self.protest("the line is too long").await),
                Some(Ok(line)) => line,
            };
            let (kind, rest) = match line.split_first() {
                Some((kind, rest)) => (*kind, rest),
                None => return Err(self.protest("an empty line").await),
            };
            match kind {
                WARNING => self.problems += 1,
                FATAL => return Err(Ended::ByError),
                b'T' => match parse_times(rest) {
                    Some(parsed) => {
                        times = Some(parsed);
                        self.acknowledge().await?;
                    }
                    None => return Err(self.protest("the times are not understood").await),
                },
                b'E' => match directories.pop() {
                    Some(directory) => self.leave(directory).await?,
                    None => return Err(self.protest("there is no directory to leave").await),
                },
                b'C' | b'D' => {
                    let Some(entry) = parse_entry(rest) else {
                        return Err(self.protest("the entry is not understood").await);
                    };
                    let place = match directories.last() {
                        Some(directory) => self.place_in(&directory.path, &entry).await?,
                        None if is_directory => self.place_in(&target, &entry).await?,
                        None => target.clone(),
                    };
                    let times = times.take();
                    if kind == b'C' {
                        self.receive_file(&place, &entry, times).await?;
                    } else if !self.request.recursive {
                        return Err(self.protest("a directory without -r").await);
                    } else if directories.len() >= MAX_DEPTH {
                        return Err(self.protest("too many directories in each other").await);
                    } else if self.enter(&place, &entry).await? {
                        directories.push(OpenDirectory { path: place, mode: entry.mode, times });
                    }
                }
                _ => return Err(self.protest("the line is not understood").await),
            }
        }
    }

    async fn is_directory(&self, path: &VirtualPath) -> bool {
        path.is_root()
            || self.files.metadata_for_transfer(path).await.is_ok_and(|metadata| metadata.kind == FileKind::Directory)
    }

    async fn place_in(&mut self, directory: &VirtualPath, entry: &Entry) -> Result<VirtualPath, Ended> {
        match VirtualPath::resolve(directory, &entry.name) {
            Ok(place) => Ok(place),
            Err(error) => Err(self.protest(&error.to_string()).await),
        }
    }

    /// `false` if the directory cannot be made: the client was told, and skips it.
    async fn enter(&mut self, path: &VirtualPath, entry: &Entry) -> Result<bool, Ended> {
        let made = match self.files.metadata_for_transfer(path).await {
            Ok(metadata) if metadata.kind == FileKind::Directory => Ok(()),
            Ok(_) => Err(FileError::Failed("Not a directory".into())),
            Err(_) => self.files.create_directory(path, Some(entry.mode | 0o700), Protocol::Scp).await,
        };
        match made {
            Ok(()) => {
                self.acknowledge().await?;
                Ok(true)
            }
            Err(error) => {
                self.report(path, &error).await?;
                Ok(false)
            }
        }
    }

    async fn leave(&mut self, directory: OpenDirectory) -> Result<(), Ended> {
        let OpenDirectory { path, mode, times } = directory;
        if self.request.preserve {
            let attributes = SetAttributes { mode: Some(mode), times, ..SetAttributes::default() };
            if let Err(error) = self.files.set_attributes(&path, &attributes, true, Protocol::Scp).await {
                return self.report(&path, &error).await;
            }
        }
        self.acknowledge().await
    }

    async fn receive_file(&mut self, path: &VirtualPath, entry: &Entry, times: Option<Times>) -> Result<(), Ended> {
        let options =
            OpenOptions { write: true, create: true, truncate: true, mode: Some(entry.mode), ..OpenOptions::default() };
        let mut file = match self.files.open_write(path, options, Protocol::Scp).await {
            Ok(file) => file,
            // A client that gets the error now does not send the data.
            Err(error) => return self.report(path, &error).await,
        };
        file.expects(entry.size);
        self.acknowledge().await?;
        let written = self.receive_data(&mut file, entry.size).await?;
        let preserved = self.request.preserve.then_some((entry.mode, times));
        let arrived = Arrived::new(Upload { file, path: path.clone(), preserved }, written.is_ok());
        let outcome = match (written, self.source_status().await) {
            (Ok(()), Ok(Ok(()))) => arrived.complete().await,
            (_, Err(ended)) => {
                arrived.give_up();
                return Err(ended);
            }
            (Err(error), _) | (Ok(()), Ok(Err(error))) => arrived.fail(error).await,
        };
        match outcome {
            Ok(()) => self.acknowledge().await,
            Err(error) => self.report(path, &error).await,
        }
    }

    /// Reads all of the data even if writing fails, because the answer comes after the data.
    async fn receive_data(&mut self, file: &mut OpenFile, size: u64) -> Result<Result<(), FileError>, Ended> {
        let mut outcome = Ok(());
        let mut offset = 0;
        while offset < size {
            let wanted = usize::try_from(size - offset).unwrap_or(PORTION).min(PORTION);
            let Some(data) = self.input.some(wanted).await else {
                return Err(Ended::Gone);
            };
            let count = data.len() as u64;
            if outcome.is_ok() {
                outcome = file.write_at(offset, data).await;
                file.wait_until_due().await;
            }
            offset += count;
        }
        Ok(outcome)
    }

    /// Whether the client could read all of its file. Some clients end their input instead of
    /// saying so, once everything has arrived (A6-07).
    async fn source_status(&mut self) -> Result<Result<(), FileError>, Ended> {
        match self.input.byte().await {
            Some(OK) => Ok(Ok(())),
            Some(WARNING | FATAL) => {
                self.read_message().await?;
                Ok(Err(FileError::Failed("the client could not read the file".into())))
            }
            Some(_) => Err(self.protest("the data is longer than was said").await),
            None => Ok(Ok(())),
        }
    }
}

/// A file that is written, to be closed.
struct Upload {
    file: OpenFile,
    path: VirtualPath,
    /// Mode and times that the client wants the file to have.
    preserved: Option<(u32, Option<Times>)>,
}

impl Upload {
    async fn complete(self) -> Result<(), FileError> {
        let Self { mut file, path, preserved } = self;
        let Some((mode, times)) = preserved else {
            return file.close().await;
        };
        // Set through the open file, so that the file has them when it appears. Without the
        // permission to set them the file is stored without them, as with any other client.
        let modes = SetAttributes { mode: Some(mode), ..SetAttributes::default() };
        let by_mode = file.set_attributes(&modes).await;
        let times = SetAttributes { times, ..SetAttributes::default() };
        let by_times = file.set_attributes(&times).await;
        file.close().await?;
        by_mode.and(by_times).map_err(|error| {
            FileError::Failed(format!("mode or times of \"{}\" were not set: {error}", path.display()))
        })
    }
}

/// An upload whose bytes have all arrived. It is completed even if the client leaves now (A6-07).
struct Arrived {
    upload: Option<Upload>,
    is_whole: bool,
}

impl Arrived {
    fn new(upload: Upload, is_whole: bool) -> Self {
        Self { upload: Some(upload), is_whole }
    }

    async fn complete(mut self) -> Result<(), FileError> {
        match self.upload.take() {
            Some(upload) => upload.complete().await,
            None => Ok(()),
        }
    }

    async fn fail(mut self, error: FileError) -> Result<(), FileError> {
        let Some(Upload { mut file, .. }) = self.upload.take() else {
            return Err(error);
        };
        file.fail(&error.to_string());
        // The reason is known already: closing only abandons the upload.
        Err(file.close().await.err().filter(is_quota).unwrap_or(error))
    }

    /// The upload counts as broken off.
    fn give_up(mut self) {
        self.upload = None;
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take().filter(|_| self.is_whole) else { return };
        // Without a runtime the server is stopping.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let path = upload.path.clone();
                if let Err(error) = upload.complete().await {
                    let message = format!("the upload of \"{}\" could not be completed: {error}", path.display());
                    tracing::warn!(sender = "scp", message);
                }
            });
        }
    }
}

fn is_quota(error: &FileError) -> bool {
    matches!(error, FileError::QuotaExceeded(_))
}

/// A line of the form `0644 1234 name`.
fn parse_entry(line: &[u8]) -> Option<Entry> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (mode, size, name) = (text(parts.next()?)?, text(parts.next()?)?, parts.next()?);
    let only_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if mode.len() != 4 || !only_digits(mode) || !only_digits(size) {
        return None;
    }
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
        return None;
    }
    let mode = u32::from_str_radix(mode, 8).ok()?;
    // No file can be larger.
    let size = size.parse().ok().filter(|size| *size <= i64::MAX as u64)?;
    Some(Entry { mode, size, name: name.to_vec() })
}

/// Whether a line, without its line feed, announces a file, a directory, or the times of either.
pub fn is_announcement(line: &[u8]) -> bool {
    match line.split_first() {
        Some((b'T', rest)) => parse_times(rest).is_some(),
        Some((b'C' | b'D', rest)) => parse_entry(rest).is_some(),
        Some(_) | None => false,
    }
}

/// A line of the form `MTIME 0 ATIME 0`, in seconds and microseconds.
fn parse_times(line: &[u8]) -> Option<Times> {
    // Times before 1970 and after 2106 are sent as well; SFTP itself could not say them.
    let mut numbers = text(line)?.split(' ').map(str::parse::<i64>);
    let (modified, _, accessed, _) =
        (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    numbers.next().is_none().then_some((accessed, modified))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_strictly() {
        let check = |line: &str, expected: Option<(u32, u64, &str)>| {
            let found = parse_entry(line.as_bytes());
            let expected = expected.map(|(mode, size, name)| Entry { mode, size, name: name.as_bytes().to_vec() });
            assert_eq!(found, expected, "{line}");
        };
        check("0644 12 a", Some((0o644, 12, "a")));
        check("4755 0 a b ", Some((0o4755, 0, "a b ")));
        for wrong in [
            "",
            "0644 12",
            "0644 12 ",
            "644 12 a",
            "0888 12 a",
            "0644 -1 a",
            "0644 +1 a",
            "0644 99999999999999999999 a",
            "0644 9223372036854775808 a",
            "0644 1 ..",
            "0644 1 .",
            "0644 1 ../a",
            "0644 1 a/b",
            "0644 1 a\0b",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn times_are_four_numbers() {
        assert_eq!(parse_times(b"5 0 7 0"), Some((7, 5)));
        assert_eq!(parse_times(b"7258118400 0 -5 0"), Some((-5, 7_258_118_400)));
        for wrong in ["", "5", "5 0 7", "5 0 7 0 1", "a 0 7 0"] {
            assert_eq!(parse_times(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
