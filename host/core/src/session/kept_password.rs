//! The password that a session began with, kept for as long as a hook is to be given it (D-15).

use std::sync::{Mutex, PoisonError};

use crate::secret::Secret;

/// A password, or none any more; wiped from memory when it is forgotten.
#[derive(Debug, Default)]
pub struct KeptPassword(Mutex<Option<Secret>>);

impl KeptPassword {
    /// Keeps this password; none for sessions that began without one.
    pub fn new(password: Option<Secret>) -> Self {
        Self(Mutex::new(password))
    }

    /// The password, as long as it is kept.
    pub fn get(&self) -> Option<Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wipes the password.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
