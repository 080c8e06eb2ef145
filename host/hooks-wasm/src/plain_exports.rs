//! Renames the exports of core modules of languages that cannot export a name such as
//! `tidegate:hooks/external-auth@0.1.2#authenticate`: plain names become the contract's, and so do those of an
//! earlier version of its track.

use std::collections::BTreeMap;

use tidegate_core::hook::HookKind;
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{ExportSectionReader, ExternalKind, Parser};

use crate::claimed_gates::hook_of;
use crate::component_file::{PACKAGE, TRACK};

/// Prefix of a hook's plain name: the function that frees what the hook returned.
const AFTER: &str = "cabi_post_";

/// Gives the contract's names to the hook functions of a module. `full_name`: the name for a hook.
/// `has_plain_names`: no export of the module has a name of the contract.
pub fn with_full_names(
    module: &[u8],
    has_plain_names: bool,
    full_name: impl Fn(HookKind) -> Option<String>,
) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
    let mut renamed = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let wasmparser::Payload::ExportSection(exports) = payload {
            renamed.section(&renamed_exports(exports, has_plain_names, &full_name)?);
        } else if let Some((id, range)) = payload.as_section() {
            let data = module.get(range).unwrap_or_default();
            renamed.section(&RawSection { id, data });
        }
    }
    Ok(renamed.finish())
}

/// The hook for which a core module exports a function, by either kind of name.
pub fn function_of(name: &str, kind: ExternalKind) -> Option<HookKind> {
    matches!(kind, ExternalKind::Func | ExternalKind::FuncExact).then(|| hook_of(name)).flatten()
}

fn renamed_exports(
    exports: ExportSectionReader<'_>,
    has_plain_names: bool,
    full_name: &impl Fn(HookKind) -> Option<String>,
) -> Result<ExportSection, wasmparser::BinaryReaderError> {
    let mut section = ExportSection::new();
    let mut known: BTreeMap<HookKind, String> = BTreeMap::new();
    for export in exports {
        let export = export?;
        let (prefix, plain) = match export.name.strip_prefix(AFTER) {
            Some(plain) => (AFTER, plain),
            None => ("", export.name),
        };
        let name = match function_of(plain, export.kind) {
            Some(kind) => {
                let full = known.entry(kind).or_insert_with(|| full_name(kind).unwrap_or_else(|| plain.to_owned()));
                let is_plain = has_plain_names && !plain.contains(':');
                if is_plain || is_same_function(plain, full) {
                    format!("{prefix}{full}")
                } else {
                    export.name.to_owned()
                }
            }
            None => export.name.to_owned(),
        };
        section.export(&name, kind_of(export.kind), export.index);
    }
    Ok(section)
}

/// Whether both are the contract's names of one function, in any versions of the track.
fn is_same_function(one: &str, other: &str) -> bool {
    /// The interface and the function.
    fn parts(name: &str) -> Option<(&str, &str)> {
        let (interface, rest) = name.strip_prefix(PACKAGE)?.split_once('@')?;
        let (version, function) = rest.split_once('#')?;
        version.starts_with(TRACK).then_some((interface, function))
    }
    parts(one).is_some_and(|parts_of_one| parts(other) == Some(parts_of_one))
}

fn kind_of(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Tag => ExportKind::Tag,
    }
}
