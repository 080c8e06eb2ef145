//! Makes a component of a core module, without any tool on the author's machine. The names of the
//! module's exports, full or plain, say which hooks it implements.

use tidegate_core::hook::HookKind;
use wasi_preview1_component_adapter_provider as adapter;
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId, WorldItem};

use crate::component_file::PACKAGE;
use crate::plain_exports::{function_of, with_full_names};

/// The contract, file by file.
const CONTRACT: [(&str, &str); 7] = [
    ("package.wit", include_str!("../../../wit/package.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("host.wit", include_str!("../../../wit/host.wit")),
    ("external-auth.wit", include_str!("../../../wit/external-auth.wit")),
    ("gates.wit", include_str!("../../../wit/gates.wit")),
    ("observers.wit", include_str!("../../../wit/observers.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

/// Why no component can be made of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentizeError {
    /// The file is a component already.
    #[error("it is a component already")]
    Component,
    /// The file is not a core module; the text is the parser's error.
    #[error("it is not a core module of WebAssembly: {0}")]
    NotAModule(String),
    /// No exported function has the name of a hook.
    #[error(
        "it exports no hook; a core module exports one as \"{PACKAGE}NAME@VERSION#FUNCTION\", or by its plain name, such \
         as \"external_auth\""
    )]
    NoHook,
    /// The module does not fit the contract; the text is the reason.
    #[error("no component can be made of it: {0}")]
    Invalid(String),
}

/// Makes a component of a core module, with the adapter for WASI preview 1 if the module imports that.
///
/// # Errors
/// If the file is not a core module, exports no hook, or does not fit the contract.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    if Parser::is_component(module) {
        return Err(ComponentizeError::Component);
    }
    let facts = Facts::read(module).map_err(|error| ComponentizeError::NotAModule(error.to_string()))?;
    if facts.hooks.is_empty() {
        return Err(ComponentizeError::NoHook);
    }
    encode(module, &facts)
}

fn in_words(error: impl std::fmt::Display) -> ComponentizeError {
    ComponentizeError::Invalid(format!("{error:#}"))
}

fn encode(module: &[u8], facts: &Facts) -> Result<Vec<u8>, ComponentizeError> {
    let (resolve, world) = world(&facts.hooks)?;
    let names = |kind| full_name(&resolve, world, kind);
    let mut module = with_full_names(module, facts.has_plain_names, names).map_err(in_words)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(in_words)?;
    let mut encoder = ComponentEncoder::default().validate(true).module(&module).map_err(in_words)?;
    if facts.uses_preview1 {
        let name = adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
        encoder = encoder.adapter(name, adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER).map_err(in_words)?;
    }
    encoder.encode().map_err(in_words)
}

/// A world that imports everything that hooks may import, and exports these hooks.
fn world(hooks: &[HookKind]) -> Result<(Resolve, WorldId), ComponentizeError> {
    let mut resolve = Resolve::default();
    let text: String = CONTRACT.iter().map(|(_, text)| *text).collect::<Vec<_>>().join("\n");
    let contract = resolve.push_str("hooks.wit", &text).map_err(in_words)?;
    let version = resolve.packages.get(contract).and_then(|package| package.name.version.clone());
    let version = version.map(|version| format!("@{version}")).unwrap_or_default();
    let includes: String = hooks.iter().map(|hook| format!("include {PACKAGE}{hook}-hook{version};\n")).collect();
    let plugin = resolve
        .push_str("hook.wit", &format!("package local:plugin;\nworld hook {{\n{includes}}}\n"))
        .map_err(in_words)?;
    let world = resolve.select_world(&[plugin], Some("hook")).map_err(in_words)?;
    Ok((resolve, world))
}

/// The full export name of a hook's function: `tidegate:hooks/external-auth@0.1.2#authenticate` for
/// `external-auth`.
fn full_name(resolve: &Resolve, world: WorldId, kind: HookKind) -> Option<String> {
    let exports = resolve.worlds.get(world)?.exports.iter();
    exports.into_iter().find_map(|(key, item)| {
        let interface = resolve.name_world_key(key);
        let WorldItem::Interface { id, .. } = item else { return None };
        let function = resolve.interfaces.get(*id)?.functions.keys().next()?;
        let is_it = interface.strip_prefix(PACKAGE)?.split_once('@')?.0 == kind.as_str();
        is_it.then(|| format!("{interface}#{function}"))
    })
}

/// What the exports and imports of a core module tell.
struct Facts {
    hooks: Vec<HookKind>,
    has_plain_names: bool,
    uses_preview1: bool,
}

impl Facts {
    fn read(module: &[u8]) -> wasmparser::Result<Self> {
        let mut facts = Self { hooks: Vec::new(), has_plain_names: false, uses_preview1: false };
        let mut plain = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        let hook = function_of(export.name, export.kind);
                        let hooks = if export.name.starts_with(PACKAGE) { &mut facts.hooks } else { &mut plain };
                        hooks.extend(hook);
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        facts.uses_preview1 |= import?.module == adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
                    }
                }
                _ => {}
            }
        }
        // In a module that uses the contract's names, a name such as "connect" means something else.
        if facts.hooks.is_empty() {
            facts.has_plain_names = !plain.is_empty();
            facts.hooks = plain;
        }
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_made_into_a_component_says_why() {
        let check = |bytes: &[u8], expected: &str| {
            let error = componentize(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(b"\0asm\x0d\0\x01\0", "already");
        check(b"\0asm\x01\0\0\0", "exports no hook");
        check(b"hello", "not a core module");
        check(b"\0asm\x01\0\0\0\xff\xff\xff", "not a core module");
    }

    #[test]
    fn every_hook_has_a_world_and_a_function() {
        let (resolve, world) = world(&HookKind::ALL).unwrap();
        for kind in HookKind::ALL {
            let name = full_name(&resolve, world, kind).unwrap();
            assert!(name.starts_with(&format!("{PACKAGE}{kind}@")) && name.contains('#'), "{name}");
        }
        let name = full_name(&resolve, world, HookKind::ExternalAuth).unwrap();
        assert!(name.ends_with("#authenticate"), "{name}");
    }

    /// A module with a function for `startup` that takes a text and gives back where its answer
    /// is, with what every component needs.
    fn module(name: &str) -> Vec<u8> {
        let mut exports = wasm_encoder::ExportSection::new();
        let function = wasm_encoder::ExportKind::Func;
        exports.export(name, function, 0).export("cabi_realloc", function, 1).export("connect_to", function, 1);
        exports.export("memory", wasm_encoder::ExportKind::Memory, 0);
        let integers = |count: usize| std::iter::repeat_n(wasm_encoder::ValType::I32, count);
        let mut types = wasm_encoder::TypeSection::new();
        types.ty().function(integers(2), integers(1));
        types.ty().function(integers(4), integers(1));
        let mut functions = wasm_encoder::FunctionSection::new();
        functions.function(0).function(1);
        let mut memories = wasm_encoder::MemorySection::new();
        memories.memory(wasm_encoder::MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut code = wasm_encoder::CodeSection::new();
        for _ in 0..2 {
            let mut body = wasm_encoder::Function::new([]);
            body.instructions().i32_const(8).end();
            code.function(&body);
        }
        let mut module = wasm_encoder::Module::new();
        module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
        module.finish()
    }

    #[test]
    fn hooks_are_known_by_full_and_by_plain_names() {
        let check = |name: &str, expected: Option<HookKind>| {
            let component = componentize(&module(name));
            let Some(kind) = expected else {
                assert_eq!(component, Err(ComponentizeError::NoHook), "{name}");
                return;
            };
            let component = component.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(crate::claimed_gates::claimed_hooks(&component), Some(vec![kind]), "{name}");
        };
        check("tidegate:hooks/startup@0.1.2#notify", Some(HookKind::Startup));
        check("tidegate:hooks/startup@0.1.1#notify", Some(HookKind::Startup));
        check("startup", Some(HookKind::Startup));
        check("start_up", None);
        check("notify", None);
        check("run", None);
        // The error names a function of the wrong type.
        let error = componentize(&module("external_auth")).unwrap_err().to_string();
        assert!(error.contains("external-auth@0.1.2#authenticate"), "{error}");
    }
}
