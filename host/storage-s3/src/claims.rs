//! Names that are being made. An upload has no name in the store before its end, and a store takes a file and what is below
//! it alike: what the sessions of this server make at the same time would come between a look and the request that follows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_core::ports::storage::{StorageError, StorageErrorKind};
use tokio::sync::OwnedMutexGuard;

use crate::errors::failed;

/// Whether a file or a directory is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
}

/// The names that are being made, by the [places](crate::object::Bucket::place) of their keys.
#[derive(Debug, Default)]
pub struct Claims(Mutex<BTreeMap<String, Claim>>);

#[derive(Debug)]
struct Claim {
    kind: Kind,
    /// The number of operations that make the name.
    holders: usize,
    /// Held by the operation that gives the name to what it has made.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A name that is being made, until this is dropped.
#[derive(Debug)]
pub struct Claimed {
    claims: Arc<Claims>,
    place: String,
}

impl Claims {
    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Claim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to make a name. Several may make the same file, or the same directory.
    ///
    /// # Errors
    /// `NotADirectory`, `IsADirectory`, `AlreadyExists`: another one makes a file above it, or something below this file, or
    /// this name as the other kind.
    pub fn claim(self: &Arc<Self>, place: String, kind: Kind) -> Result<Claimed, StorageError> {
        let mut names = self.names();
        check(&names, &place, kind)?;
        let turn = Arc::default();
        let claim = names.entry(place.clone()).or_insert(Claim { kind, holders: 0, turn });
        claim.holders += 1;
        drop(names);
        Ok(Claimed { claims: self.clone(), place })
    }
}

fn check(names: &BTreeMap<String, Claim>, place: &str, kind: Kind) -> Result<(), StorageError> {
    let kind_at = |name: &str| names.get(name).map(|claim| claim.kind);
    let mut above = place;
    while let Some((directory, _)) = above.rsplit_once('/') {
        if kind_at(directory) == Some(Kind::File) {
            let text = "a part of the path is not a directory: a file of that name is being written";
            return Err(failed(StorageErrorKind::NotADirectory, text));
        }
        above = directory;
    }
    let below = format!("{place}/");
    let has_below = || names.range(below.clone()..).next().is_some_and(|(name, _)| name.starts_with(&below));
    match (kind, kind_at(place)) {
        (Kind::Directory, Some(Kind::File)) => {
            let text = "the file exists already: one of that name is being written";
            Err(failed(StorageErrorKind::AlreadyExists, text))
        }
        (Kind::File, Some(Kind::Directory)) => Err(failed(StorageErrorKind::IsADirectory, "is a directory")),
        (Kind::File, _) if has_below() => {
            Err(failed(StorageErrorKind::IsADirectory, "is a directory: a file is being written below it"))
        }
        _ => Ok(()),
    }
}

impl Claimed {
    /// Waits until all others that make the name have given it to what they have made, or gave up.
    pub async fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        let turn = self.claims.names().get(&self.place).map(|claim| claim.turn.clone());
        Some(turn?.lock_owned().await)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut names = self.claims.names();
        if let Some(claim) = names.get_mut(&self.place) {
            claim.holders -= 1;
            if claim.holders == 0 {
                names.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_at_the_same_time_fits_into_one_tree() {
        use Kind::{Directory, File};
        use StorageErrorKind::{AlreadyExists, IsADirectory, NotADirectory};
        let check = |made: (&str, Kind), wanted: (&str, Kind), expected: Result<(), StorageErrorKind>| {
            let claims = Arc::new(Claims::default());
            let claim = |(place, kind): (&str, Kind)| claims.claim(place.to_owned(), kind);
            let first = claim(made).unwrap();
            let second = claim(wanted);
            assert_eq!(second.as_ref().map(drop).map_err(|error| error.kind), expected, "{made:?} {wanted:?}");
            drop((first, second));
            assert!(claims.names().is_empty());
            claim(wanted).unwrap();
        };
        check(("s/a", File), ("s/a", File), Ok(()));
        check(("s/a", Directory), ("s/a", Directory), Ok(()));
        check(("s/a", File), ("s/a", Directory), Err(AlreadyExists));
        check(("s/a", Directory), ("s/a", File), Err(IsADirectory));
        for kind in [File, Directory] {
            check(("s/a", File), ("s/a/b", kind), Err(NotADirectory));
            check(("s/a", File), ("s/a/b/c", kind), Err(NotADirectory));
            check(("s/a", Directory), ("s/a/b", kind), Ok(()));
            check(("s/a/b/c", kind), ("s/a", File), Err(IsADirectory));
            check(("s/a/b/c", kind), ("s/a", Directory), Ok(()));
            for other in ["s/ab", "s/a-", "s/b", "t/a", "s/a.b/c"] {
                check(("s/a", File), (other, kind), Ok(()));
                check((other, kind), ("s/a", File), Ok(()));
            }
        }
    }

    #[tokio::test]
    async fn one_after_the_other_gives_a_name() {
        let claims = Arc::new(Claims::default());
        let claim = || claims.claim("s/a".to_owned(), Kind::File).unwrap();
        let (first, second) = (claim(), claim());
        let turn = first.turn().await;
        let mut waiting = std::pin::pin!(second.turn());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop((turn, first));
        assert!(waiting.await.is_some());
    }
}
