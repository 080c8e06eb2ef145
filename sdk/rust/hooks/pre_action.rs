//! Denies uploads of programs.
//! Hook point: pre-action. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{ActionKind, Denial, Failure, FileAction, PreAction, Review};

use crate::Plugin;

impl PreAction for Plugin {
    fn review(action: &FileAction) -> Result<Review, Failure> {
        let upload = matches!(action.kind(), ActionKind::Upload);
        let program = [".exe", ".bat", ".com"].iter().any(|end| action.virtual_path().to_lowercase().ends_with(end));
        Ok(if upload && program {
            Review::Deny(Denial::new("a program").telling("programs are not taken here"))
        } else {
            Review::Allow
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_refused() {
        let upload = |path: &str| FileAction { virtual_path: path.to_owned(), ..FileAction::default() };
        assert!(!Plugin::review(&upload("/in/SETUP.EXE")).unwrap().is_allowed());
        assert!(Plugin::review(&upload("/in/report.pdf")).unwrap().is_allowed());
    }
}
