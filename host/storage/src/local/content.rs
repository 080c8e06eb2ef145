//! Copies the content of a file into a new one: by reference where the file system can, and otherwise without its holes.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, SeekFrom};
use rustix::io::{self, Errno};

/// Bytes that are copied at once. Between them the copy ends if it is waited for no longer.
const PORTION: u64 = 64 << 20;
/// Bytes of a read where the system cannot copy by itself.
const BUFFER: usize = 1 << 20;

/// Copies all of `old` into `new`, which is empty and not open for appending.
///
/// # Errors
/// Those of reading and writing, such as a full disk.
pub async fn copy(old: File, new: Arc<OwnedFd>) -> Result<(), Errno> {
    let size = fs::fstat(&old)?.st_size.unsigned_abs();
    let old = Arc::new(old);
    let (from, to) = (old.clone(), new.clone());
    if on_a_thread(move || fs::ioctl_ficlone(&*to, &*from)).await.is_ok() {
        return Ok(());
    }
    let mut at = 0;
    while at < size {
        let (from, to) = (old.clone(), new.clone());
        at = on_a_thread(move || copy_next(&from, &to, at, size)).await?;
    }
    // A hole at the end.
    fs::ftruncate(&*new, size)
}

/// A file system may take long.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Errno> + Send + 'static) -> Result<T, Errno> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Errno::CANCELED))
}

/// Copies the next data behind `at`. Returns where to go on.
fn copy_next(old: &File, new: &OwnedFd, at: u64, size: u64) -> Result<u64, Errno> {
    let begin = match fs::seek(old, SeekFrom::Data(at)) {
        Ok(begin) => begin,
        // There is no more data.
        Err(Errno::NXIO) => return Ok(size),
        // The file system knows no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
        Err(errno) => return Err(errno),
    };
    let hole = fs::seek(old, SeekFrom::Hole(begin)).unwrap_or(size);
    let end = hole.min(begin.saturating_add(PORTION)).min(size);
    if begin < end {
        copy_between(old, new, begin, end)?;
    }
    // One that was cut meanwhile has its last data before `begin`.
    Ok(if begin < end { end } else { size })
}

fn copy_between(old: &File, new: &OwnedFd, begin: u64, end: u64) -> Result<(), Errno> {
    let (mut from, mut to) = (begin, begin);
    while from < end {
        let length = usize::try_from(end - from).unwrap_or(usize::MAX);
        match fs::copy_file_range(old, Some(&mut from), new, Some(&mut to), length) {
            // Some file systems copy nothing, and do not say that they cannot. Of a file that was cut meanwhile nothing is read.
            Ok(0) | Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                return copy_through_memory(old, new, from, end);
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn copy_through_memory(old: impl AsFd, new: impl AsFd, begin: u64, end: u64) -> Result<(), Errno> {
    let mut buffer = vec![0; BUFFER];
    let mut at = begin;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
        let read = match io::pread(&old, buffer.get_mut(..wanted).unwrap_or_default(), at) {
            Err(Errno::INTR) => continue,
            outcome => outcome?,
        };
        let mut rest = buffer.get(..read).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        while !rest.is_empty() {
            let written = match io::pwrite(&new, rest, at) {
                Err(Errno::INTR) => continue,
                outcome => outcome?,
            };
            rest = rest.get(written..).unwrap_or_default();
            at += written as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    #[tokio::test]
    async fn holes_stay_holes() {
        const HOLE: u64 = 1 << 30;
        let old = file();
        for (at, text) in [(0, "begin"), (HOLE, "middle"), (HOLE + PORTION + 4097, "late")] {
            old.write_all_at(text.as_bytes(), at).unwrap();
        }
        let size = 4 * HOLE + 1;
        old.set_len(size).unwrap();
        let new: Arc<OwnedFd> = Arc::new(file().into());
        copy(old, new.clone()).await.unwrap();
        let new = File::from(new.try_clone().unwrap());
        let metadata = new.metadata().unwrap();
        assert_eq!(metadata.len(), size);
        assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
        for (at, text) in [(0, "begin\0"), (HOLE, "middle\0"), (HOLE + PORTION + 4097, "late\0"), (size - 2, "\0\0")] {
            let mut found = vec![1; text.len()];
            new.read_exact_at(&mut found, at).unwrap();
            assert_eq!(found, text.as_bytes(), "{at}");
        }
    }

    #[test]
    fn a_copy_through_memory_has_the_same_bytes() {
        let (old, new) = (file(), file());
        let content: Vec<u8> = (0..BUFFER * 2 + 7).map(|at| at.to_le_bytes()[0]).collect();
        old.write_all_at(&content, 3).unwrap();
        let end = 3 + content.len() as u64;
        copy_through_memory(&old, &new, 3, end).unwrap();
        let mut found = vec![0; content.len()];
        new.read_exact_at(&mut found, 3).unwrap();
        assert!(found == content && new.metadata().unwrap().len() == end);
        // What was cut meanwhile ends the copy.
        copy_through_memory(&old, &new, end, end + 10).unwrap();
        assert_eq!(new.metadata().unwrap().len(), end);
    }
}
