//! The password that a session began with, for as long as a hook is to be given it (D-15).

use std::sync::{Mutex, PoisonError};

use crate::secret::Secret;

/// Wiped from memory when it is forgotten.
#[derive(Debug, Default)]
pub struct KeptPassword(Mutex<Option<Secret>>);

impl KeptPassword {
    pub fn new(password: Option<Secret>) -> Self {
        Self(Mutex::new(password))
    }

    pub fn get(&self) -> Option<Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
