//! A plugin as a link of a chain. The link stays when the file changes or vanishes; it
//! calls whatever is loaded under the name, and fails when nothing is.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::{Hook, HookDescription, HookError};
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::settings::Limits;
use crate::v0_1::Shared;
use crate::v0_1::external_auth;

/// A component that passed every check.
pub struct Loaded {
    pub engine: Engine,
    pub shared: Arc<Shared>,
    /// Hexadecimal SHA-256 of the file.
    pub digest: String,
    pub hooks: Vec<String>,
    pub external_auth: Option<external_auth::Export>,
    /// Calls under way.
    pub calls: Semaphore,
}

/// The name, and what is loaded under it.
pub struct PluginHook {
    name: String,
    loaded: ArcSwapOption<Loaded>,
}

impl PluginHook {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), loaded: ArcSwapOption::empty() }
    }

    /// Calls under way end on what they began with.
    pub fn replace(&self, loaded: Option<Arc<Loaded>>) {
        self.loaded.store(loaded);
    }

    pub fn loaded(&self) -> Option<Arc<Loaded>> {
        self.loaded.load_full()
    }

    fn limits(&self) -> Limits {
        self.loaded().map(|loaded| loaded.shared.settings.limits).unwrap_or_default()
    }
}

#[async_trait]
impl Hook<ExternalAuth> for PluginHook {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> HookDescription {
        let health = match self.loaded() {
            Some(loaded) if loaded.external_auth.is_some() => "ready",
            Some(_) => "the plugin does not export this hook",
            None => "the plugin is not loaded",
        };
        HookDescription {
            adapter: "plugin",
            target: self.name.clone(),
            deadline: self.limits().deadline(),
            health: health.to_owned(),
        }
    }

    async fn call(&self, event: &ExternalAuth) -> Result<ExternalAuthVerdict, HookError> {
        let Some(loaded) = self.loaded() else {
            return Err(HookError::Unavailable("the plugin is not loaded".to_owned()));
        };
        let Some(export) = &loaded.external_auth else {
            return Err(HookError::Unavailable("the plugin does not export this hook".to_owned()));
        };
        let deadline = loaded.shared.settings.limits.deadline();
        let call = async {
            let _permit = loaded.calls.acquire().await.map_err(|_| HookError::Saturated)?;
            export.call(&loaded.engine, loaded.shared.clone(), event).await
        };
        tokio::time::timeout(deadline, call).await.unwrap_or(Err(HookError::Timeout(deadline)))
    }
}
