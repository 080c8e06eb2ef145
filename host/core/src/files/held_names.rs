//! Names that keep their meaning while hooks decide about the upload that has one of them.
//!
//! A hook looks at a file by its name. A client that renamed the file, or a directory above it,
//! while the hook runs could have another file judged in its place (B10-08).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The paths on the host that are held, and those that are about to change, in all sessions of the server.
#[derive(Default)]
pub struct HeldNames {
    names: Mutex<Names>,
    changed: Notify,
}

#[derive(Default)]
struct Names {
    held: Vec<PathBuf>,
    changing: Vec<PathBuf>,
}

impl HeldNames {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds `name`, and the directories above it, until the guard is dropped. Changes of them that have begun
    /// are complete when this returns.
    pub async fn hold(self: &Arc<Self>, name: PathBuf) -> HeldName {
        self.names().held.push(name.clone());
        let held = HeldName { of: self.clone(), name };
        loop {
            let changed = self.changed.notified();
            if !self.names().changing.iter().any(|changing| held.name.starts_with(changing)) {
                return held;
            }
            changed.await;
        }
    }

    /// Notes names that get or lose files until the guard is dropped; None: a name at one of them, or below it, is
    /// held.
    pub fn change(self: &Arc<Self>, changing: Vec<PathBuf>) -> Option<ChangingNames> {
        let mut names = self.names();
        if names.held.iter().any(|held| changing.iter().any(|changing| held.starts_with(changing))) {
            return None;
        }
        names.changing.extend(changing.iter().cloned());
        Some(ChangingNames { of: self.clone(), changing })
    }
}

fn remove_one(names: &mut Vec<PathBuf>, name: &Path) {
    if let Some(at) = names.iter().position(|other| other == name) {
        names.swap_remove(at);
    }
}

/// Holds one name until it is dropped.
pub struct HeldName {
    of: Arc<HeldNames>,
    name: PathBuf,
}

impl Drop for HeldName {
    fn drop(&mut self) {
        remove_one(&mut self.of.names().held, &self.name);
    }
}

/// Names that are changing until it is dropped.
pub struct ChangingNames {
    of: Arc<HeldNames>,
    changing: Vec<PathBuf>,
}

impl Drop for ChangingNames {
    fn drop(&mut self) {
        let mut names = self.of.names();
        self.changing.iter().for_each(|name| remove_one(&mut names.changing, name));
        drop(names);
        self.of.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[tokio::test]
    async fn what_is_on_the_way_to_a_held_name_does_not_change() {
        let check = async |changing: &[&str], may: bool| {
            let names = Arc::new(HeldNames::default());
            let held = names.hold("/home/u/d/a".into()).await;
            assert_eq!(names.change(paths(changing)).is_some(), may, "{changing:?}");
            drop(held);
            assert!(names.change(paths(changing)).is_some(), "{changing:?} afterwards");
        };
        check(&["/home/u/d/a"], false).await;
        check(&["/home/u/x", "/home/u/d"], false).await;
        check(&["/home"], false).await;
        check(&["/home/u/d/ab", "/home/u/d/b"], true).await;
        check(&["/home/u/d/a/below"], true).await;
        check(&[], true).await;
    }

    #[tokio::test]
    async fn holding_waits_for_a_change_that_has_begun() {
        let names = Arc::new(HeldNames::default());
        let changing = names.change(paths(&["/d", "/e"])).unwrap();
        let hold = names.hold("/d/a".into());
        tokio::pin!(hold);
        assert!((&mut hold).now_or_never().is_none());
        assert!(names.change(paths(&["/d"])).is_none(), "no other change begins meanwhile");
        drop(changing);
        let _held = hold.await;
    }
}
