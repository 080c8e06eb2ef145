//! The hook that a session says to have decided about an operation.

use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::files::Protocol;
use tidegate_core::hook::events::ActionKind;
use tidegate_core::hook::review::{PreAction, Review};
use tidegate_core::hook::{Call, Denial, Hook, HookDescription, HookError, Link, LinkSettings};

use super::*;

/// Denies removals, and fails for directories.
struct Keeper;

#[async_trait]
impl Hook<PreAction> for Keeper {
    fn name(&self) -> &str {
        "keeper"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    async fn call(&self, _: &Call, event: &PreAction) -> Result<Review, HookError> {
        match event.0.kind {
            ActionKind::Delete => Ok(Review::Deny(Denial::new("no"))),
            ActionKind::Mkdir => Err(HookError::Failed("broken".into())),
            _ => Ok(Review::Allow),
        }
    }
}

#[tokio::test]
async fn a_session_says_which_hook_has_refused_an_operation_last() {
    let hooks = no_hooks();
    hooks.before.replace(vec![Arc::new(Link::new(Arc::new(Keeper), LinkSettings::default()))]);
    let on = fixture_with(r#""permissions":{"/":["*"]}"#, OverwriteMode::Standard, hooks).await;
    let put = async || on.files.open_write(&path("/f"), PUT, Protocol::Sftp).await.unwrap().close().await.unwrap();
    let check = |expected: Option<(&str, &str)>| {
        let decisions = on.files.session().live.decisions();
        let seen: Vec<_> = decisions.iter().map(|call| (&*call.hook, call.about.as_deref(), call.outcome)).collect();
        let expected = expected.map(|(about, outcome)| ("keeper", Some(about), outcome));
        assert_eq!(seen, expected.into_iter().collect::<Vec<_>>());
    };
    put().await;
    check(None);
    assert!(on.files.remove_file(&path("/f"), Protocol::Sftp).await.is_err());
    check(Some(("delete", "deny")));
    // One that lets the next hook or the server go on has not decided.
    put().await;
    check(Some(("delete", "deny")));
    assert!(on.files.create_directory(&path("/d"), None, Protocol::Sftp).await.is_err());
    check(Some(("mkdir", "failed")));
}
