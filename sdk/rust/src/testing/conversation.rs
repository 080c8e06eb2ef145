use std::cell::RefCell;
use std::collections::VecDeque;

use crate::{ConversationError, Prompt};

/// Answers as the test says; closed when it has no more to say.
#[derive(Debug, Default)]
pub struct Conversation {
    rounds: RefCell<VecDeque<Vec<String>>>,
    asked: RefCell<Vec<String>>,
    password: Option<String>,
    code: Option<String>,
}

impl Conversation {
    /// The answers of each round.
    pub fn answering(rounds: &[&[&str]]) -> Self {
        let rounds = rounds.iter().map(|answers| answers.iter().map(|answer| (*answer).to_owned()).collect());
        Self { rounds: RefCell::new(rounds.collect()), ..Self::default() }
    }

    /// The account's password, for `verify_password`.
    pub fn whose_password_is(self, password: &str) -> Self {
        Self { password: Some(password.to_owned()), ..self }
    }

    /// The account's one-time code, for `verify_one_time_code`.
    pub fn whose_code_is(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..self }
    }

    /// The texts of all prompts so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    pub fn ask(&self, _instruction: &str, prompts: &[Prompt]) -> Result<Vec<String>, ConversationError> {
        self.asked.borrow_mut().extend(prompts.iter().map(|prompt| prompt.text.clone()));
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        self.rounds.borrow_mut().pop_front().ok_or(ConversationError::Closed)
    }

    pub fn verify_password(&self, answer: &str) -> bool {
        self.password.as_deref() == Some(answer)
    }

    pub fn verify_one_time_code(&self, answer: &str) -> bool {
        self.code.as_deref() == Some(answer)
    }
}
