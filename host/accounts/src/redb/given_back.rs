//! What a change that did not fit on the disk has taken of it. The library makes the file longer before it writes, leaves
//! it so after an error, and takes its length for that of the database when it opens it again: a disk that was full would
//! stay full.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::open::MAGIC;

/// The header, up to the size of the database: numbers of four bytes, the lowest first, behind the magic and three bytes
/// more.
const HEADER_LENGTH: usize = 32;
const PAGE_SIZE: usize = 12;
const REGION_HEADER_PAGES: usize = 16;
const REGION_PAGES: usize = 20;
const FULL_REGIONS: usize = 24;
const TRAILING_PAGES: usize = 28;

/// Cuts the file, which this process has closed after it failed to make it longer, to the length that the last change
/// has left. The answer: whether it was longer. Not for a file as a power cut leaves it, whose header may be half of one.
pub fn give_back(path: &Path) -> Result<bool> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    // Another process may have opened it since, and what is behind the end is its own.
    if file.try_lock().is_err() {
        return Ok(false);
    }
    let mut header = [0; HEADER_LENGTH];
    file.read_exact_at(&mut header, 0)?;
    match stored_length(&header) {
        Some(length) if length < file.metadata()?.len() => {
            file.set_len(length)?;
            file.sync_all()?;
            Ok(true)
        }
        Some(_) | None => Ok(false),
    }
}

/// The length of a file with this header: a page, and regions that begin with pages of their own.
fn stored_length(header: &[u8]) -> Option<u64> {
    let number = |at: usize| Some(u64::from(u32::from_le_bytes(*header.get(at..)?.first_chunk()?)));
    let (page, region_header) = (number(PAGE_SIZE)?, number(REGION_HEADER_PAGES)?);
    let (full_regions, trailing_pages) = (number(FULL_REGIONS)?, number(TRAILING_PAGES)?);
    if !header.starts_with(&MAGIC) || page == 0 || full_regions + trailing_pages == 0 {
        return None;
    }
    let full = (region_header + number(REGION_PAGES)?).checked_mul(full_regions)?;
    let trailing = if trailing_pages > 0 { region_header + trailing_pages } else { 0 };
    full.checked_add(trailing)?.checked_add(1)?.checked_mul(page)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tidegate_core::ports::{Directory, USERS};

    use super::super::RedbDatabase;
    use super::*;
    use crate::conformance::add;

    fn length(path: &Path) -> u64 {
        path.metadata().unwrap().len()
    }

    #[tokio::test]
    async fn a_file_gets_the_length_that_its_header_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tidegate.db");
        assert!(!give_back(&path).unwrap());
        for count in [1, 100] {
            let database = RedbDatabase::open(&path).unwrap();
            for number in 0..count {
                add(&database, &format!("user{count}-{number}")).await;
            }
            // Not while it is open.
            assert!(!give_back(&path).unwrap());
            drop(database);
            let whole = length(&path);
            assert!(!give_back(&path).unwrap() && length(&path) == whole);
            let file = File::options().write(true).open(&path).unwrap();
            file.write_all_at(&[7; 100_000], whole + 4_000_000).unwrap();
            drop(file);
            assert!(give_back(&path).unwrap() && length(&path) == whole);
            let database = RedbDatabase::open(&path).unwrap();
            assert!(database.find(&USERS, &format!("user{count}-0")).await.unwrap().is_some());
        }
    }

    #[test]
    fn only_a_header_says_a_length() {
        let header = |numbers: [u32; 5]| {
            let mut header = MAGIC.to_vec();
            header.extend([0; 3]);
            header.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
            header
        };
        for (numbers, expected) in [
            ([4096, 1, 1000, 0, 9], Some(4096 * 11)),
            ([4096, 0, 1000, 2, 0], Some(4096 * 2001)),
            ([4096, 1, 1000, 2, 9], Some(4096 * (1 + 2 * 1001 + 10))),
            ([4096, 1, 1000, 0, 0], None),
            ([0, 1, 1000, 0, 9], None),
            ([u32::MAX; 5], None),
        ] {
            assert_eq!(stored_length(&header(numbers)), expected, "{numbers:?}");
        }
        assert_eq!(stored_length(&[0; HEADER_LENGTH]), None);
        assert_eq!(stored_length(&MAGIC), None);
    }
}
