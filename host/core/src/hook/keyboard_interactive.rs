//! The gate that asks the user questions, in one or more rounds (A12, B4).

use std::sync::Arc;

use async_trait::async_trait;

use super::{Denial, GateEvent, HookEvent, HookKind, LoginAttempt, OwnTime, Subject};
use crate::account::{AccountDraft, EffectiveAccount};
use crate::secret::Secret;
use crate::terminal::neutralised;

/// One round of a conversation: an instruction and prompts (RFC 4256 §3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// The text above the prompts; may be empty.
    pub instruction: String,
    /// The prompts; without any, only the instruction is shown.
    pub prompts: Vec<Prompt>,
}

impl Round {
    /// The round without control characters, so that no hook can steer the user's terminal.
    pub fn for_a_terminal(self) -> Self {
        let prompt = |prompt: Prompt| Prompt { text: neutralised(&prompt.text), echo: prompt.echo };
        let prompts = self.prompts.into_iter().map(prompt).collect();
        Self { instruction: neutralised(&self.instruction), prompts }
    }
}

/// One question to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The question.
    pub text: String,
    /// Whether the client shows the answer while it is typed.
    pub echo: bool,
}

/// Why a round was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConversationError {
    /// The client has left, or gave the wrong number of answers.
    #[error("the user went away")]
    Closed,
    /// The hook exceeded a bound of conversations.
    #[error("the conversation has too many rounds, or a round too many or too long questions")]
    TooMany,
}

/// The kind of the records of rounds.
pub const ROUND: &str = "round";

/// Who asks in a conversation, for the records of its rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The name of the hook.
    pub hook: Arc<str>,
    /// `program`, `http`, `plugin`, or `server` for the server's own questions.
    pub adapter: &'static str,
    /// The digest of a component, as records have it.
    pub version: Option<Arc<str>>,
}

impl Asker {
    /// The server itself.
    pub fn server() -> Self {
        Self { hook: "tidegate".into(), adapter: "server", version: None }
    }
}

/// The conversation of a hook with the client. It ends with the call.
#[async_trait]
pub trait Conversation: Send + Sync {
    /// Sends one round and waits for the answers, one for each prompt. Without prompts only the instruction is
    /// shown.
    ///
    /// # Errors
    /// The client has left, or the hook exceeds a bound.
    async fn ask(&self, round: Round) -> Result<Vec<Secret>, ConversationError>;

    /// Whether `answer` is the account's password; false if the account has none, or does not exist.
    async fn verify_password(&self, answer: &Secret) -> bool;

    /// Whether `answer` is a valid one-time code of the account, which is used up by that.
    async fn verify_one_time_code(&self, answer: &Secret) -> bool;

    /// Says whose rounds come next, for their records.
    fn next_asks(&self, _asker: Asker) {}

    /// The time that counts for the deadlines of hooks, without that of the client; None: all time counts.
    fn own_time(&self) -> Option<&OwnTime> {
        None
    }
}

/// A keyboard-interactive login that a hook may conduct.
#[derive(Clone)]
pub struct KeyboardInteractive {
    /// The attempt to log in.
    pub attempt: Arc<LoginAttempt>,
    /// The account that the questions are for, as earlier hooks have left it; None: there is none.
    pub account: Option<Arc<EffectiveAccount>>,
    /// The conversation with the client.
    pub conversation: Arc<dyn Conversation>,
}

/// What a keyboard-interactive hook says of a login.
#[derive(Debug, Clone)]
pub enum KeyboardInteractiveVerdict {
    /// The next hook is asked; in the end the server asks its own questions.
    Defer,
    /// The answers are right. With a draft, the account is added or replaced by it.
    Accept(Option<Box<AccountDraft>>),
    /// The answers are wrong.
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

    fn next_asks(&self, asker: &dyn Fn() -> Asker) {
        self.conversation.next_asks(asker());
    }

    fn label(verdict: &KeyboardInteractiveVerdict) -> (&'static str, &str) {
        match verdict {
            KeyboardInteractiveVerdict::Defer => ("defer", ""),
            KeyboardInteractiveVerdict::Accept(_) => ("accept", ""),
            KeyboardInteractiveVerdict::Reject(denial) => ("reject", &denial.reason),
        }
    }

    fn client_message(verdict: &KeyboardInteractiveVerdict) -> Option<&str> {
        match verdict {
            KeyboardInteractiveVerdict::Reject(denial) => denial.client_message.as_deref(),
            KeyboardInteractiveVerdict::Defer | KeyboardInteractiveVerdict::Accept(_) => None,
        }
    }

    fn account(verdict: &mut KeyboardInteractiveVerdict) -> Option<&mut AccountDraft> {
        match verdict {
            KeyboardInteractiveVerdict::Accept(draft) => draft.as_deref_mut(),
            KeyboardInteractiveVerdict::Defer | KeyboardInteractiveVerdict::Reject(_) => None,
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
