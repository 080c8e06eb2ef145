//! Names above a name. Object storage would keep `a.txt/b` beside `a.txt`, which then hides one of the two: nothing is made
//! below a file, as in a directory of a host.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tidegate_core::ports::storage::{StorageError, StorageErrorKind};
use tokio::time::Instant;

use crate::errors::failed;
use crate::key::Key;
use crate::object::Bucket;

/// How long it is remembered that no file has a name. Others use the bucket as well.
const REMEMBERED: Duration = Duration::from_secs(10);
/// The most names that are remembered.
const MOST: usize = 2048;
/// The most names that the store is asked for at once.
const AT_ONCE: usize = 8;

/// Names that no file had a moment ago: those of directories, by the places of the files that they could be. All buckets of a
/// server have them in common, since what one session makes another one must not remember to be missing.
#[derive(Debug, Default)]
pub struct Directories(Mutex<BTreeMap<String, Instant>>);

impl Directories {
    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, place: &str) -> bool {
        self.names().get(place).is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    fn add(&self, place: String) {
        let mut names = self.names();
        if names.len() >= MOST {
            names.clear();
        }
        names.insert(place, Instant::now());
    }

    /// Forgets a name and those below it, because files may have been made there.
    fn forget(&self, place: &str) {
        let mut names = self.names();
        names.remove(place);
        let below = format!("{place}/");
        while let Some((name, _)) = names.range(below.clone()..).next()
            && name.starts_with(&below)
        {
            let name = name.clone();
            names.remove(&name);
        }
    }
}

impl Bucket {
    /// Requires that a name may be made: no name above it is that of a file. A name that is there may be written again, where
    /// other programs have made it below a file.
    ///
    /// # Errors
    /// `NotADirectory`, or the store failed.
    pub async fn require_above(&self, key: &Key) -> Result<(), StorageError> {
        let above: Vec<Key> =
            key.above().into_iter().filter(|above| !self.directories.has(&self.place(above))).collect();
        for together in above.chunks(AT_ONCE) {
            match try_join_all(together.iter().map(|above| self.require_no_file(above))).await {
                Ok(_) => {}
                Err(error) if error.kind == StorageErrorKind::NotADirectory => {
                    return if self.find_file(key).await?.is_some() { Ok(()) } else { Err(error) };
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn require_no_file(&self, key: &Key) -> Result<(), StorageError> {
        if self.has_file(key).await? {
            return Err(failed(StorageErrorKind::NotADirectory, "a part of the path is not a directory"));
        }
        self.directories.add(self.place(key));
        Ok(())
    }

    /// A file may have been made.
    pub fn forget_directory(&self, key: &Key) {
        self.directories.forget(&self.place(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_directory_is_known_for_a_while_and_until_a_file_may_have_its_name() {
        // A16-07
        let directories = Directories::default();
        let check = |forgotten: &str, left: &[&str]| {
            let all = ["/a", "/a/b", "/a-", "/b"];
            all.iter().for_each(|name| directories.add((*name).to_owned()));
            directories.forget(forgotten);
            let kept: Vec<_> = all.into_iter().filter(|name| directories.has(name)).collect();
            assert_eq!(kept, left, "{forgotten}");
        };
        check("/a", &["/a-", "/b"]);
        check("/a/b", &["/a", "/a-", "/b"]);
        check("/a/b/c", &["/a", "/a/b", "/a-", "/b"]);
        tokio::time::advance(REMEMBERED).await;
        assert!(!directories.has("/a"));
        for number in 0..3 * MOST {
            directories.add(format!("/{number}"));
            assert!(directories.names().len() <= MOST);
        }
    }
}
