//! The world of one plugin: what every hook may import, and the hooks that it exports.

use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_bindgen_core::wit_parser::{PackageId, Resolve, WorldId};

/// A world `hook` that exports the named hooks, or all of them if none is named.
pub fn of_hooks(wit: &Path, hooks: &[&str]) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (contract, _) =
        resolve.push_dir(wit).with_context(|| format!("cannot read the contract in {}", wit.display()))?;
    let worlds = if hooks.is_empty() {
        vec!["every-hook".to_owned()]
    } else {
        hooks.iter().map(|hook| known_world(&resolve, contract, hook)).collect::<Result<_>>()?
    };
    let version = resolve.packages[contract].name.version.clone().context("the contract has no version")?;
    let includes: String = worlds.iter().map(|name| format!("include tidegate:hooks/{name}@{version};\n")).collect();
    let source = format!("package tidegate:plugin;\nworld hook {{\n{includes}}}\n");
    let plugin = resolve.push_str("hook.wit", &source)?;
    let world = resolve.select_world(&[plugin], Some("hook"))?;
    Ok((resolve, world))
}

/// The contract's own world of one hook. Several of these merge when a component is made, which worlds of
/// the same name that export different things do not.
pub fn of_hook(wit: &Path, hook: &str) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_dir(wit)?;
    let world = known_world(&resolve, contract, hook)?;
    let id = resolve.select_world(&[contract], Some(&world))?;
    Ok((resolve, id))
}

fn known_world(resolve: &Resolve, contract: PackageId, hook: &str) -> Result<String> {
    let worlds = &resolve.packages[contract].worlds;
    let name = format!("{hook}-hook");
    if worlds.contains_key(&name) {
        return Ok(name);
    }
    let known: Vec<&str> =
        worlds.keys().filter_map(|name| name.strip_suffix("-hook")).filter(|name| *name != "every").collect();
    bail!("there is no hook {hook:?}; there are: {}", known.join(", "))
}
