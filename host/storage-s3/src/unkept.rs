//! Directories of stores that keep none without files. Clients make a directory before they store anything in it, and look
//! for it in between: it is remembered here until it is removed, by all sessions of this server.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::key::Key;

/// The most directories of a bucket; the oldest ones are forgotten first.
const MOST: usize = 20_000;

/// The directories of all buckets, by what says which bucket it is.
#[derive(Debug, Default)]
pub struct UnkeptDirectories(Mutex<HashMap<String, Arc<Unkept>>>);

/// The directories of a bucket that its store does not keep.
#[derive(Debug, Default)]
pub struct Unkept(Mutex<Names>);

#[derive(Debug, Default)]
struct Names {
    /// The number of each directory, by its key without a `/` at its end.
    by_key: BTreeMap<Arc<str>, u64>,
    /// In the order in which they were made.
    by_number: BTreeMap<u64, Arc<str>>,
    next: u64,
}

impl UnkeptDirectories {
    /// Those of a bucket, which all sessions have in common.
    pub fn of(&self, bucket: &str) -> Arc<Unkept> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, unkept| Arc::strong_count(unkept) > 1 || !unkept.names().by_key.is_empty());
        buckets.entry(bucket.to_owned()).or_default().clone()
    }
}

impl Names {
    fn add(&mut self, key: &str) {
        if self.by_key.contains_key(key) {
            return;
        }
        if self.by_key.len() >= MOST
            && let Some((_, oldest)) = self.by_number.pop_first()
        {
            self.by_key.remove(&oldest);
        }
        let key: Arc<str> = Arc::from(key);
        self.by_key.insert(key.clone(), self.next);
        self.by_number.insert(self.next, key);
        self.next += 1;
    }

    fn forget(&mut self, key: &str) {
        if let Some(number) = self.by_key.remove(key) {
            self.by_number.remove(&number);
        }
    }

    /// The keys below a directory, behind its own. `directory`: its key, with a `/` at its end.
    fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.by_key.range::<str, _>((Bound::Included(directory), Bound::Unbounded));
        from.map_while(move |(key, _)| key.strip_prefix(directory))
    }
}

impl Unkept {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A directory was made.
    pub fn add(&self, key: &Key) {
        self.names().add(key.file());
    }

    /// A directory was removed.
    pub fn forget(&self, key: &Key) {
        self.names().forget(key.file());
    }

    /// Whether a directory is there, itself or as one that others are in.
    pub fn has(&self, key: &Key) -> bool {
        let names = self.names();
        names.by_key.contains_key(key.file()) || names.below(&key.directory()).next().is_some()
    }

    /// Whether directories are in a directory.
    pub fn has_below(&self, key: &Key) -> bool {
        self.names().below(&key.directory()).next().is_some()
    }

    /// The names of the directories in a directory.
    pub fn names_in(&self, key: &Key) -> BTreeSet<Vec<u8>> {
        let names = self.names();
        let directory = key.directory();
        let first = names.below(&directory).filter_map(|below| below.split('/').next());
        first.filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec()).collect()
    }

    /// A directory was renamed, with all below it.
    pub fn rename(&self, from: &Key, to: &Key) {
        let mut names = self.names();
        let below: Vec<String> = names.below(&from.directory()).map(str::to_owned).collect();
        for below in below {
            names.forget(&format!("{}{below}", from.directory()));
            names.add(&format!("{}{below}", to.directory()));
        }
        if names.by_key.contains_key(from.file()) {
            names.forget(from.file());
            names.add(to.file());
        }
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

    #[test]
    fn a_directory_is_there_until_it_and_those_in_it_are_removed() {
        let unkept = Unkept::default();
        let check = |there: &[&str], in_root: &[&str]| {
            let all = ["/a", "/a/b", "/a/b/c", "/a-", "/d", "/d/c"];
            let found: Vec<_> = all.into_iter().filter(|path| unkept.has(&key(path))).collect();
            assert_eq!(found, there);
            let names: Vec<_> = unkept.names_in(&key("/")).into_iter().collect();
            assert_eq!(names, in_root.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>());
        };
        check(&[], &[]);
        unkept.add(&key("/a-"));
        unkept.add(&key("/a/b"));
        unkept.add(&key("/a/b/c"));
        check(&["/a", "/a/b", "/a/b/c", "/a-"], &["a", "a-"]);
        assert!(unkept.has_below(&key("/a")) && !unkept.has_below(&key("/a-")));
        unkept.rename(&key("/a/b"), &key("/d"));
        check(&["/a-", "/d", "/d/c"], &["a-", "d"]);
        unkept.forget(&key("/d"));
        check(&["/a-", "/d", "/d/c"], &["a-", "d"]);
        unkept.forget(&key("/d/c"));
        check(&["/a-"], &["a-"]);
        assert_eq!(unkept.names().by_number.len(), 1);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let unkept = Unkept::default();
        for number in 0..=MOST {
            unkept.add(&key(&format!("/{number}")));
        }
        {
            let names = unkept.names();
            assert_eq!((names.by_key.len(), names.by_number.len()), (MOST, MOST));
        }
        assert!(!unkept.has(&key("/0")) && unkept.has(&key("/1")) && unkept.has(&key(&format!("/{MOST}"))));
    }

    #[test]
    fn sessions_on_a_bucket_have_them_in_common() {
        let all = UnkeptDirectories::default();
        all.of("a").add(&key("/d"));
        assert!(all.of("a").has(&key("/d")) && !all.of("b").has(&key("/d")));
        drop(all.of("c"));
        all.of("a").forget(&key("/d"));
        drop(all.of("d"));
        assert_eq!(all.0.lock().unwrap().len(), 1);
    }
}
