//! Checks that a file is a component for this server, and compiles it.

use std::time::Duration;

use tidegate_core::hook::HookKind;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::signature::SignatureError;

/// The package of the contract: the beginning of the names of all hooks' interfaces.
pub const PACKAGE: &str = "tidegate:hooks/";
/// The beginning of the versions whose components this server takes.
pub const TRACK: &str = "0.1.";

/// Why a file is not a plugin, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read; another try may succeed.
    #[error("it could not be read: {0}")]
    Unreadable(String),
    /// The file does not begin with the magic number of WebAssembly.
    #[error("it is not WebAssembly; copy the whole component into place")]
    NotWasm,
    /// The file is a core module, not a component.
    #[error(
        "it is a core module, not a component; wrap it with: tidegate plugin component FILE --output PLUGIN.wasm (or wasm-tools component new FILE -o PLUGIN.wasm)"
    )]
    CoreModule,
    /// The file is native code that Wasmtime compiled before.
    #[error("it is precompiled native code, which is not loaded; use the .wasm component it was made from")]
    Precompiled,
    /// The version or layer in the file's header is unknown.
    #[error("it is WebAssembly of a version that this server does not know")]
    OtherVersion,
    /// The component cannot be compiled; the text is the reason.
    #[error("it cannot be compiled: {0}")]
    Invalid(String),
    /// The component exports no hook of the contract.
    #[error("it exports no hook; it has to export one of: {known}{found}")]
    NoHook {
        /// The hooks that a component may export, separated by commas.
        known: String,
        /// In parentheses, what the component exports instead; empty if that is nothing.
        found: String,
    },
    /// The component's hooks are of another track of the contract.
    #[error(
        "it is made for version {version} of the hooks, this server speaks {TRACK}x; rebuild it with this server's wit/"
    )]
    OtherTrack {
        /// The version in the name of the export, such as `0.2.0`.
        version: String,
    },
    /// Compiling took longer than this time.
    #[error("compiling it takes longer than {0:?}")]
    TooSlow(Duration),
    /// The server lacks an import, or an export has another type than in the contract.
    #[error("it needs something that this server does not offer: {0}")]
    Unlinkable(String),
    /// The first instance could not be made; the text is the reason.
    #[error("it failed when it was started: {0}")]
    Start(String),
    /// The pool of instances, of this size, is full; another try may succeed.
    #[error("all {0} places for instances of plugins are taken; lower limits.ready of some plugins")]
    NoRoom(u32),
    /// The file is not the one that the setting `sha256` requires.
    #[error("its SHA-256 is {found}, but the settings allow only {wanted} (sha256)")]
    OtherDigest {
        /// Hexadecimal SHA-256 of the file.
        found: String,
        /// The value of the setting.
        wanted: String,
    },
    /// There are trusted keys, and the plugin has no signature that can be read.
    #[error(
        "it is not signed, but plugins.trusted_keys is set; sign it (tidegate plugin sign --key KEY FILE) and put the .sig file beside it"
    )]
    Unsigned,
    /// The signature is not valid, or not that of a trusted key.
    #[error("its signature (the .sig file beside it) is not good: {0}")]
    Untrusted(SignatureError),
    /// The plugin's settings cannot be read or used.
    #[error("its settings cannot be used: {0}")]
    Settings(String),
    /// The file's name has characters that the name of a plugin may not have.
    #[error("its name may hold letters, digits, \"-\" and \"_\" only")]
    Name,
}

impl LoadError {
    /// Whether another try with the same files may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::NoRoom(_))
    }
}

/// Hooks that a component may export.
fn known_hooks() -> String {
    HookKind::ALL.map(HookKind::as_str).join(", ")
}

/// Whether the file begins as a component does: magic number, then version and layer (component-model binary format).
pub fn check_header(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(LoadError::CoreModule),
        Some([0, b'a', b's', b'm', ..]) => Err(LoadError::OtherVersion),
        _ if Engine::detect_precompiled(bytes).is_some() => Err(LoadError::Precompiled),
        _ => Err(LoadError::NotWasm),
    }
}

/// Compiles a component; takes CPU time, so call it off the runtime's threads.
pub fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    check_header(bytes)?;
    Component::from_binary(engine, bytes).map_err(|error| LoadError::Invalid(error.root_cause().to_string()))
}

/// The hooks of this contract's track that the component exports.
pub fn exported_hooks(engine: &Engine, component: &Component) -> Result<Vec<HookKind>, LoadError> {
    let exports = component.component_type();
    let mut hooks = Vec::new();
    let mut others = Vec::new();
    for (name, export) in exports.exports(engine) {
        let hook = name.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@'));
        match (hook, &export.ty) {
            (Some((hook, version)), ComponentItem::ComponentInstance(_)) if version.starts_with(TRACK) => {
                match HookKind::from_name(hook) {
                    Some(kind) => hooks.push(kind),
                    None => others.push(name.to_owned()),
                }
            }
            (Some((_, version)), _) => {
                return Err(LoadError::OtherTrack { version: version.to_owned() });
            }
            (None, _) => others.push(name.to_owned()),
        }
    }
    if hooks.is_empty() {
        others.sort();
        let found = if others.is_empty() { String::new() } else { format!(" (it exports {})", others.join(", ")) };
        return Err(LoadError::NoHook { known: known_hooks(), found });
    }
    Ok(hooks)
}
