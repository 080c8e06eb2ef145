//! A component of a core module, without any tool on the author's machine: which hooks it
//! implements is in its exports, so nobody has to say so a second time.

use tidegate_core::hook::HookKind;
use wasi_preview1_component_adapter_provider as adapter;
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

use crate::component_file::PACKAGE;

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

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentizeError {
    #[error("it is a component already")]
    Component,
    #[error("it is not a core module of WebAssembly: {0}")]
    NotAModule(String),
    #[error("it exports no hook; a core module exports one as \"{PACKAGE}NAME@VERSION#FUNCTION\"")]
    NoHook,
    #[error("no component can be made of it: {0}")]
    Invalid(String),
}

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
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(in_words)?;
    let mut encoder = ComponentEncoder::default().validate(true).module(&module).map_err(in_words)?;
    if facts.uses_preview1 {
        let name = adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
        encoder = encoder.adapter(name, adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER).map_err(in_words)?;
    }
    encoder.encode().map_err(in_words)
}

/// Everything that hooks may import, and these hooks as exports.
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

/// What a core module says of itself.
struct Facts {
    hooks: Vec<HookKind>,
    uses_preview1: bool,
}

impl Facts {
    fn read(module: &[u8]) -> wasmparser::Result<Self> {
        let mut facts = Self { hooks: Vec::new(), uses_preview1: false };
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ExportSection(exports) => {
                    for export in exports {
                        facts.hooks.extend(hook_of(export?.name));
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
        Ok(facts)
    }
}

/// `external-auth` of `tidegate:hooks/external-auth@0.1.1#authenticate`.
fn hook_of(export: &str) -> Option<HookKind> {
    HookKind::from_name(export.strip_prefix(PACKAGE)?.split_once('@')?.0)
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
    fn every_hook_has_a_world() {
        world(&HookKind::ALL).unwrap();
    }
}
