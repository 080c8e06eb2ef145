//! Makes a callable plugin of its files: reads them, compiles the component, checks it against its
//! signature and settings, and makes the first instances.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tidegate_core::hook::{HookError, HookKind};
use tidegate_core::turns::Places;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::background::{Background, NotDone};
use crate::capability::egress::Egress;
use crate::claimed_gates::{all_gates, claimed_gates};
use crate::component_file::{self, LoadError};
use crate::config_schema::ConfigSchema;
use crate::engine::{self, EngineError};
use crate::loader::PluginPorts;
use crate::plugin::Loaded;
use crate::plugin_file::{self, NotRead};
use crate::settings::PluginSettings;
use crate::v0_1::{self, CallState, Exports, Guest, Shared};

/// Limit for reading, since a file system may not answer.
const READ_TIME: Duration = Duration::from_secs(30);
const READERS: usize = 4;
/// Limit for finding out which gates a new file exports, while nothing refuses because of it yet.
const CLAIM_TIME: Duration = Duration::from_secs(1);
/// Limit for compiling one component; an interpreter of 20 MB takes about 15 s on two cores.
const COMPILE_TIME: Duration = Duration::from_secs(240);
/// Components that are compiled at once; the compiler uses all cores for each.
pub const COMPILERS: usize = 2;

/// The files of one plugin.
#[derive(Clone)]
pub struct Files {
    /// The content of `NAME.wasm`.
    pub component: Arc<Vec<u8>>,
    /// Hexadecimal SHA-256 of the component.
    pub digest: String,
    /// The text of `NAME.toml`, if there is one.
    pub settings: Option<String>,
    /// The text of `NAME.schema.json`, if there is one.
    pub schema: Option<String>,
    /// The text of `NAME.wasm.sig`; read only if there are trusted keys.
    pub signature: Option<String>,
}

/// Why the files of a plugin cannot be read, and the gates that it may have been meant for.
pub struct Unusable {
    /// The error for the operator.
    pub error: LoadError,
    /// The gates to close because of this plugin.
    pub gates: BTreeSet<HookKind>,
    /// The name is gone from the directory.
    pub is_gone: bool,
}

impl Unusable {
    /// For a file that may be meant for any gate.
    fn unknown(error: LoadError) -> Self {
        Self { error, gates: all_gates(), is_gone: false }
    }
}

/// Loads single plugins, with the engine, settings and ports that all of them share.
pub struct Loading {
    /// The plugin directory.
    pub directory: PathBuf,
    configured: BTreeMap<String, PluginSettings>,
    ports: PluginPorts,
    engine: Engine,
    linker: Linker<CallState>,
    readers: Background,
    /// Where components are compiled.
    pub compilers: Background,
}

impl Loading {
    /// Makes the engine, the linker and the places for reading and compiling.
    pub fn new(
        directory: PathBuf,
        configured: BTreeMap<String, PluginSettings>,
        ports: PluginPorts,
    ) -> Result<Self, EngineError> {
        let engine = engine::engine()?;
        let linker = v0_1::linker(&engine).map_err(|error| EngineError::Engine(error.root_cause().to_string()))?;
        let readers = Background::new("plugin-files", READERS, READ_TIME);
        let compilers = Background::new("plugin-compiler", COMPILERS, COMPILE_TIME);
        Ok(Self { directory, configured, ports, engine, linker, readers, compilers })
    }

    /// Names of all files that could be plugins, without `.wasm`.
    pub async fn names(&self) -> io::Result<BTreeSet<String>> {
        let directory = self.directory.clone();
        let names = self.readers.run(move || names_in(&directory)).await;
        names.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer")))
    }

    /// Reads the files of a plugin.
    pub async fn read(&self, name: &str) -> Result<Files, Unusable> {
        let (directory, plugin) = (self.directory.clone(), name.to_owned());
        let is_signed = !self.ports.trusted_keys.is_empty();
        let read = self.readers.run(move || read(&directory, &plugin, is_signed)).await;
        read.unwrap_or_else(|_| {
            let problem = format!("it could not be read within {READ_TIME:?}");
            Err(Unusable::unknown(LoadError::Unreadable(problem)))
        })
    }

    /// The gates that a file may be meant for: those that it exports, or all if that cannot be read soon.
    pub async fn claims(&self, name: &str) -> BTreeSet<HookKind> {
        let (directory, plugin) = (self.directory.clone(), name.to_owned());
        let read = self.readers.run(move || claims(&directory, &plugin));
        match tokio::time::timeout(CLAIM_TIME, read).await {
            Ok(Ok(gates)) => gates,
            Ok(Err(_)) | Err(_) => all_gates(),
        }
    }

    /// The settings as they are now, if they can be used.
    pub async fn current_settings(&self, name: &str) -> Option<PluginSettings> {
        let path = settings_file(&self.directory, name);
        let text = self.readers.run(move || read_if_there(&path)).await.ok()?.ok()?;
        self.settings(name, text.as_deref()).ok()
    }

    /// Compiles the component, within `COMPILE_TIME`. The log says when that begins and ends: large ones take a minute.
    pub async fn compile(&self, name: &str, files: &Files) -> Result<Component, LoadError> {
        component_file::check_header(&files.component)?;
        let (engine, bytes, plugin) = (self.engine.clone(), files.component.clone(), name.to_owned());
        match self.compilers.run(move || compile(&engine, &plugin, &bytes)).await {
            Ok(compiled) => compiled,
            Err(NotDone::Late) => Err(LoadError::TooSlow(self.compilers.limit())),
            Err(NotDone::Failed) => Err(LoadError::Invalid("the compiler failed".to_owned())),
        }
    }

    /// Checks a compiled component against its signature and settings, and makes its first instances.
    pub async fn load(&self, name: &str, files: &Files, component: &Component) -> Result<Loaded, LoadError> {
        let digest = files.digest.clone();
        let hooks = component_file::exported_hooks(&self.engine, component)?;
        let signer = self.check_signature(files)?;
        let imports = component.component_type().imports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        let settings = self.settings(name, files.settings.as_deref())?;
        if let Some(wanted) = settings.sha256.as_ref().filter(|wanted| !wanted.eq_ignore_ascii_case(&digest)) {
            return Err(LoadError::OtherDigest { found: digest, wanted: wanted.clone() });
        }
        let left_of_schema = check_config(name, files.schema.as_deref(), &settings)?;
        let secrets = settings.read_secrets().map_err(|error| LoadError::Settings(error.to_string()))?;
        let unlinkable =
            |error: wasmtime::Error| LoadError::Unlinkable(format!("{error:#}").lines().collect::<Vec<_>>().join(" "));
        let instance = self.linker.instantiate_pre(component).map_err(unlinkable)?;
        let exports = Exports::find(&instance, &hooks).map_err(unlinkable)?;
        let calls = Places::with_shares(settings.limits.concurrency);
        let PluginPorts { passwords, store, authorities, .. } = self.ports.clone();
        let egress = Egress::new(name, &settings.http, &authorities);
        let egress = egress.map_err(|problem| LoadError::Settings(format!("http: {problem}")))?;
        let rights = Arc::new(settings.account_rights());
        let shared = Arc::new(Shared { name: name.to_owned(), settings, rights, secrets, passwords, store, egress });
        let guest = Guest::new(self.engine.clone(), instance, shared);
        guest.try_out().await.map_err(at_start)?;
        let version = digest.get(..12).unwrap_or_default().into();
        Ok(Loaded { guest, digest, version, hooks, exports, imports, signer, left_of_schema, calls })
    }

    /// A plugin's settings: those of the configuration, else those of its file (`text`), else the defaults.
    pub fn settings(&self, name: &str, text: Option<&str>) -> Result<PluginSettings, LoadError> {
        match (self.configured.get(name), text) {
            (Some(configured), _) => Ok(configured.clone()),
            (None, Some(text)) => {
                PluginSettings::from_toml(text).map_err(|error| LoadError::Settings(format!("{name}.toml: {error}")))
            }
            (None, None) => Ok(PluginSettings::default()),
        }
    }

    /// The key that has signed the file, where that is needed. A signature covers the component alone, not its name or
    /// its settings.
    fn check_signature(&self, files: &Files) -> Result<Option<String>, LoadError> {
        let keys = &self.ports.trusted_keys;
        if keys.is_empty() {
            return Ok(None);
        }
        let signature = files.signature.as_ref().ok_or(LoadError::Unsigned)?;
        keys.verify(&files.component, signature).map(Some).map_err(LoadError::Untrusted)
    }
}

/// Checks the settings against the schema of the plugin, if there is one, and gives the keywords that are left to the plugin.
fn check_config(name: &str, schema: Option<&str>, settings: &PluginSettings) -> Result<Option<Vec<String>>, LoadError> {
    let Some(text) = schema else { return Ok(None) };
    let schema =
        ConfigSchema::parse(text).map_err(|problem| LoadError::Settings(format!("{name}.schema.json: {problem}")))?;
    schema
        .check(&settings.config)
        .map_err(|problem| LoadError::Settings(format!("{problem} (by {name}.schema.json)")))?;
    Ok(Some(schema.left()))
}

/// Why an instance could not be made.
fn at_start(error: HookError) -> LoadError {
    match error {
        HookError::Saturated => LoadError::NoRoom(engine::INSTANCES),
        HookError::Timeout(time) => LoadError::Start(format!("it took longer than {time:?} (limits.deadline_ms)")),
        HookError::Limit(text) | HookError::Failed(text) => LoadError::Start(text),
        other => LoadError::Start(other.to_string()),
    }
}

/// Compiles a component, on a thread for that.
fn compile(engine: &Engine, name: &str, bytes: &[u8]) -> Result<Component, LoadError> {
    let size = bytes.len();
    let message = format!("the plugin \"{name}\" is being compiled ({} KiB)", size.div_ceil(1024));
    tracing::info!(sender = "plugins", plugin = name, size, message);
    let started = Instant::now();
    let compiled = component_file::compile(engine, bytes);
    let message = format!("compiling the plugin \"{name}\" took {:.1} s", started.elapsed().as_secs_f64());
    tracing::info!(sender = "plugins", plugin = name, message);
    compiled
}

fn names_in(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm")
            && let Some(stem) = path.file_stem()
            && !stem.as_encoded_bytes().starts_with(b".")
        {
            names.insert(stem.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn component_path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.wasm"))
}

fn schema_file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.schema.json"))
}

fn settings_file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.toml"))
}

/// Reads the component of a plugin, whatever is in it.
fn read_component(directory: &Path, name: &str) -> Result<Vec<u8>, Unusable> {
    // `names_in` has replaced bytes that are not UTF-8, so this is not the name of a file.
    if name.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Unusable::unknown(LoadError::Name));
    }
    let path = component_path(directory, name);
    plugin_file::read(&path, plugin_file::MAX_COMPONENT).map_err(|error| match error {
        NotRead::Because(problem) => Unusable::unknown(LoadError::Unreadable(problem)),
        NotRead::Missing => Unusable {
            is_gone: path.symlink_metadata().is_err(),
            ..Unusable::unknown(LoadError::Unreadable("the link leads nowhere".to_owned()))
        },
    })
}

fn claims(directory: &Path, name: &str) -> BTreeSet<HookKind> {
    match read_component(directory, name) {
        Ok(component) => claimed_gates(&component),
        Err(Unusable { is_gone: true, .. }) => BTreeSet::new(),
        Err(Unusable { gates, .. }) => gates,
    }
}

fn read(directory: &Path, name: &str, is_signed: bool) -> Result<Files, Unusable> {
    let component = read_component(directory, name)?;
    let is_valid = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
    if name.is_empty() || !name.chars().all(is_valid) {
        return Err(Unusable { error: LoadError::Name, gates: claimed_gates(&component), is_gone: false });
    }
    let text = |path: PathBuf, file: &str| {
        read_if_there(&path).map_err(|problem| Unusable {
            error: LoadError::Settings(format!("{name}.{file}: {problem}")),
            gates: claimed_gates(&component),
            is_gone: false,
        })
    };
    let settings = text(settings_file(directory, name), "toml")?;
    let schema = text(schema_file(directory, name), "schema.json")?;
    let signature = || plugin_file::read_text(&directory.join(format!("{name}.wasm.sig"))).ok();
    let signature = if is_signed { signature() } else { None };
    let digest = hexadecimal(&Sha256::digest(&component));
    Ok(Files { component: Arc::new(component), digest, settings, schema, signature })
}

fn read_if_there(path: &Path) -> Result<Option<String>, String> {
    match plugin_file::read_text(path) {
        Ok(text) => Ok(Some(text)),
        // A symbolic link that leads nowhere is an error: the operator wanted settings.
        Err(NotRead::Missing) if path.symlink_metadata().is_ok() => Err("the link leads nowhere".to_owned()),
        Err(NotRead::Missing) => Ok(None),
        Err(NotRead::Because(problem)) => Err(problem),
    }
}

/// Whether a file in `directory` may export the hook. Searches the bytes of each file, which is
/// faster than loading.
pub fn may_hold(directory: &Path, kind: HookKind) -> bool {
    let name = format!("{}{kind}@", component_file::PACKAGE);
    let Ok(names) = names_in(directory) else { return false };
    names.iter().any(|plugin| {
        // A file that cannot be read may export any hook.
        let bytes = plugin_file::read(&component_path(directory, plugin), plugin_file::MAX_COMPONENT);
        bytes.map_or(true, |bytes| bytes.windows(name.len()).any(|part| part == name.as_bytes()))
    })
}

/// The bytes as hexadecimal digits in lower case.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
