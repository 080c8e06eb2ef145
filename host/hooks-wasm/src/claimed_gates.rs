//! Finds the gates that a file may have been meant for, from its bytes alone: a plugin that cannot
//! be used may be the one that denies.

use std::collections::BTreeSet;

use tidegate_core::hook::{Family, HookKind};
use wasmparser::{Parser, Payload};

use crate::component_file::PACKAGE;

/// All hook points that decide.
pub fn all_gates() -> BTreeSet<HookKind> {
    gates_among(&HookKind::ALL)
}

/// The gates among these hooks.
pub fn gates_among(hooks: &[HookKind]) -> BTreeSet<HookKind> {
    hooks.iter().copied().filter(|kind| kind.family() == Family::Gate).collect()
}

/// The gates that a file exports; all gates if its exports cannot be read, since a truncated or
/// damaged file may be meant for any of them.
pub fn claimed_gates(bytes: &[u8]) -> BTreeSet<HookKind> {
    claimed_hooks(bytes).map_or_else(all_gates, |hooks| gates_among(&hooks))
}

/// The hooks that a file exports; `None` if its exports cannot be read.
pub fn claimed_hooks(bytes: &[u8]) -> Option<Vec<HookKind>> {
    let names = exported_names(bytes).filter(|names| !names.is_empty())?;
    Some(names.iter().filter_map(|name| hook_of(name)).collect())
}

/// The hook that an export is for: by the contract's name, in any version, or by the plain name,
/// such as `external_auth`, that languages without other names use.
pub fn hook_of(export: &str) -> Option<HookKind> {
    match export.strip_prefix(PACKAGE) {
        Some(rest) => HookKind::from_name(rest.split(['@', '#']).next()?),
        None => HookKind::from_name(export),
    }
}

/// The names that a module or component exports; `None` if it is incomplete or damaged.
fn exported_names(bytes: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    // Modules and components inside a component have exports of their own.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ExportSection(exports) if depth == 0 => {
                for export in exports {
                    names.push(export.ok()?.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    names.push(export.ok()?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core module with one function and these exports.
    fn module(exports: &[&str]) -> Vec<u8> {
        let mut section = vec![u8::try_from(exports.len()).unwrap()];
        for name in exports {
            section.push(u8::try_from(name.len()).unwrap());
            section.extend_from_slice(name.as_bytes());
            section.extend_from_slice(&[0, 0]);
        }
        let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07".to_vec();
        module.push(u8::try_from(section.len()).unwrap());
        module.extend(section);
        module.extend_from_slice(b"\x0a\x04\x01\x02\0\x0b");
        module
    }

    /// A component that exports an instance without anything in it.
    fn component(export: &str) -> Vec<u8> {
        let mut section = vec![1, 0];
        section.push(u8::try_from(export.len()).unwrap());
        section.extend_from_slice(export.as_bytes());
        section.extend_from_slice(&[5, 0, 0]);
        let mut component = b"\0asm\x0d\0\x01\0\x05\x03\x01\x01\0\x0b".to_vec();
        component.push(u8::try_from(section.len()).unwrap());
        component.extend(section);
        component
    }

    #[test]
    fn a_file_that_cannot_be_used_is_held_to_what_it_exports() {
        // G-01
        let check =
            |bytes: &[u8], expected: BTreeSet<HookKind>| assert_eq!(claimed_gates(bytes), expected, "{bytes:?}");
        let only = |kind: HookKind| BTreeSet::from([kind]);
        let pre_action = component("tidegate:hooks/pre-action@0.1.1");
        check(&pre_action, only(HookKind::PreAction));
        // Another track, also a later one.
        check(&component("tidegate:hooks/connect@0.2.0"), only(HookKind::Connect));
        check(&component("tidegate:hooks/connect@9.0.0"), only(HookKind::Connect));
        // An observer is not a gate.
        check(&component("tidegate:hooks/post-login@0.1.1"), BTreeSet::new());
        check(&component("wasi:cli/run@0.2.0"), BTreeSet::new());
        check(&module(&["tidegate:hooks/login-pre@0.1.1#review"]), only(HookKind::LoginPre));
        check(&module(&["memory", "external_auth"]), only(HookKind::ExternalAuth));
        check(&module(&["memory", "_start"]), BTreeSet::new());
        // The exports of a truncated file cannot be read.
        for length in 0..pre_action.len() {
            check(&pre_action[..length], all_gates());
        }
        check(b"", all_gates());
        check(b"hello, I am no component", all_gates());
        check(b"\0asm\x63\0\x07\0", all_gates());
        check(b"\0asm\x01\0\0\0", all_gates());
        check(&vec![0; 1000], all_gates());
    }
}
