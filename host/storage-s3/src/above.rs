//! Names above a name. Object storage would keep `a.txt/b` beside `a.txt`, which then hides one of the two: nothing is made
//! below a file, as in a directory of a host.

use std::collections::HashMap;
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

/// Names that no file had a moment ago: those of directories, by the keys of the files that they could be.
#[derive(Debug, Default)]
pub struct Directories(Mutex<HashMap<String, Instant>>);

impl Directories {
    fn names(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, key: &Key) -> bool {
        self.names().get(key.file()).is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    fn add(&self, key: &Key) {
        let mut names = self.names();
        if names.len() >= MOST {
            names.clear();
        }
        names.insert(key.file().to_owned(), Instant::now());
    }

    /// Forgets a name and those below it, because files may have been made there.
    pub fn forget(&self, key: &Key) {
        let below = key.directory();
        self.names().retain(|name, _| name != key.file() && !name.starts_with(&below));
    }
}

impl Bucket {
    /// Requires that a name may be made: no name above it is that of a file. A name that is there may be written again, where
    /// other programs have made it below a file.
    ///
    /// # Errors
    /// `NotADirectory`, or the store failed.
    pub async fn require_above(&self, key: &Key) -> Result<(), StorageError> {
        let above: Vec<Key> = key.above().into_iter().filter(|above| !self.directories.has(above)).collect();
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
        self.directories.add(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::path::VirtualPath;

    use super::*;
    use crate::key::KeyPrefix;

    fn key(path: &str) -> Key {
        let path = VirtualPath::resolve(&VirtualPath::root(), path.as_bytes()).unwrap();
        KeyPrefix::new("home").unwrap().key(&path).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_is_known_for_a_while_and_until_a_file_may_have_its_name() {
        let directories = Directories::default();
        let check = |forgotten: &str, left: &[&str]| {
            let all = ["/a", "/a/b", "/a-", "/b"];
            all.iter().for_each(|name| directories.add(&key(name)));
            directories.forget(&key(forgotten));
            let kept: Vec<_> = all.into_iter().filter(|name| directories.has(&key(name))).collect();
            assert_eq!(kept, left, "{forgotten}");
        };
        check("/a", &["/a-", "/b"]);
        check("/a/b", &["/a", "/a-", "/b"]);
        check("/a/b/c", &["/a", "/a/b", "/a-", "/b"]);
        tokio::time::advance(REMEMBERED).await;
        assert!(!directories.has(&key("/a")));
        for number in 0..3 * MOST {
            directories.add(&key(&format!("/{number}")));
            assert!(directories.names().len() <= MOST);
        }
    }
}
