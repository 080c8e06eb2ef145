//! Logs each change of an object, with its actor.
//! Hook point: object-changes. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Failure, ObjectChange, ObjectChanges, log};

use crate::Plugin;

impl ObjectChanges for Plugin {
    fn notify(change: &ObjectChange) -> Result<(), Failure> {
        let actor = change.actor().unwrap_or_else(|| "the system".to_owned());
        log::info(&format!("{actor} changed {}", change.name()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    #[test]
    fn the_actor_is_named() {
        let change =
            ObjectChange { name: "alice".to_owned(), actor: Some("root".to_owned()), ..ObjectChange::default() };
        Plugin::notify(&change).unwrap();
        assert_eq!(host::logged(), ["root changed alice"]);
    }
}
