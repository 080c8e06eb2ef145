//! Writes the bindings that the hook SDKs for C and Go are built on. It is a program of this
//! project because `wit-bindgen-cli` compiles five times as long
//! and because everything here but three small crates is compiled for the server anyway.

#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a tool of this tree, which stops at what it does not know"
)]

mod c;
mod go;
mod world;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_bindgen_core::{Files, WorldGenerator};

const USAGE: &str = "usage:
  tidegate-bindings c WIT OUT                       what the SDK for C is built on
  tidegate-bindings go WIT OUT MODULE               the same for Go, as the Go module MODULE
  tidegate-bindings plain c|go WIT OUT [HOOK…]      what wit-bindgen writes, for the hooks named or all";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["c", wit, out] => {
            let files = bindings(&mut *c_generator(), wit, &[])?;
            c::split(Path::new(wit), &files)?.iter().try_for_each(|(name, text)| write(out, name, text.as_bytes()))
        }
        ["go", wit, out, package] => {
            let files = bindings(&mut *go_generator(&format!("{package}/internal/bindings")), wit, &[])?;
            go::split(package, &files)?.iter().try_for_each(|(name, text)| write(out, name, text.as_bytes()))
        }
        ["plain", language, wit, out, hooks @ ..] => {
            let mut generator = if *language == "c" { c_generator() } else { go_generator("plugin/bindings") };
            bindings(&mut *generator, wit, hooks)?.iter().try_for_each(|(name, contents)| write(out, name, contents))
        }
        _ => bail!(USAGE),
    }
}

fn c_generator() -> Box<dyn WorldGenerator> {
    let options = wit_bindgen_c::Opts { autodrop_borrows: wit_bindgen_c::Enabled::Yes, ..Default::default() };
    options.build()
}

fn go_generator(package: &str) -> Box<dyn WorldGenerator> {
    // Not with the `gofmt` that a machine may have: what is written must not depend on it.
    let format = wit_bindgen_go::Format::False;
    let options = wit_bindgen_go::Opts { pkg_name: Some(package.to_owned()), format, ..Default::default() };
    options.build()
}

fn bindings(generator: &mut dyn WorldGenerator, wit: &str, hooks: &[&str]) -> Result<Files> {
    let (mut resolve, world) = world::of_hooks(Path::new(wit), hooks)?;
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files)?;
    Ok(files)
}

fn write(out: &str, name: &str, contents: &[u8]) -> Result<()> {
    let path = Path::new(out).join(name);
    fs::create_dir_all(path.parent().context("the path has no parent")?)?;
    fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))
}
