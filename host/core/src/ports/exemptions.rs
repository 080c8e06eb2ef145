//! The networks that administrators have exempted from bans while the server ran.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ipnet::IpNet;

/// Keeps networks over restarts. Those of the configuration are not among them.
#[async_trait]
pub trait Exemptions: Send + Sync {
    /// The networks, in the order in which they were added.
    fn networks(&self) -> Arc<[IpNet]>;

    /// Puts these in the place of `before`, and answers when they are kept. False: they were others by then.
    ///
    /// # Errors
    /// They cannot be kept; a sentence.
    async fn replace(&self, before: &[IpNet], after: Vec<IpNet>) -> Result<bool, String>;
}

/// Keeps them in memory.
#[derive(Debug, Default)]
pub struct ExemptionsInMemory(Mutex<Arc<[IpNet]>>);

impl ExemptionsInMemory {
    /// With these to begin with.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(Mutex::new(networks.into()))
    }

    /// The networks.
    pub fn get(&self) -> Arc<[IpNet]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other networks.
    pub fn set(&self, networks: Vec<IpNet>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = networks.into();
    }
}

#[async_trait]
impl Exemptions for ExemptionsInMemory {
    fn networks(&self) -> Arc<[IpNet]> {
        self.get()
    }

    async fn replace(&self, before: &[IpNet], after: Vec<IpNet>) -> Result<bool, String> {
        let mut networks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = **networks == *before;
        if is_first {
            *networks = after.into();
        }
        Ok(is_first)
    }
}
