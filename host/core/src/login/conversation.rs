//! The keyboard-interactive method (RFC 4256): a hook's questions, or the built-in ones.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use super::credentials::{Resolved, accept_stored, unknown_user};
use super::{LoginService, Outcome, Refusal, RefusalReason, checks};
use crate::account::Account;
use crate::hook::LoginAttempt;
use crate::hook::keyboard_interactive::{
    Conversation, ConversationError, KeyboardInteractive, KeyboardInteractiveVerdict, Prompt, Round,
};
use crate::secret::Secret;

/// Bounds on one conversation.
const MAX_ROUNDS: usize = 100;
const MAX_PROMPTS: usize = 50;
const MAX_TEXT: usize = 16 << 10;

/// What the client hears next.
pub enum Step {
    Ask(Round),
    Done(Outcome),
}

type Outcomes = Pin<Box<dyn Future<Output = Result<Account, Refusal>> + Send>>;

/// A conversation under way: its future is polled while the server owes the client a round.
pub(super) struct Exchange {
    attempt: Arc<LoginAttempt>,
    outcome: Outcomes,
    rounds: mpsc::Receiver<Asked>,
    /// Where the answers to the last round go.
    waiting: Option<(usize, oneshot::Sender<Vec<Secret>>)>,
}

struct Asked {
    round: Round,
    answers: oneshot::Sender<Vec<Secret>>,
}

impl Exchange {
    pub fn begin(service: Arc<LoginService>, attempt: Arc<LoginAttempt>) -> Self {
        let (sender, rounds) = mpsc::channel(1);
        let about = attempt.clone();
        let outcome = Box::pin(async move { service.converse(&about, sender).await });
        Self { attempt, outcome, rounds, waiting: None }
    }

    pub fn attempt(&self) -> &Arc<LoginAttempt> {
        &self.attempt
    }

    /// A client that answers more or fewer questions than it was asked ends the conversation.
    pub fn answer(&mut self, answers: Vec<Secret>) {
        if let Some((expected, waiting)) = self.waiting.take()
            && expected == answers.len()
        {
            // Nobody waits any more when the hook is late.
            let _ = waiting.send(answers);
        }
    }

    /// The next round, or how the conversation ended.
    pub async fn next(&mut self) -> Result<Round, Result<Account, Refusal>> {
        tokio::select! {
            biased;
            outcome = &mut self.outcome => Err(outcome),
            Some(asked) = self.rounds.recv() => {
                self.waiting = Some((asked.round.prompts.len(), asked.answers));
                Ok(asked.round)
            }
        }
    }
}

/// The conversation as hooks see it.
struct WithClient {
    service: Arc<LoginService>,
    attempt: Arc<LoginAttempt>,
    account: Option<Account>,
    rounds: mpsc::Sender<Asked>,
    asked: AtomicUsize,
}

#[async_trait]
impl Conversation for WithClient {
    async fn ask(&self, round: Round) -> Result<Vec<Secret>, ConversationError> {
        let texts = round.prompts.iter().map(|prompt| prompt.text.len()).sum::<usize>() + round.instruction.len();
        if self.asked.fetch_add(1, Ordering::Relaxed) >= MAX_ROUNDS
            || round.prompts.len() > MAX_PROMPTS
            || texts > MAX_TEXT
        {
            return Err(ConversationError::TooMany);
        }
        let (answers, answered) = oneshot::channel();
        self.rounds.send(Asked { round, answers }).await.map_err(|_| ConversationError::Closed)?;
        answered.await.map_err(|_| ConversationError::Closed)
    }

    async fn verify_password(&self, answer: &Secret) -> bool {
        let Some(account) = &self.account else { return false };
        let resolved = Resolved::from_stored(account.clone());
        self.service.prove_password(&self.attempt, &resolved, answer).await.is_ok()
    }

    async fn verify_one_time_code(&self, answer: &Secret) -> bool {
        let now = self.service.ports.clock.now();
        self.account.as_ref().is_some_and(|account| self.service.codes.verify(account, answer, now))
    }
}

impl LoginService {
    async fn converse(
        self: &Arc<Self>,
        attempt: &Arc<LoginAttempt>,
        rounds: mpsc::Sender<Asked>,
    ) -> Result<Account, Refusal> {
        let chain = &self.ports.hooks.keyboard_interactive;
        let disabled = attempt.stored.as_ref().is_some_and(|account| account.filters.external_auth_disabled);
        let hooked = !disabled && chain.concerns(&attempt.subject());
        // A12-07: hooks that make accounts come first; without questions of a hook they are
        // asked once the password is there.
        let resolved = if hooked { self.resolve(attempt, None).await? } else { None };
        let account = resolved.as_ref().map(|resolved| resolved.account.clone());
        let known = account.clone().or_else(|| attempt.stored.as_deref().cloned());
        let conversation = Arc::new(WithClient {
            service: self.clone(),
            attempt: attempt.clone(),
            account: known,
            rounds,
            asked: AtomicUsize::new(0),
        });
        if hooked {
            let event = KeyboardInteractive {
                attempt: attempt.clone(),
                account: account.map(Arc::new),
                conversation: conversation.clone(),
            };
            if let Some(account) = self.ask_hooks(event, resolved.clone()).await? {
                return Ok(account);
            }
        }
        self.ask_built_in(attempt, &conversation, resolved).await
    }

    /// None: no hook decided.
    async fn ask_hooks(
        &self,
        mut event: KeyboardInteractive,
        resolved: Option<Resolved>,
    ) -> Result<Option<Account>, Refusal> {
        let attempt = event.attempt.clone();
        let decision = self.ports.hooks.keyboard_interactive.decide(&mut event).await?;
        let resolved = match decision.verdict {
            KeyboardInteractiveVerdict::Defer => return Ok(None),
            KeyboardInteractiveVerdict::Reject(denial) => {
                return Err(Refusal::new(RefusalReason::Denied, denial.reason));
            }
            KeyboardInteractiveVerdict::Accept(None) => match resolved {
                Some(resolved) => resolved,
                None => accept_stored(&attempt)?,
            },
            KeyboardInteractiveVerdict::Accept(Some(draft)) => self.accept_draft(*draft, &attempt, None).await?,
        };
        // B1-02, A12-09: after the exchange.
        checks::account_conditions(&resolved.account, &*self.ports.clock)?;
        Ok(Some(self.commit(resolved).await?))
    }

    /// B4-02: the password, then a one-time code if the account has one; after a key, where
    /// there is one, only the code.
    async fn ask_built_in(
        &self,
        attempt: &Arc<LoginAttempt>,
        conversation: &WithClient,
        resolved: Option<Resolved>,
    ) -> Result<Account, Refusal> {
        let codes_of = |account: &Account| account.filters.one_time_codes.is_some();
        let only_code = !attempt.completed_methods.is_empty() && attempt.stored.as_deref().is_some_and(codes_of);
        if only_code {
            // The hooks are asked at every step (B2-06).
            let resolved = match resolved {
                Some(resolved) => resolved,
                None => self.resolve(attempt, None).await?.ok_or_else(unknown_user)?,
            };
            checks::account_conditions(&resolved.account, &*self.ports.clock)?;
            self.ask_code(&resolved.account, conversation).await?;
            return self.commit(resolved).await;
        }
        let password = ask_one(conversation, "Password: ").await?;
        let account = match resolved {
            // A hook has made the account, but asked nothing.
            Some(resolved) => {
                self.prove_password(attempt, &resolved, &password).await?;
                self.commit(resolved).await?
            }
            None => self.try_password(attempt, &password).await?,
        };
        if codes_of(&account) {
            self.ask_code(&account, conversation).await?;
        }
        Ok(account)
    }

    async fn ask_code(&self, account: &Account, conversation: &WithClient) -> Result<(), Refusal> {
        let code = ask_one(conversation, "Authentication code: ").await?;
        if self.codes.verify(account, &code, self.ports.clock.now()) {
            Ok(())
        } else {
            Err(Refusal::new(RefusalReason::WrongCredential, "the authentication code is wrong"))
        }
    }
}

async fn ask_one(conversation: &WithClient, text: &str) -> Result<Secret, Refusal> {
    let prompts = vec![Prompt { text: text.to_owned(), echo: false }];
    let closed = |_| Refusal::new(RefusalReason::WrongCredential, "the question was not answered");
    let answers = conversation.ask(Round { instruction: String::new(), prompts }).await.map_err(closed)?;
    answers.into_iter().next().ok_or_else(|| closed(ConversationError::Closed))
}
