//! Is this file a component, and one for this server?

use std::time::Duration;

use tidegate_core::hook::HookKind;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::signature::SignatureError;

pub const PACKAGE: &str = "tidegate:hooks/";
const TRACK: &str = "0.1.";

/// Why a file is not a plugin, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("it could not be read: {0}")]
    Unreadable(String),
    #[error("it is not WebAssembly; copy the whole component into place")]
    NotWasm,
    #[error(
        "it is a core module, not a component; wrap it with: tidegate plugin component FILE --output PLUGIN.wasm (or wasm-tools component new FILE -o PLUGIN.wasm)"
    )]
    CoreModule,
    #[error("it is precompiled native code, which is not loaded; use the .wasm component it was made from")]
    Precompiled,
    #[error("it is WebAssembly of a version that this server does not know")]
    OtherVersion,
    #[error("it cannot be compiled: {0}")]
    Invalid(String),
    #[error("it exports no hook; it has to export one of: {known}{found}")]
    NoHook { known: String, found: String },
    #[error(
        "it is made for version {version} of the hooks, this server speaks {TRACK}x; rebuild it with this server's wit/"
    )]
    OtherTrack { version: String },
    #[error("compiling it takes longer than {0:?}")]
    TooSlow(Duration),
    #[error("it needs something that this server does not offer: {0}")]
    Unlinkable(String),
    #[error("it failed when it was started: {0}")]
    Start(String),
    #[error("all {0} places for instances of plugins are taken; lower limits.ready of some plugins")]
    NoRoom(u32),
    #[error("its SHA-256 is {found}, but the settings allow only {wanted} (sha256)")]
    OtherDigest { found: String, wanted: String },
    #[error(
        "it is not signed, but plugins.trusted_keys is set; sign it (tidegate plugin sign --key KEY FILE) and put the .sig file beside it"
    )]
    Unsigned,
    #[error("its signature (the .sig file beside it) is not good: {0}")]
    Untrusted(SignatureError),
    #[error("its settings cannot be used: {0}")]
    Settings(String),
    #[error("its name may hold letters, digits, \"-\" and \"_\" only")]
    Name,
}

impl LoadError {
    /// Whether another try with the same files can end otherwise.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::NoRoom(_))
    }
}

/// Hooks that a component may export.
fn known_hooks() -> String {
    HookKind::ALL.map(HookKind::as_str).join(", ")
}

/// Compiles a component; takes CPU time, so call it off the runtime's threads.
pub fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    // Magic number, then version and layer (component-model binary format).
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => {}
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => return Err(LoadError::CoreModule),
        Some([0, b'a', b's', b'm', ..]) => return Err(LoadError::OtherVersion),
        _ if Engine::detect_precompiled(bytes).is_some() => return Err(LoadError::Precompiled),
        _ => return Err(LoadError::NotWasm),
    }
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
        let found = if others.is_empty() { String::new() } else { format!(" (it exports {})", others.join(", ")) };
        others.sort();
        return Err(LoadError::NoHook { known: known_hooks(), found });
    }
    Ok(hooks)
}
