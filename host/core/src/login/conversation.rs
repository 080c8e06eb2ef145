//! The keyboard-interactive method (RFC 4256), with the questions of a hook, or those of the server.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use super::credentials::{PreLoginHooks, Resolved, accept_stored, unknown_user};
use super::one_time_code::RightCode;
use super::{LoginService, Outcome, Proved, Refusal, RefusalReason};
use crate::account::EffectiveAccount;
use crate::hook::keyboard_interactive::{
    Asker, Conversation, ConversationError, KeyboardInteractive, KeyboardInteractiveVerdict, Prompt, Round,
};
use crate::hook::{LoginAttempt, OwnTime};
use crate::presented::check_password;
use crate::secret::Secret;

/// Most rounds of one conversation.
const MAX_ROUNDS: usize = 100;
/// Most prompts of one round.
const MAX_PROMPTS: usize = 50;
/// Most bytes of the texts of one round.
const MAX_TEXT: usize = 16 << 10;

/// What the client is sent next.
pub enum Step {
    /// The next round of the conversation.
    Ask(Round),
    /// The attempt has ended.
    Done(Outcome),
}

type Ended = Result<Proved, Refusal>;

/// What comes next in a conversation.
pub(super) enum ConversationStep {
    Ask(Round),
    Finished(Ended),
}

/// What external authentication and pre-login hooks have said before the built-in questions.
enum HookAnswer {
    NotAsked,
    NoAccount,
    /// External authentication has decided about the conversation.
    Decided(Resolved),
    /// It has not, and may decide about the password.
    Undecided(Resolved),
}

/// A conversation under way. It runs on a task of its own, so that its deadlines hold while the client is silent;
/// dropping the exchange ends the task.
pub(super) struct Exchange {
    attempt: Arc<LoginAttempt>,
    task: JoinSet<Ended>,
    rounds: mpsc::Receiver<Asked>,
    /// Where the answers to the last round are sent, and how many prompts it had.
    waiting: Option<(usize, oneshot::Sender<Vec<Secret>>)>,
}

struct Asked {
    round: Round,
    answers: oneshot::Sender<Vec<Secret>>,
}

impl Exchange {
    /// Begins a conversation. `proved`: the account whose password was right, if only a code is missing.
    pub fn begin(service: Arc<LoginService>, attempt: Arc<LoginAttempt>, proved: Option<Resolved>) -> Self {
        let (sender, rounds) = mpsc::channel(1);
        let about = attempt.clone();
        let mut task = JoinSet::new();
        let conversation = async move {
            match proved {
                Some(resolved) => service.ask_only_code(&about, resolved, sender).await,
                None => service.converse(&about, sender).await,
            }
        };
        task.spawn(conversation.in_current_span());
        Self { attempt, task, rounds, waiting: None }
    }

    /// The attempt that the conversation is about.
    pub fn attempt(&self) -> &Arc<LoginAttempt> {
        &self.attempt
    }

    /// Passes the client's answers on. A wrong number of answers ends the conversation.
    pub fn answer(&mut self, answers: Vec<Secret>) {
        if let Some((expected, waiting)) = self.waiting.take()
            && expected == answers.len()
        {
            // No call waits any more if the hook is past its deadline.
            let _ = waiting.send(answers);
        }
    }

    /// The next round, or how the conversation ended.
    pub async fn next(&mut self) -> ConversationStep {
        tokio::select! {
            biased;
            Some(ended) = self.task.join_next() => {
                ConversationStep::Finished(ended.unwrap_or_else(|error| Err(broken(&error))))
            }
            Some(asked) = self.rounds.recv() => {
                self.waiting = Some((asked.round.prompts.len(), asked.answers));
                ConversationStep::Ask(asked.round)
            }
            else => {
                let refusal = Refusal::new(RefusalReason::Failure, "the conversation has ended");
                ConversationStep::Finished(Err(refusal))
            }
        }
    }

    /// Ends a conversation that the client has left. The answer says why it failed: it may have been refused
    /// meanwhile.
    pub fn give_up(mut self) -> Refusal {
        match self.task.try_join_next() {
            Some(Ok(Err(refusal))) => refusal,
            Some(Err(error)) => broken(&error),
            Some(Ok(Ok(_))) | None => Refusal::new(RefusalReason::GivenUp, "the client gave the conversation up"),
        }
    }
}

fn broken(error: &JoinError) -> Refusal {
    Refusal::new(RefusalReason::Failure, format!("the conversation broke off: {error}"))
}

/// The conversation as hooks see it.
struct WithClient {
    service: Arc<LoginService>,
    attempt: Arc<LoginAttempt>,
    account: Option<Arc<EffectiveAccount>>,
    rounds: mpsc::Sender<Asked>,
    /// The hook that asks; None: none does yet.
    hook: Mutex<Option<Asker>>,
    asked: AtomicUsize,
    own_time: OwnTime,
    /// Whether a valid code of the account was among the answers.
    has_code: AtomicBool,
    /// A right code of an account that is not stored yet, which cannot be noted as used before the account is.
    unused_code: Mutex<Option<RightCode>>,
}

#[async_trait]
impl Conversation for WithClient {
    async fn ask(&self, round: Round) -> Result<Vec<Secret>, ConversationError> {
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.ask_as(hook.unwrap_or_else(Asker::server), round).await
    }

    fn next_asks(&self, asker: Asker) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(asker);
    }

    async fn verify_password(&self, answer: &Secret) -> bool {
        if check_password(answer).is_err() {
            return false;
        }
        let Some(account) = &self.account else {
            // Takes as long as for a user that exists.
            let _ = self.service.ports.passwords.matches(self.attempt.waiter(), &self.service.decoy, answer).await;
            return false;
        };
        let resolved = Resolved::from_stored(account.clone());
        self.service.prove_password(&self.attempt, &resolved, answer).await.is_ok()
    }

    async fn verify_one_time_code(&self, answer: &Secret) -> bool {
        match &self.account {
            Some(account) => self.check_code(account, answer).await.is_ok(),
            None => false,
        }
    }

    fn own_time(&self) -> Option<&OwnTime> {
        Some(&self.own_time)
    }
}

impl WithClient {
    async fn ask_as(&self, asker: Asker, round: Round) -> Result<Vec<Secret>, ConversationError> {
        let texts = round.prompts.iter().map(|prompt| prompt.text.len()).sum::<usize>() + round.instruction.len();
        if self.asked.fetch_add(1, Ordering::Relaxed) >= MAX_ROUNDS
            || round.prompts.len() > MAX_PROMPTS
            || texts > MAX_TEXT
        {
            return Err(ConversationError::TooMany);
        }
        let round = round.for_a_terminal();
        let open = self.service.open_round(&self.attempt, asker, &round);
        let (answers, answered) = oneshot::channel();
        self.rounds.send(Asked { round, answers }).await.map_err(|_| ConversationError::Closed)?;
        let answers = self.own_time.paused(answered).await.map_err(|_| ConversationError::Closed)?;
        open.close(answers.len());
        Ok(answers)
    }

    async fn check_code(&self, account: &EffectiveAccount, code: &Secret) -> Result<(), Refusal> {
        let code = self.service.codes.check(account, code, self.service.ports.clock.now())?;
        if account.id > 0 {
            self.service.accept_code(account, code).await?;
        } else {
            *self.unused_code.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
        }
        self.has_code.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn has_code(&self) -> bool {
        self.has_code.load(Ordering::Relaxed)
    }

    /// The result of the conversation. Stores what a hook has made of the account, and that its code is used.
    async fn prove(&self, resolved: Resolved) -> Ended {
        let account = self.service.commit(resolved).await?;
        let unused = self.unused_code.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(code) = unused {
            self.service.accept_code(&account, code).await?;
        }
        Ok(Proved { account, has_code: self.has_code() })
    }

    async fn ask_code(&self, account: &EffectiveAccount) -> Result<(), Refusal> {
        let code = self.ask_one("Authentication code: ").await?;
        self.check_code(account, &code).await
    }

    async fn ask_one(&self, text: &str) -> Result<Secret, Refusal> {
        let prompts = vec![Prompt { text: text.to_owned(), echo: false }];
        let closed = |_| Refusal::new(RefusalReason::WrongCredential, "the question was not answered");
        let answers = self.ask_as(Asker::server(), Round { instruction: String::new(), prompts }).await;
        let answers = answers.map_err(closed)?;
        let answer = answers.into_iter().next().ok_or_else(|| closed(ConversationError::Closed))?;
        match check_password(&answer) {
            Ok(()) => Ok(answer),
            Err(unfit) => Err(Refusal::new(RefusalReason::Denied, unfit.to_string())),
        }
    }
}

impl LoginService {
    /// Uses up a right code of a stored account.
    async fn accept_code(&self, account: &EffectiveAccount, code: RightCode) -> Result<(), Refusal> {
        let ports = &self.ports;
        Ok(self.codes.accept(&ports.accounts, account, code, ports.clock.now()).await?)
    }

    fn conversation(
        self: &Arc<Self>,
        attempt: &Arc<LoginAttempt>,
        account: Option<Arc<EffectiveAccount>>,
        rounds: mpsc::Sender<Asked>,
    ) -> Arc<WithClient> {
        Arc::new(WithClient {
            service: self.clone(),
            attempt: attempt.clone(),
            account,
            rounds,
            hook: Mutex::default(),
            asked: AtomicUsize::new(0),
            own_time: OwnTime::default(),
            has_code: AtomicBool::new(false),
            unused_code: Mutex::default(),
        })
    }

    /// The second factor of a login by password.
    async fn ask_only_code(
        self: &Arc<Self>,
        attempt: &Arc<LoginAttempt>,
        resolved: Resolved,
        rounds: mpsc::Sender<Asked>,
    ) -> Ended {
        let conversation = self.conversation(attempt, Some(resolved.account.clone()), rounds);
        conversation.ask_code(&resolved.account).await?;
        conversation.prove(resolved).await
    }

    async fn converse(self: &Arc<Self>, attempt: &Arc<LoginAttempt>, rounds: mpsc::Sender<Asked>) -> Ended {
        let chain = &self.ports.hooks.keyboard_interactive;
        let disabled = attempt.stored.as_ref().is_some_and(|account| account.filters.external_auth_disabled);
        let hooked = !disabled && chain.concerns(&attempt.subject());
        if !hooked {
            let conversation = self.conversation(attempt, attempt.stored.clone(), rounds);
            return self.ask_built_in(attempt, &conversation, HookAnswer::NotAsked).await;
        }
        // A12-07: hooks that make accounts come first. Where no keyboard-interactive hook is asked, they are asked
        // once the password is known.
        let decided = self.ask_external_auth(attempt, None).await?;
        let is_decided = decided.is_some();
        let resolved = match decided {
            Some(decided) => Some(decided),
            None => self.without_external_auth(attempt, PreLoginHooks::Ask).await?,
        };
        let account = resolved.as_ref().map(|resolved| resolved.account.clone());
        let conversation = self.conversation(attempt, account.clone(), rounds);
        let event = KeyboardInteractive { attempt: attempt.clone(), account, conversation: conversation.clone() };
        match self.ask_hooks(event, &conversation, resolved.clone()).await? {
            Some(proved) => Ok(proved),
            None => {
                let known = match resolved {
                    Some(resolved) if is_decided => HookAnswer::Decided(resolved),
                    Some(resolved) => HookAnswer::Undecided(resolved),
                    None => HookAnswer::NoAccount,
                };
                self.ask_built_in(attempt, &conversation, known).await
            }
        }
    }

    /// Asks the keyboard-interactive hooks; None: none decided. They are asked about unknown users as well, so that
    /// neither the questions nor the time tell whether a user exists (A12-08). An answer without a draft admits
    /// no unknown user.
    async fn ask_hooks(
        &self,
        mut event: KeyboardInteractive,
        conversation: &WithClient,
        resolved: Option<Resolved>,
    ) -> Result<Option<Proved>, Refusal> {
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
        // B1-02, A12-09: the account's conditions are checked after the exchange.
        self.check_before_credential(&resolved.account, &attempt)?;
        // The hook may not have asked for a code.
        let has_code = conversation.has_code();
        if resolved.account.needs_code(&super::proved(&attempt)) && !has_code {
            conversation.ask_code(&resolved.account).await?;
        }
        conversation.prove(resolved).await.map(Some)
    }

    /// Asks for the password, then for a one-time code if the account has codes; after a key, only for the code, if
    /// the account has codes (B4-02). `known`: what the hooks have made of the account.
    async fn ask_built_in(&self, attempt: &Arc<LoginAttempt>, conversation: &WithClient, known: HookAnswer) -> Ended {
        let codes_of = |account: &EffectiveAccount| account.filters.one_time_codes.is_some();
        let only_code = !attempt.completed_methods.is_empty() && attempt.stored.as_deref().is_some_and(codes_of);
        if only_code {
            // Hooks that make accounts are asked at every step (B2-06).
            let resolved = match known {
                HookAnswer::Decided(resolved) | HookAnswer::Undecided(resolved) => Some(resolved),
                HookAnswer::NoAccount => None,
                HookAnswer::NotAsked => self.resolve(attempt, None, PreLoginHooks::Ask).await?,
            };
            let resolved = resolved.ok_or_else(unknown_user)?;
            self.check_before_credential(&resolved.account, attempt)?;
            conversation.ask_code(&resolved.account).await?;
            return conversation.prove(resolved).await;
        }
        let password = conversation.ask_one("Password: ").await?;
        let resolved = match known {
            // Hooks have made the account, but asked no questions.
            HookAnswer::Decided(resolved) => {
                self.prove_password(attempt, &resolved, &password).await?;
                resolved
            }
            HookAnswer::Undecided(resolved) => {
                let resolved = self.with_password(attempt, &password, resolved).await?;
                self.prove_password(attempt, &resolved, &password).await?;
                resolved
            }
            HookAnswer::NoAccount => self.try_password(attempt, &password, PreLoginHooks::Asked).await?,
            HookAnswer::NotAsked => self.try_password(attempt, &password, PreLoginHooks::Ask).await?,
        };
        if codes_of(&resolved.account) {
            conversation.ask_code(&resolved.account).await?;
        }
        conversation.prove(resolved).await
    }
}
