//! Use cases that run no login: which hooks one would meet, and what the configured hooks say to a made-up event.

use core::net::IpAddr;

use serde_json::{Map, Value};

use super::{Actor, AdminError, HookLink, PluginAdministration, UseCase};
use crate::connection::LoginMethod;

/// A login that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginQuestion {
    /// The name, as a client would send it.
    pub username: String,
    /// The method; of several steps, the combined one.
    pub method: LoginMethod,
    /// The client's address.
    pub address: IpAddr,
}

/// Which hooks a login would meet.
#[derive(Debug, Clone, PartialEq)]
pub struct LoginExplanation {
    /// Whether an account of that name is stored.
    pub is_stored: bool,
    /// The hook points of a login, in their order.
    pub points: Vec<ExplainedPoint>,
}

/// One hook point in the explanation of a login.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedPoint {
    /// The name of the hook point.
    pub hook: &'static str,
    /// How its links make one decision, in words.
    pub composition: &'static str,
    /// Why the point as a whole is not asked; None: it is.
    pub not_asked: Option<String>,
    /// The links in the order in which they are asked, each with the reason for which it is not.
    pub links: Vec<(HookLink, Option<String>)>,
}

/// Why no event was made up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// The event cannot be made up as it is written; the text is a sentence.
    #[error("{0}")]
    Invalid(String),
    /// The hooks cannot be asked; the text is a sentence.
    #[error("{0}")]
    Failed(String),
}

impl PluginAdministration {
    /// Which hooks a login would meet and why, without running any.
    ///
    /// # Errors
    /// The actor lacks `view_events`, or the store does not answer.
    pub async fn explain(&self, actor: &Actor, login: &LoginQuestion) -> Result<LoginExplanation, AdminError> {
        self.audit.allow(actor, UseCase::ExplainHooks, &login.username).await?;
        self.inventory.explain(login).await.map_err(AdminError::Inventory)
    }

    /// Asks the configured hooks about a made-up event; nothing is stored of it but what the hooks themselves store.
    /// The answer is the report that `tidegate hook test --json` gives.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, the event is not valid, or the hooks cannot be asked.
    pub async fn test(&self, actor: &Actor, event: Map<String, Value>) -> Result<Value, AdminError> {
        let hook = event.get("hook").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.audit.allow(actor, UseCase::TestHooks, &hook).await?;
        let report = self.inventory.test(event).await;
        let report = report.map_err(|error| match error {
            TrialError::Invalid(problem) => AdminError::HookEvent(problem),
            TrialError::Failed(problem) => AdminError::Inventory(problem),
        })?;
        self.audit.done(actor, "test", "hook", &hook, String::new()).await;
        Ok(report)
    }
}
