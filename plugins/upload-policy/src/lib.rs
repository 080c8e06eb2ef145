//! What files may be called, how long they may be, and what has to be in them. See README.md.

mod policy;

use std::sync::OnceLock;

use tidegate_hook::{ActionKind, ActionStatus, Denial, Failure, FileAction, PostAction, PreAction, Review, config};

use crate::policy::Policy;

struct UploadPolicy;

/// Read once by an instance: with other settings there are other instances.
fn policy() -> Result<&'static Policy, Failure> {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    if let Some(policy) = POLICY.get() {
        return Ok(policy);
    }
    let policy = serde_json::from_str(&config::to_json()).map_err(|error| Failure::new(format!("config: {error}")))?;
    Ok(POLICY.get_or_init(|| policy))
}

/// The name that the file will have.
fn name_of(action: &FileAction) -> Option<String> {
    match action.kind() {
        ActionKind::Upload => Some(action.virtual_path()),
        // Otherwise a good name could be given first, and a bad one after.
        ActionKind::Rename | ActionKind::Copy => action.virtual_target(),
        _ => None,
    }
}

impl PreAction for UploadPolicy {
    fn review(action: &FileAction) -> Result<Review, Failure> {
        let Some(path) = name_of(action) else { return Ok(Review::Allow) };
        Ok(match policy()?.problem_of_name(&path) {
            Some(problem) => Review::Deny(Denial::new(problem.clone()).telling(problem)),
            None => Review::Allow,
        })
    }
}

impl PostAction for UploadPolicy {
    /// With `execute_sync = ["upload"]` the server takes back a file that this refuses.
    fn notify(action: &FileAction) -> Result<(), Failure> {
        if !matches!((action.kind(), action.status()), (ActionKind::Upload, Some(ActionStatus::Ok))) {
            return Ok(());
        }
        let policy = policy()?;
        if let Some(problem) = policy.problem_of_size(action.size().unwrap_or(0)) {
            return Err(Failure::new(problem));
        }
        let Some(kind) = policy.kind_of(&action.virtual_path()) else { return Ok(()) };
        let beginning = action.first_bytes(kind.longest()).map_err(|error| Failure::new(format!("{error:?}")))?;
        match kind.matches(&beginning) {
            true => Ok(()),
            false => Err(Failure::new(format!("{} is not what its name says", action.virtual_path()))),
        }
    }
}

tidegate_hook::export!(UploadPolicy: PreAction, PostAction);

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    const SETTINGS: &str = r#"{
        "allowed_names": ["*.pdf", "*.txt", "README"], "denied_names": ["secret*"], "max_bytes": 100,
        "contents": [{"names": ["*.pdf"], "magic": ["255044462d"]}]}"#;

    fn upload(path: &str, contents: &[u8]) -> FileAction {
        host::set_config(SETTINGS);
        let (virtual_path, contents) = (path.to_owned(), contents.to_vec());
        let size = Some(contents.len() as u64);
        FileAction { virtual_path, contents, size, status: Some(ActionStatus::Ok), ..FileAction::default() }
    }

    #[test]
    fn names_have_to_match() {
        let allowed = |path: &str| UploadPolicy::review(&upload(path, b"")).unwrap().is_allowed();
        assert!(allowed("/in/a.pdf") && allowed("/in/A.PDF") && allowed("/README"));
        assert!(!allowed("/in/a.exe") && !allowed("/in/secret.pdf") && !allowed("/in/a.pdf.exe"));
        let rename = FileAction {
            kind: ActionKind::Rename,
            virtual_target: Some("/in/a.exe".to_owned()),
            ..upload("/in/a.pdf", b"")
        };
        assert!(!UploadPolicy::review(&rename).unwrap().is_allowed());
    }

    #[test]
    fn contents_have_to_be_what_the_name_says() {
        assert!(UploadPolicy::notify(&upload("/a.pdf", b"%PDF-1.7")).is_ok());
        assert!(UploadPolicy::notify(&upload("/a.pdf", b"MZ\x90")).is_err());
        assert!(UploadPolicy::notify(&upload("/a.pdf", b"")).is_err());
        assert!(UploadPolicy::notify(&upload("/a.txt", b"anything")).is_ok());
        assert!(UploadPolicy::notify(&upload("/a.txt", &[0; 101])).is_err());
    }
}
