//! Runs cases, each in the chain that it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_core::account::{AccountDraft, AccountError, Audience, CredentialRule, EffectiveAccount, User};
use tidegate_core::connection::LoginMethod;
use tidegate_core::hook::{HookHost, HookJournal, HookKind, HookRun};
use tidegate_core::login::{AccountCheck, account_checks};
use tidegate_hooks_wasm::{NOT_LOADED, ServedGates};

use super::{Case, Known, Report, Tested};
use crate::cli::backup::stores_to_look_at;
use crate::config::settings::DatabaseSettings;
use crate::config::{Config, DataProvider, Loaded, Settings};
use crate::wire::{Hooks, LinkInfo, Stores};

/// A journal that keeps the records of links for the report.
#[derive(Default)]
pub struct Recorder(Mutex<Vec<HookRun>>);

impl HookJournal for Recorder {
    fn record(&self, run: HookRun) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(run);
    }
}

impl Recorder {
    pub fn take(&self) -> Vec<HookRun> {
        let runs = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        runs.into_iter().map(|run| HookRun { exchange: run.exchange.rendered(), ..run }).collect()
    }
}

/// Hooks that are set up for tests: all configured hooks, or a single one.
pub struct Bench {
    settings: Settings,
    stores: Stores,
    hooks: Hooks,
    recorder: Arc<Recorder>,
    /// The directory of the component under test.
    _directory: Option<TempDir>,
}

impl Bench {
    /// All hooks of a configuration, with its accounts and its plugins' stores. `users`: the accounts that the cases
    /// are about.
    pub async fn configured(settings: Settings, state: &Path, users: &BTreeSet<String>) -> anyhow::Result<Self> {
        let stores = stores_to_look_at(&settings, state, users).await?;
        Self::open(settings, stores, ServedGates::look(state)?, None).await
    }

    /// All hooks of the server that runs, apart from those that it asks itself: what is tested is not in its records.
    pub async fn of_server(settings: Settings, stores: Stores, state: &Path) -> anyhow::Result<Self> {
        Self::open(settings, stores, ServedGates::look(state)?, None).await
    }

    /// A single hook and nothing else; what it stores is dropped afterwards. `loaded`: the
    /// configuration that has the settings of HTTP, programs and plugins.
    pub async fn alone(kind: HookKind, link: &str, loaded: Loaded, directory: &Path) -> anyhow::Result<Self> {
        let config = loaded.config;
        let mut only = Config {
            command: config.command,
            http: config.http,
            compat: config.compat,
            plugins: config.plugins,
            plugin: config.plugin,
            data_provider: DataProvider {
                users_base_dir: config.data_provider.users_base_dir,
                homes: config.data_provider.homes,
                ..DataProvider::default()
            },
            ..Config::default()
        };
        let place = tempfile::tempdir().context("no temporary directory could be made")?;
        let is_component = link.ends_with(".wasm");
        if is_component {
            copy_component(Path::new(link), place.path())?;
            only.plugins.directory = place.path().join("plugins");
        } else {
            if !link.starts_with("plugin:") {
                only.plugins.directory = place.path().join("plugins");
                std::fs::create_dir(&only.plugins.directory)?;
            }
            only.hook.insert(kind.as_str().to_owned(), json!({ "hook": link }));
        }
        let mut settings = Loaded::from_config(only).validate(directory, false)?;
        settings.database = DatabaseSettings::Memory(None);
        let stores = Stores::in_memory()?;
        Self::open(settings, stores, ServedGates::default(), Some(place)).await
    }

    async fn open(
        settings: Settings,
        stores: Stores,
        served: ServedGates,
        directory: Option<TempDir>,
    ) -> anyhow::Result<Self> {
        let recorder = Arc::new(Recorder::default());
        let host = HookHost { journal: recorder.clone(), ..HookHost::default() };
        let hooks = Hooks::open(&settings, &stores, host, served).await?;
        Ok(Self { settings, stores, hooks, recorder, _directory: directory })
    }

    /// Why a component under test is not in service.
    pub fn not_loaded(&self) -> Option<String> {
        self.hooks.plugins().into_iter().find_map(|plugin| plugin.error)
    }

    pub async fn run(&self, case: Case) -> anyhow::Result<Report> {
        let kind = case.kind()?;
        let case = Arc::new(case);
        let stored = self.stored(&case).await?;
        let point = self.hooks.points.points().iter().find(|point| point.kind() == kind);
        let point = point.ok_or_else(|| anyhow!("the hook point {kind} is missing"))?;
        let links = point.links();
        let is_asked = |link: &LinkInfo| case.only.is_empty() || link.description.target == case.only;
        if !links.is_empty() && !links.iter().any(is_asked) {
            let names: Vec<_> = links.iter().map(|link| link.description.target.as_str()).collect();
            anyhow::bail!("no hook \"{}\" is configured for {kind}; there are: {}", case.only, names.join(", "));
        }
        // A plugin that is not loaded would look like one that exports no such hook.
        let broken = self.hooks.plugins().into_iter().find_map(|plugin| plugin.error.map(|error| (plugin.name, error)));
        let says_nothing = links.iter().all(|link| !is_asked(link) || link.description.health == NOT_LOADED);
        if let Some((name, error)) = broken.filter(|_| says_nothing) {
            anyhow::bail!("the plugin \"{name}\" was not loaded: {error}");
        }
        anyhow::ensure!(
            !links.is_empty(),
            "no hook is there for {kind}; name one with --link, or see: tidegate hook list"
        );
        let known = Known { stored: stored.clone(), directory: self.stores.directory.clone() };
        let tested = point.test(case.clone(), known).await?;
        let runs = self.recorder.take();
        let (after, problem) = self.accepted(&tested, &case.user, stored.as_ref().map(|stored| &**stored.user())).await;
        let checks = after.as_ref().map(|account| self.checks(account, &case)).unwrap_or_default();
        let document = |user: &User| Value::Object(user.to_document(Audience::Redacted));
        let before = stored.as_ref().map(|stored| document(stored.user()));
        let after = after.as_ref().map(|after| document(after.user()));
        Ok(Report::new(case, tested, runs, before, after, problem, checks))
    }

    async fn stored(&self, case: &Case) -> anyhow::Result<Option<Arc<EffectiveAccount>>> {
        let accounts = self.stores.accounts(self.settings.users_base_dir.clone());
        let user = match &case.account {
            Some(fields) => {
                let mut draft = AccountDraft::new(&case.user);
                draft.merge_value(&Value::Object(fields.clone()))?;
                Some(draft.validate(CredentialRule::Optional)?.account)
            }
            None => accounts.find(&case.user).await?,
        };
        let Some(user) = user else { return Ok(None) };
        Ok(Some(Arc::new(accounts.in_force(user).await?)))
    }

    /// The account that the server would take over, or the reason why it would not.
    async fn accepted(
        &self,
        tested: &Tested,
        user: &str,
        stored: Option<&User>,
    ) -> (Option<EffectiveAccount>, Option<String>) {
        let Some(draft) = &tested.account else { return (None, None) };
        let accounts = self.stores.accounts_for_hooks(&self.settings);
        match accounts.preview_from_hook(draft.clone(), user, stored).await {
            Ok(user) => match accounts.in_force(user).await {
                Ok(account) => (Some(account), None),
                Err(error) => (None, Some(error.to_string())),
            },
            Err(AccountError::Invalid(error)) => (None, Some(error.to_string())),
            Err(error) => (None, Some(error.to_string())),
        }
    }

    fn checks(&self, account: &EffectiveAccount, case: &Case) -> Vec<AccountCheck> {
        let method = match (&case.public_key, case.answers.is_empty()) {
            (Some(_), _) => LoginMethod::PublicKey,
            (None, false) => LoginMethod::KeyboardInteractive,
            (None, true) => LoginMethod::Password,
        };
        account_checks(account, method, case.ip, self.settings.address_rule, &self.settings.clock)
    }
}

/// Copies the component, its settings and their schema, under a name of its own.
fn copy_component(file: &Path, place: &Path) -> anyhow::Result<()> {
    let plugins = place.join("plugins");
    std::fs::create_dir(&plugins)?;
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("plugin");
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    std::fs::copy(file, plugins.join(format!("{name}.wasm")))
        .with_context(|| format!("the component {} cannot be read", file.display()))?;
    let mut signature = file.as_os_str().to_owned();
    signature.push(".sig");
    let signature = PathBuf::from(signature);
    if signature.exists() {
        std::fs::copy(&signature, plugins.join(format!("{name}.wasm.sig")))
            .with_context(|| format!("the signature {} cannot be read", signature.display()))?;
    }
    for (extension, what) in [("toml", "settings"), ("schema.json", "schema of its settings")] {
        let beside: PathBuf = file.with_extension(extension);
        if beside.exists() {
            std::fs::copy(&beside, plugins.join(format!("{name}.{extension}")))
                .with_context(|| format!("the {what} {} cannot be read", beside.display()))?;
        }
    }
    Ok(())
}
