//! A plugin as a hook of a chain. Its link stays when the file changes or vanishes: it calls
//! whatever is loaded under the name, and fails when nothing is.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tidegate_core::account::AccountRights;
use tidegate_core::hook::deadline::{Late, in_time_of};
use tidegate_core::hook::{Call, Hook, HookDescription, HookError, HookKind, WaitsFor};
use tidegate_core::turns::Places;

use crate::settings::PluginSettings;
use crate::v0_1::{Exports, Guest, GuestEvent};

/// The health of a link under whose name nothing is loaded.
pub const NOT_LOADED: &str = "the plugin is not loaded";

/// Pauses before an observer gets an event again, if it said that its failure may pass (B0-08a).
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];

/// A component that passed every check.
pub struct Loaded {
    /// The component, ready to be called.
    pub guest: Arc<Guest>,
    /// Hexadecimal SHA-256 of the file.
    pub digest: String,
    /// The first 12 digits of the digest: the version in records of calls.
    pub version: Arc<str>,
    /// Hooks that the component exports.
    pub hooks: Vec<HookKind>,
    /// Where the functions of these hooks are.
    pub exports: Exports,
    /// Names of the imported interfaces, in the order of the file.
    pub imports: Vec<String>,
    /// The fingerprint of the key that has signed the file; None: no signature is needed.
    pub signer: Option<String>,
    /// Keywords of the schema of its settings that are left to the plugin; None: there is no schema.
    pub left_of_schema: Option<Vec<String>>,
    /// Places for the calls that may be under way (`limits.concurrency`).
    pub calls: Places,
}

impl Loaded {
    /// The settings with which the plugin was loaded.
    pub fn settings(&self) -> &PluginSettings {
        &self.guest.shared().settings
    }
}

/// The hook that calls what is loaded under a plugin's name.
pub struct PluginHook {
    name: String,
    loaded: ArcSwapOption<Loaded>,
}

impl PluginHook {
    /// A hook under whose name nothing is loaded yet.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), loaded: ArcSwapOption::empty() }
    }

    /// The plugin's name: that of its file without `.wasm`.
    pub fn plugin_name(&self) -> &str {
        &self.name
    }

    /// Puts a version into service, or none, and returns the one before. Calls under way end on the
    /// version on which they began.
    pub fn replace(&self, loaded: Option<Arc<Loaded>>) -> Option<Arc<Loaded>> {
        self.loaded.swap(loaded)
    }

    /// The version in service.
    pub fn loaded(&self) -> Option<Arc<Loaded>> {
        self.loaded.load_full()
    }
}

#[async_trait]
impl<E: GuestEvent> Hook<E> for PluginHook {
    fn name(&self) -> &str {
        &self.name
    }

    fn adapter(&self) -> &'static str {
        "plugin"
    }

    fn calls_at_once(&self) -> usize {
        self.loaded().map_or(usize::MAX, |loaded| loaded.settings().limits.concurrency)
    }

    fn needs_everything(&self) -> bool {
        false
    }

    fn may_wait(&self) -> bool {
        self.loaded().is_some_and(|loaded| loaded.settings().may_wait())
    }

    fn description(&self) -> HookDescription {
        let loaded = self.loaded();
        let health = match &loaded {
            Some(loaded) if E::export(&loaded.exports).is_some() => "ready",
            Some(_) => "the plugin does not export this hook",
            None => NOT_LOADED,
        };
        let settings = loaded.as_ref().map(|loaded| loaded.settings().clone()).unwrap_or_default();
        let limits = settings.limits;
        let mut description = HookDescription::new(&self.name, limits.deadline(), health);
        description.version = loaded.map(|loaded| loaded.digest.clone());
        description.grants = settings.grant_names();
        description.limits = format!(
            "cpu {} ms, memory {} MiB, {} at once, {} instances",
            limits.cpu_ms,
            limits.memory_mib,
            limits.concurrency,
            limits.instances.as_str()
        );
        description
    }

    /// The rights of the version in service: a grant that was taken back is gone at once.
    fn account_rights(&self) -> Option<Arc<AccountRights>> {
        let loaded = self.loaded();
        Some(loaded.map_or_else(|| Arc::new(AccountRights::bound()), |loaded| loaded.guest.shared().rights.clone()))
    }

    fn pause(&self, error: &HookError, tries: u32) -> Option<Duration> {
        let pause = PAUSES.get(usize::try_from(tries).ok()?.checked_sub(1)?)?;
        matches!(error, HookError::Transient(_)).then_some(*pause)
    }

    async fn call(&self, call: &Call, event: &E) -> Result<E::Verdict, HookError> {
        let Some(loaded) = self.loaded() else {
            return Err(HookError::Unavailable(NOT_LOADED.to_owned()));
        };
        let Some(export) = E::export(&loaded.exports) else {
            return Err(HookError::Unavailable("the plugin does not export this hook".to_owned()));
        };
        call.version(&loaded.version);
        let deadline = loaded.settings().limits.deadline();
        let answer = async {
            let waiter = event.subject().waiter();
            let _place = match loaded.calls.try_enter(waiter) {
                Some(place) => place,
                None => {
                    let entering = loaded.calls.enter(waiter, usize::MAX);
                    call.waiting().during(WaitsFor::Place, entering).await.map_err(|_| HookError::Saturated)?
                }
            };
            loaded.guest.call(export, call, event).await
        };
        in_time_of(event, deadline, answer).await.unwrap_or_else(|Late| Err(call.late(deadline)))
    }
}
