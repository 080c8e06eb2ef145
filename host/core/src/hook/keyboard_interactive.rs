//! The gate that talks with the user, in as many rounds as it likes (A12, B4).

use std::sync::Arc;

use async_trait::async_trait;

use super::{Denial, GateEvent, HookEvent, HookKind, LoginAttempt, OwnTime, Subject};
use crate::account::{AccountDraft, EffectiveAccount};
use crate::secret::Secret;
use crate::terminal::neutralised;

/// One round: an instruction and questions (RFC 4256 §3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    pub instruction: String,
    pub prompts: Vec<Prompt>,
}

impl Round {
    /// Nothing in it steers the terminal that shows it, whichever hook wrote it.
    pub fn for_a_terminal(self) -> Self {
        let prompt = |prompt: Prompt| Prompt { text: neutralised(&prompt.text), echo: prompt.echo };
        let prompts = self.prompts.into_iter().map(prompt).collect();
        Self { instruction: neutralised(&self.instruction), prompts }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub text: String,
    /// Whether the user sees what they type.
    pub echo: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConversationError {
    #[error("the user went away")]
    Closed,
    #[error("the conversation has too many rounds, or a round too many or too long questions")]
    TooMany,
}

/// What every kind of hook talks through. It ends with the call.
#[async_trait]
pub trait Conversation: Send + Sync {
    /// Sends one round and waits for the answers, one for each prompt. Without prompts only
    /// the instruction is shown.
    async fn ask(&self, round: Round) -> Result<Vec<Secret>, ConversationError>;

    /// Whether this is the account's password; false if it has none, or does not exist.
    async fn verify_password(&self, answer: &Secret) -> bool;

    /// Whether this is a valid one-time code of the account.
    async fn verify_one_time_code(&self, answer: &Secret) -> bool;

    /// What the deadlines of its hooks count; none: all the time that passes.
    fn own_time(&self) -> Option<&OwnTime> {
        None
    }
}

#[derive(Clone)]
pub struct KeyboardInteractive {
    pub attempt: Arc<LoginAttempt>,
    /// Whom the questions are for, as the hooks before left the account; none: unknown.
    pub account: Option<Arc<EffectiveAccount>>,
    pub conversation: Arc<dyn Conversation>,
}

#[derive(Debug, Clone)]
pub enum KeyboardInteractiveVerdict {
    Defer,
    Accept(Option<Box<AccountDraft>>),
    Reject(Denial),
}

impl HookEvent for KeyboardInteractive {
    type Verdict = KeyboardInteractiveVerdict;
    const KIND: HookKind = HookKind::KeyboardInteractive;

    fn subject(&self) -> Subject<'_> {
        Subject { account: self.account.as_deref(), ..self.attempt.subject() }
    }

    fn own_time(&self) -> Option<&OwnTime> {
        self.conversation.own_time()
    }

    fn label(verdict: &KeyboardInteractiveVerdict) -> (&'static str, &str) {
        match verdict {
            KeyboardInteractiveVerdict::Defer => ("defer", ""),
            KeyboardInteractiveVerdict::Accept(_) => ("accept", ""),
            KeyboardInteractiveVerdict::Reject(denial) => ("reject", &denial.reason),
        }
    }

    fn account(verdict: &mut KeyboardInteractiveVerdict) -> Option<&mut AccountDraft> {
        match verdict {
            KeyboardInteractiveVerdict::Accept(draft) => draft.as_deref_mut(),
            _ => None,
        }
    }
}

impl GateEvent for KeyboardInteractive {
    fn is_final(verdict: &KeyboardInteractiveVerdict) -> bool {
        !matches!(verdict, KeyboardInteractiveVerdict::Defer)
    }

    fn undecided() -> KeyboardInteractiveVerdict {
        KeyboardInteractiveVerdict::Defer
    }

    fn allowed() -> KeyboardInteractiveVerdict {
        KeyboardInteractiveVerdict::Accept(None)
    }
}
