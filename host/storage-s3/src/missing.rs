//! Names that nothing had a moment ago. Clients ask for a name before they open it; opening it need not ask the store again.
//!
//! Others use the bucket as well, so what is remembered may be wrong. Only uploads use it whose one request says whether the
//! name is still free, and each of them once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::key::Key;

/// How long a name is remembered.
const REMEMBERED: Duration = Duration::from_secs(1);
/// The most names; more at once are rare, and are asked for again.
const MOST: usize = 2048;

/// The names, by the keys of their objects.
#[derive(Debug, Default)]
pub struct MissingNames(Mutex<Names>);

#[derive(Debug, Default)]
struct Names {
    by_key: BTreeMap<String, Name>,
    lookups: u64,
}

#[derive(Debug)]
enum Name {
    /// The lookup with this number is under way.
    LookedFor(u64),
    MissingAt(Instant),
}

/// A lookup of a name. What is made under the name meanwhile makes its answer worthless.
pub struct Lookup<'a> {
    missing: &'a MissingNames,
    key: &'a Key,
    number: u64,
}

/// Something may get a name; the end of it is when nothing is known of the name any more.
pub struct Making<'a> {
    missing: &'a MissingNames,
    key: &'a Key,
}

impl MissingNames {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lookup begins.
    pub fn look<'a>(&'a self, key: &'a Key) -> Lookup<'a> {
        let mut names = self.names();
        names.lookups += 1;
        let number = names.lookups;
        if names.by_key.len() >= MOST {
            names.by_key.clear();
        }
        names.by_key.insert(key.file().to_owned(), Name::LookedFor(number));
        Lookup { missing: self, key, number }
    }

    /// Whether nothing had the name a moment ago.
    pub fn has(&self, key: &Key) -> bool {
        matches!(self.names().by_key.get(key.file()), Some(Name::MissingAt(at)) if at.elapsed() < REMEMBERED)
    }

    /// Forgets one name, because it is used.
    pub fn forget(&self, key: &Key) {
        self.names().by_key.remove(key.file());
    }

    /// Forgets the name, those above it and those below it, at the end of what is made there, however it ends.
    pub fn making<'a>(&'a self, key: &'a Key) -> Making<'a> {
        Making { missing: self, key }
    }
}

impl Lookup<'_> {
    /// Nothing has the name.
    pub fn found_nothing(self) {
        let mut names = self.missing.names();
        if let Some(name) = names.by_key.get_mut(self.key.file())
            && matches!(name, Name::LookedFor(number) if *number == self.number)
        {
            *name = Name::MissingAt(Instant::now());
        }
        drop(names);
    }
}

impl Drop for Lookup<'_> {
    fn drop(&mut self) {
        let mut names = self.missing.names();
        if matches!(names.by_key.get(self.key.file()), Some(Name::LookedFor(number)) if *number == self.number) {
            names.by_key.remove(self.key.file());
        }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let mut names = self.missing.names();
        let names = &mut names.by_key;
        let mut above = self.key.file();
        while !above.is_empty() {
            names.remove(above);
            above = above.rfind('/').and_then(|end| above.get(..end)).unwrap_or_default();
        }
        let directory = self.key.directory();
        while let Some((below, _)) = names.range(directory.clone()..).next()
            && below.starts_with(&directory)
        {
            let below = below.clone();
            names.remove(&below);
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::path::VirtualPath;

    use super::*;
    use crate::key::KeyPrefix;

    fn key(path: &str) -> Key {
        KeyPrefix::new("home")
            .unwrap()
            .key(&VirtualPath::resolve(&VirtualPath::root(), path.as_bytes()).unwrap())
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_made_is_forgotten_with_what_is_above_and_below() {
        let missing = MissingNames::default();
        let check = |made: &str, left: &[&str]| {
            let all = ["/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/b-", "/a/c", "/b"];
            all.iter().for_each(|name| missing.look(&key(name)).found_nothing());
            let making = key(made);
            let making = missing.making(&making);
            assert!(all.iter().all(|name| missing.has(&key(name))), "{made}");
            drop(making);
            let kept: Vec<_> = all.into_iter().filter(|name| missing.has(&key(name))).collect();
            assert_eq!(kept, left, "{made}");
        };
        check("/a/b", &["/a/b-", "/a/c", "/b"]);
        check("/a", &["/b"]);
        check("/a/b/c/d/e", &["/a/b-", "/a/c", "/b"]);
        check("/c", &["/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/b-", "/a/c", "/b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_remembered_for_a_second() {
        // A16-03
        let (missing, name) = (MissingNames::default(), key("/f"));
        missing.look(&name).found_nothing();
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(missing.has(&name));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!missing.has(&name));
        missing.look(&name).found_nothing();
        missing.forget(&name);
        assert!(!missing.has(&name));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_during_which_the_name_is_made_is_worth_nothing() {
        let (missing, name) = (MissingNames::default(), key("/f"));
        let before = missing.look(&name);
        drop(missing.making(&name));
        before.found_nothing();
        assert!(!missing.has(&name));
        // Another one that began afterwards does not make it worth more.
        let before = missing.look(&name);
        drop(missing.making(&name));
        let after = missing.look(&name);
        before.found_nothing();
        assert!(!missing.has(&name));
        drop(after);
        assert!(missing.names().by_key.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_names_are_bounded() {
        let missing = MissingNames::default();
        for number in 0..3 * MOST {
            missing.look(&key(&format!("/{number}"))).found_nothing();
            assert!(missing.names().by_key.len() <= MOST);
        }
        assert!(missing.has(&key(&format!("/{}", 3 * MOST - 1))));
    }
}
