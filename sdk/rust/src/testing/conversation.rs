use std::cell::RefCell;
use std::collections::VecDeque;

use crate::{ConversationError, Prompt};

/// A conversation that gives the test's answers, and is closed when there are no more.
#[derive(Debug, Default)]
pub struct Conversation {
    rounds: RefCell<VecDeque<Vec<String>>>,
    asked: RefCell<Vec<String>>,
    password: Option<String>,
    code: Option<String>,
}

impl Conversation {
    /// A conversation with these answers for each round.
    pub fn answering(rounds: &[&[&str]]) -> Self {
        let rounds = rounds.iter().map(|answers| answers.iter().map(|answer| (*answer).to_owned()).collect());
        Self { rounds: RefCell::new(rounds.collect()), ..Self::default() }
    }

    /// Sets the account's password, for `verify_password`.
    pub fn whose_password_is(self, password: &str) -> Self {
        Self { password: Some(password.to_owned()), ..self }
    }

    /// Sets the account's one-time code, for `verify_one_time_code`.
    pub fn whose_code_is(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..self }
    }

    /// The texts of all prompts that the hook has sent so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    /// The next round of answers; none for a round without prompts.
    ///
    /// # Errors
    /// [`ConversationError::Closed`] if the test has no more answers.
    pub fn ask(&self, _instruction: &str, prompts: &[Prompt]) -> Result<Vec<String>, ConversationError> {
        self.asked.borrow_mut().extend(prompts.iter().map(|prompt| prompt.text.clone()));
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        self.rounds.borrow_mut().pop_front().ok_or(ConversationError::Closed)
    }

    /// Whether the answer is the password that the test has set.
    pub fn verify_password(&self, answer: &str) -> bool {
        self.password.as_deref() == Some(answer)
    }

    /// Whether the answer is the one-time code that the test has set.
    pub fn verify_one_time_code(&self, answer: &str) -> bool {
        self.code.as_deref() == Some(answer)
    }
}
