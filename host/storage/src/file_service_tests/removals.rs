//! Hooks that are asked about a removal, and remove the file themselves (J-04).

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::files::Protocol;
use tidegate_core::hook::events::ActionKind;
use tidegate_core::hook::review::{PreAction, Review};
use tidegate_core::hook::{Call, Denial, Hook, HookDescription, HookError, Link, LinkSettings};

use super::*;

/// Removes a file before its removal is permitted, or says that it has, as programs of older eras do.
struct Remover {
    storage: OnceLock<Arc<dyn Storage>>,
    removes: bool,
    review: Review,
}

#[async_trait]
impl Hook<PreAction> for Remover {
    fn name(&self) -> &str {
        "remover"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    async fn call(&self, _: &Call, event: &PreAction) -> Result<Review, HookError> {
        if self.removes && event.0.kind == ActionKind::Delete {
            self.storage.get().unwrap().remove_file(&event.0.path).await.unwrap();
        }
        Ok(self.review.clone())
    }
}

#[tokio::test]
async fn a_file_that_its_hook_has_removed_is_removed_and_counted() {
    // B10-07, J-04: whether the hook removes the file, its verdict, and what is left of the file
    for (removes, review, is_done, left) in [
        (false, Review::Allow, true, (0, 0)),
        (true, Review::Allow, true, (0, 0)),
        (true, Review::Done, true, (0, 0)),
        (false, Review::Done, true, (7, 1)),
        (false, Review::Deny(Denial::new("no")), false, (7, 1)),
    ] {
        let remover = Arc::new(Remover { storage: OnceLock::new(), removes, review });
        let hooks = no_hooks();
        let before = hooks.before.clone();
        let fields = r#""permissions":{"/":["*"]},"quota_files":3"#;
        let on = fixture_with(fields, OverwriteMode::Standard, hooks).await;
        let mut file = on.files.open_write(&path("/f"), PUT, Protocol::Sftp).await.unwrap();
        file.write_at(0, b"content").await.unwrap();
        file.close().await.unwrap();
        let _ = remover.storage.set(on.storage.clone());
        before.replace(vec![Arc::new(Link::new(remover.clone(), LinkSettings::default()))]);
        let removed = on.files.remove_file(&path("/f"), Protocol::Sftp).await;
        assert_eq!(removed.is_ok(), is_done, "{removes} {:?}: {removed:?}", remover.review);
        on.keeper.finish().await;
        assert_eq!(on.stored().await, left, "{removes} {:?}", remover.review);
    }
}
