//! The hooks of file operations: which are asked and told, and what their answers mean.

use std::sync::Arc;

use super::{FileError, FirstTransfers};
use crate::hook::events::{ActionKind, FileAction};
use crate::hook::observation::PostAction;
use crate::hook::review::{PreAction, Review};
use crate::hook::{Chain, HookError, HookEvent, Observers, Subject};
use crate::path::VirtualPath;
use crate::terminal::neutralised;

/// The hooks of file operations.
pub struct FileHooks {
    /// The gate before operations.
    pub before: Arc<Chain<PreAction>>,
    /// The observers after operations.
    pub after: Arc<Observers<PostAction>>,
    /// Operations that wait for the observers after them, and fail if one of these fails (`execute_sync`, B10-08).
    pub synchronous: Vec<ActionKind>,
    /// Stores first transfers; None: accounts are not stored.
    pub first: Option<Arc<FirstTransfers>>,
}

impl FileHooks {
    /// Whether a hook is selected by paths, so that links must not lead around it.
    pub(super) fn select_by_paths(&self) -> bool {
        self.before.selects_by_paths() || self.after.chain().selects_by_paths()
    }

    /// Whether hooks decide at their end whether uploads stay, of some accounts at least (B10-08).
    pub(super) fn decide_uploads(&self) -> bool {
        self.synchronous.contains(&ActionKind::Upload) && self.tells()
    }

    /// Whether there are hooks to ask before operations.
    pub(super) fn asks(&self) -> bool {
        !self.before.is_empty()
    }

    /// Whether a hook has to be given everything about a file, even what it does not ask for.
    pub(super) fn asks_with_everything(&self) -> bool {
        self.before.needs_everything()
    }

    /// Whether the operation waits for observers, which can fail it (B10-08).
    pub(super) fn decide(&self, kind: ActionKind, subject: &Subject<'_>) -> bool {
        self.synchronous.contains(&kind) && self.tells() && self.after.concerns(subject)
    }

    /// Whether it depends on the path of an upload whether hooks decide about it: then an open upload must not be
    /// carried to another one.
    pub(super) fn decide_uploads_by_paths(&self) -> bool {
        self.decide_uploads() && self.after.chain().selects_by_paths()
    }

    /// Whether an operation may wait long for the hooks that are asked about it, or decide about it.
    pub(super) fn may_wait(&self) -> bool {
        self.before.may_wait() || (!self.synchronous.is_empty() && self.after.chain().may_wait())
    }

    /// Whether the same hooks are asked about both subjects.
    pub(super) fn ask_alike(&self, one: &Subject<'_>, other: &Subject<'_>) -> bool {
        self.before.links().iter().all(|link| link.selector().matches(one) == link.selector().matches(other))
    }

    /// The name of a hook that decides about changes of files in `directory`, and does not let programs such as
    /// rsync write without asking (`programs`); None: there is none.
    pub(super) fn asked_about_writes(&self, subject: &Subject<'_>, directory: &VirtualPath) -> Option<String> {
        let changes: Vec<_> = ActionKind::ALL.into_iter().filter(|kind| kind.changes_files()).collect();
        let waits: Vec<_> = changes.iter().copied().filter(|kind| self.synchronous.contains(kind)).collect();
        first_asked(&self.before, subject, &changes, directory)
            .or_else(|| first_asked(self.after.chain(), subject, &waits, directory))
    }

    /// As [`asked_about_writes`](Self::asked_about_writes), of a hook that decides who reads files. One that is told of a
    /// download afterwards refuses none.
    pub(super) fn asked_about_reads(&self, subject: &Subject<'_>, directory: &VirtualPath) -> Option<String> {
        first_asked(&self.before, subject, &[ActionKind::Download], directory)
    }

    /// Whether there are hooks to tell after operations.
    pub(super) fn tells(&self) -> bool {
        !self.after.chain().is_empty()
    }

    /// Asks the hooks before an operation. `Done`: a hook has done it already, and the server must not.
    ///
    /// # Errors
    /// A hook denies, or a gate cannot decide.
    pub(super) async fn ask(&self, action: FileAction) -> Result<Review, FileError> {
        let action = Arc::new(action);
        match self.before.decide(&mut PreAction(action.clone())).await {
            Ok(decision) => match decision.verdict {
                Review::Deny(denial) => {
                    log_denial(&action, decision.decided_by.as_deref().unwrap_or_default(), &denial.reason);
                    Err(match denial.client_message {
                        Some(message) => FileError::Refused(neutralised(&message)),
                        None => FileError::Denied,
                    })
                }
                verdict => Ok(verdict),
            },
            // The link has logged the reason.
            Err(failure) => Err(untold(&failure.error).unwrap_or(FileError::Denied)),
        }
    }

    pub(super) async fn tell(&self, action: FileAction) -> Result<(), FileError> {
        let waits = self.synchronous.contains(&action.kind);
        let event = PostAction(Arc::new(action));
        if !waits {
            self.after.notify(event);
            return Ok(());
        }
        self.after.tell(&event).await.map_err(|refused| {
            log_denial(&event.0, &refused.hook, &refused.error.to_string());
            untold(&refused.error).unwrap_or_else(|| FileError::Failed("a hook refused the operation".into()))
        })
    }
}

/// The name of the first hook that can be asked about an action of one of these kinds in `directory`, and does not let
/// programs go without asking.
fn first_asked<E: HookEvent>(
    chain: &Chain<E>,
    subject: &Subject<'_>,
    kinds: &[ActionKind],
    directory: &VirtualPath,
) -> Option<String> {
    let links = chain.links();
    let mut asked = links.iter().filter(|link| !link.programs_go_unasked());
    let asked = asked.find(|link| link.selector().can_match(subject, kinds, directory));
    asked.map(|link| link.name().to_owned())
}

/// The error for the client if a hook could not be asked because of a name that the client chose.
fn untold(error: &HookError) -> Option<FileError> {
    let HookError::NotText(name) = error else { return None };
    Some(FileError::Refused(format!(
        "the name {name} is not UTF-8, and a hook of this server takes UTF-8 only; use a name that is UTF-8"
    )))
}

/// Logs that a hook denied. `hook`: its name.
fn log_denial(action: &FileAction, hook: &str, reason: &str) {
    let kind = action.kind.as_str();
    tracing::info!(
        sender = "file_hook",
        hook,
        action = kind,
        username = action.session.account.username,
        path = %action.path.display(),
        target = action.target.as_ref().map(|path| path.display().into_owned()),
        reason,
        connection_id = action.channel,
        message = format!("the hook \"{hook}\" refused: {kind} of {}: {reason}", action.path.display()),
    );
}
