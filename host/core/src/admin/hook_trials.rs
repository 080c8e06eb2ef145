//! Use cases that run no login: which hooks one would meet, and what the configured hooks say to a made-up event; and
//! those that change the plugin directory.

use core::net::IpAddr;

use serde_json::{Map, Value};

use super::credential_text::digest_of_bytes;
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

/// A component, and the text of its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPlugin {
    /// The bytes of the component.
    pub component: Vec<u8>,
    /// An SSH signature of them, as `tidegate plugin sign` writes it.
    pub signature: String,
}

/// Why hooks or plugins did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// The request is not valid; the text is a sentence.
    #[error("{0}")]
    Invalid(String),
    /// The settings do not allow it; the text is a sentence.
    #[error("{0}")]
    Refused(String),
    /// There is no such plugin; the text is a sentence.
    #[error("{0}")]
    Missing(String),
    /// It failed; the text is a sentence.
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

    /// Puts a plugin into the plugin directory, or replaces one, and returns when it is loaded; whether it can be used is
    /// in the list of plugins. It has the grants that the configuration gives to its name.
    ///
    /// # Errors
    /// The actor lacks `manage_system` or is an API key, the settings do not allow it, the name or the signature is not
    /// valid, or the plugin cannot be written.
    pub async fn install(&self, actor: &Actor, name: &str, plugin: SignedPlugin) -> Result<(), AdminError> {
        self.audit.allow(actor, UseCase::InstallPlugin, name).await?;
        let detail = format!("the component with the SHA-256 {}", digest_of_bytes(&plugin.component));
        self.inventory.install(name, plugin).await?;
        self.audit.done(actor, "install", "plugin", name, detail).await;
        Ok(())
    }

    /// Takes a plugin out of the plugin directory. The gates that it served refuse until they are given up.
    ///
    /// # Errors
    /// The actor lacks `manage_system` or is an API key, the settings do not allow it, there is no such plugin, or it
    /// cannot be removed.
    pub async fn remove(&self, actor: &Actor, name: &str) -> Result<(), AdminError> {
        self.audit.allow(actor, UseCase::RemovePlugin, name).await?;
        self.inventory.remove(name).await?;
        self.audit.done(actor, "remove", "plugin", name, String::new()).await;
        Ok(())
    }

    /// Asks the configured hooks, or the one of them that `only` names, about a made-up event; nothing is stored of it but what the hooks themselves store.
    /// The answer is the report that `tidegate hook test --json` gives.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, the event is not valid, or the hooks cannot be asked.
    pub async fn test(&self, actor: &Actor, event: Map<String, Value>) -> Result<Value, AdminError> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (hook, only) = (text("hook"), text("only"));
        self.audit.allow(actor, UseCase::TestHooks, &hook).await?;
        let report = self.inventory.test(event).await?;
        let detail = if only.is_empty() { only } else { format!("only the hook {only}") };
        self.audit.done(actor, "test", "hook", &hook, detail).await;
        Ok(report)
    }
}

impl From<InventoryError> for AdminError {
    fn from(error: InventoryError) -> Self {
        match error {
            InventoryError::Invalid(problem) => Self::InvalidForHooks(problem),
            InventoryError::Refused(problem) => Self::RefusedForPlugins(problem),
            InventoryError::Missing(problem) => Self::NoPlugin(problem),
            InventoryError::Failed(problem) => Self::Inventory(problem),
        }
    }
}
