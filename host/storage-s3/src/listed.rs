//! One listing instead of two requests, where many names are looked for that nothing has: it shows neither object nor
//! directory. Of an object it does not show the time that was kept, so names that are there are asked for as before.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt;
use opendal::Operator;
use opendal::options::ListOptions;
use tokio::time::Instant;

use crate::key::Key;
use crate::object::Bucket;

/// After as many lookups in a row that found nothing, the next one is expected to find nothing.
const IN_A_ROW: u32 = 2;
/// The most names of a listing that begin with the one that is looked for.
const NAMES: usize = 100;
/// The longest time of a listing that saves time.
const QUICK: Duration = Duration::from_millis(500);

/// Whether the last lookups found anything, from which it is guessed how to make the next one.
#[derive(Debug, Default)]
pub struct Expectation {
    missed: AtomicU32,
    /// The store cannot list names that begin with a text, or is slow at it, or too many begin alike.
    is_off: AtomicBool,
}

/// What a listing shows of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    Nothing,
    /// There is an object; perhaps a directory, too.
    File,
    Directory,
}

impl Expectation {
    /// A lookup found something, or did not.
    pub fn found(&self, something: bool) {
        if something {
            self.missed.store(0, Ordering::Relaxed);
        } else {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_nothing(&self) -> bool {
        self.missed.load(Ordering::Relaxed) >= IN_A_ROW && !self.is_off.load(Ordering::Relaxed)
    }
}

impl Bucket {
    /// What one listing shows of a name that is expected to be missing. None: the name is not, or the listing says nothing.
    pub async fn listed(&self, key: &Key) -> Option<Listed> {
        if !self.expectation.is_nothing() {
            return None;
        }
        let begun = Instant::now();
        let listed = self.list(&self.operator, key).await;
        if listed.is_none() || begun.elapsed() > QUICK {
            self.expectation.is_off.store(true, Ordering::Relaxed);
        }
        listed
    }

    /// What a store lists of a name, where it fails when it is asked for an object of that name. None: it cannot say either.
    pub async fn listed_instead(&self, key: &Key) -> Option<Listed> {
        let listed = self.list(&self.once, key).await;
        match listed {
            Some(Listed::Directory | Listed::File) => listed,
            // Some stores list what is below a directory only if they are asked for that.
            Some(Listed::Nothing) | None => match self.is_directory(&self.once, key).await {
                Ok(true) => Some(Listed::Directory),
                Ok(false) => listed,
                Err(_) => None,
            },
        }
    }

    /// Remembers a directory that was just made if it is not there. Some stores say that they have stored what stands for it,
    /// and list nothing of it as long as nothing is in it: clients would not find what they were told is made.
    pub async fn remember_if_unkept(&self, key: &Key) {
        if self.keeps_directories.load(Ordering::Relaxed) {
            return;
        }
        let options = ListOptions { recursive: true, limit: Some(1), ..ListOptions::default() };
        let Ok(mut lister) = self.operator.lister_options(&key.directory(), options).await else { return };
        match lister.try_next().await {
            Ok(Some(entry)) if key.is_marker(entry.path()) => self.keeps_directories.store(true, Ordering::Relaxed),
            Ok(None) => {
                self.unkept.add(key);
                // What the store may have made all the same would be in the way.
                let _ = self.once.delete(&key.directory()).await;
            }
            // Another session has stored a file there already, which says nothing of other directories; or it cannot be seen
            // at the moment. It was made, as the store said.
            Ok(Some(_)) | Err(_) => {}
        }
    }

    /// None: the store failed, or so many names begin alike that the answer is not complete.
    async fn list(&self, operator: &Operator, key: &Key) -> Option<Listed> {
        let options = ListOptions { limit: Some(NAMES), ..ListOptions::default() };
        let mut lister = operator.lister_options(key.file(), options).await.ok()?;
        let file = key.file().strip_prefix('/')?;
        let mut listed = Listed::Nothing;
        for _ in 0..NAMES {
            match lister.try_next().await.ok()? {
                None => return Some(listed),
                Some(entry) if entry.path() == file => return Some(Listed::File),
                Some(entry) if key.is_marker(entry.path()) => listed = Listed::Directory,
                Some(_) => {}
            }
        }
        None
    }
}
