//! Remembers the last upload of each user.
//! Hook point: post-action. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{ActionKind, ActionStatus, Failure, FileAction, PostAction, kv};

use crate::Plugin;

impl PostAction for Plugin {
    fn notify(action: &FileAction) -> Result<(), Failure> {
        if matches!((action.kind(), action.status()), (ActionKind::Upload, Some(ActionStatus::Ok))) {
            let key = format!("last/{}", action.session().username());
            kv::set(&key, action.virtual_path().as_bytes(), None)
                .map_err(|error| Failure::transient(format!("{error:?}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_upload_is_kept() {
        let done = FileAction { status: Some(ActionStatus::Ok), ..FileAction::default() };
        Plugin::notify(&done).unwrap();
        assert_eq!(kv::get("last/").unwrap().unwrap(), b"/file");
    }
}
